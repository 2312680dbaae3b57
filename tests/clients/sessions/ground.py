"""The ground that every client covers, and how a session of it is played and reported.

A session is a class whose methods are named after steps. `play` calls them in the order of `STEPS`
and prints one JSON line for each: `{"step", "ok", "detail", "s"}`. What a step finds out it leaves
on `self`; a later step that needs it and does not find it is reported as not run.

Sessions run in the virtual environment of their client, so nothing of this project is imported.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

STEPS: Final = (
    "markets",
    "server_time",
    "system_status",
    "book_rest",
    "ticker_rest",
    "book_stream",
    "ticker_stream",
    "balance",
    "private_stream",
    "place",
    "place_shown",
    "query",
    "query_by_client_id",
    "open_orders",
    "duplicate_id",
    "cancel",
    "cancel_shown",
    "history",
    "fill",
    "fill_shown",
    "position",
    "order_by_stream",
    "deadman",
    "unknown_order",
    "wrong_signature",
)
BOOK_UPDATES: Final = 25
STEP_S: Final = 20.0


class NotRun(Exception):
    """What this step needs was not found by an earlier one."""


class Session:
    """One client's way through `STEPS`. `where` says how to reach the mock: REST and stream roots,
    key and secret."""

    def __init__(self, where: dict[str, str]) -> None:
        self.where = where

    def __getattr__(self, name: str) -> Any:
        raise NotRun(f"{name!r} is not known: the step that finds it failed")

    def needs(self, *names: str) -> None:
        """Say what this step cannot do without, though it does not use it by name.

        Raises:
            NotRun: the step that finds one of them has failed.
        """
        for name in names:
            getattr(self, name)

    async def open(self) -> None:
        """Make the client."""

    async def close(self) -> None:
        """Let the client go."""


def main(kind: type[Session]) -> None:
    """Play the session with what the command line says.

    Exit code 0 if every step held, 3 if one did not; any other: the session broke off.
    """
    failed = asyncio.run(_play(kind(json.loads(sys.argv[1]))))
    sys.stdout.flush()
    os._exit(3 if failed else 0)  # some clients leave threads behind that nobody can join


async def _play(session: Session) -> int:
    failed = 0
    await session.open()
    for name in STEPS:
        step = getattr(type(session), name, None)
        if step is None:
            continue
        began = time.monotonic()
        try:
            async with asyncio.timeout(STEP_S):
                detail = str(await step(session))
            ok = True
        except Exception as error:  # noqa: BLE001 - a client may raise anything; it is reported
            ok, detail = False, f"{type(error).__name__}: {error}"
        failed += not ok
        line = {"step": name, "ok": ok, "detail": detail[:600], "s": time.monotonic() - began}
        print(json.dumps(line), flush=True)
    try:
        async with asyncio.timeout(5):
            await session.close()
    except Exception as error:  # noqa: BLE001 - all steps are done; it is only said
        print(f"close: {type(error).__name__}: {error}", file=sys.stderr)
    return failed


def check_book(bids: list[Any], asks: list[Any], *, depth: int = 1000) -> str:
    """Hold a book's shape against what any book is: sorted, not crossed, nothing empty."""
    assert bids, "no bids"
    assert asks, "no asks"
    assert len(bids) <= depth, f"{len(bids)} bids, {depth} asked for"
    assert len(asks) <= depth, f"{len(asks)} asks, {depth} asked for"
    down, up = [float(row[0]) for row in bids], [float(row[0]) for row in asks]
    assert down == sorted(set(down), reverse=True), f"bids do not fall: {down[:5]}"
    assert up == sorted(set(up)), f"asks do not rise: {up[:5]}"
    assert down[0] < up[0], f"crossed: {down[0]} bid, {up[0]} asked"
    assert all(float(row[1]) > 0 for row in [*bids, *asks]), "a level without quantity"
    return f"{len(bids)}+{len(asks)} levels, {down[0]} / {up[0]}"


async def until(fact: Callable[[], Any], what: str) -> Any:
    """Wait for `fact()` to be true, as long as the step may take."""
    try:
        while not (found := fact()):
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        print(f"waited in vain for {what}", file=sys.stderr)
        raise
    return found


async def refusal(call: Awaitable[Any], kind: type[Exception]) -> str:
    """The error, of this kind, by which the client tells that the venue said no."""
    try:
        answer = await call
    except kind as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError(f"it was accepted: {answer}")


def client_id(tag: str) -> str:
    """A client order id that no other session has used."""
    return f"{tag}{time.time_ns() // 1_000_000 % 10**11}"
