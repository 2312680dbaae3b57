"""Finding out, through the same exchange, what became of an order whose answer was lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ccxt.base import errors as ccxt

from outlast.adapters.ccxt.dialects import Dialect
from outlast.adapters.ccxt.driving import Driver
from outlast.adapters.ccxt.gate import Call, current
from outlast.adapters.ccxt.records import Entry, OrderRecords
from outlast.adapters.ccxt.settings import GuardSettings
from outlast.adapters.ccxt.terms import shows
from outlast.client.logs import logger
from outlast.core.settle import AbsenceProof, Lookup
from outlast.errors import Failure, Outcome, Remedy
from outlast.wire import Lane

__all__ = ["Settler"]

_LOOK_BACK_MS: Final = 10_000
"""The venue's clock may be behind ours by so much, and an order dated before it was sent."""
_BINANCE_WINDOW_MS: Final = 10_000
"""ccxt's own recvWindow. Source: ccxt 4.5, binance, options."""


_USED: Final = (
    "fetch_order",
    "fetch_orders",
    "fetch_open_orders",
    "fetch_closed_orders",
    "fetch_canceled_and_closed_orders",
    "fetch_my_trades",
    "cancel_order",
)


class _CouldNotAskError(Exception):
    """A lookup that was not answered. It proves nothing."""


