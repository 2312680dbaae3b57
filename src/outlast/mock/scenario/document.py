"""A scenario document as it stands: text or plain Python data to nodes that know their line.

Only YAML's events are used; nothing is ever constructed. So a scalar is the text that was written,
`110500` and `0.2400` lose nothing on the way to a Decimal, and a word that YAML 1.1 would turn into
a boolean is seen before it can do harm. Anchors, aliases and tags are refused: a scenario is data,
and an alias can make a small file endlessly large.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias

import yaml

__all__ = [
    "Listing",
    "Node",
    "Scalar",
    "ScenarioError",
    "Table",
    "json_text",
    "node_from_data",
    "node_from_text",
    "plain_data",
]

_DEPTH_MAX: Final = 24
"""The deepest document of the catalogue has 8 levels."""
_TEXT_MAX: Final = 1_000_000
"""Characters; the longest scenario of the catalogue has 10,000."""


class ScenarioError(ValueError):
    """One thing wrong with a scenario, where it stands and what to do about it.

    `line` counts from 1 and is 0 for a document that was made in Python; `key` is the path to the
    place, such as `phases[2].faults[0].reply`, empty for the document as a whole; `problems` holds
    everything found in the same document, this one first.
    """

    def __init__(self, file: str, line: int, key: str, problem: str, remedy: str) -> None:
        super().__init__(file, line, key, problem, remedy)
        self.file = file
        self.line = line
        self.key = key
        self.problem = problem
        self.remedy = remedy
        self.problems: tuple[ScenarioError, ...] = (self,)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key or 'document'}: {self.problem}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Scalar:
    text: str
    line: int
    is_plain: bool = True
    """Written without quotes."""


@dataclass(frozen=True, slots=True)
class Listing:
    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    pairs: tuple[tuple[Scalar, Node], ...]
    line: int


Node: TypeAlias = Scalar | Listing | Table


def node_from_text(text: str, *, name: str) -> Node:
    """Read YAML (or JSON, which is YAML too).

    Raises:
        ScenarioError: not YAML, more than one document, an alias, a tag, too deep, too long.
    """
    if len(text) > _TEXT_MAX:
        raise ScenarioError(
            name, 0, "", f"{len(text)} characters", f"a scenario has at most {_TEXT_MAX}"
        )
    try:
        return _Composer(name, yaml.parse(text, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 0
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise ScenarioError(
            name, line, "", f"not YAML: {problem}", "check indentation, brackets and quotes here"
        ) from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:  # a character YAML does not allow
        raise ScenarioError(
            name, 0, "", f"not YAML: {' '.join(str(error).split())}", "save it as UTF-8 text"
        ) from error


# libyaml's parser gives the same events, several times faster; some builds of PyYAML lack it.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Composer:
    """Puts the events of one document together again, with a limit on its depth."""

    def __init__(self, name: str, events: Iterator[yaml.Event]) -> None:
        self._name = name
        self._events = (e for e in events if not isinstance(e, _FRAMES))

    def document(self) -> Node:
        event = next(self._events, None)
        if event is None:
            raise ScenarioError(
                self._name, 0, "", "the document is empty", "start with `scenario: <slug>`"
            )
        root = self._node(event, depth=1)
        more = next(self._events, None)
        if more is not None:
            raise self._refusal(
                more, "a second document begins", "put each scenario into a file of its own"
            )
        return root

    def _node(self, event: yaml.Event, *, depth: int) -> Node:
        self._check(event, depth)
        line = _line(event)
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(event.value, line, is_plain=not event.style)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(event, depth=depth + 1))
            return Listing(tuple(items), line)
        pairs = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth=depth + 1)
            if not isinstance(key, Scalar):
                raise self._refusal(event, "a key is not a word", "write `key: value`")
            pairs.append((key, self._node(next(self._events), depth=depth + 1)))
        return Table(tuple(pairs), line)

    def _check(self, event: yaml.Event, depth: int) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise self._refusal(event, "anchors and aliases are not allowed", "write it out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self._refusal(event, f"the tag {tag} is not allowed", "remove the tag")
        if depth > _DEPTH_MAX:
            raise self._refusal(event, "nested too deeply", f"at most {_DEPTH_MAX} levels")

    def _refusal(self, event: yaml.Event, problem: str, remedy: str) -> ScenarioError:
        return ScenarioError(self._name, _line(event), "", problem, remedy)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0


_FRAMES: Final = (
    yaml.StreamStartEvent,
    yaml.StreamEndEvent,
    yaml.DocumentStartEvent,
    yaml.DocumentEndEvent,
)


def node_from_data(data: object, *, name: str, depth: int = 1) -> Node:
    """The node of a document made in Python or decoded from JSON; every line is 0.

    Raises:
        ScenarioError: something in it has no place in a document, or it is nested too deeply.
    """
    if depth > _DEPTH_MAX:
        raise ScenarioError(name, 0, "", "nested too deeply", f"at most {_DEPTH_MAX} levels")
    if isinstance(data, str):
        return Scalar(data, 0, is_plain=False)
    if isinstance(data, Enum):
        return node_from_data(data.value, name=name, depth=depth)
    if data is None:
        return Scalar("null", 0)
    if isinstance(data, bool):
        return Scalar("true" if data else "false", 0)
    if isinstance(data, int | Decimal):
        return Scalar(f"{data:f}" if isinstance(data, Decimal) else str(data), 0)
    if isinstance(data, float):
        return Scalar(repr(data), 0)
    if isinstance(data, Mapping):
        pairs = []
        for key, value in data.items():
            if not isinstance(key, str):
                raise ScenarioError(
                    name, 0, "", f"the key {key!r} is a {type(key).__name__}", "use a string"
                )
            pairs.append(
                (Scalar(key, 0, is_plain=False), node_from_data(value, name=name, depth=depth + 1))
            )
        return Table(tuple(pairs), 0)
    if isinstance(data, Sequence) and not isinstance(data, bytes | bytearray | memoryview):
        return Listing(tuple(node_from_data(item, name=name, depth=depth + 1) for item in data), 0)
    raise ScenarioError(
        name,
        0,
        "",
        f"a {type(data).__name__} cannot stand in a document",
        "use strings, numbers, booleans, lists and dicts",
    )


def json_text(node: Node, *, indent: str = "") -> str:
    """The document as JSON (which is YAML), numbers as they were written."""
    deeper = indent + "  "
    if isinstance(node, Table):
        parts = [
            f"{_quoted(key.text)}: {json_text(value, indent=deeper)}" for key, value in node.pairs
        ]
        return _bracketed("{", parts, "}", indent)
    if isinstance(node, Listing):
        return _bracketed("[", [json_text(i, indent=deeper) for i in node.items], "]", indent)
    if node.is_plain and (node.text in _JSON_WORDS or _JSON_NUMBER.fullmatch(node.text)):
        return node.text
    return _quoted(node.text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _bracketed(opening: str, parts: list[str], closing: str, indent: str) -> str:
    if not parts:
        return opening + closing
    inside = ",\n".join(f"{indent}  {part}" for part in parts)
    return f"{opening}\n{inside}\n{indent}{closing}"


def plain_data(node: Node) -> Any:
    """The node as JSON-like data, for a body that the scenario writes out (`reply: {json: …}`).

    Plain numbers, `true`, `false` and `null` become what JSON means by them; all else is text.
    """
    if isinstance(node, Table):
        return {key.text: plain_data(value) for key, value in node.pairs}
    if isinstance(node, Listing):
        return [plain_data(item) for item in node.items]
    if not node.is_plain:
        return node.text
    if node.text in _JSON_WORDS:
        return _JSON_WORDS[node.text]
    if _JSON_NUMBER.fullmatch(node.text):
        return int(node.text) if _JSON_INTEGER.fullmatch(node.text) else float(node.text)
    return node.text


_JSON_WORDS: Final[Mapping[str, bool | None]] = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "": None,
}
_JSON_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]*)")
_JSON_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
