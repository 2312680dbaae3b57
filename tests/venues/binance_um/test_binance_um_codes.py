"""Every row of the venue's error tables, written here a second time from the documentation.

The expected values are outcome and remedy of a *write*; reads are derived at the end.
"""

from __future__ import annotations

import json

import pytest
from um_samples import (
    CANCEL,
    CANCEL_ALL,
    CANCELED_ALL,
    DATA,
    ORDER,
    PLACE,
    POSITIONS,
    QUERY,
    READS,
    TIME,
    WRITES,
    classified,
    error,
    read_any,
    reply,
)

from outlast.errors import Layer, Outcome, Remedy, Scope
from outlast.venues import binance_um as um
from outlast.venues.binance_um import codes
from outlast.wire import FaultKind, TransportFault

HTML_503 = (
    "<!DOCTYPE HTML><HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD>"
    "<BODY><H1>503 ERROR</H1></BODY></HTML>"
)

# Business refusals: the venue's rules answered, nothing is live, the health of the venue is fine.
_RESHAPE = """
    -1111 -1112 -2010 -2020 -2021 -2022 -2024 -2025 -2026
    -4001 -4002 -4003 -4004 -4005 -4006 -4007 -4008 -4009 -4010 -4011 -4012 -4013 -4014
    -4016 -4023 -4024 -4045 -4118 -4131 -4142 -4164 -4183 -4184 -4210 -4211
    -5022 -5024 -5025 -5026 -5027 -5029 -5041 -5043
"""
_GIVE_UP = """
    -1002 -1004 -1005 -1011 -1013 -1014 -1020 -1022 -1099
    -1100 -1101 -1102 -1103 -1104 -1105 -1106 -1108 -1109 -1110 -1114 -1115 -1116 -1117
    -1121 -1122 -1126 -1127 -1128 -1130 -1131 -1135 -1136 -1145
    -2014 -2015 -2017 -2018 -2019 -2023 -2027 -2028
    -4015 -4061 -4062 -4082 -4087 -4088 -4109 -4120 -4137 -4138 -4140 -4141 -4192
    -4400 -4401 -4402 -4403 -4531
    -5021 -5037 -5038 -5039 -5040
"""
V, B = Layer.VENUE, Layer.BUSINESS
EXPECTED = {
    "-1000": (V, Outcome.UNKNOWN, Remedy.SETTLE),
    "-1001": (V, Outcome.UNKNOWN, Remedy.SETTLE),
    "-1003": (V, Outcome.REFUSED, Remedy.WAIT_BAN),
    "-1006": (V, Outcome.UNKNOWN, Remedy.SETTLE),
    "-1007": (V, Outcome.UNKNOWN, Remedy.SETTLE),
    "-1008": (V, Outcome.REFUSED, Remedy.RETRY),
    "-1015": (V, Outcome.REFUSED, Remedy.WAIT_BAN),
    "-1016": (V, Outcome.REFUSED, Remedy.RETRY),
    "-1021": (Layer.LOCAL, Outcome.REFUSED, Remedy.RESYNC),
    "-2012": (V, Outcome.UNKNOWN, Remedy.SETTLE),
    "-4083": (V, Outcome.UNKNOWN, Remedy.SETTLE),
    "-4116": (B, Outcome.UNKNOWN, Remedy.SETTLE),
    "-4117": (B, Outcome.REFUSED, Remedy.SETTLE),
    "-5028": (V, Outcome.REFUSED, Remedy.RESYNC),
}
EXPECTED |= dict.fromkeys(_RESHAPE.split(), (B, Outcome.REFUSED, Remedy.RESHAPE))
EXPECTED |= dict.fromkeys(_GIVE_UP.split(), (B, Outcome.REFUSED, Remedy.GIVE_UP))


def test_both_tables_name_the_same_codes():
    assert set(EXPECTED) == set(codes.CODES)


