"""What a request asks for, as it stands on the wire, before anybody has checked it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from outlast.mock.records import CreateFacts
from outlast.mock.venues.kraken_spot.errors import VenueRefusal
from outlast.mock.venues.kraken_spot.params import Params
from outlast.mock.venues.kraken_spot.symbols import Listing

__all__ = ["asked_ids", "batch_facts", "create_facts", "is_post_only", "symbol_of"]


def symbol_of(listing: Listing, name: str) -> str:
    """The engine's symbol of a pair's name; the name itself when it is not listed."""
    pair = listing.find(name)
    return name if pair is None else pair.symbol


def create_facts(listing: Listing, params: Params) -> CreateFacts:
    return CreateFacts(
        client_order_id=params.text("cl_ord_id") or "",
        symbol=symbol_of(listing, params.text("pair") or ""),
        side=(params.text("type") or "").upper(),
        type=(params.text("ordertype") or "").upper(),
        qty=_number(params.text("volume")),
        price=_number(params.text("price")),
        reduces=False,
    )


def batch_facts(listing: Listing, params: Params) -> tuple[CreateFacts, ...]:
    try:
        rows = params.entries("orders")
    except VenueRefusal:
        return ()
    pair = {"pair": params.text("pair") or ""}
    return tuple(create_facts(listing, Params({**row, **pair})) for row in rows)


def is_post_only(params: Params) -> bool:
    return "post" in (params.text("oflags") or "").split(",")


def asked_ids(params: Params) -> tuple[str, ...]:
    """The client order ids that a query or cancel names."""
    try:
        names = params.listed("cl_ord_ids") + params.listed("cl_ord_id")
    except VenueRefusal:
        names = []
    return tuple(dict.fromkeys(names))


def _number(text: str | None) -> Decimal | None:
    try:
        value = Decimal(text or "")
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
