"""Names, listeners, hosts and programs of the simulated network."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest
from small_world import echo, now, run, say, served

from outlast import sim


def test_names_fail_and_lag_as_told():
    async def main():
        loop, names = asyncio.get_running_loop(), sim.network().names
        host = sim.network().host("venue", "API.venue.test")
        names.lag(sim.fixed(0.5))
        found = await loop.getaddrinfo("api.VENUE.test", "https", type=socket.SOCK_STREAM)
        took = now()
        failures = []
        with pytest.raises(socket.gaierror) as caught:
            await loop.getaddrinfo("api.kraken.com", 443)
        failures.append(caught.value.errno)
        names.fail("venue")
        with pytest.raises(socket.gaierror) as caught:
            await asyncio.open_connection("venue", 80)
        failures.append(caught.value.errno)
        names.mend("venue")
        names.fail(error=socket.EAI_FAIL)
        with pytest.raises(socket.gaierror) as caught:
            await loop.getaddrinfo("venue", 80)
        failures.append(caught.value.errno)
        names.mend()
        with pytest.raises(socket.gaierror) as caught:
            await loop.getaddrinfo("venue", "no-such-service")
        failures.append(caught.value.errno)
        local = await loop.getaddrinfo("localhost", None)
        assert await loop.getnameinfo(("127.0.0.1", 80)) == ("127.0.0.1", "80")
        return found, host.addresses[0], took, failures, local[0][4]

    found, address, took, failures, local = run(main)
    assert found == [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]
    assert took == 0.5
    assert failures == [
        socket.EAI_NONAME,
        socket.EAI_AGAIN,
        socket.EAI_FAIL,
        socket.EAI_SERVICE,
    ]
    assert local == ("127.0.0.1", 0)


def test_a_name_with_several_addresses_is_tried_in_order():
    async def main():
        network = sim.network()
        dead, alive = network.host("dead"), network.host("alive")
        network.names.add("venue", *dead.addresses, *alive.addresses)
        await asyncio.start_server(echo, "alive", 80)
        reader, writer = await asyncio.open_connection("venue", 80)
        data = await say(reader, writer)
        peer = writer.get_extra_info("peername")
        writer.close()
        network.names.add("venue", *dead.addresses, "198.19.255.1")
        with pytest.raises(OSError, match="Multiple exceptions"):
            await asyncio.open_connection("venue", 80)
        return data, peer == (alive.addresses[0], 80)

    assert run(main) == (b"ping", True)


def test_happy_eyeballs_pass_a_black_hole_by():
    async def main():
        network = sim.network()
        hole, alive = network.host("hole"), network.host("alive")
        network.names.add("venue", *hole.addresses, *alive.addresses)
        network.link(to="hole").black_hole = 1.0
        network.link().latency = sim.fixed(0.01)
        network.names.lag(sim.fixed(0))
        await asyncio.start_server(echo, "alive", 80)
        _, writer = await asyncio.open_connection("venue", 80, happy_eyeballs_delay=0.25)
        writer.close()
        await asyncio.sleep(300)
        return network.open_connections

    assert run(main) == 0


def test_ports_are_given_out_and_refused_when_taken():
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        assert 1024 < port < 65_536
        with pytest.raises(OSError, match="address") as caught:
            await loop.create_server(asyncio.Protocol, "127.0.0.1", port)
        assert caught.value.errno == errno.EADDRINUSE
        server.close()
        await server.wait_closed()
        await loop.create_server(asyncio.Protocol, "127.0.0.1", port)
        with pytest.raises(OSError, match=r"network\.host") as caught:
            await loop.create_server(asyncio.Protocol, "10.0.0.1", 80)
        assert caught.value.errno == errno.EADDRNOTAVAIL

    run(main)


@pytest.mark.parametrize("host", [None, "", "0.0.0.0", "::1"])
def test_a_server_on_all_addresses_is_found_on_each_of_its_host(host):
    async def main():
        await asyncio.start_server(echo, host, 8080)
        reader, writer = await asyncio.open_connection(
            "::1" if host == "::1" else "127.0.0.1", 8080
        )
        data = await say(reader, writer)
        writer.close()
        return data

    assert run(main) == b"ping"


def test_a_server_tells_who_called_and_lives_as_asyncio_s_do():
    async def main():
        callers = []

        async def handler(_, writer):
            callers.append(writer.get_extra_info("peername")[0])
            writer.close()

        network = sim.network()
        with network.process("venue"):
            server = await asyncio.start_server(handler, None, 80, start_serving=False)
        assert not server.is_serving()
        with network.process("bot") as bot:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("venue", 80)
            await server.start_serving()
            reader, writer = await asyncio.open_connection("venue", 80)
        await reader.read()
        writer.close()
        async with server:
            pass
        assert not server.sockets
        return callers == [bot.host.addresses[0]]

    assert run(main)


def test_a_server_that_closes_during_the_handshake_resets_the_newcomer():
    async def main():
        server = await served(echo)
        asyncio.get_running_loop().call_later(0.25, server.close)
        reader, writer = await asyncio.open_connection("venue", 80)  # it believes at 0.2 s
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        return now()

    assert run(main) == 0.4


def test_connections_waiting_to_be_accepted_are_reset_when_the_listener_closes():
    async def main():
        network = sim.network()
        listener = network.socket()
        listener.bind(("127.0.0.1", 80))
        listener.listen()
        reader, writer = await asyncio.open_connection("127.0.0.1", 80)
        await asyncio.sleep(1)
        listener.close()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await asyncio.sleep(1)
        return network.open_connections

    assert run(main) == 0


def test_an_address_nobody_has_is_unreachable():
    async def main():
        with pytest.raises(OSError, match="no simulated host") as caught:
            await asyncio.open_connection("10.9.8.7", 80)
        return caught.value.errno

    assert run(main) == errno.EHOSTUNREACH


def test_a_killed_program_is_noticed_at_once_by_its_peers():
    async def main():
        network, ends = sim.network(), []

        async def handler(reader, writer):
            ends.append((await reader.read(), now()))
            writer.close()

        await served(handler)

        async def bot():
            _, writer = await asyncio.open_connection("venue", 80)
            writer.write(b"one")
            try:
                await asyncio.sleep(1000)
            finally:
                writer.write(b"goodbye")  # a dead program says nothing
                writer.close()

        with network.process("bot") as process:
            task = asyncio.create_task(bot())
        await asyncio.sleep(10)
        network.kill(process)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(10)
        with network.process("bot"):  # restarted
            reader, writer = await asyncio.open_connection("venue", 80)
        writer.close()
        await reader.read()
        return ends[0]

    assert run(main) == (b"one", 10.1)


def test_a_killed_program_gets_no_new_connections():
    async def main():
        network, errors = sim.network(), []
        await served(echo)

        async def bot():
            network.kill(process)
            try:
                network.socket()
            except OSError as error:
                errors.append(error.errno)
            await asyncio.sleep(0)
            pytest.fail("it went on")

        with network.process("bot") as process:
            task = asyncio.create_task(bot())
        with pytest.raises(asyncio.CancelledError):
            await task
        return errors

    assert run(main) == [errno.ENETDOWN]


def test_killing_a_server_refuses_newcomers_and_resets_what_it_had_not_read(diary):
    async def main():
        network = sim.network()

        kept = []

        async def deaf(_, writer):
            writer.transport.pause_reading()
            kept.append(writer)

        with network.process("venue") as process:
            await asyncio.start_server(deaf, "venue", 80)
        transport, mine = await asyncio.get_running_loop().create_connection(diary, "venue", 80)
        transport.write(b"unread")
        await asyncio.sleep(1)
        network.kill(process)
        await mine.lost
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("venue", 80)
        return mine.events

    assert run(main) == [("made",), ("lost", "ConnectionResetError")]


def test_a_host_without_power_is_silent_and_resets_when_it_is_back():
    async def main():
        network = sim.network()
        network.link().latency = sim.fixed(0.1)
        with network.process("venue"):
            await asyncio.start_server(echo, "venue", 80)
        reader, writer = await asyncio.open_connection("venue", 80)
        network.vanish("venue")
        writer.write(b"anyone there?")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await reader.read(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.open_connection("venue", 80)
        network.revive("venue")
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("venue", 80)
        with network.process("venue"):
            await asyncio.start_server(echo, "venue", 80)
        data = await say(*(again := await asyncio.open_connection("venue", 80)))
        again[1].close()
        return data

    assert run(main) == b"ping"
