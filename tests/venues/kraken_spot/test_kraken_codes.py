"""What the venue's answers mean: every row of the tables, and every way to answer nothing."""

from __future__ import annotations

import pytest
from kraken_samples import (
    BALANCES,
    CANCEL,
    OPEN_ORDERS,
    PLACE,
    PROBE,
    QUERY,
    QUERY_TXID,
    READS,
    TICKER,
    TXID,
    WRITES,
    classified,
    errors,
    given,
    reply,
)

from outlast.errors import Layer, Outcome, Remedy, Scope
from outlast.venues import kraken_spot as kraken
from outlast.venues.kraken_spot.codes import ERRORS, ERRORS_BY_REQUEST, STATUSES, look, normal
from outlast.wire import FaultKind, TransportFault

REFUSED, UNKNOWN = Outcome.REFUSED, Outcome.UNKNOWN

PLACED = [
    # What kraken.md's table of outcomes says of a new order.
    ("EService:Unavailable", UNKNOWN, Remedy.SETTLE, "unavailable"),
    ("EService:Busy", UNKNOWN, Remedy.SETTLE, "overloaded"),
    ("EService:Deadline elapsed", UNKNOWN, Remedy.SETTLE, "expired_inside_venue"),
    ("EService:Timeout", UNKNOWN, Remedy.SETTLE, "timed_out_inside_venue"),
    ("EService:Market in cancel_only mode", REFUSED, Remedy.GIVE_UP, "maintenance"),
    ("EService:Market in post_only mode", REFUSED, Remedy.RESHAPE, "post_only_mode"),
    ("EService:Market in limit_only mode", REFUSED, Remedy.RESHAPE, "limit_only_mode"),
    ("EService:Market in reduce_only mode", REFUSED, Remedy.GIVE_UP, "only_reduce_allowed"),
    ("EService: Throttled: 1741500000", REFUSED, Remedy.WAIT_BAN, "throttled"),
    ("EService:Throttled", REFUSED, Remedy.WAIT_BAN, "throttled"),
    ("EGeneral:Internal error", UNKNOWN, Remedy.SETTLE, "internal_error"),
    ("EGeneral:Internal error:17", UNKNOWN, Remedy.SETTLE, "internal_error"),
    ("EDatabase:Internal error", UNKNOWN, Remedy.SETTLE, "internal_error"),
    ("EGeneral:Temporary lockout", REFUSED, Remedy.WAIT_BAN, "locked_out"),
    ("EGeneral:Too many requests", REFUSED, Remedy.WAIT_BAN, "rate_limited"),
    ("EAPI:Rate limit exceeded", REFUSED, Remedy.WAIT_BAN, "rate_limited"),
    ("EAuth:Rate limit exceeded", REFUSED, Remedy.WAIT_BAN, "rate_limited"),
    ("EAPI:Invalid nonce", REFUSED, Remedy.RESYNC, "nonce_invalid"),
    ("EAPI:Invalid key", REFUSED, Remedy.GIVE_UP, "authentication_failed"),
    ("EAPI:Invalid signature", REFUSED, Remedy.GIVE_UP, "signature_invalid"),
    ("EGeneral:Permission denied", REFUSED, Remedy.GIVE_UP, "authentication_failed"),
    ("EGeneral:Invalid arguments:ordertype", REFUSED, Remedy.GIVE_UP, "bad_parameter"),
    ("EGeneral:Invalid arguments:cl_ord_id", REFUSED, Remedy.GIVE_UP, "bad_client_order_id"),
    (
        "EGeneral:Invalid arguments:cl_ord_id not unique",
        UNKNOWN,
        Remedy.SETTLE,
        "duplicate_client_order_id",
    ),
    ("EQuery:Unknown asset pair", REFUSED, Remedy.GIVE_UP, "bad_symbol"),
    ("EOrder:Rate limit exceeded", REFUSED, Remedy.WAIT_BAN, "orders_rate_limited"),
    ("EOrder:Domain rate limit exceeded", REFUSED, Remedy.WAIT_BAN, "orders_rate_limited"),
    ("EOrder:Orders limit exceeded", REFUSED, Remedy.RESHAPE, "too_many_open_orders"),
    ("EOrder:Insufficient funds", REFUSED, Remedy.GIVE_UP, "insufficient_balance"),
    ("EOrder:Insufficient funds:USD", REFUSED, Remedy.GIVE_UP, "insufficient_balance"),
    ("EOrder:Order minimum not met", REFUSED, Remedy.RESHAPE, "bad_qty"),
    ("EOrder:Cost minimum not met", REFUSED, Remedy.RESHAPE, "below_notional_min"),
    ("EOrder:Tick size check failed", REFUSED, Remedy.RESHAPE, "bad_price"),
    (
        "EOrder:Invalid price: ETH/USD price can only be specified up to 2 decimals",
        REFUSED,
        Remedy.RESHAPE,
        "bad_price",
    ),
    ("EOrder:Post only order", REFUSED, Remedy.RESHAPE, "post_only_would_take"),
    ("EOrder:Reduce only:No position exists", REFUSED, Remedy.RESHAPE, "reduce_only_rejected"),
    ("EOrder:Reduce only:Position is closed", UNKNOWN, Remedy.SETTLE, "reduce_only_rejected"),
    ("ETrade:User Locked", REFUSED, Remedy.GIVE_UP, "account_restricted"),
    # Said of a new order these make no sense: nothing is concluded.
    ("EOrder:Unknown order", UNKNOWN, Remedy.SETTLE, "unlisted_error"),
    ("EOrder:Something new", UNKNOWN, Remedy.SETTLE, "unlisted_error"),
    ("EService:Something new", UNKNOWN, Remedy.SETTLE, "unlisted_error"),
    ("EService:Busybody", UNKNOWN, Remedy.SETTLE, "unlisted_error"),
    ("no colon at all", UNKNOWN, Remedy.SETTLE, "unlisted_error"),
]


