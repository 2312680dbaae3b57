"""One guarded call: from the deadline to the classified answer, in the order that makes it safe.

deadline → retry loop → bans → lane admission → bans again → breaker → sign → send → classify → feed

Signing comes last, so that no wait ages a signature. A request that is on the wire is never
cancelled: whoever cannot wait for it leaves, its answer still feeds the machines and reaches
`on_late`.

When nothing is amiss and nobody waits, which is nearly always, an attempt takes the short way: the
guard and the limits each say so in one step, the request is written in the caller's own turn of the
loop, and its answer is judged in the turn in which it comes in. No task is made for it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Final, Protocol

import tenacity

from outlast.client.admission import Admission
from outlast.client.guard import Guard, failure_facts, local_failure
from outlast.client.hedging import HEADROOM_SHARE, Hedging
from outlast.client.journal import Journal
from outlast.client.lag import LoopWatch
from outlast.client.nonces import NonceDesk
from outlast.client.settings import Settings
from outlast.client.sharing import SharedAnswers
from outlast.core.breaker import Permit
from outlast.core.budget import LATE_AFTER, LATE_TOKENS, RETRIES, SAFETY_RETRIES, RetryBudget
from outlast.core.limiter import Granted
from outlast.core.policy import Decision, GiveUp, RetryAt, RetryPolicy, decide, policy_for
from outlast.core.server_time import ServerClock
from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.wire import (
    Auth,
    Clock,
    Cost,
    HttpRequest,
    HttpTransport,
    Lane,
    PromptTransport,
    TransportFault,
    VenueCodec,
    WireReply,
    WireRequest,
)

__all__ = ["CallDesk", "Credentials", "Late", "SocketPath"]

Late = Callable[[WireRequest, WireReply | Failure], None]
"""Hears the answer to a request whose caller had to leave before it came."""


_TOO_MANY: Final = 429

_FAST_S: Final = 1.0
"""What fails within this cost the venue next to nothing; its retry may be paid by headroom."""
_PATIENCE_SLACK_S: Final = 1e-6
"""A timer may come early by what a float cannot hold."""
_LANES: Final = tuple(lane.name.lower() for lane in Lane)
"""As the journal writes them."""


class SocketPath(Protocol):
    """What carries requests by a trade socket: `client.trade_socket`."""

    def begin(
        self,
        request: WireRequest,
        *,
        timestamp_ms: int,
        heard: Callable[[WireReply | TransportFault | None], None],
    ) -> bool:
        """True: it was handed over, and `heard` is called once, later. False: nothing has left.

        `heard(None)`: the venue has certainly done nothing with it, for a reason of the socket's.
        """
        ...

    def judged(self, failure: Failure | None) -> None:
        """What the tables made of an answer."""
        ...


class _HeldBack(Exception):
    """A ban has begun before the request could be written."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.describe())
        self.failure = failure


class _NoLongerWanted(Exception):
    """The wait before a retry ended with the outcome known by another path."""


class _AnsweredAlready(Exception):
    """The wait before a retry ended with the answer that another call for the same has got."""

    def __init__(self, reply: WireReply) -> None:
        super().__init__("another call has got the answer")
        self.reply = reply


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """Key and secret. Their repr says nothing."""

    key: str | None
    secret: str | None

    def __repr__(self) -> str:
        return "Credentials(***)" if self.key else "Credentials(none)"


@dataclass(slots=True)
class _Leave:
    """The circumstances under which one attempt left, for the journal. Instants are monotonic."""

    asked_at: float
    """When it asked for its turn."""
    deadline: float
    permit: Permit | None
    """None for a probe, which passes the breaker."""
    number: int = 1
    """Of the attempt within its call, from 1."""
    paid_by: str | None = None
    """What a retry was paid by: `budget`, or `headroom` in the venue's limits."""


