"""Answers in microseconds, for clients that ask for them.

Source: Binance spot API docs, rest-api.md, header `X-MBX-TIME-UNIT`; web-socket-streams.md,
`timeUnit=MICROSECOND`. The mock's clock has whole milliseconds, so the last three digits are 0.
"""

from __future__ import annotations

from typing import Final

from outlast.mock.venues.binance_spot.errors import SpotRefusal

__all__ = ["in_microseconds", "wants_microseconds"]

_NAMED: Final = frozenset(
    {
        *("serverTime", "time", "updateTime", "transactTime", "workingTime", "openTime"),
        *("closeTime", "authorizedSince", "connectedSince", "retryAfter"),
    }
)
_STREAM_INSTANTS: Final[dict[str, frozenset[str]]] = {
    # One letter means different things in different events.
    "trade": frozenset("ET"),
    "aggTrade": frozenset("ET"),
    "depthUpdate": frozenset("E"),
    "kline": frozenset("E"),
    "24hrTicker": frozenset("EOC"),
    "24hrMiniTicker": frozenset("E"),
    "executionReport": frozenset("ETOW"),
    "outboundAccountPosition": frozenset("Eu"),
    "balanceUpdate": frozenset("ET"),
    "1hTicker": frozenset("EOC"),
    "4hTicker": frozenset("EOC"),
    "1dTicker": frozenset("EOC"),
    "avgPrice": frozenset("ET"),
    "eventStreamTerminated": frozenset("E"),
    "serverShutdown": frozenset("E"),
}


def wants_microseconds(value: str) -> bool:
    """Read a time unit: `MILLISECOND` is the default, another word is refused (-1194)."""
    match value.upper():
        case "" | "MILLISECOND":
            return False
        case "MICROSECOND":
            return True
    raise SpotRefusal(-1194)


def in_microseconds(value: object) -> object:
    """The same answer or event with its instants in microseconds."""
    return _converted(value, _NAMED)


def _converted(value: object, instants: frozenset[str]) -> object:
    if isinstance(value, list):
        if _is_kline(value):
            return [_us(entry) if index in (0, 6) else entry for index, entry in enumerate(value)]
        return [_converted(entry, instants) for entry in value]
    if not isinstance(value, dict):
        return value
    event = value.get("e")
    if isinstance(event, str):
        instants = _STREAM_INSTANTS.get(event, frozenset("E"))
    elif _is_aggregate(value):
        instants = frozenset("T")
    return {
        key: _us(entry)
        if key in instants
        else _converted(entry, frozenset("tT") if key == "k" else instants)
        for key, entry in value.items()
    }


def _us(value: object) -> object:
    return value * 1000 if isinstance(value, int) and value > 0 else value


def _is_kline(value: list[object]) -> bool:
    return len(value) == 12 and isinstance(value[0], int) and isinstance(value[6], int)


def _is_aggregate(value: dict[object, object]) -> bool:
    return {"a", "p", "q", "T"} <= value.keys()
