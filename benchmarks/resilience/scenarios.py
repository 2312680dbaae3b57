"""The outages, S1 to S9: each calm, then broken, then well again.

Everything counts against the venue's limits, also what it refuses (`count: all`): the strictest
reading, and the one by which a retry storm earns its ban. Chances are drawn by the mock from the
seed and from which request of its kind it is, so the n-th order of every client has the same fate,
however many requests the client makes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outlast.mock.scenario.builder import ScenarioBuilder, fault, ramp
from outlast.mock.scenario.model import Scenario

__all__ = ["CALLS_PER_S", "SCENARIOS", "SIBLING", "VENUE", "Outage"]

VENUE: Final = "binance-um"
SIBLING: Final = "binance-spot"
CALLS_PER_S: Final = 5.0
SIBLING_CALLS_PER_S: Final = 1.0

Rules = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One scenario of the benchmark."""

    name: str
    title: str
    broken: Callable[[ScenarioBuilder], float]
    """Adds the broken phases; returns their length in seconds."""
    calm_s: float = 30.0
    after_s: float = 30.0
    has_sibling: bool = False
    is_hard: bool = False
    """Nothing passes for a while: there is something to detect and to come back from."""

    def build(self) -> tuple[Scenario, float]:
        """The scenario, and for how long it is broken."""
        venues = [VENUE, SIBLING] if self.has_sibling else [VENUE]
        spot = "BTCUSDT-SPOT"
        builder = (
            ScenarioBuilder(f"benchmark-{self.name.lower()}", venue=venues, title=self.title)
            .instrument("BTCUSDT", product="um", venue=VENUE, mid="68000", tick="0.1")
            .limits(count="all")
        )
        if self.has_sibling:
            builder.instrument(spot, product="spot", venue=SIBLING, mid="68000", tick="0.01")
        builder.account(
            balances={"USDT": "2000000", **({"BTC": "10"} if self.has_sibling else {})},
            positions={"BTCUSDT": {"qty": "5", "entry": "68000"}},
        )
        builder.phase("calm", f"{self.calm_s:g}s")
        broken_s = self.broken(builder)
        return builder.phase("well", "rest").build(), broken_s

    @property
    def rates(self) -> list[tuple[str, float]]:
        own = [(VENUE, CALLS_PER_S)]
        return [*own, (SIBLING, SIBLING_CALLS_PER_S)] if self.has_sibling else own


ON_UM: Final = {"venue": VENUE}


def _one(seconds: float, *faults: dict[str, Any]) -> Callable[[ScenarioBuilder], float]:
    def add(builder: ScenarioBuilder) -> float:
        builder.phase("broken", f"{seconds:g}s", faults=list(faults))
        return seconds

    return add


def _partial(share: float) -> Outage:
    percent = round(share * 100)
    return Outage(
        name=f"S2-{percent}",
        title=f"partial failure: {percent} % of all requests, at random, are refused with 503",
        broken=_one(180, fault("*", p=share, reply="unavailable")),
    )


def _flapping(builder: ScenarioBuilder) -> float:
    builder.phase(
        "broken",
        "240s",
        flap={"good": "20s", "bad": "20s", "start": "bad"},
        faults=[fault("*", reply="unavailable")],
    )
    return 240.0


def _stepped(builder: ScenarioBuilder) -> float:
    down = [fault("*", where=ON_UM, reply="unavailable")]
    builder.phase("broken", "180s", faults=down)
    builder.phase("stepped", "120s", ramp=ramp(0.25, 1.0, steps=4), faults=down)
    return 300.0


def _limited(builder: ScenarioBuilder) -> float:
    """Half of all requests fail; twice the venue answers nothing but "stay away".

    The phases end when the first of these answers said they would.
    """
    half = fault("*", p=0.5, reply="unavailable")
    builder.phase("broken", "40s", faults=[half])
    builder.phase("limited", "50s", faults=[fault("*", reply="rate_limited")])
    builder.phase("again", "30s", faults=[half])
    builder.phase("banned", "2m", faults=[fault("*", reply="banned")])
    builder.phase("still", "30s", faults=[half])
    return 270.0


SCENARIOS: Final[dict[str, Outage]] = {
    outage.name: outage
    for outage in (
        Outage(
            name="S1",
            title="hard outage: every request to the futures is refused with 503 for 300 s",
            broken=_one(300, fault("*", where=ON_UM, reply="unavailable")),
            calm_s=60.0,  # so that it begins with a minute of the venue's, when no limit is spare
            after_s=60.0,
            has_sibling=True,
            is_hard=True,
        ),
        _partial(0.1),
        _partial(0.3),
        _partial(0.6),
        _partial(0.9),
        Outage(
            name="S3",
            title="overload for 300 s: -1008 on every entry, on half of the reduce-only orders, on "
            "a fifth of the cancels",
            broken=_one(
                300,
                fault("orders.create", where={"reduces": True}, p=0.5, reply="overload"),
                fault("orders.create", where={"reduces": False}, reply="overload"),
                fault("orders.cancel", p=0.2, reply="overload"),
            ),
        ),
        Outage(
            name="S4",
            title="ambiguity: half 503, half no answer for 10 s; half of those orders land late",
            broken=_one(
                120,
                fault("*", p=0.5, reply="unavailable"),
                fault("orders.create", p=0.5, reply={"hang": "10s"}, effect={"apply_after": "7s"}),
                fault("*", reply={"hang": "10s"}, effect="none"),
            ),
            after_s=60.0,
            is_hard=True,
        ),
        Outage(
            name="S5",
            title="brownout: answers take a second (p99 4 s), one in twenty is a 503",
            broken=_one(
                180,
                fault("*", p=0.05, reply="unavailable"),
                fault("*", latency={"p50": "1s", "p99": "4s"}),
            ),
        ),
        Outage(
            name="S6",
            title="flapping: 20 s down, 20 s up, six times",
            broken=_flapping,
        ),
        Outage(
            name="S7",
            title="futures down for 180 s, then 25, 50, 75, 100 % of requests admitted in 120 s",
            broken=_stepped,
            has_sibling=True,
            after_s=60.0,
            is_hard=True,
        ),
        Outage(
            name="S8",
            title="half the answers an empty JSON object, half an HTML page with 502",
            broken=_one(
                180,
                fault("*", p=0.5, reply={"json": {}}, effect="none"),
                fault("*", reply={"html": "cdn-502"}, effect="none"),
            ),
            after_s=60.0,
            is_hard=True,
        ),
        Outage(
            name="S9",
            title="half of all requests fail; in between 50 s of 429 and a ban of 2 minutes",
            broken=_limited,
        ),
    )
}
