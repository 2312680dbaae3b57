"""Every row of the venue's error tables, written here a second time from the documentation.

The expected values are outcome and remedy of a *write*; reads are derived at the end.
"""

from __future__ import annotations

import json

import pytest
from spot_samples import (
    CANCEL,
    CANCEL_ALL,
    CANCELED,
    DATA,
    EXECUTIONS,
    PLACE,
    PLACED,
    QUERY,
    READS,
    TIME,
    WRITES,
    classified,
    error,
    read_any,
    reply,
)

from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.venues import binance_spot as spot
from outlast.venues.binance_spot import codes
from outlast.wire import FaultKind, TransportFault

HTML_503 = (
    "<!DOCTYPE HTML><HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD>"
    "<BODY><H1>503 ERROR</H1></BODY></HTML>"
)
V, B = Layer.VENUE, Layer.BUSINESS
UNKNOWN = (Outcome.UNKNOWN, Remedy.SETTLE)
RESHAPE = (Outcome.REFUSED, Remedy.RESHAPE)
GIVE_UP = (Outcome.REFUSED, Remedy.GIVE_UP)
RETRY = (Outcome.REFUSED, Remedy.RETRY)
WAIT_BAN = (Outcome.REFUSED, Remedy.WAIT_BAN)
LOOK_UP = (Outcome.REFUSED, Remedy.SETTLE)

_RESHAPE = "-1010 -1013 -1111 -1112 -2010 -2022 -2038"
_GIVE_UP = """
    -1002 -1014 -1020 -1022
    -1100 -1101 -1102 -1103 -1104 -1105 -1106 -1108 -1114 -1115 -1116 -1117 -1118 -1119 -1120
    -1121 -1122 -1125 -1127 -1128 -1130 -1134 -1135 -1139 -1145 -1151 -1152 -1153 -1155 -1158
    -1160 -1161 -1165 -1166 -1168 -1182 -1193 -1194 -1196 -1197 -1198 -1199 -1220
    -2014 -2015 -2016 -2026 -2028 -2035 -2036 -2039 -2042
"""
EXPECTED = {
    "-1000": (V, *UNKNOWN),
    "-1001": (V, *UNKNOWN),
    "-1003": (V, *WAIT_BAN),
    "-1004": (V, *UNKNOWN),
    "-1006": (V, *UNKNOWN),
    "-1007": (V, *UNKNOWN),
    "-1008": (V, *UNKNOWN),
    "-1015": (V, *WAIT_BAN),
    "-1016": (V, *RETRY),
    "-1021": (Layer.LOCAL, Outcome.REFUSED, Remedy.RESYNC),
    "-1034": (V, *RETRY),
    "-2021": (V, *UNKNOWN),
}
EXPECTED |= dict.fromkeys(_RESHAPE.split(), (B, *RESHAPE))
EXPECTED |= dict.fromkeys(_GIVE_UP.split(), (B, *GIVE_UP))

IN_THE_REFERENCE = """
    -1000 -1001 -1002 -1003 -1004 -1006 -1007 -1008 -1010 -1013 -1014 -1015 -1016 -1020 -1021
    -1022 -1034 -1100 -1101 -1102 -1103 -1104 -1105 -1106 -1111 -1112 -1114 -1115 -1116 -1117
    -1121 -1122 -1220 -1125 -1127 -1128 -1130 -1135 -1145 -1193 -2010 -2014 -2015 -2016 -2021
    -2022 -2026 -2028 -2035 -2036 -2042 -2038 -2039
"""
"""Every code of the venue's reference; -2011 and -2013 are answers to some requests only."""


def test_both_tables_name_the_same_codes():
    assert set(EXPECTED) == set(codes.CODES)
    assert set(IN_THE_REFERENCE.split()) <= set(codes.CODES)


@pytest.mark.parametrize("code", sorted(EXPECTED))
def test_code_on_an_order_post(code):
    failure = classified(PLACE, error(int(code), "some words"))
    assert (failure.layer, failure.outcome, failure.remedy) == EXPECTED[code]
    assert failure.venue_code == code
    assert failure.http_status == 400
    assert failure.message == "some words"
    assert json.loads(failure.raw) == {"code": int(code), "msg": "some words"}


