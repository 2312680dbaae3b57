"""What is written for one request, and an answer as it comes: bytes, no connection.

An answer that comes in one piece and says its length is read here, strictly; `whole` leaves every
other to h11.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from outlast.backends.http import BODY_BYTES_MAX
from outlast.wire import FaultKind, HttpRequest

__all__ = [
    "HEAD_BYTES_MAX",
    "TOO_LONG",
    "Answer",
    "Broken",
    "Origin",
    "decoded",
    "head_of",
    "split",
    "whole",
]

HEAD_BYTES_MAX: Final = 64 * 1024
"""Of an answer's status line and headers: venues behind a CDN send about 1.5 kB."""
TOO_LONG: Final = f"the answer is longer than {BODY_BYTES_MAX} bytes"


class Broken(Exception):
    """The exchange on one connection ended without a complete answer."""

    def __init__(self, kind: FaultKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class Origin(NamedTuple):
    """Where connections lead: what they can be shared by."""

    host: str
    port: int
    is_tls: bool

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.is_tls else 80) else f"{name}:{self.port}"


@lru_cache(maxsize=64)
def _origin_of(root: str) -> Origin:
    parts = urlsplit(root)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the URL must begin with http:// or https://")
    is_tls = parts.scheme == "https"
    return Origin(parts.hostname, parts.port or (443 if is_tls else 80), is_tls)


def split(url: str) -> tuple[Origin, str]:
    """The origin and what is asked of it; by hand, as this is on the path of every order."""
    scheme_end = url.find("://") + 3
    path_begins = url.find("/", scheme_end)
    if path_begins == -1:
        return _origin_of(url), "/"
    return _origin_of(url[:path_begins]), url[path_begins:]


def head_of(origin: Origin, target: str, request: HttpRequest) -> bytes:
    """The request line and the headers.

    Raises:
        ValueError: a character in them has no place there.
    """
    length = len(request.body)
    if length:  # nothing of it changes from one order to the next, where the body is signed
        return _same_head(origin, request.method, target, request.headers, length)
    return _new_head(origin, request.method, target, request.headers, length)


def _new_head(
    origin: Origin, method: str, target: str, given: tuple[tuple[str, str], ...], length: int
) -> bytes:
    headers = [("Host", origin.host_header), *given]
    if method == "GET":
        headers.append(("Accept-Encoding", "gzip"))  # exchangeInfo is 2 MB without
    if length or method not in ("GET", "DELETE"):
        headers.append(("Content-Length", str(length)))
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join(lines)
    # As many lines as were put in, so none of them holds a line break of its own.
    if not _LINES.fullmatch(head) or head.count("\n") != len(lines) - 1 or " " in target:
        raise ValueError("a control character, a space in the URL, or one that is not ASCII")
    return f"{head}\r\n\r\n".encode("ascii")


_same_head = lru_cache(maxsize=8)(_new_head)
_LINES: Final = re.compile(r"[ -~\r\n]+")


@dataclass(slots=True)
class Answer:
    """A complete answer, its body as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


_HEAD: Final = re.compile(
    r"HTTP/1\.1 ([2-5][0-9]{2})(?: [ -~]*)?"
    r"((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*)*)"
)
"""Source: RFC 9112, 4 and 5; without what is allowed and nobody sends."""
_BODILESS: Final = ("204", "304")


def whole(data: bytes) -> Answer | None:
    """`data` as one answer of stated length, which leaves the connection open; None for others."""
    end = data.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX)
    found = _HEAD.fullmatch(data[:end].decode("latin-1")) if end >= 0 else None
    if found is None or found[1] in _BODILESS:
        return None
    headers: dict[str, str] = {}
    for line in found[2].split("\r\n")[1:]:
        name, value = _field(line)
        if name in headers and name in _FRAMING:
            return None
        headers[name] = value
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or headers.get("connection", "").lower() not in _GOES_ON:
        return None
    body = data[end + 4 :]
    if not _LENGTH.fullmatch(length) or int(length) != len(body):
        return None
    return Answer(int(found[1]), headers, body)


@lru_cache(maxsize=512)
def _field(line: str) -> tuple[str, str]:
    """The name and the value of one header; a venue says the same ones again and again."""
    name, _, value = line.partition(":")
    return name.lower(), value.strip(" \t")


_FRAMING: Final = ("content-length", "transfer-encoding", "connection")
_GOES_ON: Final = ("", "keep-alive")
_LENGTH: Final = re.compile("[0-9]{1,10}")


def decoded(answer: Answer) -> bytes:
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", "") or not answer.body:
        return answer.body
    if encoding != "gzip":
        raise Broken(FaultKind.PROTOCOL_ERROR, f"the answer is encoded as {encoding[:40]}")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(answer.body, BODY_BYTES_MAX + 1)
    except zlib.error as error:
        raise Broken(FaultKind.PROTOCOL_ERROR, f"the answer is broken gzip: {error}") from None
    if len(plain) > BODY_BYTES_MAX:
        raise Broken(FaultKind.PROTOCOL_ERROR, TOO_LONG)
    if not unpacker.eof:
        raise Broken(FaultKind.PROTOCOL_ERROR, "the answer's gzip ends too early")
    return plain