class Settler:
    """Looks for unknown orders by what the exchange offers, until found or proved absent."""

    def __init__(
        self,
        exchange: Any,
        *,
        dialect: Dialect,
        driver: Driver,
        records: OrderRecords,
        settings: GuardSettings,
        fence_id: Callable[[], str],
    ) -> None:
        self._exchange = exchange
        self._dialect = dialect
        self._driver = driver
        self._records = records
        self._settings = settings
        self._fence_id = fence_id
        self._log = logger(venue=f"ccxt:{dialect.exchange_id}")
        self._proofs: dict[str, AbsenceProof] = {}
        self._seen_late_s = 0.0
        """How long after its sending the latest order has landed that was seen to."""
        self._plain = {name: getattr(exchange, name) for name in _USED}
        """The methods that are asked here, as they are without the guard."""

    async def settle(self, entry: Entry, *, within_s: float) -> None:
        """Go on until an order is known, for `within_s` at most; the rest goes on behind."""
        name = entry.client_order_id
        until = self._driver.clock.now() + within_s
        await self._driver.run_apart(name, lambda stop_at: self._run(entry, stop_at), until)

    async def _run(self, entry: Entry, stop_at: float) -> None:
        clock = self._driver.clock
        token = current.set(Call(lane=Lane.RECONCILE, symbol=entry.terms.symbol))
        proof = self._proof(entry)
        try:
            while entry.is_unknown:
                step = proof.next_step(clock.now())
                if step is None:
                    self._records.prove_absent(entry)
                    return
                wait_s = step.at - clock.now()
                if wait_s > 0 and step.at > stop_at:
                    await clock.sleep(max(0.0, stop_at - clock.now()))
                    return
                if wait_s > 0:
                    await clock.sleep(wait_s)
                await self._take(proof, step.lookup, entry)
        finally:
            current.reset(token)
            if not entry.is_unknown:
                proof = self._proofs.pop(entry.client_order_id, proof)
                if entry.shown is not None:
                    self._seen_late_s = max(self._seen_late_s, proof.absent_for_s)

    def _proof(self, entry: Entry) -> AbsenceProof:
        proof = self._proofs.get(entry.client_order_id)
        if proof is None:
            proof = self._proofs[entry.client_order_id] = AbsenceProof(
                self._settings.settle,
                sent_at=entry.sent_at,
                valid_for_s=self._valid_for_s(),
                needs_fence=self._dialect.is_fenced,
            )
            if entry.silent_s is not None and self._dialect.is_fenced:
                if entry.silent_s >= self._settings.settle.engine_gives_up_s:
                    proof.stuck(now=entry.sent_at, seen_late_s=self._seen_late_s)
                else:
                    proof.trouble(now=entry.sent_at)
        return proof

    def _valid_for_s(self) -> float:
        """How long after its sending an order may still come to be."""
        if self._dialect.has_deadline:
            return self._settings.valid_for_s
        if self._dialect.knows_id_lookup:
            options = getattr(self._exchange, "options", {})
            return float(options.get("recvWindow") or _BINANCE_WINDOW_MS) / 1000
        return self._settings.horizon_s

    async def _take(self, proof: AbsenceProof, lookup: Lookup, entry: Entry) -> None:
        clock = self._driver.clock
        asked_at = clock.now()
        try:
            found = await self._ask(lookup, entry)
        except _CouldNotAskError as error:
            failure = error.args[0]
            if (
                lookup is Lookup.FENCE
                and failure is not None
                and failure.outcome is Outcome.UNKNOWN
            ):
                proof.trouble(now=clock.now())
            wait_s = 0.0 if failure is None else failure.retry_after_s or 0.0
            proof.failed(now=clock.now(), retry_after_s=wait_s)
            return
        slow_s = self._settings.settle.engine_gives_up_s
        if lookup is Lookup.FENCE and proof.is_stuck and clock.now() - asked_at >= slow_s:
            proof.trouble(now=clock.now())  # answered, and no sign that the queue moves
            return
        if found is not None:
            self._records.found(entry, found)
        elif entry.is_unknown:
            proof.absent(lookup, asked_at=asked_at, now=clock.now())

    async def _ask(self, lookup: Lookup, entry: Entry) -> dict[str, Any] | None:
        """The order as ccxt shows it; None for a complete answer without it."""
        match lookup:
            case Lookup.ORDER:
                return await self._by_id(entry)
            case Lookup.OPEN_ORDERS:
                return await self._listed(entry, "fetch_open_orders")
            case Lookup.EXECUTIONS:
                return await self._by_trades(entry)
            case Lookup.FENCE:
                await self._fence(entry.terms.symbol)
                return None

    async def _by_id(self, entry: Entry) -> dict[str, Any] | None:
        name, symbol = entry.client_order_id, entry.terms.symbol
        if self._dialect.knows_id_lookup and entry.has_id:
            key = "clientAlgoId" if entry.terms.is_conditional else "origClientOrderId"
            params: dict[str, Any] = {key: name}
            if entry.terms.is_conditional:
                params["trigger"] = True
            try:
                found = await self._question(self._plain["fetch_order"], None, symbol, params)
            except ccxt.OrderNotFound:
                return None
            return found if isinstance(found, dict) else None
        return await self._closed(entry)

    async def _closed(self, entry: Entry) -> dict[str, Any] | None:
        """Among the orders that have ended, or all of them: whatever this exchange can list."""
        has = getattr(self._exchange, "has", {})
        if self._dialect.exchange_id == "kraken":
            # Open and ended orders are two lists; our id filters the second.
            by_id = {self._dialect.id_name: entry.client_order_id} if entry.has_id else {}
            found = await self._listed(entry, "fetch_open_orders")
            return found or await self._listed(entry, "fetch_closed_orders", by_id)
        for name, method in (
            ("fetchOrders", "fetch_orders"),
            ("fetchClosedOrders", "fetch_closed_orders"),
            ("fetchCanceledAndClosedOrders", "fetch_canceled_and_closed_orders"),
        ):
            if has.get(name) is True:
                return await self._listed(entry, method)
        raise _CouldNotAskError(None)  # without such a list nothing proves that an order is absent

    async def _listed(
        self, entry: Entry, method: str, params: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        since = self._since_ms(entry)
        if method == "fetch_open_orders":
            arguments: list[Any] = [entry.terms.symbol, None, None]
        else:
            arguments = [entry.terms.symbol, since, None]
        if self._dialect.knows_id_lookup and entry.terms.is_conditional:
            params = {**(params or {}), "trigger": True}
        rows = await self._question(self._plain[method], *arguments, params or {})
        terms = None if entry.has_id else entry.terms
        for row in rows or ():
            if shows(row, entry.order, terms, since_ms=since) and not self._records.is_taken(
                entry, row
            ):
                return dict(row)
        return None

    async def _by_trades(self, entry: Entry) -> dict[str, Any] | None:
        """A fill of an order that nobody knows may be of this one."""
        if getattr(self._exchange, "has", {}).get("fetchMyTrades") is not True:
            return None
        symbol, since = entry.terms.symbol, self._since_ms(entry)
        trades = await self._question(self._plain["fetch_my_trades"], symbol, since, None, {})
        strange = {
            str(trade["order"])
            for trade in trades or ()
            if trade.get("order")
            and trade.get("side") == entry.terms.side
            and (trade.get("timestamp") or 0) >= since
            and not self._records.knows(str(trade["order"]))
        }
        for venue_order_id in sorted(strange):
            try:
                row = await self._question(self._plain["fetch_order"], venue_order_id, symbol)
            except ccxt.OrderNotFound:
                continue
            if shows(row, entry.order, None if entry.has_id else entry.terms, since_ms=since):
                return dict(row)
            self._records.note_foreign(venue_order_id)
        return None

    async def fence(self, symbol: str) -> bool:
        """Have the engine answer for something harmless; True when it did."""
        try:
            await self._fence(symbol)
        except _CouldNotAskError:
            return False
        return True

    async def _fence(self, symbol: str) -> None:
        """The cancel of an id that never was."""
        call = Call(lane=Lane.RECONCILE, symbol=symbol)
        token = current.set(call)
        key = "cl_ord_id" if self._dialect.has_deadline else "origClientOrderId"
        try:
            params = {key: self._fence_id()}
            await self._driver.call(self._plain["cancel_order"], None, symbol, params)
        except ccxt.BaseError as error:
            failure = call.failure
            if failure is not None and failure.kind in ("unknown_order", "order_not_found"):
                return
            raise _CouldNotAskError(failure) from error
        finally:
            current.reset(token)

    async def _question(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """Ask. OrderNotFound is an answer where the venue gave it; all else was no answer."""
        call = current.get()
        assert call is not None
        try:
            return await self._driver.call(method, *arguments)
        except ccxt.OrderNotFound as error:
            failure = call.failure
            if failure is not None and failure.infrastructure:
                raise _CouldNotAskError(failure) from error
            raise
        except ccxt.BaseError as error:
            raise _CouldNotAskError(call.failure) from error
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            raise _CouldNotAskError(_unreadable(call)) from error

    def _since_ms(self, entry: Entry) -> int:
        return round(entry.order.created_at * 1000) - _LOOK_BACK_MS


def _unreadable(call: Call) -> Failure | None:
    failure = call.failure
    return failure if failure is None or failure.remedy is not Remedy.GIVE_UP else None
