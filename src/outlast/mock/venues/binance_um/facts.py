"""What an order request asked for, as far as it can be read, before anybody has judged it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from outlast.mock.records import CreateFacts
from outlast.mock.venues.binance_um.errors import VenueRefusal
from outlast.mock.venues.binance_um.params import Params
from outlast.mock.venues.binance_um.trading import batch_entries, cancel_list

__all__ = ["asked_ids", "batch_facts", "create_facts", "is_post_only"]


def create_facts(values: Mapping[str, str]) -> CreateFacts:
    """Read one order's facts; what is missing or malformed is empty or None."""
    return CreateFacts(
        client_order_id=values.get("newClientOrderId") or values.get("clientAlgoId") or "",
        symbol=values.get("symbol", ""),
        side=values.get("side", ""),
        type=values.get("type", ""),
        qty=_decimal(values, "quantity"),
        price=_decimal(values, "price"),
        reduces=_is_true(values, "reduceOnly") or _is_true(values, "closePosition"),
    )


def batch_facts(values: Mapping[str, str]) -> tuple[CreateFacts, ...]:
    """Read the facts of every entry of `batchOrders`; none when it is not a list of orders."""
    try:
        return tuple(create_facts(entry) for entry in batch_entries(values.get("batchOrders", "")))
    except VenueRefusal:
        return ()


_BY_CLIENT_ID: Final[Mapping[str, tuple[str, str]]] = {
    # how a client id is named, and the number that decides when both are sent
    "order_get": ("origClientOrderId", "orderId"),
    "open_order_get": ("origClientOrderId", "orderId"),
    "order_cancel": ("origClientOrderId", "orderId"),
    "order_amend": ("origClientOrderId", "orderId"),
    "algo_get": ("clientAlgoId", "algoId"),
    "algo_cancel": ("clientAlgoId", "algoId"),
}


def asked_ids(name: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Give the client ids that a query or cancel goes by."""
    if name == "batch_cancel":
        try:
            return tuple(client_id for _, client_id in cancel_list(Params(values)) if client_id)
        except VenueRefusal:
            return ()
    if name not in _BY_CLIENT_ID:
        return ()
    client_id, number = (values.get(field, "") for field in _BY_CLIENT_ID[name])
    return (client_id,) if client_id and not number else ()


def is_post_only(values: Mapping[str, str]) -> bool:
    return values.get("timeInForce") == "GTX"


def _decimal(values: Mapping[str, str], name: str) -> Decimal | None:
    try:
        return Params(values).decimal(name)
    except VenueRefusal:
        return None


def _is_true(values: Mapping[str, str], name: str) -> bool:
    return values.get(name, "").lower() == "true"
