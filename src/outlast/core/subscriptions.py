"""What one connection is to carry, was asked for, and carries: every answer is checked.

A machine without I/O. It says which message to send next and paces them; it is told the answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from outlast.stream_wire import Acked, Frame, Topic

__all__ = ["Subscriptions", "TopicState"]

ACK_WITHIN_S: Final = 5.0
"""An answer that has not come by then will not come: it is asked again."""
REFUSED_FOR_S: Final = 30.0
"""A refusal (an unknown symbol, too many messages) is not repeated sooner."""

_REQUESTS_KEPT: Final = 256
"""Requests whose answers are recognised: older ones were answered or given up long ago."""

MakeFrames = Callable[..., list[Frame]]
"""(topics, first_id=...): the codec's `subscribe` or `unsubscribe`."""


class TopicState(Enum):
    WANTED = "wanted"
    ASKED = "asked"
    HELD = "held"
    REFUSED = "refused"


@dataclass(slots=True)
class _Entry:
    state: TopicState = TopicState.WANTED
    request_id: int = 0
    at: float = -inf
    error: str = ""


class Subscriptions:
    """Of one connection; a new connection begins with a new one."""

    def __init__(
        self, subscribe: MakeFrames, unsubscribe: MakeFrames, *, frame_every_s: float
    ) -> None:
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._frame_every_s = frame_every_s
        self._entries: dict[Topic, _Entry] = {}
        self._leaving: list[Topic] = []
        self._frames: deque[tuple[bool, Frame]] = deque()
        self._asked: dict[int, tuple[Topic, ...]] = {}
        """By request id, what was subscribed with it."""
        self._next_id = 1
        self._free_at = -inf
        self.refusals = 0

    def want(self, topic: Topic) -> None:
        self._entries.setdefault(topic, _Entry())

    def forget(self, topic: Topic) -> None:
        """No longer: unsubscribe it if it was asked for."""
        entry = self._entries.pop(topic, None)
        if entry is not None and entry.state in (TopicState.ASKED, TopicState.HELD):
            self._leaving.append(topic)

    def renew(self, topic: Topic) -> None:
        """Unsubscribe, and subscribe again."""
        self.forget(topic)
        self._entries[topic] = _Entry()

    def state(self, topic: Topic) -> TopicState | None:
        """None for a topic that is not wanted."""
        entry = self._entries.get(topic)
        return None if entry is None else entry.state

    def error(self, topic: Topic) -> str:
        """Why it was refused last; empty when it was not."""
        entry = self._entries.get(topic)
        return "" if entry is None else entry.error

    @property
    def is_settled(self) -> bool:
        """Every wish was sent and answered, one way or the other."""
        open_states = (TopicState.WANTED, TopicState.ASKED)
        return not self._frames and not any(
            entry.state in open_states for entry in self._entries.values()
        )

    def next_frame(self, now: float) -> Frame | None:
        """What to send now; None when there is nothing, or it is too soon: see `due_at`."""
        self._revive(now)
        if now < self._free_at:
            return None
        if not self._frames:
            self._fill()
        if not self._frames:
            return None
        is_new, frame = self._frames.popleft()
        self._free_at = now + self._frame_every_s
        if is_new:
            for topic in frame.topics:
                entry = self._entries.get(topic)
                if entry is not None:
                    entry.state, entry.request_id, entry.at = (
                        TopicState.ASKED,
                        frame.request_id,
                        now,
                    )
            self._asked[frame.request_id] = frame.topics
            if len(self._asked) > _REQUESTS_KEPT:
                del self._asked[next(iter(self._asked))]
        return frame

    def due_at(self) -> float:
        """When to ask for the next frame at the latest; inf while nothing is to be done."""
        if self._frames or self._leaving:
            return self._free_at
        due = inf
        for entry in self._entries.values():
            if entry.state is TopicState.WANTED:
                due = min(due, self._free_at)
            elif entry.state is TopicState.ASKED:
                due = min(due, entry.at + ACK_WITHIN_S)
            elif entry.state is TopicState.REFUSED:
                due = min(due, entry.at + REFUSED_FOR_S)
        return due

    def acked(self, ack: Acked, now: float) -> list[Topic]:
        """Take an answer; returns the topics that the venue now carries and did not before.

        An answer to a request that nobody remembers, or about a topic that was not in it, changes
        nothing: it may be of an earlier subscription of the same symbol.
        """
        if ack.request_id is None or ack.request_id not in self._asked:
            if ack.error and ack.request_id is None:
                self._free_at = max(self._free_at, now + 1.0)  # "too fast" comes without an id
            return []
        named = self._asked[ack.request_id]
        if ack.topic is not None:
            named = tuple(topic for topic in named if topic == ack.topic)
        elif ack.symbol:
            named = tuple(topic for topic in named if topic.symbol == ack.symbol)
        held: list[Topic] = []
        for topic in named:
            entry = self._entries.get(topic)
            if entry is None or entry.request_id != ack.request_id:
                continue
            if ack.error:
                entry.state, entry.error, entry.at = TopicState.REFUSED, ack.error, now
                self.refusals += 1
            elif entry.state is TopicState.ASKED:
                entry.state, entry.error = TopicState.HELD, ""
                held.append(topic)
        return held

    def spoke(self, topic: Topic) -> bool:
        """Data came. True when it was asked for and not yet answered: it is answered now."""
        entry = self._entries.get(topic)
        if entry is None or entry.state is not TopicState.ASKED:
            return False
        entry.state, entry.error = TopicState.HELD, ""
        return True

    # Inside.

    def _revive(self, now: float) -> None:
        """Ask again what was not answered, and after a while what was refused."""
        for topic, entry in self._entries.items():
            if entry.state is TopicState.ASKED and now >= entry.at + ACK_WITHIN_S:
                self._asked.pop(entry.request_id, None)
                self._leaving.append(topic)  # it may be carried for all we know
                entry.state = TopicState.WANTED
            elif entry.state is TopicState.REFUSED and now >= entry.at + REFUSED_FOR_S:
                entry.state = TopicState.WANTED

    def _fill(self) -> None:
        leaving, self._leaving = self._leaving, []
        self._queue(leaving, self._unsubscribe, is_new=False)
        wanted = [t for t, entry in self._entries.items() if entry.state is TopicState.WANTED]
        self._queue(wanted, self._subscribe, is_new=True)

    def _queue(self, topics: Sequence[Topic], make: MakeFrames, *, is_new: bool) -> None:
        if not topics:
            return
        frames = make(topics, first_id=self._next_id)
        self._next_id += len(frames)
        self._frames.extend((is_new, frame) for frame in frames)
