"""Reading nodes with a finger on the place: every complaint names file, line, key and remedy.

A reader is a function from a `Place` to a value; it raises `ScenarioError` for one thing wrong.
`Fields` reads the keys of one table, notes what is wrong and goes on, so that a check reports
everything at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Final, TypeVar

from outlast.mock.scenario.document import Listing, Node, Scalar, ScenarioError, Table
from outlast.mock.scenario.durations import parse_duration

__all__ = [
    "Fields",
    "Place",
    "Reader",
    "Sheet",
    "declared_symbol",
    "duration",
    "each",
    "flag",
    "instant_ms",
    "listed",
    "money",
    "money_in",
    "number",
    "one_of",
    "positive_duration",
    "share",
    "since_start",
    "slug",
    "suggest",
    "suggest_symbol",
    "text",
    "whole",
]

T = TypeVar("T")
D = TypeVar("D")

_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_BOOLEAN_WORDS: Final = frozenset({"on", "off", "yes", "no", "true", "false"})
"""What YAML 1.1 readers turn into booleans when it stands without quotes."""
_NULL_WORDS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_DIGITS_MAX: Final = 40

_SLIPS: Final = {
    "after": "at",
    "delay": "latency",
    "duration": "for",
    "endpoint": "match",
    "endpoints": "match",
    "length": "for",
    "lasts": "for",
    "probability": "p",
    "response": "reply",
    "rules": "faults",
    "share": "p",
    "start_time": "t0",
    "when": "where",
}
"""Words that people write for a key which does not look like them."""


@dataclass(slots=True)
class Sheet:
    """The list of what is wrong with one document."""

    file: str
    problems: list[ScenarioError] = field(default_factory=list)

    def note(self, error: ScenarioError) -> None:
        self.problems.append(error)

    def raise_first(self) -> None:
        """Raise the first problem, all of them attached; nothing happens when there is none."""
        if not self.problems:
            return
        self.problems.sort(key=lambda error: error.line)
        first = self.problems[0]
        first.problems = tuple(self.problems)
        raise first


@dataclass(frozen=True, slots=True)
class Place:
    """A node and where it stands."""

    node: Node
    key: str
    sheet: Sheet

    def error(self, problem: str, remedy: str) -> ScenarioError:
        return ScenarioError(self.sheet.file, self.node.line, self.key, problem, remedy)

    def child(self, node: Node, name: str) -> Place:
        if name.startswith("["):
            return Place(node, f"{self.key}{name}", self.sheet)
        return Place(node, f"{self.key}.{name}" if self.key else name, self.sheet)

    def items(self) -> list[Place]:
        """The items of a list."""
        if not isinstance(self.node, Listing):
            raise self.error(
                f"{_described(self.node)} where a list is due", "write `[…]` or `- …` items"
            )
        return [self.child(item, f"[{i}]") for i, item in enumerate(self.node.items)]

    def fields(self, known: Iterable[str]) -> Fields:
        """The keys of a table; unknown ones and those that stand twice are noted at once."""
        if not isinstance(self.node, Table):
            raise self.error(
                f"{_described(self.node)} where a map is due", _one_among("keys", known)
            )
        return Fields(self, self.node, tuple(known))

    def entries(self) -> list[tuple[str, Place]]:
        """The pairs of a table with free keys (symbols, assets); a key stands once."""
        if not isinstance(self.node, Table):
            raise self.error(f"{_described(self.node)} where a map is due", "write `{key: value}`")
        entries: dict[str, Place] = {}
        for key, value in self.node.pairs:
            place = self.child(value, key.text)
            if key.is_plain and key.text.casefold() in _BOOLEAN_WORDS:
                self.sheet.note(
                    place.error(f"YAML reads the key {key.text} as a boolean", "put it in quotes")
                )
            if key.text in entries:
                self.sheet.note(_twice(place, key))
                continue
            entries[key.text] = place
        return list(entries.items())

    def single(self) -> tuple[str, Place | None]:
        """A word alone, or a map of one word to its argument: `mute`, `{delay: 40s}`."""
        if isinstance(self.node, Scalar):
            return text(self), None
        if not isinstance(self.node, Table) or len(self.node.pairs) != 1:
            raise self.error(
                f"{_described(self.node)} where one word is due", "write `word` or `{word: …}`"
            )
        key, value = self.node.pairs[0]
        return key.text, self.child(value, key.text)


Reader = Callable[[Place], T]


class Fields:
    """The keys of one table, read one by one; what is wrong is noted, not raised."""

    def __init__(self, place: Place, table: Table, known: tuple[str, ...]) -> None:
        self.place = place
        self._places: dict[str, Place] = {}
        for key, value in table.pairs:
            there = place.child(value, key.text)
            at_key = Place(key, there.key, place.sheet)
            if key.text not in known:
                remedy = suggest(key.text, known, _SLIPS)
                if isinstance(value, Scalar) and value.is_plain and not value.text:
                    remedy = "put a text with a comma in quotes, or remove the word"
                place.sheet.note(at_key.error("unknown key", remedy))
            elif key.text in self._places:
                place.sheet.note(_twice(there, key))
            else:
                self._places[key.text] = there

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def at(self, key: str) -> Place:
        """The place of `key`, or of the whole table when it is absent: for a later complaint."""
        return self._places.get(key, self.place)

    def get(self, key: str, reader: Reader[T], default: D) -> T | D:
        """The value of `key`; `default` when it is absent or wrong."""
        place = self._places.get(key)
        if place is None:
            return default
        try:
            return reader(place)
        except ScenarioError as error:
            place.sheet.note(error)
            return default

    def need(self, key: str, reader: Reader[T], stand_in: D, *, remedy: str) -> T | D:
        """The value of `key`, which must be there; after a complaint `stand_in` takes its place."""
        if key not in self._places:
            self.note(f"`{key}` is missing", remedy)
        return self.get(key, reader, stand_in)

    def note(self, problem: str, remedy: str, *, key: str = "") -> None:
        self.place.sheet.note(self.at(key).error(problem, remedy))


# --- readers of single values --------------------------------------------------------------------


def _scalar(place: Place) -> Scalar:
    if not isinstance(place.node, Scalar):
        raise place.error(
            f"{_described(place.node)} where one value is due", "write a single value"
        )
    if place.node.is_plain and place.node.text in _NULL_WORDS:
        raise place.error("no value", "write one, or leave the key out")
    return place.node


def text(place: Place) -> str:
    """A word or a sentence; not one that another YAML reader would take for a boolean."""
    scalar = _scalar(place)
    if scalar.is_plain and scalar.text.casefold() in _BOOLEAN_WORDS:
        raise place.error(f"YAML reads {scalar.text} as a boolean", "put it in quotes")
    return scalar.text


def slug(place: Place) -> str:
    found = text(place)
    if not _SLUG.fullmatch(found):
        raise place.error(
            f"{found!r} is not a slug", "use lower-case letters, digits and single dashes"
        )
    return found


def flag(place: Place) -> bool:
    scalar = _scalar(place)
    if scalar.is_plain and scalar.text in ("true", "false"):
        return scalar.text == "true"
    raise place.error(f"{scalar.text!r} is not a boolean", "write true or false, without quotes")


def duration(place: Place) -> float:
    """Seconds; may be negative."""
    scalar = _scalar(place)
    seconds = parse_duration(scalar.text)
    if seconds is None:
        unit = " (a number needs its unit)" if _NUMBER.fullmatch(scalar.text) else ""
        raise place.error(
            f"{scalar.text!r} is not a duration{unit}", "write 90s, 4m, 1h30m or 800ms"
        )
    return seconds


def since_start(place: Place) -> float:
    """An offset: a duration that is not negative."""
    seconds = duration(place)
    if seconds < 0:
        raise place.error(
            f"{_scalar(place).text} lies before the start", "offsets count from 0s upwards"
        )
    return seconds


def positive_duration(place: Place) -> float:
    seconds = duration(place)
    if seconds <= 0:
        raise place.error(f"{_scalar(place).text} is no length of time", "write more than 0s")
    return seconds


def money(place: Place) -> Decimal:
    """A number, exactly as written; quotes around it are welcome."""
    scalar = _scalar(place)
    if not _NUMBER.fullmatch(scalar.text) or len(scalar.text) > _DIGITS_MAX:
        raise place.error(f"{scalar.text!r} is not a number", "write digits, such as 0.25")
    value = Decimal(scalar.text)
    if abs(value.adjusted()) > _DIGITS_MAX:
        raise place.error(f"{scalar.text} is out of range", "write digits, such as 0.25")
    return value


def money_in(*, above: Decimal | None = None, least: Decimal | None = None) -> Reader[Decimal]:
    def read(place: Place) -> Decimal:
        value = money(place)
        if above is not None and value <= above:
            raise place.error(f"{value} is too small", f"write more than {above}")
        if least is not None and value < least:
            raise place.error(f"{value} is too small", f"write at least {least}")
        return value

    return read


def number(
    *, above: float | None = None, least: float | None = None, most: float | None = None
) -> Reader[float]:
    """A number of the world's, not of money: a factor, a share, a drift."""

    def read(place: Place) -> float:
        value = float(money(place))
        if above is not None and value <= above:
            raise place.error(f"{value:g} is too small", f"write more than {above:g}")
        if least is not None and value < least:
            raise place.error(f"{value:g} is too small", f"write at least {least:g}")
        if most is not None and value > most:
            raise place.error(f"{value:g} is too large", f"write at most {most:g}")
        return value

    return read