@dataclass(slots=True, eq=False)
class _Flight:
    """One attempt on the wire."""

    request: WireRequest
    leave: _Leave
    turn: Granted
    answer: asyncio.Future[WireReply | Failure | None]
    """What its caller waits for. Done before the attempt ends where the caller has left, or its
    deadline has come (None)."""
    on_late: Late | None
    """Hears the answer then."""
    bans_begun: int
    """How many there were when it was launched."""
    task: asyncio.Task[None] | None = None
    """What waits for its answer, where the transport has to be waited for."""
    has_landed: bool = False
    timestamp_ms: int | None = None
    nonce: int | None = None
    by_socket: bool = False
    root: str | None = None
    """The other host that a copy of a slow read goes to."""
    given_up_at: float = inf
    """Until when its caller waits; inf for one who waits for its transport's own timeouts."""

    def give_up(self) -> None:
        if not self.answer.done():
            self.answer.set_result(None)


class _Retries:
    """The retries of one call: what paid for the next one, until it has left."""

    def __init__(self, budget: RetryBudget, clock: Clock, *, late_tokens: float) -> None:
        self._budget = budget
        self._clock = clock
        self._late_tokens = late_tokens
        self._owed = 0.0
        self.paid_by: str | None = None
        """`budget`, or `headroom` in the venue's limits."""
        self.next_token_at: float | None = None
        self.is_spent = False
        """True when a retry was possible and nothing could pay for it."""

    def pay(self, *, failed: int, has_headroom: bool, now: float) -> bool:
        """Pay for one more after so many that failed. Limits left unused first: they cost nobody.

        For a late one they are no excuse. A cancel or an exit is never late.
        """
        is_late = failed >= LATE_AFTER and self._late_tokens > 1.0
        if has_headroom and not is_late:
            self.paid_by = "headroom"
            return True
        tokens = self._late_tokens if is_late else 1.0
        if self._budget.try_spend(now, tokens=tokens):
            self.paid_by, self._owed = "budget", tokens
            return True
        self.is_spent, self.next_token_at = True, self._budget.next_token_at(now, tokens=tokens)
        return False

    def left(self) -> None:
        """The attempt is on its way: what it cost is gone."""
        self._owed = 0.0

    def settle(self) -> None:
        """Give back what was paid for an attempt that never left."""
        if self._owed:
            self._budget.give_back(self._clock.now(), tokens=self._owed)
            self._owed = 0.0


