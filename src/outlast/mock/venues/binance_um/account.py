"""The account: balances, positions, margins.

Everything here goes through the view, which may be told to lie. Sums that the venue gives per
symbol or per asset are shares of the engine's own.
Source: Binance USD-M futures docs, Account Information V2/V3, Futures Account Balance V2/V3,
Position Information V2/V3.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import Instrument, Side
from outlast.mock.engine.views import AssetBalance, MarginSummary, PositionState
from outlast.mock.venues.binance_um.client_ids import letters
from outlast.mock.venues.binance_um.figures import decimals, fixed, plain
from outlast.mock.venues.binance_um.ledger import Ledger
from outlast.mock.venues.binance_um.order_views import price_places
from outlast.mock.venues.binance_um.questions import Given, Question
from outlast.mock.venues.binance_um.settings import NOTIONAL_MAX
from outlast.mock.venues.binance_um.trading import plain_open_orders

__all__ = ["AccountDesk"]

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Row:
    """One symbol of an account: its position, if it has one, and what its open orders weigh."""

    instrument: Instrument
    state: PositionState | None
    bids: Decimal
    asks: Decimal
    order_margin: Decimal

    @property
    def qty(self) -> Decimal:
        return _ZERO if self.state is None else self.state.qty

    @property
    def mark(self) -> Decimal:
        return _ZERO if self.state is None else self.state.mark

    @property
    def notional(self) -> Decimal:
        return self.qty * self.mark

    @property
    def unrealised(self) -> Decimal:
        return _ZERO if self.state is None else self.state.unrealised

    @property
    def margin(self) -> Decimal:
        return _ZERO if self.state is None else self.state.initial_margin

    @property
    def maintenance(self) -> Decimal:
        return _ZERO if self.state is None else self.state.maint_margin

    @property
    def updated_ms(self) -> int:
        return 0 if self.state is None else self.state.updated_ms

    @property
    def is_active(self) -> bool:
        """True with a position or open orders: what the third version of the endpoints lists."""
        return bool(self.qty or self.bids or self.asks)


class AccountDesk:
    """The account endpoints of one running venue."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self._ledger, self._seed = ledger, seed

    def balance(self, q: Question) -> Given:
        margin, alias = q.view.margin(q.account), letters(8, self._seed, "alias", q.account)
        rows: list[dict[str, object]] = []
        for asset, held in q.view.balances(q.account).items():
            sums = _sums(asset, held, margin)
            rows.append(
                {
                    "accountAlias": alias,
                    "asset": asset,
                    "balance": fixed(sums.wallet),
                    "crossWalletBalance": fixed(sums.wallet),
                    "crossUnPnl": fixed(sums.unrealised),
                    "availableBalance": fixed(sums.available),
                    "maxWithdrawAmount": fixed(min(sums.available, sums.wallet)),
                    "marginAvailable": True,
                    "updateTime": self._ledger.changed_ms(q.account, asset),
                }
            )
        return Given(rows)

    def account_v3(self, q: Question) -> Given:
        return Given(
            {
                **_totals(q.view.margin(q.account)),
                "assets": self._assets(q),
                "positions": [_position_v3(row) for row in self._rows(q) if row.is_active],
            }
        )

    def account_v2(self, q: Question) -> Given:
        """Give the older shape: every symbol, with its leverage, and the account's permissions."""
        return Given(
            {
                "feeTier": 0,
                "canTrade": True,
                "canDeposit": True,
                "canWithdraw": True,
                "updateTime": 0,
                "multiAssetsMargin": False,
                "tradeGroupId": -1,
                **_totals(q.view.margin(q.account)),
                "assets": [{**row, "marginAvailable": True} for row in self._assets(q)],
                "positions": [self._position_v2(q, row) for row in self._rows(q)],
            }
        )

    def risk_v3(self, q: Question) -> Given:
        rows = self._rows(q)
        return Given([self._risk_v3(row) for row in rows if row.is_active])

    def risk_v2(self, q: Question) -> Given:
        return Given([self._risk_v2(q, row) for row in self._rows(q)])

    def _rows(self, q: Question) -> list[_Row]:
        """Collect every symbol, or the asked one; order margin is shared by open notional."""
        states = q.view.positions(q.account)
        needed = q.engine.margin(q.account).order_initial  # about orders nobody lies
        weights = {i.symbol: _open_notional(q, i) for i in q.engine.instruments.values()}
        heaviest = {symbol: max(pair) for symbol, pair in weights.items()}
        total = sum(heaviest.values(), _ZERO)
        rows: list[_Row] = []
        for instrument in q.instruments():
            symbol = instrument.symbol
            share = heaviest[symbol] / total if total else _ZERO
            state = states.get(symbol)
            rows.append(_Row(instrument, state, *weights[symbol], needed * share))
        return rows

    def _assets(self, q: Question) -> list[dict[str, object]]:
        margin = q.view.margin(q.account)
        rows: list[dict[str, object]] = []
        for asset, held in q.view.balances(q.account).items():
            sums = _sums(asset, held, margin)
            rows.append(
                {
                    "asset": asset,
                    "walletBalance": fixed(sums.wallet),
                    "unrealizedProfit": fixed(sums.unrealised),
                    "marginBalance": fixed(sums.margin_balance),
                    "maintMargin": fixed(sums.maintenance),
                    "initialMargin": fixed(sums.initial + sums.order_initial),
                    "positionInitialMargin": fixed(sums.initial),
                    "openOrderInitialMargin": fixed(sums.order_initial),
                    "crossWalletBalance": fixed(sums.wallet),
                    "crossUnPnl": fixed(sums.unrealised),
                    "availableBalance": fixed(sums.available),
                    "maxWithdrawAmount": fixed(min(sums.available, sums.wallet)),
                    "updateTime": self._ledger.changed_ms(q.account, asset),
                }
            )
        return rows

    def _position_v2(self, q: Question, row: _Row) -> dict[str, object]:
        symbol, price = row.instrument.symbol, price_places(row.instrument)
        return {
            "symbol": symbol,
            "initialMargin": fixed(row.margin + row.order_margin),
            "maintMargin": fixed(row.maintenance),
            "unrealizedProfit": fixed(row.unrealised),
            "positionInitialMargin": fixed(row.margin),
            "openOrderInitialMargin": fixed(row.order_margin),
            "leverage": str(q.engine.leverage(q.account, symbol)),
            "isolated": False,
            "entryPrice": _entry(row, price),
            "breakEvenPrice": _break_even(row, price),
            "maxNotional": NOTIONAL_MAX,
            "bidNotional": plain(row.bids),
            "askNotional": plain(row.asks),
            "positionSide": "BOTH",
            "positionAmt": fixed(row.qty, decimals(row.instrument.qty_step)),
            "notional": fixed(row.notional),
            "isolatedWallet": "0",
            "updateTime": row.updated_ms,
        }

    def _risk_v3(self, row: _Row) -> dict[str, object]:
        price = price_places(row.instrument)
        return {
            "symbol": row.instrument.symbol,
            "positionSide": "BOTH",
            "positionAmt": fixed(row.qty, decimals(row.instrument.qty_step)),
            "entryPrice": _entry(row, price),
            "breakEvenPrice": _break_even(row, price),
            "markPrice": fixed(row.mark),
            "unRealizedProfit": fixed(row.unrealised),
            "liquidationPrice": _liquidation(row),
            "isolatedMargin": "0",
            "notional": fixed(row.notional),
            "marginAsset": row.instrument.quote,
            "isolatedWallet": "0",
            "initialMargin": fixed(row.margin + row.order_margin),
            "maintMargin": fixed(row.maintenance),
            "positionInitialMargin": fixed(row.margin),
            "openOrderInitialMargin": fixed(row.order_margin),
            "adl": 0,
            "bidNotional": plain(row.bids),
            "askNotional": plain(row.asks),
            "updateTime": row.updated_ms,
        }

    def _risk_v2(self, q: Question, row: _Row) -> dict[str, object]:
        symbol, price = row.instrument.symbol, price_places(row.instrument)
        return {
            "symbol": symbol,
            "positionAmt": fixed(row.qty, decimals(row.instrument.qty_step)),
            "entryPrice": _entry(row, price),
            "breakEvenPrice": _break_even(row, price),
            "markPrice": fixed(row.mark),
            "unRealizedProfit": fixed(row.unrealised),
            "liquidationPrice": _liquidation(row),
            "leverage": str(q.engine.leverage(q.account, symbol)),
            "maxNotionalValue": NOTIONAL_MAX,
            "marginType": "cross",
            "isolatedMargin": "0.00000000",
            "isAutoAddMargin": "false",
            "positionSide": "BOTH",
            "notional": fixed(row.notional),
            "isolatedWallet": "0",
            "updateTime": row.updated_ms,
        }


