"""An exit that is shut is hedged at another venue, where that was asked for; told by the mock."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

import outlast
from outlast import sim
from outlast.client.events import HedgeChanged
from outlast.mock.exchange import MockExchange
from outlast.mock.run import DEFAULT_ACCOUNT
from outlast.mock.scenario.builder import ScenarioBuilder, fault

D = Decimal
UM, SPOT = "BTC/USDT:USDT", "BTC/USD"


class Two:
    """USD-M futures with a position, and Kraken spot with bitcoin and dollars."""

    def __init__(self, mock, folder):
        self.mock, self.folder = mock, folder

    def terms(self):
        wires = self.mock.describe()["venues"]
        return {
            venue: {
                "key": wires[venue]["key"],
                "secret": wires[venue]["secret"],
                "endpoints": wires[venue]["endpoints"],
                "journal": self.folder / f"{venue}.journal",
                "clock": sim.clock(),
                "settings": outlast.Settings(seed=1),
            }
            for venue in ("binance-um", "kraken-spot")
        }

    def connect(self, **hedge):
        given = {"venue": "kraken-spot", "worth_max": "50000", **hedge}
        return outlast.connect_many(self.terms(), hedge=outlast.Hedge(**given))

    def shut(self, reply="overload"):
        rule = fault("orders.create", where={"product": "um"}, reply=reply)
        self.mock.run.desk.add(rule)
        self.mock.run.changed()

    def open(self):
        for rule in list(self.mock.run.desk.added):
            self.mock.run.desk.remove(rule.id)
        self.mock.run.changed()

    def fault(self, match, **terms):
        self.mock.run.desk.add(fault(match, **terms))
        self.mock.run.changed()

    def position(self):
        self.mock.run.clock.catch_up()
        account = self.mock.truth.history.at("binance-um", DEFAULT_ACCOUNT)
        return account.position("BTCUSDT", self.mock.truth.now_ms)

    def hedged(self):
        """What its orders have filled, by side: it is given back in step with the exit's fills."""
        totals = {}
        for side, qty in self.hedge_orders():
            totals[side] = totals.get(side, D(0)) + qty
        return totals

    def hedge_orders(self):
        account = self.mock.truth.history.at("kraken-spot", DEFAULT_ACCOUNT)
        return [(o.side.lower(), o.filled_qty) for o in account.orders.values()]


def play(story, folder, *, qty="0.100", balances=None, time_limit_s=7200):
    made = ScenarioBuilder("two", venue=["binance-um", "kraken-spot"])
    calm = {"tick": "0.1", "vol_bps_per_min": "0.1"}
    made.instrument("BTCUSDT", product="um", mid="68000", venue="binance-um", **calm)
    made.instrument("BTC/USD", product="spot", mid="68020", venue="kraken-spot", **calm)
    held = {"USDT": "50000", "USD": "50000", "BTC": "0.5"} if balances is None else balances
    made.account(balances=held, positions={"BTCUSDT": (qty, "68000")})
    document = made.phase("all", "rest").build()

    async def main():
        async with MockExchange(document, seed=1) as mock:
            await story(Two(mock, folder))

    sim.run(main, seed=1, t0=document.t0_ms / 1000, time_limit_s=time_limit_s)


def heard(session):
    told = []

    async def listen():
        told.extend([e async for e in session.events() if isinstance(e, HedgeChanged)])

    return told, asyncio.create_task(listen())


