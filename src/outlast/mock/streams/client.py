"""One connected client: its subscriptions, its pings and its limits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from websockets.frames import CloseCode

from outlast.mock.clock import Alarm
from outlast.mock.http.plans import Answer, HttpMessage
from outlast.mock.http.websocket import WebSocketLink
from outlast.mock.scenario.model import StreamFault
from outlast.mock.streams.faults import Outlet, is_book

if TYPE_CHECKING:
    from outlast.mock.streams.hub import Sockets
    from outlast.mock.venues.dialect import Call
    from outlast.mock.venues.streams import Feed, Plug, Update

__all__ = ["Client", "Subscription"]

IN_FLIGHT_MAX: Final = 200
"""Requests of one socket that may wait for their answers; one more closes it."""
_WINDOW_S: Final = 1.0


class Subscription:
    """One client on one topic."""

    def __init__(
        self,
        client: Client,
        topic: str,
        *,
        channel: str,
        symbol: str | None,
        feed: Feed,
        ordinal: int,
        state: Any,
    ) -> None:
        self.client = client
        self.topic, self.channel, self.symbol, self.feed = topic, channel, symbol, feed
        self.ordinal = ordinal
        self.state = state
        """The dialect's own."""
        self.rule: str | None = None
        self._outlet = Outlet(channel, self)

    def send(self, update: Update) -> None:
        """Send an update of this channel, through whatever the scenario does to it."""
        self._outlet.send(update)

    # -- for the client ---------------------------------------------------------------------------

    @property
    def fault(self) -> StreamFault | None:
        return self._outlet.fault

    def begin(self, fault: StreamFault | None, rule: str | None) -> None:
        self.rule = rule
        self._outlet.open(fault)

    def change(self, fault: StreamFault | None, rule: str | None) -> None:
        if (fault, rule) != (self._outlet.fault, self.rule):
            self.rule = rule
            self._outlet.change(fault)

    def end(self) -> None:
        self._outlet.close()

    @property
    def brought_back(self) -> int:
        return self._outlet.brought_back

    # -- for its outlet ---------------------------------------------------------------------------

    def forward(self, update: Update) -> None:
        self.client.deliver(update)

    def later(self, delay_s: float, action: Callable[[], None]) -> Alarm:
        return self.client.sockets.later(delay_s, action)

    def chance(self, what: str, number: int) -> float:
        client = self.client
        return client.sockets.draw(
            what, self.rule or "", client.who, client.ordinal, self.ordinal, number
        )

    def room_for(self, size: int) -> bool:
        return self.client.room_for(size)

    def doubt(self, *, is_untrue: bool) -> None:
        if self.symbol is not None and is_book(self.channel):
            self.client.sockets.doubt(self, is_untrue=is_untrue)

    @property
    def now_s(self) -> float:
        return self.client.sockets.now_s

    @property
    def keeps_held(self) -> bool:
        return self.client.sockets.keeps_held


