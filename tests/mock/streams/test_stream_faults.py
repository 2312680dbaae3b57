"""Every stream fault of the scenario language, as a client sees it on the wire."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from toy_venue import play

MARKET = "ws.market.stream"


async def settle(world, seconds: float = 1.0) -> None:
    """Let some time pass, ending between two ticks."""
    now = world.sockets.now_s
    await asyncio.sleep(round(now + seconds, 1) + 0.05 - now)


def test_mute_lets_nothing_through_but_what_it_keeps():
    async def story(world):
        client = await world.subscribed("book", "depth")
        await client.say("sub marks markPrice")
        await settle(world)
        client.take()
        world.fault(MARKET, stream={"mute": {"channels": ["book"], "keep": ["heartbeat"]}})
        await settle(world)
        assert {text.split()[0] for text in client.take()} == {"marks"}
        world.heal()
        world.fault(MARKET, stream={"mute": {"channels": ["*"], "keep": ["markPrice"]}})
        await settle(world)
        assert {text.split()[0] for text in client.take()} == {"marks"}
        world.heal()
        world.fault(MARKET, stream="mute")
        await settle(world)
        assert client.take() == []
        await client.say("sub more trades")
        await settle(world)
        assert client.take() == ["subscribed more"], "answers are no channel"
        world.heal()
        await settle(world)
        numbers = [int(text.split()[1]) for text in client.take() if text.startswith("book")]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert 10 <= len(numbers) <= 11, "what was muted is lost"

    play(story)


def test_delay_makes_everything_late_and_flushes_when_it_ends():
    async def story(world):
        client = await world.subscribed()
        await settle(world)
        last = client.numbers()[-1]
        world.fault(MARKET, stream={"delay": "40s"})
        await settle(world, 30)
        assert client.take() == []
        await settle(world, 30)
        late = client.numbers()
        assert late[0] == last + 1
        assert late == list(range(last + 1, last + 1 + len(late)))
        assert 195 <= len(late) <= 205, "twenty seconds of messages, forty seconds late"
        world.heal()
        await settle(world, 0.2)
        flushed = client.numbers()
        assert flushed == list(range(late[-1] + 1, late[-1] + 1 + len(flushed)))
        assert len(flushed) >= 400

    play(story)


def test_gap_loses_a_share_of_the_updates():
    async def story(world):
        client = await world.subscribed()
        world.fault(MARKET, stream={"gap": 0.2})
        await settle(world, 100)
        numbers = client.numbers()
        assert numbers == sorted(set(numbers))
        assert 700 <= len(numbers) <= 900

    play(story)


def test_dup_sends_a_share_twice():
    async def story(world):
        client = await world.subscribed()
        world.fault(MARKET, stream={"dup": 0.1})
        await settle(world, 100)
        numbers = client.numbers()
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(1, numbers[-1] + 1))
        assert 1050 <= len(numbers) <= 1150

    play(story)


def test_reorder_swaps_a_share_with_the_next():
    async def story(world):
        client = await world.subscribed()
        world.fault(MARKET, stream={"reorder": 0.1})
        await settle(world, 100)
        world.heal()
        await settle(world, 1)
        numbers = client.numbers()
        assert sorted(numbers) == list(range(1, len(numbers) + 1)), "nothing is lost"
        swapped = [n for n, (a, b) in enumerate(pairwise(numbers)) if a > b]
        assert 50 <= len(swapped) <= 150
        assert all(numbers[n] == numbers[n + 1] + 1 for n in swapped)

    play(story)


def test_bad_checksum_spoils_a_share():
    async def story(world):
        client = await world.subscribed()
        world.fault(MARKET, stream={"bad_checksum": 0.1})
        await settle(world, 100)
        texts = client.take()[1:]
        assert [int(text.split()[1]) for text in texts] == list(range(1, len(texts) + 1))
        assert 50 <= sum(text.endswith("bad") for text in texts) <= 150

    play(story)


def test_close_ends_every_socket_after_its_time():
    async def story(world):
        early = await world.subscribed()
        world.fault(MARKET, stream={"close": {"code": 1006, "every": "90s"}})
        fault_at = asyncio.get_running_loop().time()
        await asyncio.sleep(30)
        late = await world.subscribed()
        late_at = asyncio.get_running_loop().time()
        await asyncio.sleep(200)
        assert early.stream.close_code == late.stream.close_code == 1006
        assert abs(early.closed_at - fault_at - 90) < 1
        assert abs(late.closed_at - late_at - 90) < 1
        assert late.take(), "until then it works"

    play(story)


def test_close_with_a_code_is_a_close_frame_and_an_orderly_one_is_announced():
    async def story(world):
        client = await world.subscribed()
        world.fault(MARKET, stream={"close": {"code": 1012, "every": "5s"}})
        await asyncio.sleep(10)
        assert client.stream.close_code == 1012
        assert client.take()[-1] == "going away"

    play(story)


def test_no_pong_leaves_pings_unanswered_and_data_runs_on():
    async def story(world):
        client = await world.subscribed()
        pong = await client.stream.ping()
        await asyncio.sleep(1)
        assert pong.done()
        rule = world.fault(MARKET, stream="no_pong")
        client.take()
        pong = await client.stream.ping()
        await asyncio.sleep(120)
        assert not pong.done()
        assert len(client.numbers()) >= 1000
        assert world.exchange.run.desk.remove(rule)
        world.exchange.run.changed()
        await client.stream.ping()
        await asyncio.sleep(1)
        assert pong.done(), "a later pong answers the earlier pings too"

    play(story)


def test_expire_key_is_the_dialects_to_act_on():
    async def story(world):
        client = await world.dial("/user")
        await settle(world)
        world.fault("ws.user.stream", stream="expire_key")
        await settle(world)
        assert client.take().count("expired") == 1

    play(story)


def test_burst_on_resume_brings_back_what_was_muted_first():
    story_of_a_night = """
