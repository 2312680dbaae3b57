"""What moves an account besides its orders, told once, whether a stream or a list tells of it.

The stream tells at once and gives no transaction id; the venue's list has the id, is late, and
holds what was missed. An entry of the list that fits what the stream has told is the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from outlast.private_wire import AccountMoved

__all__ = ["DIFFER_MS", "LATE_MS", "FlowBook"]

LATE_MS: Final = 24 * 3600 * 1000
"""So long after the event an entry may still appear in the list: venues book funding late after an
outage."""
DIFFER_MS: Final = 120_000
"""By so much the stream's time of an event and the list's may differ: funding is dated to the full
hour in one and to its booking in the other."""


@dataclass(slots=True)
class FlowBook:
    """Tells new from known. All times are the venue's."""

    first_ms: int | None = None
    """Nothing from before is told: it was there when the account was first read."""
    read_until_ms: int = 0
    """When the list was last read to its end."""
    _heard: list[AccountMoved] = field(default_factory=list)
    """From the stream, and not yet found in the list."""
    _listed: dict[str, int] = field(default_factory=dict)
    """Ids of the list that were told or matched, and when they happened."""

    def begin(self, now_ms: int) -> None:
        """The account is read for the first time, unless an earlier session has done it."""
        if self.first_ms is None:
            self.first_ms = now_ms
        self.read_until_ms = max(self.read_until_ms, self.first_ms)

    @property
    def since_ms(self) -> int:
        """From when on the list is to be read again."""
        assert self.first_ms is not None, "begin() comes first"
        return max(self.first_ms, self.read_until_ms - LATE_MS)

    def heard(self, moved: AccountMoved) -> None:
        """The stream has told of it."""
        self._heard.append(moved)

    def is_new(self, moved: AccountMoved) -> bool:
        """Take one entry of the list; True where nobody has told of it yet."""
        if moved.flow_id in self._listed:
            return False
        self._listed[moved.flow_id] = moved.at_ms
        if self.first_ms is not None and moved.at_ms < self.first_ms:
            return False
        for told in self._heard:
            if _is_same(told, moved):
                self._heard.remove(told)
                return False
        return True

    def read(self, until_ms: int) -> None:
        """The list was read to its end as of `until_ms`; what cannot return is forgotten."""
        self.read_until_ms = max(self.read_until_ms, until_ms)
        oldest_ms = self.read_until_ms - LATE_MS - DIFFER_MS
        self._heard = [moved for moved in self._heard if moved.at_ms >= oldest_ms]
        self._listed = {name: at_ms for name, at_ms in self._listed.items() if at_ms >= oldest_ms}


def _is_same(told: AccountMoved, listed: AccountMoved) -> bool:
    return (
        told.kind is listed.kind
        and told.currency == listed.currency
        and told.amount in (listed.amount, None)
        and (told.symbol == listed.symbol or told.symbol is None)
        and abs(told.at_ms - listed.at_ms) <= DIFFER_MS
    )
