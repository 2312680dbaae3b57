"""Client order ids: unique for ever, and recognisable as ours.

An id is `<prefix>-<counter>`, both in base 36: `ol7f3k2a-1z`. The prefix belongs to one journal, so
orders of other programs on the same account are told apart; the counter is the journal's, so an id
is never used twice, not even after a restart. At most 18 characters; Binance takes 36 of
`[.A-Z:/a-z0-9_-]`.

For venues that keep ids as UUIDs (Kraken) both are in hexadecimal, and the id is one:
`7c0d1a52-93be-4f11-8c2e-00000000002f`, a random version 4 whose last group counts.

Source: Kraken docs, guide "Client order identifiers": UUID, or free text of up to 18 characters,
of which a client reports that only small letters and digits are taken. The UUID is safe.
"""

from __future__ import annotations

import random

__all__ = ["ClientOrderIds", "new_prefix", "new_uuid_prefix"]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PREFIX_DIGITS = 6
_LENGTH_MAX = 18
_HEX_DIGITS = "0123456789abcdef"
_UUID_COUNTER_DIGITS = 12


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if number == 0:
            return digits


def new_prefix(rng: random.Random) -> str:
    """A prefix for a new journal: `ol` and six random digits (two billion of them)."""
    return "ol" + "".join(rng.choice(_DIGITS) for _ in range(_PREFIX_DIGITS))


def new_uuid_prefix(rng: random.Random) -> str:
    """A prefix for a new journal: all of a random UUID but its last group."""
    head, version, variant = rng.getrandbits(48), rng.getrandbits(12), rng.getrandbits(14)
    digits = f"{head:012x}"
    return f"{digits[:8]}-{digits[8:]}-4{version:03x}-{0x8000 | variant:04x}"


class ClientOrderIds:
    """Hands out the ids of one journal, in order. A prefix with dashes makes UUIDs."""

    def __init__(self, prefix: str) -> None:
        assert prefix
        self.prefix = prefix
        self._is_uuid = "-" in prefix
        self._used = 0

    def next(self) -> str:
        self._used += 1
        if self._is_uuid:
            assert self._used < 16**_UUID_COUNTER_DIGITS
            return f"{self.prefix}-{self._used:0{_UUID_COUNTER_DIGITS}x}"
        made = f"{self.prefix}-{_base36(self._used)}"
        assert len(made) <= _LENGTH_MAX
        return made

    def is_ours(self, client_order_id: str) -> bool:
        return client_order_id.startswith(f"{self.prefix}-")

    def skip(self, count: int) -> None:
        """Leave out the next `count` ids."""
        assert count >= 0
        self._used += count

    def note_used(self, client_order_id: str) -> None:
        """Never hand out this id, nor one before it: the journal shows that it was used."""
        _, _, counter = client_order_id.rpartition("-")
        if self._is_uuid:
            if self.is_ours(client_order_id) and set(counter) <= set(_HEX_DIGITS):
                self._used = max(self._used, int(counter, 16))
            return
        # An id of full length was made up by a caller: after it there would be no room to count.
        is_counted = self.is_ours(client_order_id) and len(client_order_id) < _LENGTH_MAX
        if is_counted and counter and set(counter) <= set(_DIGITS):
            self._used = max(self._used, int(counter, 36))
