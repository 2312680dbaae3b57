"""Planted bugs: what happens to orders, and what is believed of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf

import msgspec
from planting import Plant, planted

from outlast.client import calls
from outlast.client import settling as settling_room
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.exits import Exits
from outlast.client.lookups import Lookups
from outlast.client.orders import OrderDesk
from outlast.client.settling import Settler
from outlast.core import orders as order_table
from outlast.core.orders import Change, OrderEvent, OrderLedger
from outlast.core.policy import RetryAt
from outlast.core.settle import AbsenceProof, Lookup, Step
from outlast.errors import Failure, Outcome
from outlast.model import OrderStatus, Pending

# --- what is sent again --------------------------------------------------------------------------


@planted("one-order-per-intent", "no-blind-repeat")
def unknown_orders_are_sent_again(plant: Plant) -> None:
    """An order whose answer was lost is simply posted once more."""
    decide = calls.decide

    def decide_wrongly(request, failure, policy, *, now, **terms):
        if failure.outcome is Outcome.UNKNOWN:
            return RetryAt(now + 0.2)
        return decide(request, failure, policy, now=now, **terms)

    plant.setattr(calls, "decide", decide_wrongly)


@planted("one-order-per-intent", "no-blind-repeat")
def unknown_orders_are_sent_again_with_a_new_id(plant: Plant) -> None:
    """An order whose answer was lost is posted once more, under a new id."""
    send = OrderDesk.send

    async def send_twice(self, request, instrument, **terms):
        done = await send(self, request, instrument, **terms)
        if done.failure is not None and done.failure.outcome is Outcome.UNKNOWN:
            return await send(self, request, instrument, **terms)
        return done

    plant.setattr(OrderDesk, "send", send_twice)


@planted("verdicts-stand", "nothing-unknown-or-orphaned")
def unknown_is_taken_for_refused(plant: Plant) -> None:
    """An answer that says nothing (a 5xx, a page of HTML, silence) means that nothing is live."""
    take_in = OrderDesk._take_in

    def take_in_wrongly(self, client_order_id, request, wire, instrument, result):
        if isinstance(result, Failure) and result.outcome is Outcome.UNKNOWN:
            result = replace(result, outcome=Outcome.REFUSED)
        return take_in(self, client_order_id, request, wire, instrument, result)

    plant.setattr(OrderDesk, "_take_in", take_in_wrongly)


@planted("verdicts-stand", "no-blind-repeat", "nothing-unknown-or-orphaned")
def every_5xx_is_a_refusal(plant: Plant) -> None:
    """The status decides and not the body: a 503 of unknown outcome counts as refused."""
    judge = calls.CallDesk._judge

    def judge_wrongly(self, flight, answer):
        result = judge(self, flight, answer)
        if isinstance(result, Failure) and (result.http_status or 0) >= 500:
            return replace(result, outcome=Outcome.REFUSED)
        return result

    plant.setattr(calls.CallDesk, "_judge", judge_wrongly)


@planted("one-order-per-intent")
def exit_is_sent_twice(plant: Plant) -> None:
    """Two exits for one position, because one of them may be refused."""
    send = Exits._send

    async def send_two(self, plan, instrument, action, report, max_slippage, until):
        terms = (plan, instrument, action, report, max_slippage, until)
        await asyncio.gather(send(self, *terms), send(self, *terms))

    plant.setattr(Exits, "_send", send_two)


@planted("one-order-per-intent")
def exit_overlooks_unknown_orders(plant: Plant) -> None:
    """An exit whose outcome is unknown counts as not sent, and the next one is for the whole."""
    live = Exits._live

    def only_acknowledged(self, symbol):
        return [o for o in live(self, symbol) if o.status is not OrderStatus.UNKNOWN]

    plant.setattr(Exits, "_live", only_acknowledged)


# --- how unknown ends ----------------------------------------------------------------------------


@planted("p2-unknown-ends-by-proof", "verdicts-stand")
def settles_on_a_timer(plant: Plant) -> None:
    """An unknown order is held for not placed as soon as ten seconds have passed."""
    begin = AbsenceProof.__init__

    def begin_timed(self, settings, *, sent_at, **terms):
        begin(self, settings, sent_at=sent_at, **terms)
        self.ends_at = sent_at + 10.0

    def wait(self, now):
        return None if now >= self.ends_at else Step(Lookup.ORDER, self.ends_at)

    class Timed(AbsenceProof):
        __init__ = begin_timed
        next_step = wait

    plant.setattr(settling_room, "AbsenceProof", Timed)


@planted("p2-unknown-ends-by-proof", "verdicts-stand")
def horizon_is_zero(plant: Plant) -> None:
    """Absence counts from the first lookup on, while the order may still be on its way."""
    begin = AbsenceProof.__init__

    def begin_early(self, settings, *, sent_at, **terms):
        quick = replace(settings, round_spacing_s=0.5, fences_in_trouble=1, look_every_s=0.5)
        begin(self, quick, sent_at=sent_at, **terms)
        self.horizon = self._counts_from = sent_at

    plant.setattr(AbsenceProof, "__init__", begin_early)


@planted("p2-unknown-ends-by-proof", "verdicts-stand")
def absent_after_one_lookup(plant: Plant) -> None:
    """One "no such order" is proof enough: no open orders, no fills, no second look."""

    def once(self, lookup, *, asked_at, now):
        del lookup, asked_at, now
        self._rounds, self._fences = 99, 99

    plant.setattr(AbsenceProof, "absent", once)


@planted("p2-unknown-ends-by-proof", "verdicts-stand")
def absent_without_a_fence(plant: Plant) -> None:
    """Nobody asks whether the engine's queue has been worked off."""
    begin = AbsenceProof.__init__

    def begin_without(self, settings, *, sent_at, valid_for_s, needs_fence):
        del needs_fence
        begin(self, settings, sent_at=sent_at, valid_for_s=valid_for_s, needs_fence=False)

    plant.setattr(AbsenceProof, "__init__", begin_without)
    plant.setattr(AbsenceProof, "trouble", lambda self, *, now: self._pause(now))