@pytest.mark.parametrize("code", sorted(EXPECTED))
def test_every_code_has_its_read_side(code):
    failure = classified(QUERY, error(int(code), "some words"))
    layer, outcome, remedy = EXPECTED[code]
    if outcome is Outcome.UNKNOWN:
        outcome, remedy = RETRY
    assert (failure.layer, failure.outcome, failure.remedy) == (layer, outcome, remedy)


def test_every_row_names_its_source():
    rows = [
        *codes.CODES.values(),
        *codes.CODES_BY_REQUEST.values(),
        *codes.STATUSES.values(),
        *codes.MESSAGES.values(),
        *codes.FILTERS.values(),
        *codes.SERVER_CODES.values(),
        *(meaning for _, meaning in codes.MESSAGES_503),
    ]
    assert all(row.source for row in rows)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-1000, "unknown_error"),
        (-1007, "timed_out_inside_venue"),
        (-1008, "overloaded"),
        (-1022, "signature_invalid"),
        (-2015, "authentication_failed"),
        (-1021, "clock_skew"),
        (-2010, "order_rejected"),
        (-2022, "replace_rejected"),
        (-2026, "order_archived"),
        (-1121, "bad_symbol"),
    ],
)
def test_kinds_that_others_rely_on(code, kind):
    assert classified(PLACE, error(code, "")).kind == kind


# What the engine says in words.

WORDS = [
    ("Duplicate order sent.", "duplicate_client_order_id", B, UNKNOWN),
    ("Market is closed.", "symbol_closed", B, GIVE_UP),
    ("Account has insufficient balance for requested action.", "insufficient_balance", B, GIVE_UP),
    ("This action is disabled on this account.", "account_restricted", B, GIVE_UP),
    ("This account may not place or cancel orders.", "account_restricted", B, GIVE_UP),
    ("Order would trigger immediately.", "would_trigger", B, RESHAPE),
    ("Order would immediately match and take.", "post_only_would_take", B, RESHAPE),
    ("Unsupported order combination", "bad_parameter", B, GIVE_UP),
    ("Price * QTY is zero or less.", "below_notional_min", B, RESHAPE),
    ("IcebergQty exceeds QTY.", "bad_parameter", B, GIVE_UP),
    ("Cancel order is invalid. Check origClOrdId and orderId.", "bad_parameter", B, GIVE_UP),
    ("Order was not canceled due to cancel restrictions.", "cancel_restricted", B, RESHAPE),
    ("This symbol is not permitted for this account.", "symbol_not_permitted", B, GIVE_UP),
    ("This symbol is restricted for this account.", "symbol_not_permitted", B, GIVE_UP),
    ("Rest API trading is not enabled.", "maintenance", V, RETRY),
    ("WebSocket API trading is not enabled.", "maintenance", V, RETRY),
    (
        "Order book liquidity is less than `LOT_SIZE` filter minimum quantity.",
        "no_liquidity",
        B,
        RESHAPE,
    ),
    ("The requested action would change no state; rejecting.", "amend_rejected", B, RESHAPE),
    ("Stop loss orders are not supported for this symbol.", "not_supported", B, GIVE_UP),
]


@pytest.mark.parametrize("code", [-1010, -1013, -2010, -2011, -2038])
@pytest.mark.parametrize(("words", "kind", "layer", "expected"), WORDS)
def test_a_code_that_means_many_things_is_told_by_its_words(words, kind, layer, expected, code):
    for said in (words, words.rstrip("."), words.upper()):
        failure = classified(PLACE, error(code, said))
        assert (failure.kind, failure.layer) == (kind, layer)
        assert (failure.outcome, failure.remedy) == expected
        assert failure.venue_code == str(code)


def test_the_words_say_nothing_beside_another_code():
    assert classified(PLACE, error(-1121, "Duplicate order sent.")).kind == "bad_symbol"
    assert classified(PLACE, error(-1013, "Not: Duplicate order sent.")).kind == "order_rejected"


