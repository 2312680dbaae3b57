"""Whatever bytes come back: nothing raises, and garbage never passes for a yes or a no.

A no is as dangerous as a yes: an order taken for refused is sent again.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from um_samples import (
    ALGO,
    CANCELED_ALL,
    EXECUTION,
    ORDER,
    PLACE,
    PLACE_STOP,
    READS,
    WRITES,
    read_any,
    reply,
)

from outlast.errors import Failure, Outcome, Remedy
from outlast.model import OrderReport
from outlast.venues import binance_um as um
from outlast.venues.binance_um.codes import (
    CODES,
    CODES_BY_REQUEST,
    MESSAGES_503,
    STATUSES,
)

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
@example(request=PLACE, status=400, body=b'{"code":-2022,"msg":"\xff"}'[:-2], headers={})
def test_garbage_leaves_a_write_unknown(request, status, body, headers):
    answer = reply(status, body, headers)
    failure = um.classify(request, answer)
    assert failure is not None
    assert read_any(request, answer) == failure
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


# Bodies that use the venue's words.

WORDS = sorted({*ORDER, *ALGO, *EXECUTION, "code", "msg", "symbols", "rateLimits", "filters"})
values = (
    any_json
    | st.sampled_from(sorted(CODES)).map(int)
    | st.sampled_from([sentence for sentence, _, _ in MESSAGES_503])
    | st.sampled_from(["1", "0", "-1", "NaN", "1e999999", "BTCUSDT", "BUY", "NEW"])
)
worded = st.dictionaries(st.sampled_from(WORDS), values, max_size=8)


@fuzzed
@given(request=st.sampled_from(WRITES), status=statuses, body=worded)
def test_a_no_takes_a_status_a_code_or_a_sentence_that_is_listed(request, status, body):
    failure = um.classify(request, reply(status, body))
    if failure is None:
        assert 200 <= status < 300
        return
    if failure.outcome is not Outcome.REFUSED or status in SAYS_NO_ALONE:
        return
    assert not 200 <= status < 300
    code, said = failure.venue_code, failure.message
    listed = code in CODES or (request.name, code) in CODES_BY_REQUEST
    assert listed or (status == 503 and said in [sentence for sentence, _, _ in MESSAGES_503])


@fuzzed
@given(base=st.sampled_from([ORDER, ALGO]), data=st.data())
def test_an_answer_with_one_field_replaced_is_this_order_or_a_failure(base, data):
    field = data.draw(st.sampled_from(sorted(base)))
    body = base | {field: data.draw(values)}
    request = PLACE if base is ORDER else PLACE_STOP
    found = read_any(request, reply(200, body))
    if isinstance(found, Failure):
        assert found.outcome is Outcome.UNKNOWN
        return
    assert isinstance(found, OrderReport)
    assert found.client_order_id == request.client_order_id
    assert found.qty.is_finite()
    assert found.filled_qty >= 0


@fuzzed
@given(rows=st.lists(worded | any_json, max_size=3), request=st.sampled_from(READS))
def test_lists_of_strange_rows_never_break_a_read(rows, request):
    for body in (rows, {"symbols": rows, "rateLimits": rows, "lastUpdateId": 1, "bids": rows}):
        read_any(request, reply(200, body))


@pytest.mark.parametrize(
    ("request_", "body"),
    [(PLACE, ORDER), (PLACE_STOP, ALGO), (WRITES[-1], CANCELED_ALL)],
    ids=["order", "algo", "cancel_all"],
)
def test_an_answer_cut_anywhere_leaves_a_write_unknown(request_, body):
    whole = json.dumps(body).encode()
    assert not isinstance(read_any(request_, reply(200, whole)), Failure)
    for end in range(len(whole)):
        found = read_any(request_, reply(200, whole[:end]))
        assert isinstance(found, Failure)
        assert found.outcome is Outcome.UNKNOWN
