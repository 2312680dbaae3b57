"""From a failure inside to the one exception that the caller sees."""

from itertools import product

import pytest

from outlast.client.guard import local_failure
from outlast.client.raising import order_error, read_error
from outlast.errors import (
    AuthenticationFailed,
    BannedByVenue,
    BreakerOpen,
    ConnectFailed,
    DeadlinePassed,
    Failure,
    Layer,
    LimiterFull,
    Maintenance,
    NotSent,
    OrderRejected,
    Outcome,
    OutcomeUnknown,
    OutlastError,
    Overloaded,
    ReadFailed,
    Refused,
    Remedy,
    Scope,
    Throttled,
    UnknownOrder,
)
from outlast.venues.binance_um import codes

SECRET = "s3cr3t-0123456789abcdef"
KEY = "kkkk-kkkk-kkkk"


class StoppedClock:
    def now(self):
        return 50.0

    def wall(self):
        return 1_000_000.0

    async def sleep(self, seconds):
        raise AssertionError("an exception does not wait")


def failure(kind="overloaded", outcome=Outcome.REFUSED, **fields):
    known = {"layer": Layer.VENUE, "remedy": Remedy.RETRY, "message": "Server is busy"}
    return Failure(kind=kind, outcome=outcome, **(known | fields))


def of_order(fails, **fields):
    return order_error(
        fails,
        venue="binance-um",
        client_order_id="ol-1",
        clock=StoppedClock(),
        evidence_id="#17",
        doing="order ol-1 (sell 1 BTC/USDT:USDT)",
        **fields,
    )


def of_read(fails):
    return read_error(fails, venue="binance-um", clock=StoppedClock(), what="positions")


BUSINESS = {"layer": Layer.BUSINESS, "remedy": Remedy.GIVE_UP}
NOT_SENT = {"layer": Layer.LOCAL, "outcome": Outcome.NOT_SENT}

CASES = [
    (failure("banned", **NOT_SENT), BannedByVenue, BannedByVenue),
    (failure("breaker_open", **NOT_SENT), BreakerOpen, BreakerOpen),
    (failure("limiter_full", **NOT_SENT), LimiterFull, LimiterFull),
    (failure("deadline_passed", **NOT_SENT), DeadlinePassed, DeadlinePassed),
    (failure("local", **NOT_SENT), NotSent, NotSent),
    (
        failure("connect_failed", Outcome.NOT_SENT, layer=Layer.TRANSPORT),
        ConnectFailed,
        ConnectFailed,
    ),
    (failure(), Overloaded, Overloaded),
    (failure("rate_limited", remedy=Remedy.WAIT_BAN), Throttled, Throttled),
    (failure("maintenance"), Maintenance, Maintenance),
    (failure("symbol_closed", **BUSINESS), Maintenance, Maintenance),
    (failure("shutting_down"), Maintenance, Maintenance),
    (failure("authentication_failed", **BUSINESS), AuthenticationFailed, AuthenticationFailed),
    (failure("signature_invalid", **BUSINESS), AuthenticationFailed, AuthenticationFailed),
    (failure("unknown_order", **BUSINESS), UnknownOrder, UnknownOrder),
    (failure("order_not_found", **BUSINESS), UnknownOrder, UnknownOrder),
    (failure("reduce_only_rejected", **BUSINESS), OrderRejected, ReadFailed),
    (failure("bad_parameter", **BUSINESS), OrderRejected, ReadFailed),
    (failure("status_unknown", Outcome.UNKNOWN), OutcomeUnknown, ReadFailed),
    (failure("read_timeout", Outcome.UNKNOWN, layer=Layer.TRANSPORT), OutcomeUnknown, ReadFailed),
]


@pytest.mark.parametrize(("fails", "for_order", "for_read"), CASES, ids=lambda c: str(c)[:40])
def test_each_failure_has_its_exception(fails, for_order, for_read):
    for error, expected in ((of_order(fails), for_order), (of_read(fails), for_read)):
        assert type(error) is expected
        assert error.failure is fails
        assert error.venue == "binance-um"
        assert fails.kind in str(error)
        assert "Server is busy" in str(error)


ANY = [
    Failure(layer=layer, kind=kind, outcome=outcome, remedy=remedy)
    for layer, outcome, remedy, kind in product(
        Layer, Outcome, Remedy, ["banned", "unknown_order", "unlisted"]
    )
]


@pytest.mark.parametrize("fails", ANY, ids=lambda f: f"{f.layer.name}-{f.remedy.name}-{f.kind}")
def test_the_second_level_of_the_tree_is_the_outcome(fails):
    """It is what the caller decides on: an order that may be live is never raised as refused."""
    level = {
        Outcome.NOT_SENT: NotSent,
        Outcome.REFUSED: Refused,
        Outcome.UNKNOWN: OutcomeUnknown,
    }[fails.outcome]
    assert isinstance(of_order(fails), level)
    assert isinstance(of_read(fails), NotSent if level is NotSent else Refused)


def test_times_are_told_as_the_wall_clock_shows_them():
    held = failure(retry_after_s=30.0)
    assert of_order(held).retry_at == of_read(held).retry_at == 1_000_030.0
    assert of_order(failure()).retry_at is None


def test_the_journals_record_is_named():
    assert of_order(failure()).evidence_id == "#17"


def test_unknown_says_what_to_do_and_what_not():
    error = of_order(failure("read_timeout", Outcome.UNKNOWN))
    assert error.client_order_id == "ol-1"
    assert "settle('ol-1')" in str(error)
    assert "do not send it again" in str(error)


def test_a_cancel_of_unknown_outcome_may_be_repeated():
    error = of_order(failure("read_timeout", Outcome.UNKNOWN), is_cancel=True)
    assert isinstance(error, OutcomeUnknown)
    assert "do not send it again" not in str(error)
    assert "safe" in str(error)


def test_the_message_says_whether_anything_was_sent():
    assert "was not sent to binance-um" in str(of_order(local_failure("breaker_open", "resting")))
    assert "was refused by binance-um" in str(of_order(failure()))


@pytest.mark.parametrize("make", [of_order, of_read])
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("kind", ["signature_invalid", "authentication_failed", "overloaded"])
def test_no_message_holds_what_came_over_the_wire_beside_the_venues_words(make, outcome, kind):
    """Bodies and headers can echo a signed request. They stay in `raw`, for the journal."""
    fails = failure(
        kind,
        outcome,
        raw=f'{{"apiKey":"{KEY}","signature":"{SECRET}"}}'.encode(),
        scope=Scope.ACCOUNT,
    )
    error = make(fails)
    for text in (str(error), repr(error), repr(error.args)):
        assert SECRET not in text
        assert KEY not in text


def test_every_kind_that_the_codec_knows_becomes_an_exception():
    meanings = [*codes.CODES.values(), *codes.STATUSES.values(), *codes.CODES_BY_REQUEST.values()]
    assert len(meanings) > 50
    for meaning in meanings:
        fails = Failure(
            layer=meaning.layer, kind=meaning.kind, outcome=meaning.outcome, remedy=meaning.remedy
        )
        for error in (of_order(fails), of_read(fails)):
            assert isinstance(error, OutlastError)
            assert meaning.kind in str(error)
