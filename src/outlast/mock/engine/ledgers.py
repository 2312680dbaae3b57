"""Which balances and positions have changed, and their reports, once per action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from outlast.mock.engine import margin
from outlast.mock.engine.accounts import CENTS, Account
from outlast.mock.engine.events import BalanceEvent, FundingEvent, PositionEvent
from outlast.mock.engine.market import Market
from outlast.mock.engine.model import Product
from outlast.mock.engine.reports import Reports
from outlast.mock.engine.views import AssetBalance

__all__ = ["Ledgers"]


@dataclass(slots=True)
class _Change:
    reason: str
    by_fill: bool
    silent: bool


class Ledgers:
    """Collects changes during one action and reports each balance and position once."""

    def __init__(self, product: Product, markets: Mapping[str, Market], reports: Reports) -> None:
        self._product = product
        self._markets = markets
        self._reports = reports
        self._balances: dict[tuple[str, str], _Change] = {}
        self._positions: dict[tuple[str, str], _Change] = {}

    def note_balance(self, account: str, asset: str, *, by_fill: bool, silent: bool) -> None:
        """Remember that an order changed this balance; silent only if all its causes are."""
        _note(self._balances, (account, asset), by_fill=by_fill, silent=silent)

    def note_position(self, account: str, symbol: str, *, silent: bool) -> None:
        _note(self._positions, (account, symbol), by_fill=True, silent=silent)

    def fund(self, account: Account, symbol: str, rate: Decimal, now_ms: int) -> None:
        """Pay or receive funding on one position."""
        market = self._markets[symbol]
        asset = market.instrument.quote
        amount = (-account.qty(symbol) * market.mark * rate).quantize(CENTS)
        account.wallet(asset).fund(amount)
        self._reports.funding(
            FundingEvent(
                account=account.name,
                symbol=symbol,
                asset=asset,
                rate=rate,
                amount=amount,
                at_ms=now_ms,
            )
        )
        self._balances[account.name, asset] = _Change("funding", by_fill=False, silent=False)

    def insure(self, account: Account, asset: str) -> None:
        """The venue's insurance takes over what an account without positions owes."""
        wallet = account.wallet(asset)
        if wallet.total < 0 and not any(
            position.qty
            for symbol, position in account.positions.items()
            if self._markets[symbol].instrument.quote == asset
        ):
            wallet.insure()
            self._balances[account.name, asset] = _Change("insurance", by_fill=True, silent=False)

    def balance(self, account: Account, asset: str) -> AssetBalance:
        if self._product is Product.SPOT:
            return account.balance(asset)
        whole = margin.summary(account, self._markets, asset)
        return AssetBalance(whole.wallet, whole.available, whole.initial + whole.order_initial)

    def report(self, accounts: Mapping[str, Account], now_ms: int, fills_delay_ms: int) -> None:
        """Tell what has changed since the last report; what fills changed, as late as fills."""
        balances, self._balances = self._balances, {}
        positions, self._positions = self._positions, {}
        for (name, asset), change in balances.items():
            shown_ms = self._shown_ms(name, change, now_ms, fills_delay_ms)
            balance = self.balance(accounts[name], asset)
            self._reports.ledger(
                BalanceEvent(
                    account=name,
                    asset=asset,
                    total=balance.total,
                    free=balance.free,
                    locked=balance.locked,
                    reason=change.reason,
                    at_ms=now_ms,
                    shown_ms=shown_ms,
                    silent=change.silent,
                ),
                now_ms,
            )
        for (name, symbol), change in positions.items():
            shown_ms = self._shown_ms(name, change, now_ms, fills_delay_ms)
            position = accounts[name].positions[symbol]
            self._reports.ledger(
                PositionEvent(
                    account=name,
                    symbol=symbol,
                    qty=position.qty,
                    entry=position.entry,
                    unrealised=position.unrealised(self._markets[symbol].mark),
                    realised=position.realised,
                    reason=change.reason,
                    at_ms=now_ms,
                    shown_ms=shown_ms,
                    silent=change.silent,
                ),
                now_ms,
            )

    def _shown_ms(self, name: str, change: _Change, now_ms: int, fills_delay_ms: int) -> int:
        delay_ms = fills_delay_ms if change.by_fill else 0
        return self._reports.ledger_shown_ms(name, now_ms, delay_ms)


def _note(
    changes: dict[tuple[str, str], _Change], key: tuple[str, str], *, by_fill: bool, silent: bool
) -> None:
    change = changes.setdefault(key, _Change("order", by_fill=by_fill, silent=silent))
    change.by_fill = change.by_fill or by_fill
    change.silent = change.silent and silent