share: Final = number(least=0.0, most=1.0)
"""A share or a probability, 0 to 1."""


def whole(*, least: int, most: int = 10**12) -> Reader[int]:
    def read(place: Place) -> int:
        value = money(place)
        if value != value.to_integral_value() or not least <= value <= most:
            raise place.error(
                f"{value} does not fit", f"write a whole number from {least} to {most}"
            )
        return int(value)

    return read


def instant_ms(place: Place) -> int:
    """An ISO 8601 instant with its zone, as milliseconds since the epoch."""
    found = _scalar(place).text
    try:
        at = datetime.fromisoformat(found)
    except ValueError as error:
        remedy = "write it as 2025-08-29T06:25:00Z"
        raise place.error(f"{found!r} is not an instant", remedy) from error
    if at.tzinfo is None:
        raise place.error(f"{found} has no zone", "end it with Z for UTC")
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def one_of(words: Sequence[T]) -> Reader[T]:
    """One of a closed set of words."""

    def read(place: Place) -> T:
        found = text(place)
        for word in words:
            if word == found:
                return word
        raise place.error(
            f"{found!r} is not known here", suggest(found, [str(word) for word in words])
        )

    return read


def listed(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    """One value or a list of them; a list must not be empty."""

    def read(place: Place) -> tuple[T, ...]:
        if not isinstance(place.node, Listing):
            return (reader(place),)
        values = tuple(_each(place, reader))
        if not place.node.items:
            raise place.error("the list is empty", "name at least one, or leave the key out")
        return values

    return read


def each(reader: Reader[T]) -> Reader[tuple[T, ...]]:
    """A list; an item that is wrong is noted and left out."""

    def read(place: Place) -> tuple[T, ...]:
        return tuple(_each(place, reader))

    return read


def _each(place: Place, reader: Reader[T]) -> Iterator[T]:
    for item in place.items():
        try:
            value = reader(item)
        except ScenarioError as error:
            place.sheet.note(error)
            continue
        yield value


# --- words for complaints ------------------------------------------------------------------------


def suggest(
    found: str,
    known: Iterable[str],
    slips: Mapping[str, str] | None = None,
    *,
    most: int = 18,
    likeness: float = 0.6,
) -> str:
    """The remedy for a wrong word: the likeliest right one, or what is allowed.

    `likeness`: how alike two words must be to be taken for the same, 0 to 1.
    """
    known = list(known)
    meant = (slips or {}).get(found)
    if meant not in known:
        folded = {word.casefold(): word for word in known}
        close = get_close_matches(found.casefold(), folded, n=1, cutoff=likeness)
        meant = folded[close[0]] if close else None
    if meant is not None:
        return f"did you mean `{meant}`?"
    return _one_among("words", known, most=most)


def suggest_symbol(found: str, known: Iterable[str]) -> str:
    """As `suggest`: but DOGEUSDT is no slip of the pen for ETHUSDT."""
    return suggest(found, known, likeness=0.85)


def declared_symbol(symbols: Collection[str]) -> Reader[str]:
    """The key of an instrument that the scenario's world has."""

    def read(place: Place) -> str:
        found = text(place)
        if found not in symbols:
            raise place.error(
                f"{found!r} is not in this scenario's `world`", suggest_symbol(found, symbols)
            )
        return found

    return read


def _one_among(what: str, known: Iterable[str], *, most: int = 18) -> str:
    known = list(known)
    shown = ", ".join(known[:most]) + (", …" if len(known) > most else "")
    return f"{what} allowed here: {shown}"


def _twice(place: Place, key: Scalar) -> ScenarioError:
    return ScenarioError(
        place.sheet.file, key.line, place.key, "the key stands here twice", "remove one of the two"
    )


def _described(node: Node) -> str:
    if isinstance(node, Listing):
        return "a list"
    if isinstance(node, Table):
        return "a map"
    return f"{node.text!r}"
