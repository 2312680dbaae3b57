"""What the scenario does to one subscription: loses, delays, doubles, swaps, mutes, holds back,
crosses, freezes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from outlast.mock.scenario.model import StreamFault
from outlast.mock.scenario.vocabulary import plain

if TYPE_CHECKING:
    from outlast.mock.clock import Alarm
    from outlast.mock.venues.streams import Update

__all__ = ["HELD_MAX", "Outlet", "Surroundings", "covers", "is_book"]

HELD_MAX: Final = 5000
"""Messages of one muted subscription that a burst may bring back; older ones are lost."""
_SAME: Final = {"book": "depth", "order_book": "depth"}
"""Words for one thing, so that a scenario for several venues needs to say it once."""


def is_book(channel: str) -> bool:
    """Whether a channel carries the order book, by whatever name."""
    return _plain(channel) == "depth"


class Surroundings(Protocol):
    """What an outlet needs of its client and of the exchange."""

    def forward(self, update: Update) -> None:
        """Hand an update to the network."""

    def later(self, delay_s: float, action: Callable[[], None]) -> Alarm:
        """Do something after so many seconds of venue time."""

    def chance(self, what: str, number: int) -> float:
        """A draw in [0, 1) that belongs to this subscription and this update."""

    def room_for(self, size: int) -> bool:
        """Account for bytes kept back (negative: let go); False when there is no room."""

    def doubt(self, *, is_untrue: bool) -> None:
        """Note that what the client was sent is, or is no longer, other than what is true."""

    @property
    def now_s(self) -> float:
        """Seconds since the start of the scenario."""

    @property
    def keeps_held(self) -> bool:
        """Whether the scenario may ever bring muted messages back."""


def covers(fault: StreamFault, *names: str) -> bool:
    """Whether `mute` is about a channel that goes by any of these names."""
    own = {_plain(name) for name in names if name}
    if own & {_plain(word) for word in fault.keep}:
        return False
    return "*" in fault.channels or bool(own & {_plain(word) for word in fault.channels})


def _plain(name: str) -> str:
    word = plain(name)
    return _SAME.get(word, word)


class Outlet:
    """The last metre of one subscription, with the stream fault that is in force."""

    def __init__(self, channel: str, around: Surroundings) -> None:
        self._channel, self._around = channel, around
        self._fault: StreamFault | None = None
        self._silent = False  # for good: confirmed, and then nothing
        self._number = 0
        self._late: deque[tuple[float, Update]] = deque()
        self._alarm: Alarm | None = None
        self._held: deque[Update] = deque()
        self._swapped: Update | None = None
        self._said = ""  # of a book: the message that was sent last
        self._is_untrue = False
        self._has_lost = False  # nothing that comes later makes up for it
        self._missed: tuple[set[Decimal], set[Decimal]] = (set(), set())  # bids, asks
        self.brought_back = 0
        """How many muted messages the burst now in force has brought back."""

    @property
    def fault(self) -> StreamFault | None:
        return self._fault

    def open(self, fault: StreamFault | None) -> None:
        """The subscription begins; `ack_only` is decided here, once."""
        self._silent = fault is not None and fault.kind == "ack_only"
        self._fault = fault

    def change(self, fault: StreamFault | None) -> None:
        """Another fault, or none, from now on. What is on its way is delivered first."""
        before = None if self._fault is None else self._fault.kind
        after = None if fault is None else fault.kind
        self._fault = fault
        if before == "delay" and after != "delay":
            self._release_late()
        if before == "reorder" and self._swapped is not None:
            self._swap_back()
        self.brought_back = 0
        if fault is not None and fault.kind == "burst_on_resume":
            self._release_held(fault.count)
        elif after != "mute":
            self._drop_held()

    def close(self) -> None:
        """The subscription is over; what is kept back is lost."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        for _, update in self._late:
            self._around.room_for(-len(update.text))
        self._late.clear()
        self._drop_held()
        self._swapped = None
        self._has_lost = False
        self._missed = (set(), set())
        self._doubt(is_untrue=False)

    def send(self, update: Update) -> None:
        """Send one update of the channel, the way the fault wants it."""
        if self._silent:
            self._lose()
            return
        self._number += 1
        fault = self._fault
        if fault is None or fault.kind != "frozen":
            self._said = update.text if update.time_field else ""
        if fault is None:
            self._forward(update)
            return
        match fault.kind:
            case "mute" if covers(fault, self._channel, update.kind):
                self._hold(update)
            case "delay":
                self._delay(update, fault.seconds)
            case "gap" if self._drawn(fault):
                self._lose(update)
            case "dup" if self._drawn(fault):
                self._forward(update)
                self._forward(update)
            case "reorder":
                self._reorder(update, fault)
            case "bad_checksum" if update.corrupt is not None and self._drawn(fault):
                self._lose()
                self._around.forward(replace(update, text=update.corrupt()))
            case "crossed" if update.crossed is not None and self._drawn(fault):
                self._lose()
                self._around.forward(replace(update, text=update.crossed()))
            case "frozen" if update.time_field:
                self._say_again(update)
            case _:
                self._forward(update)

    # -- inside -----------------------------------------------------------------------------------

    def _doubt(self, *, is_untrue: bool) -> None:
        """Say once that it has come to this, or that it is over."""
        if is_untrue != self._is_untrue and not (self._has_lost and not is_untrue):
            self._is_untrue = is_untrue
            self._around.doubt(is_untrue=is_untrue)

    def _forward(self, update: Update) -> None:
        """Hand on an update as it is; it may make up for what was lost before it."""
        self._around.forward(update)
        if update.proof is not None and any(self._missed):
            self._missed[0].difference_update(update.proof.bids)
            self._missed[1].difference_update(update.proof.asks)
            self._doubt(is_untrue=update.proof.shows(*self._missed))

    def _lose(self, update: Update | None = None) -> None:
        """An update will never come as it should: only a new subscription helps.

        With a proof, that is so as far as the client can tell.
        """
        if update is not None and update.proof is not None:
            self._missed[0].update(update.proof.bids)
            self._missed[1].update(update.proof.asks)
            self._doubt(is_untrue=update.proof.shows(*self._missed))
            return
        self._has_lost = True
        self._doubt(is_untrue=True)

    def _release_held(self, most: int) -> None:
        """Send what `mute` has held back, the newest `most`."""
        while len(self._held) > most:
            self._around.room_for(-len(self._held.popleft().text))
            self._lose()
        self.brought_back = len(self._held)
        while self._held:
            update = self._held.popleft()
            self._around.room_for(-len(update.text))
            self._around.forward(update)
        self._doubt(is_untrue=False)

    def _say_again(self, update: Update) -> None:
        """Send what was sent last, with the time of this update. The first one goes out as it is:
        it is what the book freezes at."""
        if not self._said:
            self._said = update.text
            self._around.forward(update)
            return
        self._lose()
        stamp = re.compile(rf'"{update.time_field}":("[^"]*"|[0-9]+)')
        now = stamp.search(update.text)
        assert now is not None, "a book's message says when it was"
        self._said = stamp.sub(now[0], self._said, count=1)
        self._around.forward(replace(update, text=self._said, corrupt=None, crossed=None))

    def _drawn(self, fault: StreamFault) -> bool:
        return self._around.chance(fault.kind, self._number) < fault.share

    def _reorder(self, update: Update, fault: StreamFault) -> None:
        if self._swapped is not None:
            self._forward(update)
            self._swap_back()
        elif self._drawn(fault):
            self._lose(update)
            self._swapped = update
        else:
            self._forward(update)

    def _swap_back(self) -> None:
        update, self._swapped = self._swapped, None
        if update is not None:
            self._around.forward(update)

    def _hold(self, update: Update) -> None:
        self._doubt(is_untrue=True)
        if not self._around.keeps_held:
            self._lose()
            return
        if len(self._held) == HELD_MAX:
            self._around.room_for(-len(self._held.popleft().text))
            self._lose()
        while self._held and not self._around.room_for(len(update.text)):
            self._around.room_for(-len(self._held.popleft().text))
            self._lose()
        self._held.append(update)

    def _drop_held(self) -> None:
        while self._held:
            self._lose()
            self._around.room_for(-len(self._held.popleft().text))

    def _delay(self, update: Update, seconds: float) -> None:
        if not self._around.room_for(len(update.text)):
            return  # the client was dropped for it
        self._doubt(is_untrue=True)
        self._late.append((self._around.now_s + seconds, update))
        self._wake()

    def _wake(self) -> None:
        if self._alarm is None and self._late:
            wait_s = self._late[0][0] - self._around.now_s
            self._alarm = self._around.later(max(0.0, wait_s), self._send_due)

    def _send_due(self) -> None:
        self._alarm = None
        now_s = self._around.now_s
        while self._late and self._late[0][0] <= now_s + 1e-9:
            self._forward_late()
        self._wake()

    def _release_late(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._late:
            self._forward_late()

    def _forward_late(self) -> None:
        _, update = self._late.popleft()
        self._around.room_for(-len(update.text))
        self._around.forward(update)
        if not self._late:
            self._doubt(is_untrue=False)
