"""Planted bugs: limits, bans, lanes, breakers, and what the journal shows of calls."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf

import msgspec
from planting import Plant, planted

from outlast.client import calls, guard
from outlast.client.admission import Admission
from outlast.client.calls import CallDesk
from outlast.client.guard import Guard
from outlast.client.journal import Journal
from outlast.client.upkeep import Upkeep
from outlast.core.bans import BanClock
from outlast.core.breaker import Breaker, BreakerState, Permit, Result
from outlast.core.journal import GENESIS, Chain
from outlast.core.limiter import LaneQueue, Limiter
from outlast.core.limiter.windows import Window
from outlast.errors import Failure, Layer
from outlast.model import Plane
from outlast.wire import Lane

# --- limits and bans -----------------------------------------------------------------------------


@planted("limits-kept")
def retry_after_is_ignored(plant: Plant) -> None:
    """A 429 is a failure like any other: the next request leaves when it likes."""
    plant.setattr(Guard, "_ban", lambda *_: None)
    decide = calls.decide

    def decide_soon(request, failure, policy, **terms):
        return decide(request, replace(failure, retry_after_s=None), policy, **terms)

    plant.setattr(calls, "decide", decide_soon)


@planted("limits-kept")
def retry_after_is_read_in_milliseconds(plant: Plant) -> None:
    """`Retry-After: 20` is taken for 20 ms."""
    ban = Guard._ban

    def ban_briefly(self, request, failure, now):
        if failure.retry_after_s is not None:
            failure = replace(failure, retry_after_s=failure.retry_after_s / 1000)
        ban(self, request, failure, now)

    plant.setattr(Guard, "_ban", ban_briefly)


@planted("limits-kept")
def ban_holds_one_request_only(plant: Plant) -> None:
    """The call that was turned away waits; all others go on."""
    plant.setattr(Guard, "held", lambda *_: None)
    plant.setattr(Guard, "held_probe", lambda *_: None)


@planted("limits-kept")
def safety_passes_a_ban(plant: Plant) -> None:
    """Cancels and exits are urgent, so they are sent into the ban."""
    held = Guard.held

    def held_unless_urgent(self, request, now):
        return None if request.lane is Lane.SAFETY else held(self, request, now)

    plant.setattr(Guard, "held", held_unless_urgent)


@planted("limits-kept", focus="rush")
def ban_ends_with_the_next_good_answer(plant: Plant) -> None:
    """An answer to a request that had left before the ban lifts it."""

    def lift(self, scope, *, ok, sent_at, now):
        del sent_at, now
        if ok:
            self._bans.pop(scope, None)

    plant.setattr(BanClock, "probe_result", lift)


@planted("limits-kept")
def limits_are_counted_when_answered(plant: Plant) -> None:
    """A request takes from the limits when its answer is in, not when it leaves."""
    judge = CallDesk._judge

    def try_take(self, costs, lane, now, *, move=None):
        from outlast.core.limiter.counters import GRANTED

        wait = self.wait_for(costs, lane, now, move=move)
        return GRANTED if wait is None else wait

    def judge_and_count(self, flight, answer):
        limiter, now = self._admission._limiter, self._clock.now()
        for cost in flight.request.costs:
            limiter._mirrors[cost.counter].take(cost.units, now)
        return judge(self, flight, answer)

    plant.setattr(Limiter, "try_take", try_take)
    plant.setattr(Limiter, "take_at_once", lambda *_: False)
    plant.setattr(Limiter, "observe", lambda *_, **__: None)
    plant.setattr(CallDesk, "_judge", judge_and_count)


@planted("limits-kept")
def windows_are_not_aligned(plant: Plant) -> None:
    """The minute of the limits begins with the session, not with the venue's minute."""
    begin = Window.__init__

    def begin_anywhere(self, spec, doubt_s, *, offset_s=0.0):
        begin(self, spec, doubt_s, offset_s=offset_s + spec.window_s / 2)

    plant.setattr(Window, "__init__", begin_anywhere)
    plant.setattr(Window, "set_offset", lambda *_: None)
    plant.setattr(Window, "observe", lambda *_, **__: None)


@planted("limits-kept", focus="limits")
def header_lowers_the_count(plant: Plant) -> None:
    """What the header says is used is all that is used: requests under way are forgotten."""

    def observe(self, used, now, **_):
        self._roll(now)
        self._used = int(used)

    plant.setattr(Window, "observe", observe)


@planted("limits-kept")
def limits_are_not_mirrored(plant: Plant) -> None:
    """Nobody counts: whether a limit is reached, the 429 tells."""
    plant.setattr(Limiter, "wait_for", lambda *_, **__: None)