@pytest.mark.parametrize(("said", "outcome", "remedy", "kind"), PLACED)
def test_what_an_error_says_about_a_new_order(said, outcome, remedy, kind):
    failure = classified(PLACE, errors(said))
    assert (failure.outcome, failure.remedy, failure.kind) == (outcome, remedy, kind)
    assert failure.venue_code == normal(said)
    assert failure.raw == errors(said).body


@pytest.mark.parametrize("said", ERRORS)
def test_every_row_is_found_also_with_more_behind_it_and_never_leaves_a_read_in_doubt(said):
    for text in (said, f"{said}:more", f"{said} and more"):
        failure = classified(PLACE, errors(text))
        assert failure.kind == ERRORS[said].kind
        assert classified(BALANCES, errors(text)).outcome is REFUSED
    assert ERRORS[said].source


def test_the_longest_beginning_decides():
    assert classified(PLACE, errors("EGeneral:Invalid arguments:cl_ord_id not unique")).outcome is (
        UNKNOWN
    )
    assert classified(PLACE, errors("EGeneral:Invalid arguments:cl_ord_id")).outcome is REFUSED
    assert classified(PLACE, errors("EGeneral:Invalid arguments:price2")).kind == "bad_parameter"


@pytest.mark.parametrize(("name", "said"), ERRORS_BY_REQUEST)
def test_an_order_that_is_not_open_is_looked_up_and_never_booked_as_cancelled(name, said):
    request = CANCEL if name == "order.cancel" else QUERY_TXID
    failure = classified(request, errors(said))
    assert failure.kind == ("unknown_order" if request is CANCEL else "order_not_found")
    assert failure.outcome is REFUSED
    assert not failure.infrastructure


@pytest.mark.parametrize(
    ("said", "scope", "wait_s"),
    [
        ("EGeneral:Temporary lockout", Scope.KEY, 900.0),
        ("EAPI:Rate limit exceeded", Scope.ACCOUNT, 15.0),
        ("EAuth:Too many requests", Scope.KEY, 30.0),
        ("EGeneral:Too many requests", Scope.IP, 15.0),
        ("EOrder:Rate limit exceeded", Scope.SYMBOL, 10.0),
        ("EOrder:Domain rate limit exceeded", Scope.ACCOUNT, 10.0),
    ],
)
def test_a_limit_says_whom_it_holds_and_for_how_long(said, scope, wait_s):
    failure = classified(PLACE, errors(said))
    assert (failure.scope, failure.retry_after_s) == (scope, wait_s)
    assert failure.banned_until_ms is None


def test_a_throttle_ends_with_the_second_that_it_names():
    failure = classified(PLACE, errors("EService: Throttled: 1741500000"))
    assert failure.banned_until_ms == 1_741_500_001_000
    assert failure.retry_after_s is None
    unnamed = classified(PLACE, errors("EService:Throttled"))
    assert (unnamed.banned_until_ms, unnamed.retry_after_s) == (None, 5.0)


def test_a_nonce_is_ours_to_mend_and_says_nothing_about_the_venue():
    failure = classified(PLACE, errors("EAPI:Invalid nonce"))
    assert (failure.layer, failure.scope) == (Layer.LOCAL, Scope.SELF)
    assert not failure.infrastructure


def test_warnings_are_no_failures():
    assert kraken.classify(CANCEL, given({"count": 1}, "WDatabase:No change")) is None
    mixed = reply(
        200, {"error": ["WDatabase:No change", "EOrder:Insufficient funds"], "result": {}}
    )
    assert classified(PLACE, mixed).kind == "insufficient_balance"


def test_of_several_errors_the_one_that_leaves_most_in_doubt_decides():
    both = errors("EOrder:Insufficient funds", "EService:Busy")
    assert classified(PLACE, both).outcome is UNKNOWN
    assert classified(PLACE, both).venue_code == "EService:Busy"


