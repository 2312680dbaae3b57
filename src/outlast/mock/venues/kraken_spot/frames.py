"""Text frames of WebSocket v2: answers, errors, data.

Source: Kraken docs, WebSocket v2 pages (read 2026-05-27). `req_id` is echoed when it is a whole
number; anything else does not correlate. Instants are RFC3339 with microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from outlast.mock.venues.kraken_spot.figures import rfc3339, to_json

__all__ = ["Asked", "data", "read"]

_TOOK_MICROS: Final = 48
"""How long the venue says that it took: between `time_in` and `time_out`."""


class Asked:
    """One message of a client, taken apart: who must be answered, and how."""

    __slots__ = ("_at_ms", "_req_id", "method", "params")

    def __init__(self, message: Mapping[str, object], at_ms: int) -> None:
        method, params = message.get("method"), message.get("params", {})
        req_id = message.get("req_id")
        self.method = method if isinstance(method, str) else ""
        self.params: Mapping[str, object] = params if isinstance(params, dict) else {}
        self._req_id = req_id if isinstance(req_id, int) and not isinstance(req_id, bool) else None
        self._at_ms = at_ms

    def done(self, result: object = None, *, method: str = "", **extra: object) -> str:
        """The answer of success."""
        body: dict[str, object] = {"method": method or self.method}
        if self._req_id is not None:
            body["req_id"] = self._req_id
        if result is not None:
            body["result"] = result
        return to_json({**body, "success": True, **extra, **self._times()})

    def failed(self, error: str, *, method: str = "", symbol: str | None = None) -> str:
        """The answer of failure: `error` is a string here, not a list."""
        body: dict[str, object] = {"error": error, "method": method or self.method}
        if self._req_id is not None:
            body["req_id"] = self._req_id
        body["success"] = False
        if symbol is not None:
            body["symbol"] = symbol
        return to_json({**body, **self._times()})

    def pong(self) -> str:
        body: dict[str, object] = {"method": "pong"}
        if self._req_id is not None:
            body["req_id"] = self._req_id
        return to_json({**body, **self._times()})

    def _times(self) -> dict[str, object]:
        return {
            "time_in": rfc3339(self._at_ms),
            "time_out": rfc3339(self._at_ms, micros=_TOOK_MICROS),
        }


def read(text: str, at_ms: int) -> Asked | None:
    """A client's message; None when it is not a JSON object. Numbers keep their digits."""
    try:
        message = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return Asked(message, at_ms) if isinstance(message, dict) else None


def data(channel: str, kind: str, rows: object, **extra: object) -> str:
    """One message of a channel; `kind` is `snapshot` or `update`."""
    return to_json({"channel": channel, "type": kind, "data": rows, **extra})


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
