"""`outlast journal`: what a session wrote down, and whether it still stands as it was written."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import msgspec
import typer

from outlast.backends.journal import FileStore, read_records
from outlast.cli.outputs import check_output
from outlast.client.journal_file import salvage
from outlast.client.pruning import prune
from outlast.core.histories import check
from outlast.core.journal import decode_fields
from outlast.core.pruning import OLD_S_MIN
from outlast.errors import ConfigurationError
from outlast.model import Order, OrderStatus
from outlast.wire import Record

__all__ = ["commands"]

commands = typer.Typer(help="Read, check and tidy journals.", no_args_is_help=True)

_OF_ORDERS = frozenset({"order.intent", "order.amend", "order.changed"})
"""Records that tell of one order, each of all of it."""

_File = Annotated[Path, typer.Argument(help="A journal file; a bot may be using it.")]
_Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout.")]


@commands.command("show")
def show(file: _File, as_json: _Json = False) -> None:
    """Print every record, oldest first."""
    for record in read_records(file):
        fields = decode_fields(record.data)
        if as_json:
            print(json.dumps(_document(record, fields)))
        else:
            print(f"{_time(record.at)} {record.id:>7} {record.kind:<16} {json.dumps(fields)}")


@commands.command("unknown")
def unknown(file: _File, as_json: _Json = False) -> None:
    """Print the orders whose outcome the journal does not know. Exit code 1 when there are any."""
    orders: dict[str, dict[str, Any]] = {}
    for record in read_records(file):
        if record.kind in _OF_ORDERS:
            order = _order(decode_fields(record.data))
            orders[order["client_order_id"]] = order
    in_doubt = [o for o in orders.values() if o["status"] in _IN_DOUBT or o["amendment"]]
    for order in in_doubt:
        if as_json:
            print(json.dumps(order))
        else:
            print(
                f"{order['client_order_id']} {order['status']}: {order['side']} {order['qty']} "
                f"{order['symbol']} (since {_time(order['as_of'])}) {order['reason']}"
                f"{_asked(order['amendment'])}"
            )
    if in_doubt:
        raise typer.Exit(1)


@commands.command("verify")
def verify(file: _File, as_json: _Json = False) -> None:
    """Check that no record was changed, lost or put in, and that every order's history can be true.

    Exit code 1 when either does not hold.
    """
    checked = check(read_records(file))
    fault = checked.chain_fault
    if as_json:
        found = None if fault is None else {"seq": fault.seq, "problem": fault.problem}
        document = {
            "file": str(file),
            "holds": checked.holds,
            "fault": found,
            "orders": checked.orders,
            "order_faults": [asdict(f) for f in checked.order_faults],
        }
        print(json.dumps(document))
    else:
        if fault is not None:
            print(f"{file}: broken at record #{fault.seq}: {fault.problem}")
        else:
            print(f"{file}: {checked.records} records, the chain holds")
        for each in checked.order_faults:
            print(f"record #{each.seq}, order {each.client_order_id}: {each.problem}")
        if checked.holds:
            print(f"{_orders(checked.orders)}: every history can be true")
    if not checked.holds:
        raise typer.Exit(1)


@commands.command("prune")
def prune_file(
    file: Annotated[Path, typer.Argument(help="A journal file that no bot is using.")],
    older_than: Annotated[str, typer.Option(help="An age such as 30d; a day or more.")],
    archive: Annotated[
        Path | None, typer.Option(help="First keep a whole copy, a journal of its own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Drop what is old and not needed: evidence, and orders that are final.

    Orders that may live and all that a restart needs stay, whatever their age. `verify` goes on
    holding: a record names what was dropped.
    """
    now = time.time()
    kept_s = _age_s(older_than)
    if not file.is_file():
        raise ConfigurationError(f"journal {str(file)!r} does not exist; check the path")
    if archive is not None:
        check_output(archive, file)
    with closing(FileStore(file)) as store:
        size = file.stat().st_size
        pruning = prune(
            store,
            before=now - kept_s,
            at=now,
            archive=lambda: None if archive is None else store.copy_to(archive),
        )
    freed = size - file.stat().st_size
    if as_json:
        document = {"file": str(file), "dropped": pruning.count, "orders": pruning.orders}
        is_kept = archive is not None and pruning.count > 0
        print(json.dumps(document | {"archive": str(archive) if is_kept else None}))
    elif not pruning.count:
        print(f"{file}: nothing that is older than {older_than} may go")
    else:
        print(
            f"{file}: {pruning.count} records dropped, with {_orders(pruning.orders)}; "
            f"{max(0, freed) // 1024} KiB are free"
        )