@pytest.mark.parametrize(
    ("qty", "sides"), [("0.100", ("sell", "buy")), ("-0.100", ("buy", "sell"))]
)
def test_an_exit_that_is_shut_is_hedged_once_and_the_hedge_given_back(qty, sides, tmp_path):
    async def story(w: Two):
        async with w.connect() as venues:
            told, listening = heard(venues["binance-um"])
            await asyncio.sleep(5)
            w.shut()
            closing = asyncio.create_task(venues["binance-um"].close_position(UM))
            await asyncio.sleep(115)
            assert w.hedge_orders() == []
            await asyncio.sleep(20)
            assert w.hedge_orders() == [(sides[0], D("0.1"))]
            await asyncio.sleep(600)
            assert len(w.hedge_orders()) == 1  # once
            (report,) = venues.hedges
            assert (report.state, report.qty_left, report.result) == ("open", D("0.1"), None)
            w.open()
            assert (await closing).is_flat
            await asyncio.sleep(10)
            assert w.hedged() == dict.fromkeys(sides, D("0.1"))
            assert report.state == "unwound"
            assert report.qty_left == 0
            assert abs(report.result) < 5
            assert report.unwound_at > report.opened_at
        await listening
        assert list(dict.fromkeys(e.state for e in told)) == ["open", "unwinding", "unwound"]
        assert "the exit was shut for 1" in told[0].reason
        assert w.position() == 0

    play(story, tmp_path, qty=qty)


def test_without_being_asked_for_nothing_is_ever_hedged(tmp_path):
    async def story(w: Two):
        async with outlast.connect_many(w.terms()) as venues:
            w.shut()
            report = await venues["binance-um"].close_position(UM, deadline_s=900)
            assert not report.is_flat
            assert w.hedge_orders() == []
            assert venues.hedges == ()

    play(story, tmp_path)


def test_an_exit_that_gets_through_in_time_is_not_hedged(tmp_path):
    async def story(w: Two):
        async with w.connect() as venues:
            w.shut()
            closing = asyncio.create_task(venues["binance-um"].close_position(UM))
            await asyncio.sleep(60)
            w.open()
            assert (await closing).is_flat
            await asyncio.sleep(300)
            assert w.hedge_orders() == []
            assert venues.hedges == ()

    play(story, tmp_path)


def test_the_hedge_is_bounded_by_its_worth_and_may_be_declined(tmp_path):
    offers = []

    async def ask(offer):
        offers.append(offer)
        return len(offers) > 1

    async def story(w: Two):
        async with w.connect(worth_max=3401, ask=ask, hedge_after_s=30) as venues:
            w.shut()
            await venues["binance-um"].close_position(UM, deadline_s=120)
            assert w.hedge_orders() == []
            assert venues.hedges[0].state == "declined"
            await venues["binance-um"].close_position(UM, deadline_s=120)
            assert w.hedge_orders() == [("sell", offers[1].qty)]
        assert len(offers) == 2  # one for each exit
        assert offers[0].position == D("0.1")
        assert offers[0].worth <= 3401
        assert D("0.049") < offers[0].qty < D("0.05")

    play(story, tmp_path)


def test_a_hedge_that_the_venue_refuses_is_told_and_not_tried_again(tmp_path):
    async def story(w: Two):
        async with w.connect(hedge_after_s=30) as venues:
            w.shut()
            report = await venues["binance-um"].close_position(UM, deadline_s=300)
            assert not report.is_flat
            (hedge,) = venues.hedges
            assert hedge.state == "refused"
            assert "nsufficient funds" in hedge.reason
        account = w.mock.truth.history.at("kraken-spot", DEFAULT_ACCOUNT)
        assert all(not order.existed for order in account.orders.values())

    play(story, tmp_path, balances={"USDT": "50000", "USD": "50000"})


def test_a_lost_answer_to_the_hedge_opens_no_second_one(tmp_path):
    async def story(w: Two):
        async with w.connect(hedge_after_s=30) as venues:
            w.shut()
            lost = {
                "match": "orders.create",
                "where": {"product": "spot"},
                "reply": {"hang": "30s"},
            }
            w.mock.run.desk.add(fault(lost.pop("match"), effect="apply", times=1, **lost))
            w.mock.run.changed()
            closing = asyncio.create_task(venues["binance-um"].close_position(UM))
            await asyncio.sleep(200)
            assert w.hedge_orders() == [("sell", D("0.1"))]
            w.open()
            assert (await closing).is_flat
            await asyncio.sleep(60)
            assert w.hedged() == {"sell": D("0.1"), "buy": D("0.1")}

    play(story, tmp_path)