@pytest.mark.parametrize("code", sorted(EXPECTED))
def test_code_on_an_order_post(code):
    failure = classified(PLACE, error(int(code), "some words"))
    assert (failure.layer, failure.outcome, failure.remedy) == EXPECTED[code]
    assert failure.venue_code == code
    assert failure.http_status == 400
    assert failure.message == "some words"
    assert json.loads(failure.raw) == {"code": int(code), "msg": "some words"}


def test_every_row_names_its_source():
    rows = [
        *codes.CODES.values(),
        *codes.CODES_BY_REQUEST.values(),
        *codes.STATUSES.values(),
        *(meaning for _, _, meaning in codes.MESSAGES_503),
    ]
    assert all(row.source for row in rows)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-2022, "reduce_only_rejected"),
        (-4118, "reduce_only_rejected"),
        (-2019, "insufficient_margin"),
        (-1008, "overloaded"),
        (-1007, "timed_out_inside_venue"),
        (-4116, "duplicate_client_order_id"),
        (-1022, "signature_invalid"),
        (-2015, "authentication_failed"),
        (-1021, "clock_skew"),
        (-5028, "expired_inside_venue"),
        (-4140, "symbol_closed"),
    ],
)
def test_kinds_that_others_rely_on(code, kind):
    assert classified(PLACE, error(code, "")).kind == kind


@pytest.mark.parametrize("status", [400, 408, 500, 503])
@pytest.mark.parametrize("code", [-1006, -1007])
def test_execution_unknown_is_told_by_the_code_whatever_the_status(code, status):
    failure = classified(PLACE, error(code, "Execution status unknown.", status))
    assert (failure.outcome, failure.remedy) == (Outcome.UNKNOWN, Remedy.SETTLE)


# HTTP 503: one status, five meanings.

UNKNOWN_503 = "Unknown error, please check your request or try again later."
OVERLOAD_NEW = (
    "Request throttled by system-level protection. "
    "Reduce-only/close-position orders are exempt. Please try again."
)
OVERLOAD_OLD = (
    "Server is currently overloaded with other requests. Please try again in a few minutes."
)
INTERNAL = "Internal error; unable to process your request. Please try again."


@pytest.mark.parametrize(
    ("body", "kind", "outcome"),
    [
        ({"timestamp": 1, "path": "/p", "msg": UNKNOWN_503}, "status_unknown", Outcome.UNKNOWN),
        ({"msg": UNKNOWN_503.upper()}, "status_unknown", Outcome.UNKNOWN),
        ({"msg": UNKNOWN_503.rstrip(".")}, "status_unknown", Outcome.UNKNOWN),
        ({"code": 0, "msg": "Service Unavailable."}, "unavailable", Outcome.REFUSED),
        ({"msg": "Service Unavailable."}, "unavailable", Outcome.REFUSED),
        ({"code": -1008, "msg": OVERLOAD_NEW}, "overloaded", Outcome.REFUSED),
        ({"code": -1008, "msg": OVERLOAD_OLD}, "overloaded", Outcome.REFUSED),
        ({"code": -1008, "msg": "new words"}, "overloaded", Outcome.REFUSED),
        ({"msg": OVERLOAD_NEW}, "overloaded", Outcome.REFUSED),
        ({"code": -1001, "msg": INTERNAL}, "internal_error", Outcome.REFUSED),
        ({"code": -1016, "msg": "This service is no longer available."}, "shutting_down",
         Outcome.REFUSED),
        # What only resembles a row is none.
        ({"code": -1001, "msg": "new words"}, "server_error", Outcome.UNKNOWN),
        ({"code": -1008, "msg": UNKNOWN_503}, "contradictory_answer", Outcome.UNKNOWN),
        ({"code": -1001, "msg": "Service Unavailable."}, "contradictory_answer", Outcome.UNKNOWN),
        ({"msg": "Service unavailable from a restricted location"}, "server_error",
         Outcome.UNKNOWN),
        ({"msg": f"Note: {OVERLOAD_NEW}"}, "server_error", Outcome.UNKNOWN),
        ({"code": -2022, "msg": "ReduceOnly Order is rejected."}, "server_error", Outcome.UNKNOWN),
        ({}, "server_error", Outcome.UNKNOWN),
        (b"", "server_error", Outcome.UNKNOWN),
        (HTML_503, "unreadable_answer", Outcome.UNKNOWN),
    ],
)  # fmt: skip
def test_503_is_told_apart_by_its_body(body, kind, outcome):
    failure = classified(PLACE, reply(503, body))
    assert (failure.kind, failure.outcome) == (kind, outcome)
    assert failure.layer is Layer.VENUE
    assert failure.remedy is (Remedy.SETTLE if outcome is Outcome.UNKNOWN else Remedy.RETRY)


