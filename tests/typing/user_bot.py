"""A user's file: what the front door promises a type checker. mypy and pyright read it; nobody
runs it."""

from __future__ import annotations

from decimal import Decimal

import outlast
import outlast.sync
from outlast.adapters.ccxt.settings import GuardSettings


class Exchange:
    """Any exchange of ccxt."""

    id = "kraken"


def guarded(exchange: Exchange) -> Exchange:
    same: Exchange = outlast.guard(exchange, journal=None, settings=GuardSettings(pause_s=2.0))
    return outlast.unguard(same)


async def trade() -> Decimal:
    async with outlast.connect("kraken-spot", key="k", secret="s", journal="a.journal") as venue:
        book = await venue.book("BTC/USD")
        best = book.best_bid
        price: Decimal = Decimal(1) if best is None else best.price
        request: outlast.OrderRequest = outlast.limit("BTC/USD", "buy", qty="0.01", price=price)
        try:
            order: outlast.Order = await venue.submit(request, deadline_s=10)
        except outlast.OutcomeUnknown as error:
            order = await venue.settle(error.client_order_id)
        except outlast.NotSent as error:
            again: float | None = error.retry_at
            raise SystemExit(again) from error
        status: outlast.OrderStatus = order.status
        assert status is not outlast.OrderStatus.UNKNOWN
        report: outlast.CloseReport = await venue.close_position("BTC/USD")
        assert report.is_flat
        return order.filled_qty


def blocking() -> outlast.Order:
    with outlast.sync.connect("binance-um", journal=None) as venue:
        return venue.submit(outlast.market("BTC/USDT:USDT", "buy", "0.01"))
