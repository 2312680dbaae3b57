"""The network: paths, faults, names, machines. Times are exact where the link's are fixed."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast import sim


def run(main, **settings):
    return sim.run(main, seed=settings.pop("seed", 1), **settings)


async def served(handler, host="venue", port=80):
    """Listen on a host of that name, on paths of exactly 0.1 s each way."""
    sim.network().host(host)
    sim.network().link().latency = sim.fixed(0.1)
    sim.network().names.lag(sim.fixed(0.0))
    return await asyncio.start_server(handler, host, port)


async def echo(reader, writer):
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def say(reader, writer, data=b"ping"):
    writer.write(data)
    return await reader.readexactly(len(data))


def now():
    return round(asyncio.get_running_loop().time(), 9)


# Paths.


def test_connecting_takes_one_round_trip_and_an_answer_another():
    async def main():
        await served(echo)
        reader, writer = await asyncio.open_connection("venue", 80)
        connected = now()
        await say(reader, writer)
        writer.close()
        return connected, now()

    assert run(main) == (0.2, 0.4)


def test_bandwidth_is_shared_by_the_connections_of_a_link():
    async def main():
        await served(echo)
        sim.network().link(to="venue").bandwidth = 1000.0
        streams = [await asyncio.open_connection("venue", 80) for _ in range(2)]
        began = now()
        await asyncio.gather(*(say(*stream, bytes(500)) for stream in streams))
        for _, writer in streams:
            writer.close()
        return round(now() - began, 6)

    # 1000 bytes up in 1 s; the first echo leaves at 0.6 and the second follows at 1.1 to 1.6.
    assert run(main) == 1.7


def test_a_stall_holds_bytes_back_and_then_lets_them_through():
    async def main():
        await served(echo)
        reader, writer = await asyncio.open_connection("venue", 80)
        sim.network().link(to="venue").stall(30)
        began = now()
        await say(reader, writer)
        writer.close()
        return round(now() - began, 6)

    assert run(main) == 30.1


def test_a_one_way_partition_loses_the_answer_not_the_request():
    async def main():
        heard = []

        async def hears(reader, writer):
            heard.append(await reader.read(10))
            writer.write(b"done")
            await writer.drain()
            writer.close()

        await served(hears)
        reader, writer = await asyncio.open_connection("venue", 80)
        link = sim.network().link(to="venue")
        link.partition(sim.Direction.DOWN)
        writer.write(b"order")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await reader.read(10)
        assert heard == [b"order"]
        assert link.is_blocked(sim.Direction.DOWN)
        assert not link.is_blocked(sim.Direction.UP)
        link.heal()
        answer = await reader.read(10)
        writer.close()
        return answer

    assert run(main) == b"done"


def test_bytes_nobody_acknowledges_end_in_etimedout_after_15_minutes():
    async def main():
        await served(echo)
        reader, writer = await asyncio.open_connection("venue", 80)
        sim.network().partition("localhost", "venue")
        writer.write(b"x")
        with pytest.raises(TimeoutError) as caught:
            await reader.read(1)
        writer.close()
        return caught.value.errno, now()

    assert run(main) == (errno.ETIMEDOUT, 924.8)


def test_an_idle_connection_does_not_notice_a_partition():
    async def main():
        await served(echo)
        reader, writer = await asyncio.open_connection("venue", 80)
        network = sim.network()
        network.partition("localhost", "venue")
        await asyncio.sleep(3600)
        network.heal()
        data = await say(reader, writer)
        writer.close()
        return data

    assert run(main) == b"ping"


def test_loss_shows_as_waiting_for_tcp_to_send_again():
    async def main():
        await served(echo)
        reader, writer = await asyncio.open_connection("venue", 80)
        sim.network().link(to="venue").loss = 0.3
        waits = []
        for _ in range(200):
            began = now()
            await say(reader, writer)
            waits.append(round(now() - began, 6))
        writer.close()
        return waits

    waits = run(main)
    assert min(waits) == 0.2
    assert {0.4, 0.8} <= set(waits)  # one loss costs 0.2 s, two in a row 0.2 + 0.4


def test_a_cut_resets_both_ends_in_the_middle_of_a_stream():
    async def main():
        ends = []

        async def hears(reader, writer):
            try:
                await reader.read()
            except ConnectionResetError:
                ends.append("server")
            writer.close()

        await served(hears)
        reader, writer = await asyncio.open_connection("venue", 80)
        sim.network().link(to="venue").cut = 1.0
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        broken_at = now()
        await asyncio.sleep(1)
        writer.close()
        return ends, broken_at

    assert run(main) == (["server"], 0.3)


def test_reset_breaks_the_open_connections_of_a_link_only():
    async def main():
        await served(echo, "venue")
        await served(echo, "other")
        one = await asyncio.open_connection("venue", 80)
        two = await asyncio.open_connection("other", 80)
        await asyncio.sleep(1)
        assert sim.network().link(to="venue").reset() == 1
        with pytest.raises(ConnectionResetError):
            await one[0].read()
        data = await say(*two)
        one[1].close()
        two[1].close()
        return data

    assert run(main) == b"ping"


def test_refused_says_so_after_one_round_trip():
    async def main():
        await served(echo)
        failures = []
        for port in (81, 80):  # nobody listens; a link that refuses
            sim.network().link(to="venue:80").refuse = 1.0
            with pytest.raises(ConnectionRefusedError) as caught:
                await asyncio.open_connection("venue", port)
            failures.append(str(caught.value).split("(")[0])
        return failures, now()

    text = f"[Errno {errno.ECONNREFUSED}] Connect call failed "
    assert run(main) == ([text, text], 0.4)


def test_a_black_hole_never_answers_until_connecting_is_given_up():
    async def main():
        await served(echo)
        sim.network().link(to="venue").black_hole = 1.0
        with pytest.raises(TimeoutError) as caught:
            await asyncio.open_connection("venue", 80)
        return caught.value.errno, now()

    assert run(main) == (errno.ETIMEDOUT, 127.0)


def test_a_black_hole_that_ends_lets_the_next_request_to_connect_through():
    async def main():
        await served(echo)
        link = sim.network().link(to="venue")
        link.black_hole = 1.0
        asyncio.get_running_loop().call_later(5, setattr, link, "black_hole", 0.0)
        _, writer = await asyncio.open_connection("venue", 80)
        writer.close()
        return now()

    assert run(main) == 7.2  # asked at 0, 1, 3 and 7 s


def test_a_connection_given_up_leaves_nothing_behind():
    async def main():
        await served(echo)
        network = sim.network()
        network.link(to="venue").latency = sim.fixed(3.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4):
                await asyncio.open_connection("venue", 80)
        await asyncio.sleep(60)
        return network.open_connections

    assert run(main) == 0


def test_the_more_specific_link_gives_the_value():
    async def main():
        await served(echo)
        network = sim.network()
        with network.process("bot"):
            network.link("bot").latency = sim.fixed(1.0)
            network.link(to="venue").latency = sim.fixed(0.2)
            network.link(to="venue:80").latency = sim.fixed(0.3)
            network.link("bot", "venue:80").latency = sim.fixed(0.4)
            times = []
            for _ in range(2):
                began = now()
                _, writer = await asyncio.open_connection("venue", 80)
                writer.close()
                times.append(round(now() - began, 6))
                network.link("bot", "venue:80").latency = None
        return times

    assert run(main) == [0.8, 0.6]


def test_a_dribbling_link_cuts_a_stream_into_small_pieces():
    async def main():
        pieces = []

        async def hears(reader, writer):
            while data := await reader.read(100):
                pieces.append(data)
            writer.close()

        await served(hears)
        link = sim.network().link(to="venue")
        link.segment_max = 3
        link.latency = sim.uniform(0.1, 0.2)
        _, writer = await asyncio.open_connection("venue", 80)
        writer.write(b"0123456789" * 30)
        await asyncio.sleep(2)
        writer.close()
        await asyncio.sleep(2)
        return pieces

    pieces = run(main)
    assert b"".join(pieces) == b"0123456789" * 30
    assert len(pieces) > 1


def test_bad_values_are_refused_with_their_name():
    async def main():
        network = sim.network()
        link = network.link()
        with pytest.raises(ValueError, match="loss: expected a chance"):
            link.loss = 2
        with pytest.raises(ValueError, match="bandwidth: expected more than 0"):
            link.bandwidth = 0
        with pytest.raises(ValueError, match="latency: expected a distribution"):
            link.latency = 0.1
        with pytest.raises(AttributeError):
            link.latncy = sim.fixed(1)
        with pytest.raises(ValueError, match="seconds"):
            link.stall(-1)
        with pytest.raises(sim.SimulationError, match=r"network\.host\('nobody'\)"):
            network.link(to="nobody")
        with pytest.raises(ValueError, match="host:port"):
            network.link(to="localhost:http")
        with pytest.raises(ValueError, match="host name"):
            network.host("a:b")

    run(main)


@pytest.mark.parametrize(
    "make",
    [
        lambda: sim.fixed(-1),
        lambda: sim.uniform(2, 1),
        lambda: sim.lognormal(0),
        lambda: sim.heavy_tailed(1, tail=2, tail_max_s=3),
        lambda: sim.heavy_tailed(1, tail=0.1, tail_max_s=0.5),
    ],
)
def test_impossible_distributions_are_refused(make):
    with pytest.raises(ValueError, match="expected"):
        make()


def test_distributions_draw_what_they_say():
    async def main():
        rng = sim.random("test")
        usual = sorted(sim.lognormal(0.02)(rng) for _ in range(2001))
        tailed = sorted(
            sim.heavy_tailed(0.02, tail=0.1, tail_max_s=60)(rng) for _ in range(2001)
        )
        flat = [sim.uniform(1, 2)(rng) for _ in range(100)]
        return usual, tailed, flat

    usual, tailed, flat = run(main)
    assert 0.018 < usual[1000] < 0.022
    assert usual[-1] < 0.08
    assert 0.018 < tailed[1000] < 0.025
    assert 1 < tailed[-1] <= 60
    assert 1 <= min(flat) <= max(flat) <= 2


@given(
    writes=st.lists(st.binary(min_size=1, max_size=2000), min_size=1, max_size=12),
    chop=st.integers(1, 700),
    loss=st.sampled_from([0.0, 0.2]),
    stall=st.sampled_from([None, 0.05, 5.0]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=40, deadline=None)
def test_every_byte_arrives_once_and_in_order(writes, chop, loss, stall, seed):
    async def main():
        got = []

        async def hears(reader, writer):
            got.append(await reader.read())
            writer.close()

        network = sim.network()
        network.host("venue")
        server = await asyncio.start_server(hears, "venue", 80)
        link = network.link(to="venue")
        link.segment_max, link.loss = chop, loss
        link.latency = sim.heavy_tailed(0.02, tail=0.2, tail_max_s=2)
        _, writer = await asyncio.open_connection("venue", 80)
        for each in writes:
            writer.write(each)
            await asyncio.sleep(0.01)
            if stall:
                link.stall(stall)
        await writer.drain()
        writer.close()
        await asyncio.sleep(1000)
        server.close()
        return got, network.open_connections

    assert sim.run(main, seed=seed) == ([b"".join(writes)], 0)


# Flow control.


def test_a_reader_that_stops_makes_the_writer_wait(diary):
    async def main():
        served_to = []

        def accepted():
            served_to.append(diary())
            return served_to[-1]

        loop = asyncio.get_running_loop()
        await loop.create_server(accepted, "127.0.0.1", 80)
        transport, mine = await loop.create_connection(diary, "127.0.0.1", 80)
        await asyncio.sleep(1)
        theirs = served_to[0]
        theirs.transport.pause_reading()
        transport.write(bytes(1_000_000))
        await asyncio.sleep(60)
        held, paused = transport.get_write_buffer_size(), list(mine.events)
        theirs.transport.resume_reading()
        await asyncio.sleep(60)
        transport.close()
        await theirs.lost
        return held, paused, mine.events, len(theirs.events[1][1])

    held, paused, mine, received = run(main)
    assert 500_000 < held < 1_000_000  # the rest is in the kernels of both ends
    assert paused == [("made",), ("pause",)]
    assert mine == [("made",), ("pause",), ("resume",), ("lost", None)]
    assert received == 1_000_000


def test_a_partition_fills_the_window_and_then_the_writer_s_buffer():
    async def main():
        await served(echo)
        _, writer = await asyncio.open_connection("venue", 80)
        sim.network().partition("localhost", "venue")
        writer.write(bytes(1_000_000))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await writer.drain()
        size = writer.transport.get_write_buffer_size()
        writer.transport.abort()
        return size

    assert run(main) > 500_000


# Names.


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


# Listening.


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


def test_an_address_nobody_has_is_unreachable():
    async def main():
        with pytest.raises(OSError, match="no simulated host") as caught:
            await asyncio.open_connection("10.9.8.7", 80)
        return caught.value.errno

    assert run(main) == errno.EHOSTUNREACH


# Machines and programs.


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
        network = sim.network()
        await served(echo)
        with network.process("bot") as process:
            network.kill(process)
            with pytest.raises(OSError, match="down") as caught:
                await asyncio.open_connection("venue", 80)
        return caught.value.errno

    assert run(main) == errno.ENETDOWN


def test_killing_a_server_refuses_newcomers_and_resets_what_it_had_not_read(diary):
    async def main():
        network = sim.network()

        async def deaf(_, writer):
            writer.transport.pause_reading()

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

    # The dead server's transport is garbage with an open socket, as it was in the real process.
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


# What asyncio's low-level calls see.


def test_socket_calls_of_the_loop_work_in_memory():
    async def main():
        loop, network = asyncio.get_running_loop(), sim.network()
        await served(echo)
        sock = network.socket()
        address = (network.host("venue").addresses[0], 80)
        await loop.sock_connect(sock, address)
        await loop.sock_sendall(sock, b"hello")
        data = await loop.sock_recv(sock, 3)
        buffer = bytearray(2)
        assert await loop.sock_recv_into(sock, buffer) == 2
        assert sock.getpeername() == address
        sock.close()
        with pytest.raises(OSError, match="descriptor"):
            sock.recv(1)
        assert sock.fileno() == -1
        return data + buffer

    assert run(main) == b"hello"


def test_the_socket_handed_out_takes_options_and_can_be_polled():
    async def main():
        await served(echo)
        reader, writer = await asyncio.open_connection("venue", 80)
        sock = writer.get_extra_info("socket")
        assert (sock.family, sock.type) == (socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert sock.getsockname() == writer.get_extra_info("sockname")
        assert writer.get_extra_info("ssl_object") is None
        quiet = sock.fileno()
        writer.transport.pause_reading()
        writer.write(b"x")
        await asyncio.sleep(1)
        loud = sock.fileno()
        writer.close()
        await writer.wait_closed()
        assert reader is not None
        return quiet >= 0, loud >= 0, quiet != loud, sock.fileno()

    assert run(main) == (True, True, True, -1)


def test_linger_zero_makes_abort_a_reset():
    async def main():
        async def aborts(_, writer):
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

        await served(aborts)
        reader, writer = await asyncio.open_connection("venue", 80)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    run(main)


def test_watchers_see_every_segment_with_its_ends():
    async def main():
        await served(echo)
        trace = sim.Trace()
        sim.network().watch(trace)
        reader, writer = await asyncio.open_connection("venue", 80)
        await say(reader, writer)
        writer.close()
        await asyncio.sleep(1)
        return trace

    trace = run(main)
    kinds = [packet.kind.value for packet in trace.packets]
    assert kinds == ["SYN", "SYN-ACK", "ACK", "DATA", "DATA", "FIN", "FIN"]
    assert [packet.at for packet in trace.packets[:3]] == pytest.approx([0.1, 0.2, 0.3])
    assert trace.packets[3].destination[1] == trace.packets[4].source[1] == 80
    assert trace.lines()[3].endswith("DATA 4 b'ping'")
