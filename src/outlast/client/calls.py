"""One guarded call: from the deadline to the classified answer, in the order that makes it safe.

deadline → retry loop → bans → lane admission → bans again → breaker → sign → send → classify → feed

Signing comes last, so that no wait ages a signature. A request that is on the wire is never
cancelled: whoever cannot wait for it leaves, its answer still feeds the machines and reaches
`on_late`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import tenacity

from outlast.client.admission import Admission
from outlast.client.guard import Guard, failure_facts, local_failure
from outlast.client.journal import Journal
from outlast.client.settings import Settings
from outlast.core.breaker import Permit
from outlast.core.budget import RETRIES, SAFETY_RETRIES, RetryBudget
from outlast.core.policy import Decision, GiveUp, RetryAt, RetryPolicy, decide, policy_for
from outlast.core.server_time import ServerClock
from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.wire import (
    Auth,
    Clock,
    HttpTransport,
    Lane,
    TransportFault,
    VenueCodec,
    WireReply,
    WireRequest,
)

__all__ = ["CallDesk", "Credentials", "Late"]

Late = Callable[[WireRequest, WireReply | Failure], None]
"""Hears the answer to a request whose caller had to leave before it came."""


class _NoLongerWanted(Exception):
    """The wait before a retry ended with the outcome known by another path."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """Key and secret. Their repr says nothing."""

    key: str | None
    secret: str | None

    def __repr__(self) -> str:
        return "Credentials(***)" if self.key else "Credentials(none)"


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
        self._base_url = base_url
        self._credentials = credentials
        self._clock = clock
        self._server_clock = server_clock
        self._guard = guard
        self._admission = admission
        self._journal = journal
        self._settings = settings
        self._rng = rng
        self._budget = RetryBudget.of(RETRIES)
        self._safety_budget = RetryBudget.of(SAFETY_RETRIES)
        self._in_flight: set[asyncio.Task[WireReply | Failure]] = set()

    async def call(
        self,
        request: WireRequest,
        *,
        deadline: float | None = None,
        policy: RetryPolicy | None = None,
        on_late: Late | None = None,
        still_wanted: Callable[[], bool] | None = None,
    ) -> WireReply | Failure:
        """Make `request`, again where that is safe, until it is answered or `deadline` (monotonic).

        Returns the reply of success, or the last failure. `still_wanted` is asked after each wait:
        a retry is dropped when a stream or query has told the outcome meanwhile.
        """
        policy = policy if policy is not None else policy_for(request)
        if deadline is None:
            deadline = self._clock.now() + policy.deadline_s
        # The first attempt runs outside tenacity, whose loop costs more than the whole guard.
        first = await self._attempt(request, deadline, on_late)
        if isinstance(first, WireReply):
            return first
        return await self._again(request, first, deadline, policy, on_late, still_wanted)

    async def _again(
        self,
        request: WireRequest,
        first: Failure,
        deadline: float,
        policy: RetryPolicy,
        on_late: Late | None,
        still_wanted: Callable[[], bool] | None,
    ) -> WireReply | Failure:
        """Go on after a first failure, as `decide` says, by tenacity's loop.

        Its stop, wait, sleep and clock are ours: its own are global, and would break virtual time.
        """
        result: WireReply | Failure = first
        decision: Decision = GiveUp("not decided")

        async def attempt() -> WireReply | Failure:
            if retrying.statistics["attempt_number"] == 1:
                return first
            if isinstance(result, Failure) and result.remedy is Remedy.RESYNC:
                await self.sync_clock(deadline=deadline)
            return await self._attempt(request, deadline, on_late)

        def again(state: tenacity.RetryCallState) -> bool:
            nonlocal decision, result
            assert state.outcome is not None
            result = state.outcome.result()
            if isinstance(result, WireReply):
                return False
            decision = self._decide(request, result, policy, state.attempt_number, deadline)
            return isinstance(decision, RetryAt)

        async def sleep(seconds: float) -> None:
            await self._clock.sleep(seconds)
            if still_wanted is not None and not still_wanted():
                raise _NoLongerWanted

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
            return await retrying(attempt)
        except _NoLongerWanted:
            return result

    def _decide(
        self,
        request: WireRequest,
        failure: Failure,
        policy: RetryPolicy,
        attempt: int,
        deadline: float,
    ) -> Decision:
        now = self._clock.now()
        decision = decide(
            request, failure, policy, attempt=attempt, now=now, deadline=deadline, rng=self._rng
        )
        if isinstance(decision, RetryAt):
            budget = self._safety_budget if request.lane is Lane.SAFETY else self._budget
            if not (budget.try_spend(now) or self._has_headroom(request, failure)):
                return GiveUp(f"{failure.kind}; the retry budget is spent")
        return decision

    def _has_headroom(self, request: WireRequest, failure: Failure) -> bool:
        """A retry of what the venue certainly did not do may be paid by limits left unused."""
        refused = failure.outcome is Outcome.REFUSED and failure.remedy is Remedy.RETRY
        return refused and self._admission.has_headroom(request.costs)

    async def _attempt(
        self, request: WireRequest, deadline: float, on_late: Late | None
    ) -> WireReply | Failure:
        now = self._clock.now()
        if now >= deadline:
            return local_failure("deadline_passed", "the deadline passed before it could leave")
        held = self._guard.held(request, now) or await self._admission.enter(request, deadline)
        if held is not None:
            return held
        # Bans and breakers may have closed while it waited for its turn: they are asked last.
        permit = self._guard.permit(request, self._clock.now())
        if isinstance(permit, Failure):
            return permit
        sending = self._launch(request, permit)
        try:
            await asyncio.wait({sending}, timeout=max(0.0, deadline - self._clock.now()))
        finally:
            if not sending.done() and on_late is not None:
                sending.add_done_callback(lambda done: on_late(request, done.result()))
        if sending.done():
            return sending.result()
        return Failure(
            layer=Layer.LOCAL,
            kind="deadline_passed_in_flight",
            outcome=Outcome.UNKNOWN,
            remedy=Remedy.SETTLE if request.is_write else Remedy.RETRY,
            scope=Scope.REQUEST,
            message="the deadline passed before the venue had answered",
        )

    async def probe(self, request: WireRequest) -> bool:
        """Send one cheap read past the breaker, to see whether its plane answers again."""
        now = self._clock.now()
        if self._guard.held(request, now) is not None:
            return False
        deadline = now + request.answer_within_s
        if await self._admission.enter(request, deadline) is not None:
            return False
        return isinstance(await asyncio.shield(self._launch(request, None)), WireReply)

    def _launch(
        self, request: WireRequest, permit: Permit | None
    ) -> asyncio.Task[WireReply | Failure]:
        """Send in a task of its own, which nobody cancels: whoever cannot wait leaves it alone."""
        sending = asyncio.get_running_loop().create_task(
            self._send(request, permit), name=f"outlast {request.name}"
        )
        self._in_flight.add(sending)
        sending.add_done_callback(self._in_flight.discard)
        return sending

    async def _send(self, request: WireRequest, permit: Permit | None) -> WireReply | Failure:
        """Sign, send, classify, feed. Runs to its end, whatever becomes of the caller."""
        timestamp_ms = self.server_now_ms()
        message = self._codec.sign(
            request,
            base_url=self._base_url,
            key=self._credentials.key,
            secret=self._credentials.secret,
            timestamp_ms=timestamp_ms,
            valid_for_ms=round(self._settings.valid_for_s * 1000),
        )
        answer = await self._transport.send(message)
        if isinstance(answer, TransportFault):
            failure: Failure | None = self._codec.classify_fault(request, answer)
        else:
            failure = self._codec.classify(request, answer)
            self._admission.observe(self._codec.read_usage(answer.headers))
        self._guard.feed(request, permit, failure, sent_at=answer.sent_at)
        if failure is None:
            self._budget.earn(self._clock.now())
        elif failure.remedy is Remedy.RESYNC:
            self._server_clock.timestamp_refused(self._clock.now())
        self._journal.note(
            "attempt",
            request=request.name,
            method=request.method,
            path=request.path,
            params=dict(request.params),
            lane=request.lane.name.lower(),
            client_order_id=request.client_order_id,
            timestamp_ms=timestamp_ms if request.auth is Auth.SIGNED else None,
            took_ms=round((answer.received_at - answer.sent_at) * 1000),
            http_status=answer.status if isinstance(answer, WireReply) else None,
            failure=None if failure is None else failure_facts(failure),
        )
        if failure is not None:
            return failure
        assert isinstance(answer, WireReply)
        return answer

    # The venue's clock.

    def server_now_ms(self) -> int:
        """The venue's time now, as far as we have measured it."""
        return self._server_clock.server_ms(self._clock.wall() * 1000)

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
        )
        return None

    async def drain(self) -> None:
        """Wait for what is still on the wire; every request ends by its own timeouts."""
        while self._in_flight:
            await asyncio.wait(self._in_flight)