@planted("limits-kept", focus="limits")
def retries_pass_the_limiter(plant: Plant) -> None:
    """Only the first attempt of a call is counted; its retries go straight out."""
    enter, attempt = Admission.enter, CallDesk._attempt

    async def enter_first(self, request, deadline, **terms):
        if getattr(self, "retrying", False):
            return await _unlimited(self, request, deadline, enter, terms)
        return await enter(self, request, deadline, **terms)

    async def attempt_noted(self, request, deadline, on_late, *, number=1, **terms):
        self._admission.retrying = number > 1
        return await attempt(self, request, deadline, on_late, number=number, **terms)

    plant.setattr(Admission, "enter", enter_first)
    plant.setattr(Admission, "enter_at_once", lambda *_: None)
    plant.setattr(CallDesk, "_attempt", attempt_noted)


async def _unlimited(admission, request, deadline, enter, terms):
    return await enter(admission, msgspec.structs.replace(request, costs=()), deadline, **terms)


# --- lanes ---------------------------------------------------------------------------------------


@planted("safety-lane-first", focus="rush")
def lanes_are_one_queue(plant: Plant) -> None:
    """First come, first served: a cancel waits behind the quotes of before."""
    _queue_with(plant, lambda lane: Lane.DATA)


@planted("safety-lane-first", focus="rush")
def safety_comes_last(plant: Plant) -> None:
    """The lanes are taken in the wrong order: cancels after everything else."""
    _queue_with(plant, lambda lane: list(Lane)[len(Lane) - 1 - lane])


def _queue_with(plant, lane_of):
    take, push, foresee = LaneQueue.try_take, LaneQueue.push, LaneQueue.cannot_make_it

    def try_take(self, costs, lane, now, *, move=None):
        return take(self, costs, lane_of(lane), now, move=move)

    def push_as(self, ticket, **terms):
        ticket.lane = lane_of(ticket.lane)
        return push(self, ticket, **terms)

    def cannot_make_it(self, costs, lane, deadline, now, move):
        return foresee(self, costs, lane_of(lane), deadline, now, move)

    plant.setattr(LaneQueue, "try_take", try_take)
    plant.setattr(LaneQueue, "push", push_as)
    plant.setattr(LaneQueue, "cannot_make_it", cannot_make_it)


@planted(
    "intents-end", "caches-fresh", "queues-bounded", "breakers-close", "nothing-unknown-or-orphaned"
)
def slots_are_not_given_back(plant: Plant) -> None:
    """A request that failed keeps its place among those under way."""
    leave = Admission.leave

    def leave_seldom(self, granted):
        self.left = getattr(self, "left", 0) + 1
        if self.left % 3:
            leave(self, granted)

    plant.setattr(Admission, "leave", leave_seldom)


@planted("p4-exits-never-shed", focus="outage")
def exits_are_shed_by_the_breaker(plant: Plant) -> None:
    """An open breaker holds cancels and exits too."""
    admit = Breaker.admit

    def admit_alike(self, now, *, safety=False):
        del safety
        return admit(self, now)

    plant.setattr(Breaker, "admit", admit_alike)


# --- breakers ------------------------------------------------------------------------------------


@planted("p6-failure-stays-where-it-is", "breaker-generations", focus="outage")
def one_breaker_for_the_venue(plant: Plant) -> None:
    """All planes share a breaker: when orders fail, prices cannot be read either."""
    begin = Guard.__init__

    def begin_with_one(self, *rooms, **terms):
        begin(self, *rooms, **terms)
        one = self._fed[Plane.TRADING]
        self.breakers, self._fed = dict.fromkeys(Plane, one[0]), dict.fromkeys(Plane, one)

    plant.setattr(Guard, "__init__", begin_with_one)


@planted("p6-failure-stays-where-it-is")
def business_refusals_open_the_breaker(plant: Plant) -> None:
    """Five failures in a row open a breaker, and a refusal by the rules is one of them."""
    result = Guard._result

    def result_wrongly(self, failure, sent_at):
        if failure is not None and failure.layer is Layer.BUSINESS:
            return Result.FAILED
        return result(self, failure, sent_at)

    plant.setattr(Guard, "_result", result_wrongly)
    for numbers in ("ORDERS", "READS"):
        plant.setattr(guard, numbers, replace(getattr(guard, numbers), failure_weight=1.4))


@planted("p6-failure-stays-where-it-is")
def one_rate_limit_opens_the_breaker(plant: Plant) -> None:
    """A 429 counts as proof that the venue is down."""
    ban = Guard._ban

    def ban_and_open(self, request, failure, now):
        ban(self, request, failure, now)
        breaker = self.breakers[request.plane]
        breaker.add_evidence(breaker.settings.open_at, now)

    plant.setattr(Guard, "_ban", ban_and_open)