@planted("p2-unknown-ends-by-proof", "verdicts-stand", focus="doubt")
def could_not_ask_means_not_found(plant: Plant) -> None:
    """A lookup that failed counts as one that found nothing."""
    ask = Settler._ask

    async def ask_wrongly(self, lookup, order, instrument):
        answer = await ask(self, lookup, order, instrument)
        return True if isinstance(answer, Failure) else answer

    plant.setattr(Settler, "_ask", ask_wrongly)


@planted("intents-end", "nothing-unknown-or-orphaned")
def settling_is_given_up(plant: Plant) -> None:
    """After three lookups nobody goes on asking what became of an unknown order."""
    take = Settler._take

    async def take_three(self, proof, lookup, order):
        proof_looks = getattr(self, "_looks", {})
        self._looks = proof_looks
        name = order.client_order_id
        proof_looks[name] = proof_looks.get(name, 0) + 1
        if proof_looks[name] > 3:
            await self._clock.sleep(86_400.0)
        await take(self, proof, lookup, order)

    plant.setattr(Settler, "_take", take_three)


@planted("verdicts-stand", "books-balance", "nothing-unknown-or-orphaned")
def missing_from_the_open_orders_means_cancelled(plant: Plant) -> None:
    """An order that one list of open orders leaves out is held for cancelled, unasked."""
    order = Lookups.order

    async def cancelled(self, asked, instrument):
        if asked.status in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED):
            self._orders.apply(asked.client_order_id, OrderEvent.CANCELED)
            return False
        return await order(self, asked, instrument)

    plant.setattr(Lookups, "order", cancelled)