@pytest.mark.parametrize("code", [-1013, -2010])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PRICE_FILTER", "bad_price"),
        ("PERCENT_PRICE", "price_out_of_band"),
        ("PERCENT_PRICE_BY_SIDE", "price_out_of_band"),
        ("LOT_SIZE", "bad_qty"),
        ("MIN_NOTIONAL", "below_notional_min"),
        ("NOTIONAL", "notional_out_of_range"),
        ("ICEBERG_PARTS", "bad_qty"),
        ("MARKET_LOT_SIZE", "bad_qty"),
        ("MAX_POSITION", "position_limit"),
        ("MAX_NUM_ORDERS", "too_many_open_orders"),
        ("MAX_NUM_ALGO_ORDERS", "too_many_open_orders"),
        ("MAX_NUM_ICEBERG_ORDERS", "too_many_open_orders"),
        ("MAX_NUM_ORDER_AMENDS", "amend_rejected"),
        ("MAX_NUM_ORDER_LISTS", "too_many_open_orders"),
        ("TRAILING_DELTA", "bad_trailing_delta"),
        ("EXCHANGE_MAX_NUM_ORDERS", "too_many_open_orders"),
        ("EXCHANGE_MAX_NUM_ALGO_ORDERS", "too_many_open_orders"),
        ("EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "too_many_open_orders"),
        ("EXCHANGE_MAX_NUM_ORDER_LISTS", "too_many_open_orders"),
        ("MAX_ASSET", "position_limit"),
        ("A_FILTER_OF_NEXT_YEAR", "filter_failed"),
    ],
)
def test_a_filter_failure_names_its_filter(name, kind, code):
    failure = classified(PLACE, error(code, f"Filter failure: {name}"))
    assert (failure.kind, failure.layer) == (kind, B)
    assert (failure.outcome, failure.remedy) == RESHAPE


# 5xx: unknown, whatever it says.

UNKNOWN_503 = "Unknown error, please check your request or try again later."
OVERLOAD_FUTURES = (
    "Request throttled by system-level protection. "
    "Reduce-only/close-position orders are exempt. Please try again."
)
OVERLOAD = "Server is currently overloaded with other requests. Please try again in a few minutes."
INTERNAL = "Internal error; unable to process your request. Please try again."


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, {"timestamp": 1, "path": "/p", "msg": UNKNOWN_503}, "status_unknown"),
        (503, {"msg": UNKNOWN_503.upper()}, "status_unknown"),
        (503, {"msg": UNKNOWN_503.rstrip(".")}, "status_unknown"),
        (503, {"code": 0, "msg": "Service Unavailable."}, "unavailable"),
        (503, {"msg": "Service Unavailable."}, "unavailable"),
        (503, {"code": -1008, "msg": OVERLOAD}, "overloaded"),
        (503, {"code": -1008, "msg": "new words"}, "overloaded"),
        (503, {"msg": OVERLOAD}, "overloaded"),
        (503, {"msg": OVERLOAD_FUTURES}, "overloaded"),
        (503, {"code": -1001, "msg": INTERNAL}, "internal_error"),
        (503, {"msg": INTERNAL}, "internal_error"),
        (503, {"code": -1016, "msg": "This service is no longer available."}, "shutting_down"),
        (503, {"msg": "Service unavailable from a restricted location"}, "server_error"),
        (503, {"code": -2010, "msg": "Market is closed."}, "server_error"),
        (503, {}, "server_error"),
        (503, b"", "server_error"),
        (503, HTML_503, "unreadable_answer"),
        (500, {"code": -1000, "msg": "An unknown error occured"}, "unknown_error"),
        (500, {"code": -1001, "msg": INTERNAL}, "internal_error"),
        (500, {"code": -1008, "msg": OVERLOAD}, "overloaded"),
        (502, {"msg": "Service Unavailable."}, "server_error"),
        (502, "<html>502 Bad Gateway</html>", "unreadable_answer"),
        (504, b"", "server_error"),
        (599, b'{"co', "unreadable_answer"),
    ],
)
def test_a_5xx_leaves_an_order_unknown_and_its_body_only_names_it(status, body, kind):
    failure = classified(PLACE, reply(status, body))
    assert (failure.kind, failure.layer) == (kind, V)
    assert (failure.outcome, failure.remedy) == UNKNOWN


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("code", sorted(set(EXPECTED) - {"-1003", "-1015"}))
def test_no_code_makes_a_5xx_a_refusal(code, status):
    assert classified(PLACE, error(int(code), "Market is closed.", status)).outcome is (
        Outcome.UNKNOWN
    )


