"""The control page: one HTML document that a browser gets at `/_outlast/`.

It fetches nothing from anywhere but the control port. Style and script stand in the document
itself, and the content security policy admits exactly these two, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from outlast.mock.http.plans import Answer, HttpMessage

__all__ = ["accepts_html", "page"]

_SCRIPTS = ("words.js", "requests.js", "faults.js", "truth.js", "page.js")


def accepts_html(message: HttpMessage) -> bool:
    """Whether the client asks for HTML by its name, as browsers do; `*/*` is no such wish.

    Source: RFC 9110, 12.5.1 (Accept).
    """
    for offered in ",".join(message.headers.get("accept", ())).split(","):
        kind, *parameters = (part.strip().lower() for part in offered.split(";"))
        weights = [p.removeprefix("q=") for p in parameters if p.startswith("q=")]
        if kind == "text/html" and not any(w.strip("0") in ("", ".") for w in weights):
            return True
    return False


@cache
def page() -> Answer:
    """The page, complete, with headers that keep everything else out of it."""
    style, script = _text("page.css"), "\n".join(_text(name) for name in _SCRIPTS)
    body = _text("page.html").replace("/* style */", style).replace("/* script */", script)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    headers = (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("vary", "accept"),
        ("x-content-type-options", "nosniff"),
    )
    return Answer(headers=headers, body=body.encode())


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(inline: str) -> str:
    """What a content security policy calls an inline element. Source: CSP Level 3, 2.3.1."""
    return "sha256-" + base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
