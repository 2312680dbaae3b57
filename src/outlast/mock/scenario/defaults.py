"""What a scenario that does not say gets: a world to trade in, and trading rules of instruments.

None of these numbers is about an incident. They are near what the venues had in 2025 and 2026, so
that a bot finds steps, minimums and fees of the usual size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from outlast.mock.engine.model import Instrument, Product
from outlast.mock.scenario.model import AccountSpec, InstrumentSpec, World
from outlast.mock.scenario.vocabulary import PRODUCT_OF_VENUE, VENUES

__all__ = [
    "T0_MS_DEFAULT",
    "InstrumentDefaults",
    "default_account",
    "default_instruments",
    "default_peers",
    "default_world",
    "instrument_defaults",
    "split_symbol",
    "to_instrument",
]

T0_MS_DEFAULT: Final = 1_772_460_000_000
"""2026-03-02T14:00:00Z, a Monday afternoon like any other."""

# --- names ---------------------------------------------------------------------------------------

_QUOTES: Final = (
    "FDUSD", "USDT", "USDC", "TUSD", "BUSD", "USD", "EUR", "GBP", "TRY", "BTC", "ETH", "BNB",
)  # fmt: skip
"""Longer names first: BTCUSDT is BTC in USDT, not BTCUSD in T."""


def split_symbol(symbol: str) -> tuple[str, str] | None:
    """Base and quote of a scenario's symbol key; None when they cannot be told apart."""
    name = symbol.removesuffix("-SPOT").removesuffix("-UM")
    base, slash, quote = name.partition("/")
    if slash:
        return (base, quote) if base and quote else None
    for quote in _QUOTES:
        if name.endswith(quote) and len(name) > len(quote):
            return name.removesuffix(quote), quote
    return None


# --- trading rules -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentDefaults:
    """An instrument's trading rules; quantities in base, worths in quote, fees as shares."""

    qty_step: Decimal
    qty_min: Decimal
    qty_max: Decimal
    market_qty_max: Decimal
    notional_min: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    leverage: int
    level_notional: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class _VenueRules:
    step_least: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    leverage: int
    price_band_up: Decimal
    price_band_down: Decimal
    market_take_bound: Decimal


# Fees: each venue's published lowest tier (Kraken: AssetPairs `fees`, `fees_maker`). Bands and the
# bound on market orders: the examples in Binance's exchangeInfo pages, PERCENT_PRICE,
# PERCENT_PRICE_BY_SIDE and marketTakeBound; Kraken documents none, its are wide choices.
_VENUE_RULES: Final[Mapping[str, _VenueRules]] = {
    "binance-um": _VenueRules(
        step_least=Decimal("0.001"),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        leverage=20,
        price_band_up=Decimal("1.15"),
        price_band_down=Decimal("0.85"),
        market_take_bound=Decimal("0.30"),
    ),
    "binance-spot": _VenueRules(
        step_least=Decimal("0.00001"),
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
        leverage=1,
        price_band_up=Decimal("1.2"),
        price_band_down=Decimal("0.8"),
        market_take_bound=Decimal("0.2"),
    ),
    "kraken-spot": _VenueRules(
        step_least=Decimal("0.00000001"),
        maker_fee=Decimal("0.0025"),
        taker_fee=Decimal("0.0040"),
        leverage=1,
        price_band_up=Decimal(5),
        price_band_down=Decimal("0.2"),
        market_take_bound=Decimal("0.5"),
    ),
}

_SMALLEST_WORTH: Final[Mapping[str, Decimal]] = {
    "BTC": Decimal("0.0001"),
    "ETH": Decimal("0.001"),
    "BNB": Decimal("0.01"),
}
"""What the smallest order is about worth in a quote asset that is not money; else 5."""


def instrument_defaults(
    mid: Decimal, *, venue: str = "binance-um", quote: str = "USDT"
) -> InstrumentDefaults:
    """Trading rules for an instrument that trades at `mid`.

    The smallest order is worth about 5 in the quote asset. On the Binances that is its notional
    minimum; quantities go in steps of a tenth of the power of ten below that order's quantity,
    never finer than the venue goes: DOGE at 0.24 in steps of 1, XRP at 2.75 of 0.1, BTC futures of
    0.001. Kraken steps by 8 decimals, and its minimum is a quantity: the largest 1, 2 or 5 times a
    power of ten that is worth no more than that. The largest order is worth 10,000,000 times a
    fifth of the smallest, a market order a fifth of it; makers keep 4,000 smallest orders a level.
    """
    rules = _VENUE_RULES[venue]
    worth = _SMALLEST_WORTH.get(quote, Decimal(5))
    qty = worth / mid
    if venue == "kraken-spot":
        qty_step = rules.step_least
        qty_min = max(_below(qty, (5, 2, 1)), qty_step)
        notional_min = worth / 10
    else:
        qty_step = max(_below(qty, (1,)) / 10, rules.step_least)
        qty_min = qty_step
        notional_min = worth
    return InstrumentDefaults(
        qty_step=qty_step,
        qty_min=qty_min,
        qty_max=_below(qty * 10_000_000, range(9, 0, -1)),
        market_qty_max=_below(qty * 2_000_000, range(9, 0, -1)),
        notional_min=notional_min,
        maker_fee=rules.maker_fee,
        taker_fee=rules.taker_fee,
        leverage=rules.leverage,
        level_notional=worth * 4000,
    )


