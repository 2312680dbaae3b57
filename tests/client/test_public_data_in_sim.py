"""Trades, tickers and candles from the mock, over REST and as they happen."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from market_in_sim import BTC, KEYS, VENUES, Market, first, play

from outlast import sim, venues
from outlast.errors import ConfigurationError, Refused
from outlast.venues import market_streams

MARKET = "ws.market.stream"


def true_tape(world: Market, venue: str) -> dict[int, tuple[object, object]]:
    """The engine's own prints, by id."""
    tape = world.stage().engine.tape(KEYS[venue][0], 1_000_000)
    return {trade.trade_id: (trade.price, trade.qty) for trade in tape}


def assert_no_gap(trades: list, world: Market, venue: str) -> None:
    ids = [trade.trade_id for trade in trades]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    true = true_tape(world, venue)
    told = {trade.trade_id: (trade.price, trade.qty) for trade in trades}
    kept = true.keys() & told.keys()  # the engine's tape has an end
    assert len(kept) > 50
    assert all(true[trade_id] == told[trade_id] for trade_id in kept)


@pytest.mark.parametrize("venue", VENUES)
def test_ticker_and_candles_agree_with_the_tape(venue: str, tmp_path: Path):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            await asyncio.sleep(150)
            symbol = BTC[venue]
            ticker = await session.ticker(symbol)
            assert ticker.symbol == symbol
            tape = await session.recent_trades(symbol)
            assert_no_gap(list(tape), world, venue)
            assert ticker.last_price in {trade.price for trade in tape[-20:]}
            candles = await session.candles(symbol, "1m", limit=2)
            assert [candle.is_closed for candle in candles] == [True, False]
            closed = candles[0]
            begin, end = closed.opens_at_ms, closed.opens_at_ms + 60_000
            within = [t for t in tape if begin <= t.venue_time_ms < end]
            assert closed.trade_count == len(within)
            assert closed.base_volume == sum(t.qty for t in within)
            assert closed.high_price == max(t.price for t in within)
            since = await session.candles(symbol, "1m", since_ms=begin)
            assert since[0] == closed

    play(story, tmp_path, venue)


@pytest.mark.parametrize("venue", VENUES)
def test_the_streams_of_a_symbol_agree_with_rest(venue: str, tmp_path: Path):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            symbol = BTC[venue]
            ticker, candle = await asyncio.gather(
                first(session.tickers(symbol), 2), first(session.candle_updates(symbol, "5m"), 2)
            )
            assert ticker[-1].symbol == symbol
            assert candle[-1].interval == "5m"
            now = (await session.candles(symbol, "5m"))[-1]
            assert now.opens_at_ms == candle[-1].opens_at_ms
            assert now.trade_count >= candle[-1].trade_count

    play(story, tmp_path, venue)


@pytest.mark.parametrize("venue", VENUES)
def test_an_interval_that_there_is_not_is_named_with_those_there_are(venue: str, tmp_path: Path):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            with pytest.raises(ConfigurationError, match=r"'2s'.*1m, .*1h"):
                await session.candles(BTC[venue], "2s")
            with pytest.raises(ConfigurationError, match="'2s'"):
                session.candle_updates(BTC[venue], "2s")

    play(story, tmp_path, venue)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    "fault", [{"gap": 0.3}, {"dup": 0.5}, {"reorder": 0.3}, "mute", "ack_only"], ids=str
)
def test_missed_trades_are_read_by_their_ids(venue: str, fault: object, tmp_path: Path):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            trades: list = []

            async def collect() -> None:
                async for trade in session.trades(BTC[venue]):
                    trades.append(trade)

            collecting = asyncio.create_task(collect())
            await asyncio.sleep(10)
            world.fault(MARKET, stream=fault)
            await asyncio.sleep(30)
            world.heal()
            await asyncio.sleep(60)
            collecting.cancel()
            await asyncio.wait([collecting])
            assert len(trades) > 100
            assert_no_gap(trades, world, venue)
            # Nothing was left waiting for ever either.
            assert trades[-1].venue_time_ms > world.stage().engine.now_ms - 25_000
        world.judge()

    play(story, tmp_path, venue)


@pytest.mark.parametrize("venue", VENUES)
def test_lost_sockets_and_rollovers_leave_no_gap(
    venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    codec = market_streams(venue)
    monkeypatch.setattr(codec, "TRAITS", replace(codec.TRAITS, max_age_s=60.0))

    async def story(world: Market) -> None:
        async with world.watch() as session:
            trades: list = []

            async def collect() -> None:
                async for trade in session.trades(BTC[venue]):
                    trades.append(trade)

            collecting = asyncio.create_task(collect())
            book = await session.book(BTC[venue])
            began = sim.clock().now()
            for _ in range(3):
                await asyncio.sleep(110)
                sim.network().reset()
            await asyncio.sleep(100)
            collecting.cancel()
            await asyncio.wait([collecting])
            assert_no_gap(trades, world, venue)
            assert trades[-1].venue_time_ms > world.stage().engine.now_ms - 25_000
            assert (await session.book(BTC[venue])).is_fresh
            assert not book.is_fresh
            elapsed = sim.clock().now() - began
            assert world.dials >= 2 * elapsed / 60
            assert world.dials <= 2 * (elapsed / 54 + 3) + 4

    play(story, tmp_path, venue)


@pytest.mark.parametrize("venue", VENUES)
def test_a_rollover_does_not_disturb_a_book(
    venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    codec = market_streams(venue)
    monkeypatch.setattr(codec, "TRAITS", replace(codec.TRAITS, max_age_s=60.0))

    async def story(world: Market) -> None:
        truth = world.true_books()
        async with world.watch() as session:
            await session.book(BTC[venue])
            until = sim.clock().now() + 200
            while sim.clock().now() < until:
                view = session._market.books.view(BTC[venue])
                assert view is not None
                truth.assert_honest(KEYS[venue][0], view)  # raises where it is not fresh
                await asyncio.sleep(0.05)
            assert world.dials >= 3

    play(story, tmp_path, venue)


def test_a_reader_that_leaves_ends_the_subscription(tmp_path: Path):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            async with aclosing(session.trades("BTC/USD")) as trades:
                await anext(trades)
                line = session._market.public._shards[0].market
                assert len(line.topics) == 1
            assert not line.topics
            await first(session.trades("BTC/USD"), 3)  # and it can begin anew
            assert world.dials == 1

    play(story, tmp_path, "kraken-spot")


@pytest.mark.parametrize("venue", VENUES)
def test_an_answer_that_is_no_answer_is_said_to_be_one(venue: str, tmp_path: Path):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            for reply in ({"empty": 200}, {"html": "cdn-502"}):
                world.fault("market.read", reply=reply)
                for read in (session.ticker, session.candles, session.recent_trades):
                    with pytest.raises(Refused, match="could not be read"):
                        await read(BTC[venue])
                world.heal()

    play(story, tmp_path, venue)


def test_every_venue_has_both_modules():
    assert set(VENUES) == set(venues())
