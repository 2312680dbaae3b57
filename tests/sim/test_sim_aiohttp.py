"""aiohttp clients, and ccxt on top of them, unchanged."""

from __future__ import annotations

import asyncio

import pytest

from outlast import sim

aiohttp = pytest.importorskip("aiohttp")


def in_world(story, web, *, seed=1):
    async def main():
        network = sim.network()
        network.host("venue", "api.venue.test")
        network.link().latency = sim.fixed(0.05)
        network.names.lag(sim.fixed(0.01))
        async with web.serving("venue", 80):
            result = await story()
        await asyncio.sleep(1)
        assert network.open_connections == 0
        return result

    return sim.run(main, seed=seed)


def session(plain, **settings):
    from outlast.sim.aiohttp import SimConnector

    connector = aiohttp.TCPConnector() if plain else SimConnector()
    return aiohttp.ClientSession("http://api.venue.test", connector=connector, **settings)


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "connector"])
def test_get_and_post_share_a_connection(web, plain):
    async def story():
        async with session(plain) as client:
            async with client.get("/book") as answer:
                one = await answer.json()
            async with client.post("/order", data=b"side=BUY") as answer:
                two = await answer.json()
        return one["target"], two["body"], round(asyncio.get_running_loop().time(), 6)

    assert in_world(story, web) == ("/book", "side=BUY", 0.31)


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "connector"])
def test_timeouts_and_faults_are_aiohttp_s_own_errors(web, plain):
    async def story():
        network, seen = sim.network(), []
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=10)
        async with session(plain, timeout=timeout) as client:

            async def attempt(path="/", method="GET"):
                began = asyncio.get_running_loop().time()
                try:
                    await client.request(method, path)
                except (aiohttp.ClientError, TimeoutError) as error:
                    took = asyncio.get_running_loop().time() - began
                    seen.append((type(error).__name__, round(took, 2)))

            link = network.link(to="venue")
            network.names.fail()
            await attempt()
            network.names.mend()
            link.refuse = 1.0
            await attempt()
            link.refuse, link.black_hole = 0.0, 1.0
            await attempt()
            link.black_hole = 0.0
            await attempt("/hang")
            asyncio.get_running_loop().call_later(1, network.reset)
            await attempt("/hang", "POST")
        return seen

    assert in_world(story, web) == [
        ("ClientConnectorDNSError", 0.01),
        ("ClientConnectorError", 0.11),
        ("ConnectionTimeoutError", 5.0),
        ("SocketTimeoutError", 10.1),
        ("ClientOSError", 1.0),
    ]


def test_the_connector_outside_a_simulation_says_so():
    from outlast.sim.aiohttp import SimConnector

    async def main():
        SimConnector()

    with pytest.raises(sim.SimulationError, match=r"sim\.run"):
        asyncio.run(main())


def test_tls_is_refused_in_words(web):
    async def story():
        async with aiohttp.ClientSession() as client:
            with pytest.raises(sim.SimulationError, match="http://"):
                await client.get("https://api.venue.test:80/")

    in_world(story, web)


@pytest.mark.parametrize("own_session", [True, False], ids=["its-session", "our-session"])
def test_ccxt_paces_and_stamps_in_virtual_time(web, own_session):
    ccxt = pytest.importorskip("ccxt.async_support")
    from outlast.sim.aiohttp import SimConnector

    async def story():
        loop, settings = asyncio.get_running_loop(), {"rateLimit": 50}
        ours = None if own_session else aiohttp.ClientSession(connector=SimConnector())
        if ours is not None:
            settings["session"] = ours
        exchange = ccxt.binanceusdm(settings)
        for name, url in exchange.urls["api"].items():
            if isinstance(url, str):
                exchange.urls["api"][name] = "http://api.venue.test"
        try:
            first = await exchange.fetch_time()
            began = loop.time()
            for _ in range(20):
                await exchange.fetch_time()
            took = loop.time() - began
            stamp = exchange.milliseconds()
            network = sim.network()
            network.link(to="venue").refuse = 1.0
            network.reset()
            with pytest.raises(ccxt.NetworkError):
                await exchange.fetch_time()
        finally:
            await exchange.close()
            if ours is not None:
                await ours.close()
        return first, took, stamp - int(sim.T0 * 1000), loop.time()

    first, took, stamp, ended = in_world(story, web)
    assert first == int(sim.T0 * 1000) + 160  # name, connect, half a round trip
    assert took >= 20 * 0.1  # a round trip each, at least
    assert 2000 < stamp < ended * 1000