def test_an_error_beside_an_order_id_proves_nothing():
    body = {"error": ["EOrder:Insufficient funds"], "result": {"txid": [TXID]}}
    failure = classified(PLACE, reply(200, body))
    assert (failure.kind, failure.outcome) == ("contradictory_answer", UNKNOWN)


NOTHING = {
    "empty": reply(200),
    "blank": reply(200, b" \n"),
    "html": reply(200, "<html>502 Bad Gateway</html>"),
    "truncated": reply(200, b'{"error":[],"resu'),
    "null": reply(200, b"null"),
    "{}": reply(200, {}),
    "no result": reply(200, {"error": []}),
    "null result": given(None),
    "a list": given([]),
    "text errors": reply(200, {"error": "EService:Busy"}),
    "not utf-8": reply(200, b'{"error":[],"result":"\xff"}'),
    "deep": reply(200, b"[" * 100_000),
}


@pytest.mark.parametrize("answer", NOTHING.values(), ids=NOTHING.keys())
@pytest.mark.parametrize("request_", [*WRITES, *READS], ids=lambda r: r.path.rpartition("/")[2])
def test_an_answer_without_content_leaves_a_write_unknown_and_a_read_to_be_asked_again(
    request_, answer
):
    failure = classified(request_, answer)
    if request_.is_write:
        assert (failure.outcome, failure.remedy) == (UNKNOWN, Remedy.SETTLE)
    else:
        assert (failure.outcome, failure.remedy) == (REFUSED, Remedy.RETRY)


@pytest.mark.parametrize("request_", [*WRITES, OPEN_ORDERS, QUERY, TICKER])
def test_an_empty_result_is_hollow(request_):
    assert classified(request_, given({})).kind == "hollow_answer"


def test_an_account_may_be_empty_and_an_order_unknown():
    assert kraken.classify(BALANCES, given({})) is None
    assert kraken.classify(QUERY_TXID, given({})) is None


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 530])
def test_no_5xx_ever_says_that_an_order_was_not_placed(status):
    for body in (b"", b"<html>cloudflare</html>", b"{}"):
        failure = classified(PLACE, reply(status, body))
        assert (failure.outcome, failure.remedy) == (UNKNOWN, Remedy.SETTLE)
        assert failure.infrastructure
        assert classified(BALANCES, reply(status, body)).remedy is Remedy.RETRY


@pytest.mark.parametrize("status", STATUSES)
def test_statuses_that_say_something_alone(status):
    failure = classified(PLACE, reply(status, "<html>"))
    assert failure.outcome is REFUSED
    assert failure.kind == STATUSES[status].kind


def test_a_429_waits_as_long_as_it_says():
    assert classified(PLACE, reply(429)).retry_after_s == 60.0
    assert classified(PLACE, reply(429, headers={"retry-after": "7"})).retry_after_s == 7.0


def test_the_venues_own_words_outrank_the_status():
    busy = errors("EService:Busy", status=503)
    assert classified(PLACE, busy).kind == "overloaded"
    funds = errors("EOrder:Insufficient funds", status=400)
    assert classified(PLACE, funds).outcome is REFUSED


def test_success_by_the_body_and_not_by_the_status_is_no_success():
    answer = reply(500, {"error": [], "result": {"txid": [TXID]}})
    assert classified(PLACE, answer).kind == "contradictory_answer"
    assert classified(PLACE, reply(302, "moved")).outcome is UNKNOWN
    assert classified(PLACE, reply(400, b"")).outcome is UNKNOWN


def test_a_probe_that_is_answered_in_maintenance_has_not_found_the_product():
    online = {"status": "online", "timestamp": "2024-05-03T11:23:45Z"}
    assert kraken.classify(PROBE, given(online)) is None
    for mode in ("cancel_only", "post_only", "limit_only", "something_new"):
        assert kraken.classify(PROBE, given({**online, "status": mode})) is None
    failure = classified(PROBE, given({**online, "status": "maintenance"}))
    assert (failure.kind, failure.remedy) == ("maintenance", Remedy.RETRY)
    assert failure.infrastructure


def test_faults_before_the_first_byte_are_not_sent_and_after_it_unknown():
    for kind in FaultKind:
        fault = TransportFault(kind=kind, detail="x", sent_at=1.0, received_at=2.0)
        expected = Outcome.NOT_SENT if kind.nothing_sent else UNKNOWN
        assert kraken.classify_fault(PLACE, fault).outcome is expected


def test_a_body_at_first_sight_is_never_an_exception():
    assert look(b"").is_empty
    assert not look(b"<html>").is_json
    assert look(b"{}").errors is None
    assert look(b'{"error":["W1:a","E2: b"]}').errors == ("E2:b",)
