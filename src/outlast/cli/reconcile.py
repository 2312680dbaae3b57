"""`outlast reconcile`: what differs between a journal and the venue, for people."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from outlast.backends.journal import MemoryStore, read_records
from outlast.client.comparison import Comparison, compare
from outlast.client.connect import connect_from_env
from outlast.client.journal import read_history

__all__ = ["reconcile"]


def reconcile(
    venue: Annotated[str, typer.Argument(help="Such as binance-um.")],
    journal: Annotated[Path, typer.Option(help="The bot's journal.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only look: the journal is not changed.")
    ] = False,
    wait_s: Annotated[
        float, typer.Option("--wait", help="Seconds to wait for unknown orders to be settled.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compare a journal with the venue: orders, fills, balances, positions.

    Nothing is ordered or cancelled. Key and secret come from the environment
    (OUTLAST_<VENUE>_KEY and _SECRET). While the bot is running, use --dry-run; on Kraken also a
    key of its own, since two programs on one key upset each other's nonces.

    Exit code 1 when something differs (--dry-run), or when not every question was answered.
    """
    store = MemoryStore()
    store.write(*read_records(journal))
    session = connect_from_env(venue, journal=store if dry_run else journal)
    found = asyncio.run(compare(session, read_history(store), wait_s=wait_s))
    if as_json:
        print(json.dumps(_document(venue, found, dry_run=dry_run)))
    else:
        _show(venue, found, dry_run=dry_run)
    if not found.is_complete or (dry_run and found.differences):
        raise typer.Exit(1)


def _document(venue: str, found: Comparison, *, dry_run: bool) -> dict[str, object]:
    return {
        "venue": venue,
        "dry_run": dry_run,
        "differences": [asdict(difference) for difference in found.differences],
        "unknown": [order.client_order_id for order in found.unknown],
        "failures": list(found.failures),
        "doubted": dict(found.doubted),
    }


def _show(venue: str, found: Comparison, *, dry_run: bool) -> None:
    # Lines, not a table: ids are long, and a person copies them.
    width = max(len(venue), len("would do"))
    for each in found.differences:
        print(f"{each.what} {each.name}")
        for name, said in (("journal", each.journal), (venue, each.venue)):
            print(f"  {name:<{width}}  {said}")
        print(f"  {'would do' if dry_run else 'did':<{width}}  {each.action}")
    for order in found.unknown:
        print(f"{order.client_order_id} is still unknown: {order.reason}")
    for failure in found.failures:
        print(f"not answered: {failure}")
    for name, reason in found.doubted.items():
        print(f"{name} is not believed: {reason}")
    if found.is_complete and not found.differences:
        print(f"the journal and {venue} agree")
