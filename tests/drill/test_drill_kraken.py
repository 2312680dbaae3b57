"""Drills at Kraken: outlast and ccxt trade there, the naive bot says that it does not."""

from __future__ import annotations

import functools

import pytest

from outlast.drill.run import BotResult, bots_for, run_bot
from outlast.errors import ConfigurationError
from outlast.mock.scenario.load import load

SLUG = "gateway-lost-reply"


@functools.cache
def result() -> BotResult:
    return run_bot(load(SLUG), "outlast", seed=1)


def test_the_bot_trades_through_lost_replies_and_makes_no_order_twice():
    card = result().scorecard
    zero = ("duplicates", "lost", "unresolved", "bans", "over_limit")
    assert {key: card[key] for key in zero} == dict.fromkeys(zero, 0)
    assert card["orders"] > 20
    assert result().died_of is None


def test_every_invariant_of_the_scenario_is_judged_and_holds():
    assert len(result().verdict) == len(load(SLUG).expect)
    assert result().broken == []


def test_a_seed_repeats_at_kraken_too():
    assert run_bot(load(SLUG), "outlast", seed=1).as_json() == result().as_json()


def test_a_bot_that_does_not_speak_the_venue_says_so_and_names_one_that_does():
    with pytest.raises(ConfigurationError, match=r"naive trades on binance-um.*--bot ccxt"):
        run_bot(load(SLUG), "naive", seed=1)


def test_who_can_be_drilled_where():
    assert bots_for(load(SLUG)) == ("ccxt", "outlast")
    assert bots_for(load("unknown-503-landed")) == ("naive", "ccxt", "outlast")
