"""One market data socket: a line, and what is subscribed on each of its connections."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from math import inf
from typing import Final

from outlast.client.streams.apart import apart
from outlast.client.streams.dialler import Dialler
from outlast.client.streams.line import StreamLine
from outlast.core.subscriptions import Subscriptions, TopicState
from outlast.stream_wire import Acked, MarketStreamCodec, Sent, Topic
from outlast.wire import Clock

__all__ = ["MarketLine"]

ANSWERED_WITHIN_S: Final = 4.0
"""How long a new connection waits for its answers before it is used all the same: what was not
answered by then is asked again while the rest works."""
_ERAS_KEPT: Final = 3


class MarketLine:
    """Carries topics; says which are carried, by which connection, and when none is.

    Args:
        on_message: each message, as it comes; `line.message_era` says by which connection.
        on_held: a topic was confirmed on a connection of this era.
        on_down: the connection in use was lost, for this reason. `carries` tells what a successor
            already has.
    """

    def __init__(
        self,
        codec: MarketStreamCodec,
        *,
        name: str,
        url: str,
        dialler: Dialler,
        clock: Clock,
        rng: random.Random,
        on_message: Callable[[bytes], None],
        on_held: Callable[[Topic, int], None],
        on_down: Callable[[str], None],
    ) -> None:
        self._codec = codec
        self._url = url
        self._clock = clock
        self._on_held = on_held
        self._by_era: dict[int, Subscriptions] = {}
        self._wake = asyncio.Event()
        self.topics: dict[Topic, None] = {}
        """What is wanted, in the order of the wishes."""
        traits = codec.TRAITS
        self.line = StreamLine(
            name=name,
            dialler=dialler,
            clock=clock,
            rng=rng,
            where=self._where,
            on_up=self._up,
            on_message=on_message,
            on_down=on_down,
            silence_limit_s=traits.silence_limit_s,
            ping=None if traits.ping_every_s is None else codec.ping,
            ping_every_s=traits.ping_every_s or inf,
            max_age_s=traits.max_age_s,
        )

    # Wishes.

    @property
    def room(self) -> int:
        """How many more topics it may carry."""
        return self._codec.TRAITS.topics_max - len(self.topics)

    def want(self, topic: Topic) -> None:
        self.topics[topic] = None
        for subscriptions in self._by_era.values():
            subscriptions.want(topic)
        self._wake.set()

    def forget(self, topic: Topic) -> None:
        self.topics.pop(topic, None)
        for subscriptions in self._by_era.values():
            subscriptions.forget(topic)
        self._wake.set()

    def renew(self, topic: Topic) -> None:
        """Unsubscribe and subscribe again, on the connection in use."""
        current = self._by_era.get(self.line.era)
        if current is not None:
            current.renew(topic)
            self._wake.set()

    # What the venue says.

    def acked(self, ack: Acked) -> None:
        """Take an answer that came with the message being heard."""
        era = self.line.message_era
        subscriptions = self._by_era.get(era)
        if subscriptions is None:
            return
        for topic in subscriptions.acked(ack, self._clock.now()):
            self._on_held(topic, era)
        self._wake.set()

    def spoke(self, topic: Topic) -> None:
        """Data of a topic came with the message being heard, perhaps before its confirmation."""
        era = self.line.message_era
        subscriptions = self._by_era.get(era)
        if subscriptions is not None and subscriptions.spoke(topic):
            self._on_held(topic, era)

    def carries(self, topic: Topic, *, after_era: int = 0) -> bool:
        """Whether a connection later than this has confirmed the topic."""
        return any(
            era > after_era and subscriptions.state(topic) is TopicState.HELD
            for era, subscriptions in self._by_era.items()
        )

    def error(self, topic: Topic) -> str:
        """Why the venue refused the topic on the connection in use; empty where it did not."""
        current = self._by_era.get(self.line.era)
        return "" if current is None else current.error(topic)

    # Running.

    @apart
    async def run_for_ever(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            subscribing = tasks.create_task(self._subscribe_for_ever())
            try:
                await self.line.run_for_ever()
            finally:
                subscribing.cancel()

    async def close(self) -> None:
        await self.line.close()

    async def _where(self) -> str | None:
        return self._url

    async def _up(self, line: StreamLine) -> None:
        """A new connection: subscribe everything, and give the answers a little time."""
        era = line.era
        subscriptions = Subscriptions(
            self._codec.subscribe,
            self._codec.unsubscribe,
            frame_every_s=self._codec.TRAITS.frame_every_s,
        )
        for topic in self.topics:
            subscriptions.want(topic)
        self._by_era[era] = subscriptions
        for old in sorted(self._by_era)[:-_ERAS_KEPT]:
            del self._by_era[old]
        until = inf
        while not subscriptions.is_settled:
            now = self._clock.now()
            if now >= until:
                break
            frame = subscriptions.next_frame(now)
            if frame is not None:
                await line.send(frame.data)
                continue
            due = subscriptions.due_at()
            if due > now + 1.0:  # all is sent; only answers are missing
                until = min(until, now + ANSWERED_WITHIN_S)
            await self._sleep_until(min(due, until))

    async def _subscribe_for_ever(self) -> None:
        """Send what is wished later, and what has to be asked again."""
        while True:
            await self.line.wait_until_up()
            due = inf
            current = self._by_era.get(self.line.era)
            if current is not None:
                now = self._clock.now()
                frame = current.next_frame(now)
                if frame is not None:
                    if await self.line.send(frame.data) is Sent.NOTHING:
                        self.line.drop("a subscription could not be sent")
                    continue
                due = current.due_at()
            await self._sleep_until(due)

    async def _sleep_until(self, due: float) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(None if due == inf else max(0.0, due - self._clock.now())):
                await self._wake.wait()
        except TimeoutError:
            pass  # something is due
