"""Submitting and cancelling, so that after every call it is known what became of the order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from outlast.client.amending import AmendDesk
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.gate import GateDesk
from outlast.client.instruments import Instruments
from outlast.client.lookups import Lookups
from outlast.client.raising import order_error
from outlast.client.recovery import RecoveryDesk
from outlast.client.settings import Settings
from outlast.client.settling import Settler
from outlast.client.stream_first import unless_told
from outlast.core.order_checks import find_problem
from outlast.core.orders import OrderEvent
from outlast.core.policy import RetryPolicy, policy_for
from outlast.core.refusals import RefusalCircuit, RefusalKey, shape_of
from outlast.errors import (
    Failure,
    InvalidOrder,
    JournalUnavailable,
    Layer,
    Outcome,
    OutcomeUnknown,
    OutlastError,
    RefusedTooOften,
    UnknownOrder,
)
from outlast.model import (
    Instrument,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from outlast.wire import Clock, VenueCodec, WireReply, WireRequest

__all__ = ["CancelReport", "OrderDesk", "Submitted"]

_UNSETTLED: Final = (OrderStatus.UNKNOWN, OrderStatus.SUBMITTED, OrderStatus.INITIALIZED)
_ENDED_LIVE: Final = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED)
"""How an order ends that had been live."""

_TAKEN: Final = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
_RESTING: Final = (TimeInForce.GTC, TimeInForce.GTD)

STREAM_FIRST_S: Final = 1.0
"""A stream that is well has told by then what became of an order that does not rest."""
LOOK_FIRST_S: Final = 0.5
LOOK_WITHIN_S: Final = 5.0
"""How long an answer that tells no state is looked into. "A just-placed order may be absent
briefly" (Kraken SDK guide, placing orders); longer than that the polls are for."""


@dataclass(frozen=True, slots=True)
class CancelReport:
    """What `cancel_all` or `cancel_many` reached.

    Orders of other programs are only among them where `cancel_many` was given their ids.
    """

    canceled: tuple[Order, ...]
    ended_otherwise: tuple[Order, ...]
    """Filled, expired or rejected before the cancel arrived."""
    failed: tuple[tuple[str, OutlastError], ...]
    """Client order id and why; they may still be live."""


class Submitted(msgspec.Struct, frozen=True):
    """How one submission ended, as a value: the order, and the failure where there was one."""

    order: Order
    failure: Failure | None
    evidence_id: str | None


