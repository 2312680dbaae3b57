"""Durations as a scenario writes them: `90s`, `4m`, `1h30m`, `800ms`, `-3s`."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["format_duration", "parse_duration"]

_UNITS_S: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|d|h|m|s)")
_WHOLE: Final = re.compile(r"(-?)((?:[0-9]+(?:\.[0-9]+)?(?:ms|d|h|m|s))+)")


def parse_duration(text: str) -> float | None:
    """Seconds, exact to the microsecond; None for what is not a duration.

    Units run from large to small and each stands once: `1h30m`, not `30m1h`. A bare number is not
    a duration: nobody should have to guess its unit.
    """
    match = _WHOLE.fullmatch(text)
    if match is None:
        return None
    units = [unit for _, unit in _PART.findall(match[2])]
    if sorted(set(units), key=list(_UNITS_S).index) != units:
        return None
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(match[2]))
    return round(-seconds if match[1] else seconds, 6)


def format_duration(seconds: float) -> str:
    """The shortest way to write `seconds`, exact to the millisecond: 5400.0 → `1h30m`."""
    rest_ms = round(abs(seconds) * 1000)
    parts = []
    for unit, unit_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        count, rest_ms = divmod(rest_ms, unit_ms)
        if count:
            parts.append(f"{count}{unit}")
    if rest_ms:
        parts.append(f"{rest_ms}ms")
    if not parts:
        return "0s"
    return ("-" if seconds < 0 else "") + "".join(parts)