@commands.command("salvage")
def salvage_file(
    file: Annotated[Path, typer.Argument(help="A damaged journal; it is only read.")],
    to: Annotated[Path, typer.Option("--output", "-o", help="The new journal.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Make a new journal of every record of a damaged one that is whole.

    What is lost is named in it, so that `verify` holds. Put it in the damaged one's place: the next
    session on it settles with the venue what it leaves open.
    """
    check_output(to, file)
    mended = salvage(file, to)
    lost = [list(run) for run in mended.lost]
    if as_json:
        print(json.dumps({"file": str(to), "records": mended.count, "lost": lost}))
        return
    print(f"{to}: {mended.count} records, the last is #{mended.records[-1].seq}")
    for first, last in lost:
        print(f"lost: #{first}" if first == last else f"lost: #{first} to #{last}")


def _age_s(text: str) -> float:
    """Raises typer.BadParameter for what is no age of a day or more."""
    number, unit = text[:-1], text[-1:]
    seconds = {"h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
    if not number.isdecimal() or unit not in seconds or int(number) * seconds[unit] < OLD_S_MIN:
        raise typer.BadParameter(
            f"{text!r}; give hours, days or weeks, a day at least: 24h, 30d, 8w",
            param_hint="--older-than",
        )
    return int(number) * seconds[unit]


class What(StrEnum):
    RECORDS = "records"
    ORDERS = "orders"
    EXECUTIONS = "executions"


@commands.command("export")
def export(
    file: _File,
    what: Annotated[What, typer.Option(help="Orders are as they stand at the end.")] = What.RECORDS,
    to: Annotated[Path | None, typer.Option("--output", "-o", help="Else to stdout.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV instead of JSON lines.")] = False,
) -> None:
    """Write records, orders or executions as JSON lines or as CSV, for other programs."""
    rows = _rows(file, what)
    if to is None:
        _write(rows, sys.stdout, as_csv=as_csv)
        return
    check_output(to, file)
    part = to.with_name(to.name + ".part")  # whoever waits for the file never sees a half of it
    with part.open("w", encoding="utf-8", newline="") as out:
        count = _write(rows, out, as_csv=as_csv)
    part.replace(to)
    print(f"{to}: {count} {what.value}", file=sys.stderr)


def _asked(amendment: dict[str, Any] | None) -> str:
    """The terms that an order may have been given meanwhile."""
    if amendment is None:
        return ""
    price = "" if amendment["price"] is None else f" at {amendment['price']}"
    return f"; amended to {amendment['qty']}{price}, or not"


def _rows(file: Path, what: What) -> Iterator[dict[str, Any]]:
    orders: dict[str, dict[str, Any]] = {}
    for record in read_records(file):
        fields = decode_fields(record.data)
        if what is What.RECORDS:
            yield _document(record, fields) | {"chain_hash": record.chain_hash}
        elif what is What.EXECUTIONS and record.kind == "execution":
            yield fields["execution"]
        elif what is What.ORDERS and record.kind in _OF_ORDERS:
            order = _order(fields)
            orders[order["client_order_id"]] = order
    yield from orders.values()


def _order(fields: dict[str, Any]) -> dict[str, Any]:
    """The order of a record, with what it leaves out because it is as by default."""
    order = msgspec.convert(fields["order"], Order)
    names = order.__struct_fields__
    return {name: msgspec.to_builtins(getattr(order, name)) for name in names}


def _write(rows: Iterator[dict[str, Any]], out: TextIO, *, as_csv: bool) -> int:
    count, table = 0, None
    for row in rows:
        count += 1
        if not as_csv:
            out.write(json.dumps(row) + "\n")
            continue
        if table is None:
            table = csv.DictWriter(out, fieldnames=list(row), extrasaction="ignore")
            table.writeheader()
        table.writerow({k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()})
    return count


def _orders(count: int) -> str:
    return "1 order" if count == 1 else f"{count} orders"


_IN_DOUBT = {s.value for s in (OrderStatus.INITIALIZED, OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)}


def _document(record: Record, fields: dict[str, Any]) -> dict[str, Any]:
    return {"seq": record.seq, "at": record.at, "kind": record.kind, "fields": fields}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).isoformat(sep=" ", timespec="milliseconds")
