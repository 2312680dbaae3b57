"""Leave a failing plane of a venue alone, find out cheaply when it is back, return in steps.

                  evidence of "down"            wait over: one cheap probe
        CLOSED ───────────────────────► OPEN ───────────────────────► PROBING
          ▲                              ▲  ◄─── probe failed ──────────┘ │
          │ successes, last step         │ relapse                        │ probe answered
          │                              │                                ▼
         RAMP ◄── one call succeeded ─────────────────────────────────  CANARY

A breaker that counts failures turns a partial failure into a total one: at 60 % random failures
five in a row come every few seconds. This one asks which of two worlds explains the results better,
"down" (99.5 % of calls fail) or "partial" (half do), and opens only when "down" is over a hundred
thousand times likelier (a CUSUM test: Page, "Continuous Inspection Schemes", Biometrika 1954). In a
partial failure retries help, so the calls go on.

Where nothing at all answers at the host, on any plane, that is as good a case, and it is complete
much sooner: behind such a `Door` three failures of its own open a breaker.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from outlast.core.breaker_door import Door
from outlast.errors import ConfigurationError

__all__ = [
    "COMPONENT_DEGRADED",
    "COMPONENT_DOWN",
    "ORDERS",
    "READS",
    "SLOW_CALL",
    "STREAM_SILENT",
    "USER_STREAM_LOST",
    "Breaker",
    "BreakerSettings",
    "BreakerState",
    "Permit",
    "Result",
]

# Evidence other than our own calls, in the unit of `failure_weight`. Each once per event, not once
# per poll. All of it together stays below `open_at`: it shortens the way, it does not go it.
STREAM_SILENT: Final = 1.5
"""A market stream has said nothing for more than three times its usual gap."""
USER_STREAM_LOST: Final = 1.0
COMPONENT_DOWN: Final = 3.0
"""The status page shows a major outage of this component."""
COMPONENT_DEGRADED: Final = 1.0
SLOW_CALL: Final = 0.3
"""One call took more than five times the usual 95th percentile."""


class BreakerState(Enum):
    CLOSED = "closed"
    """Every call passes."""
    OPEN = "open"
    """Nothing passes but SAFETY, until the wait is over."""
    PROBING = "probing"
    """A probe is on its way; still nothing passes but SAFETY."""
    CANARY = "canary"
    """One real call at a time."""
    RAMP = "ramp"
    """A bounded, growing number of calls at a time."""


class Result(Enum):
    """What a call says about the health of the plane."""

    OK = "ok"
    FAILED = "failed"
    """The infrastructure failed: the network, a gateway, an overloaded engine, no answer."""
    NEUTRAL = "neutral"
    """It says nothing: a business refusal, a rate limit, a local fault, a cancelled task."""


# At hand for every call: to look a member up in its enum takes four times as long.
_CLOSED: Final = BreakerState.CLOSED
_OK: Final = Result.OK


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send one attempt, stamped with the era it was given in. Report it once."""

    era: int
    ticket: int = 0
    """Names a call that counts against the number in flight; 0 for one that does not."""
    safety: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """The numbers of one breaker; `READS` and `ORDERS` are the usual ones."""

    failure_weight: float = 0.688
    """ln(0.995 / 0.5): what one failure adds to the case for "down"."""
    success_weight: float = 4.605
    """ln(0.5 / 0.005): what one success takes from it; the sum never goes below 0. A venue that is
    down lets next to nothing through: with one success in twenty for "down", as textbooks have it,
    every third plane of a venue that fails 70 % of its calls gave a false alarm in two minutes."""
    open_at: float = 12.0
    """ln(160,000), or 18 failures in a row. Where 60 % of all calls fail, a plane gives a false
    alarm once in some ten thousand of them, and each holds new risk for minutes. The probes of
    `probe_anyway_at` keep the detection fast."""
    canary_reopen_at: float = 1.2
    """2 failures in a row: a venue just back from the dead has little credit."""
    ramp_reopen_at: float = 3.2
    """5 failures in a row; from `close_after` successes on it takes `open_at` again."""
    forget_after_s: float = 300.0
    """A closed breaker that has recorded nothing for so long starts from 0 again."""

    open_s: float = 0.5
    """The first wait. It doubles each time the plane turns out to be down still, and begins anew
    when a call has succeeded on the way back."""
    open_s_max: float = 3.0
    """Of the wait before its jitter (× 0.75 to 1.25, cap or not). Half of it is what the recovery
    costs on average: at 3 s and weight 1 a probe takes under 1 % of Binance futures' 2400 a minute.
    """
    open_share: float = 1 / 60
    """While nothing of the venue answers, the wait may grow to this share of the outage so far:
    what the bot loses by asking less often stays below 2 %. After 5 minutes that is 5 s."""
    open_s_longest: float = 120.0
    """Of that growth. Two days of maintenance cost under 2,000 probes."""
    probe_timeout_s: float = 2.0
    """The probe's own timeout. One that never reports is given up after twice this."""
    probe_speaks_for_calls: bool = True
    """True where the probe does what the calls do (a read for reads): then its results count like
    theirs, and a slow bot is probed for, when in doubt and after an outage. False for orders: a
    venue that sheds orders goes on answering reads."""
    probe_every_s: float = 0.5
    """Between two such probes outside OPEN; half of it while the case is nearly made."""
    probe_silence_s: float = 1.0
    """A closed breaker in doubt asks for a probe only after so long without a call: those of a busy
    bot tell as much, and in a partial failure probes would be load on top."""
    probe_anyway_at: float = 6.0
    """With so much evidence, 9 failures in a row, it asks at once and twice as often: to be sure
    either way."""
    suspicious_after: int = 3
    """So many failures in a row make a closed breaker ask for probes; behind a door that is shut
    they open it."""

    ramp_in_flight: tuple[int, ...] = (2, 4, 8)
    """The steps of RAMP, in calls at a time."""
    ramp_step_s: float = 5.0
    """The shortest stay on a step; one success on it is needed as well."""
    close_after: int = 8
    """Successes since the canary was let out, at least, before CLOSED."""
    permit_expiry_s: float = 20.0
    """After so long a permit that has not reported no longer holds its place. Longer than the
    longest read timeout: Binance may take 10 s to answer an order."""

    def __post_init__(self) -> None:
        for field in _POSITIVE:
            value = getattr(self, field)
            if not 0 < value < inf:
                raise ConfigurationError(f"{field} is {value}; it must be finite and above 0")
        if not self.canary_reopen_at <= self.ramp_reopen_at <= self.open_at:
            raise ConfigurationError(
                f"canary_reopen_at {self.canary_reopen_at}, ramp_reopen_at {self.ramp_reopen_at} "
                f"and open_at {self.open_at} must not fall: trust grows from CANARY to CLOSED"
            )
        if self.open_s > self.open_s_max:
            raise ConfigurationError(
                f"open_s is {self.open_s}, above open_s_max {self.open_s_max}; lower it"
            )
        if not self.ramp_in_flight or min(self.ramp_in_flight) < 1:
            raise ConfigurationError(
                f"ramp_in_flight is {self.ramp_in_flight}; it needs one step or more, each >= 1"
            )


