"""What Kraken says of itself: its mode, its maintenances, its pairs, and what of its page counts.

The mode follows the trading engine. The two arrays are advice, written by people; older servers
leave them out. All of it comes from the host that everything else comes from.

Source: Kraken docs, Get System Status (2026: `upcoming_maintenance`, `emergency`) and Get Tradable
Asset Pairs; support article "Trading modes". The keys inside `emergency` are known from clients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from outlast.errors import Failure
from outlast.model import Instrument, Plane
from outlast.notices import PageMap, PageRule, PlannedMaintenance, SystemStatus, VenueMode
from outlast.venues._answers import MESSAGE_MAX
from outlast.venues.kraken_spot.limits import costs
from outlast.venues.kraken_spot.requests import READ_WITHIN_S
from outlast.wire import Lane, WireReply, WireRequest

__all__ = ["STATUS_PAGE", "query_system_status", "read_system_status", "symbol_mode"]

_PATH: Final = "/0/public/SystemStatus"
_TRADING: Final = frozenset({Plane.TRADING})
_EVERYTHING: Final = frozenset({Plane.TRADING, Plane.ACCOUNT, Plane.MARKET_DATA})

STATUS_PAGE: Final = PageMap(
    url="https://status.kraken.com",
    page_id="lfz25gyhcpjf",
    # Names as the page had them on 2026-07-20 and in its public entries; ids are not published.
    rules=(
        PageRule(r"\bspot\b.*\btrading\b|\btrading\b.*\bspot\b|trading engine", _TRADING),
        PageRule(r"\bweb ?sockets?\b", frozenset({Plane.MARKET_DATA, Plane.ACCOUNT})),
        PageRule(r"\brest\b|\bapi\b", _EVERYTHING),
    ),
    # Most of its 826 components are about the funding of one coin, with the ticker in parentheses.
    ignored=(
        r"funding|deposit|withdraw|staking|custody|futures|\bfix\b|\bnft\b|website|mobile|\bapp\b",
        r"\([A-Z][A-Z0-9]{1,9}\)",
    ),
)

_MODES: Final[Mapping[str, VenueMode]] = {
    "online": VenueMode.ONLINE,
    "limit_only": VenueMode.LIMIT_ONLY,
    "post_only": VenueMode.POST_ONLY,
    "reduce_only": VenueMode.REDUCE_ONLY,
    "cancel_only": VenueMode.CANCEL_ONLY,
    "maintenance": VenueMode.MAINTENANCE,
}
_PAIR_MODES: Final[Mapping[str, VenueMode]] = {
    **_MODES,
    "delisted": VenueMode.CLOSED,
    "work_in_progress": VenueMode.CLOSED,
}
_SERVICES: Final[Mapping[str, frozenset[Plane]]] = {
    "spot_trading": _TRADING,
    "spot_rest": _EVERYTHING,
    "spot_ws": frozenset({Plane.MARKET_DATA, Plane.ACCOUNT}),
    "all": _EVERYTHING,
}
_OTHERS: Final = frozenset(
    {"spot_fix", "futures_ws", "futures_rest", "futures_fix", "futures_trading"}
)
"""Services that do not touch spot over REST and WebSocket."""
_NAMED: Final = frozenset({*_SERVICES, *_OTHERS, "unspecified"})


def query_system_status() -> WireRequest:
    """The venue's mode and what it has announced."""
    return WireRequest(
        name="status.read",
        method="GET",
        path=_PATH,
        plane=Plane.STATUS,
        lane=Lane.DATA,
        costs=costs(_PATH),
        answer_within_s=READ_WITHIN_S,
    )


def read_system_status(request: WireRequest, answer: WireReply | Failure) -> SystemStatus | Failure:
    """What it says; its `maintenance`, which is a failure of any other call, is an answer here."""
    del request
    if isinstance(answer, Failure):
        if answer.kind != "maintenance":
            return answer
        told = _result(answer.raw)
        return _status(told if told is not None else {"status": "maintenance"})
    told = _result(answer.body)
    return _status(told if told is not None else {})


def symbol_mode(instrument: Instrument) -> VenueMode:
    """What the venue takes on one pair, as its list said when it was read last."""
    return _PAIR_MODES.get(instrument.venue_status, VenueMode.UNKNOWN)


def _result(body: bytes) -> Mapping[str, Any] | None:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    result = document.get("result") if isinstance(document, dict) else None
    return result if isinstance(result, dict) else None


def _status(told: Mapping[str, Any]) -> SystemStatus:
    odd: list[str] = []
    word = told.get("status")
    word = word if isinstance(word, str) else ""
    mode = _MODES.get(word, VenueMode.UNKNOWN)
    if mode is VenueMode.UNKNOWN:
        odd.append(f"system status {word!r} is not known")
    planned = [_planned(row, odd) for row in _rows(told, "upcoming_maintenance", odd)]
    incidents = [
        f"{_text(row, 'title') or 'incident'} ({_text(row, 'incident_status') or 'open'})"
        for row in _rows(told, "emergency", odd)
        if _planes(row, odd)
    ]
    return SystemStatus(
        mode=mode,
        word=word[:MESSAGE_MAX],
        planned=tuple(planned),
        incidents=tuple(incidents),
        oddities=tuple(dict.fromkeys(odd)),
    )


def _planned(row: Mapping[str, Any], odd: list[str]) -> PlannedMaintenance:
    starts_at = _instant(row.get("expected_start_utc"))
    if starts_at is None:
        odd.append("a maintenance without expected_start_utc")
    return PlannedMaintenance(
        id=str(row.get("event_id", ""))[:40] or _text(row, "source_url"),
        title=_text(row, "title") or "maintenance",
        starts_at=starts_at,
        ends_at=_instant(row.get("expected_end_utc")),
        about=tuple(_services(row)),
        planes=_planes(row, odd),
        source="system status",
    )


def _planes(row: Mapping[str, Any], odd: list[str]) -> frozenset[Plane]:
    """What of spot it touches. Where it does not say, it may be all: a page may say it better."""
    services = list(_services(row))
    odd.extend(f"service {s!r} is not known" for s in services if s not in _NAMED)
    known = [_SERVICES[service] for service in services if service in _SERVICES]
    if not known and not any(service in _OTHERS for service in services):
        return _EVERYTHING
    return frozenset(plane for planes in known for plane in planes)


def _services(row: Mapping[str, Any]) -> Iterator[str]:
    services = row.get("affected_services")
    if isinstance(services, list):
        yield from (service for service in services if isinstance(service, str))


def _rows(told: Mapping[str, Any], key: str, odd: list[str]) -> Iterator[Mapping[str, Any]]:
    """The rows of one of the arrays, which is empty or absent when there is nothing to tell."""
    found = told.get(key)
    if found is None:
        return
    if not isinstance(found, list):
        odd.append(f"{key} is no list")
        return
    for row in found:
        if isinstance(row, dict):
            yield row
        else:
            odd.append(f"a row of {key} is no object")


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return value[:MESSAGE_MAX] if isinstance(value, str) else ""


def _instant(value: Any) -> float | None:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at.timestamp() if at.tzinfo is not None else None
