"""Everything that can be wrong with a document, with the line, the key and the remedy it gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.scenario import ScenarioError, from_data, lint, load, loads

HEAD = "scenario: night\nvenue: binance-um\n"
PHASE = HEAD + "phases:\n  - name: bad\n    for: 5m\n"
SPOT_PHASE = PHASE.replace("binance-um", "binance-spot")
LISTED = """\
scenario: night
venue: binance-um
world:
  instruments:
    BTCUSDT: {mid: 68000, tick: 0.1}
    SOLUSDT: {mid: 150, tick: 0.01}
phases:
  - name: bad
    for: 5m
"""
TWO_VENUES = "scenario: a\nvenue: [binance-um, binance-spot]\nphases: [{name: b, for: 1m}]\n"


def faults(*rules: str, head: str = PHASE) -> str:
    return head + "    faults:\n" + "".join(f"      - {rule}\n" for rule in rules)


# story: (document, line, key, part of the problem, part of the remedy)
WRONG = {
    "a key nobody knows": (
        HEAD + "phases: [{name: a, for: 1m}]\nfaults: []\n",
        4, "faults", "unknown key", "words allowed here: scenario, title",
    ),
    "a key misspelt": (
        HEAD + "phases:\n  - name: a\n    for: 1m\n    timelines: []\n",
        6, "phases[0].timelines", "unknown key", "did you mean `timeline`?",
    ),
    "a word that people use for the key": (
        HEAD + "phases: [{name: a, duration: 1m}]\n",
        3, "phases[0].duration", "unknown key", "did you mean `for`?",
    ),
    "a key twice": (
        PHASE + "    for: 6m\n", 6, "phases[0].for", "twice", "remove one",
    ),
    "no venue": (
        "scenario: night\nphases: [{name: a, for: 1m}]\n",
        1, "", "`venue` is missing", "add one of binance-spot",
    ),
    "no phases": (HEAD, 1, "", "`phases` is missing", "add at least one"),
    "an empty list of phases": (HEAD + "phases: []\n", 3, "phases", "no phase", "add at least"),
    "a venue misspelt": (
        "scenario: night\nvenue: binance-usdm\nphases: [{name: a, for: 1m}]\n",
        2, "venue", "'binance-usdm'", "did you mean `binance-um`?",
    ),
    "a venue twice": (
        "scenario: night\nvenue: [binance-um, binance-um]\nphases: [{name: a, for: 1m}]\n",
        2, "venue", "twice", "once",
    ),
    "a slug with capitals": (
        "scenario: My Night\nvenue: binance-um\nphases: [{name: a, for: 1m}]\n",
        1, "scenario", "not a slug", "lower-case",
    ),
    "a number without its unit": (
        HEAD + "phases:\n  - name: a\n    for: 90\n",
        5, "phases[0].for", "needs its unit", "90s",
    ),
    "a unit nobody knows": (
        HEAD + "phases:\n  - name: a\n    for: 90sec\n",
        5, "phases[0].for", "not a duration", "write 90s",
    ),
    "units out of order": (
        HEAD + "phases: [{name: a, for: 30m1h}]\n", 3, "phases[0].for", "not a duration", "1h30m",
    ),
    "a phase of no length": (
        HEAD + "phases: [{name: a, for: 0s}]\n", 3, "phases[0].for", "no length", "more than 0s",
    ),
    "rest before the last phase": (
        HEAD + "phases:\n  - {name: a, for: rest}\n  - {name: b, for: 1m}\n",
        4, "phases[0]", "before the last phase", "only the last",
    ),
    "two phases of one name": (
        HEAD + "phases:\n  - {name: a, for: 1m}\n  - {name: a, for: 1m}\n",
        5, "phases[1]", "a second phase a", "another name",
    ),
    "a word that YAML makes a boolean": (
        HEAD + "phases:\n  - name: on\n    for: 1m\n",
        4, "phases[0].name", "reads on as a boolean", "quotes",
    ),
    "an asset that YAML makes a boolean": (
        PHASE + "world:\n  account:\n    balances: {NO: 1}\n",
        8, "world.account.balances.NO", "as a boolean", "quotes",
    ),
    "a boolean of the old kind": (
        PHASE + "    engine: {matching: off}\n",
        6, "phases[0].engine.matching", "'off' is not a boolean", "true or false",
    ),
    "a key without a value": (
        PHASE + "    engine: {mode: }\n",
        6, "phases[0].engine.mode", "no value", "leave the key out",
    ),
    "a text with a comma": (
        PHASE + "    events: [{at: 1m, kind: notice, note: later, much later}]\n",
        6, "phases[0].events[0].much later", "unknown key", "quotes",
    ),
    "an engine mode misspelt": (
        PHASE + "    engine: {mode: cancelonly}\n",
        6, "phases[0].engine.mode", "'cancelonly'", "did you mean `cancel_only`?",
    ),
    "a mark that is neither": (
        PHASE + "    engine: {mark: {shift: -0.1}}\n",
        6, "phases[0].engine.mark.shift", "unknown key", "offset",
    ),
    "an order type nobody has": (
        PHASE + "    engine: {cancel_types: [TRAILING_STOPS]}\n",
        6, "phases[0].engine.cancel_types[0]", "no order type", "did you mean `trailing_stop`?",
    ),
    "a share above one": (
        PHASE + "    engine: {keep_orders: 1.2}\n",
        6, "phases[0].engine.keep_orders", "too large", "at most 1",
    ),
    "a drift below nothing": (
        PHASE + "    market: {drift: -1, over: 1m}\n",
        6, "phases[0].market.drift", "too small", "more than -1",
    ),
    "over without drift": (
        PHASE + "    market: {over: 1m}\n", 6, "phases[0].market.over", "without `drift`", "add",
    ),
    "an endless drift": (
        HEAD + "phases:\n  - name: a\n    for: rest\n    market: {drift: 0.1}\n",
        6, "phases[0].market", "needs `over`", "add it",
    ),
    "a view of the account nobody knows": (
        PHASE + "    account: {positions: empty}\n",
        6, "phases[0].account.positions", "'empty'", "words allowed here: true_value, zero, stale",
    ),
    "a ramp without steps": (
        PHASE + "    ramp: {from: 0.1, to: 1.0}\n    faults: [{match: time, reply: mode}]\n",
        6, "phases[0].ramp", "`steps` is missing", "steps: 5",
    ),
    "a ramp without an end": (
        HEAD
        + "phases:\n  - name: a\n    for: rest\n    ramp: {from: 0, to: 1, steps: 2}\n"
        + "    faults: [{match: time, reply: mode}]\n",
        6, "phases[0].ramp", "an end", "a length",
    ),
    "a flap of nothing": (
        PHASE + "    flap: {good: 1m, bad: 1m}\n", 6, "phases[0].flap", "no faults", "add `faults`",
    ),
    "a timeline out of order": (
        PHASE
        + "    timeline:\n      - {at: 2m, engine: {mark: live}}\n"
        + "      - {at: 1m, engine: {mark: live}}\n",
        7, "phases[0].timeline", "out of order", "sort",
    ),
    "a timeline beyond its phase": (
        PHASE + "    timeline: [{at: 5m, engine: {mark: live}}]\n",
        6, "phases[0].timeline", "beyond the end", "phase's start",
    ),
    "a change of nothing": (
        PHASE + "    timeline: [{at: 1m}]\n", 6, "phases[0].timeline[0]", "nothing changes", "add",
    ),
    "an event without its own key": (
        PHASE + "    events: [{at: 1m, kind: tick_size_change, symbols: BTCUSDT}]\n",
        6, "phases[0].events[0].kind", "needs `tick`", "add `tick`",
    ),
    "an event with another's key": (
        PHASE + "    events: [{at: 1m, kind: listing, symbols: BTCUSDT, rate: 0.1}]\n",
        6, "phases[0].events[0].rate", "has no `rate`", "remove",
    ),
    "a ban that shrinks": (
        HEAD + "limits: {ban: {first: 5m, max: 1m}}\nphases: [{name: a, for: 1m}]\n",
        3, "limits.ban.max", "shorter than the first", "swap",
    ),
    "an instant without a zone": (
        HEAD + "t0: 2025-08-29T06:25:00\nphases: [{name: a, for: 1m}]\n",
        3, "t0", "no zone", "Z for UTC",
    ),
    "a seed that is no number": (
        HEAD + "seed: abc\nphases: [{name: a, for: 1m}]\n", 3, "seed", "not a number", "digits",
    ),
    "a status page out of order": (
        HEAD + "phases: [{name: a, for: 5m}]\nstatus_page: [{at: 2m, page: green},"
        " {at: 1m, page: major}]\n",
        4, "status_page", "out of order", "sort",
    ),
    "a state of the page nobody knows": (
        HEAD + "phases: [{name: a, for: 5m}]\nstatus_page: [{at: 0s, page: red}]\n",
        4, "status_page[0].page", "'red'", "words allowed here: green, degraded",
    ),
    # --- rules
    "an endpoint class misspelt": (
        faults("{match: order.create, reply: unknown}"),
        7, "phases[0].faults[0].match", "covers no endpoint class", "did you mean `orders.create`?",
    ),
    "a wildcard that covers nothing": (
        faults("{match: [orders.create, 'trades.*'], reply: unknown}"),
        7, "phases[0].faults[0].match[1]", "covers no endpoint class", "orders.create",
    ),
    "a rule without match": (
        faults("{reply: unknown}"), 7, "phases[0].faults[0]", "`match` is missing", "orders.create",
    ),
    "a rule that does nothing": (
        faults("{match: orders.create, p: 0.5}"),
        7, "phases[0].faults[0]", "does nothing", "add `reply`",
    ),
    "a rule after one that takes all": (
        faults(
            "{match: 'orders.*', reply: overload}", "{match: orders.create, p: 0.5, reply: unknown}"
        ),
        8, "phases[0].faults[1]", "never decides", "move it up",
    ),
    "an alias misspelt": (
        faults("{match: orders.create, reply: overloaded}"),
        7, "phases[0].faults[0].reply", "no reply", "did you mean `overload`?",
    ),
    "a raw reply without its argument": (
        faults("{match: orders.create, reply: hang}"),
        7, "phases[0].faults[0].reply", "needs its argument", "{hang: 30s}",
    ),
    "an alias with an argument": (
        faults("{match: orders.create, reply: {unknown: 3s}}"),
        7, "phases[0].faults[0].reply", "takes no argument", "reply: unknown",
    ),
    "a page the CDN does not have": (
        faults("{match: orders.create, reply: {html: cdn-503}}"),
        7, "phases[0].faults[0].reply.html", "'cdn-503'", "did you mean `cdn-5",
    ),
    "a status out of range": (
        faults("{match: orders.create, reply: {http: {status: 5030}}}"),
        7, "phases[0].faults[0].reply.http.status", "5030", "from 100 to 599",
    ),
    "a header that breaks out": (
        faults('{match: time, reply: {http: {status: 500, headers: {x-a: "b\\r\\nc: d"}}}}'),
        7, "phases[0].faults[0].reply.http.headers.x-a", "runs over", "one line",
    ),
    "futures' words on a spot venue": (
        faults("{match: orders.create, reply: reduce_rejected}", head=SPOT_PHASE),
        7, "phases[0].faults[0].reply", "USD-M futures only", "order_rejected",
    ),
    "a probability of nonsense": (
        faults("{match: orders.create, p: 40%, reply: unknown}"),
        7, "phases[0].faults[0].p", "'40%' is not a number", "digits",
    ),
    "percentiles swapped": (
        faults("{match: orders.create, latency: {p50: 4s, p99: 300ms}}"),
        7, "phases[0].faults[0].latency.p99", "shorter than p50", "swap",
    ),
    "an effect nobody knows": (
        faults("{match: orders.create, reply: unknown, effect: {apply_later: 40s}}"),
        7, "phases[0].faults[0].effect", "no effect", "apply_after: 40s",
    ),
    "a reply on a running stream": (
        faults("{match: ws.market.stream, reply: unavailable}"),
        7, "phases[0].faults[0].reply", "takes no reply", "use `stream`",
    ),
    "a stream fault on a request": (
        faults("{match: 'ws.*', stream: mute}"),
        7, "phases[0].faults[0].stream", "no running stream", "ws.*.stream",
    ),
    "a stream fault misspelt": (
        faults("{match: 'ws.*.stream', stream: {bad_checksums: 0.1}}"),
        7, "phases[0].faults[0].stream", "no stream fault", "did you mean `bad_checksum`?",
    ),
    "a stream fault without its argument": (
        faults("{match: 'ws.*.stream', stream: close}"),
        7, "phases[0].faults[0].stream", "needs its argument", "{close: {code: 1006, every: 90s}}",
    ),
    "a symbol of another world": (
        faults("{match: orders.create, where: {symbol: DOGEUSDT}, reply: unknown}"),
        7, "phases[0].faults[0].where.symbol", "not in this scenario's `world`", "BTCUSDT, ETHUSDT",
    ),
    "a product of no venue here": (
        faults("{match: orders.create, where: {product: spot}, reply: unknown}"),
        7, "phases[0].faults[0].where.product", "'spot'", "um",
    ),
    "a channel of a request": (
        faults("{match: orders.create, where: {channel: kline}, reply: unknown}"),
        7, "phases[0].faults[0].where", "has no channel", "ws.market.stream",
    ),
    "order terms of a read": (
        faults("{match: market.read, where: {reduces: true}, reply: unknown}"),
        7, "phases[0].faults[0].where.reduces", "no order terms", "orders.create",
    ),
    "an effect of a handshake": (
        faults("{match: 'ws.*.connect', reply: refuse, effect: apply}"),
        7, "phases[0].faults[0].effect", "a handshake", "remove",
    ),
    # --- expectations
    "an invariant misspelt": (
        PHASE + "expect: [no_dupes]\n", 6, "expect[0]", "no invariant", "no_duplicate_exposure",
    ),
    "an invariant without its argument": (
        PHASE + "expect: [unknowns_resolved]\n",
        6, "expect[0]", "needs its argument", "{unknowns_resolved: 60s}",
    ),
    "an invariant with an argument too many": (
        PHASE + "expect:\n  - no_ban: true\n", 7, "expect[0]", "takes no argument", "`no_ban`",
    ),
    "a phase nobody has named": (
        PHASE + "expect: [no_new_exposure_before: good]\n",
        6, "expect[0].no_new_exposure_before", "'good' is no phase", "bad",
    ),
    "a scope without its product": (
        PHASE + "expect: [{breaker_scope: [spot]}]\n",
        6, "expect[0].breaker_scope[0]", "'spot'", "um",
    ),
    "an invariant twice": (
        PHASE + "expect: [no_ban, no_ban]\n", 6, "expect", "twice", "keep one",
    ),
    "a measure nobody takes": (
        PHASE + "score: {exposure: {}}\n", 6, "score.exposure", "no measure", "exposure_integral",
    ),
    # --- the world
    "an instrument without a price": (
        PHASE + "world:\n  instruments:\n    BTCUSDT: {tick: 0.1}\n",
        8, "world.instruments.BTCUSDT", "`mid` is missing", "mid: 68000",
    ),
    "a symbol that does not come apart": (
        PHASE + "world: {instruments: {GOLD: {mid: 1, tick: 1}}}\n",
        6, "world.instruments.GOLD", "cannot be told apart", "`base` and `quote`",
    ),
    "a product to choose": (
        TWO_VENUES + "world: {instruments: {BTCUSDT: {mid: 1, tick: 0.1}}}\n",
        4, "world.instruments.BTCUSDT", "`product` is missing", "um, spot",
    ),
    "a tick larger than the price": (
        PHASE + "world: {instruments: {BTCUSDT: {mid: 1, tick: 10}}}\n",
        6, "world.instruments.BTCUSDT.tick", "larger than the mid", "fix",
    ),
    "a position on spot": (
        SPOT_PHASE
        + "world: {account: {positions: {BTCUSDT: {qty: 1, entry: 1}}}}\n",
        6, "world.account.positions.BTCUSDT", "has no position", "use `balances`",
    ),
    "a position off the step": (
        PHASE + 'world: {account: {positions: {BTCUSDT: {qty: "0.0005", entry: "70000"}}}}\n',
        6, "world.account.positions.BTCUSDT.qty", "multiple of the step 0.001", "round it",
    ),
    "an order for nothing known": (
        PHASE + "world:\n  account:\n    open_orders:\n"
        "      - {symbol: BTCUSD, side: buy, type: limit, qty: 1, price: 60000}\n",
        9, "world.account.open_orders[0].symbol", "not in this", "did you mean `BTCUSDT`?",
    ),
    "an order off the tick": (
        PHASE + "world: {account: {open_orders: [{symbol: BTCUSDT, side: buy, type: limit,"
        ' qty: 1, price: "60000.05"}]}}\n',
        6, "world.account.open_orders[0].price", "multiple of the tick 0.1", "round it",
    ),
    "a stop without its stop": (
        PHASE + "world: {account: {open_orders: [{symbol: BTCUSDT, side: SELL, type: STOP_MARKET,"
        " qty: 1}]}}\n",
        6, "world.account.open_orders[0].type", "needs `stop`", "add `stop`",
    ),
    "a market order at rest": (
        PHASE + "world: {account: {open_orders: [{symbol: BTCUSDT, side: SELL, type: MARKET,"
        " qty: 1}]}}\n",
        6, "world.account.open_orders[0].type", "does not rest", "limit or a stop",
    ),
    # --- not a document at all
    "nothing": ("", 0, "", "empty", "scenario: <slug>"),
    "a bare word": ("hello", 1, "", "'hello' where a map is due", "keys allowed here: scenario"),
    "a bracket left open": (HEAD + "phases: [{name: a\n", 4, "", "not YAML", "brackets"),
    "a tab": (HEAD + "phases:\n\t- a\n", 4, "", "not YAML", "indentation"),
    "two documents": (HEAD + "---\na: b\n", 4, "", "second document", "file of its own"),
    "an alias": (HEAD + "title: &t x\nphases: *t\n", 3, "", "aliases", "write it out"),
    "a tag": (HEAD + "title: !!python/object:os.system x\n", 3, "", "tag", "remove"),
    "a pit": (HEAD + "title: " + "[" * 60 + "]" * 60, 3, "", "nested too deeply", "24 levels"),
    "a control character": (HEAD + "title: a\x00b\n", 0, "", "not YAML", "UTF-8"),
    "a list as a key": (HEAD + "? [a, b]\n: c\n", 3, "", "key is not a word", "key: value"),
    "a listing of everything there is": (
        LISTED + "    events: [{at: 1m, kind: listing, symbols: [BTCUSDT, SOLUSDT]}]\n",
        10, "phases[0].events[0]", "binance-um would begin with nothing", "begin with one",
    ),
    "a second listing": (
        LISTED + "    events:\n      - {at: 1m, kind: listing, symbols: SOLUSDT}\n"
        "      - {at: 2m, kind: listing, symbols: SOLUSDT}\n",
        12, "phases[0].events[1]", "SOLUSDT is listed already", "once",
    ),
    "another tick before the listing": (
        LISTED + "    events:\n"
        "      - {at: 1m, kind: tick_size_change, symbols: SOLUSDT, tick: 0.1}\n"
        "      - {at: 2m, kind: listing, symbols: SOLUSDT}\n",
        11, "phases[0].events[0]", "SOLUSDT is not listed yet", "follow its listing",
    ),
    "a position in what is listed later": (
        LISTED.replace(
            "phases:", "  account: {positions: {SOLUSDT: {qty: 1, entry: 150}}}\nphases:"
        )
        + "    events: [{at: 1m, kind: listing, symbols: SOLUSDT}]\n",
        11, "phases[0].events[0]", "a position or an order in SOLUSDT", "out of the world",
    ),
    "a tick above the price": (
        LISTED + "    events: [{at: 1m, kind: tick_size_change, symbols: SOLUSDT, tick: 200}]\n",
        10, "phases[0].events[0]", "larger than the mid 150 of SOLUSDT", "smaller",
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", WRONG)
def test_what_is_wrong_is_named_with_line_key_and_remedy(story):
    document, line, key, problem, remedy = WRONG[story]
    problems = lint(document, name="night.yaml")
    assert problems, "nothing was found"
    found = [p for p in problems if p.key == key and problem in p.problem]
    assert found, [str(p) for p in problems]
    assert found[0].file == "night.yaml"
    if line:
        assert found[0].line == line
    assert remedy in found[0].remedy
    assert "\n" not in str(found[0])


def test_a_complaint_is_one_line_that_an_editor_can_jump_to():
    with pytest.raises(ScenarioError) as caught:
        loads(faults("{match: orders.create, reply: unknwon}"), name="night.yaml")
    assert str(caught.value) == (
        "night.yaml:7: phases[0].faults[0].reply: 'unknwon' is no reply; did you mean `unknown`?"
    )


def test_everything_wrong_is_reported_at_once_in_the_order_of_the_lines():
    document = (
        HEAD
        + "seed: -1\nphases:\n  - name: a\n    for: 5\n    faults:\n"
        + "      - {match: order.create, reply: unknown}\n  - {name: b, for: 1m, wat: 1}\n"
        + "expect: [no_bann]\n"
    )
    problems = lint(document)
    assert [(p.line, p.key) for p in problems] == [
        (3, "seed"),
        (6, "phases[0].for"),
        (8, "phases[0].faults[0].match"),
        (9, "phases[1].wat"),
        (10, "expect[0]"),
    ]


def test_only_one_thing_wrong_gives_one_complaint():
    assert len(lint(faults("{match: orders.create, reply: unknwon}"))) == 1
    assert len(lint(PHASE.replace("binance-um", "binance-umm"))) == 1
    assert len(lint(faults("{match: orders.craete, reply: {hang: 3s}, p: 0.5}"))) == 1


def test_a_document_made_in_python_is_checked_by_the_same_rules():
    with pytest.raises(ScenarioError) as caught:
        from_data({"scenario": "night", "venue": "binance-um", "phases": [{"name": "a"}]})
    assert str(caught.value).startswith("document: phases[0]: `for` is missing;")
    with pytest.raises(ScenarioError, match="a set cannot stand in a document"):
        from_data({"scenario": "night", "venue": {"binance-um"}})
    with pytest.raises(ScenarioError, match="the key 1 is a int"):
        from_data({1: "night"})


def test_json_is_read_as_the_yaml_it_is():
    document = (
        '{"scenario": "night", "venue": ["binance-um"], "seed": 3,'
        ' "phases": [{"name": "a", "for": "1m", "engine": {"matching": false}}]}'
    )
    scenario = loads(document)
    assert (scenario.seed, scenario.phases[0].engine.matching) == (3, False)


def test_an_unknown_scenario_gets_its_likeliest_name(tmp_path: Path):
    with pytest.raises(ScenarioError, match="did you mean `zero-balances`"):
        load("zero-balance")
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(str(tmp_path / "missing.yaml"))
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"title: caf\xe9\n")
    with pytest.raises(ScenarioError, match="not UTF-8"):
        load(latin)


def test_a_file_is_read_by_path_or_name(tmp_path: Path):
    file = tmp_path / "night.yaml"
    file.write_text(PHASE, encoding="utf-8")
    assert load(file) == load(str(file))
    assert load(file).source == str(file)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_document_is_refused_but_never_crashes_the_checker(data):
    text = load(
        data.draw(st.sampled_from(["unknown-503-landed", "binance-um-halt-2025-08-29"]))
    ).text
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        cut = data.draw(st.integers(0, 12))
        put = data.draw(st.sampled_from(["", " ", "\n", "{", "]", ": ", "-", "0", "x", "[]", "{}"]))
        text = text[:at] + put + text[at + cut :]
    for problem in lint(text):
        assert problem.problem
        assert problem.remedy
