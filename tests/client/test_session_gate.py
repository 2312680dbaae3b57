"""What the gate lets pass, in a session: modes, windows, the way back, the operator, own limits."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import kraken_in_sim
import pytest
import venue_in_sim
from venue_in_sim import World

import outlast
from outlast.cli.main import main as command_line
from outlast.client.events import HealthChanged, TradingStateChanged
from outlast.core.gate import Shape
from outlast.model import OrderStatus
from outlast.notices import VenueMode

BTC = kraken_in_sim.BTC
BUY = outlast.limit(BTC, "buy", "0.001", kraken_in_sim.PASSIVE)
QUOTE = outlast.limit(BTC, "buy", "0.001", kraken_in_sim.PASSIVE, post_only=True)
UM_BTC = venue_in_sim.BTC
UM_BUY = outlast.limit(UM_BTC, "buy", "0.010", venue_in_sim.PASSIVE)


async def reasons(venue: outlast.Session, order: outlast.OrderRequest = BUY) -> str | None:
    """The cause for which `order` is held; None when it was taken (and is cancelled again)."""
    try:
        placed = await venue.submit(order)
    except outlast.TradingHalted as held:
        return held.cause if held.since is not None else "held since nobody knows when"
    if not placed.status.is_final:
        await venue.cancel(placed.client_order_id)
    return None


def test_a_staged_return_uses_each_window_and_brings_no_burst(tmp_path):
    """Maintenance, cancel-only, post-only, online: 10 minutes away, 10 minutes of cool-down, and
    then never more entries in a minute than the step allows."""
    scenario = (
        kraken_in_sim.builder()
        .phase("normal", "5m")
        .phase("maintenance", "5m", engine={"mode": "maintenance"})
        .phase("cancel-only", "3m", engine={"mode": "cancel_only", "matching": False})
        .phase("post-only", "3m", engine={"mode": "post_only"})
        .phase("online", "rest")
        .build()
    )

    async def story(w: World):
        async with w.connect() as venue:
            states: list[tuple[str, str]] = []
            stale = await venue.submit(BUY)
            taken: list[float] = []
            canceled_in = ""
            while w.clock.now() < 40 * 60:
                state = (venue.trading_state(BTC).value, venue.health.mode.value)
                if not states or states[-1] != state:
                    states.append(state)
                if state[1] == "cancel_only" and not canceled_in:
                    # The window in which a stale quote can be withdrawn.
                    canceled_in = (await venue.cancel(stale.client_order_id)).status.value
                if w.clock.now() > 300:
                    try:
                        placed = await venue.submit(BUY)
                        taken.append(w.clock.now())
                        await venue.cancel(placed.client_order_id)
                    except outlast.OutlastError:
                        pass
                await asyncio.sleep(5)
            assert canceled_in == "canceled"
            closed = [s for s in states if s[1] != "online"]
            assert [mode for _, mode in closed] == ["maintenance", "cancel_only", "post_only"]
            assert closed[0][0] == "halted"
            assert closed[1][0] == "cancel_only"
            late = [at for at in taken if at > 330]
            assert min(late) >= 960 + 600  # online after 16 minutes, of which 11 were away
            per_minute = [
                sum(first + 60 * n <= at < first + 60 * (n + 1) for at in late)
                for first in [min(late)]
                for n in range(3)
            ]
            assert per_minute[0] <= 1
            assert per_minute[1] <= 2
            assert per_minute[2] <= 4

    kraken_in_sim.play(story, tmp_path, scenario=scenario)


def test_in_post_only_mode_a_post_only_order_passes_and_others_are_told_the_shape(tmp_path):
    scenario = (
        kraken_in_sim.builder()
        .phase("normal", "1m")
        .phase("post-only", "rest", engine={"mode": "post_only"})
        .build()
    )

    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(120)
            assert venue.restrictions(BTC) == (Shape.POST_ONLY,)
            assert venue.trading_state(BTC) is outlast.ACTIVE
            with pytest.raises(outlast.TradingHalted, match="only post-only orders"):
                await venue.submit(BUY)
            assert (await venue.submit(QUOTE)).status is OrderStatus.ACCEPTED

    kraken_in_sim.play(story, tmp_path, scenario=scenario)


def test_flapping_for_two_hours_changes_little_and_lets_nothing_in_where_it_is_bad(tmp_path):
    scenario = (
        kraken_in_sim.builder()
        .phase(
            "flapping",
            "2h",
            flap={"good": "5m", "bad": "5m", "start": "good"},
            faults=[{"match": "*", "p": 0.9, "reply": {"html": "cdn-500"}, "effect": "none"}],
        )
        .phase("well", "rest")
        .build()
    )

    async def story(w: World):
        async with w.connect() as venue:
            events = venue.events()
            while w.clock.now() < 7200:
                try:
                    placed = await venue.submit(BUY, deadline_s=5)
                    await venue.cancel(placed.client_order_id)
                except outlast.OutlastError:
                    pass
                await asyncio.sleep(20)
        told = [e async for e in events]
        bad = [o for o in w.orders if (o.created_ms - w.mock.run.clock.t0_ms) // 300_000 % 2]
        late = [o for o in bad if o.created_ms - w.mock.run.clock.t0_ms > 1_200_000]
        assert late == []
        states = [e for e in told if isinstance(e, TradingStateChanged)]
        verdicts = [e for e in told if isinstance(e, HealthChanged)]
        requests = w.scorecard()["requests"]
        print(f"{len(states)} states, {len(verdicts)} verdicts, {requests} requests in two hours")
        assert len(states) <= 12
        assert len(verdicts) <= 4 * 24
        assert requests <= 4000

    kraken_in_sim.play(story, tmp_path, scenario=scenario, time_limit_s=9000)


def test_the_kill_switch_holds_new_risk_over_a_restart_and_lets_exits_pass(tmp_path):
    long = {"BTCUSDT": ("0.5", "68000")}

    async def story(w: World):
        async with w.connect() as venue:
            venue.halt("call Anna first")
            assert venue.trading_state(UM_BTC) is outlast.HALTED
            with pytest.raises(outlast.TradingHalted, match="call Anna first"):
                await venue.submit(UM_BUY)
            out = outlast.market(UM_BTC, "sell", "0.1", reduce_only=True)
            assert (await venue.submit(out)).status is OrderStatus.FILLED
        async with w.connect() as heir:
            assert await reasons(heir, UM_BUY) == "halted by hand"
            heir.resume()
            assert await reasons(heir, UM_BUY) is None
        async with w.connect() as third:
            assert await reasons(third, UM_BUY) is None

    venue_in_sim.play(story, tmp_path, scenario=venue_in_sim.calm(positions=long))


def test_outlast_halt_works_from_outside_by_a_file(tmp_path, monkeypatch, capsys):
    journal = tmp_path / "bot.journal"

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["outlast", *arguments])
        try:
            command_line()
        except SystemExit as exit_:
            return int(exit_.code or 0)
        return 0

    async def story(w: World):
        async with w.connect() as venue:
            assert await reasons(venue, UM_BUY) is None
            assert run("halt", "--journal", str(journal), "--reason", "strange fills") == 0
            await asyncio.sleep(0.2)
            with pytest.raises(outlast.TradingHalted, match="strange fills"):
                await venue.submit(UM_BUY)
            venue.resume()  # a file is not ended by a call
            assert await reasons(venue, UM_BUY) == "halted by hand"
            assert run("resume", "--journal", str(journal)) == 0
            await asyncio.sleep(0.2)
            assert await reasons(venue, UM_BUY) is None

    venue_in_sim.play(story, tmp_path)
    assert run("resume", "--journal", str(journal)) == 1
    assert run("halt", "--journal", str(tmp_path / "nobodys.journal")) == 2
    assert run("halt") == 2
    assert "pass either --journal FILE or --file PATH" in capsys.readouterr().err


def test_while_the_venue_is_not_well_exposure_stays_under_the_users_limit(tmp_path):
    gate = outlast.GateSettings(exposure_max_degraded=Decimal(1000))

    async def story(w: World):
        async with w.connect(settings=outlast.Settings(seed=1, gate=gate)) as venue:
            assert (await venue.submit(UM_BUY)).status is OrderStatus.ACCEPTED  # 600 of 1000
            health = venue._rooms.health
            health.note_stream(outlast.Plane.MARKET_DATA, False, w.clock.now(), "book")
            with pytest.raises(outlast.TradingHalted, match="1200 would be more than 1000"):
                await venue.submit(UM_BUY)
            small = outlast.limit(UM_BTC, "buy", "0.006", venue_in_sim.PASSIVE)
            assert (await venue.submit(small)).status is OrderStatus.ACCEPTED
            sell = outlast.limit(UM_BTC, "sell", "0.010", "70000")
            assert (await venue.submit(sell)).status is OrderStatus.ACCEPTED

    venue_in_sim.play(story, tmp_path)


def test_an_account_that_is_read_before_each_entry_is_doubted_before_it(tmp_path):
    """The venue shows zeros from one moment to the next: the very next entry is held."""
    gate = outlast.GateSettings(account_fresh_s=5.0)
    scenario = (
        venue_in_sim.builder()
        .phase("normal", "2m")
        .phase("zeros", "rest", account={"balances": "zero", "positions": "zero"})
        .build()
    )

    async def story(w: World):
        async with w.connect(settings=outlast.Settings(seed=1, gate=gate)) as venue:
            assert (await venue.submit(UM_BUY)).status is OrderStatus.ACCEPTED
            await asyncio.sleep(125 - w.clock.now())
            assert await reasons(venue, UM_BUY) == "account in doubt"

    venue_in_sim.play(story, tmp_path, scenario=scenario)


def test_a_venue_whose_price_is_off_takes_no_new_risk_until_it_is_back(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            price = await venue.mark_price(UM_BTC)
            venue.note_reference(UM_BTC, "index", price * Decimal("1.02"))
            assert await reasons(venue, UM_BUY) == "price guard"
            assert venue.health.market_data is outlast.Health.DEGRADED
            assert venue.is_trusted  # which of the two prices is wrong nobody knows
            venue.note_reference(UM_BTC, "index", price)
            assert await reasons(venue, UM_BUY) is None

    venue_in_sim.play(story, tmp_path)


def test_entries_that_fail_again_and_again_have_to_wait(tmp_path):
    gate = outlast.GateSettings(attempts_max=2, attempts_pause_s=30)

    async def story(w: World):
        async with w.connect(settings=outlast.Settings(seed=1, gate=gate)) as venue:
            w.fault("orders.create", reply="unavailable")
            for _ in range(2):
                with pytest.raises(outlast.OutlastError):
                    await venue.submit(UM_BUY)
            with pytest.raises(outlast.TradingHalted) as caught:
                await venue.submit(UM_BUY)
            assert caught.value.cause == "too many attempts"
            assert 0 < caught.value.retry_at - w.clock.wall() <= 30
            w.heal()
            sell = outlast.limit(UM_BTC, "sell", "0.010", "70000")
            assert (await venue.submit(sell)).status is OrderStatus.ACCEPTED
            await asyncio.sleep(31)
            assert await reasons(venue, UM_BUY) is None

    venue_in_sim.play(story, tmp_path)


def test_the_book_of_a_venue_that_says_it_stands_still_is_not_to_be_read(tmp_path):
    """By its status over REST, while the stream goes on saying nothing of it."""

    async def story(w):
        async with w.connect() as venue:
            book = await venue.book(kraken_in_sim.BTC)
            rooms = venue._open
            rooms.health.modes.on_mode(None, VenueMode.MAINTENANCE)
            with pytest.raises(outlast.StaleData, match="the venue is maintenance"):
                _ = book.best_bid
            rooms.health.modes.on_mode(None, VenueMode.ONLINE)
            rooms.health.modes.on_mode(kraken_in_sim.BTC, VenueMode.CLOSED)
            with pytest.raises(outlast.StaleData, match="BTC/USD is closed"):
                _ = book.best_bid

    kraken_in_sim.play(story, tmp_path)
