"""`outlast watch`: live books in a terminal, each with its age and whether it is to be trusted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from outlast.client.book_reading import BookStream
from outlast.client.connect import connect
from outlast.client.session import Session
from outlast.core.books import BookPeek
from outlast.errors import ConfigurationError
from outlast.model import Level

__all__ = ["watch"]


@dataclass(frozen=True, slots=True)
class _Line:
    """What is shown of one book."""

    symbol: str
    peek: BookPeek | None
    resyncs: int
    changes: int
    """Since the line before it."""


def watch(
    venue: Annotated[str, typer.Argument(help="Such as kraken-spot.")],
    symbol: Annotated[list[str], typer.Argument(help="Such as BTC/USD; several may be named.")],
    depth: Annotated[int, typer.Option(help="Levels to keep of each side.", min=1)] = 100,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1)] = 0.5,
    seconds: Annotated[
        float | None, typer.Option("--for", help="Stop after so many seconds; else at Ctrl-C.")
    ] = None,
    endpoints: Annotated[
        str | None,
        typer.Option(help="A JSON object of base URLs; else OUTLAST_<VENUE>_ENDPOINTS."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line per book and look on stdout.")
    ] = False,
) -> None:
    """Watch live order books: best prices, age, trust, resyncs. Needs no key.

    A book in red may not be the venue's any more; the reason stands beside it. Exit code 1 when at
    the end (--for) not every book was to be trusted.
    """
    session = connect(venue, journal=None, endpoints=_endpoints(endpoints))
    console = Console(highlight=False)
    trusted = asyncio.run(_watch(session, symbol, depth, every, seconds, console, as_json=as_json))
    if not trusted:
        raise typer.Exit(1)


def _endpoints(text: str | None) -> Mapping[str, str] | None:
    if text is None:
        return None
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(
            f'--endpoints is not JSON ({error}); it looks like {{"rest": "http://127.0.0.1:8901"}}'
        ) from error
    if not isinstance(given, dict):
        raise ConfigurationError("--endpoints must be an object of names and URLs")
    return given


async def _watch(
    session: Session,
    symbols: list[str],
    depth: int,
    every: float,
    seconds: float | None,
    console: Console,
    *,
    as_json: bool,
) -> bool:
    """Look until the time is over; whether every book was to be trusted at the last look."""
    async with session:
        streams = {
            session.instrument(name).symbol: session.books(name, depth=depth) for name in symbols
        }
        changes = dict.fromkeys(streams, 0)
        async with asyncio.TaskGroup() as tasks:
            counting = [
                tasks.create_task(_count(name, stream, changes)) for name, stream in streams.items()
            ]
            lines = await _show_for(session, streams, changes, every, seconds, console, as_json)
            for task in counting:
                task.cancel()
        return all(line.peek is not None and line.peek.is_fresh for line in lines)


async def _show_for(
    session: Session,
    streams: Mapping[str, BookStream],
    changes: Mapping[str, int],
    every: float,
    seconds: float | None,
    console: Console,
    as_json: bool,
) -> list[_Line]:
    """Show all books again and again; the last look when the time is over."""
    loop = asyncio.get_running_loop()
    until = None if seconds is None else loop.time() + seconds
    shown: AbstractContextManager[Live | None] = nullcontext()
    if not as_json and console.is_terminal:
        shown = Live(console=console, auto_refresh=False)
    before = dict.fromkeys(streams, 0)
    with shown as live:
        while True:
            await asyncio.sleep(every)
            lines = []
            for name, stream in streams.items():
                total = changes[name] + stream.skipped
                peek = session.book_peek(name)
                lines.append(_Line(name, peek, stream.resyncs, total - before[name]))
                before[name] = total
            if as_json:
                for line in lines:
                    print(json.dumps(_document(session.venue, line)), flush=True)
            elif live is not None:
                live.update(_table(session.venue, lines), refresh=True)
            else:
                console.print(_table(session.venue, lines))
            if until is not None and loop.time() >= until:
                return lines


async def _count(name: str, stream: BookStream, changes: dict[str, int]) -> None:
    async for _ in stream:
        changes[name] += 1


def _document(venue: str, line: _Line) -> dict[str, object]:
    peek = line.peek
    bid, ask = (None, None) if peek is None else (peek.best_bid, peek.best_ask)
    return {
        "venue": venue,
        "symbol": line.symbol,
        **dict(zip(("bid", "bid_qty"), _level(bid), strict=True)),
        **dict(zip(("ask", "ask_qty"), _level(ask), strict=True)),
        "age_s": None if peek is None or peek.age_s is None else round(peek.age_s, 3),
        "is_trusted": peek is not None and peek.is_fresh,
        "reason": "not seen yet" if peek is None else peek.reason,
        "resyncs": line.resyncs,
        "changes": line.changes,
    }


def _table(venue: str, lines: list[_Line]) -> Table:
    table = Table(title=venue, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for name in ("symbol", "trust"):
        table.add_column(name, no_wrap=True)
    for name in ("bid qty", "bid", "ask", "ask qty", "age s", "news", "resyncs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for line in lines:
        peek = line.peek
        if peek is None:
            table.add_row(line.symbol, Text("unseen", style="yellow"), *[""] * 8)
            continue
        is_fresh = peek.is_fresh
        table.add_row(
            line.symbol,
            Text("fresh", style="green") if is_fresh else Text("STALE", style="bold red"),
            *_level(peek.best_bid)[::-1],
            *_level(peek.best_ask),
            "" if peek.age_s is None else f"{peek.age_s:.2f}",
            str(line.changes),
            str(line.resyncs),
            Text(peek.reason, style="red"),
        )
    return table


def _level(level: Level | None) -> tuple[str | None, str | None]:
    """Price and quantity as text, or nothing where the side is empty."""
    return (None, None) if level is None else (f"{level.price:f}", f"{level.qty:f}")
