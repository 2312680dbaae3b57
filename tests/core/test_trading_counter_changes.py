"""What amendments and batches of cancels cost on Kraken's counter of each pair."""

from __future__ import annotations

from outlast.core.limiter import CounterSpec, Move, MoveKind
from outlast.core.limiter.trading import TradingCounter
from outlast.wire import Lane

S = "BTC/USD"


def starter():
    spec = CounterSpec("trading", window_s=60.0, limit=60, decay_per_s=1.0, per_symbol=True)
    return TradingCounter(spec, doubt_s=0.0)


def place(counter, name, now):
    counter.take(1, now, move=Move(MoveKind.PLACE, S, name))


def test_an_amended_order_is_young_again():
    """The page's own example: add, amend at 7 s, cancel 36 s later: 8."""
    counter = starter()
    place(counter, "a", 0.0)
    counter.take(1, 7.0, move=Move(MoveKind.AMEND, S, "a"))
    before = counter.used(43.0)
    counter.take(0, 43.0, move=Move(MoveKind.CANCEL, S, "a"))
    assert counter.used(43.0) - before == 4


def test_a_batch_costs_as_much_as_all_of_its_cancels_and_never_waits():
    counter = starter()
    names = tuple(f"o{n}" for n in range(9))
    for name in names:
        place(counter, name, 0.0)
    move = Move(MoveKind.CANCEL_MANY, S, client_order_ids=names)
    assert counter.wait_until(0, Lane.SAFETY, 0.0, move=move) == 0.0
    counter.take(0, 0.0, move=move)
    assert counter.used(0.0) == 9 + 72


def test_one_cancel_over_the_limit_waits():
    counter = starter()
    for n in range(9):
        place(counter, f"o{n}", 0.0)
    for n in range(6):
        counter.take(0, 0.0, move=Move(MoveKind.CANCEL, S, f"o{n}"))
    one = Move(MoveKind.CANCEL, S, "o7")
    assert counter.wait_until(0, Lane.SAFETY, 0.0, move=one) > 0.0