class OrderDesk:
    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        orders: OrderBookkeeper,
        settler: Settler,
        lookups: Lookups,
        instruments: Instruments,
        *,
        clock: Clock,
        settings: Settings,
        refusals: RefusalCircuit,
        new_id: Callable[[], str],
        gate: GateDesk,
        recovery: RecoveryDesk,
        amends: AmendDesk,
        on_disk: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`on_disk` returns when the intents written so far are safe from a loss of power; None
        where that is not asked for.
        """
        self._codec = codec
        self._calls = calls
        self._orders = orders
        self._settler = settler
        self._lookups = lookups
        self._instruments = instruments
        self._clock = clock
        self._settings = settings
        self._refusals = refusals
        self._new_id = new_id
        self._gate = gate
        self._recovery = recovery
        self._amends = amends
        self._newest: dict[str, str] = {}
        """By slot: the client order id of the quote that is on its way."""
        self._on_disk = on_disk
        self.stream_is_live: Callable[[], bool] = lambda: False
        """True while a stream tells what becomes of orders."""
        self.on_nothing_to_cancel: Callable[[Order], None] = lambda _: None
        """Hears of an order whose cancel the venue does not know, and what it then says of it."""

    async def submit(
        self, request: OrderRequest, *, deadline_s: float | None = None, slot: str | None = None
    ) -> Order:
        """See `Session.submit`."""
        if slot is not None and request.reduce_only:
            raise InvalidOrder(
                "slot is for quotes: a reduce-only order is not dropped for a newer one; leave it "
                "out",
                field="slot",
                venue=self._codec.VENUE,
            )
        request, instrument = await self._checked(request)
        adds_risk = not request.reduce_only
        if adds_risk:
            await self._gate.make_ready(request)
            self._gate.check(request)
        self._ask_refusals(request)
        if adds_risk:
            self._recovery.passed()
        done = await self.send(request, instrument, deadline_s=deadline_s, slot=slot)
        if done.failure is None:
            if adds_risk:
                self._gate.taken(request)
            return done.order
        if adds_risk:
            self._gate.failed(request, done.failure)
        raise order_error(
            done.failure,
            venue=self._codec.VENUE,
            client_order_id=done.order.client_order_id,
            clock=self._clock,
            evidence_id=done.evidence_id,
            doing=_describe(done.order),
        )

    async def _wait_for_disk(self, client_order_id: str, request: OrderRequest) -> None:
        """Nothing of the order has left yet; if it then does not, its record says so.

        Raises:
            JournalUnavailable: the disk does not confirm the intent, and the order adds risk.
        """
        assert self._on_disk is not None
        try:
            await self._on_disk()
        except JournalUnavailable as error:
            if request.reduce_only:
                return  # the way out stays open
            self._orders.apply(client_order_id, OrderEvent.DENIED, reason=str(error))
            raise
        except asyncio.CancelledError:
            said = "the caller was cancelled before it was sent"
            self._orders.apply(client_order_id, OrderEvent.DENIED, reason=said)
            raise

    async def send(
        self,
        request: OrderRequest,
        instrument: Instrument,
        *,
        deadline_s: float | None = None,
        policy: RetryPolicy | None = None,
        slot: str | None = None,
    ) -> Submitted:
        """Write the intent down, send it, and say what became of it. For checked requests only."""
        client_order_id = request.client_order_id or self._new_id()
        wire = self._codec.place_order(
            request, instrument, client_order_id, now_ms=self._calls.server_now_ms()
        )
        try:
            _, evidence_id = self._orders.intend(
                client_order_id, request, not_before_ms=self._calls.server_earliest_ms()
            )
        except ValueError as error:
            raise InvalidOrder(
                str(error), field="client_order_id", venue=self._codec.VENUE
            ) from error
        policy = policy if policy is not None else policy_for(wire)
        if deadline_s is None:
            deadline_s = self._settings.submit_deadline_s or policy.deadline_s
        deadline = self._clock.now() + deadline_s
        if self._on_disk is not None:
            await self._wait_for_disk(client_order_id, request)
        self._orders.apply(client_order_id, OrderEvent.SENT)
        if slot is not None:
            self._newest[slot] = client_order_id

        def is_wanted() -> bool:
            is_newest = slot is None or self._newest.get(slot) == client_order_id
            return is_newest and self._is_unsettled(client_order_id)

        call = self._calls.call(
            wire,
            deadline=deadline,
            policy=policy,
            on_late=lambda _, answer: self._heard_late(
                client_order_id, request, wire, instrument, answer
            ),
            still_wanted=is_wanted,
            replaces=slot,
        )
        if self.stream_is_live():
            call = unless_told(call, self._told_of_life(client_order_id, deadline))
        try:
            result = await call
        except asyncio.CancelledError:
            # The caller left; the request may be on the wire. Its fate is found out all the same.
            self._unknown(client_order_id, "the caller was cancelled while it was under way")
            raise
        finally:
            if slot is not None and self._newest.get(slot) == client_order_id:
                del self._newest[slot]
        if isinstance(result, Failure) and not self._is_unsettled(client_order_id):
            # A query or a late answer has told the outcome while this call was failing.
            failure = self._failure_after_settling(client_order_id, result)
        else:
            failure = self._take_in(client_order_id, request, wire, instrument, result)
            is_unknown = failure is not None and failure.outcome is Outcome.UNKNOWN
            if is_unknown and await self._settled(client_order_id, deadline):
                failure = self._failure_after_settling(client_order_id, failure)
        if failure is None and (self.stream_is_live() or not self._codec.TRAITS.tells_state):
            await self._look_after(client_order_id, instrument, deadline)
        return Submitted(self._known(client_order_id), failure, evidence_id)

    async def _told_of_life(self, client_order_id: str, until: float) -> None:
        """Return when the venue has shown the order; without end when it does not."""
        while self._known(client_order_id).status not in (*_TAKEN, *_ENDED_LIVE):
            if not await self._orders.changed(client_order_id, until=until):
                await asyncio.get_running_loop().create_future()

    async def settle(self, client_order_id: str, *, timeout_s: float | None = None) -> Order:
        """See `Session.settle`."""
        self._require(client_order_id)
        until = float("inf") if timeout_s is None else self._clock.now() + timeout_s
        is_settled = await self._settled(client_order_id, until)
        if not is_settled or not await self._amends.known(client_order_id, until):
            if self._orders.is_closed:
                raise OutcomeUnknown(
                    f"order {client_order_id} may be live: the session was closed before it was "
                    "known; the next session on this journal goes on settling it",
                    client_order_id=client_order_id,
                    venue=self._codec.VENUE,
                )
            raise TimeoutError(
                f"order {client_order_id} is still unknown after {timeout_s} s; settling goes on"
            )
        return self._known(client_order_id)

    async def cancel(self, client_order_id: str) -> Order:
        """See `Session.cancel`."""
        order = self._require(client_order_id)
        if order.status.is_final:
            return order
        instrument = self._instruments[order.symbol]
        request = self._codec.cancel_order(
            instrument, client_order_id, conditional=order.order_type.is_conditional
        )
        self._orders.ask_cancel(client_order_id, asked=True)
        try:
            result = await self._calls.call(
                request, on_late=lambda _, answer: self._canceled_late(request, instrument, answer)
            )
        except asyncio.CancelledError:
            self._orders.ask_cancel(client_order_id, asked=False)
            raise
        if isinstance(result, WireReply):
            report = self._codec.read_order(request, result, instrument)
            if not isinstance(report, Failure):
                return self._orders.report(report)
            result = report
        if result.kind == "canceled_without_details" and self.stream_is_live():
            told_by = self._clock.now() + STREAM_FIRST_S
            if await self._told_of_end(client_order_id, told_by):
                return self._known(client_order_id)
        if result.kind == "unknown_order" or result.outcome is Outcome.UNKNOWN:
            # Filled, cancelled before, never placed, or not visible yet: only the venue can tell.
            # One that is being settled is asked for already: a bot that repeats its cancel every
            # few seconds must not use up what the proof needs of the limits.
            found: bool | Failure = False
            if not self._settler.is_settling(client_order_id):
                found = await self._lookups.order(self._known(client_order_id), instrument)
            if result.kind == "canceled_without_details":
                until = self._clock.now() + LOOK_WITHIN_S
                await self._look_until_final(client_order_id, instrument, until)
            if found is False and self._known(client_order_id).status.is_final:
                return self._known(client_order_id)
            if found is True:
                self._doubt(client_order_id)
            elif found is False and result.kind == "unknown_order":
                self.on_nothing_to_cancel(self._known(client_order_id))
        self._orders.ask_cancel(client_order_id, asked=False)
        raise order_error(
            result if result.kind != "unknown_order" else replace(result, outcome=Outcome.UNKNOWN),
            venue=self._codec.VENUE,
            client_order_id=client_order_id,
            clock=self._clock,
            evidence_id=None,
            doing=f"the cancel of {_describe(order)}",
            is_cancel=True,
        )

    async def look_for(self, order: Order, instrument: Instrument) -> Failure | None:
        """Ask what became of an order that is held for open and that the venue does not list.

        One that it does not find either is doubted, and settled by proof: queries lag behind.
        """
        absent = await self._lookups.order(order, instrument)
        if absent is True:
            self._doubt(order.client_order_id)
        return absent if isinstance(absent, Failure) else None

    def answered_late(self, request: WireRequest, reply: WireReply) -> None:
        """An answer came by socket after its attempt had been given up: it tells all the same."""
        client_order_id = request.client_order_id
        if client_order_id is None or self._orders.ledger.get(client_order_id) is None:
            return
        if request.name == "order.amend":
            self._amends.answered_late(request, reply)
            return
        instrument = self._instruments[self._known(client_order_id).symbol]
        report = self._codec.read_order(request, reply, instrument)
        if not isinstance(report, Failure):
            self._orders.report(report)
        elif request.name == "order.place" and report.outcome is Outcome.REFUSED:
            reason = report.describe()
            self._orders.apply(client_order_id, OrderEvent.REJECTED, reason=reason)

    def order_changed(self, order: Order, before: Order | None) -> None:
        """A fill or an end changes the position, or what rests against it: ask again freely."""
        filled_before = 0 if before is None else before.filled_qty
        was = None if before is None else before.status
        has_ended = order.status in _ENDED_LIVE and order.status is not was
        if order.filled_qty != filled_before or has_ended:
            self._refusals.reset(order.symbol)

    def position_changed(self, symbol: str) -> None:
        """The venue shows another position: what it refused for the old one may be taken now."""
        self._refusals.reset(symbol)

    def mode_changed(self) -> None:
        """The account's or the venue's mode has changed: no refusal of before stands."""
        self._refusals.reset_all()

    def resume(self, order: Order) -> None:
        """After a restart: find out what became of an order that the journal leaves open."""
        if order.status in _UNSETTLED:
            self._unknown(order.client_order_id, "the journal ends before its answer")
        self._amends.resume(order)

    # Inside.

    async def _checked(self, request: OrderRequest) -> tuple[OrderRequest, Instrument]:
        instrument = await self._instruments.listed_now(request.symbol)
        if request.symbol != instrument.symbol:
            request = replace(request, symbol=instrument.symbol)
        problem = find_problem(request, instrument, reference=None)
        if problem is not None:
            raise InvalidOrder(problem.message, field=problem.field, venue=self._codec.VENUE)
        return request, instrument

    async def _look_after(
        self, client_order_id: str, instrument: Instrument, deadline: float
    ) -> None:
        """Ask what became of an order whose acceptance tells no more than that it was taken.

        One that can rest is asked for once, and only while the limits have room: its end comes by
        the polls as well.
        """
        order = self._known(client_order_id)
        if order.status.is_final or order.status not in _TAKEN:
            return
        can_rest = order.order_type is not OrderType.MARKET and order.time_in_force in _RESTING
        if self.stream_is_live():
            # The stream tells of it, or is no longer relied upon before the next poll.
            if can_rest:
                return
            told_by = min(deadline, self._clock.now() + STREAM_FIRST_S)
            await self._told_of_end(client_order_id, told_by)
        until = min(deadline, self._clock.now() + LOOK_WITHIN_S)
        if not can_rest:
            await self._look_until_final(client_order_id, instrument, until)
        elif self._lookups.has_headroom(order, instrument):
            await self._look_once(client_order_id, instrument, until)

    async def _told_of_end(self, client_order_id: str, until: float) -> bool:
        """Wait for the stream to tell that the order has ended; False when it does not."""
        while not self._known(client_order_id).status.is_final:
            if not await self._orders.changed(client_order_id, until=until):
                return self._known(client_order_id).status.is_final
        return True

    async def _look_until_final(
        self, client_order_id: str, instrument: Instrument, until: float
    ) -> None:
        """Ask, at growing distances, until the order has ended or `until` (monotonic)."""
        pause_s = LOOK_FIRST_S
        while not self._known(client_order_id).status.is_final and self._clock.now() < until:
            await self._look_once(client_order_id, instrument, until)
            if self._known(client_order_id).status.is_final:
                return
            await self._clock.sleep(max(0.0, min(pause_s, until - self._clock.now())))
            pause_s *= 2

    async def _look_once(self, client_order_id: str, instrument: Instrument, until: float) -> None:
        """Ask once; what cannot be had before `until` is left to the polls."""
        try:
            async with asyncio.timeout(max(0.0, until - self._clock.now())):
                await self._lookups.order(self._known(client_order_id), instrument)
        except TimeoutError:
            return

    def _ask_refusals(self, request: OrderRequest) -> None:
        if not self._refusals:
            return  # nothing was refused of late
        now = self._clock.now()
        key = RefusalKey(request.symbol, shape_of(request))
        retry_at = self._refusals.admit(key, now)
        if retry_at is not None:
            raise RefusedTooOften(
                f"{self._codec.VENUE} has refused this same order for the same reason again and "
                f"again; change its size or type, or wait {retry_at - now:.0f} s",
                venue=self._codec.VENUE,
                retry_at=self._clock.wall() + retry_at - now,
            )

    def _take_in(
        self,
        client_order_id: str,
        request: OrderRequest,
        wire: WireRequest,
        instrument: Instrument,
        result: WireReply | Failure,
    ) -> Failure | None:
        """Book what a call brought; None when the venue took the order."""
        if isinstance(result, WireReply):
            report = self._codec.read_order(wire, result, instrument)
            if not isinstance(report, Failure):
                self._orders.report(report)
                self._refusals.reset(instrument.symbol)
                return None
            result = report
        reason = result.describe()
        match result.outcome:
            case Outcome.NOT_SENT:
                self._orders.apply(client_order_id, OrderEvent.UNSENT, reason=reason)
            case Outcome.REFUSED:
                self._orders.apply(client_order_id, OrderEvent.REJECTED, reason=reason)
                if result.layer is Layer.BUSINESS:
                    key = RefusalKey(instrument.symbol, shape_of(request), result.kind)
                    self._refusals.refused(key, self._clock.now())
            case Outcome.UNKNOWN:
                self._unknown(client_order_id, reason, silent_s=result.silent_s)
        return result

    def _heard_late(
        self,
        client_order_id: str,
        request: OrderRequest,
        wire: WireRequest,
        instrument: Instrument,
        answer: WireReply | Failure,
    ) -> None:
        if self._is_unsettled(client_order_id):
            self._take_in(client_order_id, request, wire, instrument, answer)

    def _canceled_late(
        self, request: WireRequest, instrument: Instrument, answer: WireReply | Failure
    ) -> None:
        if isinstance(answer, WireReply):
            report = self._codec.read_order(request, answer, instrument)
            if not isinstance(report, Failure):
                self._orders.report(report)

    def _unknown(self, client_order_id: str, reason: str, *, silent_s: float | None = None) -> None:
        self._orders.apply(client_order_id, OrderEvent.SENT)
        self._orders.apply(client_order_id, OrderEvent.UNANSWERED, reason=reason)
        self._settler.begin(client_order_id, sent_at=self._clock.now(), silent_s=silent_s)

    def _doubt(self, client_order_id: str) -> None:
        self._orders.apply(
            client_order_id, OrderEvent.DOUBTED, reason="the venue says that it does not exist"
        )
        self._settler.begin(client_order_id, sent_at=self._clock.now())

    async def _settled(self, client_order_id: str, until: float) -> bool:
        while self._is_unsettled(client_order_id):
            if not await self._orders.changed(client_order_id, until=until):
                return not self._is_unsettled(client_order_id)
        return True

    def _failure_after_settling(
        self, client_order_id: str, failure: Failure | None
    ) -> Failure | None:
        assert failure is not None
        order = self._known(client_order_id)
        if order.status in (OrderStatus.NOT_PLACED, OrderStatus.REJECTED, OrderStatus.DENIED):
            return replace(failure, outcome=Outcome.REFUSED)
        return None

    def _is_unsettled(self, client_order_id: str) -> bool:
        return self._known(client_order_id).status in _UNSETTLED

    def _known(self, client_order_id: str) -> Order:
        order = self._orders.ledger.get(client_order_id)
        assert order is not None
        return order

    def _require(self, client_order_id: str) -> Order:
        order = self._orders.ledger.get(client_order_id)
        if order is None:
            raise UnknownOrder(
                f"no order {client_order_id!r} is known to this session; "
                "ids come from Order.client_order_id",
                venue=self._codec.VENUE,
            )
        return order


def _describe(order: Order) -> str:
    price = "" if order.price is None else f" at {order.price}"
    flag = " reduce-only" if order.reduce_only else ""
    return (
        f"order {order.client_order_id} ({order.side.value} {order.qty} {order.symbol}"
        f"{price}{flag})"
    )