def test_503_words_prove_nothing_at_another_status():
    assert classified(PLACE, error(-1001, INTERNAL, 500)).outcome is Outcome.UNKNOWN
    assert classified(PLACE, reply(502, {"msg": "Service Unavailable."})).outcome is Outcome.UNKNOWN


# Other statuses.


@pytest.mark.parametrize("status", [500, 501, 502, 504, 520, 599])
@pytest.mark.parametrize("body", [b"", b"{}", "<html>502 Bad Gateway</html>", b'{"co'])
def test_server_errors_leave_an_order_unknown(status, body):
    failure = classified(PLACE, reply(status, body))
    assert (failure.layer, failure.outcome, failure.remedy) == (V, Outcome.UNKNOWN, Remedy.SETTLE)


def test_408_is_unknown_whatever_its_code_claims():
    for body in (b"", {"code": -1008, "msg": OVERLOAD_NEW}, {"code": -2022, "msg": ""}):
        assert classified(PLACE, reply(408, body)).outcome is Outcome.UNKNOWN


def test_429_without_a_body_waits_as_long_as_the_header_says():
    failure = classified(PLACE, reply(429, b"", {"retry-after": "35"}))
    assert (failure.kind, failure.outcome, failure.remedy) == (
        "rate_limited",
        Outcome.REFUSED,
        Remedy.WAIT_BAN,
    )
    assert failure.scope is Scope.IP
    assert failure.retry_after_s == 35.0


def test_429_that_names_no_time_waits_for_the_longest_window():
    assert classified(TIME, reply(429, {})).retry_after_s == 60.0


@pytest.mark.parametrize("header", ["soon", "-5", "nan", "inf", "1e9", "Wed, 21 Oct 2026", ""])
def test_a_retry_after_that_is_no_number_is_ignored(header):
    assert classified(TIME, reply(429, {}, {"retry-after": header})).retry_after_s == 60.0


def test_too_many_orders_waits_for_the_window_that_was_used_up():
    message = "Too many new orders; current limit is 300 orders per 10 SECOND."
    failure = classified(PLACE, error(-1015, message, 429))
    assert failure.kind == "orders_rate_limited"
    assert failure.scope is Scope.ACCOUNT
    assert failure.retry_after_s == 10.0


@pytest.mark.parametrize(
    "message",
    [
        (
            "Way too much request weight used; IP banned until 1660090423228. "
            "Please use the websocket for live updates to avoid bans."
        ),
        (
            "Way too many requests; IP banned until 1660090423228. "
            "Please use the websocket for live updates to avoid bans."
        ),
        (
            "Way too many requests; IP(***.***.***.***) banned until 1660090423228. Please use the "
            "websocket for live updates to avoid bans."
        ),
    ],
)
@pytest.mark.parametrize("status", [400, 418, 429])
def test_the_end_of_a_ban_is_read_from_its_words(message, status):
    failure = classified(TIME, error(-1003, message, status))
    assert (failure.kind, failure.scope) == ("ip_banned", Scope.IP)
    assert failure.banned_until_ms == 1660090423228
    assert failure.retry_after_s is None


