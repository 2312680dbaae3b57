"""Entries that fail again and again wait longer each time."""

from outlast.core.attempts import Attempts


def test_the_first_few_are_free_then_each_waits_twice_as_long_up_to_the_most():
    attempts = Attempts(attempts_max=3, pause_s=60, pause_s_max=600)
    now, waits = 0.0, []
    for _ in range(8):
        attempts.failed("buy BTC", now)
        at = attempts.retry_at("buy BTC", now)
        waits.append(None if at is None else at - now)
        now = now if at is None else at
        assert attempts.retry_at("buy BTC", now) is None
    assert waits == [None, None, 60, 120, 240, 480, 600, 600]
    assert attempts.count("buy BTC") == 8


def test_one_that_is_taken_clears_the_row_and_another_side_has_its_own():
    attempts = Attempts(attempts_max=1, pause_s=60, pause_s_max=600)
    attempts.failed("buy BTC", 0)
    assert attempts.retry_at("sell BTC", 1) is None
    assert attempts.retry_at("buy BTC", 1) == 60
    attempts.succeeded("buy BTC")
    assert attempts.retry_at("buy BTC", 1) is None