@pytest.mark.parametrize("status", [400, 408, 500, 503])
@pytest.mark.parametrize("code", [-1006, -1007])
def test_execution_unknown_is_told_by_the_code_whatever_the_status(code, status):
    failure = classified(PLACE, error(code, "Execution status unknown.", status))
    assert (failure.outcome, failure.remedy) == UNKNOWN
    assert failure.kind == classified(PLACE, error(code, "")).kind


# Other statuses.


def test_408_and_409_are_unknown_whatever_the_code_claims():
    for status in (408, 409):
        for body in (b"", {"code": -1021, "msg": ""}, {"code": -2010, "msg": "Market is closed."}):
            assert classified(PLACE, reply(status, body)).outcome is Outcome.UNKNOWN


def test_429_without_a_body_waits_as_long_as_the_header_says():
    failure = classified(PLACE, reply(429, b"", {"retry-after": "35"}))
    assert (failure.kind, failure.outcome, failure.remedy) == ("rate_limited", *WAIT_BAN)
    assert failure.scope is Scope.IP
    assert failure.retry_after_s == 35.0


def test_429_that_names_no_time_waits_for_the_weights_window():
    assert classified(TIME, reply(429, {})).retry_after_s == 60.0


@pytest.mark.parametrize(("window", "seconds"), [("10 SECOND", 10.0), ("1 DAY", 86_400.0)])
def test_too_many_orders_waits_for_the_window_that_was_used_up(window, seconds):
    message = f"Too many new orders; current limit is 50 orders per {window}."
    failure = classified(PLACE, error(-1015, message, 429))
    assert (failure.kind, failure.scope) == ("orders_rate_limited", Scope.ACCOUNT)
    assert failure.retry_after_s == seconds


BAN = (
    "Way too much request weight used; IP banned until 1659146400000. "
    "Please use WebSocket Streams for live updates to avoid bans."
)


@pytest.mark.parametrize("status", [418, 429, 403])
def test_a_ban_names_its_end_and_keeps_the_header(status):
    headers = {"retry-after": "120"}
    failure = classified(PLACE, reply(status, {"code": -1003, "msg": BAN}, headers))
    assert (failure.kind, failure.scope) == ("ip_banned", Scope.IP)
    assert (failure.outcome, failure.remedy) == WAIT_BAN
    assert failure.banned_until_ms == 1659146400000
    assert failure.retry_after_s == 120.0


def test_a_418_that_says_nothing_waits_for_the_shortest_ban():
    failure = classified(PLACE, reply(418, "<html>teapot</html>"))
    assert (failure.kind, failure.retry_after_s) == ("ip_banned", 120.0)
    assert failure.banned_until_ms is None


def test_a_403_page_of_the_firewall_stops_everything_for_minutes():
    failure = classified(PLACE, reply(403, HTML_503.replace("503", "403")))
    assert (failure.kind, failure.scope) == ("blocked_by_firewall", Scope.IP)
    assert (failure.outcome, failure.remedy) == WAIT_BAN
    assert failure.retry_after_s == 300.0


@pytest.mark.parametrize("status", [404, 410])
def test_a_wrong_path_is_our_own_mistake(status):
    failure = classified(PLACE, reply(status, "<html><center>nginx</center></html>"))
    assert (failure.layer, failure.kind) == (Layer.LOCAL, "wrong_path")
    assert (failure.outcome, failure.remedy) == GIVE_UP


def test_a_restricted_location_is_refused():
    message = "Service unavailable from a restricted location according to 'b. Eligibility' in …"
    failure = classified(PLACE, error(0, message, 451))
    assert (failure.kind, failure.outcome, failure.remedy) == ("restricted_location", *GIVE_UP)
    assert failure.venue_code is None