def test_418_without_words_waits_for_the_shortest_documented_ban():
    failure = classified(PLACE, reply(418, b""))
    assert (failure.kind, failure.remedy, failure.retry_after_s) == (
        "ip_banned",
        Remedy.WAIT_BAN,
        120.0,
    )
    assert failure.outcome is Outcome.REFUSED


def test_a_ban_quoted_in_the_middle_of_other_words_is_no_ban():
    message = "See also: Way too many requests; IP banned until 1660090423228."
    assert classified(TIME, error(-1121, message)).banned_until_ms is None


def test_the_firewalls_403_stops_all_traffic_of_the_address():
    failure = classified(PLACE, reply(403, "<HTML>Request blocked.</HTML>"))
    assert (failure.outcome, failure.remedy, failure.scope) == (
        Outcome.REFUSED,
        Remedy.WAIT_BAN,
        Scope.IP,
    )
    assert failure.retry_after_s == 300.0


def test_403_with_a_code_is_told_by_the_code():
    assert classified(PLACE, error(-2015, "", 403)).kind == "authentication_failed"
    assert classified(PLACE, error(-9999, "", 403)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("status", [404, 410])
def test_a_path_that_is_not_there_is_our_mistake(status):
    failure = classified(PLACE, reply(status, "<html>nginx</html>"))
    assert (failure.layer, failure.outcome, failure.remedy) == (
        Layer.LOCAL,
        Outcome.REFUSED,
        Remedy.GIVE_UP,
    )


def test_451_with_code_0_is_a_refusal():
    failure = classified(
        PLACE, error(0, "Service unavailable from a restricted location according to …", 451)
    )
    assert (failure.kind, failure.outcome, failure.remedy) == (
        "restricted_location",
        Outcome.REFUSED,
        Remedy.GIVE_UP,
    )
    assert failure.venue_code is None


@pytest.mark.parametrize("status", [100, 302, 307])
def test_statuses_that_nobody_asked_for_leave_an_order_unknown(status):
    assert classified(PLACE, reply(status, b"")).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", "empty_answer"), ({"msg": "no"}, "hollow_answer"), ("<p>", "unreadable_answer")],
)
def test_400_without_a_code_leaves_an_order_unknown(body, kind):
    failure = classified(PLACE, reply(400, body))
    assert (failure.kind, failure.outcome) == (kind, Outcome.UNKNOWN)


def test_a_code_nobody_listed_leaves_an_order_unknown():
    business = classified(PLACE, error(-4999, "new rule"))
    assert (business.kind, business.outcome) == ("unlisted_code", Outcome.UNKNOWN)
    assert not business.infrastructure  # a new rule must not open the breaker
    machinery = classified(PLACE, error(-1098, "new fault"))
    assert machinery.outcome is Outcome.UNKNOWN
    assert machinery.infrastructure


@pytest.mark.parametrize("code", ['"-2022"', "-2022"])
def test_a_code_in_quotes_is_the_same_code(code):
    failure = classified(PLACE, reply(400, f'{{"code":{code},"msg":"x"}}'))
    assert failure.kind == "reduce_only_rejected"


@pytest.mark.parametrize("code", ["true", "[]", "1.5", '"-2022x"', "99999999999999999999999999"])
def test_a_code_of_another_shape_is_unlisted(code):
    failure = classified(PLACE, reply(400, f'{{"code":{code},"msg":"x"}}'))
    assert failure.outcome is Outcome.UNKNOWN


def test_a_message_that_is_no_text_is_shown_as_it_came():
    assert classified(PLACE, reply(400, b'{"code":-2019,"msg":{"a":1}}')).message == '{"a":1}'
    assert classified(PLACE, reply(400, b'{"code":-2019}')).message == ""


def test_words_in_the_middle_of_a_body_do_not_classify():
    """A page that quotes a code is a page."""
    page = '<html>{"code":-2022,"msg":"ReduceOnly Order is rejected."}</html>'
    assert classified(PLACE, reply(400, page)).outcome is Outcome.UNKNOWN


# Codes that answer one kind of request.


