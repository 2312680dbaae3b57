"""The way back to new risk after an outage: reconcile, cool down, return in steps.

The stages are `core.recovery`'s. Here they are carried out through ccxt: what was down is asked for
cheaply, orders, fills, balances and positions are compared, and entries wait meanwhile. Cancels and
orders that only reduce never wait for any of it. While nothing fails, nothing is asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ccxt.base import errors as ccxt

from outlast.adapters.ccxt.driving import Driver
from outlast.adapters.ccxt.gate import Call, Gate, current
from outlast.adapters.ccxt.settings import GuardSettings
from outlast.adapters.ccxt.terms import Terms
from outlast.adapters.ccxt.verdict import RiskHeld, marked
from outlast.client.guard import local_failure
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.core.attempts import Attempts
from outlast.core.recovery import Recovery, Stage
from outlast.errors import Failure, Outcome
from outlast.model import Plane
from outlast.wire import Lane

__all__ = ["WayBack"]

BAN_MIN_S: Final = 65.0
"""A ban of so long is an outage; a wait for the next minute of a counter is not."""
UNWELL_WITHIN_S: Final = 30.0
UNWELL_SHARE: Final = 0.2
UNWELL_MIN: Final = 2
"""A venue that fails a fifth of the calls of the last half minute is not well, though too much gets
through to leave it alone. Source: BitMEX, 19 May 2020, 18 minutes of which were a false dawn."""
LOOK_EVERY_S: Final = 1.0
STATUS_EVERY_S: Final = 15.0
"""How often a venue that says it is closed is asked whether it is still."""
AGAIN_FIRST_S: Final = 2.0
AGAIN_MOST_S: Final = 15.0
"""Between two comparisons; each costs up to 60 of USD-M's 2,400 weight a minute."""
COMPARE_EVERY_S: Final = 300.0
"""While it cools down and steps: stops fire when matching begins again, minutes after the first
answers (Kraken, January 2018)."""
PROBE_EVERY_S: Final = 3.0
PROBE_LATER_S: Final = 12.0

_PLANES: Final = (Plane.TRADING, Plane.ACCOUNT)
_CLOSED_KINDS: Final = frozenset(
    {"maintenance", "shutting_down", "post_only_mode", "limit_only_mode", "only_reduce_allowed"}
)
_JOB: Final = "return"