@planted("verdicts-stand", "books-balance", "nothing-unknown-or-orphaned")
def unknown_order_at_a_cancel_means_cancelled(plant: Plant) -> None:
    """The cancel is answered "no such order", and the order is held for cancelled."""
    call = calls.CallDesk.call

    async def call_and_believe(self, request, **terms):
        answer = await call(self, request, **terms)
        is_cancel = request.name == "order.cancel" and request.client_order_id
        if is_cancel and isinstance(answer, Failure) and answer.kind == "unknown_order":
            ledger = self.book.ledger
            if ledger.get(request.client_order_id) is not None:
                self.book.apply(request.client_order_id, OrderEvent.CANCELED)
        return answer

    _give_calls_the_book(plant)
    plant.setattr(calls.CallDesk, "call", call_and_believe)


def _give_calls_the_book(plant: Plant) -> None:
    begin = OrderDesk.__init__

    def begin_with_book(self, codec, desk, book, *rooms, **terms):
        begin(self, codec, desk, book, *rooms, **terms)
        desk.book = book

    plant.setattr(OrderDesk, "__init__", begin_with_book)


# --- states and fills ----------------------------------------------------------------------------


@planted("verdicts-stand", focus="fills")
def state_goes_backwards(plant: Plant) -> None:
    """Whatever a report says is believed, also when it is older than what is known."""
    report_rightly = OrderLedger.report

    def report(self, report, *, at):
        before = self._orders.get(report.client_order_id)
        if before is None:
            return report_rightly(self, report, at=at)
        after = msgspec.structs.replace(
            before,
            status=report.status,
            pending=Pending.NOTHING,
            venue_order_id=report.venue_order_id or before.venue_order_id,
            filled_qty=report.filled_qty,
            avg_price=report.avg_price,
            as_of=at,
        )
        self._put(after)
        if after.venue_order_id is not None:
            self._by_venue_id[after.venue_order_id] = after.client_order_id
        return Change(before, after)

    plant.setattr(OrderLedger, "report", report)


@planted("books-balance")
def fill_is_booked_twice(plant: Plant) -> None:
    """Each path that brings a fill books it."""
    book = OrderLedger.book

    def book_again(self, execution, *, at):
        self._executions.pop((execution.venue_order_id, execution.execution_id), None)
        return book(self, execution, at=at)

    plant.setattr(OrderLedger, "book", book_again)


@planted("books-balance", "verdicts-stand")
def fill_is_booked_whole(plant: Plant) -> None:
    """A partial fill is booked as if it were all of the order."""
    book = OrderLedger.book

    def book_whole(self, execution, *, at):
        order = self.by_venue_id(execution.venue_order_id)
        if order is not None:
            execution = replace(execution, qty=order.qty)
        return book(self, execution, at=at)

    plant.setattr(OrderLedger, "book", book_whole)


@planted("books-balance", "verdicts-stand", focus="fills")
def later_fills_replace_the_first(plant: Plant) -> None:
    """What is filled is what the last fill brought, not their sum."""
    report = OrderLedger.report

    def last_fill(self, told, *, at):
        before = self._orders.get(told.client_order_id)
        if before is not None and 0 < before.filled_qty < told.filled_qty:
            told = msgspec.structs.replace(told, filled_qty=told.filled_qty - before.filled_qty)
        return report(self, told, at=at)

    plant.setattr(OrderLedger, "report", last_fill)


@planted("verdicts-stand", "books-balance")
def cancelled_is_final_although_it_filled(plant: Plant) -> None:
    """A fill that crossed the cancel on the wire is not looked for."""
    table = {
        pair: status
        for pair, status in order_table.TRANSITIONS.items()
        if pair[0] not in (OrderStatus.CANCELED, OrderStatus.EXPIRED)
    }
    plant.setattr(order_table, "TRANSITIONS", table)
    report = OrderLedger.report

    def deaf(self, told, *, at):
        before = self._orders.get(told.client_order_id)
        if before is not None and before.pending is Pending.CANCEL:
            told = msgspec.structs.replace(
                told, status=OrderStatus.CANCELED, filled_qty=before.filled_qty
            )
        return report(self, told, at=at)

    plant.setattr(OrderLedger, "report", deaf)


# --- the journal and restarts --------------------------------------------------------------------


