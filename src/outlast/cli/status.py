"""`outlast status`: how the venues fare, for somebody who has just been woken."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from outlast.backends.clock import SystemClock
from outlast.client.connect import urls_of
from outlast.client.looking import Answered, Look, Looker
from outlast.client.venue_health import planned_text
from outlast.core.status_page import Grade
from outlast.model import Health
from outlast.notices import VenueMode
from outlast.venues import venues

__all__ = ["status"]

_WORDS: Final = {
    Health.HEALTHY: ("OK", "green"),
    Health.RECOVERING: ("COMING BACK", "yellow"),
    Health.DEGRADED: ("SHAKY", "yellow"),
    Health.MAINTENANCE: ("MAINTENANCE", "red"),
    Health.DOWN: ("DOWN", "red"),
}
_OURS: Final = ("NOT REACHED", "magenta")
_SHUT: Final = (Health.DOWN, Health.MAINTENANCE)


def status(
    venue: Annotated[
        list[str] | None, typer.Argument(help=f"Of {', '.join(venues())}; default: all.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=5.0)] = 15.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document per look on stdout.")
    ] = False,
) -> None:
    """Ask the venues and their status pages how they are, and say it in one line each.

    Exit code 1 when a venue that was named is down, in maintenance, or cannot be reached.
    """
    names = list(venue or venues())
    console = Console(highlight=False)
    while True:
        looks = asyncio.run(_look_at(names))
        if as_json:
            print(json.dumps(_document(looks)), flush=True)
        else:
            _show(console, looks)
        if not watch:
            break
        time.sleep(every)
    if any(look.own_network or look.verdict.health in _SHUT for look in looks):
        raise typer.Exit(1)


async def _look_at(names: Sequence[str]) -> list[Look]:
    clock = SystemClock()
    lookers = [Looker(name, urls_of(name), clock) for name in names]
    try:
        return list(await asyncio.gather(*(looker.look() for looker in lookers)))
    finally:
        for looker in lookers:
            await looker.aclose()


def _show(console: Console, looks: Sequence[Look]) -> None:
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}")
    for look in looks:
        word, colour = _OURS if look.own_network else _WORDS[look.verdict.health]
        console.print(
            Text.assemble(f"{look.venue:<13}", (f"{word:<12}", f"bold {colour}"), _why(look))
        )
        for label, text in _details(look):
            console.print(Text(f"  {label:<12}{text}"), soft_wrap=True)


def _why(look: Look) -> str:
    if look.own_network:
        return f"this machine reaches nobody: {look.own_network}"
    if look.verdict.evidence:
        return look.verdict.why
    return "answers, and says nothing against itself"


def _details(look: Look) -> list[tuple[str, str]]:
    rows = [("probe", _answered(look.probe)), ("time", _answered(look.front_door))]
    if look.said is not None:
        rows.append(("venue says", look.said.word or look.said.mode.value))
    elif look.said_trouble:
        rows.append(("venue says", f"nothing that can be read ({look.said_trouble})"))
    rows.append(("status page", _page(look)))
    rows += [("incident", text) for text in look.incidents]
    rows += [("ahead", planned_text(planned)) for planned in look.planned]
    return rows


def _answered(answered: Answered) -> str:
    text = f"{answered.answers} of {answered.tries} answered"
    if answered.best_ms is not None:
        text += f", {answered.best_ms:.0f} ms"
    return f"{text}; {answered.trouble}" if answered.trouble else text


def _page(look: Look) -> str:
    if not look.page_url:
        return "this venue has none that machines can read"
    if look.page is None:
        return f"no information: {look.page_trouble} ({look.page_url})"
    red = [c for c in look.page.components if c.grade > Grade.UNKNOWN]
    if not look.page.components:
        return "read, but it lists nothing about this product"
    return "; ".join(f"{c.name} {c.word}" for c in red) or "all green for this product"


def _document(looks: Sequence[Look]) -> dict[str, Any]:
    return {"at": time.time(), "venues": [_venue(look) for look in looks]}


def _venue(look: Look) -> dict[str, Any]:
    page = look.page
    return {
        "venue": look.venue,
        "health": "unreachable" if look.own_network else look.verdict.health.value,
        "why": look.own_network or look.verdict.why,
        "mode": None if look.mode in (None, VenueMode.UNKNOWN) else look.mode.value,
        "probe": {
            "tries": look.probe.tries,
            "answers": look.probe.answers,
            "best_ms": look.probe.best_ms,
            "trouble": look.probe.trouble,
        },
        "status_page": {
            "url": look.page_url,
            "trouble": look.page_trouble,
            "components": []
            if page is None
            else [{"name": c.name, "status": c.word} for c in page.components],
        },
        "incidents": list(look.incidents),
        "planned": [
            {
                "title": planned.title,
                "starts_at": planned.starts_at,
                "ends_at": planned.ends_at,
                "source": planned.source,
            }
            for planned in look.planned
        ],
    }
