"""Books against the mock's own, in simulation: nothing untrue is ever read, and it heals."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import market_in_sim
import pytest
from market_in_sim import BTC, ETH, KEYS, VENUES, Market, TrueBooks, play

from outlast import sim
from outlast.client.events import BookTrustChanged
from outlast.client.session import Session
from outlast.core.books import Distrust, ExactDigits
from outlast.core.books.digits import NotKnown
from outlast.errors import StaleData
from outlast.venues import market_streams

MARKET = "ws.market.stream"


def _now() -> float:
    return sim.clock().now()


async def _read_all_the_time(
    session: Session, truth: TrueBooks, symbol: str, key: str, seconds: float
) -> tuple[int, list[float]]:
    """Read every 50 ms and check each reading; how many were refused, and since when."""
    until, good, refused = _now() + seconds, 0, []
    while _now() < until:
        view = session._market.books.view(symbol)
        assert view is not None
        try:
            truth.assert_honest(key, view)
            good += 1
        except StaleData:
            refused.append(_now())
        await asyncio.sleep(0.05)
    return good, refused


async def _until(condition: Callable[[], bool], within_s: float) -> float:
    """Wait for it, and return how long it took."""
    began = _now()
    while not condition():
        assert _now() - began < within_s, f"it did not come about within {within_s} s"
        await asyncio.sleep(0.01)
    return _now() - began


@pytest.mark.parametrize("venue", VENUES)
def test_a_book_is_there_at_the_first_call_and_agrees_with_the_venue(venue: str, tmp_path: Path):
    async def story(world: Market) -> None:
        truth = world.true_books()
        async with world.watch() as session:
            began = _now()
            view = await session.book(BTC[venue])
            assert _now() - began < 2.0
            truth.assert_honest(KEYS[venue][0], view)
            good, refused = await _read_all_the_time(
                session, truth, BTC[venue], KEYS[venue][0], 30.0
            )
            assert good > 400
            assert not refused
            assert session._market.books.resyncs[BTC[venue]] == 1

    play(story, tmp_path, venue)


@pytest.mark.parametrize("venue", VENUES)
def test_two_books_share_a_socket(venue: str, tmp_path: Path):
    async def story(world: Market) -> None:
        truth = world.true_books()
        async with world.watch() as session:
            btc, eth = await asyncio.gather(session.book(BTC[venue]), session.book(ETH[venue]))
            truth.assert_honest(KEYS[venue][0], btc)
            truth.assert_honest(KEYS[venue][1], eth)
            assert world.dials == 1

    play(story, tmp_path, venue)


_FAULTS: dict[str, object] = {
    "gap": {"gap": 0.2},
    "duplicates": {"dup": 0.5},
    "reorder": {"reorder": 0.3},
    "bad checksum": {"bad_checksum": 0.3},
    "late": {"delay": "3s"},
    "mute": "mute",
    "mute but for heartbeats": {"mute": {"channels": ["book"], "keep": ["heartbeat"]}},
    "ack only": "ack_only",
    "closed again and again": {"close": {"code": 1001, "every": "5s"}},
}


@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("venue", VENUES)
def test_no_reading_shows_what_was_never_there(venue: str, fault: str, tmp_path: Path):
    """Goal: P5. Method: one fault at a time, a reader that reads every 50 ms all through it."""
    seed = 11

    async def story(world: Market) -> None:
        truth = world.true_books()
        symbol, key = BTC[venue], KEYS[venue][0]
        async with world.watch() as session:
            await session.book(symbol)
            reading = asyncio.create_task(_read_all_the_time(session, truth, symbol, key, 60.0))
            await asyncio.sleep(10)
            world.fault(MARKET, stream=_FAULTS[fault])
            await asyncio.sleep(25)
            world.heal()
            healed = _now()
            good, refused = await reading
            assert good > 200, f"seed {seed}: {good} readings were good"
            late = [at for at in refused if at > healed + 12]
            assert not late, f"seed {seed}: still refused {late[-1] - healed:.1f} s after the fault"
            view = await session.book(symbol)
            truth.assert_honest(key, view)
        assert world.dials <= 12
        world.judge()

    play(story, tmp_path, venue, seed=seed)


@pytest.mark.parametrize("venue", VENUES)
def test_silence_shows_within_five_seconds(venue: str, tmp_path: Path):
    async def story(world: Market) -> None:
        symbol = BTC[venue]
        async with world.watch() as session:
            await session.book(symbol)
            await asyncio.sleep(20)
            view = session._market.books.view(symbol)
            world.fault(MARKET, stream="mute")
            muted = _now()
            books = session._market.books
            await _until(lambda: not books.view(symbol).is_fresh, 5.0)
            assert _now() - muted <= 5.0
            assert view is not None
            with pytest.raises(StaleData):
                _ = view.best_bid

    play(story, tmp_path, venue)


@pytest.mark.parametrize("venue", VENUES)
def test_a_lost_socket_shows_at_once_and_heals_by_itself(venue: str, tmp_path: Path):
    async def story(world: Market) -> None:
        symbol = BTC[venue]
        async with world.watch() as session:
            await session.book(symbol)
            await asyncio.sleep(40)
            books = session._market.books
            sim.network().reset()
            await _until(lambda: not books.view(symbol).is_fresh, 0.1)
            assert "connection is gone" in books.view(symbol).reason
            await _until(lambda: books.view(symbol).is_fresh, 3.0)
            assert world.dials == 2

    play(story, tmp_path, venue)


def test_a_bad_checksum_shows_with_that_very_message(tmp_path: Path):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            await session.book("BTC/USD")
            await asyncio.sleep(5)
            told: list[BookTrustChanged] = []

            async def listen() -> None:
                async for event in session.events():
                    if isinstance(event, BookTrustChanged):
                        told.append(event)

            listening = asyncio.create_task(listen())
            await asyncio.sleep(0)
            world.fault(MARKET, stream={"bad_checksum": 1.0}, times=None)
            await _until(lambda: bool(told), 2.0)
            listening.cancel()
            assert not told[0].is_trusted
            assert "checksum" in told[0].reason

    play(story, tmp_path, "kraken-spot")


@pytest.mark.parametrize("venue", ["kraken-spot"])
def test_a_halted_venue_s_book_is_not_to_be_read(venue: str, tmp_path: Path):
    scenario = (
        market_in_sim.builder(venue)
        .phase("calm", "20s")
        .phase("maintenance", "20s", engine={"mode": "maintenance"})
        .phase("back", "rest")
        .build()
    )

    async def story(world: Market) -> None:
        async with world.watch() as session:
            await session.book(BTC[venue])
            books = session._market.books
            await _until(lambda: not books.view(BTC[venue]).is_fresh, 25)
            assert "halted" in books.view(BTC[venue]).reason
            await _until(lambda: books.view(BTC[venue]).is_fresh, 30)

    play(story, tmp_path, venue, scenario=scenario)


def test_no_book_in_time_says_why(tmp_path: Path):
    async def story(world: Market) -> None:
        world.fault("ws.market.connect", reply={"http": {"status": 503}})
        async with world.watch() as session:
            with pytest.raises(StaleData, match=r"within 3 s.*HTTP 503.*never seen"):
                await session.book("BTC/USDT:USDT", within_s=3)
            assert session.book_peek("BTC/USDT:USDT") is None

    play(story, tmp_path, "binance-um")


@pytest.mark.parametrize(("status", "least_s"), [(429, 60.0), (403, 60.0), (418, 60.0)])
def test_a_refused_dial_stops_all_dials_until_its_time(status: int, least_s: float, tmp_path: Path):
    async def story(world: Market) -> None:
        world.fault("ws.market.connect", reply={"http": {"status": status}}, times=1)
        async with world.watch() as session:
            with pytest.raises(StaleData):
                await session.book("BTC/USD", within_s=30)
            assert world.dials == 1
            await session.book("BTC/USD", within_s=least_s)
            assert world.dials == 2

    play(story, tmp_path, "kraken-spot")


@pytest.mark.parametrize("venue", VENUES)
def test_a_slow_reader_gets_the_latest_and_is_told_what_it_missed(venue: str, tmp_path: Path):
    async def story(world: Market) -> None:
        truth = world.true_books()
        async with world.watch() as session:
            reader = session.books(BTC[venue])
            for _ in range(10):
                view = await anext(reader)
                truth.assert_honest(KEYS[venue][0], view)
                await asyncio.sleep(3)
            assert reader.skipped > 30

    play(story, tmp_path, venue)


def test_a_reader_is_told_once_that_the_book_is_not_to_be_trusted(tmp_path: Path):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            reader = session.books("BTC/USD")
            assert (await anext(reader)).is_fresh
            world.fault(MARKET, stream="mute")
            fresh = True
            while fresh:
                view = await anext(reader)
                fresh = view.is_fresh
            with pytest.raises(StaleData):
                _ = view.best_bid
            assert view.peek().best_bid is not None
            world.heal()
            assert (await anext(reader)).is_fresh

    play(story, tmp_path, "kraken-spot")


def test_a_reader_is_told_of_a_book_that_does_not_come(tmp_path: Path):
    async def story(world: Market) -> None:
        world.fault("ws.market.connect", reply={"http": {"status": 503}})
        async with world.watch() as session:
            reader, began = session.books("BTC/USD"), _now()
            view = await anext(reader)
            assert not view.is_fresh
            assert view.reason == "no snapshot yet"
            assert _now() - began == pytest.approx(10, abs=0.1)
            world.heal()
            assert (await anext(reader)).is_fresh

    play(story, tmp_path, "kraken-spot")


def test_a_mistake_in_the_books_ends_no_session(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            await session.book("BTC/USD")
            books = session._market.books
            books._go_first = lambda: 1 / 0
            books.open("BTC/USD").book.unreadable("a test", _now())
            await asyncio.sleep(30)
            assert await session.ticker("BTC/USD")
            assert not books.view("BTC/USD").is_fresh
        assert "market_data_failed" in caplog.text

    play(story, tmp_path, "kraken-spot")


def test_a_deeper_book_replaces_the_one_that_is_kept(tmp_path: Path):
    async def story(world: Market) -> None:
        truth = world.true_books()
        async with world.watch() as session:
            shallow = await session.book("BTC/USD", depth=10)
            assert session._market.books.open("BTC/USD").topic.detail == "25"
            deep = await session.book("BTC/USD", depth=500)
            assert session._market.books.open("BTC/USD").topic.detail == "500"
            truth.assert_honest("BTC/USD", deep)
            assert not shallow.is_fresh
            assert len(deep.bids()) > len(shallow.peek().bids())

    play(story, tmp_path, "kraken-spot")


@pytest.mark.parametrize("venue", VENUES)
def test_random_faults_at_random_seeds(venue: str, tmp_path: Path):
    """Goal: P5 under any mixture. Method: faults of random kind and length, one after the other."""
    seed = 20260
    rng = random.Random(f"{seed}{venue}")
    kinds = [fault for name, fault in _FAULTS.items() if name != "late"]

    async def story(world: Market) -> None:
        truth = world.true_books()
        symbol, key = BTC[venue], KEYS[venue][0]
        async with world.watch() as session:
            await session.book(symbol)
            reading = asyncio.create_task(_read_all_the_time(session, truth, symbol, key, 240.0))
            for _ in range(8):
                await asyncio.sleep(rng.uniform(1, 10))
                world.fault(MARKET, stream=rng.choice(kinds))
                await asyncio.sleep(rng.uniform(0.3, 12))
                world.heal()
            good, _ = await reading
            assert good > 500, f"seed {seed}"
            truth.assert_honest(key, await session.book(symbol))
        assert world.dials <= 20, f"seed {seed}"

    play(story, tmp_path, venue, seed=seed)


@pytest.mark.parametrize("venue", VENUES)
def test_books_that_one_socket_does_not_hold_get_another(
    venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    codec = market_streams(venue)
    topics_max = 2 if codec.TRAITS.has_quotes else 1
    monkeypatch.setattr(codec, "TRAITS", replace(codec.TRAITS, topics_max=topics_max))

    async def story(world: Market) -> None:
        truth = world.true_books()
        async with world.watch() as session:
            await asyncio.gather(session.book(BTC[venue]), session.book(ETH[venue]))
            assert world.dials == 2
            sim.network().reset()
            await asyncio.sleep(0.1)
            views = await asyncio.gather(session.book(BTC[venue]), session.book(ETH[venue]))
            for key, view in zip(KEYS[venue], views, strict=True):
                truth.assert_honest(key, view)

    play(story, tmp_path, venue)


@pytest.mark.parametrize("venue", VENUES)
def test_a_book_whose_numbers_do_not_fit_floats_is_begun_anew_with_exact_ones(
    venue: str, tmp_path: Path
):
    async def story(world: Market) -> None:
        truth = world.true_books()
        async with world.watch() as session:
            await asyncio.gather(session.book(BTC[venue]), session.book(ETH[venue]))
            feed = session._market.books.open(BTC[venue])
            feed.book.cannot_say(NotKnown("quantity 1e15 needs more than 15 digits"))
            assert feed.book.reason is Distrust.INEXACT
            view = await session.book(BTC[venue])
            assert isinstance(feed.book.bid_side._digits, ExactDigits)
            good, refused = await _read_all_the_time(
                session, truth, BTC[venue], KEYS[venue][0], 10.0
            )
            assert good > 150
            assert not refused
            truth.assert_honest(KEYS[venue][1], await session.book(ETH[venue]))
            assert view.symbol == BTC[venue]
        assert world.dials == 1

    play(story, tmp_path, venue)


def test_books_with_open_orders_are_put_right_first(tmp_path: Path):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            await asyncio.gather(session.book("BTC/USDT:USDT"), session.book("ETH/USDT:USDT"))
            books = session._market.books
            books._go_first = lambda: {"ETH/USDT:USDT"}
            for symbol in ("BTC/USDT:USDT", "ETH/USDT:USDT"):
                books.open(symbol).book.unreadable("a test", _now())
            trusted: list[str] = []

            def look() -> bool:
                for symbol in ("BTC/USDT:USDT", "ETH/USDT:USDT"):
                    if books.open(symbol).book.is_trusted and symbol not in trusted:
                        trusted.append(symbol)
                return len(trusted) == 2

            await _until(look, 10)
            assert trusted == ["ETH/USDT:USDT", "BTC/USDT:USDT"]

    play(story, tmp_path, "binance-um")


@pytest.mark.parametrize("venue", VENUES)
def test_a_bot_that_starts_in_an_outage_sees_the_last_book_and_its_age(venue: str, tmp_path: Path):
    async def story(world: Market) -> None:
        symbol = BTC[venue]
        async with world.watch() as session:
            last = (await session.book(symbol)).peek()
        world.fault("ws.market.connect", reply={"http": {"status": 503}})
        await asyncio.sleep(90)
        async with world.watch() as session:
            known = session.book_peek(symbol)
            assert known is not None
            assert known.best_bid == last.best_bid
            assert known.asks(3) == last.asks(3)
            assert known.age_s == pytest.approx(90, abs=5)
            assert not known.is_fresh
            assert "restored" in known.reason
            with pytest.raises(StaleData, match="old") as caught:
                await session.book(symbol, within_s=2)
            assert caught.value.age_s == pytest.approx(92, abs=5)

    play(story, tmp_path, venue)
