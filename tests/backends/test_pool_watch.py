"""A pool that lets nobody in any more: known, reported, replaced where it is ours."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from test_http import request, with_server

from outlast.backends.clock import SystemClock
from outlast.backends.http import HttpxTransport
from outlast.backends.pool_watch import TRY_EVERY_S, PoolWatch
from outlast.wire import FaultKind, TransportFault, WireReply


def test_who_waits_for_slow_requests_of_ours_is_no_sign_of_a_stuck_pool():
    watch = PoolWatch()
    watch.began(holds_s=29.0)
    assert not watch.turned_away(waited_since=100.0, now=108.0)
    assert not watch.turned_away(waited_since=110.0, now=118.0)
    watch.let_in()
    assert not watch.turned_away(waited_since=120.0, now=148.0)
    assert not watch.is_stuck
    assert watch.may_try(148.0)


def test_a_pool_that_lets_nobody_in_for_longer_than_any_request_may_take_is_stuck():
    watch = PoolWatch()
    watch.began(holds_s=29.0)
    assert not watch.turned_away(waited_since=100.0, now=108.0)
    assert watch.turned_away(waited_since=121.5, now=129.5)
    assert watch.blocked_s(129.5) == 29.5
    assert not watch.turned_away(waited_since=122.0, now=130.0)  # told once
    assert not watch.may_try(130.0)
    assert watch.may_try(129.5 + TRY_EVERY_S)
    assert not watch.may_try(129.6 + TRY_EVERY_S)


def test_a_stuck_pool_that_lets_one_in_is_a_pool_again():
    watch = PoolWatch()
    watch.began(holds_s=1.0)
    assert watch.turned_away(waited_since=0.0, now=1.0)
    watch.let_in()
    assert watch.may_try(1.1)
    assert watch.blocked_s(1.1) == 0.0
    assert not watch.turned_away(waited_since=5.0, now=5.5)


@pytest.mark.sockets
@pytest.mark.parametrize("is_ours", [True, False])
def test_a_pool_whose_slots_all_hang_is_replaced_or_fails_at_once(is_ours, monkeypatch):
    """Its only slot is lost: a request that nobody ends, and that has no timeout, holds it."""

    async def story(server, _):
        client = httpx.AsyncClient(limits=httpx.Limits(max_connections=1), timeout=None)
        made = [client, httpx.AsyncClient(limits=httpx.Limits(max_connections=1))]
        if is_ours:
            monkeypatch.setattr(HttpxTransport, "_new_client", staticmethod(lambda: made.pop(0)))
        transport = HttpxTransport(SystemClock(), client=None if is_ours else client)
        told: list[str] = []
        transport.on_stuck = told.append
        lost = asyncio.create_task(client.get(request(server, "/hang").url))
        while not server.requests:
            await asyncio.sleep(0.01)
        short = request(server, "/ok", connect_within_s=0.1, answer_within_s=0.1)
        faults = []
        while not told:
            faults.append(await transport.send(short))
        assert all(f.kind is FaultKind.POOL_TIMEOUT for f in faults)
        assert len(faults) == 2  # 0.2 s each, and no request may hold a slot for 0.3 s
        assert ("it was replaced" if is_ours else "make a new client") in told[0]
        began = asyncio.get_running_loop().time()
        after = await transport.send(request(server, "/ok"))
        assert asyncio.get_running_loop().time() - began < 1.0
        if is_ours:
            assert isinstance(after, WireReply)
        else:
            assert isinstance(after, TransportFault)
            assert after.kind.nothing_sent
            assert "no connection of the HTTP client has become free" in after.detail
        lost.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lost
        await transport.aclose()
        for each in (client, *made):
            await each.aclose()

    with_server(story)
