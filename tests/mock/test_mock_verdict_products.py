"""`breaker_scope`: a planted offender, bots that keep it, and bots that are not to be judged."""

from handmade_run import SPOT, UM, Run, fault, phase

from outlast.mock.engine.model import Product
from outlast.mock.scenario.model import Expectation

SCOPE = Expectation("breaker_scope", ("um",))
PHASES = [
    phase("normal", 600),
    phase("halt", 1800, fault("orders.*", product=Product.UM)),
    phase("settled", 600),
]
HALT = range(600, 2400)
END = 3000


def run_of(*, spot_quiet=(), every_s=20, phases=PHASES):
    """A bot that asks both venues every `every_s`, and spot not at all in `spot_quiet`."""
    run = Run(SCOPE, phases=phases, venues=(UM, SPOT))
    for at_s in range(0, END, every_s):
        run.request(at_s, "orders.create")
        if at_s not in spot_quiet:
            run.request(at_s, "orders.query", venue=SPOT)
    return run.until(END)


def test_a_breaker_over_all_products_breaks_breaker_scope():
    evidence = run_of(spot_quiet=HALT).evidence()
    assert evidence.startswith("2025-10-10T21:17:00.000Z: 0 orders on spot")
    assert "while um failed; 3 a minute are usual, 20 were due" in evidence


def test_a_pause_of_a_quarter_of_the_outage_breaks_breaker_scope():
    assert not run_of(spot_quiet=range(600, 1200)).holds()


def test_a_tenth_of_the_usual_pace_breaks_breaker_scope():
    evidence = run_of(spot_quiet=[at_s for at_s in HALT if at_s % 200]).evidence()
    assert "2 orders on spot" in evidence


def test_leaving_the_failing_product_alone_keeps_breaker_scope():
    run = Run(SCOPE, phases=PHASES, venues=(UM, SPOT))
    for at_s in range(0, END, 20):
        run.request(at_s, "orders.query", venue=SPOT)
        if at_s not in HALT:
            run.request(at_s, "orders.create")
    assert run.until(END).holds()


def test_trading_on_at_the_usual_pace_keeps_breaker_scope():
    result = run_of().verdict()
    assert result["holds"]
    assert "kept their pace" in result["evidence"]


def test_reading_on_does_not_excuse_a_stop_of_trading():
    run = run_of(spot_quiet=HALT)
    for at_s in range(0, END, 20):
        run.request(at_s, "market.read", venue=SPOT)
    assert "orders on spot" in run.evidence()


def test_a_usual_pace_known_only_from_after_the_outage_will_do():
    phases = [PHASES[1], phase("settled", 1200)]
    quiet = run_of(spot_quiet=range(1800), phases=phases)
    assert not quiet.holds()
    assert run_of(phases=phases).holds()


def test_bots_that_are_idle_or_gone_or_have_no_habit_are_not_judged():
    assert Run(SCOPE, phases=PHASES, venues=(UM, SPOT)).until(END).holds()

    gone = Run(SCOPE, phases=PHASES, venues=(UM, SPOT))
    for at_s in range(0, 590, 10):
        gone.request(at_s, "orders.query", venue=SPOT)
    assert gone.until(END).holds()

    starting = Run(SCOPE, phases=PHASES, venues=(UM, SPOT))
    for at_s in range(60):
        starting.request(at_s, "market.meta", venue=SPOT)  # much to read at the start, then streams
    for at_s in range(0, END, 20):
        starting.request(at_s, "orders.create")
    assert starting.until(END).holds()


def test_before_the_outage_has_begun_there_is_nothing_to_judge():
    run = Run(SCOPE, phases=PHASES, venues=(UM, SPOT), reached="normal")
    for at_s in range(0, 600, 10):
        run.request(at_s, "orders.query", venue=SPOT)
    assert run.until(600).verdict()["evidence"].startswith("nothing to judge")
