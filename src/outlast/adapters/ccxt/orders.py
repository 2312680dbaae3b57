"""New orders, changes and cancels: written down first, sent once, settled where in doubt."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from math import inf
from typing import Any, Final

from ccxt.base import errors as ccxt

from outlast.adapters.ccxt.dialects import Dialect
from outlast.adapters.ccxt.driving import Driver
from outlast.adapters.ccxt.gate import Call, Gate, current
from outlast.adapters.ccxt.reading import read_socket_error
from outlast.adapters.ccxt.records import Entry, OrderRecords
from outlast.adapters.ccxt.returning import WayBack
from outlast.adapters.ccxt.settings import GuardSettings
from outlast.adapters.ccxt.settling import Settler
from outlast.adapters.ccxt.survey import Survey
from outlast.adapters.ccxt.terms import Terms
from outlast.adapters.ccxt.verdict import OrderHeld, Verdict, marked, verdict_of
from outlast.client.guard import local_failure
from outlast.core.backoff import SAFETY
from outlast.core.refusals import RefusalCircuit, RefusalKey
from outlast.errors import Failure, JournalUnavailable, Layer, Outcome, Remedy, Scope
from outlast.model import OrderStatus
from outlast.wire import Lane

__all__ = ["OrderDesk"]

_LOOK_S: Final = 0.05
"""How often a call looks whether a twin of it that is on its way has been answered."""


class OrderDesk:
    """What stands in place of `create_order` and its family."""

    def __init__(
        self,
        exchange: Any,
        *,
        dialect: Dialect,
        driver: Driver,
        gate: Gate,
        records: OrderRecords,
        settler: Settler,
        survey: Survey,
        way: WayBack,
        position: Callable[[str], Decimal],
        settings: GuardSettings,
        rng: Any,
    ) -> None:
        """`position` tells the last position of a symbol that was believed, signed."""
        self._exchange = exchange
        self._dialect = dialect
        self._driver = driver
        self._gate = gate
        self._records = records
        self._settler = settler
        self._survey = survey
        self._way = way
        self._position = position
        self._settings = settings
        self._rng = rng
        self._refusals = RefusalCircuit()
        self._last_refusal: dict[tuple[str, str], Exception] = {}

    def wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any] | None:
        """What is put in place of the method `name`; None for one that stays as it is."""
        kind = _KINDS.get(name)
        if kind is None:
            return None
        signature = inspect.signature(original)
        work: Callable[..., Any] = getattr(self, f"_{kind}")
        is_socket = name.endswith("_ws")

        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            return await work(self._over_socket(original) if is_socket else original, bound)

        return wrapped

    def _over_socket(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """`original`, which sends over a WebSocket, where the gate does not see it."""

        async def sent(*args: Any, **kwargs: Any) -> Any:
            call = current.get()
            assert call is not None
            call.sent_at = self._gate.now
            try:
                return await self._driver.call(original, *args, **kwargs)
            except Exception as error:
                call.failure = read_socket_error(error, lane=call.lane)
                raise

        return sent

    async def tend(self) -> None:
        """Go on with what nobody is waiting for; at once, or behind."""
        await self._way.tend()
        await self._survey.tend()
        for entry in self._records.unknown():
            if entry.order.status is OrderStatus.UNKNOWN:
                await self._settler.settle(entry, within_s=0.0)

    # New orders.

    async def _create(self, original: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
        terms = Terms.of(bound.arguments)
        await self.tend()
        adopted = await self._make_way(terms)
        if adopted is not None:
            return adopted
        await self._check_refusals(terms)
        await self._way.admit(terms, reduces=self._reduces(terms))
        entry, params = self._intend(terms, bound.arguments.get("params") or {})
        bound.arguments["params"] = params
        call = self._call(terms)
        call.client_order_id = entry.client_order_id
        with _under(call):
            try:
                shown = await self._driver.call(original, *bound.args, **bound.kwargs)
            except Exception as error:  # noqa: BLE001 - whatever it is, the order's fate is open
                return await self._failed(entry, call, error)
            except BaseException:
                # The caller has stopped waiting, or the process is being stopped.
                self._abandon(entry, call)
                await self.tend()  # it begins what goes on behind, and does not wait here
                raise
        if not _is_order(shown):
            failure = call.failure or _hollow()
            return await self._failed(entry, call, self._gate.error(ccxt.BadResponse, failure))
        self._records.found(entry, shown)
        entry.was_told_unknown = False
        self._accepted(terms)
        return shown

    def _reduces(self, terms: Terms) -> bool:
        """Whether an order can only make what is at risk smaller, however it is written.

        Many bots leave a position by a plain order of the other side; on spot, selling is that.
        """
        if terms.reduce_only:
            return True
        market = (getattr(self._exchange, "markets", None) or {}).get(terms.symbol) or {}
        if market.get("spot"):
            return terms.side == "sell" and not terms.on_margin
        if terms.qty is None:
            return False
        held = (self._position(terms.symbol), self._records.net_filled(terms.symbol))
        sign = 1 if terms.side == "sell" else -1
        return any(sign * qty >= terms.qty for qty in held)

    async def _create_all(self, original: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
        """`create_orders`: one request with many orders, each an intent of its own."""
        await self.tend()
        asked = [dict(each) for each in bound.arguments.get("orders") or ()]
        entries: list[Entry] = []
        for each in asked:
            terms = Terms.of(each)
            held = self._in_the_way(terms)
            if held is not None:
                raise self._held(held)
            await self._way.admit(terms, reduces=self._reduces(terms))
        for each in asked:
            entry, each["params"] = self._intend(Terms.of(each), each.get("params") or {})
            entries.append(entry)
        bound.arguments["orders"] = asked
        reduces = all(entry.terms.reduce_only for entry in entries)
        symbol = entries[0].terms.symbol if entries else None
        lane = Lane.SAFETY if entries and reduces else Lane.TRADE
        call = Call(lane=lane, symbol=symbol, is_order=True)
        with _under(call):
            try:
                shown = await self._driver.call(original, *bound.args, **bound.kwargs)
            except Exception as error:  # noqa: BLE001 - whatever it is, their fate is open
                for entry in entries:
                    self._judge(entry, call, error)
                await self._settle_all(entries)
                raise marked(error, self._verdict_of_batch(entries, call)) from None
            except BaseException:
                for entry in entries:
                    self._abandon(entry, call)
                await self.tend()
                raise
        rows = list(shown) if isinstance(shown, list) else []
        for entry, row in zip(entries, _in_order(entries, rows), strict=True):
            if row is not None and _is_order(row):
                self._records.found(entry, row)
            elif row is not None and row.get("status") == "rejected":
                self._records.refused(entry, str(row.get("info")))
            else:
                self._records.unanswered(entry, "its batch was answered without it")
                await self._settler.settle(entry, within_s=0.0)
        return shown

    def _intend(self, terms: Terms, params: Mapping[str, Any]) -> tuple[Entry, dict[str, Any]]:
        """Write the intent down; the parameters with its id."""
        own_id = self._dialect.own_id(params)
        takes_id = own_id is not None or self._dialect.takes_id(params)
        client_order_id = own_id or self._records.next_id()
        if own_id is not None and self._records.get(own_id) is not None:
            client_order_id, takes_id = self._used_again(own_id)
        try:
            entry = self._records.intend(terms, client_order_id, has_id=takes_id)
        except JournalUnavailable as error:
            failure = local_failure("journal_unavailable", str(error))
            raise self._gate.error(ccxt.ExchangeNotAvailable, failure) from error
        given = dict(params)
        if own_id is None and takes_id:
            given = self._dialect.with_id(given, client_order_id)
        return entry, given

    def _used_again(self, own_id: str) -> tuple[str, bool]:
        """The bot gives an id a second time: fine where the first order has ended."""
        known = self._records.get(own_id)
        assert known is not None
        if known.is_unknown:
            raise self._held(known)
        # The venues take it again then, so our own name for this order is another one. It is not
        # told to the venue, and the order is recognised by its terms.
        return self._records.next_id(), False

    async def _failed(self, entry: Entry, call: Call, error: Exception) -> Any:
        """An order's call raised: refuse, or find out; the order where it turns out to live."""
        self._judge(entry, call, error)
        if entry.order.status is OrderStatus.UNKNOWN:
            await self._settler.settle(entry, within_s=self._settings.settle_within_s)
        return self._hand_out(entry, call, error)

    def _hand_out(self, entry: Entry, call: Call, error: Exception) -> Any:
        status = entry.order.status
        if entry.shown is not None and status is not OrderStatus.REJECTED:
            self._accepted(entry.terms)
            entry.was_told_unknown = False
            return entry.shown
        outcome = Outcome.REFUSED
        if entry.is_unknown:
            outcome = Outcome.UNKNOWN
            entry.was_told_unknown = True
        elif status is OrderStatus.DENIED:
            outcome = Outcome.NOT_SENT
        raise self._told(entry, call, error, outcome) from error.__cause__

    def _told(self, entry: Entry, call: Call, error: Exception, outcome: Outcome) -> Exception:
        before = verdict_of(error)
        failure = call.failure
        if not isinstance(error, ccxt.BaseError) and outcome is Outcome.UNKNOWN:
            error = ccxt.BadResponse(f"{self._dialect.exchange_id} {error!r}")
        told: Exception = marked(
            error,
            Verdict(
                outcome=outcome,
                client_order_id=entry.client_order_id,
                evidence_id=entry.evidence_id,
                retry_at=None if before is None else before.retry_at,
                failure=failure,
                reason=entry.order.reason or ("" if failure is None else failure.describe()),
            ),
        )
        return told

    def _judge(self, entry: Entry, call: Call, error: Exception) -> None:
        """Fold a failed call into the order's life."""
        if call.sent_at is not None:
            terms = entry.terms
            self._way.failed(terms, call.failure, reduces=self._reduces(terms))
        failure, reason = call.failure, f"{type(error).__name__}: {error}"[:200]
        if call.sent_at is None:
            self._records.unsent(entry, reason)
            return
        entry.sent_at = call.sent_at
        if failure is not None and failure.outcome is Outcome.NOT_SENT:
            self._records.unsent(entry, reason)
        elif failure is not None and failure.outcome is Outcome.REFUSED:
            self._records.refused(entry, reason)
            if failure.layer is Layer.BUSINESS:
                key = RefusalKey(entry.terms.symbol, entry.terms.shape, failure.kind)
                self._refusals.refused(key, self._gate.now)
                self._last_refusal[entry.terms.symbol, entry.terms.shape] = error
        else:
            if failure is not None and failure.layer is Layer.TRANSPORT:
                entry.silent_s = self._gate.now - call.sent_at
                if failure.kind == "read_timeout":
                    # ccxt has waited as long as the bot let it: the venue may be silent for longer.
                    entry.silent_s = inf
            self._records.unanswered(entry, reason)

    def _abandon(self, entry: Entry, call: Call) -> None:
        """Nobody waits for the answer any more. What may have left is settled behind."""
        if call.sent_at is None:
            self._records.unsent(entry, "the caller stopped waiting before it left")
            return
        entry.sent_at = call.sent_at
        entry.was_told_unknown = True
        self._records.unanswered(entry, "the caller stopped waiting for the answer")

    # Twins: the same intent asked for again.

    async def _make_way(self, terms: Terms) -> dict[str, Any] | None:
        """Wait for what stands in the way of an order; the order itself, if it was found there."""
        give_up_at = self._gate.now + self._settings.settle_within_s
        while (held := self._in_the_way(terms)) is not None:
            if held.order.status is OrderStatus.UNKNOWN:
                await self._settler.settle(held, within_s=give_up_at - self._gate.now)
            if self._gate.now >= give_up_at:
                break
            await self._driver.clock.sleep(_LOOK_S)
        held = self._in_the_way(terms)
        if held is not None:
            raise self._held(held)
        return self._adopted(terms)

    def _in_the_way(self, terms: Terms) -> Entry | None:
        """The order in doubt that holds one of these terms; None when nothing does.

        The same terms are the same intent. Where new risk is asked for, any order in doubt on the
        symbol counts: until it is known, it may have filled.
        """
        for entry in self._records.unknown(terms.symbol):
            if entry.terms == terms:
                return entry
            if entry.order.status is OrderStatus.UNKNOWN and not terms.reduce_only:
                return entry
        return None

    def _adopted(self, terms: Terms) -> dict[str, Any] | None:
        """The order that the bot was told is unknown and asks for again, if it was found since."""
        oldest = self._driver.clock.wall() - self._settings.adopt_within_s
        for entry in self._records:
            if (
                entry.was_told_unknown
                and not entry.is_unknown
                and entry.terms == terms
                and entry.order.created_at >= oldest
            ):
                entry.was_told_unknown = False
                if entry.shown is not None and entry.order.status is not OrderStatus.REJECTED:
                    return entry.shown
        return None

    def _held(self, entry: Entry) -> Exception:
        error = OrderHeld(
            f"{self._dialect.exchange_id} not sent: the outcome of {entry.client_order_id} "
            f"({entry.terms.side} {entry.terms.qty} {entry.terms.symbol}) is unknown, and it is "
            "being settled; ask again later"
        )
        entry.was_told_unknown = True
        held: Exception = marked(
            error,
            Verdict(
                outcome=Outcome.UNKNOWN,
                client_order_id=entry.client_order_id,
                evidence_id=entry.evidence_id,
                reason=entry.order.reason,
            ),
        )
        return held

    async def _check_refusals(self, terms: Terms) -> None:
        """The same order refused for the same reason three times: once a minute from then on."""
        now = self._gate.now
        retry_at = self._refusals.admit(RefusalKey(terms.symbol, terms.shape), now)
        last = self._last_refusal.get((terms.symbol, terms.shape))
        if retry_at is None or last is None:
            return
        await self._driver.clock.sleep(min(self._settings.pause_s, retry_at - now))
        failure = local_failure(
            "refused_too_often",
            f"refused for the same reason again and again ({last}); change the order, or wait",
            retry_after_s=max(0.0, retry_at - self._gate.now),
        )
        raise self._gate.error(type(last), failure) from None

    def _accepted(self, terms: Terms) -> None:
        self._way.taken(terms, reduces=self._reduces(terms))
        self._refusals.accepted(RefusalKey(terms.symbol, terms.shape))
        self._last_refusal.pop((terms.symbol, terms.shape), None)

    # What the bot learns by itself.

    def notice(self, rows: Any) -> None:
        """Orders that ccxt has shown to the bot: of these it need not be told again."""
        for row in rows if isinstance(rows, list) else [rows]:
            if not isinstance(row, dict) or not row.get("id"):
                continue
            entry = self._records.by_row(row)
            if entry is not None:
                self._records.found(entry, row)
                entry.was_told_unknown = False

    # Changes and cancels.

    async def _edit(self, original: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
        """A change of an order is sent once. What became of it the order itself tells."""
        await self.tend()
        terms = Terms.of(bound.arguments)
        held = self._in_the_way(terms)
        if held is not None:
            raise self._held(held)
        await self._way.admit(terms, reduces=self._reduces(terms))
        call = self._call(terms)
        with _under(call):
            try:
                return await self._driver.call(original, *bound.args, **bound.kwargs)
            except Exception as error:
                failure = call.failure
                if call.sent_at is None or failure is None:
                    raise
                raise marked(error, self._gate.verdict(failure)) from error.__cause__

    async def _cancel(self, original: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
        """A cancel goes first, and is repeated: twice does no more than once."""
        symbol = bound.arguments.get("symbol")
        for attempt in range(1, self._settings.cancel_attempts + 1):
            call = Call(lane=Lane.SAFETY, symbol=None if symbol is None else str(symbol))
            with _under(call):
                try:
                    return await self._driver.call(original, *bound.args, **bound.kwargs)
                except ccxt.BaseError as error:
                    failure = call.failure
                    if failure is None:
                        raise
                    again = failure.infrastructure and failure.kind != "banned"
                    last = attempt == self._settings.cancel_attempts
                    if last or not again or not self._gate.may_retry(Lane.SAFETY):
                        raise self._true_to(failure, error) from error.__cause__
            wait_s = SAFETY.delay_s(attempt, self._rng, floor_s=failure.retry_after_s or 0.0)
            await self._driver.clock.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _true_to(self, failure: Failure, error: ccxt.BaseError) -> Exception:
        """`error`, unless it names an answer that the venue never gave.

        ccxt's kraken takes "unknown order" from the answer before the one that got lost.
        """
        if isinstance(error, ccxt.OrderNotFound) and failure.infrastructure:
            return self._gate.error(ccxt.ExchangeNotAvailable, failure)
        told: Exception = marked(error, self._gate.verdict(failure))
        return told

    # Inside.

    def _call(self, terms: Terms) -> Call:
        lane = Lane.SAFETY if terms.reduce_only else Lane.TRADE
        return Call(lane=lane, symbol=terms.symbol, is_order=True)

    async def _settle_all(self, entries: list[Entry]) -> None:
        until = self._gate.now + self._settings.settle_within_s
        for entry in entries:
            if entry.order.status is OrderStatus.UNKNOWN:
                await self._settler.settle(entry, within_s=until - self._gate.now)
                entry.was_told_unknown = True

    def _verdict_of_batch(self, entries: list[Entry], call: Call) -> Verdict:
        unknown = [entry for entry in entries if entry.is_unknown]
        found = [entry for entry in entries if entry.shown is not None]
        failure = call.failure
        outcome = Outcome.UNKNOWN if unknown or found else Outcome.REFUSED
        if call.sent_at is None:
            outcome = Outcome.NOT_SENT
        return Verdict(
            outcome=outcome,
            client_order_id=", ".join(entry.client_order_id for entry in unknown + found) or None,
            failure=failure,
            reason="" if failure is None else failure.describe(),
        )


@contextmanager
def _under(call: Call) -> Iterator[None]:
    """All requests from here on are of this call; of one inside another it is the inner."""
    token = current.set(call)
    try:
        yield
    finally:
        current.reset(token)


def _is_order(shown: Any) -> bool:
    return isinstance(shown, dict) and bool(shown.get("id") or shown.get("clientOrderId"))


def _hollow() -> Failure:
    return Failure(
        layer=Layer.VENUE,
        kind="hollow_answer",
        outcome=Outcome.UNKNOWN,
        remedy=Remedy.SETTLE,
        scope=Scope.PLANE,
        message="an order was answered without an id",
    )


def _in_order(entries: list[Entry], rows: list[Any]) -> list[Any]:
    """The row of each entry: by our id, else by its place where the numbers are equal."""
    by_id = {row.get("clientOrderId"): row for row in rows if isinstance(row, dict)}
    aligned = len(rows) == len(entries)
    return [
        by_id.get(entry.client_order_id) or (rows[place] if aligned else None)
        for place, entry in enumerate(entries)
    ]


_KINDS: Final[Mapping[str, str]] = {
    "create_order": "create",
    "create_order_ws": "create",
    "create_orders": "create_all",
    "create_orders_ws": "create_all",
    "edit_order": "edit",
    "edit_order_ws": "edit",
    "edit_orders": "edit",
    "cancel_order": "cancel",
    "cancel_order_ws": "cancel",
    "cancel_orders": "cancel",
    "cancel_orders_ws": "cancel",
    "cancel_all_orders": "cancel",
    "cancel_all_orders_ws": "cancel",
    "cancel_all_orders_after": "cancel",
    "cancel_orders_for_symbols": "cancel",
}
"""The methods that are wrapped. `create_limit_order` and its like go through `create_order`."""
WRAPPED: Final = tuple(_KINDS)
