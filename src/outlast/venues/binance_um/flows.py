"""What moved a USD-M account besides its orders: the list of its income.

One answer covers seven days from its `startTime` and at most 1,000 rows, oldest first, of one kind
or of all. All would be full of fees and profits, which the executions tell already.

Source: Binance USD-M futures docs, Get Income History, 2026-09.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from outlast.errors import Failure
from outlast.model import Instrument, Plane
from outlast.private_wire import AccountMoved, Moved
from outlast.venues.binance_um.replies import Row, decode, read
from outlast.venues.binance_um.requests import query
from outlast.wire import WireReply, WireRequest

__all__ = ["KINDS", "next_page", "query_flows", "read_flows"]

KINDS: Final[Mapping[str, Moved]] = {
    "TRANSFER": Moved.TRANSFER,
    "FUNDING_FEE": Moved.FUNDING,
    "INSURANCE_CLEAR": Moved.LIQUIDATION,
}
"""What is asked for, by the venue's name."""

_PATH: Final = "/fapi/v1/income"
_ROWS_MAX: Final = 1000
_WINDOW_MS: Final = 7 * 24 * 3600 * 1000


class _Income(Row):
    income_type: str
    income: Decimal
    asset: str
    time: int
    tran_id: int | str
    symbol: str = ""


def query_flows(*, since_ms: int) -> Sequence[WireRequest]:
    """One request of weight 30 for each of `KINDS`."""
    return [
        query(
            "flows.read",
            _PATH,
            [("incomeType", kind), ("startTime", str(since_ms)), ("limit", str(_ROWS_MAX))],
            plane=Plane.ACCOUNT,
        )
        for kind in KINDS
    ]


def next_page(request: WireRequest, reply: WireReply, *, now_ms: int) -> WireRequest | None:
    """After a full page the rows since the last one's time, else the week after this one."""
    rows = read(request, reply, _rows)
    if isinstance(rows, Failure):
        return None
    since_ms = int(dict(request.params)["startTime"])
    next_ms = since_ms + _WINDOW_MS if len(rows) < _ROWS_MAX else rows[-1].time
    if not since_ms < next_ms <= now_ms:
        return None
    params = ((k, str(next_ms) if k == "startTime" else v) for k, v in request.params)
    return replace(request, params=tuple(params))


def read_flows(
    request: WireRequest, reply: WireReply, instruments: Mapping[str, Instrument]
) -> Sequence[AccountMoved] | Failure:
    """Every row, with an id that is one of a kind: a transaction may move more than one thing."""

    def flows(body: bytes) -> Sequence[AccountMoved]:
        return [
            AccountMoved(
                kind=KINDS.get(row.income_type, Moved.OTHER),
                cause=row.income_type,
                at_ms=row.time,
                currency=row.asset,
                amount=row.income,
                symbol=_unified(row.symbol, instruments),
                flow_id=f"{row.income_type}/{row.tran_id}/{row.symbol}/{row.asset}",
            )
            for row in _rows(body)
        ]

    return read(request, reply, flows)


def _rows(body: bytes) -> list[_Income]:
    return decode(body, list[_Income])


def _unified(symbol: str, instruments: Mapping[str, Instrument]) -> str | None:
    """The symbol by our name, or by the venue's where it is not listed any more."""
    if not symbol:
        return None
    instrument = instruments.get(symbol)
    return symbol if instrument is None else instrument.symbol
