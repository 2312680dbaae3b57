"""What has been: closed orders, fills, ledger entries.

History is read from a database behind the engine: it may be late (`history_lag_ms`) and comes in
pages of 50, newest first. Source: Kraken docs, Get Closed Orders, Get Trades History, Query Trades
Info, Get Ledgers Info, Query Ledgers.
"""

from __future__ import annotations

from typing import Final, TypeVar

from outlast.mock.engine.model import Execution
from outlast.mock.venues.kraken_spot import order_views
from outlast.mock.venues.kraken_spot.errors import VenueRefusal, invalid
from outlast.mock.venues.kraken_spot.figures import fixed, seconds
from outlast.mock.venues.kraken_spot.ids import ORDER_SHAPE, Ids
from outlast.mock.venues.kraken_spot.ledger import Flow, Ledger
from outlast.mock.venues.kraken_spot.order_calls import OrderCalls, engine_ids, is_asked_for
from outlast.mock.venues.kraken_spot.order_log import OrderLog, OrderState
from outlast.mock.venues.kraken_spot.questions import Given, Question
from outlast.mock.venues.kraken_spot.symbols import asset_of

__all__ = ["History"]

_PAGE: Final = 50
_QUERIES_MAX: Final = 20
_TRADE_TYPES: Final = ("all", "any position", "closed position", "closing position", "no position")
_LEDGER_TYPES: Final = (
    *("all", "deposit", "withdrawal", "trade", "margin", "adjustment", "rollover", "credit"),
    *("transfer", "settled", "staking", "dividend", "sale", "nft_rebate", "reserve", "conversion"),
)
_AFTER_EVERYTHING_MS: Final = 2**62

T = TypeVar("T")