@planted("crash-safe")
def journal_is_written_after_sending(plant: Plant) -> None:
    """The intent is written down half a second after its order may have left."""

    def intend_late(self, client_order_id, request, **terms):
        order = self.ledger.create(client_order_id, request, at=self._clock.wall(), **terms)

        def write():
            self._journal.note("order.intent", order=msgspec.to_builtins(order))

        asyncio.get_running_loop().call_later(0.5, write)
        return order, None

    plant.setattr(OrderBookkeeper, "intend", intend_late)


@planted("crash-safe", "one-order-per-intent")
def ids_begin_anew_after_a_restart(plant: Plant) -> None:
    """What the journal says of ids that were used is not read: they start at 1 again."""
    from outlast.core.ids import ClientOrderIds

    plant.setattr(ClientOrderIds, "note_used", lambda *_: None)
    plant.setattr(ClientOrderIds, "note_run", lambda *_: None)
    plant.setattr(ClientOrderIds, "_new_run", lambda _: "00000")
    restore = OrderLedger.create

    def create(self, client_order_id, request, **terms):
        self._orders.pop(client_order_id, None)
        return restore(self, client_order_id, request, **terms)

    plant.setattr(OrderLedger, "create", create)


@planted("crash-safe", "one-order-per-intent")
def ids_are_used_again(plant: Plant) -> None:
    """An id is free again once its order has ended."""
    from outlast.core.ids import ClientOrderIds

    following = ClientOrderIds.next

    def wrap(self):
        self._used %= 3
        return following(self)

    create = OrderLedger.create

    def create_again(self, client_order_id, request, **terms):
        known = self._orders.get(client_order_id)
        if known is not None and known.status.is_final:
            self._orders.pop(client_order_id)
        return create(self, client_order_id, request, **terms)

    plant.setattr(ClientOrderIds, "next", wrap)
    plant.setattr(OrderLedger, "create", create_again)


@planted("intents-end", "nothing-unknown-or-orphaned")
def restart_forgets_unknown_orders(plant: Plant) -> None:
    """After a restart nobody asks what became of orders that the journal leaves open."""
    plant.setattr(OrderDesk, "resume", lambda *_: None)


@planted("crash-safe")
def restart_forgets_all_orders(plant: Plant) -> None:
    """After a restart only what the venue still shows is known."""
    plant.setattr(OrderBookkeeper, "restore", lambda *_: [])


@planted("books-balance")
def restart_forgets_fills(plant: Plant) -> None:
    """After a restart the fills of before are not known, and booked again."""
    restore = OrderBookkeeper.restore

    def restore_orders(self, history):
        history.executions.clear()
        return restore(self, history)

    plant.setattr(OrderBookkeeper, "restore", restore_orders)


@planted("p8-shown-without-secrets")
def changes_are_not_written(plant: Plant) -> None:
    """Only intents are in the journal; what became of them is not."""
    write = OrderBookkeeper._write

    def write_some(self, order, *, because):
        if order.status is not OrderStatus.CANCELED:
            write(self, order, because=because)

    plant.setattr(OrderBookkeeper, "_write", write_some)


# --- deadlines -----------------------------------------------------------------------------------


@planted("deadlines-kept")
def deadlines_are_ignored(plant: Plant) -> None:
    """A call takes as long as it takes, whatever its caller allowed."""
    call = calls.CallDesk.call

    async def call_patiently(self, request, *, deadline=None, **terms):
        del deadline
        return await call(self, request, deadline=self._clock.now() + 3_600.0, **terms)

    plant.setattr(calls.CallDesk, "call", call_patiently)


@planted("deadlines-kept")
def settling_takes_no_account_of_the_deadline(plant: Plant) -> None:
    """`submit` waits until an unknown order is settled, however long that takes."""
    settled = OrderDesk._settled

    async def settled_in_the_end(self, client_order_id, until):
        del until
        return await settled(self, client_order_id, inf)

    plant.setattr(OrderDesk, "_settled", settled_in_the_end)
