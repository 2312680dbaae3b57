"""Crossed and frozen books, as the mock tells them, and what the book ticker knows better."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from market_in_sim import BTC, KEYS, VENUES, Market, play

from outlast import sim
from outlast.core.books import Distrust
from outlast.errors import StaleData
from outlast.mock.streams.client import Subscription
from outlast.mock.streams.faults import is_book

MARKET = "ws.market.stream"
BINANCE = ("binance-spot", "binance-um")


def _tap(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the mock sends of books from now on."""
    sent: list[str] = []
    forward = Subscription.forward

    def tapped(subscription: Subscription, update: Any) -> None:
        if is_book(subscription.channel):
            sent.append(update.text)
        forward(subscription, update)

    monkeypatch.setattr(Subscription, "forward", tapped)
    return sent


def _lies(world: Market) -> set[str]:
    """What the venue was not telling the truth about, at any time."""
    found = world.mock.truth.conditions.lies_about(world.venue, "book")
    return {what for what, _, _ in found}


async def _distrusted(books: Any, symbol: str, within_s: float) -> float:
    began = sim.clock().now()
    while books.view(symbol).is_fresh:
        assert sim.clock().now() - began < within_s, "it was believed all the time"
        await asyncio.sleep(0.01)
    return sim.clock().now() - began


@pytest.mark.parametrize("venue", VENUES)
def test_a_crossed_book_is_right_by_its_numbers_and_not_believed(
    venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            await session.book(BTC[venue])
            await asyncio.sleep(3)
            sent = _tap(monkeypatch)
            state = world.stage().books.now(KEYS[venue][0])
            world.fault(MARKET, stream={"crossed": 1.0}, times=None)
            book = session._market.books.open(BTC[venue]).book
            await _distrusted(session._market.books, BTC[venue], 1.5)
            assert book.reason is Distrust.CROSSED or book.resyncs > 1
            first = json.loads(sent[0])
            first = first.get("data", first)
            row = first[0] if isinstance(first, list) else first
            best = row["bids"][0]["price"] if "bids" in row else row["b"][0][0]
            assert float(best) > float(state.bids[0].price)
            assert f"book:{KEYS[venue][0]}" in _lies(world)
            world.heal()
            await session.book(BTC[venue])

    play(story, tmp_path, venue)


@pytest.mark.parametrize("venue", VENUES)
def test_a_frozen_book_says_over_and_over_what_it_said_last(
    venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            await session.book(BTC[venue])
            await asyncio.sleep(10)
            world.fault(MARKET, stream="frozen")
            sent = _tap(monkeypatch)
            await _distrusted(session._market.books, BTC[venue], 5.0)
            assert f"book:{KEYS[venue][0]}" in _lies(world)
            same = {re.sub(r'"(timestamp|E)":("[^"]*"|[0-9]+)', "", text) for text in sent}
            assert len(sent) > 2
            assert len(set(sent)) == len(sent), "each has a time of its own"
            assert len(same) == 1
            with pytest.raises(StaleData):
                _ = session._market.books.view(BTC[venue]).best_bid
            world.heal()
            await session.book(BTC[venue])

    play(story, tmp_path, venue)


@pytest.mark.parametrize("venue", BINANCE)
def test_a_book_ticker_that_goes_on_shows_that_the_diffs_do_not(venue: str, tmp_path: Path):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            await session.book(BTC[venue])
            await asyncio.sleep(10)
            book = session._market.books.open(BTC[venue]).book
            world.fault(MARKET, where={"channel": "depth"}, stream="mute")
            took_s = await _distrusted(session._market.books, BTC[venue], 4.0)
            assert book.reason is Distrust.BEHIND, book.detail
            assert took_s < 3.0
            world.heal()
            await session.book(BTC[venue])

    play(story, tmp_path, venue)


@pytest.mark.parametrize("venue", BINANCE)
def test_a_book_that_is_wrong_with_all_its_numbers_right_is_contradicted(
    venue: str, tmp_path: Path
):
    async def story(world: Market) -> None:
        async with world.watch() as session:
            await session.book(BTC[venue])
            await asyncio.sleep(5)
            book = session._market.books.open(BTC[venue]).book
            reasons = set()
            lose = type(book)._lose

            def noted(self: Any, reason: Distrust, detail: str) -> None:
                reasons.add(reason)
                lose(self, reason, detail)

            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(type(book), "_lose", noted)
                for _ in range(60):
                    above = round(book.bid_side.keys[-1] + 0.1, 1)
                    if above < -book.ask_side.keys[-1]:
                        book.bid_side.merge([(above, 0.123)])  # no diff ever told of it
                    await asyncio.sleep(0.4)
                    if Distrust.CONTRADICTED in reasons:
                        break
            assert Distrust.CONTRADICTED in reasons
            await session.book(BTC[venue])

    play(story, tmp_path, venue)
