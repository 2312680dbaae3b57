"""Amending live orders, so that after every call it is known which terms are in force.

An amendment is an intent like a new order: written down before it is sent, never sent again while
it may have landed, settled with the order itself when its answer is lost. Until then the order
counts by the larger quantity, and nothing else is asked of it but a cancel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from outlast.client.amend_settling import AmendSettler
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.gate import GateDesk
from outlast.client.guard import local_failure
from outlast.client.instruments import Instruments
from outlast.client.lookups import Lookups
from outlast.client.raising import order_error
from outlast.client.recovery import RecoveryDesk
from outlast.client.settings import Settings
from outlast.client.stream_first import TOLD, unless_told
from outlast.core.amendments import adds_risk, as_request, find_problem, has_terms
from outlast.core.policy import policy_for
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
from outlast.model import Instrument, Money, Order, OrderRequest, OrderStatus, money
from outlast.wire import Clock, VenueCodec, WireReply, WireRequest

__all__ = ["AmendDesk"]

_LEFT: Final = "the caller was cancelled while it was under way"
_RESTARTED: Final = "the journal ends before the answer to its amendment"


class AmendDesk:
    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        orders: OrderBookkeeper,
        settler: AmendSettler,
        lookups: Lookups,
        instruments: Instruments,
        *,
        clock: Clock,
        settings: Settings,
        refusals: RefusalCircuit,
        gate: GateDesk,
        recovery: RecoveryDesk,
        on_disk: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._codec = codec
        self._calls = calls
        self._orders = orders
        self._settler = settler
        self._lookups = lookups
        self._instruments = instruments
        self._clock = clock
        self._settings = settings
        self._refusals = refusals
        self._gate = gate
        self._recovery = recovery
        self._on_disk = on_disk
        self._sent: dict[str, WireRequest] = {}
        """By order: the amendment that was asked for last. Answers to others come too late."""

    async def amend(
        self,
        client_order_id: str,
        *,
        price: Money | None,
        qty: Money | None,
        deadline_s: float | None = None,
    ) -> Order:
        """See `Session.amend`."""
        name = client_order_id
        if price is None and qty is None:
            raise self._invalid("price", "amend needs a price, a qty, or both")
        instrument = await self._instruments.listed_now(self._required(name).symbol)
        order = self._known(name)
        new_price = order.price if price is None else _positive(price, field="price")
        new_qty = order.qty if qty is None else _positive(qty, field="qty")
        self._check(order, instrument, new_price, new_qty)
        adds = adds_risk(order, price=new_price, qty=new_qty)
        wire = self._codec.amend_order(
            order, instrument, price=new_price, qty=new_qty, adds_risk=adds
        )
        request = as_request(order, price=new_price, qty=new_qty)
        if adds:
            more = replace(request, qty=max(new_qty - order.qty, Decimal(0)))
            await self._gate.make_ready(more)
            self._gate.check(more)
            now_known = self._known(name)
            if now_known is not order:
                self._check(now_known, instrument, new_price, new_qty)
                order = now_known
        self._ask_refusals(request)
        if adds:
            self._recovery.passed()
        evidence_id = self._orders.intend_amend(name, price=new_price, qty=new_qty, adds_risk=adds)
        if self._on_disk is not None:
            await self._wait_for_disk(name, adds_risk=adds)
        failure = await self._send(order, request, wire, instrument, deadline_s)
        known = self._known(name)
        if _is_in_force(known, order, price=new_price, qty=new_qty):
            if adds:
                self._gate.taken(request)
            return known
        assert failure is not None
        if adds:
            self._gate.failed(request, failure)
        raise self._error(order, known, request, failure, evidence_id)

    async def known(self, client_order_id: str, until: float) -> bool:
        """Wait until an unknown amendment is known, at most until `until` (monotonic)."""
        while self._is_asked(client_order_id):
            if not await self._orders.changed(client_order_id, until=until):
                return not self._is_asked(client_order_id)
        return True

    def resume(self, order: Order) -> None:
        """After a restart: find out what became of an amendment that the journal leaves open."""
        if order.amendment is not None:
            self._unanswered(order.client_order_id, _RESTARTED, silent_s=None)

    def answered_late(self, request: WireRequest, answer: WireReply | Failure) -> None:
        """An answer came after its attempt had been given up: it tells all the same."""
        name = request.client_order_id
        if name is None or self._sent.get(name) is not request or not self._is_asked(name):
            return
        order = self._known(name)
        self._take_in(order, None, request, self._instruments[order.symbol], answer)

    # Inside.

    def _check(
        self, order: Order, instrument: Instrument, price: Decimal | None, qty: Decimal
    ) -> None:
        problem = find_problem(order, instrument, price=price, qty=qty)
        if problem is not None:
            raise self._invalid(problem.field, problem.message)

    async def _send(
        self,
        order: Order,
        request: OrderRequest,
        wire: WireRequest,
        instrument: Instrument,
        deadline_s: float | None,
    ) -> Failure | None:
        """Send what is written down, and find out what became of it while there is time."""
        name, policy = order.client_order_id, policy_for(wire)
        if deadline_s is None:
            deadline_s = self._settings.submit_deadline_s or policy.deadline_s
        deadline = self._clock.now() + deadline_s
        self._sent[name] = wire
        call = self._calls.call(
            wire,
            deadline=deadline,
            policy=policy,
            on_late=self.answered_late,
            still_wanted=lambda: self._is_asked(name),
        )
        try:
            result = await unless_told(call, self._told(name, deadline))
        except asyncio.CancelledError:
            # The caller left; the request may be on the wire. Its fate is found out all the same.
            self._unanswered(name, _LEFT, silent_s=None)
            raise
        failure = self._take_in(order, request, wire, instrument, result)
        if failure is None:
            return None
        if failure.kind == "unknown_order":
            await self._lookups.order(self._known(name), instrument)
        elif failure.outcome is Outcome.UNKNOWN and await self.known(name, deadline):
            return replace(failure, outcome=Outcome.REFUSED)
        return failure

    async def _told(self, name: str, until: float) -> None:
        """Return when the order has told of its amendment; without end when it does not."""
        while self._is_asked(name):
            if not await self._orders.changed(name, until=until):
                await asyncio.get_running_loop().create_future()

    def _take_in(
        self,
        order: Order,
        request: OrderRequest | None,
        wire: WireRequest,
        instrument: Instrument,
        result: WireReply | Failure,
    ) -> Failure | None:
        """Book what a call brought; None when the new terms are in force."""
        name = order.client_order_id
        if isinstance(result, WireReply):
            report = self._codec.read_amended(wire, result, instrument, self._known(name))
            if not isinstance(report, Failure):
                self._orders.report(report)
                terms = (report.price, report.qty)
                self._orders.amend_settled(name, terms=terms, because="amend_cut")
                self._refusals.reset(instrument.symbol)
                ended = self._known(name).status.is_final
                return _ended(self._known(name)) if ended else None
            result = report
        if result.outcome is Outcome.UNKNOWN:
            if self._is_asked(name):
                self._unanswered(name, result.describe(), silent_s=result.silent_s)
            return result
        reason = result.describe()
        self._orders.amend_settled(name, terms=None, because="amend_refused", reason=reason)
        if request is not None and result.layer is Layer.BUSINESS:
            key = RefusalKey(instrument.symbol, _shape(request), result.kind)
            self._refusals.refused(key, self._clock.now())
        return result

    def _unanswered(self, name: str, reason: str, *, silent_s: float | None) -> None:
        order = self._known(name)
        if order.amendment is None:
            return
        is_settling = order.amendment.is_unknown and reason is not _RESTARTED
        self._orders.amend_unanswered(name, reason=reason)
        if not is_settling:
            self._settler.begin(name, sent_at=self._clock.now(), silent_s=silent_s)

    async def _wait_for_disk(self, name: str, *, adds_risk: bool) -> None:
        """Nothing of the amendment has left yet; if it then does not, its record says so.

        Raises:
            JournalUnavailable: the disk does not confirm it, and it adds risk.
        """
        assert self._on_disk is not None
        try:
            await self._on_disk()
        except JournalUnavailable as error:
            if not adds_risk:
                return  # the way down stays open
            said = str(error)
            self._orders.amend_settled(name, terms=None, because="amend_refused", reason=said)
            raise
        except asyncio.CancelledError:
            said = "the caller was cancelled before it was sent"
            self._orders.amend_settled(name, terms=None, because="amend_refused", reason=said)
            raise

    def _ask_refusals(self, request: OrderRequest) -> None:
        if not self._refusals:
            return  # nothing was refused of late
        now = self._clock.now()
        retry_at = self._refusals.admit(RefusalKey(request.symbol, _shape(request)), now)
        if retry_at is not None:
            raise RefusedTooOften(
                f"{self._codec.VENUE} has refused this same amendment for the same reason again "
                f"and again; ask for another qty, or wait {retry_at - now:.0f} s",
                venue=self._codec.VENUE,
                retry_at=self._clock.wall() + retry_at - now,
            )

    def _error(
        self,
        order: Order,
        known: Order,
        request: OrderRequest,
        failure: Failure,
        evidence_id: str | None,
    ) -> OutlastError:
        venue, name = self._codec.VENUE, order.client_order_id
        price = "" if request.price is None else f" at {request.price}"
        doing = f"the amendment of order {name} ({order.symbol}) to {request.qty}{price}"
        if known.amendment is not None:
            return OutcomeUnknown(
                f"{doing} may be in force at {venue}: {failure.describe()}; it is being settled, "
                f"wait for it with settle({name!r}) and do not ask for it again",
                client_order_id=name,
                venue=venue,
                evidence_id=evidence_id,
                failure=failure,
            )
        was_told = failure.kind == TOLD
        if known.status.is_final and (was_told or failure.outcome is not Outcome.NOT_SENT):
            failure = _ended(known)
        elif failure.outcome is Outcome.UNKNOWN:
            failure = replace(failure, outcome=Outcome.REFUSED)
        return order_error(
            failure,
            venue=venue,
            client_order_id=name,
            clock=self._clock,
            evidence_id=evidence_id,
            doing=doing,
        )

    def _is_asked(self, name: str) -> bool:
        return self._known(name).amendment is not None

    def _required(self, name: str) -> Order:
        order = self._orders.ledger.get(name)
        if order is None:
            raise UnknownOrder(
                f"no order {name!r} is known to this session; ids come from Order.client_order_id",
                venue=self._codec.VENUE,
            )
        return order

    def _known(self, name: str) -> Order:
        order = self._orders.ledger.get(name)
        assert order is not None
        return order

    def _invalid(self, field: str, message: str) -> InvalidOrder:
        return InvalidOrder(message, field=field, venue=self._codec.VENUE)


def _ended(order: Order) -> Failure:
    """The order was over before its amendment, or by it."""
    ended = local_failure("unknown_order", f"the order has ended: it is {order.status.value}")
    return replace(ended, outcome=Outcome.REFUSED)


def _is_in_force(known: Order, before: Order, *, price: Decimal | None, qty: Decimal) -> bool:
    """True when the terms asked for are in force; a reduce-only order may get less of them."""
    if known.amendment is not None or known.status is OrderStatus.CANCELED:
        return False
    if has_terms(known, price=price, qty=qty):
        return True
    is_changed = not has_terms(known, price=before.price, qty=before.qty)
    return known.reduce_only and known.price == price and is_changed


def _shape(request: OrderRequest) -> str:
    return f"amend {shape_of(request)}"


def _positive(value: Any, *, field: str) -> Decimal:
    """Raises TypeError for a float, ValueError for what is no number above 0."""
    number = money(value, field=field)
    if number <= 0:
        raise ValueError(f"{field} is {number}; it must be above 0")
    return number
