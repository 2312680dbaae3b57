"""What differs between the venues that ccxt speaks to: ids, lookups, proofs, tables of refusals.

Kraken, Binance spot and Binance USD-M are known in full. For every other venue the rules are
conservative: an answer counts as a refusal only where ccxt's own class for it says so beyond doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from outlast.venues import codec
from outlast.wire import VenueCodec

__all__ = ["Dialect", "IdForm", "dialect_of"]

ID_NAMES: Final = (
    "clientOrderId",
    "newClientOrderId",
    "cl_ord_id",
    "client_order_id",
    "clientOid",
    "clOrdId",
    "clOrdID",
    "orderLinkId",
    "cliOrdId",
    "externalOid",
    "client-order-id",
    "clientAlgoId",
)
"""Under which names bots give ids of their own."""


@dataclass(frozen=True, slots=True)
class IdForm:
    """How this venue wants a client order id written."""

    is_uuid: bool
    write: Callable[[str], str]


_TEXT: Final = IdForm(False, str)
_LETTERS: Final = IdForm(False, lambda made: made.replace("-", ""))
_UUID: Final = IdForm(True, str)
_HEX: Final = IdForm(True, lambda made: "0x" + made.replace("-", ""))

# Source: ccxt 4.5, `create_order` and `create_order_request` of each exchange: those that pass
# `clientOrderId` on, and where the venue's own page allows the form. Not named: those that want a
# whole number (bitfinex, dydx, lighter, woo) or have no such id. There nothing is injected, and an
# order is recognised by its terms.
_IN_TEXT: Final = """
    binance binanceusdm binancecoinm binanceus tokocrypto bybit bybiteu bybitid gate gateeu bitget
    htx cryptocom mexc phemex whitebit bitstamp kucoin kucoinfutures krakenfutures poloniex
