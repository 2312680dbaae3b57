"""The names of assets: Kraken's own, and those that everybody uses.

Only assets listed before about 2016 have a prefix (`XXBT`, `ZUSD`), and some names begin with X or
Z by themselves (`XRP`, `ZRX`), so nothing is ever stripped: the old names are a closed list.

Source: Kraken docs, Get Asset Info (`Assets`), and guide "Spot WebSockets v2" for `BTC` and `DOGE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["OLD_CODES", "currency"]

OLD_CODES: Final[Mapping[str, str]] = {
    "XETC": "ETC",
    "XETH": "ETH",
    "XICN": "ICN",
    "XLTC": "LTC",
    "XMLN": "MLN",
    "XNMC": "NMC",
    "XREP": "REP",
    "XXBT": "BTC",
    "XXDG": "DOGE",
    "XXLM": "XLM",
    "XXMR": "XMR",
    "XXRP": "XRP",
    "XXVN": "XVN",
    "XZEC": "ZEC",
    "ZAUD": "AUD",
    "ZCAD": "CAD",
    "ZEUR": "EUR",
    "ZGBP": "GBP",
    "ZJPY": "JPY",
    "ZKRW": "KRW",
    "ZUSD": "USD",
}
_ALTNAMES: Final[Mapping[str, str]] = {"XBT": "BTC", "XDG": "DOGE"}


def currency(code: str) -> str:
    """`BTC` for `XXBT` and `XBT`; what is not renamed stays as it is.

    Staked and reward balances keep their suffix (`ETH2.S`, `BTC.M`): they cannot be traded.
    """
    name, dot, suffix = code.partition(".")
    name = OLD_CODES.get(name) or _ALTNAMES.get(name, name)
    return f"{name}{dot}{suffix}"