def test_2011_on_a_cancel_means_look_it_up():
    for request in (CANCEL, CANCEL_ALL):
        failure = classified(request, error(-2011, "Unknown order sent."))
        assert (failure.kind, failure.outcome, failure.remedy) == (
            "unknown_order",
            Outcome.REFUSED,
            Remedy.SETTLE,
        )
        assert failure.layer is Layer.BUSINESS


def test_2013_on_a_query_is_a_proper_answer():
    failure = classified(QUERY, error(-2013, "Order does not exist."))
    assert failure.kind == "order_not_found"
    assert failure.layer is Layer.BUSINESS
    assert failure.remedy is Remedy.GIVE_UP  # the settling asks again when it wants to


def test_2013_on_a_cancel_means_look_it_up():
    failure = classified(CANCEL, error(-2013, "Order does not exist."))
    assert (failure.kind, failure.remedy) == ("unknown_order", Remedy.SETTLE)


@pytest.mark.parametrize("code", [-2011, -2013])
def test_an_answer_about_another_kind_of_request_leaves_an_order_unknown(code):
    assert classified(PLACE, error(code, "")).outcome is Outcome.UNKNOWN


# Success, and what only looks like it.


def test_success():
    assert um.classify(PLACE, reply(200, ORDER)) is None
    assert um.classify(CANCEL_ALL, reply(200, CANCELED_ALL)) is None
    assert um.classify(POSITIONS, reply(200, [])) is None
    assert um.classify(TIME, reply(200, {"serverTime": 1})) is None


@pytest.mark.parametrize("request_", WRITES, ids=lambda r: f"{r.name}:{r.path}")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \r\n",
        b"{}",
        b"[]",
        b"null",
        b"true",
        b'"ok"',
        b"<html></html>",
        b'{"orderId":1',
        b'{"symbol":"BTCUSDT"}',
        b"\xff\xfe",
        b'{"code":200}'[:-1],
    ],
)
def test_a_hollow_200_leaves_a_write_unknown(request_, body):
    failure = classified(request_, reply(200, body))
    assert (failure.outcome, failure.remedy) == (Outcome.UNKNOWN, Remedy.SETTLE)
    assert failure.raw == body


@pytest.mark.parametrize("code", [-2022, -1008, -1003, 0, 400])
def test_a_200_with_an_error_in_it_is_believed_in_neither(code):
    for request in WRITES:
        assert classified(request, error(code, "no", 200)).outcome is Outcome.UNKNOWN


def test_a_200_with_1007_keeps_its_name():
    assert classified(PLACE, error(-1007, "", 200)).kind == "timed_out_inside_venue"


@pytest.mark.parametrize("request_", READS, ids=lambda r: r.name)
def test_an_array_for_an_object_and_the_reverse_is_asked_again(request_):
    body = b"{}" if um.classify(request_, reply(200, b"[]")) is None else b"[]"
    failure = classified(request_, reply(200, body))
    assert (failure.kind, failure.outcome, failure.remedy) == (
        "hollow_answer",
        Outcome.REFUSED,
        Remedy.RETRY,
    )


# Reads.


