"""The simulated network against the real one: the same programs see the same things happen.

Each story runs on loopback sockets and in a simulation, and writes down what asyncio told both
protocols. Only what does not hang on timing is told.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct

import pytest

from outlast import sim


async def pair(diary, **settings):
    """Give the client's and the server's end of one connection."""
    loop = asyncio.get_running_loop()
    accepted = loop.create_future()

    def accept():
        protocol = diary(**settings)
        loop.call_soon(accepted.set_result, protocol)
        return protocol

    server = await loop.create_server(accept, "127.0.0.1", 0)
    _, client = await loop.create_connection(
        lambda: diary(**settings), *server.sockets[0].getsockname()
    )
    other = await accepted
    server.close()
    return client, other


def linger_zero(protocol):
    sock = protocol.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def close_flushes(diary):
    client, server = await pair(diary)
    client.transport.write(bytes(300_000))
    client.transport.close()
    await client.lost
    await server.lost
    return client, server


async def abort_is_an_end_to_the_peer(diary):
    client, server = await pair(diary)
    client.transport.write(b"hello")
    await server.got.wait()
    client.transport.abort()
    await client.lost
    await server.lost
    return client, server


async def abort_with_linger_zero_is_a_reset(diary):
    client, server = await pair(diary)
    linger_zero(client)
    client.transport.abort()
    await client.lost
    await server.lost
    return client, server


async def abort_with_unread_bytes_is_a_reset(diary):
    client, server = await pair(diary)
    client.transport.pause_reading()
    server.transport.write(b"unread")
    while not readable(client):
        await asyncio.sleep(0.01)
    client.transport.abort()
    await client.lost
    await server.lost
    return client, server


def readable(protocol):
    poll = select.poll()
    poll.register(protocol.transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


async def half_closed_still_answers(diary):
    client, server = await pair(diary, keep_open=True)
    client.transport.write(b"question")
    client.transport.write_eof()
    with pytest.raises(RuntimeError):
        client.transport.write(b"more")
    await server.ended.wait()
    server.transport.write(b"answer")
    server.transport.close()
    await server.lost
    await client.ended.wait()
    client.transport.close()
    await client.lost
    return client, server


async def end_closes_a_protocol_that_does_not_mind(diary):
    client, server = await pair(diary)
    client.transport.write(b"bye")
    client.transport.write_eof()
    await server.lost
    await client.lost
    return client, server


async def writing_to_one_that_has_gone_is_an_error_the_second_time(diary):
    client, server = await pair(diary, keep_open=True)
    server.transport.close()
    await server.lost
    await client.ended.wait()
    client.transport.write(b"one")  # answered by a reset
    await asyncio.sleep(0.1)
    client.transport.write(b"two")
    await client.lost
    return client, server


async def a_reset_waits_for_a_paused_reader(diary):
    client, server = await pair(diary)
    client.transport.pause_reading()
    server.transport.write(b"last words")
    while not readable(client):
        await asyncio.sleep(0.01)
    linger_zero(server)
    server.transport.abort()
    await server.lost
    await asyncio.sleep(0.1)
    client.transport.resume_reading()
    await client.lost
    return client, server


async def a_slow_reader_pauses_the_writer(diary):
    client, server = await pair(diary)
    server.transport.pause_reading()
    client.transport.write(bytes(15_000_000))
    await asyncio.sleep(0.1)
    server.transport.resume_reading()
    while ("resume",) not in client.events:
        await asyncio.sleep(0.01)
    client.transport.close()
    await client.lost
    await server.lost
    return client, server


async def nobody_listens(diary):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(diary, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    server.close()
    await server.wait_closed()
    with pytest.raises(ConnectionRefusedError) as caught:
        await loop.create_connection(diary, *address)
    report = diary()
    report.events.append(("errno", caught.value.errno))
    report.events.append(("text", str(caught.value).replace(str(address[1]), "PORT")))
    return report, report


STORIES = [
    close_flushes,
    abort_is_an_end_to_the_peer,
    abort_with_linger_zero_is_a_reset,
    abort_with_unread_bytes_is_a_reset,
    half_closed_still_answers,
    end_closes_a_protocol_that_does_not_mind,
    writing_to_one_that_has_gone_is_an_error_the_second_time,
    a_reset_waits_for_a_paused_reader,
    a_slow_reader_pauses_the_writer,
    nobody_listens,
]


@pytest.mark.sockets
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_same_story_on_real_and_simulated_sockets(story, diary):
    async def main():
        client, server = await story(diary)
        return client.events, server.events

    real = asyncio.run(main())
    for seed in range(3):
        assert sim.run(main, seed=seed) == real