class Client:
    """One socket. `state` is the dialect's own; `account` may be set when a client logs on."""

    def __init__(
        self,
        sockets: Sockets,
        plug: Plug,
        message: HttpMessage,
        link: WebSocketLink,
        *,
        number: int,
        ordinal: int,
    ) -> None:
        self.sockets, self.plug, self.message = sockets, plug, message
        self.number = number
        """Of this connection, counted over the run; from 1."""
        self.ordinal = ordinal
        """How many of this endpoint class the same account or address had before."""
        self.ip = message.peer_ip
        self.account = plug.account
        self.opened_ms = sockets.now_ms
        self.state: Any = None
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._subscriptions: dict[str, Subscription] = {}
        self._line: dict[Feed, tuple[StreamFault | None, str | None]] = {}
        self._line_alarms: dict[Feed, Alarm] = {}
        self._bursts: set[str] = set()
        self._kept_bytes = 0
        self._requests: set[asyncio.Task[None]] = set()
        self._inbound: deque[float] = deque()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._pings = 0
        self._lifetime: Alarm | None = None

    @property
    def who(self) -> str:
        """What chances and rules know the client by: its account, or its address."""
        return self.account or self.ip

    @property
    def is_open(self) -> bool:
        return self._link.is_open

    @property
    def answers_pings(self) -> bool:
        """False while the scenario leaves pings unanswered; those in text messages too."""
        return self._link.answers_pings

    @property
    def subscriptions(self) -> Mapping[str, Subscription]:
        """By topic, in the order in which they were made."""
        return MappingProxyType(self._subscriptions)

    # -- for the dialect --------------------------------------------------------------------------

    def send(self, text: str, *, shown: tuple[int, ...] = ()) -> None:
        """Send an answer: no stream fault touches it."""
        self._put(text, shown)

    def subscribe(
        self,
        topic: str,
        *,
        channel: str,
        symbol: str | None = None,
        feed: Feed | None = None,
        state: Any = None,
    ) -> Subscription:
        """Put the client on a topic; one that it is on already is given back as it is.

        `symbol` is the instrument's name on the wire.
        """
        known = self._subscriptions.get(topic)
        if known is not None:
            return known
        feed = feed or self.plug.feed
        subscription = Subscription(
            self,
            topic,
            channel=channel,
            symbol=symbol,
            feed=feed,
            ordinal=self.sockets.next_ordinal(self.who, feed),
            state=state,
        )
        self._subscriptions[topic] = subscription
        self.sockets.joined(subscription)
        if feed not in self._line:
            self._decide_line(feed)
        subscription.begin(*self.sockets.decide(self, subscription))
        self._burst_soon(subscription)
        return subscription

    def unsubscribe(self, topic: str) -> bool:
        """Take the client off a topic; False when it was not on it."""
        subscription = self._subscriptions.pop(topic, None)
        if subscription is None:
            return False
        subscription.end()
        self.sockets.left(subscription)
        return True

    def ask(self, call: Call, frame: Callable[[Answer], str]) -> None:
        """Send a request through the venue's pipeline; `frame` writes its answer as one text."""
        if len(self._requests) >= IN_FLIGHT_MAX:
            self.close(CloseCode.POLICY_VIOLATION, "Too many requests in flight")
            return
        task = self._loop.create_task(self.sockets.serve(self, call, frame))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    def close(self, code: int, reason: str = "") -> None:
        """Close the socket; 1006 cuts it without a close frame."""
        self._link.close(code, reason)

    def cut(self) -> None:
        """End the connection now, without a close frame."""
        self._link.abort()

    # -- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to count pings and age; the dialect greets after this."""
        rules = self.plug.rules
        self._decide_line(self.plug.feed)
        if rules.ping_every_s is not None:
            self._arm("ping", rules.ping_every_s, self._ping)
        if rules.lifetime_s is not None:
            self._lifetime = self.sockets.later(rules.lifetime_s, self._too_old)
        self._heard()

    def listen(self, trailing: bytes) -> None:
        self._link.listen(self, trailing)

    def reconsider(self) -> None:
        """The scenario has changed: ask again what it does to this client."""
        for feed in list(self._line):
            self._decide_line(feed)
        for subscription in list(self._subscriptions.values()):
            subscription.change(*self.sockets.decide(self, subscription))
            self._burst_soon(subscription)

    def deliver(self, update: Update) -> None:
        """Hand one update of a channel to the network."""
        self._put(update.text, update.shown)

    def room_for(self, size: int) -> bool:
        """Account for what is kept back for this client; without room it is dropped."""
        self._kept_bytes += size
        if size > 0 and self._kept_bytes > self.sockets.allowance_bytes:
            self._kept_bytes -= size
            return False
        return True

    def _put(self, text: str, shown: tuple[int, ...]) -> None:
        if not self._link.send_text(text):
            return
        if self._link.unsent_bytes > self.sockets.allowance_bytes:
            self._link.abort()  # it reads too slowly
            return
        if shown:
            self.sockets.show(shown)

    # -- what arrives -----------------------------------------------------------------------------

    def text_received(self, text: str) -> None:
        self._heard()
        if self._too_many():
            return
        self.sockets.take(self, text)

    def ping_received(self) -> None:
        self._heard()
        if self.plug.rules.counts_pings:
            self._too_many()

    def pong_received(self, payload: bytes) -> None:
        self._heard()
        if payload == self._ping_payload():
            self._disarm("pong")
        if self.plug.rules.counts_pings:
            self._too_many()

    def link_lost(self) -> None:
        for name in list(self._timers):
            self._disarm(name)
        if self._lifetime is not None:
            self._lifetime.cancel()
        for alarm in self._line_alarms.values():
            alarm.cancel()
        self._line_alarms.clear()
        for task in list(self._requests):
            task.cancel()
        for topic in list(self._subscriptions):
            self.unsubscribe(topic)
        self.sockets.gone(self)

    def _too_many(self) -> bool:
        """Count one message; True when it is one too many, and the socket is being closed."""
        most = self.plug.rules.inbound_per_s
        if most is None:
            return False
        now = self._loop.time()
        while self._inbound and self._inbound[0] <= now - _WINDOW_S:
            self._inbound.popleft()
        if len(self._inbound) >= most:
            self.close(CloseCode.POLICY_VIOLATION, "Too many requests")
            return True
        self._inbound.append(now)
        return False

    # -- timers -----------------------------------------------------------------------------------

    def _heard(self) -> None:
        if self.plug.rules.idle_s is not None:
            self._arm("idle", self.plug.rules.idle_s, self._idle)

    def _idle(self) -> None:
        self.close(CloseCode.NORMAL_CLOSURE, "")

    def _ping_payload(self) -> bytes:
        return b"%d" % self._pings

    def _ping(self) -> None:
        self._pings += 1
        self._link.ping(self._ping_payload())
        if "pong" not in self._timers:
            self._arm("pong", self.plug.rules.pong_within_s, self._no_pong)
        assert self.plug.rules.ping_every_s is not None
        self._arm("ping", self.plug.rules.ping_every_s, self._ping)

    def _no_pong(self) -> None:
        self._timers.pop("pong", None)
        self.close(CloseCode.POLICY_VIOLATION, "Pong timeout")

    def _too_old(self) -> None:
        self.close(CloseCode.GOING_AWAY, "")

    def _arm(self, name: str, after_s: float, action: Callable[[], None]) -> None:
        self._disarm(name)
        self._timers[name] = self._loop.call_later(after_s, action)

    def _disarm(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    # -- faults of the whole socket ---------------------------------------------------------------

    def _decide_line(self, feed: Feed) -> None:
        fault, rule = self.sockets.decide_line(self, feed)
        if self._line.get(feed) == (fault, rule):
            return
        self._line[feed] = (fault, rule)
        alarm = self._line_alarms.pop(feed, None)
        if alarm is not None:
            if alarm.at_s <= self.sockets.now_s and not alarm.cancelled:
                alarm.action()  # due in the very instant in which the phase ends
            alarm.cancel()
        self._link.answers_pings = not any(
            fault is not None and fault.kind == "no_pong" for fault, _ in self._line.values()
        )
        if fault is None:
            return
        if fault.kind == "close":
            self._line_alarms[feed] = self.sockets.later(
                self._lives_s(fault, rule), lambda: self._close_as_told(fault.code)
            )
        elif fault.kind == "expire_key":
            self.sockets.soon(lambda: self.sockets.expire_key(self))

    def _lives_s(self, fault: StreamFault, rule: str | None) -> float:
        """How long until the scenario closes this socket.

        A phase's rule beats from the start of the phase and drops everybody at once: so it does in
        a phase no longer than one beat. A rule added while running has no beat: it counts anew for
        each socket.
        """
        moment = self.sockets.moment
        if all(rule != of_phase.id for of_phase in moment.phase.faults):
            return fault.seconds
        return fault.seconds - moment.phase_elapsed_s % fault.seconds

    def _close_as_told(self, code: int) -> None:
        if code in (CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART):
            self.sockets.going_away(self)
        self.close(code)

    # -- bursts -----------------------------------------------------------------------------------

    def _burst_soon(self, subscription: Subscription) -> None:
        """Once for each rule, when everything that is being subscribed to in one go is there."""
        fault, rule = subscription.fault, subscription.rule or ""
        if fault is None or fault.kind != "burst_on_resume" or rule in self._bursts:
            return
        self._bursts.add(rule)
        self.sockets.soon(lambda: self._burst(rule, fault.count))

    def _burst(self, rule: str, count: int) -> None:
        """After the held-back messages: what the dialect can still make, evenly.

        Not every channel has a backlog: what one cannot make is asked of the others.
        """
        makers = [s for s in self._subscriptions.values() if s.rule == rule]
        left = count - sum(s.brought_back for s in makers)
        while left > 0 and makers:
            able = []
            for index, subscription in enumerate(makers):
                share = -(-left // (len(makers) - index))
                made = 0
                for update in self.sockets.backlog(subscription, share):
                    self.deliver(update)
                    made += 1
                left -= made
                if made == share:
                    able.append(subscription)
            makers = able
