"""The account's settings, and the venue's rules that only an account may read.

The mock's accounts are in one-way mode with cross margin in a single asset. What would change that
is refused with -1020; what is already so is refused as on the venue ("no need to change").
Source: Binance USD-M futures docs, Change Initial Leverage, Change Margin Type, Change Position
Mode, Change Multi-Assets Mode, Notional and Leverage Brackets, Symbol Configuration, User
Commission Rate, Query Rate Limit, Futures Trading Quantitative Rules Indicators.
"""

from __future__ import annotations

from typing import Final

from outlast.mock.engine.model import EngineMode, Instrument
from outlast.mock.limits import LimitKind
from outlast.mock.venues.binance_um.errors import VenueRefusal
from outlast.mock.venues.binance_um.figures import plain
from outlast.mock.venues.binance_um.questions import Given, Question
from outlast.mock.venues.binance_um.weights import rate_limits

__all__ = ["NOTIONAL_MAX", "Settings"]

NOTIONAL_MAX: Final = "100000000"


class Settings:
    """The settings endpoints of one running venue."""

    # -- leverage and margin ----------------------------------------------------------------

    def set_leverage(self, q: Question) -> Given:
        instrument = q.instrument()
        q.params.need("leverage")
        leverage = q.params.whole("leverage")
        assert leverage is not None
        if not 1 <= leverage <= _leverage_max(instrument):
            raise VenueRefusal(-4028, f"Leverage {leverage} is not valid")
        if q.engine.set_leverage(q.account, instrument.symbol, leverage) is not None:
            raise VenueRefusal(-2028)
        return Given(
            {
                "symbol": instrument.symbol,
                "leverage": leverage,
                "maxNotionalValue": NOTIONAL_MAX,
            }
        )

    def set_margin_type(self, q: Question) -> Given:
        q.instrument()
        match q.params.need("marginType"):
            case "CROSSED":
                raise VenueRefusal(-4046)
            case "ISOLATED":
                raise VenueRefusal(-1020)
        raise VenueRefusal.invalid("marginType")

    def position_side(self, _q: Question) -> Given:
        return Given({"dualSidePosition": False})

    def set_position_side(self, q: Question) -> Given:
        q.params.need("dualSidePosition")
        raise VenueRefusal(-1020 if q.params.flag("dualSidePosition") else -4059)

    def multi_assets(self, _q: Question) -> Given:
        return Given({"multiAssetsMargin": False})

    def set_multi_assets(self, q: Question) -> Given:
        q.params.need("multiAssetsMargin")
        raise VenueRefusal(-1020 if q.params.flag("multiAssetsMargin") else -4171)

    # -- what is so -------------------------------------------------------------------------

    def brackets(self, q: Question) -> Given:
        rows = [_bracket(instrument) for instrument in q.instruments()]
        return Given(rows[0] if "symbol" in q.params else rows)

    def symbol_config(self, q: Question) -> Given:
        return Given(
            [
                {
                    "symbol": instrument.symbol,
                    "marginType": "CROSSED",
                    "isAutoAddMargin": "false",
                    "leverage": q.engine.leverage(q.account, instrument.symbol),
                    "maxNotionalValue": NOTIONAL_MAX,
                }
                for instrument in q.instruments()
            ]
        )

    def account_config(self, _q: Question) -> Given:
        return Given(
            {
                "feeTier": 0,
                "canTrade": True,
                "canDeposit": True,
                "canWithdraw": True,
                "dualSidePosition": False,
                "updateTime": 0,
                "multiAssetsMargin": False,
                "tradeGroupId": -1,
            }
        )

    def commission(self, q: Question) -> Given:
        instrument = q.instrument()
        return Given(
            {
                "symbol": instrument.symbol,
                "makerCommissionRate": plain(instrument.maker_fee),
                "takerCommissionRate": plain(instrument.taker_fee),
            }
        )

    def order_limits(self, q: Question) -> Given:
        return Given(rate_limits(q.view.windows, LimitKind.ORDERS))

    def trading_status(self, q: Question) -> Given:
        """Tell what locks the account; the mock locks nobody for how they trade."""
        q.instruments()
        return Given({"indicators": {}, "updateTime": q.now_ms})

    def coins(self, q: Question) -> Given:
        """List the venue's coins with the account's spot wallet, which is empty here."""
        frozen = q.engine.knobs.mode is EngineMode.MAINTENANCE
        instruments = q.engine.instruments.values()
        names = dict.fromkeys([i.quote for i in instruments] + [i.base for i in instruments])
        return Given([_coin(name, open_=not frozen) for name in names])

    def margin_pairs(self, _q: Question) -> Given:
        """List spot's cross-margin pairs: none, there is no spot market here."""
        return Given([])


def _leverage_max(instrument: Instrument) -> int:
    """Give the highest leverage: maintenance is at most half of the initial margin, as listed."""
    return max(instrument.leverage, int(1 / (2 * instrument.maintenance_margin)))


def _bracket(instrument: Instrument) -> dict[str, object]:
    """One bracket: the engine knows one maintenance rate an instrument."""
    return {
        "symbol": instrument.symbol,
        "notionalCoef": 1.0,
        "brackets": [
            {
                "bracket": 1,
                "initialLeverage": _leverage_max(instrument),
                "notionalCap": int(NOTIONAL_MAX),
                "notionalFloor": 0,
                "maintMarginRatio": float(instrument.maintenance_margin),
                "cum": 0.0,
            }
        ],
    }


def _coin(name: str, *, open_: bool) -> dict[str, object]:
    nothing = "0"
    return {
        "coin": name,
        "depositAllEnable": open_,
        "withdrawAllEnable": open_,
        "name": name,
        "free": nothing,
        "locked": nothing,
        "freeze": nothing,
        "withdrawing": nothing,
        "ipoing": nothing,
        "ipoable": nothing,
        "storage": nothing,
        "isLegalMoney": False,
        "trading": True,
        "networkList": [],
    }
