"""Turns an ordinary ccxt exchange to the mock: its addresses and key, nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from outlast.errors import ConfigurationError

__all__ = ["aim"]

Exchange = TypeVar("Exchange")

_VENUES: Final[Mapping[str, str]] = {
    "binance": "binance-spot",
    "binanceusdm": "binance-um",
    "kraken": "kraken-spot",
}
_LEFT_OUT: Final = {"fetchCurrencies": False, "fetchMargins": False}
"""Services beside trading, which the mock does not serve."""


def aim(exchange: Exchange, described: Mapping[str, Any] | None = None) -> Exchange:
    """Have a ccxt exchange trade on the mock, and return it.

    Args:
        exchange: `kraken`, `binance` or `binanceusdm`, of `ccxt`, `ccxt.async_support` or
            `ccxt.pro`.
        described: what `outlast mock` prints, and `Mock.describe()` returns. None: from the
            environment, where `outlast drill` and the pytest plugin put it.

    Raises:
        ConfigurationError: no mock is running, or it does not serve this venue.
    """
    target: Any = exchange
    if described is None:
        told = os.environ.get("OUTLAST_MOCK")
        if told is None:
            raise ConfigurationError(
                "no mock is named in OUTLAST_MOCK; run the bot by `outlast drill`, use the "
                "fixture outlast_mock, or pass what the mock describes"
            )
        described = json.loads(told)
    venue = _VENUES.get(getattr(target, "id", ""))
    if venue is None or venue not in described["venues"]:
        raise ConfigurationError(
            f"aim was given {getattr(target, 'id', type(target).__name__)!r}; this mock serves "
            f"{', '.join(described['venues'])}, and ccxt's names of them are {', '.join(_VENUES)}"
        )
    wires = described["venues"][venue]
    target.urls["api"] = _moved(target.urls["api"], wires["endpoints"])
    target.apiKey, target.secret = wires["key"], wires["secret"]
    target.options |= _LEFT_OUT
    if venue == "binance-spot":
        as_list = isinstance(target.options.get("fetchMarkets"), list)
        target.options["fetchMarkets"] = ["spot"] if as_list else {"types": ["spot"]}
    return exchange


def _moved(address: Any, endpoints: Mapping[str, str]) -> Any:
    """Addresses with another host and the same path, however deep they lie."""
    if isinstance(address, Mapping):
        return {name: _moved(each, endpoints) for name, each in address.items()}
    if not isinstance(address, str):
        return address
    parts = urlsplit(address)
    root = endpoints["stream"] if parts.scheme.startswith("ws") else endpoints["rest"]
    return root + parts.path
