"""What the venue calls things: assets and pairs, each in several spellings.

`X` and `Z` prefixes exist on the oldest assets only; they are listed here, as the venue lists them
in Assets, and never made by adding letters. Source: Kraken docs, Get Asset Info, Get Tradable Asset
Pairs; WebSocket v2 uses BTC and DOGE where REST has XBT and XDG.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from outlast.mock.engine.model import Instrument
from outlast.mock.venues.kraken_spot.figures import places

__all__ = ["Asset", "Listing", "Pair", "asset_of"]

_OLD_COINS: Final[Mapping[str, tuple[str, str]]] = {
    # name on WebSocket v2 and in scenarios: (altname, code)
    "BTC": ("XBT", "XXBT"),
    "DOGE": ("XDG", "XXDG"),
    "ETC": ("ETC", "XETC"),
    "ETH": ("ETH", "XETH"),
    "LTC": ("LTC", "XLTC"),
    "MLN": ("MLN", "XMLN"),
    "REP": ("REP", "XREP"),
    "XLM": ("XLM", "XXLM"),
    "XMR": ("XMR", "XXMR"),
    "XRP": ("XRP", "XXRP"),
    "ZEC": ("ZEC", "XZEC"),
}
_FIAT: Final = ("AUD", "CAD", "EUR", "GBP", "JPY", "USD")
_STABLE: Final = ("USDT", "USDC")
COST_DECIMALS: Final = 5


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset. `name` is what WebSocket v2 and the engine call it."""

    name: str
    altname: str
    code: str
    """The key in Assets and in balances: `XXBT`, `ZUSD`, `USDT`."""
    decimals: int
    display_decimals: int

    @property
    def is_old(self) -> bool:
        return self.code != self.altname


def asset_of(name: str) -> Asset:
    """The asset that the engine calls `name`."""
    if name in _OLD_COINS:
        altname, code = _OLD_COINS[name]
        return Asset(name, altname, code, 10, 5)
    if name in _FIAT:
        return Asset(name, name, f"Z{name}", 4, 2)
    if name in _STABLE:
        return Asset(name, name, name, 8, 4)
    return Asset(name, name, name, 10, 5)


@dataclass(frozen=True, slots=True)
class Pair:
    """One listed pair and its names."""

    instrument: Instrument
    base: Asset
    quote: Asset

    @property
    def symbol(self) -> str:
        """The engine's name."""
        return self.instrument.symbol

    @property
    def name(self) -> str:
        """WebSocket v2: `BTC/USD`."""
        return f"{self.base.name}/{self.quote.name}"

    @property
    def altname(self) -> str:
        """`XBTUSD`: short, what `descr.pair` shows."""
        return self.base.altname + self.quote.altname

    @property
    def wsname(self) -> str:
        """`XBT/USD`: WebSocket v1."""
        return f"{self.base.altname}/{self.quote.altname}"

    @property
    def key(self) -> str:
        """`XXBTZUSD`: the canonical name in REST answers; newer pairs have the altname."""
        both_old = self.base.is_old and self.quote.is_old
        if both_old and self.base.altname != "XDG":
            return self.base.code + self.quote.code
        return self.altname

    @property
    def price_decimals(self) -> int:
        """Those of the tick; more where older orders keep prices between today's ticks."""
        return places(self.instrument.price_unit)

    @property
    def lot_decimals(self) -> int:
        return places(self.instrument.qty_step)

    @property
    def cost_decimals(self) -> int:
        return max(COST_DECIMALS, self.price_decimals)


class Listing:
    """The venue's pairs and assets, found by any of their names."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.pairs = tuple(
            Pair(instrument, asset_of(instrument.base), asset_of(instrument.quote))
            for instrument in instruments
        )
        self._by_symbol = {pair.symbol: pair for pair in self.pairs}
        self._by_name: dict[str, Pair] = {}
        self._on_streams = {pair.name: pair for pair in self.pairs}
        for pair in self.pairs:
            spellings = (pair.key, pair.altname, pair.wsname, pair.name, pair.symbol)
            for name in (*spellings, pair.name.replace("/", "")):
                self._by_name.setdefault(name.upper(), pair)
        self.assets = tuple(
            dict.fromkeys(asset for pair in self.pairs for asset in (pair.base, pair.quote))
        )

    def find(self, name: str) -> Pair | None:
        """The pair with this name in any of REST's spellings."""
        return self._by_name.get(name.upper())

    def on_streams(self, name: str) -> Pair | None:
        """The pair with this WebSocket v2 name; other spellings are not supported there."""
        return self._on_streams.get(name)

    def of(self, symbol: str) -> Pair:
        """The pair of an engine symbol."""
        return self._by_symbol[symbol]

    def asset(self, name: str) -> Asset | None:
        """The asset with this name, altname or code."""
        wanted = name.upper()
        for asset in self.assets:
            if wanted in (asset.name, asset.altname, asset.code):
                return asset
        return None
