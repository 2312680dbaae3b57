"""The parameters of one request, from a form or a JSON body, and how they are read.

Source: Kraken docs, "Spot REST Authentication" (both content types), Add Order and its neighbours
(fields, `+<n>` instants, RFC3339 deadlines). Fields that a method does not know are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import unquote_plus

from outlast.mock.venues.kraken_spot.errors import invalid

__all__ = ["Params", "merged", "read_rfc3339"]

_DECIMAL: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{0,20})?\Z|\.[0-9]{1,20}\Z")
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}\Z")
_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})\Z"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TRUE: Final = frozenset({"true", "1", "yes"})
_FALSE: Final = frozenset({"false", "0", "no", ""})


def merged(query: bytes, body: bytes, content_type: str) -> dict[str, str]:
    """Every parameter once, as text; nested JSON values as JSON text. The body wins."""
    values = dict(_form(query))
    if "json" in content_type.lower() or body.lstrip()[:1] == b"{":
        values.update(_json(body))
    else:
        values.update(_form(body))
    return values


def _form(raw: bytes) -> list[tuple[str, str]]:
    """Decode `a=1&b=2`; `orders[0][volume]` keeps its name (see `Params.listed`)."""
    pairs = []
    for piece in raw.split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            pairs.append(
                (unquote_plus(name.decode("latin-1")), unquote_plus(value.decode("latin-1")))
            )
    return pairs


def _json(raw: bytes) -> dict[str, str]:
    try:
        value = json.loads(raw, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return {}  # nothing in it can be understood, the nonce included
    return flat(value) if isinstance(value, dict) else {}


def flat(value: Mapping[str, object]) -> dict[str, str]:
    """A JSON object as parameters; null is as good as left out."""
    return {str(name): _text(item) for name, item in value.items() if item is not None}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def read_rfc3339(text: str) -> int | None:
    """An instant in milliseconds since the epoch; None when it is not one."""
    found = _RFC3339.match(text)
    if found is None:
        return None
    clock, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(clock + ("+00:00" if zone == "Z" else zone))
    except ValueError:
        return None
    millis = int(((fraction or ".0")[1:] + "00")[:3])
    return (at - _EPOCH) // timedelta(milliseconds=1) + millis


class Params:
    """Reads parameters and refuses in the venue's words; an empty value is a missing one."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return self._values.get(name, "") != ""

    def text(self, name: str) -> str | None:
        return self._values.get(name) or None

    def need(self, name: str) -> str:
        """A mandatory value."""
        value = self._values.get(name, "")
        if value == "":
            raise invalid(name)
        return value

    def decimal(self, name: str) -> Decimal | None:
        """A plain decimal; exponents and signs are refused."""
        value = self.text(name)
        if value is None:
            return None
        if not _DECIMAL.match(value):
            raise invalid(name)
        return Decimal(value)

    def whole(self, name: str, *, least: int | None = None, most: int | None = None) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not _INTEGER.match(value):
            raise invalid(name)
        number = int(value)
        if (least is not None and number < least) or (most is not None and number > most):
            raise invalid(name)
        return number

    def flag(self, name: str) -> bool:
        """A boolean, in any of the ways in which clients write one; missing is False."""
        value = self._values.get(name, "").lower()
        if value in _FALSE:
            return False
        if value in _TRUE:
            return True
        raise invalid(name)

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        """One of the allowed words, in any case; as `allowed` writes it."""
        value = self.text(name)
        if value is None:
            return None
        for word in allowed:
            if word.lower() == value.lower():
                return word
        raise invalid(name)

    def words(self, name: str) -> list[str]:
        """A comma list, or a JSON list; without empty entries."""
        value = self.text(name)
        if value is None:
            return []
        if value.startswith("["):
            return [str(item) for item in self._listed_json(name, value) if item is not None]
        return [word.strip() for word in value.split(",") if word.strip()]

    def instant(self, name: str, now_ms: int) -> int | None:
        """`0`, unix seconds, `+<n>` seconds from now or RFC3339, in milliseconds; 0 is None."""
        value = self.text(name)
        if value is None or value == "0":
            return None
        if value.startswith("+"):
            return now_ms + self._seconds(name, value[1:])
        at_ms = read_rfc3339(value)
        return self._seconds(name, value) if at_ms is None else at_ms

    def deadline(self) -> int | None:
        """`deadline`, RFC3339."""
        value = self.text("deadline")
        if value is None:
            return None
        at_ms = read_rfc3339(value)
        if at_ms is None:
            raise invalid("deadline")
        return at_ms

    def entries(self, name: str) -> list[dict[str, str]]:
        """A list of objects: as JSON text, or form fields `orders[0][volume]`."""
        value = self.text(name)
        if value is not None:
            return [
                flat(item) if isinstance(item, dict) else _refuse(name)
                for item in self._listed_json(name, value)
            ]
        shape = re.compile(re.escape(name) + r"\[([0-9]{1,3})\]\[([A-Za-z_0-9]+)\]\Z")
        rows: dict[int, dict[str, str]] = {}
        for field, item in self._values.items():
            found = shape.match(field)
            if found is not None:
                rows.setdefault(int(found[1]), {})[found[2]] = item
        return [rows[index] for index in sorted(rows)]

    def listed(self, name: str) -> list[str]:
        """A list of words: JSON, a comma list, or form fields `orders[0]` and `orders[]`."""
        if name in self:
            return self.words(name)
        shape = re.compile(re.escape(name) + r"\[([0-9]{0,3})\]\Z")
        return [item for field, item in self._values.items() if shape.match(field) and item]

    @staticmethod
    def _seconds(name: str, text: str) -> int:
        if not _DECIMAL.match(text) or len(text) > 18:
            raise invalid(name)
        return int(Decimal(text) * 1000)

    @staticmethod
    def _listed_json(name: str, text: str) -> list[object]:
        try:
            value = json.loads(text, parse_float=str, parse_int=str)
        except (ValueError, RecursionError):
            raise invalid(name) from None
        if not isinstance(value, list):
            raise invalid(name)
        return value


def _refuse(name: str) -> dict[str, str]:
    raise invalid(name)
