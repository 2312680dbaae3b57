"""Order requests of the WebSocket in the words of REST, so that both are read in one place.

Source: Kraken docs, WebSocket v2: Add Order, Amend Order, Edit Order, Batch Add. An unknown field
is refused there, while REST ignores it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from outlast.mock.venues.kraken_spot.errors import VenueRefusal, invalid

__all__ = ["add_order", "amend_order", "edit_order", "text"]

_ADD_NAMES: Final[Mapping[str, str]] = {
    "order_type": "ordertype",
    "side": "type",
    "order_qty": "volume",
    "symbol": "pair",
    "cl_ord_id": "cl_ord_id",
    "order_userref": "userref",
    "time_in_force": "timeinforce",
    "effective_time": "starttm",
    "expire_time": "expiretm",
    "deadline": "deadline",
    "display_qty": "displayvol",
    "reduce_only": "reduce_only",
    "validate": "validate",
    "token": "token",
}
_ADD_OTHERS: Final = frozenset(
    {
        *("limit_price", "limit_price_type", "triggers", "post_only", "margin"),
        *("cash_order_qty", "fee_preference", "stp_type", "conditional", "no_mpp", "sender_sub_id"),
    }
)
_AMEND: Final = frozenset(
    {
        *("token", "order_id", "cl_ord_id", "order_qty", "limit_price", "trigger_price"),
        *("display_qty", "post_only", "deadline", "limit_price_type", "trigger_price_type"),
        "symbol",
    }
)
_EDIT: Final = frozenset(
    {
        *("token", "order_id", "symbol", "order_qty", "limit_price", "post_only", "reduce_only"),
        *("order_userref", "display_qty", "deadline", "fee_preference", "no_mpp", "triggers"),
        "validate",
    }
)
_STP: Final = {
    "cancel_newest": "cancel-newest",
    "cancel_oldest": "cancel-oldest",
    "cancel_both": "cancel-both",
}


def add_order(params: Mapping[str, object]) -> dict[str, str]:
    """`params` of add_order, or one entry of batch_add, as AddOrder has them."""
    for name in params:
        if name not in _ADD_NAMES and name not in _ADD_OTHERS:
            raise _unsupported(name, "add order")
    values = {own: text(name, params[name]) for name, own in _ADD_NAMES.items() if name in params}
    if params.get("conditional"):
        raise VenueRefusal("EOrder:Invalid order")
    if _flag(params, "margin"):
        raise VenueRefusal("EOrder:Cannot open position")
    flags = ["post"] if _flag(params, "post_only") else []
    match params.get("fee_preference"):
        case None | "quote":
            pass
        case "base":
            flags.append("fcib")
        case _:
            raise invalid("fee_preference")
    stp = params.get("stp_type")
    if stp is not None:
        if not isinstance(stp, str) or stp not in _STP:
            raise invalid("stp_type")
        values["stptype"] = _STP[stp]
    if "cash_order_qty" in params:
        flags.append("viqc")
        values["volume"] = text("cash_order_qty", params["cash_order_qty"])
    if flags:
        values["oflags"] = ",".join(flags)
    _prices(params, values)
    return values


def amend_order(params: Mapping[str, object]) -> dict[str, str]:
    """`params` of amend_order as AmendOrder has them."""
    return _renamed(params, _AMEND, {"order_id": "txid", "symbol": "pair"}, "amend order")


def edit_order(params: Mapping[str, object]) -> dict[str, str]:
    """`params` of edit_order as EditOrder has them."""
    names = {
        "order_id": "txid",
        "symbol": "pair",
        "order_qty": "volume",
        "limit_price": "price",
        "order_userref": "userref",
        "display_qty": "displayvol",
    }
    values = _renamed(params, _EDIT, names, "edit order")
    if _flag(params, "post_only"):
        values["oflags"] = "post"
    return values


def text(name: str, value: object) -> str:
    """One scalar as text; objects and lists are refused."""
    match value:
        case bool():
            return "true" if value else "false"
        case Decimal():
            if not value.is_finite() or abs(value.adjusted()) > 20:
                raise invalid(name)
            return f"{value:f}"
        case str() | int():
            return str(value)
        case None:
            return ""
    raise invalid(name)


def _prices(params: Mapping[str, object], values: dict[str, str]) -> None:
    """Limit and trigger price: where REST has price and price2, the stream has names for both."""
    limit = text("limit_price", params.get("limit_price"))
    triggers = params.get("triggers")
    if triggers is None:
        if limit:
            values["price"] = limit
        return
    if not isinstance(triggers, dict):
        raise invalid("triggers")
    price = text("triggers.price", triggers.get("price"))
    percent = triggers.get("price_type") == "pct"
    trailing = str(params.get("order_type", "")).startswith("trailing-stop")
    if percent or trailing:
        price = f"+{price.lstrip('+')}" if not price.startswith("-") else price
    values["price"] = f"{price}%" if percent else price
    if limit:
        values["price2"] = limit
    reference = triggers.get("reference")
    if reference is not None:
        values["trigger"] = text("triggers.reference", reference)


def _renamed(
    params: Mapping[str, object], known: frozenset[str], names: Mapping[str, str], kind: str
) -> dict[str, str]:
    for name in params:
        if name not in known:
            raise _unsupported(name, kind)
    return {
        names.get(name, name): text(name, value)
        for name, value in params.items()
        if not isinstance(value, dict)
    }


def _flag(params: Mapping[str, object], name: str) -> bool:
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise invalid(name)
    return value


def _unsupported(name: str, kind: str) -> VenueRefusal:
    return VenueRefusal(f"Unsupported field: '{name[:60]}' for the given msg type: {kind}")
