"""Paths and their faults. Times are exact where the links' are fixed."""

from __future__ import annotations

import asyncio
import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import echo, now, run, say, served

from outlast import sim


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
        tailed = sorted(sim.heavy_tailed(0.02, tail=0.1, tail_max_s=60)(rng) for _ in range(2001))
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
