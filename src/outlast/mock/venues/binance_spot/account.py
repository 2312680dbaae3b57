"""The account: balances, fees, order counts, and the wallet calls that clients make at start-up.

Source: Binance spot API docs, rest-api.md (Account endpoints); Wallet docs (`/sapi`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import EngineMode, Instrument
from outlast.mock.engine.views import AssetBalance
from outlast.mock.limits import LimitKind
from outlast.mock.venues.binance_spot.questions import Given, Question
from outlast.mock.venues.binance_spot.trading import discount
from outlast.mock.venues.binance_spot.weights import rate_limits
from outlast.mock.venues.binance_um.client_ids import letters
from outlast.mock.venues.binance_um.figures import fixed, plain
from outlast.mock.venues.binance_um.ledger import Ledger

__all__ = ["AccountDesk"]

_ZERO: Final = Decimal(0)
_NOTHING: Final = AssetBalance(_ZERO, _ZERO, _ZERO)


class AccountDesk:
    """The account endpoints of one running venue."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def account(self, q: Question) -> Given:
        balances = _balances(q)
        if q.params.flag("omitZeroBalances"):
            balances = {asset: held for asset, held in balances.items() if held.total}
        rates = next(iter(q.engine.instruments.values()))
        changed = [self._ledger.changed_ms(q.account, asset) for asset in balances]
        return Given(
            {
                "makerCommission": int(rates.maker_fee * 10_000),
                "takerCommission": int(rates.taker_fee * 10_000),
                "buyerCommission": 0,
                "sellerCommission": 0,
                "commissionRates": _rates(rates),
                "canTrade": True,
                "canWithdraw": True,
                "canDeposit": True,
                "brokered": False,
                "requireSelfTradePrevention": False,
                "preventSor": False,
                "updateTime": max(changed, default=q.engine.now_ms),
                "accountType": "SPOT",
                "balances": [
                    {"asset": asset, "free": fixed(held.free), "locked": fixed(held.locked)}
                    for asset, held in balances.items()
                ],
                "permissions": ["SPOT"],
                "uid": _uid(q.account),
            }
        )

    def commission(self, q: Question) -> Given:
        instrument = q.instrument()
        nothing = dict.fromkeys(("maker", "taker", "buyer", "seller"), fixed(_ZERO))
        return Given(
            {
                "symbol": instrument.symbol,
                "standardCommission": _rates(instrument),
                "specialCommission": nothing,
                "taxCommission": nothing,
                "discount": discount(),
            }
        )

    def order_limits(self, q: Question) -> Given:
        return Given(rate_limits(q.view.windows, LimitKind.ORDERS, usage=q.view.usage))

    # -- wallet -----------------------------------------------------------------------------

    def trade_fee(self, q: Question) -> Given:
        return Given(
            [
                {
                    "symbol": instrument.symbol,
                    "makerCommission": plain(instrument.maker_fee),
                    "takerCommission": plain(instrument.taker_fee),
                }
                for instrument in q.instruments()
            ]
        )

    def coins(self, q: Question) -> Given:
        open_ = q.engine.knobs.mode is not EngineMode.MAINTENANCE
        return Given([_coin(asset, held, open_=open_) for asset, held in _balances(q).items()])

    def user_assets(self, q: Question) -> Given:
        asked = q.params.text("asset")
        return Given(
            [
                {
                    "asset": asset,
                    "free": fixed(held.free),
                    "locked": fixed(held.locked),
                    "freeze": "0",
                    "withdrawing": "0",
                    "ipoable": "0",
                    "btcValuation": "0",
                }
                for asset, held in _balances(q).items()
                if held.total and asked in (None, asset)
            ]
        )

    def status(self, _q: Question) -> Given:
        return Given({"data": "Normal"})

    def trading_status(self, q: Question) -> Given:
        """Tell what locks the account; the mock locks nobody for how they trade."""
        return Given(
            {
                "data": {
                    "isLocked": False,
                    "plannedRecoverTime": 0,
                    "triggerCondition": {"GCR": 150, "IFER": 150, "UFR": 300},
                    "updateTime": q.now_ms,
                }
            }
        )

    def key_rights(self, q: Question) -> Given:
        rights = {
            "ipRestrict": False,
            "createTime": q.engine.now_ms // 86_400_000 * 86_400_000,
            "enableReading": True,
            "enableSpotAndMarginTrading": True,
        }
        lacking = (
            *("enableWithdrawals", "enableInternalTransfer", "enableMargin", "enableFutures"),
            *("permitsUniversalTransfer", "enableVanillaOptions", "enablePortfolioMarginTrading"),
        )
        return Given(rights | dict.fromkeys(lacking, False))

    def margin_pairs(self, _q: Question) -> Given:
        """List margin pairs or assets: none, exchangeInfo says `isMarginTradingAllowed: false`."""
        return Given([])


def _balances(q: Question) -> Mapping[str, AssetBalance]:
    """What the venue says is in the account: every listed asset, unless it says nothing at all."""
    told = q.view.balances(q.account)
    if not told:
        return told
    rows = dict(told)
    for instrument in q.engine.instruments.values():
        rows.setdefault(instrument.base, _NOTHING)
        rows.setdefault(instrument.quote, _NOTHING)
    return rows


def _rates(instrument: Instrument) -> dict[str, object]:
    return {
        "maker": fixed(instrument.maker_fee),
        "taker": fixed(instrument.taker_fee),
        "buyer": fixed(_ZERO),
        "seller": fixed(_ZERO),
    }


def _uid(account: str) -> int:
    """A number that is the account's own, as the venue has one for each."""
    return int.from_bytes(letters(4, "uid", account).encode(), "big")


def _coin(name: str, held: AssetBalance, *, open_: bool) -> dict[str, object]:
    nothing = fixed(_ZERO)
    return {
        "coin": name,
        "depositAllEnable": open_,
        "withdrawAllEnable": open_,
        "name": name,
        "free": fixed(held.free),
        "locked": fixed(held.locked),
        "freeze": nothing,
        "withdrawing": nothing,
        "ipoing": nothing,
        "ipoable": nothing,
        "storage": nothing,
        "isLegalMoney": False,
        "trading": True,
        "networkList": [],
    }
