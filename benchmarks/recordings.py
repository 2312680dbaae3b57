"""Reading recorded market data, in whatever form a recorder has written it.

What a line looks like matters little: wherever JSON begins, a message or an envelope begins.

- bare messages, one a line or over many lines, one after another, or as one JSON array;
- a stamp in front: nanoseconds, microseconds, milliseconds or seconds since 1970, or ISO 8601;
- an envelope around: `{"recv": s, "frame": {...}}`, with other names and with the message as text;
- `{"recv": s, "url": "...?symbol=X", "body": {...}}` for answers over REST;
- `> sent`, `< answer`, `= push`, as test files of client libraries have them;
- one document `{"init": {...}, "updates": [...]}`.

Plain, `.gz`, `.bz2`, `.xz`, and `.zst` where a reader for it is installed. What cannot be read, as
a last line that was cut short, is counted and left out.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Self

__all__ = ["Frame", "Recording", "Text", "dump", "read"]

STEP_S: Final = 0.02
"""Between messages whose time is not known."""
_STAMPS: Final = (
    "recv", "received", "received_at", "receive_time", "recv_time", "local_timestamp", "local_time",
    "local_ts", "ts", "time", "timestamp", "at", "t",
)  # fmt: skip
_PAYLOADS: Final = ("frame", "body", "message", "msg", "raw", "payload", "data", "json", "content")
_MESSAGE_KEYS: Final = ("channel", "method", "e", "lastUpdateId", "stream", "event", "result")
_NUMBER: Final = re.compile(r"^\D*?([0-9]{9,19}(?:\.[0-9]+)?)\s*[,;|\t ]?\s*[<>=]?\s*$")
_ISO: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)"
)
_JSON: Final = re.compile(r"[{\[]")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as the venue sent it, as far as the recording keeps its digits."""

    at: float
    raw: bytes
    document: Any
    """The same, parsed; numbers are `Text`."""
    symbol: str | None = None
    """Of an answer over REST, where the recording says it."""


@dataclass(frozen=True, slots=True)
class Recording:
    frames: list[Frame]
    unread: int
    """Pieces that are no JSON."""


class Text(float):
    """A JSON number that keeps its own digits."""

    def __new__(cls, text: str) -> Self:
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


def dump(message: Any) -> bytes:
    """JSON with the digits that were read."""
    return "".join(_chunks(message)).encode()


def _chunks(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        inner = ",".join(
            f"{json.dumps(key)}:{''.join(_chunks(item))}" for key, item in value.items()
        )
        yield f"{{{inner}}}"
    elif isinstance(value, list):
        yield f"[{','.join(''.join(_chunks(item)) for item in value)}]"
    else:
        yield value.text if isinstance(value, Text) else json.dumps(value)


def read(path: Path) -> Recording:
    """The messages of one recording, in its order.

    Raises:
        ValueError: nothing in it can be read, or nothing here unpacks it; the message says which.
    """
    text = _unpacked(path).decode("utf-8", "replace").lstrip("\ufeff")
    found: list[tuple[float | None, Any, str | None]] = []
    unread, at = 0, 0
    decoder = json.JSONDecoder(parse_float=Text)
    while (begin := _JSON.search(text, at)) is not None:
        line_at = max(text.rfind("\n", 0, begin.start()) + 1, at)
        prefix = text[line_at : begin.start()]
        try:
            value, at = decoder.raw_decode(text, begin.start())
        except ValueError:
            unread += 1
            line_end = text.find("\n", begin.start())
            at = len(text) if line_end < 0 else line_end
            continue
        if not prefix.lstrip().startswith(">"):
            found.extend(_messages(value, _stamp_before(prefix), None))
    if not found:
        raise ValueError(f"{path} is in no known form: it begins with {text[:60]!r}")
    return Recording(_timed(found), unread)


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    openers: Mapping[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.decompress,
        ".bz2": bz2.decompress,
        ".xz": lzma.decompress,
        ".zst": _unpack_zst,
    }
    opener = openers.get(path.suffix)
    return data if opener is None else opener(data)


def _unpack_zst(data: bytes) -> bytes:
    for name in ("compression.zstd", "backports.zstd", "zstandard"):
        try:
            module = import_module(name)
        except ImportError:
            continue
        if name == "zstandard":
            unpacked: bytes = module.ZstdDecompressor().decompressobj().decompress(data)
        else:
            unpacked = module.decompress(data)
        return unpacked
    raise ValueError("nothing here reads .zst; install zstandard, or unpack the recording first")


def _messages(
    value: Any, at: float | None, symbol: str | None
) -> Iterator[tuple[float | None, Any, str | None]]:
    """The messages in a JSON value: itself, what its envelope holds, or each of its items."""
    if isinstance(value, list):
        for item in value:
            yield from _messages(item, at, symbol)
        return
    if not isinstance(value, dict):
        return
    if "init" in value and "updates" in value:
        yield from _messages([value["init"], *value["updates"]], at, symbol)
        return
    if not any(key in value for key in _MESSAGE_KEYS):
        payload = next((value[key] for key in _PAYLOADS if key in value), None)
        if isinstance(payload, str):
            try:
                payload = json.loads(payload, parse_float=Text)
            except ValueError:
                payload = None
        if isinstance(payload, dict | list):
            stamp = next((s for key in _STAMPS if (s := _seconds(value.get(key))) is not None), at)
            named = re.search(r"symbol=(\w+)", str(value.get("url", "")))
            own = value.get("symbol") or value.get("s")
            yield from _messages(payload, stamp, named[1] if named else own or symbol)
            return
    yield at, value, symbol


def _stamp_before(prefix: str) -> float | None:
    iso = _ISO.search(prefix)
    if iso is not None:
        return _seconds(iso[1])
    number = _NUMBER.search(prefix)
    return None if number is None else _seconds(number[1])


def _seconds(value: Any) -> float | None:
    """Seconds since 1970 of whatever says an instant; None: it says none."""
    if isinstance(value, str) and _ISO.match(value):
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    for least, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):
        if number >= least:
            return number / unit
    return number if number > 0 else None


def _timed(found: list[tuple[float | None, Any, str | None]]) -> list[Frame]:
    """By the recorder's time; else by the venue's own; else one step after the message before.

    Never earlier than the message before: a recording is in the order in which things came.
    """
    frames: list[Frame] = []
    times = [stamp if stamp is not None else _own_time(message) for stamp, message, _ in found]
    first = next((time for time in times if time is not None), 0.0)
    at = first - STEP_S * (1 + next((n for n, time in enumerate(times) if time is not None), 0))
    for time, (_, message, symbol) in zip(times, found, strict=True):
        at = at + STEP_S if time is None else max(at, time)
        frames.append(Frame(at, dump(message), message, symbol))
    return frames


def _own_time(message: Any) -> float | None:
    body = message.get("data", message)
    if isinstance(body, list):
        body = body[0] if body else {}
    if not isinstance(body, dict):
        return None
    return _seconds(body.get("timestamp") if "timestamp" in body else body.get("E"))