class WayBack:
    """Says whether an order that adds risk may leave, and works on that it may again."""

    def __init__(
        self,
        exchange: Any,
        *,
        driver: Driver,
        gate: Gate,
        journal: Journal,
        settings: GuardSettings,
        fence: Callable[[str], Awaitable[bool]] | None,
        compare: Callable[[float], Awaitable[bool]],
    ) -> None:
        """`fence` has the engine answer for something harmless, on a symbol; None where it cannot.
        `compare` reads orders, fills, balances and positions from a time on (epoch), and says
        whether all of it was answered."""
        self._exchange = exchange
        self._driver = driver
        self._gate = gate
        self._journal = journal
        self._settings = settings
        self._fence = fence
        self._compare = compare
        self._log = logger(venue=f"ccxt:{exchange.id}")
        self._recovery = Recovery(settings.recovery)
        self._stage = Stage.FREE
        self._closed: str | None = None
        """What the venue says that keeps it closed."""
        self._status_at = 0.0
        self._doubts_status = False
        self._compare_at = 0.0
        self._was_well = False
        """Whether orders or the account were ever answered."""
        self._symbol: str | None = None
        """On which the fence is asked for."""
        self._calls: deque[tuple[float, bool]] = deque()
        self._plain = {
            name: getattr(exchange, name, None) for name in ("fetch_status", "fetch_time")
        }
        terms = settings
        self._attempts = Attempts(
            attempts_max=terms.attempts_max,
            pause_s=terms.attempts_pause_s,
            pause_s_max=terms.attempts_pause_s_max,
        )
        self._exits = Attempts(
            attempts_max=terms.attempts_max,
            pause_s=terms.attempts_pause_s,
            pause_s_max=terms.exits_pause_s_max,
        )
        gate.on_change = self.look
        gate.on_result = self._heard
        if journal.history.recovery not in ("", Stage.FREE.value):
            self._begin(
                "the one that an earlier process was in", since=journal.history.recovery_since
            )

    @property
    def stage(self) -> Stage:
        return self._stage

    # Before an order.

    async def admit(self, terms: Terms, *, reduces: bool) -> None:
        """Let an order pass, or wait a little and raise.

        Raises:
            RiskHeld: nothing was sent; why, and from when on it may pass, is in `error.outlast`.
        """
        give_up_at = self._gate.now + self._settings.hold_max_s
        while (held := await self._held(terms, reduces=reduces)) is not None:
            why, retry_at = held
            if retry_at is None or retry_at > give_up_at:
                wait_s = self._settings.pause_s
                if retry_at is not None:
                    wait_s = min(wait_s, retry_at - self._gate.now)
                await self._driver.clock.sleep(max(0.0, wait_s))
                raise self._error(why, retry_at)
            await self._driver.clock.sleep(max(0.001, retry_at - self._gate.now))
        if not reduces:
            self._recovery.passed(now=self._gate.now)

    async def _held(self, terms: Terms, *, reduces: bool) -> tuple[str, float | None] | None:
        now, key = self._gate.now, _key(terms)
        if reduces:
            retry_at = self._exits.retry_at(key, now)
            why = f"{self._exits.count(key)} exits in a row have failed"
            return None if retry_at is None else (why, retry_at)
        self._symbol = terms.symbol
        await self._ask_status()
        if self._stage is not Stage.FREE:
            await self.tend()
        held = self._recovery.held(now=self._gate.now)
        self._tell()
        if held is not None and not self._takes(terms) and not self._gate.banned_for_s():
            return held  # of a ban the gate itself tells, by the class that ccxt has for it
        retry_at = self._attempts.retry_at(key, now)
        if retry_at is None:
            return None
        return f"{self._attempts.count(key)} {terms.side} orders in a row have failed", retry_at

    def _takes(self, terms: Terms) -> bool:
        """Whether the venue has said that it takes orders of just this shape."""
        if self._closed == "post_only_mode":
            return terms.post_only
        return self._closed == "limit_only_mode" and terms.type == "limit"

    def _error(self, why: str, retry_at: float | None) -> Exception:
        after_s = None if retry_at is None else max(0.0, retry_at - self._gate.now)
        failure = local_failure("held", f"not sent: {why}", retry_after_s=after_s)
        made = RiskHeld(f"{self._exchange.id} {failure.message}")
        error: Exception = marked(made, self._gate.verdict(failure))
        return error

    # After it.

    def taken(self, terms: Terms, *, reduces: bool) -> None:
        """The venue took an order. One exit that passes opens the way for all."""
        if not self._attempts.is_clear:
            self._attempts.succeeded(_key(terms))
        if reduces and not self._exits.is_clear:
            self._free_exits()

    def failed(self, terms: Terms, failure: Failure | None, *, reduces: bool) -> None:
        """An order has left, and nothing came of it."""
        if failure is None or failure.outcome is Outcome.NOT_SENT:
            return
        if reduces:
            self._exits.failed(_key(terms), self._gate.now)
            return
        if failure.infrastructure or failure.kind in _CLOSED_KINDS:
            self._attempts.failed(_key(terms), self._gate.now)
            self._doubts_status = self._attempts.count(_key(terms)) >= 2
        if failure.kind in _CLOSED_KINDS:
            self._close(failure.kind)

    def _close(self, kind: str) -> None:
        """The venue says of itself that it takes no new risk."""
        self._closed, self._status_at = kind, self._gate.now + STATUS_EVERY_S
        self._begin(f"the venue is closed: {kind}")
        self.look()

    def _free_exits(self) -> None:
        self._exits = Attempts(
            attempts_max=self._settings.attempts_max,
            pause_s=self._settings.attempts_pause_s,
            pause_s_max=self._settings.exits_pause_s_max,
        )

    # Outages.

    def look(self) -> None:
        """See whether an outage has begun or ended."""
        why = self._why_out()
        if why is not None:
            self._begin(why)
        else:
            if self._stage is Stage.SHUT and not self._recovery.wants_reconciliation:
                self._free_exits()
            self._recovery.over(now=self._gate.now)
            self._recovery.held(now=self._gate.now)  # takes the steps that time brings
            self._tell()

    async def tend(self) -> None:
        """Go on with the way back: behind, or as far as it goes at once without an event loop."""
        if self._stage is not Stage.FREE:
            await self._driver.run_apart(_JOB, self._run, self._gate.now)

    async def _run(self, stop_at: float) -> None:
        pause_s = AGAIN_FIRST_S
        token = current.set(Call(lane=Lane.RECONCILE, symbol=self._symbol))
        try:
            while True:
                self.look()
                if self._stage is Stage.FREE:
                    await self._compare_all()
                    return
                wait_s = LOOK_EVERY_S
                if self._recovery.wants_reconciliation:
                    began_at = self._recovery.ended_at
                    if await self._compare_all() and not self._is_unwell():
                        self._recovery.reconciled(began_at=began_at, now=self._gate.now)
                        self._tell()
                    wait_s, pause_s = pause_s, min(2 * pause_s, AGAIN_MOST_S)
                elif self._stage is Stage.SHUT:
                    await self._ask_the_door()
                elif self._stage is Stage.COOLING:
                    await self._probe("fetch_time")
                    cooled_s = self._gate.now - self._recovery.since
                    wait_s = min(PROBE_LATER_S, max(PROBE_EVERY_S, cooled_s / 20))
                if self._stage is not Stage.SHUT and self._gate.now >= self._compare_at:
                    await self._compare_all()
                if not self._driver.is_async or self._gate.now + wait_s > stop_at:
                    return
                await self._driver.clock.sleep(wait_s)
        finally:
            current.reset(token)

    async def _ask_status(self) -> None:
        """Two orders in a row have failed: the venue may say why. Kraken answers orders in a
        maintenance with the same words as in an overload."""
        if not self._doubts_status or self._stage is not Stage.FREE:
            return
        self._doubts_status = False
        shown = await self._probe("fetch_status")
        if shown and shown.get("status") not in (None, "ok"):
            self._close("maintenance")

    async def _compare_all(self) -> bool:
        """Everything since the outage began; True when all of it was answered."""
        self._compare_at = self._gate.now + COMPARE_EVERY_S
        since = self._driver.clock.wall() - self._gate.now + self._recovery.out_since
        return await self._compare(since)

    async def _ask_the_door(self) -> None:
        """Entries wait, so they find out nothing: ask what is left alone, and what is closed."""
        now = self._gate.now
        if self._closed is not None and now >= self._status_at:
            self._status_at = now + STATUS_EVERY_S
            shown = await self._probe("fetch_status")
            if shown is None or shown.get("status") == "ok":
                self._closed = None
        if self._gate.wants_probe(Plane.TRADING):
            if self._fence is not None and self._symbol is not None:
                await self._fence(self._symbol)
            else:
                self._gate.try_again(Plane.TRADING)
        if self._gate.wants_probe(Plane.ACCOUNT):
            await self._compare(self._driver.clock.wall())

    async def _probe(self, name: str) -> Any:
        """One cheap read; None where this exchange has none, {} where it was not answered."""
        method = self._plain[name]
        if method is None or self._exchange.has.get(_camel(name)) is not True:
            return None
        try:
            return await self._driver.call(method)
        except (ccxt.BaseError, KeyError, TypeError, AttributeError, ValueError):
            return {}

    def _why_out(self) -> str | None:
        for plane in _PLANES:
            if self._gate.is_left_alone(plane):
                return f"{plane.value} is being left alone after repeated failures"
        if not self._was_well and self._gate.is_left_alone(Plane.MARKET_DATA):
            return "it was on when the exchange was opened"
        if self._gate.banned_for_s() >= BAN_MIN_S:
            return "the venue told us to stay away"
        return None if self._closed is None else f"the venue is closed: {self._closed}"

    def _heard(self, plane: Plane, failed: bool) -> None:
        """A request has been answered, or has not."""
        if plane in _PLANES and not failed:
            self._was_well = True
        if self._stage is Stage.FREE:
            return
        self._calls.append((self._gate.now, failed))
        if self._stage in (Stage.COOLING, Stage.STEPPING) and self._is_unwell():
            self._begin("the venue fails too many calls still")

    def _is_unwell(self) -> bool:
        now = self._gate.now
        while self._calls and self._calls[0][0] < now - UNWELL_WITHIN_S:
            self._calls.popleft()
        failed = sum(failed for _, failed in self._calls)
        return failed >= UNWELL_MIN and failed >= UNWELL_SHARE * len(self._calls)

    def _begin(self, why: str, *, since: float | None = None) -> None:
        now = self._gate.now
        began = None if since is None else now - max(0.0, self._driver.clock.wall() - since)
        if self._recovery.outage(why, now=now, since=began):
            self._tell(why)

    def _tell(self, why: str = "") -> None:
        stage = self._recovery.stage
        if stage is self._stage:
            return
        self._stage = stage
        if stage is Stage.FREE:
            self._calls.clear()
        self._log.warning("outlast.recovery_changed", stage=stage.value, reason=why)
        out_since = self._driver.clock.wall() - (self._gate.now - self._recovery.out_since)
        self._journal.note_now(
            "recovery.changed",
            stage=stage.value,
            reason=why,
            out_since=out_since,
            cool_down_s=self._recovery.cool_down_s,
        )


def _key(terms: Terms) -> str:
    return f"{terms.symbol} {terms.side}"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