class CallDesk:
    """All calls of one session to one product of one venue."""

    def __init__(
        self,
        codec: VenueCodec,
        transport: HttpTransport,
        *,
        base_url: str,
        credentials: Credentials,
        clock: Clock,
        server_clock: ServerClock,
        guard: Guard,
        admission: Admission,
        journal: Journal,
        settings: Settings,
        rng: random.Random,
    ) -> None:
        self._codec = codec
        self._transport = transport
        self._prompt = transport if isinstance(transport, PromptTransport) else None
        self._base_url = base_url
        self._credentials = credentials
        self._clock = clock
        self._server_clock = server_clock
        self._guard = guard
        self._admission = admission
        self._journal = journal
        self._valid_for_ms = round(settings.valid_for_s * 1000)
        self._rng = rng
        self._budget = RetryBudget.of(RETRIES)
        self._safety_budget = RetryBudget.of(SAFETY_RETRIES)
        self._shared = SharedAnswers(clock)
        self._nonces = NonceDesk(transport, clock=clock, journal=journal)
        self._in_flight: set[_Flight] = set()
        self._all_landed: asyncio.Future[None] | None = None
        """What `drain` waits for."""
        self._patience: asyncio.TimerHandle | None = None
        self._patience_at = inf
        """One timer for all callers, which stays when an answer comes: the next attempt's deadline
        is nearly always a later one, and so nearly no attempt sets or cancels any."""
        self._lag = LoopWatch(clock, guard.own)
        self.by_socket: SocketPath | None = None
        """Another way for writes, asked first."""
        self.hedging: Hedging | None = None
        """Copies of slow reads to other hosts; None where the venue has no other."""

    async def call(
        self,
        request: WireRequest,
        *,
        deadline: float | None = None,
        policy: RetryPolicy | None = None,
        on_late: Late | None = None,
        still_wanted: Callable[[], bool] | None = None,
        replaces: str | None = None,
    ) -> WireReply | Failure:
        """Make `request`, again where that is safe, until it is answered or `deadline` (monotonic).

        Returns the reply of success, or the last failure. `still_wanted` is asked after each wait:
        a retry is dropped when a stream or query has told the outcome meanwhile. That of a read is
        dropped as well when another call has asked the same later and got its answer, which is this
        one's then. `replaces`: see `Admission.enter`.
        """
        policy = policy if policy is not None else policy_for(request)
        began_at = self._clock.now()
        if deadline is None:
            deadline = began_at + policy.deadline_s
        # The first attempt runs outside tenacity, whose loop costs more than the whole guard.
        first = await self._attempt(request, deadline, on_late, replaces=replaces)
        if isinstance(first, WireReply):
            return first
        return await self._again(
            request, first, deadline, policy, on_late, still_wanted, began_at, replaces
        )

    async def _again(
        self,
        request: WireRequest,
        first: Failure,
        deadline: float,
        policy: RetryPolicy,
        on_late: Late | None,
        still_wanted: Callable[[], bool] | None,
        began_at: float,
        replaces: str | None,
    ) -> WireReply | Failure:
        """Go on after a first failure, as `decide` says, by tenacity's loop.

        Its stop, wait, sleep and clock are ours: its own are global, and would break virtual time.
        """
        asked_at = began_at
        result: WireReply | Failure = first
        decision: Decision = GiveUp("not decided")
        if request.lane is Lane.SAFETY:
            retries = _Retries(self._safety_budget, self._clock, late_tokens=1.0)
        else:
            retries = _Retries(self._budget, self._clock, late_tokens=LATE_TOKENS)

        async def attempt() -> WireReply | Failure:
            nonlocal began_at
            number = retrying.statistics["attempt_number"]
            if number == 1:
                return first
            if _doubts_clock(result):
                await self.sync_clock(deadline=deadline)
                need()
            began_at = self._clock.now()
            answer = await self._attempt(
                request, deadline, on_late, number=number, retries=retries, replaces=replaces
            )
            retries.settle()
            return answer

        def again(state: tenacity.RetryCallState) -> bool:
            nonlocal decision, result
            assert state.outcome is not None
            result = state.outcome.result()
            if isinstance(result, WireReply):
                return False
            now, number = self._clock.now(), state.attempt_number
            decision = decide(
                request, result, policy, attempt=number, now=now, deadline=deadline, rng=self._rng
            )
            if not isinstance(decision, RetryAt):
                return False
            is_fast = now - began_at <= _FAST_S
            has_headroom = is_fast and self._has_headroom(request, result)
            return retries.pay(failed=number, has_headroom=has_headroom, now=now)

        def need() -> None:
            if still_wanted is not None and not still_wanted():
                raise _NoLongerWanted

        async def sleep(seconds: float) -> None:
            if request.is_write:
                await self._clock.sleep(seconds)
            else:
                reply = await self._shared.pause(request, seconds, asked_at=asked_at)
                if reply is not None:
                    raise _AnsweredAlready(reply)
            need()

        def wait_s(_: tenacity.RetryCallState) -> float:
            assert isinstance(decision, RetryAt)
            return max(0.0, decision.at - self._clock.now())

        retrying = tenacity.AsyncRetrying(
            retry=again,
            wait=wait_s,
            stop=tenacity.stop_never,  # `decide` knows attempts and deadline, the budget the sum
            sleep=sleep,
        )
        try:
            last: WireReply | Failure = await retrying(attempt)
        except _NoLongerWanted:
            return result
        except _AnsweredAlready as already:
            return already.reply
        finally:
            retries.settle()
        if not retries.is_spent or isinstance(last, WireReply):
            return last
        return self._out_of_budget(last, retries.next_token_at)

    def _out_of_budget(self, failure: Failure, next_token_at: float | None) -> Failure:
        """`failure`, and that it could have been tried again; when, is said where it is known."""
        waits = [failure.retry_after_s]
        if next_token_at is not None:
            waits.append(max(0.0, next_token_at - self._clock.now()))
        known = [wait_s for wait_s in waits if wait_s is not None]
        return replace(failure, budget_spent=True, retry_after_s=max(known, default=None))

    def _has_headroom(self, request: WireRequest, failure: Failure) -> bool:
        """A retry of what the venue certainly did not do may be paid by limits left unused.

        Not while a plane of the venue is being left alone: what passes then, for safety's sake, is
        paced by its own budget. Unused limits are many where everything else is held.
        """
        undone = failure.outcome is not Outcome.UNKNOWN and failure.remedy is Remedy.RETRY
        if not undone or (request.lane is Lane.SAFETY and self._guard.is_outage):
            return False
        return self._admission.has_headroom(request.costs)

    async def _attempt(
        self,
        request: WireRequest,
        deadline: float,
        on_late: Late | None,
        *,
        number: int = 1,
        retries: _Retries | None = None,
        replaces: str | None = None,
    ) -> WireReply | Failure:
        now = self._clock.now()
        if now >= deadline:
            return local_failure("deadline_passed", "the deadline passed before it could leave")
        left_at = now
        calm = self._guard.calm_permit(request)
        granted = None if calm is None else self._admission.enter_at_once(request, now)
        if calm is not None and granted is not None:
            permit, turn = calm, granted  # the short way
        else:
            held = self._guard.shut(request, now)
            if held is not None:
                return held
            waited = await self._admission.enter(request, deadline, replaces=replaces)
            if isinstance(waited, Failure):
                return waited
            # Bans and breakers may have closed while it waited for its turn: they are asked last.
            left_at = self._clock.now()
            allowed = self._guard.permit(request, left_at)
            if isinstance(allowed, Failure):
                self._admission.leave(waited)
                return allowed
            permit, turn = allowed, waited
        # From here to the launch nothing is awaited: nobody can be cancelled in between.
        paid_by = None
        if retries is not None:
            paid_by = retries.paid_by
            retries.left()
        leave = _Leave(now, deadline, permit, number, paid_by)
        flight = self._launch(request, leave, turn, on_late)
        flight.given_up_at = deadline
        if deadline < self._patience_at:
            self._wait_until(deadline, left_at)
        due_s = None if self.hedging is None else self.hedging.due_in_s(request)
        if due_s is None:
            answer = await flight.answer
        else:
            copy = asyncio.get_running_loop().call_later(due_s, self._copy, flight)
            try:
                answer = await flight.answer
            finally:
                copy.cancel()
        if answer is not None:
            return answer
        return Failure(
            layer=Layer.LOCAL,
            kind="deadline_passed_in_flight",
            outcome=Outcome.UNKNOWN,
            remedy=Remedy.SETTLE if request.is_write else Remedy.RETRY,
            scope=Scope.REQUEST,
            message="the deadline passed before the venue had answered",
        )

    def _wait_until(self, deadline: float, now: float) -> None:
        """Have the callers whose deadline it is by then told that they must leave."""
        if self._patience is not None:
            self._patience.cancel()
        left_s = max(0.0, deadline - now)
        self._patience_at = deadline
        self._patience = asyncio.get_running_loop().call_later(left_s, self._end_patience)

    def _end_patience(self) -> None:
        now = self._clock.now()
        self._patience, self._patience_at = None, inf
        for flight in [*self._in_flight]:
            if flight.given_up_at <= now + _PATIENCE_SLACK_S:
                flight.given_up_at = inf
                flight.give_up()
        due = min((flight.given_up_at for flight in self._in_flight), default=inf)
        if due < inf:
            self._wait_until(due, now)

    def _copy(self, flight: _Flight) -> None:
        """Ask another host too, where that takes nothing from anybody; the first answer wins."""
        request, now = flight.request, self._clock.now()
        assert self.hedging is not None
        if flight.answer.done() or self._guard.calm_permit(request) is None:
            return
        if not self._admission.has_headroom(request.costs, share=HEADROOM_SHARE):
            return
        root = self.hedging.root()
        turn = None if root is None else self._admission.enter_now(request)
        if turn is None:
            return
        # Without a permit, as a probe: the other host may be down by itself.
        leave = _Leave(now, flight.leave.deadline, None, flight.leave.number, "hedge")
        copy = self._launch(request, leave, turn, root=root)
        copy.answer.add_done_callback(partial(_first_answer, flight))

    async def probe(self, request: WireRequest) -> bool | None:
        """Send one cheap read past the breaker, to see whether its plane answers again.

        None when it did not leave, as a ban or our own limits held it back, and when its answer
        says nothing of the plane: our clock or our network is to blame.
        """
        now = self._clock.now()
        if self._guard.held(request, now) is not None:
            return None
        deadline = now + request.answer_within_s
        turn = await self._admission.enter(request, deadline)
        if isinstance(turn, Failure):
            return None
        if self._guard.held_probe(request, self._clock.now()) is not None:
            self._admission.leave(turn)
            return None
        flight = self._launch(request, _Leave(now, deadline, permit=None), turn)
        answer = await flight.answer
        if answer is None:
            return False
        return self._guard.probe_says(answer if isinstance(answer, Failure) else None, now)

    @property
    def in_flight(self) -> int:
        """How many requests are on the wire."""
        return len(self._in_flight)

    def _launch(
        self,
        request: WireRequest,
        leave: _Leave,
        turn: Granted,
        on_late: Late | None = None,
        *,
        root: str | None = None,
    ) -> _Flight:
        """Send in such a way that nobody cancels it: whoever cannot wait leaves it alone."""
        loop = asyncio.get_running_loop()
        bans_begun = self._guard.bans_begun
        answer: asyncio.Future[WireReply | Failure | None] = loop.create_future()
        flight = _Flight(request, leave, turn, answer, on_late, bans_begun, root=root)
        self._in_flight.add(flight)
        self._lag.begin(leave.asked_at)
        if self.by_socket is not None and request.is_write:
            flight.timestamp_ms = self.server_now_ms()
            heard = partial(self._heard_by_socket, flight)
            if self.by_socket.begin(request, timestamp_ms=flight.timestamp_ms, heard=heard):
                flight.by_socket = True
                return flight
        return self._send_by_rest(flight)

    def _heard_by_socket(self, flight: _Flight, answer: WireReply | TransportFault | None) -> None:
        """None: the venue has done nothing with it, and REST may take over within this attempt."""
        if answer is not None:
            self._heard(flight, answer)
            return
        flight.by_socket = False
        held = self._guard.held(flight.request, self._clock.now())
        if held is None:
            self._send_by_rest(flight)
        else:
            self._guard.never_sent(flight.request, flight.leave.permit)
            self._land(flight, held)

    def _send_by_rest(self, flight: _Flight) -> _Flight:
        request = flight.request
        message: HttpRequest | None = None
        if not (self._codec.TRAITS.uses_nonce and request.auth is Auth.SIGNED):
            try:
                message = self._seal(flight, None)
                heard = partial(self._heard, flight)
                if self._prompt is not None and self._prompt.begin(message, heard):
                    return flight
            except Exception as error:  # noqa: BLE001 - a mistake of ours, and its caller's to know
                self._crash(flight, error)
                return flight
        name = f"outlast {request.name}"
        flight.task = asyncio.get_running_loop().create_task(self._fly(flight, message), name=name)
        flight.task.add_done_callback(partial(self._ended, flight))
        return flight

    async def _fly(self, flight: _Flight, message: HttpRequest | None) -> None:
        """Send by a transport that has to be waited for; without a message, by the next nonce."""
        if message is not None:
            answer = await self._transport.send(message)
        else:
            lane = flight.request.lane
            try:
                seal = partial(self._seal, flight)
                answer, flight.nonce = await self._nonces.send(seal, lane=lane)
            except _HeldBack as back:
                self._guard.never_sent(flight.request, flight.leave.permit)
                self._land(flight, back.failure)
                return
        self._heard(flight, answer)

    def _seal(self, flight: _Flight, nonce: int | None) -> HttpRequest:
        """Sign, as the last thing before it is written."""
        if self._guard.bans_begun != flight.bans_begun:
            # It has waited for its nonce, and the answer to one before it was a ban.
            held = self._guard.held(flight.request, self._clock.now())
            if held is not None:
                raise _HeldBack(held)
        if nonce is not None and self._clock.now() >= flight.leave.deadline:
            said = "the deadline passed while it waited for its nonce"
            raise _HeldBack(local_failure("deadline_passed", said))
        flight.timestamp_ms = self.server_now_ms()
        return self._codec.sign(
            flight.request,
            base_url=self._base_url if flight.root is None else flight.root,
            key=self._credentials.key,
            secret=self._credentials.secret,
            timestamp_ms=flight.timestamp_ms,
            valid_for_ms=self._valid_for_ms,
            nonce=nonce,
        )

    def _heard(self, flight: _Flight, answer: WireReply | TransportFault) -> None:
        """The answer is in: judge it and hand it on, whatever has become of the caller."""
        if flight.has_landed:
            return
        try:
            failure = self._judge(flight, answer)
        except Exception as error:  # noqa: BLE001 - a mistake of ours, and its caller's to know
            self._crash(flight, error)
            return
        if failure is not None:
            result: WireReply | Failure = failure
        else:
            assert isinstance(answer, WireReply)
            result = answer
        if flight.answer.done():
            self._note(flight, answer, failure)
            self._land(flight, result)
        else:
            # Its caller first, who then has the loop's next turn before the journal: the intent of
            # what it sends there at once shares a transaction with this.
            self._land(flight, result)
            self._note(flight, answer, failure)
        if self._shared.anybody_waits and isinstance(result, WireReply):
            self._shared.answered(flight.request, result)

    def _land(self, flight: _Flight, result: WireReply | Failure) -> None:
        self._give_back(flight)
        if not flight.answer.done():
            flight.answer.set_result(result)
        elif flight.on_late is not None:
            flight.on_late(flight.request, result)

    def _ended(self, flight: _Flight, task: asyncio.Task[None]) -> None:
        # Here and not in the task: one that is cancelled before its first step runs nothing.
        if not flight.has_landed:
            self._crash(flight, None if task.cancelled() else task.exception())

    def _crash(self, flight: _Flight, error: BaseException | None) -> None:
        """It ends otherwise than by landing: by a mistake of ours, or (None) with the loop."""
        self._give_back(flight)
        self._guard.never_sent(flight.request, flight.leave.permit)
        if flight.answer.done():
            return
        if error is None:
            flight.answer.cancel()
        else:
            flight.answer.set_exception(error)

    def _give_back(self, flight: _Flight) -> None:
        """Give back what it held; its caller may then go on in the same turn of the loop."""
        flight.has_landed = True
        self._in_flight.discard(flight)
        self._lag.end()
        self._admission.leave(flight.turn)
        if self._all_landed is not None and not self._in_flight and not self._all_landed.done():
            self._all_landed.set_result(None)

    def _judge(self, flight: _Flight, answer: WireReply | TransportFault) -> Failure | None:
        """Classify what came back, and feed it to the machines; None when it is a success."""
        request, leave = flight.request, flight.leave
        now = self._clock.now()
        self._lag.look(now)
        if isinstance(answer, TransportFault):
            fault = self._codec.classify_fault(request, answer)
            if fault.outcome is not Outcome.NOT_SENT:
                fault = replace(fault, silent_s=answer.received_at - answer.sent_at)
            failure: Failure | None = fault
        else:
            failure = self._codec.classify(request, answer)
            used = self._codec.read_usage(answer.headers)
            self._admission.observe(used, asked_at=answer.sent_at, now=now)
        if flight.root is None or isinstance(answer, WireReply):
            if failure is None and leave.permit is not None:
                self._guard.succeeded(request, leave.permit, answer.sent_at, now)
            else:
                self._guard.feed(request, leave.permit, failure, sent_at=answer.sent_at, now=now)
        if failure is not None and _is_too_much(failure) and self._admission.throttled():
            self._journal.note("limits.squeezed", data_share=self._admission.data_share)
        if failure is None:
            self._budget.earn(now)
        elif _doubts_clock(failure):
            self._server_clock.timestamp_refused(answer.sent_at)
        if flight.nonce is not None:
            self._tell_nonce(flight.nonce, failure)
        if flight.by_socket and self.by_socket is not None and isinstance(answer, WireReply):
            self.by_socket.judged(failure)
        return failure

    def _note(
        self, flight: _Flight, answer: WireReply | TransportFault, failure: Failure | None
    ) -> None:
        """Write down what was sent, under which circumstances, and what came of it."""
        request, leave = flight.request, flight.leave
        self._journal.note(
            "attempt",
            request=request.name,
            method=request.method,
            path=request.path,
            params=dict(request.params),
            plane=request.plane,
            lane=_LANES[request.lane],
            costs={cost.counter: cost.units for cost in request.costs},
            client_order_id=request.client_order_id,
            timestamp_ms=flight.timestamp_ms if request.auth is Auth.SIGNED else None,
            nonce=flight.nonce,
            number=leave.number,
            paid_by=leave.paid_by,
            era=None if leave.permit is None else leave.permit.era,
            asked_at=leave.asked_at,
            sent_at=answer.sent_at,
            deadline_at=leave.deadline,
            took_ms=round((answer.received_at - answer.sent_at) * 1000),
            via="socket" if flight.by_socket else "rest",
            http_status=answer.status if isinstance(answer, WireReply) else None,
            failure=None if failure is None else failure_facts(failure),
        )

    def _tell_nonce(self, nonce: int, failure: Failure | None) -> None:
        """What an answer says about the nonce of its request; without an answer, nothing."""
        if failure is not None and failure.kind == "nonce_invalid":
            self._nonces.refused(nonce)
        elif failure is None or failure.layer is Layer.BUSINESS:
            self._nonces.accepted(nonce)

    # The venue's clock.

    def has_headroom(self, costs: Sequence[Cost]) -> bool:
        """True while the counters are used at well under what they allow, these included."""
        return self._admission.has_headroom(costs)

    def now(self) -> float:
        """Monotonic, as deadlines are."""
        return self._clock.now()

    def server_now_ms(self) -> int:
        """The venue's time now, as far as we have measured it."""
        return self._server_clock.server_ms(self._clock.wall() * 1000)

    def server_earliest_ms(self) -> int | None:
        """An instant of the venue's clock that has surely passed; None while it is in doubt."""
        return self._server_clock.earliest_ms(self._clock.now(), self._clock.wall() * 1000)

    def server_ms_at(self, wall_s: float) -> int:
        """The venue's time at an instant of our wall clock (seconds since the epoch)."""
        return self._server_clock.server_ms(wall_s * 1000)

    async def sync_clock(self, *, deadline: float | None = None) -> Failure | None:
        """Measure the venue's clock once; the old offset stands where it does not answer."""
        # A step of our own clock is looked for now: found with the answer, it would spoil it.
        self._server_clock.check_wall(self._clock.now(), self._clock.wall() * 1000)
        request = self._codec.query_time()
        reply = await self.call(request, deadline=deadline)
        if isinstance(reply, Failure):
            return reply
        server_ms = self._codec.read_time(request, reply)
        if isinstance(server_ms, Failure):
            return server_ms
        passed_s = self._clock.now() - reply.received_at
        self._server_clock.add_sample(
            sent_at=reply.sent_at,
            received_at=reply.received_at,
            server_ms=server_ms,
            wall_ms=(self._clock.wall() - passed_s) * 1000,
            resolution_ms=self._codec.TRAITS.time_step_ms,
        )
        return None

    async def drain(self) -> None:
        """Wait for what is still on the wire; every request ends by its own timeouts."""
        while self._in_flight:
            self._all_landed = asyncio.get_running_loop().create_future()
            await self._all_landed
        if self._patience is not None:
            self._patience.cancel()
            self._patience, self._patience_at = None, inf


def _first_answer(flight: _Flight, copy: asyncio.Future[WireReply | Failure | None]) -> None:
    """The copy of a slow read has ended: a reply is as good as the other host's."""
    reply = None if copy.cancelled() or copy.exception() is not None else copy.result()
    if isinstance(reply, WireReply) and not flight.answer.done():
        flight.answer.set_result(reply)


def _is_too_much(failure: Failure) -> bool:
    """True when the address has used up a limit that all its programs share."""
    return failure.http_status == _TOO_MANY and failure.scope is Scope.IP


def _doubts_clock(result: WireReply | Failure) -> bool:
    """True when a timestamp was refused; a nonce is mended without asking for the time."""
    if isinstance(result, WireReply) or result.remedy is not Remedy.RESYNC:
        return False
    return result.kind != "nonce_invalid"