@planted("breaker-generations", focus="outage")
def half_open_lets_everybody_in(plant: Plant) -> None:
    """When the probe is answered all that waited is let go at once."""
    admit = Breaker.admit

    def admit_all(self, now, *, safety=False):
        if (
            not safety
            and self._force is None
            and self._state
            in (
                BreakerState.CANARY,
                BreakerState.RAMP,
            )
        ):
            return Permit(self._era)
        return admit(self, now, safety=safety)

    plant.setattr(Breaker, "admit", admit_all)


@planted("breaker-generations", focus="outage")
def results_of_an_older_era_count(plant: Plant) -> None:
    """A 503 that took 31 s to arrive opens the breaker that has just recovered."""
    record = Breaker.record

    def record_any(self, permit, result, now):
        if not permit.safety:
            self._in_flight.pop(permit.ticket, None)
            permit = Permit(self._era)
        record(self, permit, result, now)

    plant.setattr(Breaker, "record", record_any)


@planted("p6-failure-stays-where-it-is")
def a_caller_that_leaves_counts_as_a_failure(plant: Plant) -> None:
    """A strategy that cancels its own task counts against the venue."""
    attempt = CallDesk._attempt

    async def attempt_and_blame(self, request, deadline, on_late, **terms):
        try:
            return await attempt(self, request, deadline, on_late, **terms)
        except asyncio.CancelledError:
            breaker = self._guard.breakers[request.plane]
            before = breaker.state
            breaker.add_evidence(breaker.settings.open_at, self._clock.now())
            if breaker.state is not before:
                self._guard.announce(request.plane)
            raise

    plant.setattr(CallDesk, "_attempt", attempt_and_blame)


@planted("breakers-close")
def probing_never_ends(plant: Plant) -> None:
    """A probe that is answered changes nothing: what is open stays open."""
    result = Breaker.probe_result

    def forget(self, ok, now):
        result(self, False if self._state is BreakerState.PROBING else ok, now)

    plant.setattr(Breaker, "probe_result", forget)


@planted("breakers-close")
def no_probes_are_sent(plant: Plant) -> None:
    """Nobody asks whether a plane is back."""

    async def idle(self):
        await self._clock.sleep(86_400.0)

    plant.setattr(Upkeep, "probe_for_ever", idle)


# --- evidence ------------------------------------------------------------------------------------


@planted("evidence-complete")
def failed_attempts_are_not_written(plant: Plant) -> None:
    """The journal shows the requests that went well."""
    note = Journal.note

    def note_good(self, kind, **fields):
        if kind == "attempt" and fields["failure"] is not None:
            return None
        return note(self, kind, **fields)

    plant.setattr(Journal, "note", note_good)


@planted("evidence-complete")
def requests_are_cancelled_at_the_deadline(plant: Plant) -> None:
    """A request whose caller has left is cut off, and nobody learns what became of it."""
    launch = CallDesk._launch

    def launch_mortal(self, request, leave, *rest):
        flight = launch(self, request, leave, *rest)

        def cut():
            if not flight.has_landed:
                self._crash(flight, None)

        left_s = leave.deadline - self._clock.now()
        if left_s < inf:
            asyncio.get_running_loop().call_later(max(0.0, left_s), cut)
        return flight

    plant.setattr(CallDesk, "_launch", launch_mortal)


@planted("p8-shown-without-secrets")
def the_secret_is_written_down(plant: Plant) -> None:
    """Failed requests are journaled as they were sent, key included."""
    note = Journal.note
    judge = CallDesk._judge

    def judge_and_tell(self, flight, answer):
        result = judge(self, flight, answer)
        if isinstance(result, Failure):
            note(self._journal, "note", headers={"X-MBX-APIKEY": self._credentials.key})
        return result

    plant.setattr(CallDesk, "_judge", judge_and_tell)


@planted("crash-safe")
def the_chain_begins_anew(plant: Plant) -> None:
    """After a restart the first record does not carry the hash of the last one."""
    begin = Chain.__init__

    def begin_alone(self, *, seq=0, tip=GENESIS):
        del tip
        begin(self, seq=seq)

    plant.setattr(Chain, "__init__", begin_alone)


@planted("queues-bounded")
def tasks_are_left_behind(plant: Plant) -> None:
    """Each poll starts another chore, of which the session knows nothing at its end."""
    poll = Upkeep.poll_account
    chores = []

    async def poll_and_more(self):
        chores.append(asyncio.get_running_loop().create_task(self.keep_time_for_ever()))
        return await poll(self)

    plant.setattr(Upkeep, "poll_account", poll_and_more)
