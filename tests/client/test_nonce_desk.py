"""Requests are written in the order of their nonces, and nobody waits for another's answer."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable
from itertools import pairwise

from outlast import sim
from outlast.backends.journal import MemoryStore
from outlast.client.journal import Journal
from outlast.client.nonces import APART_S, HOLD_S, NonceDesk
from outlast.wire import HttpRequest, Lane, WireReply


class Wire:
    """A transport that takes its time to write and to answer."""

    def __init__(self, *, writes_in_s: Callable[[], float], answers_in_s: float = 5.0) -> None:
        self.writes_in_s = writes_in_s
        self.answers_in_s = answers_in_s
        self.written: list[str] = []

    async def send(self, request: HttpRequest) -> WireReply:
        await asyncio.sleep(self.writes_in_s())
        self.written.append(request.url)
        if request.on_written is not None:
            request.on_written()
        await asyncio.sleep(self.answers_in_s)
        return WireReply(status=200, headers={}, body=b"", sent_at=0.0, received_at=0.0)

    async def aclose(self) -> None: ...


def desk_over(wire: Wire, store: MemoryStore | None = None) -> NonceDesk:
    clock = sim.clock()
    rng = random.Random(1)
    journal = Journal(store or MemoryStore(), venue="kraken-spot", clock=clock, rng=rng)
    return NonceDesk(wire, clock=clock, journal=journal)


def seal(nonce: int) -> HttpRequest:
    return HttpRequest(method="POST", url=str(nonce))


def run(story: Callable[[], object]) -> None:
    sim.run(functools.partial(story), seed=1)  # type: ignore[arg-type]


def test_fifty_at_once_are_written_in_order_and_answered_together():
    async def story() -> None:
        rng = random.Random(5)
        wire = Wire(writes_in_s=lambda: rng.uniform(0.0, 0.1))
        desk = desk_over(wire)
        began = sim.clock().now()
        sent = await asyncio.gather(*(desk.send(seal, lane=Lane.TRADE) for _ in range(50)))
        assert wire.written == sorted(wire.written, key=int)
        assert len({nonce for _, nonce in sent}) == 50
        assert sim.clock().now() - began < 50 * (0.1 + APART_S) + 6

    run(story)


def test_a_cancel_goes_before_what_waited_longer():
    async def story() -> None:
        wire = Wire(writes_in_s=lambda: 0.05)
        desk = desk_over(wire)
        order: list[Lane] = []

        async def one(lane: Lane) -> None:
            def noted(nonce: int) -> HttpRequest:
                order.append(lane)
                return seal(nonce)

            await desk.send(noted, lane=lane)

        async with asyncio.TaskGroup() as group:
            for lane in (Lane.DATA, Lane.TRADE, Lane.RECONCILE, Lane.SAFETY):
                group.create_task(one(lane))
        assert order == [Lane.DATA, Lane.SAFETY, Lane.RECONCILE, Lane.TRADE]

    run(story)


def test_a_connection_that_is_not_made_holds_the_others_for_a_second_only():
    async def story() -> None:
        delays = iter([30.0, 0.0])
        desk = desk_over(Wire(writes_in_s=lambda: next(delays), answers_in_s=0.0))
        began = sim.clock().now()
        slow = asyncio.ensure_future(desk.send(seal, lane=Lane.TRADE))
        await asyncio.sleep(0)
        await desk.send(seal, lane=Lane.SAFETY)
        assert HOLD_S <= sim.clock().now() - began < HOLD_S + 0.1
        await slow

    run(story)


def test_after_a_refusal_one_is_answered_before_the_next_is_written():
    async def story() -> None:
        wire = Wire(writes_in_s=lambda: 0.0, answers_in_s=0.5)
        desk = desk_over(wire)
        _, nonce = await desk.send(seal, lane=Lane.TRADE)
        desk.refused(nonce)
        began = sim.clock().now()
        await asyncio.gather(*(desk.send(seal, lane=Lane.TRADE) for _ in range(4)))
        assert sim.clock().now() - began >= 4 * 0.5
        assert all(int(b) > int(a) for a, b in pairwise(wire.written))
        assert int(wire.written[1]) - nonce > 9_000_000_000
        await asyncio.sleep(31)
        began = sim.clock().now()
        await asyncio.gather(*(desk.send(seal, lane=Lane.TRADE) for _ in range(4)))
        assert sim.clock().now() - began < 1.0

    run(story)


def test_a_request_that_cannot_be_signed_lets_the_next_one_in():
    async def story() -> None:
        desk = desk_over(Wire(writes_in_s=lambda: 0.0, answers_in_s=0.0))

        def broken(nonce: int) -> HttpRequest:
            raise ValueError(nonce)

        waiting = [asyncio.ensure_future(desk.send(broken, lane=Lane.TRADE)) for _ in range(3)]
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(error, ValueError) for error in done)
        async with asyncio.timeout(1):
            await desk.send(seal, lane=Lane.TRADE)

    run(story)


def test_the_next_session_on_a_journal_begins_above_all_that_was_used():
    async def story() -> None:
        store = MemoryStore()
        wire = Wire(writes_in_s=lambda: 0.0, answers_in_s=0.0)
        first = desk_over(wire, store)
        for _ in range(5):
            await first.send(seal, lane=Lane.TRADE)
        sim.clock().step(-86_400)
        second = desk_over(wire, store)
        await second.send(seal, lane=Lane.TRADE)
        assert all(int(b) > int(a) for a, b in pairwise(wire.written))
        kinds = [record.kind for record in store.records()]
        assert kinds.count("nonce.reserved") == 2

    run(story)
