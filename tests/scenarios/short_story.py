"""A scenario of three phases around one saying: a calm minute, two minutes of it, two without."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from scenario_text import T0_MS
from stand import LIMITS_OFF, Stand, furnished, market_of

from outlast import sim

BEGINS_S = 60.0
ENDS_S = 180.0
_BALANCES = {"USDT": "50000", "USD": "50000", "BTC": "0.5", "SOL": "50"}
ALL = ["binance-um", "binance-spot", "kraken-spot"]


class ShortStory:
    """What `furnished` and `market_of` ask of a story."""

    t0_ms = T0_MS

    def __init__(self, venue: str, said: dict[str, Any]) -> None:
        self.venues = [venue]
        self.document: dict[str, Any] = {
            "scenario": "one-word",
            "venue": venue,
            "seed": 3,
            "phases": [
                {"name": "calm", "for": "60s"},
                {"name": "said", "for": "2m", **said},
                {"name": "over", "for": "2m"},
            ],
        }


def play(
    venue: str,
    bot: Callable[[Stand], Awaitable[Any]],
    *,
    held: int = 0,
    from_start: dict[str, Any] | None = None,
    world: dict[str, Any] | None = None,
    status_page: list[dict[str, Any]] | None = None,
    instruments: dict[str, Any] | None = None,
    **said: Any,
) -> Any:
    """Let the bot live through it; what the bot gives. `said`: keys of the phase in the middle.

    `held`: so many orders rest in every account. `from_start`: the limits of the document; none are
    enforced when it is left out. `world`: more of every account, or in place of what is in it.
    `instruments`: those of the world, in place of the usual ones.
    """
    story = ShortStory(venue, said)
    if instruments is not None:
        story.document["world"] = {
            "instruments": instruments,
            "account": {"balances": dict(_BALANCES)},
        }
    market = market_of(story, venue)  # type: ignore[arg-type]
    document = furnished(story, market, held=held, limits=from_start or LIMITS_OFF)  # type: ignore[arg-type]
    document["world"]["account"] |= world or {}
    document["status_page"] = status_page or []

    async def main() -> Any:
        async with Stand(document, market) as stand:
            return await bot(stand)

    return sim.run(main, seed=1)


def rule(match: Any, **said: Any) -> dict[str, Any]:
    return {"match": match, **said}
