"""`outlast journal`: what a session wrote down, and whether it still stands as it was written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from outlast.backends.journal import read_records
from outlast.core.journal import decode_fields, verify
from outlast.model import OrderStatus
from outlast.wire import Record

__all__ = ["commands"]

commands = typer.Typer(help="Read and check journals.", no_args_is_help=True)

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
        if record.kind in ("order.intent", "order.changed"):
            order = decode_fields(record.data)["order"]
            orders[order["client_order_id"]] = order
    in_doubt = [o for o in orders.values() if o["status"] in _IN_DOUBT]
    for order in in_doubt:
        if as_json:
            print(json.dumps(order))
        else:
            print(
                f"{order['client_order_id']} {order['status']}: {order['side']} {order['qty']} "
                f"{order['symbol']} (since {_time(order['as_of'])}) {order['reason']}"
            )
    if in_doubt:
        raise typer.Exit(1)


@commands.command("verify")
def check(file: _File, as_json: _Json = False) -> None:
    """Check that no record was changed, lost or put in. Exit code 1 when the chain is broken."""
    count = 0

    def counted() -> Any:
        nonlocal count
        for record in read_records(file):
            count += 1
            yield record

    fault = verify(counted())
    if as_json:
        found = None if fault is None else {"seq": fault.seq, "problem": fault.problem}
        print(json.dumps({"file": str(file), "holds": fault is None, "fault": found}))
    elif fault is None:
        print(f"{file}: {count} records, the chain holds")
    else:
        print(f"{file}: broken at record #{fault.seq}: {fault.problem}")
    if fault is not None:
        raise typer.Exit(1)


_IN_DOUBT = {s.value for s in (OrderStatus.INITIALIZED, OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)}


def _document(record: Record, fields: dict[str, Any]) -> dict[str, Any]:
    return {"seq": record.seq, "at": record.at, "kind": record.kind, "fields": fields}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).isoformat(sep=" ", timespec="milliseconds")
