"""Whether a client of a trial listens to its account's stream, and which way its orders travel.

Drawn from a stream of chance of its own, so that everything else about a seed stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from outlast.trials.model import ClientPlan, OrderEntry
from outlast.trials.sketch import stream_of

__all__ = ["ORDER_ENTRIES", "draw_paths", "on_paths"]

ORDER_ENTRIES: Final[tuple[OrderEntry, ...]] = ("rest", "websocket-first")
_LISTENS: Final = 0.7
_BY_SOCKET: Final = 0.5


def draw_paths(seed: int, clients: Iterable[ClientPlan]) -> tuple[ClientPlan, ...]:
    """Let two in three clients listen to a stream, and half of all trade by socket."""
    drawn = []
    for client in clients:
        rng = stream_of(seed, "paths", client.name)
        listens, by_socket = rng.random() < _LISTENS, rng.random() < _BY_SOCKET
        entry = ORDER_ENTRIES[by_socket]
        drawn.append(replace(client, streams=listens, order_entry=entry))
    return tuple(drawn)


def on_paths(
    clients: Iterable[ClientPlan], *, streams: bool | None, order_entry: OrderEntry | None
) -> tuple[ClientPlan, ...]:
    """The same clients with what is chosen here; None leaves what was drawn."""
    return tuple(
        replace(
            client,
            streams=client.streams if streams is None else streams,
            order_entry=client.order_entry if order_entry is None else order_entry,
        )
        for client in clients
    )