"""
_IN_LETTERS: Final = "okx myokx okxus bingx"
_IN_UUIDS: Final = "kraken coinbase coinbaseexchange coinbaseinternational"
_FORMS: Final[Mapping[str, IdForm]] = {
    **dict.fromkeys(_IN_TEXT.split(), _TEXT),
    **dict.fromkeys(_IN_LETTERS.split(), _LETTERS),
    **dict.fromkeys(_IN_UUIDS.split(), _UUID),
    "hyperliquid": _HEX,
}

_PURPOSES: Final[Mapping[tuple[str, str, str], str]] = {
    # venue, method, last part of the path -> the name that the codecs have for it
    ("kraken-spot", "POST", "AddOrder"): "order.place",
    ("kraken-spot", "POST", "CancelOrder"): "order.cancel",
    ("kraken-spot", "POST", "CancelAll"): "orders.cancel",
    ("kraken-spot", "POST", "QueryOrders"): "order.read",
    ("kraken-spot", "POST", "OpenOrders"): "orders.read",
    ("kraken-spot", "POST", "ClosedOrders"): "orders.read",
    ("kraken-spot", "POST", "TradesHistory"): "executions.read",
    ("kraken-spot", "POST", "BalanceEx"): "balances.read",
    **{
        (venue, method, path): name
        for venue in ("binance-spot", "binance-um")
        for method, path, name in (
            ("POST", "order", "order.place"),
            ("POST", "algoOrder", "order.place"),
            ("DELETE", "order", "order.cancel"),
            ("DELETE", "algoOrder", "order.cancel"),
            ("DELETE", "allOpenOrders", "orders.cancel"),
            ("DELETE", "algoOpenOrders", "orders.cancel"),
            ("GET", "order", "order.read"),
            ("GET", "openOrders", "orders.read"),
            ("GET", "time", "time.read"),
            ("GET", "depth", "book.read"),
            ("GET", "exchangeInfo", "instruments.read"),
        )
    },
    ("binance-spot", "DELETE", "openOrders"): "orders.cancel",
    ("binance-um", "GET", "positionRisk"): "positions.read",
}

_DATED: Final = frozenset({"AddOrder", "AddOrderBatch"})
_KRAKEN_WRITES: Final = frozenset(
    {"AddOrder", "AddOrderBatch", "AmendOrder", "EditOrder"}
    | {"CancelOrder", "CancelAll", "CancelOrderBatch", "CancelAllOrdersAfter"}
    | {"Withdraw", "WithdrawCancel", "WalletTransfer", "AccountTransfer", "CreateSubaccount"}
    | {"AddExport", "RemoveExport", "Earn/Allocate", "Earn/Deallocate", "Stake", "Unstake"}
)
"""Kraken reads its accounts by POST too. Source: Kraken docs, Spot REST, the methods that change
something."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One ccxt exchange, as far as the guard must know it."""

    exchange_id: str
    ids: IdForm | None
    """None: the venue has no client order id that could be injected."""
    knows_id_lookup: bool
    """True where one query finds an order by our own id, and says so where there is none."""
    has_deadline: bool
    """True where a new order can carry the instant after which the engine refuses it."""
    has_rising_nonce: bool
    """True where each signed request must carry a higher number than the one before."""
    is_fenced: bool
    """True where the cancel of an id that never was is answered by the matching engine."""

    def venue_of(self, url: str) -> str | None:
        """The codec's venue id behind a URL; None where there are no tables for it."""
        path = urlsplit(url).path
        if self.exchange_id == "kraken":
            return "kraken-spot"
        if self.exchange_id in ("binance", "binanceusdm"):
            if path.startswith("/fapi/"):
                return "binance-um"
            if path.startswith("/api/"):
                return "binance-spot"
        return None

    def codec_of(self, url: str) -> VenueCodec | None:
        venue = self.venue_of(url)
        return None if venue is None else codec(venue)

    def purpose(self, method: str, url: str) -> str | None:
        """The codec's name of a request; None where there is none."""
        venue = self.venue_of(url)
        last = urlsplit(url).path.rpartition("/")[2]
        return None if venue is None else _PURPOSES.get((venue, method, last))

    def is_write(self, method: str, path: str) -> bool:
        """Whether a request changes something; `path` as ccxt has it, without its host."""
        if self.exchange_id == "kraken":
            return path in _KRAKEN_WRITES
        return method != "GET"

    def own_id(self, params: Mapping[str, Any]) -> str | None:
        """The client order id that the bot gave itself; None when it gave none."""
        for name in ID_NAMES:
            if params.get(name):
                return str(params[name])
        return None

    def with_id(self, params: Mapping[str, Any], client_order_id: str) -> dict[str, Any]:
        return {**params, self.id_name: client_order_id}

    @property
    def id_name(self) -> str:
        """The parameter that carries our id; Kraken's by its own name: ccxt 4.4 makes another
        thing, a whole number, of `clientOrderId` there."""
        return "cl_ord_id" if self.has_deadline else "clientOrderId"

    def takes_id(self, params: Mapping[str, Any]) -> bool:
        # Kraken takes `userref` or `cl_ord_id`, never both. Source: Kraken docs, Add Order.
        return self.ids is not None and "userref" not in params

    def with_deadline(
        self, params: Mapping[str, Any], path: str, *, venue_ms: float, valid_for_s: float
    ) -> dict[str, Any]:
        """Source: Kraken docs, Add Order, `deadline`: RFC 3339, 2 to 60 s ahead."""
        if not self.has_deadline or path not in _DATED or "deadline" in params:
            return dict(params)
        seconds, milliseconds = divmod(round(venue_ms + valid_for_s * 1000), 1000)
        at = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
        return {**params, "deadline": at}


def dialect_of(exchange_id: str) -> Dialect:
    is_binance = exchange_id in ("binance", "binanceusdm")
    is_kraken = exchange_id == "kraken"
    return Dialect(
        exchange_id=exchange_id,
        ids=_FORMS.get(exchange_id),
        knows_id_lookup=is_binance,
        has_deadline=is_kraken,
        has_rising_nonce=is_kraken,
        is_fenced=is_binance or is_kraken,
    )
