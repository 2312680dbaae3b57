"""What an order request asked for, as far as it can be read, before anybody has judged it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from outlast.mock.records import CreateFacts
from outlast.mock.venues.binance_spot.errors import VenueRefusal
from outlast.mock.venues.binance_spot.params import SpotParams

__all__ = ["CREATES", "asked_ids", "create_facts"]

CREATES: Final = frozenset({"order_new", "order_test", "cancel_replace"})

_BY_CLIENT_ID: Final[Mapping[str, tuple[str, str]]] = {
    # how a client id is named, and the number that decides when both are sent
    "order_get": ("origClientOrderId", "orderId"),
    "order_cancel": ("origClientOrderId", "orderId"),
    "order_amend": ("origClientOrderId", "orderId"),
    "cancel_replace": ("cancelOrigClientOrderId", "cancelOrderId"),
}


def create_facts(values: Mapping[str, str]) -> CreateFacts:
    """Read one order's facts; what is missing or malformed is empty or None.

    Nothing on spot only reduces: there are no positions.
    """
    return CreateFacts(
        client_order_id=values.get("newClientOrderId", ""),
        symbol=values.get("symbol", ""),
        side=values.get("side", ""),
        type=values.get("type", ""),
        qty=_decimal(values, "quantity"),
        price=_decimal(values, "price"),
        reduces=False,
    )


def asked_ids(name: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """Give the client ids that a query or cancel goes by."""
    if name not in _BY_CLIENT_ID:
        return ()
    client_id, number = (values.get(field, "") for field in _BY_CLIENT_ID[name])
    return (client_id,) if client_id and not number else ()


def _decimal(values: Mapping[str, str], name: str) -> Decimal | None:
    try:
        return SpotParams(values).decimal(name)
    except VenueRefusal:
        return None
