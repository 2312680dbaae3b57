from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.tape import READS_MAX, WAITING_MAX, Missing, Tape
from outlast.model import Side
from outlast.stream_wire import PublicTrade


def trade(trade_id):
    return PublicTrade("BTC/USD", trade_id, Decimal(1), Decimal(1), Side.BUY, 1000 * trade_id)


def ids(trades):
    return [each.trade_id for each in trades]


def heard(tape, *trade_ids):
    return ids(tape.heard(map(trade, trade_ids)))


def read(tape, *trade_ids):
    return ids(tape.read(map(trade, trade_ids)))


def test_trades_pass_in_order_and_each_once():
    tape = Tape()
    assert not tape.is_begun
    assert heard(tape, 7, 8) == [7, 8]
    assert heard(tape, 8, 7, 9) == [9]
    assert tape.last_id == 9
    assert not tape.is_waiting
    assert tape.next_missing() is None


def test_what_follows_a_gap_waits_for_what_is_missing():
    tape = Tape()
    heard(tape, 7)
    assert heard(tape, 10, 11) == []
    assert tape.is_waiting
    assert tape.next_missing() == Missing(8, 6999)
    assert read(tape, 8, 9, 10) == [8, 9, 10, 11]
    assert tape.was_behind
    assert not tape.is_waiting
    assert tape.lost == 0


def test_an_answer_by_time_begins_before_the_gap():
    tape = Tape()
    heard(tape, 7, 10)
    assert read(tape, 5, 6, 7, 8, 9) == [8, 9, 10]


def test_an_answer_that_ends_before_the_gap_does_asks_on():
    tape = Tape()
    heard(tape, 7, 20)
    assert read(tape, 8, 9, 10) == [8, 9, 10]
    assert tape.next_missing() == Missing(11, 9999)
    assert read(tape, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20) == list(range(11, 21))


def test_an_id_that_the_answer_leaves_out_does_not_exist():
    tape = Tape()
    heard(tape, 7, 10)
    assert read(tape, 9, 10) == [9, 10]
    assert tape.lost == 1


def test_what_the_stream_had_and_the_answer_has_not_is_kept():
    tape = Tape()
    heard(tape, 7, 9)
    assert read(tape, 11) == [9, 11]
    assert tape.lost == 2


def test_a_list_that_lags_is_asked_again_and_then_believed():
    tape = Tape()
    heard(tape, 7, 9)
    for _ in range(READS_MAX - 1):
        assert read(tape) == []
        assert tape.is_waiting
    assert read(tape) == [9]
    assert tape.lost == 1


def test_a_doubt_is_asked_about_once():
    tape = Tape()
    tape.doubt()
    assert not tape.is_waiting  # nothing has begun that could be missed
    heard(tape, 7)
    tape.doubt()
    assert tape.next_missing() == Missing(8, 6999)
    assert read(tape) == []
    assert not tape.was_behind
    assert not tape.is_waiting


def test_it_may_begin_after_a_trade_that_is_not_wanted():
    tape = Tape()
    tape.begin(trade(50))
    assert heard(tape, 49, 50, 51) == [51]


def test_a_gap_before_anything_was_given_is_looked_for_from_the_first_that_waits():
    tape = Tape()
    tape.begin(trade(50))
    heard(tape, 53)
    assert tape.next_missing() == Missing(51, 49_999)


def test_what_waits_is_bounded():
    tape = Tape()
    heard(tape, 1)
    given = heard(tape, *range(3, WAITING_MAX + 4))
    assert given == list(range(3, WAITING_MAX + 4))
    assert tape.lost == 1


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_stream_with_any_losses_gives_every_trade_once_and_in_order(data):
    last = data.draw(st.integers(5, 60))
    tape, given_out, next_id = Tape(), [], 2
    given_out += heard(tape, 1)
    while next_id <= last:
        count = data.draw(st.integers(1, 5))
        batch = list(range(next_id, min(last, next_id + count - 1) + 1))
        next_id = batch[-1] + 1
        kept = [each for each in batch if data.draw(st.booleans())]
        given_out += heard(tape, *data.draw(st.permutations(kept)))
        if tape.is_waiting and data.draw(st.booleans()):
            missing = tape.next_missing()
            assert missing is not None
            page = data.draw(st.integers(1, 8))
            rest = range(missing.from_id, min(next_id - 1, missing.from_id + page - 1) + 1)
            given_out += read(tape, *rest)
    tape.doubt()
    while (missing := tape.next_missing()) is not None:
        given_out += read(tape, *range(missing.from_id, last + 1))
    assert given_out == list(range(1, last + 1))
    assert tape.lost == 0