scenario: toy
venue: binance-um
seed: 3
phases:
  - {name: quiet, for: 1s}
  - {name: muted, for: 5s, faults: [{match: ws.market.stream, stream: mute}]}
  - {name: back, for: 1m, faults: [{match: ws.market.stream, stream: {burst_on_resume: 400}}]}
"""

    async def story(world):
        client = await world.subscribed()
        await asyncio.sleep(5.5)
        before = client.numbers()
        await asyncio.sleep(1)
        texts, at = client.texts, client.at
        burst = [text for text, when in zip(texts, at, strict=True) if when - at[0] < 0.05]
        good = [int(text.split()[1]) for text in burst if text.endswith("good")]
        assert good == list(range(before[-1] + 1, before[-1] + 1 + len(good)))
        held = [n for n in good if n < 60]  # number 60 is of the instant of the resume
        assert len(held) == 50
        assert sum("old" in text for text in burst) == 400 - len(held)
        fresh = await world.subscribed("two")
        await asyncio.sleep(1)
        heard = fresh.take()
        assert heard[0] == "subscribed two"
        assert sum("old" in text for text in heard) == 400, "newcomers get the backlog"
        await asyncio.sleep(10)
        assert not any("old" in text for text in fresh.take()), "once"

    play(story, story_of_a_night)


def test_ack_only_confirms_and_stays_silent_and_spares_who_was_there_before():
    async def story(world):
        before = await world.subscribed("one")
        await settle(world)
        rule = world.fault(MARKET, stream="ack_only", where={"channel": ["kline"]})
        after = await world.dial()
        await after.say("sub bars kline")
        await after.say("sub book depth")
        before.take()
        await settle(world, 5)
        heard = after.take()
        assert "subscribed bars" in heard
        assert {text.split()[0] for text in heard if text.endswith("good")} == {"book"}
        assert len(before.numbers()) >= 45
        assert world.exchange.run.desk.remove(rule)
        world.exchange.run.changed()
        await settle(world, 5)
        assert not any(text.startswith("bars") for text in after.take()), "it stays deaf"
        await after.say("unsub bars")
        await after.say("sub bars kline")
        await settle(world, 1)
        assert any(text.startswith("bars") for text in after.take())

    play(story)


def test_a_fault_of_the_user_stream_leaves_the_market_alone():
    async def story(world):
        market = await world.subscribed()
        user = await world.dial("/user")
        await settle(world)
        market.take(), user.take()
        world.fault("ws.user.stream", stream="mute")
        await settle(world)
        assert user.take() == []
        assert len(market.numbers()) == 10

    play(story)


def test_only_a_share_of_the_subscriptions_is_hit_and_the_same_ones_again():
    document = """
scenario: toy
venue: binance-um
seed: 3
phases: [{name: bad, for: rest, faults: [{match: ws.market.stream, p: 0.5, stream: mute}]}]
"""

    def run() -> list[str]:
        heard = []

        async def story(world):
            client = await world.dial()
            for n in range(4):
                await client.say(f"sub t{n} depth")
            await asyncio.sleep(1.5)
            for n in range(4, 8):
                await client.say(f"sub t{n} depth")
            await asyncio.sleep(5)
            heard.extend(sorted({t.split()[0] for t in client.take() if t.endswith("good")}))

        play(story, document)
        return heard

    first = run()
    assert 0 < len(first) < 8
    assert run() == first


def test_latency_alone_delays_the_stream():
    async def story(world):
        world.fault(MARKET, latency={"p50": "2s", "p99": "2s"})
        client = await world.subscribed()
        await settle(world, 1.5)
        assert client.numbers() == []
        await settle(world, 2)
        assert client.numbers()

    play(story)