_POSITIVE: Final = (
    "failure_weight",
    "success_weight",
    "open_at",
    "canary_reopen_at",
    "ramp_reopen_at",
    "forget_after_s",
    "open_s",
    "open_s_max",
    "open_share",
    "open_s_longest",
    "probe_timeout_s",
    "probe_every_s",
    "probe_silence_s",
    "probe_anyway_at",
    "suspicious_after",
    "ramp_step_s",
    "close_after",
    "permit_expiry_s",
)

READS: Final = BreakerSettings(canary_reopen_at=3.2, ramp_reopen_at=12.0)
"""For MARKET_DATA and STATUS, and for ACCOUNT where its probe is a signed read: an open front door
does not speak for what is behind it. A read that fails costs little, so the way back is easy: else
one false alarm in a partial failure would last."""
ORDERS: Final = BreakerSettings(open_s_max=10.0, probe_speaks_for_calls=False)
"""For TRADING. Each return risks real orders, so the waits grow longer and relapse comes sooner."""


class Breaker:
    """The breaker of one (venue, product, plane).

    Every attempt asks `admit` and gives its permit back with `record`, whatever became of it. A
    background task asks `probe_due`, sends one cheap read each time it says True, and reports with
    `probe_result`.

    A call of lane SAFETY passes in every state, and what becomes of it moves nothing: cancels and
    exits are exempt from a venue's load shedding, so that they work proves nothing about the
    orders, and would keep the breaker closed (or open it again and again) for the wrong reason.

    A call outlives the state that let it go. Each opening, and each canary, begins a new era, and
    the results of an older one are dropped: a 503 that took 31 s to arrive says nothing about the
    venue of today.
    """

    __slots__ = (
        "_cap",
        "_dead_since",
        "_door",
        "_doublings",
        "_era",
        "_evidence",
        "_failures",
        "_force",
        "_in_flight",
        "_last_record",
        "_oks",
        "_probe_again_at",
        "_probe_sent_at",
        "_retry_at",
        "_rng",
        "_safety_permit",
        "_settings",
        "_since",
        "_state",
        "_step",
        "_step_since",
        "_tickets",
        "_untracked_permit",
        "standing",
    )

    def __init__(
        self, settings: BreakerSettings, rng: random.Random, door: Door | None = None
    ) -> None:
        """`door`: that of the host which this plane shares with others; told by the owner."""
        self._settings = settings
        self._rng = rng
        self._door = door
        self._state = BreakerState.CLOSED
        self._force: BreakerState | None = None  # None: the evidence decides
        self._since: float | None = None
        self._evidence = 0.0
        self._failures = 0  # in a row
        self._last_record: float | None = None
        self._doublings = 0  # of the next wait
        self._dead_since: float | None = None
        """Since when, open, nothing behind the same door has answered."""
        self._retry_at = 0.0
        self._oks = 0
        self._step = 0
        self._step_since = 0.0
        self._cap = 1
        self._tickets = 0
        self._in_flight: dict[int, float] = {}  # ticket -> when its place is free again
        self._probe_sent_at: float | None = None
        self._probe_again_at = 0.0
        self._era = -1
        self.standing: tuple[Permit, Permit] | None = None
        """What `admit` would say to everybody, without counting anything: the permit of an ordinary
        call and that of SAFETY. None while each has to be asked for."""
        self._enter_era()

    # What it says of itself.

    @property
    def state(self) -> BreakerState:
        """What callers meet: OPEN or CLOSED while forced, otherwise `measured_state`."""
        return self._state if self._force is None else self._force

    @property
    def measured_state(self) -> BreakerState:
        """What the evidence says, forced or not: a forced breaker is in shadow mode."""
        return self._state

    @property
    def settings(self) -> BreakerSettings:
        return self._settings

    @property
    def is_forced(self) -> bool:
        return self._force is not None

    @property
    def evidence(self) -> float:
        """The case for "down", 0 to `open_at`."""
        return self._evidence

    @property
    def era(self) -> int:
        return self._era

    @property
    def since(self) -> float | None:
        """When the measured state began; None as long as it has never changed."""
        return self._since

    @property
    def in_flight(self) -> int:
        """How many permits hold one of the places of CANARY or RAMP."""
        return len(self._in_flight)

    def retry_at(self, now: float) -> float | None:
        """When it is worth asking again, at the latest; None if now, or if nobody can say (forced).

        While the places are taken they may be free sooner: ask again after the next `record`.
        """
        if self._force is not None or self._state is BreakerState.CLOSED:
            return None
        if self._state is BreakerState.OPEN:
            return max(now, self._retry_at)
        if self._state is BreakerState.PROBING:
            assert self._since is not None
            return max(now, self._since + self._settings.probe_timeout_s)
        self._expire(now)
        return None if len(self._in_flight) < self._cap else min(self._in_flight.values())

    def is_full(self, now: float) -> bool:
        """True while each place of CANARY or RAMP is taken by a call that may be answered yet."""
        if self._force is not None:
            return False
        if self._state is not BreakerState.CANARY and self._state is not BreakerState.RAMP:
            return False
        if len(self._in_flight) >= self._cap:
            self._expire(now)
        return len(self._in_flight) >= self._cap

    # Calls.

    def admit(self, now: float, *, safety: bool = False) -> Permit | None:
        """Return a permit for one attempt, or None while it must not leave."""
        if safety:
            return self._safety_permit
        if self._force is not None:
            return self._untracked_permit if self._force is BreakerState.CLOSED else None
        if self._state is BreakerState.CLOSED:
            return self._untracked_permit
        if self._state is BreakerState.OPEN or self._state is BreakerState.PROBING:
            return None
        if len(self._in_flight) >= self._cap:
            self._expire(now)
            if len(self._in_flight) >= self._cap:
                return None
        self._tickets += 1
        self._in_flight[self._tickets] = now + self._settings.permit_expiry_s
        return Permit(self._era, self._tickets)

    def record(self, permit: Permit, result: Result, now: float) -> None:
        """Take in what became of the attempt. Every permit comes back here, cancelled or not."""
        is_plain = permit is self._untracked_permit and result is _OK
        if is_plain and not self._evidence and self._state is _CLOSED:
            self._failures, self._last_record = 0, now
            return  # nothing to weigh, as nearly always
        if permit.ticket:
            self._in_flight.pop(permit.ticket, None)
        if permit.safety or permit.era != self._era or result is Result.NEUTRAL:
            return
        self._take_in(result is Result.OK, now)

    def add_evidence(self, weight: float, now: float) -> None:
        """Add something else than a call of ours: `STREAM_SILENT`, `COMPONENT_DOWN`, ...

        A negative weight speaks for the venue. While OPEN or PROBING it changes nothing: there the
        probe decides.
        """
        if self._state is BreakerState.OPEN or self._state is BreakerState.PROBING:
            return
        self._forget_if_old(now)
        self._evidence = max(0.0, self._evidence + weight)
        self._last_record = now
        if self._evidence >= self._limit():
            self._open(now)

    # Probes.

    def probe_due(self, now: float) -> bool:
        """True when a probe is to be sent now; the caller then owes one `probe_result`.

        At most one is out at a time. One that never reports is given up after twice its timeout
        and counts as failed.
        """
        at = self.next_probe_at()
        if at is None or now < at:
            return False
        if self._probe_sent_at is not None:
            self.probe_result(False, now)
            return self.probe_due(now)
        self._probe_sent_at = now
        if self._state is BreakerState.OPEN:
            self._change(BreakerState.PROBING, now)
        return True

    def next_probe_at(self) -> float | None:
        """When to ask `probe_due` again; None while none is wanted. A `record` may change it."""
        if self._force is BreakerState.OPEN:
            return None
        if self._probe_sent_at is not None:
            return self._probe_sent_at + 2 * self._settings.probe_timeout_s
        if self._state is BreakerState.OPEN:
            return self._retry_at
        if not self._settings.probe_speaks_for_calls:
            return None
        if self._state is BreakerState.CLOSED and self._failures < self._settings.suspicious_after:
            return None
        is_in_doubt = self._last_record is not None and not self._is_nearly_sure
        if self._state is BreakerState.CLOSED and is_in_doubt:
            assert self._last_record is not None
            return max(self._probe_again_at, self._last_record + self._settings.probe_silence_s)
        return self._probe_again_at

    def door_answered(self, now: float) -> None:
        """Something else at the same door has answered: a long wait ends soon.

        It says no more than that the venue is there. Where that was known, nothing changes: a plane
        that is down by itself keeps its own pace.
        """
        if self._dead_since is None:
            return
        silent_s, self._dead_since = now - self._dead_since, now
        if self._state is BreakerState.OPEN and silent_s > self._settings.open_s_max:
            soon = now + self._settings.open_s * self._rng.uniform(0.75, 1.25)
            self._retry_at = min(self._retry_at, soon)

    def probe_result(self, ok: bool | None, now: float) -> None:
        """Report the probe; None when it never left, which says nothing about the plane.

        Without a probe out nothing happens. Nor does it when the breaker has opened since: the next
        probe waits until this one is back, so that each answer belongs to its own question.
        """
        if self._probe_sent_at is None:
            return
        self._probe_sent_at = None
        self._probe_again_at = now + self._settings.probe_every_s
        if self._state is BreakerState.CLOSED and self._is_nearly_sure:
            self._probe_again_at = now + self._settings.probe_every_s / 2
        if ok is None:
            self._probe_again_at = now + self._settings.probe_timeout_s
            if self._state is BreakerState.PROBING:
                self._retry_at = self._probe_again_at
                self._change(BreakerState.OPEN, now)
        elif self._state is BreakerState.PROBING:
            if ok:
                self._begin_return(now)
            else:
                self._open(now)
        else:
            self._take_in(ok, now)

    # The operator.

    def force_open(self) -> None:
        """Let nothing pass but SAFETY, and send no probes, until `auto` or `force_closed`."""
        self._force = BreakerState.OPEN
        self._see_who_stands()

    def force_closed(self) -> None:
        """Let everything pass. The evidence is still taken in: see `measured_state`."""
        self._force = BreakerState.CLOSED
        self._see_who_stands()

    def auto(self) -> None:
        """Let the evidence decide again, from where it has come to meanwhile."""
        self._force = None
        self._see_who_stands()

    # Inside.

    def _take_in(self, ok: bool, now: float) -> None:
        state = self._state
        if state is BreakerState.OPEN or state is BreakerState.PROBING:
            return  # Sent while forced closed; here the probe decides.
        self._forget_if_old(now)
        self._last_record = now
        if ok:
            self._failures = 0
            if self._evidence:
                self._evidence = max(0.0, self._evidence - self._settings.success_weight)
            if state is not BreakerState.CLOSED:
                self._advance(now)
            return
        self._failures += 1
        self._evidence += self._settings.failure_weight
        if self._evidence >= self._limit() or self._fails_behind_shut_door:
            self._open(now)

    @property
    def _fails_behind_shut_door(self) -> bool:
        return (
            self._door is not None
            and self._door.is_shut
            and self._state is BreakerState.CLOSED
            and self._failures >= self._settings.suspicious_after
        )

    @property
    def _is_nearly_sure(self) -> bool:
        return self._evidence >= self._settings.probe_anyway_at

    def _forget_if_old(self, now: float) -> None:
        if (
            self._evidence
            and self._state is BreakerState.CLOSED
            and self._last_record is not None
            and now - self._last_record > self._settings.forget_after_s
        ):
            self._evidence, self._failures = 0.0, 0

    def _limit(self) -> float:
        settings = self._settings
        if self._state is BreakerState.CANARY:
            return settings.canary_reopen_at
        if self._state is BreakerState.RAMP and self._oks < settings.close_after:
            return settings.ramp_reopen_at
        return settings.open_at

    def _advance(self, now: float) -> None:
        """One more success on the way back: up one step where the time on this one is over."""
        self._oks += 1
        self._doublings = 0
        steps = self._settings.ramp_in_flight
        if self._state is BreakerState.CANARY:
            self._change(BreakerState.RAMP, now)
            self._enter_step(0, now)
        elif now - self._step_since < self._settings.ramp_step_s:
            return
        elif self._step + 1 < len(steps):
            self._enter_step(self._step + 1, now)
        elif self._oks >= self._settings.close_after:
            self._in_flight.clear()
            self._change(BreakerState.CLOSED, now)

    def _enter_step(self, step: int, now: float) -> None:
        self._step, self._step_since = step, now
        self._cap = self._settings.ramp_in_flight[step]

    def _open(self, now: float) -> None:
        settings = self._settings
        if self._dead_since is None:
            self._dead_since = now
        grown_s = settings.open_share * (now - self._dead_since)
        most_s = max(settings.open_s_max, min(settings.open_s_longest, grown_s))
        wait_s = min(most_s, settings.open_s * 2.0 ** min(self._doublings, 60))
        # The jitter comes after the cap, so that clients at the cap do not probe in step.
        self._retry_at = now + wait_s * self._rng.uniform(0.75, 1.25)
        self._doublings += 1
        self._evidence, self._failures = 0.0, 0
        self._enter_era()
        self._change(BreakerState.OPEN, now)

    def _begin_return(self, now: float) -> None:
        self._oks, self._cap = 0, 1
        self._dead_since = None
        self._enter_era()
        self._change(BreakerState.CANARY, now)

    def _enter_era(self) -> None:
        self._era += 1
        self._in_flight.clear()
        # In a healthy venue every call gets the same two permits: nothing is made per call.
        self._untracked_permit = Permit(self._era)
        self._safety_permit = Permit(self._era, safety=True)
        self._see_who_stands()

    def _change(self, state: BreakerState, now: float) -> None:
        self._state, self._since = state, now
        self._see_who_stands()

    def _see_who_stands(self) -> None:
        is_closed = self.state is BreakerState.CLOSED
        self.standing = (self._untracked_permit, self._safety_permit) if is_closed else None

    def _expire(self, now: float) -> None:
        """Free the places of permits that have not reported in time: a lost one blocks nobody."""
        for ticket in [t for t, free_at in self._in_flight.items() if free_at <= now]:
            del self._in_flight[ticket]
