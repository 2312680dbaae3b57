"""Sockets as asyncio's transports and low-level calls see them."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from small_world import echo, run, say, served

from outlast import sim


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