def test_after_a_restart_the_hedge_is_known_and_given_back_when_the_position_is_gone(tmp_path):
    async def story(w: Two):
        async with w.connect(hedge_after_s=30) as venues:
            w.shut()
            await venues["binance-um"].close_position(UM, deadline_s=100)
            assert w.hedge_orders() == [("sell", D("0.1"))]
        async with w.connect(hedge_after_s=30) as venues:
            (report,) = venues.hedges
            assert (report.state, report.qty_left) == ("open", D("0.1"))
            await venues["binance-um"].close_position(UM, deadline_s=100)
            assert len(w.hedge_orders()) == 1  # it is hedged already
            w.open()
            report = await venues["binance-um"].close_position(UM, deadline_s=600)
            assert report.is_flat
            await asyncio.sleep(30)
            assert venues.hedges[0].state == "unwound"
            assert w.hedged() == {"sell": D("0.1"), "buy": D("0.1")}
        async with w.connect() as venues:
            assert venues.hedges == ()

    play(story, tmp_path)


@pytest.mark.parametrize("effect", ["apply", "none"])
def test_a_session_that_ends_while_the_hedge_is_unknown_leaves_it_to_the_next(effect, tmp_path):
    async def story(w: Two):
        async with w.connect(hedge_after_s=30) as venues:
            w.shut()
            w.fault(
                "orders.create", where={"product": "spot"}, reply={"hang": "60s"}, effect=effect
            )
            await venues["binance-um"].close_position(UM, deadline_s=38)
            assert len(w.hedge_orders()) == (effect == "apply")
        w.open()
        w.shut()
        async with w.connect(hedge_after_s=3000) as venues:
            await asyncio.sleep(120)
            (report,) = venues.hedges
            held = D("0.1") if effect == "apply" else 0
            assert report.state == ("open" if held else "refused")
            assert report.qty_left == held
            w.open()
            assert (await venues["binance-um"].close_position(UM)).is_flat
            await asyncio.sleep(60)
            assert w.hedged() == ({"sell": held, "buy": held} if held else {})

    play(story, tmp_path)


def test_whoever_opens_without_a_hedge_is_told_what_is_held(tmp_path, caplog):
    async def story(w: Two):
        async with w.connect(hedge_after_s=30) as venues:
            w.shut()
            await venues["binance-um"].close_position(UM, deadline_s=100)
        async with outlast.connect_many(w.terms()):
            pass

    play(story, tmp_path)
    (told,) = [r for r in caplog.records if "hedge_left_alone" in r.getMessage()]
    assert "0.1" in told.getMessage()


def test_what_is_wired_wrong_is_named():
    um = {"binance-um": {"key": "k", "secret": "s", "journal": None}}
    spot = {"kraken-spot": {"journal": None}}
    hedge = outlast.Hedge(venue="kraken-spot", worth_max=1000)
    with pytest.raises(outlast.ConfigurationError, match="is not connected with key and secret"):
        outlast.connect_many({**um, **spot}, hedge=hedge)
    with pytest.raises(outlast.ConfigurationError, match="is not connected"):
        outlast.connect_many(um, hedge=hedge)
    with pytest.raises(outlast.ConfigurationError, match="nothing to hedge"):
        outlast.connect_many(um, hedge=outlast.Hedge(venue="binance-um", worth_max=1000))
    with pytest.raises(outlast.ConfigurationError, match="hedge_after_s"):
        outlast.Hedge(venue="kraken-spot", worth_max=1, hedge_after_s=0)
    with pytest.raises(outlast.ConfigurationError, match="worth_max"):
        outlast.Hedge(venue="kraken-spot", worth_max=0)
    with pytest.raises(TypeError, match="worth_max"):
        outlast.Hedge(venue="kraken-spot", worth_max=1.5)
