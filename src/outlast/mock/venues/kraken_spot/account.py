"""What an account has: balances, what they are worth, its volume and fees, tokens.

Source: Kraken docs, Get Account Balance, Get Extended Balance, Get Trade Balance, Get Open
Positions, Get Trade Volume, Get Websockets Token. The mock's accounts have no margin.
"""

from __future__ import annotations

from decimal import Decimal

from outlast.mock.engine.views import AssetBalance
from outlast.mock.venues.kraken_spot.errors import VenueRefusal
from outlast.mock.venues.kraken_spot.figures import fixed
from outlast.mock.venues.kraken_spot.questions import Given, Question
from outlast.mock.venues.kraken_spot.symbols import Asset, asset_of
from outlast.mock.venues.kraken_spot.tokens import VALID_S, Tokens

__all__ = ["AccountDesk"]

_PERCENT = Decimal(100)


class AccountDesk:
    """The account calls of one running venue."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def balance(self, q: Question) -> Given:
        rows = {asset.code: fixed(held.total, asset.decimals) for asset, held in _held(q)}
        return Given(rows, pictures=("balances",))

    def balance_ex(self, q: Question) -> Given:
        rows = {
            asset.code: {
                "balance": fixed(held.total, asset.decimals),
                "hold_trade": fixed(held.locked, asset.decimals),
            }
            for asset, held in _held(q)
        }
        return Given(rows, pictures=("balances",))

    def trade_balance(self, q: Question) -> Given:
        """The account's worth in one asset; everything about margin is zero."""
        name = q.params.text("asset") or "ZUSD"
        asset = q.listing.asset(name)
        if asset is None:
            raise VenueRefusal("EQuery:Unknown asset")
        worth = sum(
            (_worth(q, held_asset, held.total, asset) for held_asset, held in _held(q)), Decimal(0)
        )
        free = sum((held.free for held_asset, held in _held(q) if held_asset == asset), Decimal(0))
        nothing = fixed(Decimal(0), 4)
        return Given(
            {
                "eb": fixed(worth, 4),
                "tb": fixed(free, 4),
                "m": nothing,
                "uv": nothing,
                "n": nothing,
                "c": nothing,
                "v": nothing,
                "e": fixed(free, 4),
                "mf": fixed(free, 4),
            }
        )

    def positions(self, _q: Question) -> Given:
        return Given({}, pictures=("positions",))

    def trade_volume(self, q: Question) -> Given:
        """The fees of the pairs asked for: one tier, the lowest."""
        named = q.pairs() if "pair" in q.params else []
        volume = q.engine.turnover(q.account)

        def tier(rate: Decimal) -> dict[str, object]:
            fee = fixed(rate * _PERCENT, 4)
            return {
                "fee": fee,
                "minfee": fee,
                "maxfee": fee,
                "nextfee": None,
                "nextvolume": None,
                "tiervolume": "0.0000",
            }

        return Given(
            {
                "currency": "ZUSD",
                "volume": fixed(volume, 4),
                "fees": {pair.key: tier(pair.instrument.taker_fee) for _, pair in named},
                "fees_maker": {pair.key: tier(pair.instrument.maker_fee) for _, pair in named},
            }
        )

    def token(self, q: Question) -> Given:
        token = self._tokens.issue(q.account, q.engine.now_ms)
        return Given({"token": token, "expires": VALID_S})


def _held(q: Question) -> list[tuple[Asset, AssetBalance]]:
    """What the venue says is there; zero balances are listed too."""
    return [(asset_of(name), held) for name, held in q.view.balances(q.account).items()]


def _worth(q: Question, asset: Asset, amount: Decimal, into: Asset) -> Decimal:
    """An amount at the last price; what has no pair with `into` is worth nothing there."""
    if asset == into:
        return amount
    for pair in q.listing.pairs:
        if (pair.base, pair.quote) == (asset, into):
            return amount * q.engine.last_price(pair.symbol)
        if (pair.base, pair.quote) == (into, asset):
            return amount / q.engine.last_price(pair.symbol)
    return Decimal(0)