@pytest.mark.parametrize("code", [-1002, -2014, -2015])
def test_401_is_told_by_its_code(code):
    failure = classified(PLACE, error(code, "", 401))
    assert (failure.kind, failure.scope) == ("authentication_failed", Scope.ACCOUNT)
    assert (failure.outcome, failure.remedy) == GIVE_UP


@pytest.mark.parametrize("status", [100, 302, 307])
def test_statuses_that_nobody_asked_for_leave_an_order_unknown(status):
    assert classified(PLACE, reply(status, b"")).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("status", [400, 401, 422])
@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", "empty_answer"), ({"msg": "no"}, "hollow_answer"), ("<p>", "unreadable_answer")],
)
def test_4xx_without_a_code_leaves_an_order_unknown(body, kind, status):
    failure = classified(PLACE, reply(status, body))
    assert (failure.kind, failure.outcome) == (kind, Outcome.UNKNOWN)


def test_a_code_nobody_listed_leaves_an_order_unknown():
    business = classified(PLACE, error(-2999, "new rule"))
    assert (business.kind, business.outcome) == ("unlisted_code", Outcome.UNKNOWN)
    assert not business.infrastructure  # a new rule must not open the breaker
    machinery = classified(PLACE, error(-1098, "new fault"))
    assert machinery.outcome is Outcome.UNKNOWN
    assert machinery.infrastructure


@pytest.mark.parametrize("code", [-2018, -2019, -2024, -4116, -4164, -5021, -5028])
def test_codes_of_futures_mean_nothing_here(code):
    assert classified(PLACE, error(code, "")).kind == "unlisted_code"


# Codes that answer one kind of request.


def test_2011_on_a_cancel_means_look_it_up():
    failure = classified(CANCEL, error(-2011, "Unknown order sent."))
    assert (failure.kind, failure.layer) == ("unknown_order", B)
    assert (failure.outcome, failure.remedy) == LOOK_UP


def test_2011_on_a_cancel_of_all_is_success_as_nothing_was_open():
    answer = error(-2011, "Unknown order sent.")
    assert spot.classify(CANCEL_ALL, answer) is None
    assert read_any(CANCEL_ALL, answer) == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(-2011, "This action is disabled on this account."), "account_restricted"),
        (error(-2011, "Market is closed."), "symbol_closed"),
        (error(-2011, "new words"), "unknown_order"),
        (error(-2011, "Unknown order sent.", 503), "server_error"),
        (error(-2011, "Unknown order sent.", 200), "contradictory_answer"),
        (error(-2010, "Unknown order sent."), "order_rejected"),
    ],
)
def test_a_cancel_of_all_believes_in_nothing_less_than_that(answer, kind):
    failure = read_any(CANCEL_ALL, answer)
    assert isinstance(failure, Failure)
    assert failure.kind == kind


def test_a_cancel_that_finds_its_market_closed_is_not_called_unknown():
    assert classified(CANCEL, error(-2011, "Market is closed.")).kind == "symbol_closed"


def test_2013_on_a_query_is_a_proper_answer():
    failure = classified(QUERY, error(-2013, "Order does not exist."))
    assert (failure.kind, failure.layer) == ("order_not_found", B)
    assert failure.remedy is Remedy.GIVE_UP  # the settling asks again when it wants to


def test_2013_on_a_cancel_means_look_it_up():
    failure = classified(CANCEL, error(-2013, "Order does not exist."))
    assert (failure.kind, failure.remedy) == ("unknown_order", Remedy.SETTLE)


@pytest.mark.parametrize("code", [-2011, -2013])
def test_an_answer_about_another_kind_of_request_leaves_an_order_unknown(code):
    assert classified(PLACE, error(code, "")).outcome is Outcome.UNKNOWN


# Success, and what only looks like it.


def test_success():
    assert spot.classify(PLACE, reply(200, PLACED)) is None
    assert spot.classify(CANCEL_ALL, reply(200, [CANCELED])) is None
    assert spot.classify(EXECUTIONS, reply(200, [])) is None
    assert spot.classify(TIME, reply(200, {"serverTime": 1})) is None