@pytest.mark.parametrize("request_", READS, ids=lambda r: r.name)
@pytest.mark.parametrize(
    "answer",
    [
        reply(503, {"msg": UNKNOWN_503}),
        reply(503, {"msg": "Service Unavailable."}),
        error(-1008, OVERLOAD_NEW, 503),
        error(-1001, INTERNAL, 503),
        error(-1006, "", 400),
        error(-1007, "", 408),
        error(-1000, "", 500),
        error(-1016, "", 503),
        error(-4999, "", 400),
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
    assert (failure.outcome, failure.remedy) == (Outcome.REFUSED, Remedy.RETRY)
    assert read_any(request_, answer) == failure


def test_a_read_waits_for_a_ban_and_resyncs_like_a_write():
    assert classified(TIME, reply(418, b"")).remedy is Remedy.WAIT_BAN
    assert classified(POSITIONS, error(-1021, "")).remedy is Remedy.RESYNC


# Evidence.


def test_the_raw_body_is_kept_and_clipped():
    failure = classified(PLACE, reply(502, b"<" * 10_000))
    assert failure.raw == b"<" * 2048
    assert len(failure.message) <= 300


def test_a_long_message_is_clipped():
    assert len(classified(PLACE, error(-2019, "x" * 5000)).message) == 300


OBSERVED = json.loads((DATA / "error_bodies" / "binance.json").read_text())
OBSERVED_OUTCOMES = {
    # What each observed answer to an order says on futures.
    "https://github.com/daisy613/LHPControl/issues/16": Outcome.UNKNOWN,
    # Documented as "100 % failure", reported otherwise once: refused, but the id stays the same.
    "https://github.com/banbox/banbot/issues/114": Outcome.REFUSED,
    "https://github.com/hummingbot/hummingbot/issues/6033 (fixed by PR #6123)": Outcome.UNKNOWN,
    "https://github.com/germangar/whook/issues/21": Outcome.REFUSED,
    "https://github.com/sonvister/Binance/issues/77": Outcome.UNKNOWN,
    "https://github.com/sonvister/Binance/issues/66": Outcome.REFUSED,
    "https://github.com/sieblyio/binance/issues/580": Outcome.UNKNOWN,
    "https://github.com/ccxt/binance-api-node/issues/20": Outcome.UNKNOWN,
    "https://github.com/rotki/rotki/issues/4781": Outcome.UNKNOWN,
    "https://github.com/ccxt/ccxt/issues/14639": Outcome.REFUSED,
    "https://github.com/zyairelai/futures-hero/issues/10": Outcome.REFUSED,
    "https://github.com/svanas/nefertiti/issues/55": Outcome.REFUSED,
    "https://github.com/CyberPunkMetalHead/Binance-volatility-trading-bot/issues/227": (
        Outcome.REFUSED
    ),
    "https://github.com/binance/binance-futures-connector-python/issues/168": Outcome.UNKNOWN,
    "https://github.com/sammchardy/python-binance/issues/1198": Outcome.UNKNOWN,
    "https://github.com/binance/binance-futures-connector-python/issues/75": Outcome.UNKNOWN,
    "https://github.com/JKorf/Binance.Net/issues/115": Outcome.REFUSED,
}


@pytest.mark.parametrize("seen", OBSERVED, ids=lambda seen: seen["source"][19:])
def test_answers_observed_in_outages(seen):
    headers = {name.lower(): value for name, value in seen.get("headers", {}).items()}
    failure = classified(PLACE, reply(seen["http_status"], seen["body"] or "", headers))
    assert failure.outcome is OBSERVED_OUTCOMES[seen["source"]]


# Transport.


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_transport_fault_has_an_outcome(kind):
    fault = TransportFault(kind=kind, detail="ReadTimeout: …", sent_at=0.0, received_at=1.0)
    write, read = um.classify_fault(PLACE, fault), um.classify_fault(TIME, fault)
    if kind.nothing_sent:
        assert write.outcome is read.outcome is Outcome.NOT_SENT
    else:
        assert (write.outcome, write.remedy) == (Outcome.UNKNOWN, Remedy.SETTLE)
        assert (read.outcome, read.remedy) == (Outcome.REFUSED, Remedy.RETRY)
    assert write.kind == kind.value
    assert write.message == "ReadTimeout: …"


def test_local_faults_say_nothing_about_the_venue():
    for kind in (FaultKind.POOL_TIMEOUT, FaultKind.LOCAL):
        fault = TransportFault(kind=kind, detail="", sent_at=0.0, received_at=1.0)
        failure = um.classify_fault(PLACE, fault)
        assert (failure.layer, failure.scope) == (Layer.LOCAL, Scope.SELF)
        assert not failure.infrastructure
    assert failure.remedy is Remedy.GIVE_UP
