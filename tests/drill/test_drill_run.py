"""Drills in process: what `run_bot` gives for each bot, and that a seed repeats."""

from __future__ import annotations

import functools
import json
import time
from itertools import pairwise

import pytest
from small_drill import INVARIANTS, SCORECARD_KEYS, short_night

from outlast.drill.run import BOTS, BotResult, run_bot
from outlast.drill.strategy import get_out_when_it_falls, make_quotes, strategy_for
from outlast.errors import OutlastError
from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.mock.scenario.load import load


@functools.cache
def result_of(bot: str) -> BotResult:
    return run_bot(short_night(), bot, seed=7)


@pytest.mark.parametrize("bot", BOTS)
def test_every_bot_gets_a_whole_scorecard_and_a_verdict_on_each_invariant(bot):
    result = result_of(bot)
    assert result.bot == bot
    assert result.died_of is None
    assert set(result.scorecard) == SCORECARD_KEYS
    assert [row["invariant"] for row in result.verdict] == INVARIANTS
    assert all(set(row) == {"invariant", "holds", "evidence"} for row in result.verdict)
    assert all(row["holds"] in (True, False) and row["evidence"] for row in result.verdict)
    document = result.as_json()
    assert list(document) == ["bot", "scorecard", "verdict"]
    assert json.loads(json.dumps(document)) == document


def test_outlast_keeps_its_promises_through_the_night():
    card = result_of("outlast").scorecard
    zero = ("duplicates", "lost", "unresolved", "bans", "over_limit")
    assert {key: card[key] for key in zero} == dict.fromkeys(zero, 0)
    verdict = {row["invariant"]: row for row in result_of("outlast").verdict}
    for name in ("risk_first", "attempts_per_intent", "no_duplicate_exposure", "no_ban"):
        assert verdict[name]["holds"], verdict[name]["evidence"]
    assert card["open_position_at_end"] == {}
    assert card["first_exit_after_s"] < 10


def test_the_naive_bot_repeats_itself_and_stays_exposed_for_longer():
    naive, outlast = result_of("naive").scorecard, result_of("outlast").scorecard
    assert naive["refused_exits"] > 10
    assert naive["exposure_minutes"] > outlast["exposure_minutes"]


def test_a_seed_repeats_to_the_last_figure_and_another_does_not():
    again = run_bot(short_night(), "outlast", seed=7)
    assert again.as_json() == result_of("outlast").as_json()
    requests = {run_bot(quiet(), "outlast", seed=seed).scorecard["requests"] for seed in range(4)}
    assert len(requests) > 1


def test_progress_climbs_to_the_end():
    told: list[tuple[float, float]] = []
    run_bot(quiet(), "outlast", seed=1, progress=lambda at, whole: told.append((at, whole)))
    assert {whole for _, whole in told} == {780.0}  # of a phase without an end, ten minutes
    assert all(before[0] < after[0] for before, after in pairwise(told))
    assert told[-1][0] == told[-1][1]


def quiet(**first_phase):
    builder = ScenarioBuilder("quiet", venue="binance-um")
    builder.instrument("BTCUSDT", product="um", mid="68000", tick="0.1")
    builder.account(balances={"USDT": "50000"})
    builder.phase("first", "3m", **first_phase).phase("then", "rest")
    return builder.expect("no_duplicate_exposure", "no_ban").build()


@pytest.mark.parametrize("bot", BOTS)
def test_a_bot_that_meets_a_dead_venue_waits_until_it_is_back(bot):
    result = run_bot(quiet(faults=[fault("*", reply="refuse")]), bot, seed=3)
    assert result.died_of is None
    assert result.scorecard["orders"] > 0
    assert result.scorecard["lost"] == result.scorecard["bans"] == 0


def test_a_strategy_that_falls_over_is_told_with_the_scorecard(monkeypatch):
    async def falls_over(trader):
        raise OutlastError("the strategy has a bug")

    monkeypatch.setattr("outlast.drill.run.strategy_for", lambda scenario: falls_over)
    for bot in BOTS:
        result = run_bot(quiet(), bot, seed=3)
        assert result.died_of is not None, bot
        assert "the strategy has a bug" in result.died_of
        assert result.as_json()["died_of"] == result.died_of


def test_the_strategy_follows_from_the_scenario():
    assert strategy_for(short_night()) is get_out_when_it_falls
    assert strategy_for(quiet()) is make_quotes
    assert strategy_for(load("unknown-503-landed")) is make_quotes


@pytest.mark.sockets
@pytest.mark.parametrize("bot", BOTS)
def test_a_live_drill_is_played_on_real_sockets_in_real_time(bot):
    builder = ScenarioBuilder("live", venue="binance-um", seed=3)
    builder.instrument("BTCUSDT", product="um", mid="68000", tick="0.1")
    builder.account(balances={"USDT": "50000"}).phase("calm", "4s")
    heard: list[float] = []
    began = time.monotonic()
    result = run_bot(
        builder.build(), bot, seed=3, progress=lambda at_s, _: heard.append(at_s), live=True
    )
    assert time.monotonic() - began >= 4
    assert result.died_of is None
    assert result.scorecard["requests"] > 0
    assert result.scorecard["over_limit"] == 0
    assert heard == sorted(heard)
    assert heard[-1] == 4
