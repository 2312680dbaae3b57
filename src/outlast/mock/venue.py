"""One venue at work: the way of a request from its arrival to the last byte of its reply.

arrive → time moves on → route → who asks → bans and limits → fault decision → latency → engine →
reply. What the client is told and what the engine does are decided together and carried out
independently: the effect is an alarm of the venue's clock, so it lands even when the connection
that asked for it is gone.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from outlast.mock.clock import VenueClock
from outlast.mock.engine.events import EngineEvent, OrderEvent
from outlast.mock.engine.model import Product
from outlast.mock.faults import Chance, FaultDecision, FaultDesk, RequestFacts
from outlast.mock.http.plans import (
    Answer,
    Deliver,
    Delivery,
    Dribble,
    Hang,
    HttpMessage,
    Refuse,
    ReplyPlan,
)
from outlast.mock.keys import Account
from outlast.mock.limits import LimitBreach, Limiter
from outlast.mock.raw_replies import RAW_KINDS, delivery_of, raw_answer
from outlast.mock.records import CreateFacts, Landed, RequestRecord, Told
from outlast.mock.scenario.model import APPLY, NO_EFFECT, Reply
from outlast.mock.scenario.moment import Moment
from outlast.mock.stage import Stage
from outlast.mock.streams.hub import Sockets
from outlast.mock.timers import VenueTimers
from outlast.mock.truth import Truth
from outlast.mock.venues.dialect import Call, Dialect, WireAnswer
from outlast.mock.view import VenueView

__all__ = ["Venue"]

UNKNOWN_PATH: Final = "unknown"
"""The endpoint class in the record of a request for a path that the venue does not have."""

_UNCOUNTED: Final = frozenset({"overload", "unavailable", "refuse"})
"""Replies of requests that never got as far as the counters. Source: Binance USD-M futures docs,
General Info, HTTP return codes: -1008 and "Service Unavailable" are not counted."""
_CARRIED: Final = frozenset({"dribble", "truncate", "reset"})
"""Replies that carry the normal answer, or a part of it."""
_SECRETS: Final = frozenset({"signature", "apiKey", "token"})
_HANGING_MS: Final = 600_000
"""A request that has been under way for longer does not keep the truth from folding what is
closed."""


@dataclass(slots=True, kw_only=True)
class _Request:
    """One request on its way through."""

    record: RequestRecord
    ip: str
    call: Call
    account: Account | None
    moment: Moment
    decision: FaultDecision
    refusal: WireAnswer | None = None
    """The venue's answer when the request could not be authenticated."""
    performed: WireAnswer | None = None


