"""Queues keep their bounds, and a closed session leaves nothing running (12)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import PurePath
from typing import Final

from outlast.trials.invariants.case import Family
from outlast.trials.invariants.facts import ClientFacts
from outlast.trials.watching import Ending

__all__ = ["Bounds"]

WAITING_MAX: Final = 3_000
"""1,000 in each lane but SAFETY, whose entries are bounded by their deadlines alone."""
IN_FLIGHT_MAX: Final = 500
"""A trial's strategies ask a few times a second, and nothing is on the wire for over a minute."""
CHORES_MAX: Final = 50
"""The polls, besides one task for each order that is being settled."""
_CLIENT_HOUSE: Final = ("client", "backends", "core")


class Bounds(Family):
    slugs = ("queues-bounded",)

    def looked(self, clients: Iterable[ClientFacts]) -> None:
        for c in clients:
            session = c.client.session
            if session is None:
                continue
            self.case.examined["queues-bounded"] += 1
            backlog = session.backlog()
            unsettled = sum(o.status in ("submitted", "unknown") for o in c.orders.values())
            bounds = {
                "waiting": WAITING_MAX,
                "in_flight": IN_FLIGHT_MAX,
                "chores": CHORES_MAX + unsettled,
            }
            for kind, bound in bounds.items():
                if backlog[kind] > bound:
                    self.fail(
                        "queues-bounded",
                        f"{c.name}: {backlog[kind]} {kind}, bound {bound}",
                        key=f"{c.name}/{kind}",
                    )

    def ended(self, c: ClientFacts, how: Ending) -> None:
        if how is not Ending.CLOSED:
            return  # what a killed process leaves behind its kernel takes away
        session = c.client.session
        if session is not None:
            left = {kind: count for kind, count in session.backlog().items() if count}
            if left:
                self.fail("queues-bounded", f"{c.name}: the closed session still has {left}")
        others = (o.client.session for o in self.case.clients.values() if o is not c)
        if any(other is not None for other in others):
            return  # whose a task is cannot be told; the last one to close is looked at
        for task in asyncio.all_tasks():
            where = _belongs_to_client(task)
            if where and not task.done():
                self.fail(
                    "queues-bounded", f"{c.name}: the closed session left a task behind: {where}"
                )


def _belongs_to_client(task: asyncio.Task[object]) -> str:
    """What the task runs, if that is the client's own code; empty otherwise."""
    code = getattr(task.get_coro(), "cr_code", None)
    if code is None:
        return ""
    parts = PurePath(code.co_filename).parts
    in_house = len(parts) >= 3 and parts[-3] == "outlast" and parts[-2] in _CLIENT_HOUSE
    return f"{code.co_qualname} ({task.get_name()})" if in_house else ""
