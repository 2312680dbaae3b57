"""All sockets of one venue: dials, clients, topics, tickers, faults, requests.

See `mock/venues/streams.py` for what a dialect does with it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from websockets.frames import CloseCode

from outlast.mock.clock import Alarm, VenueClock
from outlast.mock.engine.engine import Engine
from outlast.mock.faults import Chance, FaultDesk, RequestFacts
from outlast.mock.http.plans import (
    Answer,
    Deliver,
    Dribble,
    Hang,
    HttpMessage,
    Refuse,
    ReplyPlan,
    Reset,
    ResetAt,
    Truncate,
)
from outlast.mock.http.websocket import WebSocketLink
from outlast.mock.keys import KeyRing
from outlast.mock.limits import Charge, LimitBreach, Limiter, LimitWindow, Usage
from outlast.mock.raw_replies import RAW_KINDS, delivery_of, raw_answer
from outlast.mock.scenario.model import FaultRule, Reply, StreamFault
from outlast.mock.scenario.moment import Moment
from outlast.mock.streams.books import BookFeed
from outlast.mock.streams.client import Client, Subscription
from outlast.mock.venues.dialect import Call, Dialect, WireAnswer

if TYPE_CHECKING:
    from outlast.mock.stage import Stage
    from outlast.mock.truth import Truth
    from outlast.mock.venues.streams import Feed, Plug, StreamDialect, Update

__all__ = ["Sockets", "brings_back"]

logger = logging.getLogger("outlast.mock.streams")

MESSAGE_BYTES_MAX: Final = 64 * 1024
"""What a client may say at once; above: 1009. A thousand stream names fit."""
_ALL_BYTES_MAX: Final = 64 * 1024 * 1024
_CLIENT_BYTES_MAX: Final = 4 * 1024 * 1024
_CLIENT_BYTES_MIN: Final = 128 * 1024

Serve = Callable[[Call], Awaitable[ReplyPlan]]
"""The venue's pipeline for one call; its message says where it comes from."""


@dataclass(slots=True)
class _Ticker:
    interval_ms: int
    action: Callable[[], None]
    alarm: Alarm | None = None