class Venue:
    """The pipeline of one venue; as a callable, the app of its HTTP server."""

    def __init__(
        self,
        *,
        dialect: Dialect,
        stage: Stage,
        clock: VenueClock,
        desk: FaultDesk,
        chance: Chance,
        truth: Truth,
        ordinals: Iterator[int],
        keeps_held: bool = False,
    ) -> None:
        """`keeps_held`: muted messages may be brought back (`burst_on_resume`): keep them."""
        self.id = dialect.venue
        self.stage = stage
        self.limiter = Limiter(dialect.windows)
        self._dialect = dialect
        self._clock, self._desk, self._chance, self._truth = clock, desk, chance, truth
        self._ordinals = ordinals
        self._asked: Counter[tuple[str, str]] = Counter()
        self._timers = VenueTimers(clock)
        self._under_way: dict[int, RequestRecord] = {}
        if any(window.taker_back or window.maker_back for window in dialect.windows):
            stage.engine.listen(self._note_fill, public_trades=False)
        self.sockets: Sockets | None = None
        if dialect.streams is not None:
            self.sockets = Sockets(
                streams=dialect.streams,
                dialect=dialect,
                stage=stage,
                clock=clock,
                desk=desk,
                chance=chance,
                truth=truth,
                limiter=self.limiter,
                serve=self._serve_socket,
                keeps_held=keeps_held,
            )

    # -- the app ----------------------------------------------------------------------------------

    async def __call__(self, message: HttpMessage) -> ReplyPlan:
        """The reply to one request, after all the waiting that the scenario makes it do."""
        self._clock.catch_up()
        if message.wants_websocket:
            plan = None if self.sockets is None else await self.sockets.dial(message)
            # A handshake on a path that serves none is a request like any other.
            return plan or await self._serve(message, None)
        return await self._serve(message, self._dialect.route(message))

    async def _serve_socket(self, call: Call) -> ReplyPlan:
        """One request that came over a socket."""
        self._clock.catch_up()
        return await self._serve(call.message, call, transport="ws.api")

    async def _serve(
        self, message: HttpMessage, call: Call | None, *, transport: str = "rest"
    ) -> ReplyPlan:
        request = self._receive(message, call, transport)
        if isinstance(request, ReplyPlan):
            return request
        try:
            if request.decision.latency_s > 0:
                await self._wait(request)
            else:
                self._reach_engine(request)
            return self._plan(request)
        except asyncio.CancelledError:
            self._settle(request.record, whole=False)  # the client left while waiting
            raise

    def told_until_ms(self) -> int:
        """The truth has been told all that happened before this instant.

        Not yet told is a request under way, and what the engine's reports hold back. A request that
        hangs for very long is not waited for.
        """
        now_ms = self._clock.now_ms
        first = next(iter(self._under_way.values()), None)
        waits_ms = now_ms if first is None else max(first.arrived_ms, now_ms - _HANGING_MS)
        return min(waits_ms, self.stage.engine.told_until_ms)

    @property
    def under_way(self) -> list[RequestRecord]:
        """The requests whose reply has not left yet, in the order of their arrival."""
        return list(self._under_way.values())

    def close(self) -> None:
        """The run is over: what is still hanging is reported as it is."""
        if self.sockets is not None:
            self.sockets.close()
        for record in list(self._under_way.values()):
            self._settle(record, whole=False)

    # -- in front of the engine -------------------------------------------------------------------

    def _receive(
        self, message: HttpMessage, call: Call | None, transport: str
    ) -> _Request | ReplyPlan:
        moment, now_ms = self.stage.moment, self.stage.shown_ms
        record = self._open_record(message, call, moment, transport)
        banned = self.limiter.banned(message.peer_ip, moment.limits, self._clock.now_ms)
        if banned is not None:
            return self._turned_away(record, message, call, banned, now_ms)
        known: Account | WireAnswer | None = None
        if call is not None:
            known = self._dialect.authenticate(call, self.stage.keys, now_ms)
        account = known if isinstance(known, Account) else None
        record.account = account.name if account else None
        charge = self._dialect.charge(call)
        record.weight = charge.weight
        breach = self.limiter.admit(
            message.peer_ip, record.account, charge, moment.limits, self._clock.now_ms
        )
        if breach is not None:
            return self._turned_away(record, message, call, breach, now_ms)
        if call is None:
            self.limiter.count(message.peer_ip, None, charge, self._clock.now_ms)
            answer = self._dialect.not_found(message)
            return self._plan_of(record, self._decorated(answer, None, message.peer_ip, None))
        if call.create is not None:
            record.create = self._with_exposure(call.create, account)
        record.batch = tuple(self._with_exposure(create, account) for create in call.batch)
        decision = self._decide(record, call, message.peer_ip, moment)
        if self._counts(decision.reply, record, moment):
            self.limiter.count(message.peer_ip, record.account, charge, self._clock.now_ms)
        return _Request(
            record=record,
            ip=message.peer_ip,
            call=call,
            account=account,
            moment=moment,
            decision=decision,
            refusal=known if isinstance(known, WireAnswer) else None,
        )

    def _open_record(
        self, message: HttpMessage, call: Call | None, moment: Moment, transport: str
    ) -> RequestRecord:
        ordinal = next(self._ordinals)
        record = RequestRecord(
            ordinal=ordinal,
            venue=self.id,
            product=self._dialect.product.value,
            endpoint=call.endpoint if call else UNKNOWN_PATH,
            transport=transport,
            method=message.method,
            path=message.path,
            params={k: v for k, v in call.params.items() if k not in _SECRETS} if call else {},
            arrived_ms=self._clock.now_ms,
            phase=moment.phase.name,
            asked_ids=call.asked_ids if call else (),
            symbol=self.stage.key_of(call.symbol) if call and call.symbol else None,
            effect=APPLY.kind if call and call.is_write else NO_EFFECT.kind,
        )
        self._under_way[ordinal] = record
        return record

    def _decide(self, record: RequestRecord, call: Call, ip: str, moment: Moment) -> FaultDecision:
        who = record.account or ip
        ordinal = self._asked[who, call.endpoint]
        self._asked[who, call.endpoint] += 1
        decision = self._desk.decide(self._facts(record, call, who), moment, ordinal)
        record.rule = decision.rule_id
        record.reply = decision.reply.kind
        record.effect = decision.effect.kind
        return decision

    def _facts(self, record: RequestRecord, call: Call, who: str) -> RequestFacts:
        asked = record.batch if record.create is None else (record.create,)
        types = {create.type for create in asked}
        return RequestFacts(
            endpoint=call.endpoint,
            transport=record.transport,
            venue=self.id,
            product=self._dialect.product,
            symbol=record.symbol,
            reduces=all(create.reduces for create in asked) if asked else None,
            post_only=call.post_only,
            type=types.pop() if len(types) == 1 else None,
            account=who,
            channel=call.channel,
        )

    def _with_exposure(self, create: CreateFacts, account: Account | None) -> CreateFacts:
        """An order against the position and no larger than it can only reduce, flag or no flag."""
        if create.reduces or account is None or create.qty is None:
            return create
        if self._dialect.product is Product.SPOT:
            return create
        state = self.stage.engine.positions(account.name).get(create.symbol)
        held = state.qty if state else Decimal(0)
        against = held < 0 if create.side.lower() == "buy" else held > 0
        return replace(create, reduces=against and create.qty <= abs(held))

    def _counts(self, reply: Reply, record: RequestRecord, moment: Moment) -> bool:
        """Whether the venue's counters see this request, which a fault then answers."""
        rule = moment.limits.count_on(self.id)
        if rule == "all" or reply.is_normal:
            return True
        if reply.kind in _UNCOUNTED or (reply.kind == "reset" and reply.at == "connect"):
            return False
        if rule == "unknown_half" and reply.kind == "unknown":
            return self._chance.draw("counted", self.id, record.ordinal) < 0.5
        return True

    # -- at the engine ----------------------------------------------------------------------------

    async def _wait(self, request: _Request) -> None:
        """Spend the latency in front of the engine; the effect comes after it in any case."""
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def reach() -> None:
            try:
                self._reach_engine(request)
            except Exception as error:
                if reached.done():
                    raise  # nobody waits for it any more; the event loop reports it
                reached.set_exception(error)
            else:
                if not reached.done():
                    reached.set_result(None)

        self._stay_busy(request.record, request.decision.latency_s)
        self._clock.later(request.decision.latency_s, reach)
        await reached

    def _stay_busy(self, record: RequestRecord, for_s: float) -> None:
        """The engine has to do with a request for so long, whatever becomes of its reply."""
        record.busy_until_ms = self._clock.now_ms + math.ceil(for_s * 1000) + 1

    def _reach_engine(self, request: _Request) -> None:
        if request.refusal is not None:
            return
        reply, effect = request.decision.reply, request.decision.effect
        if effect.kind == "apply_after":
            if request.call.is_write:
                request.record.landed = Landed.LATER
                self._stay_busy(request.record, effect.value)
                self._clock.later(effect.value, lambda: self._land(request))
            return
        needs_answer = reply.is_normal or (reply.kind in _CARRIED and not request.call.is_write)
        if effect.kind != "none" or needs_answer or reply.kind == "mode":
            request.performed = self._perform(request)

    def _land(self, request: _Request) -> None:
        """A request that sat in a queue gets to the engine, long after its reply."""
        self._perform(request)

    def _perform(self, request: _Request) -> WireAnswer:
        """Let the engine have it, and note what it did."""
        call, record, effect = request.call, request.record, request.decision.effect
        now_ms = self.stage.shown_ms
        if call.create is not None:
            self.stage.report_market()
        # The queue of `apply_after` stands behind the second check of recvWindow: the window bounds
        # the hand-over to the engine, not what happens inside it (BitMEX, 13 March 2020: requests
        # were executed long after their senders had given up).
        has_waited = self._clock.now_ms > record.arrived_ms and effect.kind != "apply_after"
        lied = False
        answer = self._dialect.expired(call, now_ms) if has_waited else None
        if answer is None:
            view = self._view(request)
            view.silent = effect.kind == "apply_silently"
            answer = self._dialect.perform(call, request.account, view, now_ms)
            lied = view.lied
        if record.landed is not Landed.LATER:
            record.lied, record.rendered_ms = lied, self._clock.now_ms
        if call.is_write and answer.told is Told.OK:
            record.order_ids = answer.order_ids
            if record.landed is Landed.NO and (answer.order_ids or record.create is None):
                record.landed = Landed.YES
            if effect.kind == "apply_then_void":
                self._stay_busy(record, effect.value)
                self._clock.later(effect.value, lambda: self._void(record))
        return answer

    def _note_fill(self, event: EngineEvent) -> None:
        """Orders that trade do not count towards some venues' order limits."""
        fill = event.execution if isinstance(event, OrderEvent) else None
        if isinstance(event, OrderEvent) and fill and event.order.filled_qty == fill.qty:
            self.limiter.first_fill(
                event.account, is_maker=fill.is_maker, now_ms=self._clock.now_ms
            )

    def _void(self, record: RequestRecord) -> None:
        """Let accepted orders vanish; what has filled in the meantime cannot."""
        for order_id in record.order_ids:
            if self.stage.engine.void(order_id):
                self._truth.voided(self._clock.now_ms, self.id, order_id)
                record.landed = Landed.VOIDED

    def _view(self, request: _Request) -> VenueView:
        return VenueView(
            engine=self.stage.engine,
            keys=self.stage.keys,
            lies=self.stage.lies,
            pictures=self.stage.pictures,
            windows=self.limiter.windows(request.moment.limits),
            usage=self.limiter.usage(request.ip, request.record.account, self._clock.now_ms),
            timers=self._timers,
            limits=request.moment.limits,
            shown_mode=self.stage.shown_mode,
            announced=self.stage.announced,
            feed=self.stage.books,
        )

    # -- replies ----------------------------------------------------------------------------------

    def _plan(self, request: _Request) -> ReplyPlan:
        reply, record = request.decision.reply, request.record
        if request.refusal is not None and (reply.is_normal or reply.kind == "mode"):
            answer: WireAnswer | None = request.refusal
        elif reply.is_normal or reply.kind == "mode":
            answer = request.performed
        elif reply.kind in RAW_KINDS:
            return self._plan_of(record, raw_answer(reply))
        elif reply.kind in _CARRIED:
            # The whole answer must be true: of a write that the engine never got, a refusal.
            answer = request.performed or self._render(Reply(kind="overload"), request)
        elif reply.kind in ("hang", "refuse"):
            return self._plan_of(record, None, delivery_of(reply, self._clock))
        else:
            answer = self._render(reply, request)
        if answer is not None and answer.hangs_s is not None:
            return self._plan_of(record, None, Hang(self._clock.loop_seconds(answer.hangs_s)))
        assert answer is not None, f"{record.endpoint}: {reply.kind} has no answer"
        if answer.weightless:
            self.limiter.give_back(request.ip, record.weight, self._clock.now_ms)
            record.weight = 0
        answer = self._decorated(answer, request.call, request.ip, record.account)
        return self._plan_of(record, answer, delivery_of(reply, self._clock))

    def _render(self, reply: Reply, request: _Request) -> WireAnswer:
        return self._dialect.render(reply, request.call, self.stage.shown_ms)

    def _turned_away(
        self,
        record: RequestRecord,
        message: HttpMessage,
        call: Call | None,
        breach: LimitBreach,
        now_ms: int,
    ) -> ReplyPlan:
        record.limited = str(breach.status)
        record.reply = "banned" if breach.is_ban else "rate_limited"
        record.effect = NO_EFFECT.kind
        answer = self._dialect.limited(breach, call, now_ms)
        answer = self._decorated(answer, call, message.peer_ip, record.account)
        return self._plan_of(record, answer)

    def _decorated(
        self, answer: WireAnswer, call: Call | None, ip: str, account: str | None
    ) -> WireAnswer:
        usage = self.limiter.usage(ip, account, self._clock.now_ms)
        return self._dialect.decorate(answer, call, usage)

    def _plan_of(
        self, record: RequestRecord, answer: WireAnswer | None, delivery: Delivery | None = None
    ) -> ReplyPlan:
        """The plan for the server, and in the record what it lets the client know."""
        delivery = delivery or Deliver()
        comes_whole = isinstance(delivery, Deliver) or (
            isinstance(delivery, Dribble) and not delivery.cut
        )
        if answer is not None and not isinstance(delivery, Hang | Refuse):
            record.status, record.code = answer.status, answer.code
        if answer is not None and comes_whole:
            record.told = answer.told
            record.shown, record.told_absent = answer.shown, answer.told_absent
            record.pictures = answer.pictures
            record.limited = record.limited or answer.limited
            record.retry_after_s = _retry_after(answer)
        else:
            record.told = Told.AMBIGUOUS
        return ReplyPlan(
            answer=_on_the_wire(answer),
            delivery=delivery,
            delivered=lambda whole: self._settle(record, whole=whole, cut_short=not comes_whole),
        )

    def _settle(self, record: RequestRecord, *, whole: bool, cut_short: bool = False) -> None:
        """The reply has left, or never will: the record goes to the truth."""
        if self._under_way.pop(record.ordinal, None) is None:
            return
        self._clock.catch_up()
        if whole or cut_short:
            record.replied_ms = self._clock.now_ms
        if not whole:
            record.told = Told.AMBIGUOUS
            record.shown = record.told_absent = record.pictures = ()
            record.lied = False
        self._truth.request(record)
        if record.create is not None and record.create.reduces and record.account is not None:
            asked = self._asked[record.account, record.endpoint]
            self.stage.report_willingness(record.account, ordinal=asked)


def _on_the_wire(answer: WireAnswer | None) -> Answer:
    if answer is None:
        return Answer()
    return Answer(status=answer.status, headers=answer.headers, body=answer.body)


def _retry_after(answer: WireAnswer) -> float | None:
    """The seconds that an answer's `Retry-After` asks to wait."""
    for name, value in answer.headers:
        if name.lower() == "retry-after" and value.isdigit():
            return float(value)
    return None
