"""Client order ids: unique for ever, and recognisable as ours.

An id is `<prefix>-<run><counter>`, all in base 36: `ol7f3k2a-q81x0001`. The prefix belongs to one
journal, so orders of other programs on the same account are told apart. The run is drawn at random
each time the journal is opened, and the counter begins anew with it: an id is never used twice, not
even when a loss of power has taken the end of the journal, with the intents and the run that were
in it. At most 18 characters; Binance takes 36 of `[.A-Z:/a-z0-9_-]`.

For venues that keep ids as UUIDs (Kraken) all are in hexadecimal, and the id is one:
`7c0d1a52-93be-4f11-8c2e-5d21c3700002`, a random version 4 whose last group is run and counter.

Source: Kraken docs, guide "Client order identifiers": UUID, or free text of up to 18 characters,
of which a client reports that only small letters and digits are taken. The UUID is safe.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

__all__ = ["ClientOrderIds", "new_prefix", "new_uuid_prefix", "run_of"]

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_HEX_DIGITS: Final = "0123456789abcdef"
_PREFIX_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class _Form:
    """How run and counter are written."""

    digits: str
    run_digits: int
    counter_digits: int

    @property
    def counter_max(self) -> int:
        return int(len(self.digits) ** self.counter_digits) - 1

    def write(self, number: int, width: int) -> str:
        text = ""
        for _ in range(width):
            number, digit = divmod(number, len(self.digits))
            text = self.digits[digit] + text
        return text


_TEXT: Final = _Form(_DIGITS, run_digits=5, counter_digits=4)
"""Sixty million runs of 1.7 million ids: with prefix and dash all 18 characters."""
_UUID: Final = _Form(_HEX_DIGITS, run_digits=7, counter_digits=5)
"""268 million runs of a million ids."""


def new_prefix(rng: random.Random) -> str:
    """A prefix for a new journal: `ol` and six random digits (two billion of them)."""
    return "ol" + "".join(rng.choice(_DIGITS) for _ in range(_PREFIX_DIGITS))


def new_uuid_prefix(rng: random.Random) -> str:
    """A prefix for a new journal: all of a random UUID but its last group."""
    head, version, variant = rng.getrandbits(48), rng.getrandbits(12), rng.getrandbits(14)
    digits = f"{head:012x}"
    return f"{digits[:8]}-{digits[8:]}-4{version:03x}-{0x8000 | variant:04x}"


def run_of(client_order_id: str, prefix: str) -> str | None:
    """The run that an id belongs to; None for one that is not of the journal of `prefix`."""
    if not client_order_id.startswith(f"{prefix}-"):
        return None
    form = _UUID if "-" in prefix else _TEXT
    return client_order_id[len(prefix) + 1 :][: form.run_digits]


class ClientOrderIds:
    """Hands out the ids of one opening of a journal. A prefix with dashes makes UUIDs."""

    def __init__(self, prefix: str, rng: random.Random) -> None:
        """`rng` must not be one that begins alike at each opening: the run is all its own."""
        assert prefix
        self.prefix = prefix
        self._rng = rng
        self._form = _UUID if "-" in prefix else _TEXT
        self._known: set[str] = set()
        """Runs that were used before."""
        self._run = self._new_run()
        self._used = 0

    @property
    def run(self) -> str:
        """What the ids handed out now have after the prefix, before they count."""
        return self._run

    def next(self) -> str:
        if self._used == self._form.counter_max:
            self._known.add(self._run)
            self._run, self._used = self._new_run(), 0
        self._used += 1
        counter = self._form.write(self._used, self._form.counter_digits)
        return f"{self.prefix}-{self._run}{counter}"

    def is_ours(self, client_order_id: str) -> bool:
        return client_order_id.startswith(f"{self.prefix}-")

    def note_used(self, client_order_id: str) -> None:
        """Never hand out this id, nor any of its run: the journal shows that it was used."""
        run = run_of(client_order_id, self.prefix)
        if run is not None:
            self.note_run(run)

    def note_run(self, run: str) -> None:
        """Never hand out an id of this run: the journal shows that another opening had it."""
        self._known.add(run)
        if run == self._run:
            self._run, self._used = self._new_run(), 0

    def _new_run(self) -> str:
        while True:
            form = self._form
            run = "".join(self._rng.choice(form.digits) for _ in range(form.run_digits))
            if run not in self._known:
                return run