class History:
    """The history calls of one running venue."""

    def __init__(self, calls: OrderCalls, log: OrderLog, ledger: Ledger, ids: Ids) -> None:
        self._calls, self._log, self._ledger, self._ids = calls, log, ledger, ids

    # -- orders -----------------------------------------------------------------------------

    def closed_orders(self, q: Question) -> Given:
        by = q.params.choice("closetime", ("both", "open", "close")) or "both"
        since_ms, until_ms = self._range(q)
        cutoff_ms = _cutoff(q)
        found: list[OrderState] = []
        for entry in self._log.entries(q.account):
            state = self._log.state(entry, cutoff_ms)
            if state.is_open or state.closed_ms is None or state.closed_ms > cutoff_ms:
                continue
            times = {
                "open": (entry.opened_ms,),
                "close": (state.closed_ms,),
                "both": (entry.opened_ms, state.closed_ms),
            }[by]
            if is_asked_for(q, state) and any(since_ms < at <= until_ms for at in times):
                found.append(state)
        found.sort(key=lambda state: state.closed_ms or 0)
        page = _page(q, found)
        body: dict[str, object] = {"closed": self._calls.rows(q, page)}
        if not q.params.flag("without_count"):
            body["count"] = len(found)
        return Given(body, shown=engine_ids(page), told_absent=self._absent(q, found))

    def _absent(self, q: Question, found: list[OrderState]) -> tuple[str, ...]:
        """A `cl_ord_id` that is asked for and neither here nor open does not exist."""
        name = q.params.text("cl_ord_id")
        if name is None or found:
            return ()
        still_open = (
            state.is_open and is_asked_for(q, state)
            for state in map(self._log.state, self._log.entries(q.account))
        )
        return () if any(still_open) else (name,)

    # -- fills ------------------------------------------------------------------------------

    def trades(self, q: Question) -> Given:
        q.params.choice("type", _TRADE_TYPES)
        since_ms, until_ms = self._range(q)
        found = [fill for fill in self._fills(q) if since_ms < fill.at_ms <= until_ms]
        page = _page(q, found)
        body: dict[str, object] = {"trades": self._trade_rows(q, page)}
        if not q.params.flag("without_count"):
            body["count"] = len(found)
        return Given(body, shown=tuple(dict.fromkeys(fill.order_id for fill in page)))

    def query_trades(self, q: Question) -> Given:
        names = q.params.words("txid")
        if not 1 <= len(names) <= _QUERIES_MAX:
            raise invalid("txid")
        fills = [self._log.trade(q.account, name) for name in names]
        found = [fill for fill in fills if fill is not None]
        if len(found) < len(names):
            raise VenueRefusal("EQuery:Unknown trade")
        return Given(
            self._trade_rows(q, found[::-1]),
            shown=tuple(dict.fromkeys(fill.order_id for fill in found)),
        )

    def _fills(self, q: Question) -> list[Execution]:
        cutoff_ms = _cutoff(q)
        return [fill for fill in q.engine.executions(q.account) if fill.visible_ms <= cutoff_ms]

    def _trade_rows(self, q: Question, fills: list[Execution]) -> dict[str, object]:
        return {
            self._log.trade_id(fill): order_views.trade(
                fill,
                q.listing.of(fill.symbol),
                self._log,
                position=self._ids.position(q.account, fill.symbol),
            )
            for fill in reversed(fills)
        }

    # -- ledger -----------------------------------------------------------------------------

    def ledgers(self, q: Question) -> Given:
        kind = q.params.choice("type", _LEDGER_TYPES) or "all"
        since_ms, until_ms = self._range(q)
        names = [word for word in q.params.words("asset") if word != "all"]
        assets = {asset.name for asset in map(q.listing.asset, names) if asset is not None}
        if names and not assets:
            raise VenueRefusal("EQuery:Unknown asset")
        found = [
            flow
            for flow in self._flows(q)
            if kind in ("all", "trade")
            and since_ms < flow.fill.at_ms <= until_ms
            and (not assets or flow.asset in assets)
        ]
        body: dict[str, object] = {"ledger": self._ledger_rows(_page(q, found))}
        if not q.params.flag("without_count"):
            body["count"] = len(found)
        return Given(body)

    def query_ledgers(self, q: Question) -> Given:
        names = q.params.words("id")
        if not 1 <= len(names) <= _QUERIES_MAX:
            raise invalid("id")
        found = [flow for flow in self._flows(q) if self._ledger_id(flow) in names]
        if len(found) < len(set(names)):
            raise VenueRefusal("EQuery:Unknown ledger")
        return Given(self._ledger_rows(found))

    def _flows(self, q: Question) -> list[Flow]:
        cutoff_ms = _cutoff(q)
        return [f for f in self._ledger.flows(q.account) if f.fill.visible_ms <= cutoff_ms]

    def _ledger_id(self, flow: Flow) -> str:
        return self._ids.ledger(flow.fill.execution_id, flow.asset)

    def _ledger_rows(self, flows: list[Flow]) -> dict[str, object]:
        rows: dict[str, object] = {}
        for flow in reversed(flows):
            asset = asset_of(flow.asset)
            rows[self._ledger_id(flow)] = {
                "refid": self._log.trade_id(flow.fill),
                "time": seconds(flow.fill.at_ms),
                "type": "trade",
                "subtype": "",
                "aclass": "currency",
                "asset": asset.code,
                "amount": fixed(flow.amount, asset.decimals),
                "fee": fixed(flow.fee, asset.decimals),
                "balance": fixed(flow.balance, asset.decimals),
            }
        return rows

    # -- ranges -----------------------------------------------------------------------------

    def _range(self, q: Question) -> tuple[int, int]:
        """`start` (excluded) and `end` (included), each an instant or the id of a row."""
        since_ms, until_ms = self._edge(q, "start"), self._edge(q, "end")
        return (
            -1 if since_ms is None else since_ms,
            _AFTER_EVERYTHING_MS if until_ms is None else until_ms,
        )

    def _edge(self, q: Question, name: str) -> int | None:
        text = q.params.text(name)
        if text is None or not ORDER_SHAPE.match(text):
            return q.params.instant(name, q.now_ms)
        entry = self._log.find(q.account, text)
        if entry is not None:
            return entry.opened_ms
        fill = self._log.trade(q.account, text)
        if fill is None:
            raise invalid(name)
        return fill.at_ms


def _cutoff(q: Question) -> int:
    """The instant up to which the history is complete."""
    return q.engine.now_ms - q.engine.knobs.history_lag_ms


def _page(q: Question, rows: list[T]) -> list[T]:
    """The 50 newest behind `ofs` newer ones, oldest first."""
    offset = q.params.whole("ofs", least=0) or 0
    newest = len(rows) - offset
    return rows[max(0, newest - _PAGE) : max(0, newest)]
