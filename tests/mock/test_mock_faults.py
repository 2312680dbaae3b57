"""Which rule decides: shares that cascade, conditions, ramps, flaps, rules added while running."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.engine.model import Product
from outlast.mock.faults import Chance, FaultDesk, RequestFacts, latency_at
from outlast.mock.scenario import ScenarioError, Script, load, loads
from outlast.mock.scenario.model import APPLY, NO_EFFECT, Effect, Latency

MANY = 20_000
CREATE = RequestFacts(
    venue="binance-um",
    product=Product.UM,
    endpoint="orders.create",
    account="main",
    symbol="BTCUSDT",
    reduces=True,
    post_only=False,
    type="MARKET",
)
QUERY = replace(CREATE, endpoint="orders.query", reduces=None, post_only=None, type=None)


def desk(*rules: str, seed: int = 1, phase: str = "", venue: str = "binance-um") -> FaultDesk:
    listed = "".join(f"      - {rule}\n" for rule in rules)
    faults = f"    faults:\n{listed}" if rules else ""
    return FaultDesk(
        Script(
            loads(
                f"scenario: x\nvenue: {venue}\nphases:\n  - name: bad\n    for: 100m\n"
                f"{phase}{faults}"
            )
        ),
        Chance(seed),
    )


def moment_of(of: FaultDesk, at_s: float = 0.0):
    return of._script.at(at_s)


def replies(of: FaultDesk, facts: RequestFacts, count: int, at_s: float = 0.0) -> list[str]:
    moment = moment_of(of, at_s)
    return [of.decide(facts, moment, n).reply.kind for n in range(count)]


def near(count: int, share: float, of: int = MANY) -> bool:
    """Within five standard deviations of what a share of independent draws gives."""
    return abs(count - of * share) <= 5 * (of * share * (1 - share)) ** 0.5 + 1


# --- chance --------------------------------------------------------------------------------------


def test_a_draw_depends_on_its_parts_alone():
    chance = Chance(7)
    first = chance.draw("p", "bad/0", 3)
    chance.draw("something", "else")
    assert chance.draw("p", "bad/0", 3) == first == Chance(7).draw("p", "bad/0", 3)
    assert first != Chance(8).draw("p", "bad/0", 3)
    assert chance.draw("a", "bc") != chance.draw("ab", "c")


def test_draws_are_spread_evenly():
    chance = Chance(1)
    tenths = Counter(int(chance.draw("x", n) * 10) for n in range(MANY))
    assert sorted(tenths) == list(range(10))
    assert all(near(count, 0.1) for count in tenths.values())


# --- shares --------------------------------------------------------------------------------------


def test_the_lockouts_shares_cascade():
    """Each rule takes its share of what the ones before it have left; 1.68 % get through."""
    run = FaultDesk(Script(load("binance-reduce-only-lockout-2025-10-11")), Chance(20251011))
    facts = replace(CREATE, symbol="DOGEUSDT")
    moment = moment_of(run, 30 * 60.0)
    assert moment.phase.name == "lockout"
    decisions = [run.decide(facts, moment, n) for n in range(MANY)]
    told = Counter(d.reply.kind for d in decisions)
    left = 1.0
    for kind, p in (
        ("reduce_rejected", 0.30),
        ("reduce_failed", 0.40),
        ("overload", 0.60),
        ("unavailable", 0.80),
        ("unknown", 0.50),
    ):
        assert near(told[kind], left * p), kind
        left *= 1 - p
    assert near(told["ok"], left)
    landed_behind_unknown = sum(d.reply.kind == "unknown" and d.effect == APPLY for d in decisions)
    assert near(landed_behind_unknown, 0.0168 * 0.2)
    assert all(d.effect == NO_EFFECT for d in decisions if d.reply.kind == "overload")
    slow = [d for d in decisions if d.latency_s > 0]
    assert slow == [d for d in decisions if d.reply.kind == "ok"], (
        "who passes reaches the last rule"
    )


def test_the_same_seed_decides_the_same_and_another_does_not():
    rules = ("{match: orders.create, p: 0.5, reply: unknown, effect: {apply: 0.5}}",)
    moment = moment_of(desk())
    runs = []
    for seed in (1, 1, 2):
        of = desk(*rules, seed=seed)
        moment = moment_of(of)
        runs.append([of.decide(CREATE, moment, n) for n in range(200)])
    assert runs[0] == runs[1] != runs[2]


def test_the_order_of_asking_and_the_rest_of_the_traffic_do_not_matter():
    rules = (
        "{match: 'orders.*', p: 0.5, reply: unknown}",
        "{match: 'orders.*', latency: {p50: 1s, p99: 4s}}",
    )
    alone, crowded = desk(*rules), desk(*rules)
    moment = moment_of(alone)
    expected = [alone.decide(CREATE, moment, n) for n in range(50)]
    for n in range(300):
        crowded.decide(QUERY, moment, n)
        crowded.decide(replace(CREATE, account="other"), moment, n)
    assert [crowded.decide(CREATE, moment, n) for n in reversed(range(50))] == expected[::-1]


def test_accounts_and_venues_have_luck_of_their_own():
    of = desk("{match: orders.create, p: 0.5, reply: unknown}")
    mine = replies(of, CREATE, 100)
    assert mine != replies(of, replace(CREATE, account="other"), 100)
    assert mine != replies(of, replace(CREATE, venue="binance-spot"), 100)


# --- matching ------------------------------------------------------------------------------------


def told(of: FaultDesk, facts: RequestFacts, ordinal: int = 0, at_s: float = 0.0) -> str:
    return of.decide(facts, moment_of(of, at_s), ordinal).reply.kind


def test_a_star_covers_requests_but_neither_sockets_nor_the_status_page():
    of = desk("{match: '*', reply: unavailable}")
    for endpoint in ("market.read", "time", "stream.key", "orders.deadman", "account.transfer"):
        assert told(of, replace(QUERY, endpoint=endpoint)) == "unavailable"
    for endpoint in ("ws.market.connect", "ws.user.stream", "status.page"):
        assert told(of, replace(QUERY, endpoint=endpoint)) == "ok"


def test_wildcards_cover_what_they_spell():
    of = desk("{match: ['orders.c*', 'ws.*.connect'], reply: {http: {status: 503}}}")
    hit = {"orders.create", "orders.cancel", "orders.cancel_all"}
    hit |= {"ws.market.connect", "ws.user.connect"}
    for endpoint in ("orders.query", "market.read", "ws.market.stream", *hit):
        expected = "http" if endpoint in hit else "ok"
        assert told(of, replace(QUERY, endpoint=endpoint)) == expected, endpoint


def test_a_request_over_a_socket_is_met_by_its_class_and_by_ws_api():
    by_class = desk("{match: orders.create, reply: unknown}")
    by_socket = desk("{match: ws.api, reply: internal}")
    over_socket = replace(CREATE, transport="ws.api")
    assert (told(by_class, over_socket), told(by_class, CREATE)) == ("unknown", "unknown")
    assert (told(by_socket, over_socket), told(by_socket, CREATE)) == ("internal", "ok")


def test_what_is_said_of_sockets_goes_before_what_is_said_of_the_class():
    of = desk(
        "{match: orders.create, reply: {http: {status: 500}}}", "{match: ws.api, reply: internal}"
    )
    over_socket = replace(CREATE, transport="ws.api")
    assert (told(of, CREATE), told(of, over_socket)) == ("http", "internal")
    of.add({"match": "orders.create", "reply": "overload"})
    assert told(of, over_socket) == "overload", "an added rule goes before all"


@pytest.mark.parametrize(
    ("where", "fits", "fits_not"),
    [
        ("{product: um}", {}, {"product": Product.SPOT}),
        ("{venue: binance-um}", {}, {"venue": "binance-spot"}),
        ("{symbol: BTCUSDT}", {}, {"symbol": "ETHUSDT"}),
        ("{symbol: [ETHUSDT, BTCUSDT]}", {}, {"symbol": None}),
        ("{reduces: true}", {}, {"reduces": False}),
        ("{reduces: false}", {"reduces": False}, {"reduces": None}),
        ("{post_only: false}", {}, {"post_only": True}),
        ("{type: market}", {}, {"type": "LIMIT"}),
        ("{type: stop-market}", {"type": "STOP_MARKET"}, {"type": None}),
        ("{reduces: true, type: MARKET}", {}, {"reduces": False}),
    ],
)
def test_where_asks_of_the_request(where, fits, fits_not):
    venues = "[binance-um, binance-spot]"
    of = desk(f"{{match: orders.create, where: {where}, reply: unknown}}", venue=venues)
    assert told(of, replace(CREATE, **fits)) == "unknown"
    assert told(of, replace(CREATE, **fits_not)) == "ok"


def test_where_asks_of_the_channel():
    of = FaultDesk(Script(load("acked-no-data")), Chance(7))
    stream = replace(QUERY, endpoint="ws.market.stream")

    def decided(channel: str | None):
        return of.decide(replace(stream, channel=channel), moment_of(of), 0).stream

    assert decided("kline").kind == "ack_only"
    assert decided("AggTrade").kind == "ack_only"
    assert decided("depth") is None
    assert decided(None) is None


def test_a_share_of_the_keys_is_the_same_keys_throughout():
    rules = (
        "{match: orders.create, where: {share_of_keys: 0.4}, reply: unavailable}",
        "{match: orders.query, where: {share_of_keys: 0.2}, reply: unavailable}",
    )
    of = desk(*rules)
    accounts = [f"account-{n}" for n in range(2000)]
    hit = {a for a in accounts if told(of, replace(CREATE, account=a)) == "unavailable"}
    assert near(len(hit), 0.4, of=2000)
    assert hit == {
        a for a in accounts if told(of, replace(CREATE, account=a), ordinal=99) == "unavailable"
    }
    fewer = {a for a in accounts if told(of, replace(QUERY, account=a)) == "unavailable"}
    assert near(len(fewer), 0.2, of=2000)
    assert fewer < hit, "the same broken shard, less of it"


def test_the_nth_request_that_gets_as_far_is_hit_once_per_account():
    of = desk(
        "{match: orders.create, where: {type: LIMIT}, reply: internal}",
        "{match: orders.create, where: {nth: 3}, reply: unknown}",
    )
    limit = replace(CREATE, type="LIMIT")
    assert [told(of, CREATE, 0), told(of, limit, 1), told(of, CREATE, 2)] == [
        "ok",
        "internal",
        "ok",
    ]
    assert of.would_accept(CREATE, moment_of(of), 3) is False
    assert [told(of, CREATE, n) for n in (3, 4, 5)] == ["unknown", "ok", "ok"]
    other = replace(CREATE, account="other")
    assert [told(of, other, n) for n in range(4)] == ["ok", "ok", "unknown", "ok"]


def test_a_rule_with_times_wears_out():
    of = desk("{match: 'orders.*', times: 2, reply: unknown}")
    assert [told(of, f, n) for n, f in enumerate((CREATE, QUERY, CREATE))] == [
        "unknown",
        "unknown",
        "ok",
    ]


# --- effect and latency --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "reply", "effect"),
    [
        ("reply: unknown", "unknown", NO_EFFECT),
        ("reply: ok", "ok", APPLY),
        ("reply: ok, effect: none", "ok", NO_EFFECT),
        ("effect: {apply_silently: true}", "ok", Effect("apply_silently")),
        ("reply: {hang: 30s}, effect: {apply_after: 3m}", "hang", Effect("apply_after", 180.0)),
        ("effect: {apply_then_void: 25s}", "ok", Effect("apply_then_void", 25.0)),
        ("reply: unknown, effect: {apply: 1}", "unknown", APPLY),
        ("reply: unknown, effect: {apply: 0}", "unknown", NO_EFFECT),
        ("reply: {empty: 200}, effect: apply", "empty", APPLY),
    ],
)
def test_reply_and_effect_are_independent(rule, reply, effect):
    of = desk(f"{{match: orders.create, {rule}}}")
    decision = of.decide(CREATE, moment_of(of), 0)
    assert (decision.rule_id, decision.reply.kind, decision.effect) == ("bad/0", reply, effect)


def test_raw_replies_carry_their_arguments():
    of = desk(
        "{match: time, reply: {http: {status: 503, headers: {x-a: b}, body: busy}}}",
        "{match: orders.open, reply: {dribble: {over: 45s, then: cut}}}",
        "{match: fills.query, reply: {json: {error: [], result: {}}}}",
        "{match: market.read, reply: {truncate: 0.6}}",
        "{match: market.meta, reply: {reset: headers}}",
        "{match: account.balances, reply: {html: cdn-522}}",
    )

    def reply(endpoint: str):
        return of.decide(replace(QUERY, endpoint=endpoint), moment_of(of), 0).reply

    http = reply("time")
    assert (http.status, dict(http.headers), http.body) == (503, {"x-a": "b"}, "busy")
    assert (reply("orders.open").seconds, reply("orders.open").then) == (45.0, "cut")
    assert reply("fills.query").body == '{"error":[],"result":{}}'
    assert reply("market.read").share == 0.6
    assert reply("market.meta").at == "headers"
    assert reply("account.balances").page == "cdn-522"


def test_no_rule_means_the_normal_answer():
    decision = desk().decide(CREATE, moment_of(desk()), 0)
    assert decision.is_normal
    assert (decision.rule_id, decision.latency_s) == (None, 0.0)


def test_latency_alone_decides_nothing_and_the_first_of_it_counts():
    of = desk(
        "{match: orders.create, latency: {p50: 1s, p99: 1s}}",
        "{match: 'orders.*', latency: {p50: 5s, p99: 5s}}",
        "{match: orders.create, where: {type: LIMIT}, reply: unknown}",
        "{match: orders.create, where: {type: STOP}, reply: unknown, latency: {p50: 3s, p99: 3s}}",
    )
    moment = moment_of(of)
    plain = of.decide(CREATE, moment, 0)
    assert (plain.rule_id, plain.latency_s, plain.is_normal) == (None, 1.0, True)
    unknown = of.decide(replace(CREATE, type="LIMIT"), moment, 0)
    assert (unknown.rule_id, unknown.latency_s) == ("bad/2", 1.0)
    own = of.decide(replace(CREATE, type="STOP"), moment, 0)
    assert (own.rule_id, own.latency_s) == ("bad/3", 3.0)
    assert of.decide(QUERY, moment, 0).latency_s == 5.0


def test_latencies_have_the_percentiles_they_were_given():
    of = desk("{match: orders.create, latency: {p50: 600ms, p99: 6s}}")
    moment = moment_of(of)
    waits = [of.decide(CREATE, moment, n).latency_s for n in range(MANY)]
    assert near(sum(w <= 0.6 for w in waits), 0.5)
    assert near(sum(w <= 6.0 for w in waits), 0.99)
    assert 6.0 < max(waits) <= 12.0
    assert min(waits) > 0


@given(st.floats(0, 1, exclude_max=True), st.floats(0.001, 60), st.floats(1, 30))
@settings(max_examples=200, deadline=None)
def test_no_latency_is_longer_than_twice_its_p99(quantile, p50_s, spread):
    latency = Latency(p50_s, p50_s * spread)
    assert 0 < latency_at(latency, quantile) <= 2 * latency.p99_s
    assert latency_at(latency, 0.5) == pytest.approx(p50_s)


# --- ramp, flap, end -----------------------------------------------------------------------------


def test_a_ramp_lets_its_share_past_the_rules_of_the_phase():
    run = FaultDesk(Script(load("binance-um-halt-2025-08-29")), Chance(20250829))
    start = run._script.starts["staged-return"]
    for step, share in enumerate((0.1, 0.325, 0.55, 0.775)):
        told_at = Counter(replies(run, CREATE, MANY, at_s=start + 120 * step))
        assert near(told_at["ok"], share), step
        assert near(told_at["overload"], (1 - share) * 0.7), step
    assert set(replies(run, CREATE, 2000, at_s=start + 480)) == {"ok"}


def test_faults_come_and_go_with_the_flap():
    of = desk(
        "{match: '*', reply: unavailable}", phase="    flap: {good: 1m, bad: 2m, start: bad}\n"
    )
    assert [told(of, CREATE, at_s=at) for at in (0, 119, 120, 179, 180)] == [
        "unavailable",
        "unavailable",
        "ok",
        "ok",
        "unavailable",
    ]


def test_after_the_end_no_rule_of_a_phase_holds():
    of = desk("{match: '*', reply: unavailable}")
    assert told(of, CREATE, at_s=100 * 60.0) == "ok"


# --- rules added while running -------------------------------------------------------------------


def test_an_added_rule_goes_in_front_until_it_is_removed_or_worn_out():
    of = desk("{match: orders.create, reply: overload}")
    first = of.add({"match": "orders.create", "reply": "unknown", "times": 2})
    assert first == "adhoc/1"
    assert [told(of, CREATE, n) for n in range(3)] == ["unknown", "unknown", "overload"]
    assert of.used(first) == 2
    second = of.add({"match": "orders.*", "reply": {"hang": "3s"}})
    third = of.add({"match": "orders.create", "reply": "internal"})
    assert [rule.id for rule in of.added] == [third, second, first]
    assert told(of, CREATE) == "internal"
    assert of.remove(third)
    assert not of.remove(third)
    assert told(of, CREATE) == "hang"


def test_an_added_rule_knows_neither_ramp_nor_flap_nor_the_end():
    of = desk(
        "{match: time, reply: mode}",
        phase="    flap: {good: 1m, bad: 1m}\n    ramp: {from: 1, to: 1, steps: 1}\n",
    )
    of.add({"match": "orders.create", "reply": "unknown"})
    assert [told(of, CREATE, at_s=at) for at in (0, 90, 6001)] == ["unknown"] * 3


def test_an_added_rule_is_checked_like_any_other():
    of = desk()
    with pytest.raises(ScenarioError) as caught:
        of.add({"match": "orders.create", "reply": "unknwon"})
    assert str(caught.value) == "rule: reply: 'unknwon' is no reply; did you mean `unknown`?"
    with pytest.raises(ScenarioError, match="not in this scenario's `world`"):
        of.add({"match": "orders.create", "where": {"symbol": "DOGEUSDT"}, "reply": "unknown"})
    assert of.added == ()
    assert of.add({"match": "orders.create", "reply": "unknown"}) == "adhoc/1"


# --- looking without touching --------------------------------------------------------------------


def test_would_accept_says_what_the_next_decision_will_be_and_counts_nothing():
    of = desk(
        "{match: orders.create, where: {nth: 2}, reply: unknown}",
        "{match: orders.create, times: 1, reply: internal}",
        "{match: orders.create, p: 0.5, reply: overload}",
        "{match: orders.create, p: 0.2, reply: ok, effect: none}",
        "{match: orders.create, latency: {p50: 1s, p99: 2s}}",
    )
    moment = moment_of(of)
    accepted = 0
    for n in range(300):
        expected = of.would_accept(CREATE, moment, n)
        assert of.would_accept(CREATE, moment, n) is expected
        decision = of.decide(CREATE, moment, n)
        assert decision.is_normal is expected
        accepted += expected
    assert near(accepted, 0.4, of=300)


def test_a_venue_refuses_dials_only_when_it_refuses_everything():
    def refuses(*rules: str, added: dict[str, str] | None = None, phase: str = "") -> bool:
        of = desk(*rules, phase=phase, venue="[binance-um, binance-spot]")
        if added is not None:
            of.add(added)
        return of.refuses_all(moment_of(of), venue="binance-um", product=Product.UM)

    assert refuses("{match: '*', reply: refuse}")
    assert refuses("{match: '*', where: {product: um}, reply: refuse}")
    assert refuses("{match: 'ws.*.stream', stream: mute}", "{match: '*', reply: refuse}")
    assert refuses(
        "{match: time, where: {product: spot}, reply: mode}", "{match: '*', reply: refuse}"
    )
    assert refuses(added={"match": "*", "reply": "refuse"})
    assert not refuses()
    assert not refuses("{match: '*', p: 0.9, reply: refuse}")
    assert not refuses("{match: '*', where: {product: spot}, reply: refuse}")
    assert not refuses("{match: 'orders.*', reply: refuse}")
    assert not refuses("{match: time, p: 0.5, reply: mode}", "{match: '*', reply: refuse}")
    assert not refuses("{match: '*', reply: unavailable}")
    assert not refuses(
        "{match: '*', reply: refuse}", phase="    ramp: {from: 0.1, to: 1, steps: 2}\n"
    )
    assert not refuses(
        "{match: '*', reply: refuse}",
        phase="    flap: {good: 1m, bad: 1m, start: good}\n",
    )
