"""Entries that fail again and again: each further one has to wait longer.

A venue that fails half of what it is sent is not left alone by a breaker, and a bot that quotes
every few seconds sends the same order into it for hours. This paces what adds risk, one symbol and
side at a time; exits have their own pace.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Attempts"]


@dataclass(slots=True)
class _Row:
    failed: int = 0
    last_at: float = 0.0


class Attempts:
    def __init__(self, *, attempts_max: int, pause_s: float, pause_s_max: float) -> None:
        self._max, self._pause_s, self._pause_s_max = attempts_max, pause_s, pause_s_max
        self._rows: dict[str, _Row] = {}

    def failed(self, key: str, now: float) -> None:
        """An entry of this kind has failed by the venue's fault."""
        row = self._rows.setdefault(key, _Row())
        row.failed += 1
        row.last_at = now

    def succeeded(self, key: str) -> None:
        """The venue took one."""
        self._rows.pop(key, None)

    @property
    def is_clear(self) -> bool:
        """True while the last entry of every kind was taken."""
        return not self._rows

    def count(self, key: str) -> int:
        """How many have failed in a row."""
        row = self._rows.get(key)
        return 0 if row is None else row.failed

    def retry_at(self, key: str, now: float) -> float | None:
        """When the next may be tried; None when it may now."""
        row = self._rows.get(key)
        if row is None or row.failed < self._max:
            return None
        doublings = min(row.failed - self._max, 30)
        at = row.last_at + min(self._pause_s_max, self._pause_s * 2.0**doublings)
        return at if now < at else None