@pytest.mark.parametrize("request_", WRITES, ids=lambda r: f"{r.name}:{r.params[2:3]}")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \r\n",
        b"{}",
        b"null",
        b"true",
        b'"ok"',
        b"<html></html>",
        b'{"orderId":1',
        b'{"symbol":"BTCUSDT"}',
        b"\xff\xfe",
        b"[1",
    ],
)
def test_a_hollow_200_leaves_a_write_unknown(request_, body):
    failure = classified(request_, reply(200, body))
    assert (failure.outcome, failure.remedy) == UNKNOWN
    assert failure.raw == body


@pytest.mark.parametrize("code", [-2010, -1008, -1003, -2011, 400])
def test_a_200_with_an_error_in_it_is_believed_in_neither(code):
    for request in WRITES:
        assert classified(request, error(code, "no", 200)).outcome is Outcome.UNKNOWN


def test_a_200_with_1007_keeps_its_name():
    assert classified(PLACE, error(-1007, "", 200)).kind == "timed_out_inside_venue"


@pytest.mark.parametrize("request_", READS, ids=lambda r: r.name)
def test_an_array_for_an_object_and_the_reverse_is_asked_again(request_):
    body = b"{}" if spot.classify(request_, reply(200, b"[]")) is None else b"[]"
    failure = classified(request_, reply(200, body))
    assert (failure.kind, failure.outcome, failure.remedy) == ("hollow_answer", *RETRY)


# Reads.


@pytest.mark.parametrize("request_", READS, ids=lambda r: r.name)
@pytest.mark.parametrize(
    "answer",
    [
        reply(503, {"msg": UNKNOWN_503}),
        error(-1008, OVERLOAD, 503),
        error(-1001, INTERNAL, 500),
        error(-1006, "", 400),
        error(-1007, "", 408),
        error(-1000, "", 500),
        error(-1016, "", 400),
        error(-2999, "", 400),
        reply(502, "<html></html>"),
        reply(504, b""),
        reply(408, b""),
        reply(200, b""),
        reply(200, b'{"serverTime"'),
    ],
    ids=lambda a: f"{a.status} {a.body[:24]!r}",
)
def test_a_read_is_asked_again_after_infrastructure_failed(request_, answer):
    failure = classified(request_, answer)
    assert (failure.outcome, failure.remedy) == RETRY
    assert read_any(request_, answer) == failure


def test_a_read_waits_for_a_ban_and_resyncs_like_a_write():
    assert classified(TIME, reply(418, b"")).remedy is Remedy.WAIT_BAN
    assert classified(QUERY, error(-1021, "")).remedy is Remedy.RESYNC


# Evidence.


def test_the_raw_body_is_kept_and_clipped():
    failure = classified(PLACE, reply(502, b"<" * 10_000))
    assert failure.raw == b"<" * 2048
    assert len(failure.message) <= 300


OBSERVED = json.loads((DATA / "error_bodies" / "binance.json").read_text())
SAYS_NO = {400, 403, 418, 429}
"""Observed answers with these statuses are refusals; with 408 and the 5xx they are not."""


@pytest.mark.parametrize("seen", OBSERVED, ids=lambda seen: seen["source"][19:])
def test_answers_observed_in_outages(seen):
    headers = {name.lower(): value for name, value in seen.get("headers", {}).items()}
    status = seen["http_status"]
    failure = classified(PLACE, reply(status, seen["body"] or "", headers))
    expected = Outcome.REFUSED if status in SAYS_NO else Outcome.UNKNOWN
    assert failure.outcome is expected
    if seen.get("outcome_unknown"):
        assert failure.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_transport_fault_has_an_outcome(kind):
    fault = TransportFault(kind=kind, detail="ReadTimeout: …", sent_at=0.0, received_at=1.0)
    write, read = spot.classify_fault(PLACE, fault), spot.classify_fault(TIME, fault)
    if kind.nothing_sent:
        assert write.outcome is read.outcome is Outcome.NOT_SENT
    else:
        assert (write.outcome, write.remedy) == UNKNOWN
        assert (read.outcome, read.remedy) == RETRY
