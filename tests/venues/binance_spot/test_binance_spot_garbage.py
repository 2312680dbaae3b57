"""Whatever bytes come back: nothing raises, and garbage never passes for a yes or a no.

A no is as dangerous as a yes: an order taken for refused is sent again.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spot_samples import (
    CANCEL,
    CANCEL_ALL,
    CANCELED,
    EXCHANGE_INFO,
    EXECUTION,
    EXECUTIONS,
    FILL,
    ID,
    NOW_MS,
    PLACE,
    PLACED,
    QUERIED,
    QUERY,
    READS,
    WRITES,
    read_any,
    reply,
)

from outlast.errors import Failure, Outcome, Remedy
from outlast.model import OrderReport
from outlast.venues import binance_spot as spot
from outlast.venues.binance_spot.codes import CODES, CODES_BY_REQUEST, MESSAGES, STATUSES

SAYS_NO_ALONE = {status for status, row in STATUSES.items() if row.outcome is Outcome.REFUSED}
"""By the venue's documentation nothing was done with a request that got one of these."""

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=10), children, max_size=4)
    ),
    max_leaves=12,
)
as_bytes = any_json.map(lambda value: json.dumps(value).encode())
bodies = st.binary(max_size=200) | as_bytes
statuses = st.integers(min_value=100, max_value=599)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "content-type", "x-mbx-used-weight-1m"]), st.text(max_size=12)
)
fuzzed = settings(max_examples=150, deadline=None)


@fuzzed
@given(request=st.sampled_from(WRITES), status=statuses, body=bodies, headers=headers)
@example(request=PLACE, status=200, body=b"[" * 100_000, headers={})
@example(request=PLACE, status=400, body=b'{"code":' * 50_000, headers={})
@example(request=PLACE, status=200, body=b'{"orderId":"\xff"}', headers={})
@example(request=PLACE, status=200, body=b'\xef\xbb\xbf{"orderId":1}', headers={})
@example(request=CANCEL_ALL, status=200, body=b"[null]", headers={})
@example(request=CANCEL_ALL, status=400, body=b'{"code":-2011,"msg":"Unknown order', headers={})
def test_garbage_leaves_a_write_unknown(request, status, body, headers):
    answer = reply(status, body, headers)
    failure = read_any(request, answer)
    if failure == []:  # the one thing garbage can say: that there was nothing to cancel
        assert (request, json.loads(body)) == (CANCEL_ALL, [])
        return
    assert isinstance(failure, Failure)
    assert spot.classify(request, answer) in (None, failure)
    if status in SAYS_NO_ALONE:
        assert failure.outcome is Outcome.REFUSED
    else:
        assert (failure.outcome, failure.remedy) == (Outcome.UNKNOWN, Remedy.SETTLE)
    assert failure.raw == body[:2048]


@fuzzed
@given(request=st.sampled_from(READS), status=statuses, body=bodies, headers=headers)
def test_garbage_never_breaks_a_read(request, status, body, headers):
    answer = reply(status, body, headers)
    found = read_any(request, answer)
    if isinstance(found, Failure):
        assert found.outcome is Outcome.REFUSED
        assert status in SAYS_NO_ALONE or found.remedy is Remedy.RETRY
    else:
        assert found == []  # the one thing garbage can say: an empty list
        assert json.loads(body) == []


@fuzzed
@given(status=statuses, body=bodies)
def test_garbage_has_no_next_page_and_no_limits(status, body):
    answer = reply(status, body)
    if body.strip() != b"[]":
        assert spot.next_page(EXECUTIONS, answer, now_ms=NOW_MS + 10**12) is None
    assert isinstance(spot.read_limits(EXCHANGE_INFO, answer), Failure)


# Bodies that use the venue's words.

NAMES = sorted(
    {*QUERIED, *PLACED, *CANCELED, *EXECUTION, *FILL, "code", "msg", "symbols", "balances"}
    | {"bidPrice", "askPrice", "serverTime", "filters", "orderReports"}
)
SENTENCES = [*(f"{message}." for message in MESSAGES), "Unknown order sent.", "Filter failure: X"]
values = (
    any_json
    | st.sampled_from(sorted(CODES)).map(int)
    | st.sampled_from([-2011, -2013])
    | st.sampled_from(SENTENCES)
    | st.sampled_from(["1", "0", "-1", "NaN", "1e999999", "BTCUSDT", "BUY", "NEW", ID])
)
worded = st.dictionaries(st.sampled_from(NAMES), values, max_size=8)
errors = st.fixed_dictionaries(
    {"code": st.sampled_from([*sorted(CODES), "-2011", "-2013", "-2999"]).map(int)},
    optional={"msg": st.sampled_from(SENTENCES)},
)


@fuzzed
@given(request=st.sampled_from(WRITES), status=statuses, body=worded | errors)
def test_a_no_takes_a_status_or_a_code_that_is_listed_and_never_a_5xx(request, status, body):
    failure = spot.classify(request, reply(status, body))
    if failure is None:
        assert 200 <= status < 300 or (request is CANCEL_ALL and status == 400)
        return
    if failure.outcome is not Outcome.REFUSED or status in SAYS_NO_ALONE:
        return
    assert not 200 <= status < 300
    code = failure.venue_code
    assert code in CODES or (request.name, code) in CODES_BY_REQUEST or code == "-2011"
    # A 5xx may have been a success; that we are over a limit is said before anything is done.
    assert status < 500 or code in ("-1003", "-1015")


@fuzzed
@given(
    case=st.sampled_from([(PLACE, PLACED), (CANCEL, CANCELED), (QUERY, QUERIED)]), data=st.data()
)
def test_an_answer_with_one_field_replaced_is_this_order_or_a_failure(case, data):
    request, base = case
    field = data.draw(st.sampled_from(sorted(base)))
    found = read_any(request, reply(200, base | {field: data.draw(values)}))
    if isinstance(found, Failure):
        expected = Outcome.UNKNOWN if request.is_write else Outcome.REFUSED
        assert found.outcome is expected
        return
    assert isinstance(found, OrderReport)
    assert found.client_order_id == request.client_order_id
    assert found.qty.is_finite()
    assert found.filled_qty >= 0
    assert all(e.qty > 0 for e in found.executions)


@fuzzed
@given(rows=st.lists(worded | any_json, max_size=3), request=st.sampled_from([*READS, CANCEL_ALL]))
def test_lists_of_strange_rows_never_break_a_read(rows, request):
    wrapped = {"symbols": rows, "balances": rows, "lastUpdateId": 1, "bids": rows, "asks": rows}
    for body in (rows, wrapped, [{"orderReports": rows}]):
        read_any(request, reply(200, body))


@pytest.mark.parametrize(
    ("request_", "body"),
    [(PLACE, PLACED | {"fills": [FILL]}), (CANCEL, CANCELED), (CANCEL_ALL, [CANCELED])],
    ids=["order", "cancel", "cancel_all"],
)
def test_an_answer_cut_anywhere_leaves_a_write_unknown(request_, body):
    whole = json.dumps(body).encode()
    assert not isinstance(read_any(request_, reply(200, whole)), Failure)
    for end in range(len(whole)):
        found = read_any(request_, reply(200, whole[:end]))
        assert isinstance(found, Failure)
        assert found.outcome is Outcome.UNKNOWN
