"""One WebSocket that is kept up: dialled again when it is lost, replaced before it grows too old.

A line knows nothing of what is said on it. Its user says what to do when a connection is up
(authenticate, subscribe), and hears every message with the number of the connection that brought
it. Nothing in here raises for what the network or the venue does.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from math import inf
from typing import Final

from outlast.client.logs import logger
from outlast.client.streams.dialler import Dialler
from outlast.core.dialling import Redial
from outlast.errors import OutlastError
from outlast.stream_wire import DialFault, Sent, Socket, SocketClosed
from outlast.wire import Clock

__all__ = ["Sent", "StreamLine"]

UP_WITHIN_S: Final = 30.0
"""For `on_up`: it may wait for a token over REST and for every acknowledgement."""
OVERLAP_S: Final = 5.0
"""How long a connection that was replaced is still heard: what was asked on it is answered, and
the first data of the new one has come by then."""


class _Link:
    """One connection of a line, from the dial to its end."""

    __slots__ = (
        "changed",
        "closed",
        "era",
        "is_settled",
        "last_message_at",
        "opened_at",
        "pinged_at",
        "rollover_at",
        "socket",
    )

    def __init__(self, era: int) -> None:
        self.era = era
        self.socket: Socket | None = None
        self.closed: SocketClosed | None = None
        self.is_settled = False
        """`on_up` is through: the link is in use, or given up."""
        self.opened_at = self.last_message_at = self.pinged_at = 0.0
        self.rollover_at = inf
        self.changed = asyncio.Event()
        """Set when whoever looks after it should look again."""


_greeting: ContextVar[_Link | None] = ContextVar("outlast_greeting", default=None)
"""The link whose `on_up` is running: what that sends goes to this one, all else to the one in use
until then."""


class StreamLine:
    """One socket kept up. `run_for_ever` does the work; start it in the session's task group.

    Args:
        name: for logs.
        dialler: the session's, which keeps to the venue's limits on dials.
        where: the URL for the next dial; None when there is none now (no token, say): asked again
            after a back-off.
        on_up: runs once per connection, to authenticate and subscribe. `send`, `era` and `drop`
            mean the new connection inside it, also while an older one is still in use. When it
            raises, or takes more than `UP_WITHIN_S`, the connection is dropped; it is cancelled
            when the connection is lost meanwhile.
        on_message: hears each message in the call that brought it. Must be cheap and must not
            raise; `message_era` says which connection it came by. Some venues speak before `on_up`.
        on_down: hears why, once, when the connection in use is lost and none has replaced it.
        silence_limit_s: a connection that brought no message for so long is dropped. None where
            silence is usual: a connection that is only half open is found within 20 s by the
            protocol's own pings.
        ping, ping_every_s: a message to send at this interval, for venues with a ping of their own.
        max_age_s: the venue ends connections of this age; a new one is opened and made ready before
            that, and the old one is heard for `OVERLAP_S` more.
        urgent: orders depend on it: it may use the whole budget of dials.
    """

    def __init__(
        self,
        *,
        name: str,
        dialler: Dialler,
        clock: Clock,
        rng: random.Random,
        where: Callable[[], Awaitable[str | None]],
        on_up: Callable[[StreamLine], Awaitable[None]],
        on_message: Callable[[bytes], None],
        on_down: Callable[[str], None],
        silence_limit_s: float | None = None,
        ping: Callable[[], bytes] | None = None,
        ping_every_s: float = 20.0,
        max_age_s: float = 23.5 * 3600,
        urgent: bool = False,
    ) -> None:
        self.name = name
        self._dialler = dialler
        self._clock = clock
        self._where = where
        self._on_up = on_up
        self._on_message = on_message
        self._on_down = on_down
        self._silence_limit_s = silence_limit_s
        self._ping = ping
        self._ping_every_s = ping_every_s
        self._max_age_s = max_age_s
        self._urgent = urgent
        self._redial = Redial(rng, stable_s=dialler.settings.stable_s)
        self._log = logger(line=name)
        self._link: _Link | None = None
        """In use. It may be gone already, and not yet noticed by `run_for_ever`."""
        self._coming: _Link | None = None
        self._leaving: set[_Link] = set()
        self._rolling: asyncio.Task[float | None] | None = None
        self._eras = 0
        self._closing = asyncio.Event()
        self._up_waiters: list[asyncio.Future[None]] = []
        self.is_up = False
        """Connected, and `on_up` is through."""
        self.since = clock.now()
        """Since when it has been up, or down (monotonic)."""
        self._now = clock.now
        self.message_at = -inf
        """When the message being heard came, or the last one did (monotonic)."""
        self.message_era = 0
        """The connection that brought the message being heard."""
        self.lost_era = 0
        """The connection that was lost last; `on_down` reads it. Its successor may be in the middle
        of `on_up` already, when the line was being renewed."""
        self.retry_at: float | None = None
        """When it is dialled next (monotonic); None when it is up or being dialled."""
        self.downs = 0
        """How often a connection in use was lost."""
        self.last_fault = ""
        """Why the last dial failed or the last connection was lost."""

    @property
    def era(self) -> int:
        """The number of the connection in use, from 1; inside `on_up`, of the new one. 0: none yet.

        Each dial that connects takes the next number.
        """
        link = self._spoken_to()
        return 0 if link is None else link.era

    @property
    def last_message_at(self) -> float | None:
        """When the last message came, by whichever connection (monotonic); None: never."""
        return None if self.message_at == -inf else self.message_at

    # What its user does.

    async def send(self, data: bytes | str) -> Sent:
        """Hand a message to the connection. Never raises and never waits.

        `Sent.NOTHING`: no byte of it has left. `Sent.HANDED_OVER`: it may have, whatever happens to
        the connection afterwards.
        """
        return self.send_now(data)

    def send_now(self, data: bytes | str) -> Sent:
        """As `send`, for callers that may not be interrupted in between."""
        link = self._spoken_to()
        if link is None or link.socket is None or link.closed is not None:
            return Sent.NOTHING
        return link.socket.hand_over(data)

    def drop(self, reason: str) -> None:
        """Give the connection up; another is dialled after a back-off."""
        link = self._spoken_to()
        if link is not None:
            self._cut(link, reason)

    def renew(self, reason: str) -> None:
        """Replace the connection as for old age: the new one first. For announced shutdowns."""
        link = self._link
        if link is not None and link.closed is None:
            self._log.info("outlast.line_renewed", reason=reason)
            link.rollover_at = self._clock.now()
            link.changed.set()

    async def wait_until_up(self) -> None:
        """Return when it is up; at once if it is."""
        while not self.is_up:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._up_waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._up_waiters:
                    self._up_waiters.remove(waiter)

    async def close(self) -> None:
        """Say goodbye on every connection and dial no more; `run_for_ever` returns."""
        self._closing.set()
        if self._rolling is not None:
            self._rolling.cancel()
        for link in [self._link, self._coming, *self._leaving]:
            if link is not None and link.socket is not None and link.closed is None:
                link.socket.close()
                self._ended(link, SocketClosed(None, "we closed it"))

    async def run_for_ever(self) -> None:
        """Keep the line up until `close`, or until cancelled."""
        try:
            while not self._closing.is_set():
                link = self._link
                if link is not None and link.closed is None:
                    await self._look_after(link)
                elif self._rolling is not None:
                    await self._rolled()  # its successor is already being dialled
                else:
                    self._link = None
                    await self._wait_for_retry()
                    self.retry_at = await self._bring_up()
        finally:
            if self._rolling is not None:
                self._rolling.cancel()
            await self.close()

    # Dialling.

    async def _wait_for_retry(self) -> None:
        if self.retry_at is not None:
            await self._clock.sleep(max(0.0, self.retry_at - self._clock.now()))
            self.retry_at = None

    async def _bring_up(self) -> float | None:
        """Dial, and make ready. None when a new link is in use, else when to try again."""
        try:
            url = await self._where()
        except OutlastError as error:
            url, self.last_fault = None, str(error)
        if url is None:
            return self._redial.failed(self._clock.now())
        if self._closing.is_set():
            return None
        self._eras += 1
        link = self._coming = _Link(self._eras)
        try:
            answer = await self._dialler.dial(
                url,
                urgent=self._urgent,
                on_message=self._ear(link),
                on_closed=functools.partial(self._ended, link),
            )
            if isinstance(answer, DialFault):
                self.last_fault = answer.describe()
                self._log.warning("outlast.dial_failed", reason=self.last_fault)
                return self._redial.failed(
                    self._clock.now(),
                    http_status=answer.http_status,
                    floor_s=answer.retry_after_s or 0.0,
                )
            now = self._clock.now()
            link.socket = answer
            link.opened_at = link.pinged_at = now
            link.last_message_at = max(link.last_message_at, now)
            link.rollover_at = self._redial.rollover_at(now, self._max_age_s)
            if self._closing.is_set():
                answer.close()
                return None
            if link.closed is None:
                await self._greet(link)
            if link.closed is not None:
                return self._redial.lost(self._clock.now(), code=link.closed.code)
            self._take_into_use(link)
            return None
        finally:
            link.is_settled = True
            self._coming = None
            if link is not self._link and link.socket is not None:
                link.socket.abort()  # never used: cancelled half-way, or given up before it was

    async def _greet(self, link: _Link) -> None:
        """Run `on_up` on a new link, for as long as that lives."""

        async def up() -> None:
            _greeting.set(link)
            async with asyncio.timeout(UP_WITHIN_S):
                await self._on_up(self)

        greeting = asyncio.ensure_future(up())
        lost = asyncio.ensure_future(self._until_closed(link))
        try:
            await asyncio.wait((greeting, lost), return_when=asyncio.FIRST_COMPLETED)
            if not greeting.done():
                return
            error = greeting.exception()
            if error is not None:
                if not isinstance(error, OutlastError | TimeoutError):
                    self._log.error("outlast.line_greeting_failed", exc_info=error)
                self._cut(link, f"not made ready: {type(error).__name__}: {error}")
        finally:
            greeting.cancel()
            lost.cancel()
            await asyncio.wait((greeting, lost))

    async def _until_closed(self, link: _Link) -> None:
        while link.closed is None:
            link.changed.clear()
            await link.changed.wait()

    def _take_into_use(self, link: _Link) -> None:
        now = self._clock.now()
        old, self._link = self._link, link
        self._redial.up(now)
        if not self.is_up:
            self.is_up, self.since = True, now
        if old is not None and old.closed is None:
            self._leaving.add(old)
            asyncio.get_running_loop().call_later(OVERLAP_S, self._let_go, old)
            old.changed.set()
        self._log.info("outlast.line_up", era=link.era)
        waiters, self._up_waiters = self._up_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _let_go(self, link: _Link) -> None:
        self._leaving.discard(link)
        if link.closed is None and link.socket is not None:
            link.socket.close()

    # Looking after the link in use.

    async def _look_after(self, link: _Link) -> None:
        """Ping it, measure its silence and replace it in time, until something changes."""
        link.changed.clear()
        now = self._clock.now()
        due = self._do_chores(link, now)
        if link.closed is not None:
            return
        try:
            async with asyncio.timeout(max(0.0, due - now)):
                await link.changed.wait()
        except TimeoutError:
            pass  # the next chore is due

    def _do_chores(self, link: _Link, now: float) -> float:
        """Do what is due, and return when something is due next."""
        due = now + 3600.0
        if self._ping is not None and link.socket is not None:
            if now >= link.pinged_at + self._ping_every_s:  # the sum, as below: floats differ
                link.pinged_at = now
                link.socket.hand_over(self._ping())
            due = min(due, link.pinged_at + self._ping_every_s)
        if self._silence_limit_s is not None:
            silent_s = now - link.last_message_at
            if now >= link.last_message_at + self._silence_limit_s:
                self._cut(link, f"silent for {silent_s:.1f} s")
                return now
            due = min(due, link.last_message_at + self._silence_limit_s)
        if self._rolling is not None and self._rolling.done():
            at = self._rolling.result()
            self._rolling = None
            if at is not None:  # the old one goes on until a new one can be had
                link.rollover_at = at
        if now >= link.rollover_at:
            link.rollover_at = inf
            self._rolling = asyncio.ensure_future(self._bring_up())
            self._rolling.add_done_callback(lambda _: link.changed.set())
        return min(due, link.rollover_at)

    async def _rolled(self) -> None:
        """Wait for a rollover whose old link was lost in the middle of it."""
        assert self._rolling is not None
        rolling = self._rolling
        try:
            await asyncio.wait((rolling,))
        finally:
            rolling.cancel()
            self._rolling = None
        if not rolling.cancelled():
            self.retry_at = rolling.result()

    # What comes from the socket.

    def _ear(self, link: _Link) -> Callable[[bytes], None]:
        """What hears a link: names that are looked up once, because messages are many."""
        line, now, on_message = self, self._now, self._on_message

        def hear(data: bytes) -> None:
            link.last_message_at = line.message_at = now()
            if link.closed is not None:
                return  # we have given it up: what its user was told is over
            line.message_era = link.era
            try:
                on_message(data)
            except Exception as error:  # noqa: BLE001 - a mistake of ours: begin anew, and say so
                line._log.error("outlast.line_listener_failed", exc_info=error)
                line._cut(link, f"its listener failed: {type(error).__name__}: {error}")

        return hear

    def _cut(self, link: _Link, reason: str) -> None:
        if link.closed is None:
            self._ended(link, SocketClosed(None, reason))
            if link.socket is not None:
                link.socket.abort()

    def _ended(self, link: _Link, closed: SocketClosed) -> None:
        if link.closed is not None:
            return
        link.closed = closed
        link.changed.set()
        self._leaving.discard(link)
        if link is not self._link:
            return
        now, reason = self._clock.now(), closed.describe()
        self.is_up, self.since = False, now
        self.downs += 1
        self.lost_era = link.era
        self.last_fault = reason
        if not self._closing.is_set():
            self._log.warning("outlast.line_down", reason=reason, era=link.era)
            if self._rolling is None:
                self.retry_at = self._redial.lost(now, code=closed.code)
        self._on_down(reason)

    def _spoken_to(self) -> _Link | None:
        greeted = _greeting.get()
        if greeted is not None and not greeted.is_settled and greeted is self._coming:
            return greeted
        return self._link
