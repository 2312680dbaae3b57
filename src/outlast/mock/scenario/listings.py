"""What is listed when: events about instruments that contradict the world or each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from outlast.mock.scenario.document import ScenarioError
from outlast.mock.scenario.model import Event, Phase, World
from outlast.mock.scenario.reading import Sheet

__all__ = ["note_misplaced_events"]


def note_misplaced_events(
    sheet: Sheet, phases: Sequence[Phase], world: World, venues: Sequence[str]
) -> None:
    """Note every event that cannot happen as the script has it."""
    events = [
        (f"phases[{p}].events[{e}]", event)
        for p, phase in enumerate(phases)
        for e, event in enumerate(phase.events)
    ]
    listings = {s for _, event in events if event.kind == "listing" for s in event.symbols}
    listed = set(world.instruments) - listings
    for key, event in events:
        for problem, remedy in (
            *_out_of_order(event, listed),
            *_against_the_world(event, world, listings, venues),
        ):
            sheet.note(ScenarioError(sheet.file, event.line, key, problem, remedy))
        if event.kind == "listing":
            listed.update(event.symbols)


def _out_of_order(event: Event, listed: set[str]) -> Iterator[tuple[str, str]]:
    for symbol in event.symbols:
        if event.kind == "listing" and symbol in listed:
            yield f"{symbol} is listed already", "list it once"
        if event.kind in ("funding", "tick_size_change") and symbol not in listed:
            yield f"{symbol} is not listed yet", f"let this {event.kind} follow its listing"


def _against_the_world(
    event: Event, world: World, listings: set[str], venues: Sequence[str]
) -> Iterator[tuple[str, str]]:
    for symbol in event.symbols:
        spec = world.instruments.get(symbol)
        if spec is None:
            continue  # it has been complained of
        if event.tick is not None and event.tick > spec.mid:
            yield f"the tick is larger than the mid {spec.mid} of {symbol}", "make it smaller"
        if event.kind != "listing":
            continue
        orders = [order.symbol for order in world.account.open_orders]
        if symbol in world.account.positions or symbol in orders:
            yield (
                f"the world has a position or an order in {symbol}, which is listed only here",
                "take them out of the world",
            )
        for venue in venues:
            here = {other.symbol for other in world.listed_on(venue)}
            if symbol in here and here <= listings:
                yield f"{venue} would begin with nothing listed", "let it begin with one instrument"