def _open_notional(q: Question, instrument: Instrument) -> tuple[Decimal, Decimal]:
    """Give what the open buys and sells of a symbol are worth at their limit prices."""
    bids = asks = _ZERO
    for order in plain_open_orders(q.engine, q.account, instrument.symbol):
        worth = order.leaves_qty * (order.request.price or _ZERO)
        if order.request.side is Side.BUY:
            bids += worth
        else:
            asks += worth
    return bids, asks


def _sums(asset: str, held: AssetBalance, margin: MarginSummary) -> MarginSummary:
    """Give an asset's sums; positions are margined in one asset, the others only lie there."""
    if asset == margin.asset:
        return margin
    return MarginSummary(
        asset=asset,
        wallet=held.total,
        unrealised=_ZERO,
        margin_balance=held.total,
        initial=_ZERO,
        order_initial=_ZERO,
        maintenance=_ZERO,
        available=held.free,
    )


def _totals(margin: MarginSummary) -> dict[str, object]:
    """Write the account's sums, in the asset that positions are margined in."""
    return {
        "totalInitialMargin": fixed(margin.initial + margin.order_initial),
        "totalMaintMargin": fixed(margin.maintenance),
        "totalWalletBalance": fixed(margin.wallet),
        "totalUnrealizedProfit": fixed(margin.unrealised),
        "totalMarginBalance": fixed(margin.margin_balance),
        "totalPositionInitialMargin": fixed(margin.initial),
        "totalOpenOrderInitialMargin": fixed(margin.order_initial),
        "totalCrossWalletBalance": fixed(margin.wallet),
        "totalCrossUnPnl": fixed(margin.unrealised),
        "availableBalance": fixed(margin.available),
        "maxWithdrawAmount": fixed(min(margin.available, margin.wallet)),
    }


def _position_v3(row: _Row) -> dict[str, object]:
    return {
        "symbol": row.instrument.symbol,
        "positionSide": "BOTH",
        "positionAmt": fixed(row.qty, decimals(row.instrument.qty_step)),
        "unrealizedProfit": fixed(row.unrealised),
        "isolatedMargin": "0",
        "notional": fixed(row.notional),
        "isolatedWallet": "0",
        "initialMargin": fixed(row.margin + row.order_margin),
        "maintMargin": fixed(row.maintenance),
        "updateTime": row.updated_ms,
    }


def _entry(row: _Row, price: int) -> str:
    entry = _ZERO if row.state is None else row.state.entry
    return fixed(entry, price + 3) if entry else "0.0"


def _break_even(row: _Row, price: int) -> str:
    """Give the entry moved by the fee that closing it as a taker costs."""
    if row.state is None or not row.qty:
        return "0.0"
    fee = row.instrument.taker_fee if row.qty > 0 else -row.instrument.taker_fee
    return fixed(row.state.entry * (1 + fee), price + 3)


def _liquidation(row: _Row) -> str:
    price = _ZERO if row.state is None else row.state.liquidation_price
    return fixed(price) if price else "0"