def _below(value: Decimal, leads: Sequence[int]) -> Decimal:
    """The largest number no larger than `value` that is a lead (descending, to 1) × 10ⁿ."""
    power = Decimal(1).scaleb(value.adjusted())
    first = int((value / power).to_integral_value(ROUND_FLOOR))
    # `+ 0` in fixed notation: 1E+3 would reach the wire as such.
    return Decimal(f"{power * next(lead for lead in leads if lead <= first):f}")


def to_instrument(spec: InstrumentSpec, venue: str) -> Instrument:
    """The engine's instrument: what the scenario says, and the defaults for what it does not."""
    rules = _VENUE_RULES[venue]
    defaults = instrument_defaults(spec.mid, venue=venue, quote=spec.quote)
    return Instrument(
        symbol=spec.symbol,
        product=spec.product,
        base=spec.base,
        quote=spec.quote,
        mid=spec.mid,
        tick=spec.tick,
        qty_step=_or(spec.qty_step, defaults.qty_step),
        qty_min=_or(spec.qty_min, max(defaults.qty_min, _or(spec.qty_step, Decimal(0)))),
        qty_max=_or(spec.qty_max, defaults.qty_max),
        market_qty_max=_or(
            spec.market_qty_max, min(defaults.market_qty_max, _or(spec.qty_max, defaults.qty_max))
        ),
        notional_min=_or(spec.notional_min, defaults.notional_min),
        price_band_up=rules.price_band_up,
        price_band_down=rules.price_band_down,
        market_take_bound=rules.market_take_bound,
        depth_levels=spec.depth_levels,
        vol_bps_per_min=spec.vol_bps_per_min,
        maker_fee=_or(spec.maker_fee, defaults.maker_fee),
        taker_fee=_or(spec.taker_fee, defaults.taker_fee),
        leverage=defaults.leverage if spec.leverage is None else spec.leverage,
        level_notional=_or(spec.level_notional, defaults.level_notional),
    )


def _or(said: Decimal | None, default: Decimal) -> Decimal:
    return default if said is None else said


# --- the world -----------------------------------------------------------------------------------

# venue, symbol key, tick; the same mids everywhere, so that the venues agree with their peers.
_LISTED: Final = (
    ("binance-um", "BTCUSDT", "0.1"),
    ("binance-um", "ETHUSDT", "0.01"),
    ("binance-spot", "BTCUSDT", "0.01"),
    ("binance-spot", "ETHUSDT", "0.01"),
    ("kraken-spot", "BTC/USD", "0.1"),
    ("kraken-spot", "ETH/USD", "0.01"),
)
# base: (mid, volatility in basis points a minute)
_MARKETS: Final = {"BTC": ("68000", "5"), "ETH": ("2050", "7")}
_BALANCES: Final = {
    "binance-um": {"USDT": "50000"},
    "binance-spot": {"USDT": "50000", "BTC": "0.4", "ETH": "4.0"},
    "kraken-spot": {"USD": "25000", "BTC": "0.75", "ETH": "4.0"},
}


def default_instruments(venues: Sequence[str]) -> dict[str, InstrumentSpec]:
    """BTC and ETH on each venue, by symbol key.

    Where both Binances take part, the spot ones are `BTCUSDT-SPOT` and `ETHUSDT-SPOT`.
    """
    instruments = {}
    for venue, name, tick in _LISTED:
        if venue not in venues:
            continue
        split = split_symbol(name)
        assert split is not None
        mid, vol = _MARKETS[split[0]]
        symbol = f"{name}-SPOT" if name in instruments else name
        instruments[symbol] = InstrumentSpec(
            symbol=symbol,
            product=PRODUCT_OF_VENUE[venue],
            base=split[0],
            quote=split[1],
            mid=Decimal(mid),
            tick=Decimal(tick),
            venue=venue,
            depth_levels=100 if venue == "kraken-spot" else 50,
            vol_bps_per_min=Decimal(vol),
        )
    return instruments


def default_account(venues: Sequence[str]) -> AccountSpec:
    """Balances to trade with on each of the venues; no positions and no open orders."""
    balances: dict[str, Decimal] = {}
    for venue in venues:
        for asset, qty in _BALANCES[venue].items():
            balances[asset] = max(balances.get(asset, Decimal(0)), Decimal(qty))
    return AccountSpec(balances=balances)


def default_peers(venues: Sequence[str]) -> tuple[str, ...]:
    """The spot venues that do not take part."""
    spot = (v for v in VENUES if PRODUCT_OF_VENUE[v] is Product.SPOT)
    return tuple(v for v in spot if v not in venues)


def default_world(venues: Sequence[str]) -> World:
    """The whole of it, for a scenario without `world`."""
    return World(
        instruments=default_instruments(venues),
        account=default_account(venues),
        peers=default_peers(venues),
    )