class Sockets:
    """The streaming side of one venue."""

    def __init__(
        self,
        *,
        streams: StreamDialect,
        dialect: Dialect,
        stage: Stage,
        clock: VenueClock,
        desk: FaultDesk,
        chance: Chance,
        truth: Truth,
        limiter: Limiter,
        serve: Serve,
        keeps_held: bool,
    ) -> None:
        self._streams, self._dialect, self._stage = streams, dialect, stage
        self._clock, self._desk, self._chance = clock, desk, chance
        self._truth, self._limiter, self._serve = truth, limiter, serve
        self.keeps_held = keeps_held
        """Whether muted messages may ever be brought back, so that they must be kept."""
        self._clients: dict[int, Client] = {}
        self._topics: dict[str, dict[int, Subscription]] = {}
        self._tickers: list[_Ticker] = []
        self._dialled: Counter[tuple[str, str]] = Counter()
        self._joined: Counter[tuple[str, str]] = Counter()
        self._doubted: dict[str, set[tuple[int, int]]] = {}
        self._opened = 0
        self._decided_for: object = None
        streams.attach(self)

    # -- for the dialect --------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        return self._stage.engine

    @property
    def books(self) -> BookFeed:
        """Every symbol's book; REST reads it too."""
        return self._stage.books

    @property
    def keys(self) -> KeyRing:
        return self._stage.keys

    @property
    def now_ms(self) -> int:
        """The venue's clock as the venue shows it."""
        return self._stage.shown_ms

    @property
    def now_s(self) -> float:
        """Seconds since the start of the scenario."""
        return self._clock.elapsed_s

    @property
    def moment(self) -> Moment:
        return self._stage.moment

    @property
    def stage(self) -> Stage:
        """The venue's engine and what the script makes of it: lies about accounts, inband lag."""
        return self._stage

    @property
    def clients(self) -> Sequence[Client]:
        return tuple(self._clients.values())

    def on(self, topic: str) -> Sequence[Subscription]:
        """Who is on a topic now."""
        return tuple(self._topics.get(topic, {}).values())

    def topics(self) -> Sequence[str]:
        """The topics that somebody is on."""
        return tuple(self._topics)

    def publish(self, topic: str, render: Callable[[Subscription], Update | None]) -> None:
        """Send to everybody on a topic what `render` makes for each; None: nothing for this one."""
        for subscription in self.on(topic):
            update = render(subscription)
            if update is not None:
                subscription.send(update)

    def every(self, interval_ms: int, action: Callable[[], None]) -> None:
        """Call `action` at every multiple of so many venue milliseconds, while anybody subscribes.

        With no subscription anywhere it rests, so that an idle socket does not cut time in pieces.
        """
        ticker = _Ticker(interval_ms, action)
        self._tickers.append(ticker)
        self._arm(ticker)

    def later(self, delay_s: float, action: Callable[[], None]) -> Alarm:
        """Do something after so many seconds of venue time."""
        return self._clock.later(delay_s, action)

    def soon(self, action: Callable[[], None]) -> None:
        """Do something at this instant of venue time, when what is under way is done."""
        self._clock.later(0.0, action)
        if self._clock.paused:
            # A clock that stands still wakes nobody; requests are answered all the same.
            asyncio.get_running_loop().call_soon(self._clock.catch_up)

    def windows(self) -> tuple[LimitWindow, ...]:
        """The venue's counters with the limits in force."""
        return self._limiter.windows(self.moment.limits)

    def usage(self, ip: str, account: str | None) -> Usage:
        """Where the counters of an address and an account stand."""
        return self._limiter.usage(ip, account, self._clock.now_ms)

    # -- dialling ---------------------------------------------------------------------------------

    async def dial(self, message: HttpMessage) -> ReplyPlan | None:
        """The answer to a handshake; None when the venue has no socket at this path."""
        plug = self._streams.plug(message)
        if plug is None:
            return None
        if isinstance(plug, WireAnswer):
            return ReplyPlan(answer=_on_the_wire(plug))
        breach = self._dial_breach(plug, message.peer_ip)
        if breach is not None:
            self._note_dial(plug, "banned")
            return self._plan_of(self._dialect.limited(breach, None, self.now_ms), message)
        who = plug.account or message.peer_ip
        ordinal = self._dialled[who, plug.feed.connect]
        self._dialled[who, plug.feed.connect] += 1
        facts = self._facts(plug.feed.connect, who)
        decision = self._desk.decide(facts, self.moment, ordinal)
        if decision.latency_s > 0:
            await self._pass(decision.latency_s)
        if decision.reply.is_normal or decision.reply.kind == "mode":
            return ReplyPlan(upgrade=partial(self._open, plug, message))
        self._note_dial(plug, "refused")
        return self._refusal(plug, message, decision.reply)

    def _dial_breach(self, plug: Plug, ip: str) -> LimitBreach | None:
        now_ms, limits = self._clock.now_ms, self.moment.limits
        charge = Charge(weight=plug.weight)
        breach = self._limiter.dial(ip, limits, now_ms)
        if breach is None and plug.weight:
            breach = self._limiter.admit(ip, None, charge, limits, now_ms)
            if breach is None:
                self._limiter.count(ip, None, charge, now_ms)
        return breach

    def _refusal(self, plug: Plug, message: HttpMessage, reply: Reply) -> ReplyPlan:
        delivery = delivery_of(reply, self._clock)
        if isinstance(delivery, Hang | Refuse) or (
            isinstance(delivery, Reset) and delivery.at is ResetAt.CONNECT
        ):
            return ReplyPlan(delivery=delivery)
        if reply.kind in RAW_KINDS:
            return self._plan_of(raw_answer(reply), message)
        call = Call(endpoint=plug.feed.connect, name="dial", message=message)
        named = Reply(kind="overload") if isinstance(delivery, _PARTLY) else reply
        answer = self._dialect.render(named, call, self.now_ms)
        plan = self._plan_of(answer, message)
        return ReplyPlan(answer=plan.answer, delivery=delivery)

    def _plan_of(self, answer: WireAnswer, message: HttpMessage) -> ReplyPlan:
        decorated = self._dialect.decorate(answer, None, self.usage(message.peer_ip, None))
        return ReplyPlan(answer=_on_the_wire(decorated))

    async def _pass(self, seconds: float) -> None:
        """Let venue time pass."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._clock.later(seconds, lambda: None if done.done() else done.set_result(None))
        await done

    def _open(
        self, plug: Plug, message: HttpMessage, transport: asyncio.Transport, trailing: bytes
    ) -> WebSocketLink:
        """The reply to the handshake is due: switch protocols."""
        link = WebSocketLink(transport, message, message_bytes_max=MESSAGE_BYTES_MAX)
        if not link.is_open:
            return link  # no proper handshake: it has been told so
        self._opened += 1
        who = plug.account or message.peer_ip
        client = Client(
            self,
            plug,
            message,
            link,
            number=self._opened,
            ordinal=self.next_ordinal(who, plug.feed),
        )
        self._clients[client.number] = client
        self._note_dial(plug, "accepted")
        client.start()
        self._guarded(client, lambda: self._streams.opened(client))
        client.listen(trailing)
        return link

    def _note_dial(self, plug: Plug, outcome: str) -> None:
        self._truth.connect(
            self._clock.now_ms,
            plug.feed.connect,
            outcome,
            venue=self._dialect.venue,
            account=plug.account,
        )

    # -- the scenario -----------------------------------------------------------------------------

    def reconsider(self) -> None:
        """Something of the scenario has changed, or time has come to a border in it."""
        moment = self.moment
        now = (
            moment.phase_index,
            moment.faults_active,
            moment.admitted_share,
            tuple(rule.id for rule in self._desk.added),
        )
        if now == self._decided_for:
            return
        self._decided_for = now
        self.keeps_held = self.keeps_held or any(map(brings_back, self._desk.added))
        for client in self.clients:
            client.reconsider()

    def decide_line(self, client: Client, feed: Feed) -> tuple[StreamFault | None, str | None]:
        """What happens to a whole socket as far as it is of this feed."""
        facts = self._facts(feed.stream, client.who)
        decision = self._desk.decide(facts, self.moment, client.ordinal)
        return decision.stream, decision.rule_id

    def decide(
        self, client: Client, subscription: Subscription
    ) -> tuple[StreamFault | None, str | None]:
        """What happens to one subscription."""
        symbol = subscription.symbol
        facts = self._facts(
            subscription.feed.stream,
            client.who,
            channel=subscription.channel,
            symbol=self._stage.key_of(symbol) if symbol else None,
        )
        decision = self._desk.decide(facts, self.moment, subscription.ordinal)
        fault = decision.stream
        if fault is None and decision.latency_s > 0:
            fault = StreamFault(kind="delay", seconds=decision.latency_s)
        return fault, decision.rule_id

    def draw(self, *parts: str | int) -> float:
        """A chance in [0, 1) that follows from these parts alone."""
        return self._chance.draw("stream", self._dialect.venue, *parts)

    def next_ordinal(self, who: str, feed: Feed) -> int:
        """How many sockets and subscriptions of this feed the same one had before."""
        ordinal = self._joined[who, feed.stream]
        self._joined[who, feed.stream] += 1
        return ordinal

    def _facts(
        self, endpoint: str, who: str, *, channel: str | None = None, symbol: str | None = None
    ) -> RequestFacts:
        return RequestFacts(
            endpoint=endpoint,
            venue=self._dialect.venue,
            product=self._dialect.product,
            account=who,
            channel=channel,
            symbol=symbol,
        )

    # -- for the clients --------------------------------------------------------------------------

    @property
    def allowance_bytes(self) -> int:
        """What may wait for one client: an equal share of what may wait for all."""
        share = _ALL_BYTES_MAX // max(1, len(self._clients))
        return max(_CLIENT_BYTES_MIN, min(_CLIENT_BYTES_MAX, share))

    def doubt(self, subscription: Subscription, *, is_untrue: bool) -> None:
        """Note whether the book that a subscription was sent is another one than the engine's."""
        assert subscription.symbol is not None
        doubted = self._doubted.setdefault(self._stage.key_of(subscription.symbol), set())
        one = (subscription.client.number, subscription.ordinal)
        if is_untrue:
            doubted.add(one)
        else:
            doubted.discard(one)
        self._stage.books_doubted(key for key, by in self._doubted.items() if by)

    def take(self, client: Client, text: str) -> None:
        """A client has said something."""
        self._clock.catch_up()
        self._guarded(client, lambda: self._streams.received(client, text))

    def show(self, order_ids: Iterable[int]) -> None:
        """A stream has told the owner of these orders how they stand."""
        self._truth.shown(self._clock.now_ms, self._dialect.venue, order_ids)

    def joined(self, subscription: Subscription) -> None:
        topic = self._topics.setdefault(subscription.topic, {})
        topic[subscription.client.number] = subscription
        for ticker in self._tickers:
            self._arm(ticker)

    def left(self, subscription: Subscription) -> None:
        topic = self._topics.get(subscription.topic, {})
        topic.pop(subscription.client.number, None)
        if not topic:
            self._topics.pop(subscription.topic, None)

    def gone(self, client: Client) -> None:
        if self._clients.pop(client.number, None) is not None:
            self._streams.closed(client)

    def expire_key(self, client: Client) -> None:
        self._guarded(client, lambda: self._streams.expire_key(client))

    def going_away(self, client: Client) -> None:
        self._guarded(client, lambda: self._streams.going_away(client))

    def backlog(self, subscription: Subscription, count: int) -> Iterable[Update]:
        return self._streams.backlog(subscription, count) if count > 0 else ()

    async def serve(self, client: Client, call: Call, frame: Callable[[Answer], str]) -> None:
        """Put one request of a socket through the pipeline and send its answer as planned."""
        plan: ReplyPlan | None = None
        whole = False
        try:
            plan = await self._serve(call)
            whole = await self._carry_out(client, plan, frame)
        except asyncio.CancelledError:
            raise
        except Exception:
            logger.exception("%s over a socket could not be answered", call.name)
            client.close(CloseCode.INTERNAL_ERROR)
        finally:
            if plan is not None and plan.delivered is not None:
                plan.delivered(whole)

    async def _carry_out(
        self, client: Client, plan: ReplyPlan, frame: Callable[[Answer], str]
    ) -> bool:
        delivery = plan.delivery
        if isinstance(delivery, Hang):
            return False  # never answered; the socket serves others meanwhile
        if isinstance(delivery, Reset | Refuse):
            client.cut()
            return False
        if isinstance(delivery, Dribble):
            await asyncio.sleep(delivery.over_s)  # frames come whole: the last byte decides
            if delivery.cut:
                client.cut()
                return False
        text = frame(plan.answer) if _is_json(plan.answer.body) else _text(plan.answer.body)
        if isinstance(delivery, Truncate):
            text = text[: int(len(text) * delivery.share)]
        client.send(text)
        return client.is_open and isinstance(delivery, Deliver | Dribble)

    def _guarded(self, client: Client, action: Callable[[], None]) -> None:
        """Our own mistakes end this socket and are logged; nobody else's."""
        try:
            action()
        except Exception:
            logger.exception("socket %d of %s failed", client.number, self._dialect.venue)
            client.close(CloseCode.INTERNAL_ERROR)

    # -- timers -----------------------------------------------------------------------------------

    def _arm(self, ticker: _Ticker) -> None:
        if ticker.alarm is not None or not self._topics:
            return
        now_ms = self._clock.now_ms
        next_ms = now_ms - now_ms % ticker.interval_ms + ticker.interval_ms
        at_s = (next_ms - self._clock.t0_ms) / 1000
        ticker.alarm = self._clock.at(at_s, lambda: self._tick(ticker))

    def _tick(self, ticker: _Ticker) -> None:
        ticker.alarm = None
        if self._topics:
            ticker.action()
            self._arm(ticker)

    def close(self) -> None:
        """The run is over: everybody is sent away."""
        for client in self.clients:
            client.close(CloseCode.GOING_AWAY)


_PARTLY: Final = (Dribble, Truncate, Reset)


def brings_back(rule: FaultRule) -> bool:
    """Whether a rule delivers what an earlier one has muted."""
    return rule.stream is not None and rule.stream.kind == "burst_on_resume"


def _on_the_wire(answer: WireAnswer) -> Answer:
    return Answer(status=answer.status, headers=answer.headers, body=answer.body)


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
