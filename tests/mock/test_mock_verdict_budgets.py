"""Invariants about how much is asked: for each a planted offender, and a run that keeps it."""

from handmade_run import BOT, SPOT, UM, Run, ms

from outlast.mock.records import Told
from outlast.mock.scenario.model import Expectation

# --- requests_total ------------------------------------------------------------------------------


def test_one_request_too_many_breaks_requests_total():
    run = Run(Expectation("requests_total", 3))
    for at_s in range(1, 6):
        run.request(at_s, "market.read", account=None)
    assert run.evidence().startswith("2025-10-10T21:07:04.000Z, request 4: request number 4 of 5")


def test_as_many_requests_as_allowed_keep_requests_total():
    run = Run(Expectation("requests_total", 3))
    for at_s in range(1, 4):
        run.request(at_s, "market.read")
    assert run.holds()


# --- no_ban --------------------------------------------------------------------------------------


def limited(run, at_s, limit="429", *, retry_after_s=30.0, **more):
    return run.request(
        at_s,
        more.pop("endpoint", "market.read"),
        told=Told.REFUSED,
        status=int(limit),
        limited=limit,
        retry_after_s=retry_after_s,
        **more,
    )


def test_an_earned_ban_breaks_no_ban():
    run = Run("no_ban")
    limited(run, 5, "418")
    assert "2025-10-10T21:07:05.100Z, request 1: binance-um banned the client" in run.evidence()


def test_a_ban_that_the_scenario_plays_is_nobodys_fault():
    run = Run("no_ban")
    run.request(5, "market.read", told=Told.REFUSED, status=418, reply="banned")
    assert run.holds()


def test_a_request_inside_the_retry_after_breaks_no_ban():
    run = Run("no_ban")
    limited(run, 5)
    run.request(20, "account.balances")
    assert "15.1 s before the Retry-After that the answer to request 1 gave" in run.evidence()


def test_a_shorter_wait_inside_a_longer_one_does_not_end_it():
    run = Run("no_ban", venues=(UM, SPOT))
    limited(run, 5)
    limited(run, 6, venue=SPOT)
    limited(run, 20, retry_after_s=5.0, endpoint="account.balances")
    run.request(28, "market.read")
    assert run.evidence().endswith("; and 1 more")


def test_waiting_out_the_retry_after_keeps_no_ban():
    run = Run("no_ban")
    limited(run, 5)
    run.request(5.9, "market.read")  # was on its way when the answer came
    run.request(35.1, "market.read")
    assert run.holds()


def test_the_retry_after_of_one_venue_does_not_silence_another():
    run = Run("no_ban", venues=(UM, SPOT))
    limited(run, 5)
    run.request(20, "market.read", venue=SPOT)
    assert run.holds()


def test_after_a_full_order_counter_cancels_and_reads_may_go_on():
    run = Run("no_ban")
    limited(run, 5, endpoint="orders.create", code="-1015")
    run.request(10, "orders.cancel")
    run.request(11, "market.read")
    assert run.holds()
    run.create(12, "a")
    assert "orders.create to binance-um" in run.evidence()


def test_a_banned_dial_breaks_no_ban():
    run = Run("no_ban")
    run.truth.connect(ms(5), "ws.market.connect", "banned", venue=UM, account=BOT)
    run.request(6, "market.read")
    assert "met a ban for too many dials" in run.evidence()


# --- connects_max --------------------------------------------------------------------------------


def dials(run, number, kind="ws.market.connect"):
    for at_s in range(number):
        run.truth.connect(ms(at_s), kind, "refused", venue=UM)
    run.request(number, "market.read")


def test_one_dial_too_many_breaks_connects_max():
    run = Run(Expectation("connects_max", 4))
    dials(run, 6)
    assert run.evidence().startswith("2025-10-10T21:07:04.000Z: dial number 5 of 6")


def test_as_many_dials_as_allowed_keep_connects_max():
    run = Run(Expectation("connects_max", 4))
    dials(run, 4)
    assert run.holds()


def test_connections_for_rest_are_no_dials():
    run = Run(Expectation("connects_max", 4))
    dials(run, 6, kind="http")
    assert run.holds()
