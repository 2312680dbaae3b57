"""What has been: all orders, fills, and the account's income.

History is read from a database behind the engine: it may be late (`history_lag_ms`), and it has
windows. Source: Binance USD-M futures docs, All Orders, Account Trade List, Get Income History.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from outlast.mock.engine.model import Execution
from outlast.mock.venues.binance_um import order_views
from outlast.mock.venues.binance_um.algos import Algos
from outlast.mock.venues.binance_um.errors import VenueRefusal
from outlast.mock.venues.binance_um.figures import fixed
from outlast.mock.venues.binance_um.ledger import Entry, Ledger
from outlast.mock.venues.binance_um.questions import Given, Question
from outlast.mock.venues.binance_um.trading import Trading

__all__ = ["History"]

_DAY_MS: Final = 86_400_000
_WINDOW_MS: Final = 7 * _DAY_MS
_INCOME_TYPES: Final = frozenset(
    {"COMMISSION", "FUNDING_FEE", "INSURANCE_CLEAR", "REALIZED_PNL", "TRANSFER"}
)


class History:
    """The history endpoints of one running venue."""

    def __init__(self, trading: Trading, algos: Algos, ledger: Ledger) -> None:
        self._trading, self._algos, self._ledger = trading, algos, ledger

    def all_orders(self, q: Question) -> Given:
        """List the plain orders of a symbol, open and ended, oldest first."""
        symbol = q.instrument().symbol
        since_ms, until_ms = _window(q)
        from_id = q.params.whole("orderId")
        limit = q.params.limit(500, 1000)
        cutoff_ms = _cutoff(q)
        known = [
            order
            for order in q.engine.orders(q.account, symbol)
            if not order.request.type.is_conditional
            and order.created_ms <= cutoff_ms
            and (
                order.order_id >= from_id
                if from_id is not None
                else since_ms <= order.created_ms <= until_ms
            )
        ]
        forwards = from_id is not None or "startTime" in q.params
        listed = known[:limit] if forwards else known[-limit:]
        return Given(
            [
                self._trading.queried(q, order_views.history_snapshot(order, cutoff_ms))
                for order in listed
            ],
            shown=tuple(order.order_id for order in listed),
        )

    def all_algos(self, q: Question) -> Given:
        since_ms, until_ms = _window(q)
        return self._algos.history(q, cutoff_ms=_cutoff(q), since_ms=since_ms, until_ms=until_ms)

    def fills(self, q: Question) -> Given:
        """List the fills of a symbol, oldest first."""
        instrument = q.instrument()
        from_id = q.params.whole("fromId")
        if from_id is not None and ("startTime" in q.params or "endTime" in q.params):
            raise VenueRefusal(-1128)
        since_ms, until_ms = _window(q)
        order_id = q.params.whole("orderId")
        limit = q.params.limit(500, 1000)
        known = [
            fill
            for fill in self._fills(q, instrument.symbol)
            if (order_id is None or fill.order_id == order_id)
            and (
                fill.execution_id >= from_id
                if from_id is not None
                else since_ms <= fill.at_ms <= until_ms
            )
        ]
        forwards = from_id is not None or "startTime" in q.params
        listed = known[:limit] if forwards else known[-limit:]
        return Given(
            [order_views.fill(fill, instrument) for fill in listed],
            shown=tuple(dict.fromkeys(fill.order_id for fill in listed)),
        )

    def income(self, q: Question) -> Given:
        """List realised profit, fees and funding, oldest first."""
        symbol = q.instrument().symbol if "symbol" in q.params else None
        kind = q.params.choice("incomeType", _INCOME_TYPES)
        since_ms, until_ms = _window(q)
        limit = q.params.limit(100, 1000)
        cutoff_ms = _cutoff(q)
        flows = [entry for fill in self._fills(q, symbol) for entry in _flows(q, fill)]
        flows += [entry for entry in self._ledger.entries(q.account) if entry.at_ms <= cutoff_ms]
        known = sorted(
            (
                entry
                for entry in flows
                if since_ms <= entry.at_ms <= until_ms
                and (symbol is None or entry.symbol == symbol)
                and (kind is None or entry.kind == kind)
            ),
            key=lambda entry: entry.at_ms,
        )
        listed = known[:limit] if "startTime" in q.params else known[-limit:]
        return Given([_income_body(entry) for entry in listed])

    @staticmethod
    def _fills(q: Question, symbol: str | None) -> list[Execution]:
        cutoff_ms = _cutoff(q)
        return [
            fill
            for fill in q.engine.executions(q.account, symbol, visible_only=True)
            if fill.visible_ms <= cutoff_ms
        ]


def _cutoff(q: Question) -> int:
    """Give the instant up to which the history is complete."""
    return q.engine.now_ms - q.engine.knobs.history_lag_ms


def _window(q: Question) -> tuple[int, int]:
    """Read startTime and endTime: at most seven days, the last seven by default."""
    since, until = q.params.whole("startTime"), q.params.whole("endTime")
    if since is not None and until is not None:
        if since > until:
            raise VenueRefusal(-1023)
        if until - since > _WINDOW_MS:
            raise VenueRefusal(-4165, "Maximum time interval is 7 days")
        return since, until
    if since is not None:
        return since, since + _WINDOW_MS
    if until is None:
        until = q.now_ms + _DAY_MS  # the last seven days, whatever the clocks disagree about
        return q.now_ms - _WINDOW_MS, until
    return until - _WINDOW_MS, until


def _flows(q: Question, fill: Execution) -> Iterable[Entry]:
    asset = q.listed(fill.symbol).quote
    if fill.realised_pnl:
        yield Entry(
            fill.at_ms, "REALIZED_PNL", fill.symbol, fill.realised_pnl, asset, fill.execution_id
        )
    if fill.fee:
        yield Entry(
            fill.at_ms, "COMMISSION", fill.symbol, -fill.fee, fill.fee_currency, fill.execution_id
        )


def _income_body(entry: Entry) -> dict[str, object]:
    trade_id = "" if entry.trade_id is None else str(entry.trade_id)
    return {
        "symbol": entry.symbol,
        "incomeType": entry.kind,
        "income": fixed(entry.amount),
        "asset": entry.asset,
        "time": entry.at_ms,
        "info": trade_id if entry.kind == "COMMISSION" else entry.kind,
        "tranId": _transaction_id(entry),
        "tradeId": trade_id,
    }


def _transaction_id(entry: Entry) -> int:
    """A number that is the entry's own within its kind, as the venue documents it."""
    return entry.at_ms if entry.trade_id is None else entry.trade_id
