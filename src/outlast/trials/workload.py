"""What the users of a trial trade, and what their strategies do when."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from typing import Final

from outlast.mock.engine.model import Product
from outlast.mock.scenario.builder import ScenarioBuilder
from outlast.mock.scenario.model import InstrumentSpec
from outlast.mock.scenario.vocabulary import PRODUCT_OF_VENUE
from outlast.trials.model import Action, ActionKind, ClientPlan
from outlast.trials.sketch import heavy_tailed, stream_of

__all__ = ["GIVING_UP", "declare_limits", "declare_world", "draw_clients", "unified"]

GIVING_UP: Final = "strategy_gives_up"
"""The fault type of a strategy that cancels its own task."""

ACTIONS_MAX: Final = 40
"""Of one client: a trial is to cost about a second of CPU."""


class Style(Enum):
    """What kind of trader a client is."""

    MARKET_MAKER = "market_maker"
    TAKER = "taker"
    HOLDER = "holder"
    MIXED = "mixed"


_K = ActionKind
_HABITS: Final[Mapping[Style, Mapping[ActionKind, int]]] = {
    Style.MARKET_MAKER: {
        _K.QUOTE: 50, _K.RESIZE: 16, _K.CANCEL: 14, _K.CANCEL_ALL: 5, _K.TAKE: 4, _K.READ: 6,
        _K.EXIT: 3, _K.RECONCILE: 2,
    },
    Style.TAKER: {
        _K.TAKE: 45, _K.EXIT: 25, _K.READ: 14, _K.QUOTE: 8, _K.CANCEL: 4, _K.RECONCILE: 4,
    },
    Style.HOLDER: {
        _K.READ: 45, _K.EXIT: 12, _K.QUOTE: 15, _K.RECONCILE: 15, _K.CANCEL: 8, _K.TAKE: 5,
    },
    Style.MIXED: {
        _K.QUOTE: 25, _K.TAKE: 22, _K.EXIT: 13, _K.CANCEL: 12, _K.RESIZE: 10, _K.CANCEL_ALL: 6,
        _K.READ: 7, _K.RECONCILE: 5,
    },
}  # fmt: skip
"""How often a style does what, in hundredths."""
_PACE_S: Final = {Style.MARKET_MAKER: 3.5, Style.TAKER: 5.0, Style.HOLDER: 10.0, Style.MIXED: 4.5}
"""Seconds from one action to the next, on average."""

# --- the world -----------------------------------------------------------------------------------

_TIGHT: Final = (0.02, 0.05)
"""Of the venue's limits: 48 to 120 units of weight a minute on USD-M, where a busy client asks for
about as many."""

# base: (price, tick, position of a holder in base, volatility in basis points a minute)
_MARKETS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "BTC": ("68000", "0.1", "0.05", "5"),
    "ETH": ("2050", "0.01", "1.5", "7"),
    "SOL": ("180", "0.01", "20", "9"),
    "DOGE": ("0.24", "0.00001", "9000", "11"),
}


def declare_limits(builder: ScenarioBuilder, *, seed: int, venues: Sequence[str]) -> None:
    """One trial in five has limits so tight that the client has to wait for them.

    Only where the venue tells them. Kraken does not, and its own are tight at all times.
    """
    limits = stream_of(seed, "limits")
    if limits.random() < 0.2 and "kraken-spot" not in venues:
        builder.limits(factor=round(limits.uniform(*_TIGHT), 3))


def declare_world(
    builder: ScenarioBuilder, *, seed: int, venues: Sequence[str]
) -> Mapping[str, Sequence[str]]:
    """Declare two or three markets per venue, money for everybody, and often positions.

    Every account begins with the same: positions are the account's from before the trial. Returns
    what is traded, by venue, in the unified spelling.
    """
    rng = stream_of(seed, "world")
    bases = rng.sample(list(_MARKETS), rng.choice((2, 2, 3)))
    restless = Decimal(rng.choice(("0.2", "1", "1", "3")))
    positions: dict[str, tuple[str, str]] = {}
    with_positions = rng.random() < 0.5
    for venue in venues:
        for base in bases:
            mid, tick, held, vol = _MARKETS[base]
            symbol = _key(venue, base, venues)
            builder.instrument(
                symbol,
                product=PRODUCT_OF_VENUE[venue].value,
                venue=venue,
                mid=mid,
                tick=tick,
                vol_bps_per_min=f"{Decimal(vol) * restless:f}",
            )
            is_short, is_held = rng.random() < 0.4, rng.random() < 0.6
            if venue == "binance-um" and with_positions and is_held:
                positions[symbol] = (f"-{held}" if is_short else held, mid)
    quotes = {"USD" if venue == "kraken-spot" else "USDT": "100000" for venue in venues}
    coins = {base: _MARKETS[base][2] for base in bases if set(venues) != {"binance-um"}}
    builder.account(balances=quotes | coins, positions=positions or None)
    return {venue: [_unified(venue, base) for base in bases] for venue in venues}


def _unified(venue: str, base: str) -> str:
    if venue == "kraken-spot":
        return f"{base}/USD"
    return f"{base}/USDT:USDT" if venue == "binance-um" else f"{base}/USDT"


def _key(venue: str, base: str, venues: Sequence[str]) -> str:
    if venue == "kraken-spot":
        return f"{base}/USD"
    both = venue == "binance-spot" and "binance-um" in venues
    return f"{base}USDT-SPOT" if both else f"{base}USDT"


def unified(spec: InstrumentSpec) -> str:
    """The unified spelling of an instrument: `BTC/USDT`, and `BTC/USDT:USDT` for the perpetual."""
    pair = f"{spec.base}/{spec.quote}"
    return f"{pair}:{spec.quote}" if spec.product is Product.UM else pair


# --- the clients ---------------------------------------------------------------------------------


def draw_clients(
    seed: int,
    *,
    symbols: Mapping[str, Sequence[str]],
    until_s: float,
    gives_up: bool,
) -> tuple[ClientPlan, ...]:
    """Draw one client, or two; each has one venue and one style.

    Args:
        symbols: what is traded, by venue, in the unified spelling.
        until_s: the last action comes before this.
        gives_up: whether strategies cancel their own tasks now and then.
    """
    rng = stream_of(seed, "clients")
    count = rng.choice((1, 1, 2))
    plans = []
    for number in range(1, count + 1):
        name = f"bot-{number}"
        venue = rng.choice(list(symbols))
        style = stream_of(seed, "style", name).choice(list(Style))
        actions = _actions(seed, name, style, symbols[venue], until_s=until_s)
        if gives_up:
            actions = _with_giving_up(actions, stream_of(seed, "fault", GIVING_UP, name))
        plans.append(ClientPlan(name=name, venue=venue, actions=actions))
    return tuple(plans)


def _actions(
    seed: int, name: str, style: Style, symbols: Sequence[str], *, until_s: float
) -> tuple[Action, ...]:
    times, what = stream_of(seed, "times", name), stream_of(seed, "actions", name)
    pace_s = max(_PACE_S[style], until_s / ACTIONS_MAX)
    actions: list[Action] = []
    at_s = times.uniform(0.5, 5.0)
    # Strategies react to the market, and so several things are asked for at once; some do it often,
    # and within the round trip of one request.
    often = stream_of(seed, "bursts", name).random() < 0.25
    at_once, apart_s = (0.6, 0.01) if often else (0.15, 0.05)
    while at_s < until_s and len(actions) < ACTIONS_MAX:
        actions.append(_action(what, round(at_s, 2), style, symbols))
        at_s += apart_s if times.random() < at_once else times.expovariate(1 / pace_s)
    return tuple(actions)


def _action(rng: random.Random, at_s: float, style: Style, symbols: Sequence[str]) -> Action:
    habits = _HABITS[style]
    kind = rng.choices(list(habits), list(habits.values()))[0]
    symbol = rng.choice(symbols)
    worth = Decimal(max(200, round(heavy_tailed(rng, 600, 6000))))
    off = Decimal(f"{heavy_tailed(rng, 0.003, 0.02):.4f}")
    hold_s = round(heavy_tailed(rng, 8, 60), 1) if rng.random() < 0.6 else None
    deadline_s = round(heavy_tailed(rng, 4, 25), 1) if rng.random() < 0.3 else None
    if kind is ActionKind.EXIT:
        # Tries for as long as a user waits; one in ten waits for ever.
        deadline_s = None if rng.random() < 0.1 else round(heavy_tailed(rng, 20, 90), 1)
    return Action(
        at_s=at_s,
        kind=kind,
        symbol="" if kind is ActionKind.CANCEL_ALL and rng.random() < 0.5 else symbol,
        side=rng.choice(("buy", "sell")),
        worth=worth,
        price_off=off,
        hold_s=hold_s if kind in (ActionKind.QUOTE, ActionKind.RESIZE) else None,
        deadline_s=deadline_s,
    )


def _with_giving_up(actions: Sequence[Action], rng: random.Random) -> tuple[Action, ...]:
    """Let a part of the actions be cancelled by their own strategy, at any await."""
    share = rng.uniform(0.1, 0.4)
    given_up = []
    for action in actions:
        strikes, after_s = rng.random() < share, 0.005 * (5 / 0.005) ** rng.random()
        given_up.append(replace(action, gives_up_after_s=round(after_s, 3)) if strikes else action)
    return tuple(given_up)
