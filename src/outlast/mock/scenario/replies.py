"""Reading the parts of a fault rule: reply, effect, latency and stream fault."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from outlast.mock.scenario.document import Scalar, plain_data
from outlast.mock.scenario.model import Effect, Latency, Reply, StreamFault
from outlast.mock.scenario.reading import (
    Place,
    each,
    flag,
    listed,
    one_of,
    positive_duration,
    share,
    suggest,
    text,
    whole,
)
from outlast.mock.scenario.vocabulary import ALIASES, DRIBBLE_ENDS, HTML_PAGES, RESET_POINTS

__all__ = ["read_effect", "read_latency", "read_reply", "read_stream"]

# --- what the client is told ---------------------------------------------------------------------


def read_reply(place: Place) -> Reply:
    kind, argument = place.single()
    if argument is None:
        if kind in _BARE_REPLIES:
            return Reply(kind=kind)
        if kind in _RAW_REPLIES:
            raise place.error(f"{kind} needs its argument", f"write `{_EXAMPLES[kind]}`")
        raise place.error(f"{kind!r} is no reply", suggest(kind, _ALL_REPLIES, most=99))
    if kind in _RAW_REPLIES:
        return _RAW_REPLIES[kind](argument)
    if kind in _BARE_REPLIES:
        raise place.error(f"{kind} takes no argument", f"write `reply: {kind}`")
    raise place.error(f"{kind!r} is no reply", suggest(kind, _ALL_REPLIES, most=99))


_STATUS: Final = whole(least=100, most=599)


def _http(place: Place) -> Reply:
    fields = place.fields(("status", "headers", "body"))
    return Reply(
        kind="http",
        status=fields.need("status", _STATUS, 500, remedy="write `{http: {status: 503}}`"),
        headers=fields.get("headers", _headers, {}),
        body=fields.get("body", _body, ""),
    )


def _headers(place: Place) -> dict[str, str]:
    headers = {}
    for name, value in place.entries():
        found = text(value) if isinstance(value.node, Scalar) else ""
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise value.error(f"{name!r} is no header name", "use letters, digits and dashes")
        if any(character in found for character in "\r\n\0"):
            raise value.error("a header value runs over its line", "write it on one line")
        headers[name] = found
    return headers


def _body(place: Place) -> str:
    if not isinstance(place.node, Scalar):
        raise place.error(
            "the body is not text", "put it in quotes, or write `{json: {…}}` as the reply"
        )
    return place.node.text


def _html(place: Place) -> Reply:
    return Reply(kind="html", page=one_of(HTML_PAGES)(place))


def _hang(place: Place) -> Reply:
    return Reply(kind="hang", seconds=positive_duration(place))


def _reset(place: Place) -> Reply:
    return Reply(kind="reset", at=one_of(RESET_POINTS)(place))


def _dribble(place: Place) -> Reply:
    fields = place.fields(("over", "then"))
    remedy = f"write `{_EXAMPLES['dribble']}`"
    return Reply(
        kind="dribble",
        seconds=fields.need("over", positive_duration, 1.0, remedy=remedy),
        then=fields.need("then", one_of(DRIBBLE_ENDS), "ok", remedy=remedy),
    )


def _truncate(place: Place) -> Reply:
    return Reply(kind="truncate", share=share(place))


def _empty(place: Place) -> Reply:
    return Reply(kind="empty", status=_STATUS(place))


def _json(place: Place) -> Reply:
    body = json.dumps(plain_data(place.node), separators=(",", ":"), ensure_ascii=False)
    return Reply(kind="json", body=body)


_BARE_REPLIES: Final = ("ok", *ALIASES, "refuse")
_RAW_REPLIES: Final[Mapping[str, Callable[[Place], Reply]]] = {
    "http": _http,
    "html": _html,
    "hang": _hang,
    "reset": _reset,
    "dribble": _dribble,
    "truncate": _truncate,
    "empty": _empty,
    "json": _json,
}
_ALL_REPLIES: Final = (*_BARE_REPLIES, *_RAW_REPLIES)
_EXAMPLES: Final = {
    "http": "{http: {status: 503, body: …}}",
    "html": "{html: cdn-502}",
    "hang": "{hang: 30s}",
    "reset": "{reset: body}",
    "dribble": "{dribble: {over: 45s, then: cut}}",
    "truncate": "{truncate: 0.5}",
    "empty": "{empty: 200}",
    "json": "{json: {}}",
}


# --- what the engine does ------------------------------------------------------------------------


def read_effect(place: Place) -> Effect:
    kind, argument = place.single()
    if argument is None:
        if kind == "none":
            return Effect("none")
        if kind == "apply":
            return Effect("apply")
        raise place.error(f"{kind!r} is no effect", _EFFECTS)
    if kind == "apply":
        return Effect("apply_share", share(argument))
    if kind == "apply_after":
        return Effect("apply_after", positive_duration(argument))
    if kind == "apply_then_void":
        return Effect("apply_then_void", positive_duration(argument))
    if kind == "apply_silently":
        if not flag(argument):
            raise place.error("apply_silently: false says nothing", "write `effect: apply`")
        return Effect("apply_silently")
    raise place.error(f"{kind!r} is no effect", _EFFECTS)


_EFFECTS: Final = (
    "write none, apply, {apply: 0.35}, {apply_after: 40s}, {apply_then_void: 25s} or "
    "{apply_silently: true}"
)


def read_latency(place: Place) -> Latency:
    fields = place.fields(("p50", "p99"))
    remedy = "write `{p50: 300ms, p99: 4s}`"
    p50_s = fields.need("p50", positive_duration, 1.0, remedy=remedy)
    p99_s = fields.need("p99", positive_duration, p50_s, remedy=remedy)
    if p99_s < p50_s and "p50" in fields and "p99" in fields:
        fields.note("p99 is shorter than p50", "swap the two", key="p99")
    return Latency(p50_s, max(p50_s, p99_s))


# --- what a running stream does ------------------------------------------------------------------


def read_stream(place: Place) -> StreamFault:
    kind, argument = place.single()
    if argument is None:
        if kind == "mute":
            return StreamFault(kind="mute")
        if kind == "no_pong":
            return StreamFault(kind="no_pong")
        if kind == "expire_key":
            return StreamFault(kind="expire_key")
        if kind == "ack_only":
            return StreamFault(kind="ack_only")
        if kind == "frozen":
            return StreamFault(kind="frozen")
        if kind in _STREAM_EXAMPLES:
            raise place.error(f"{kind} needs its argument", f"write `{_STREAM_EXAMPLES[kind]}`")
        raise place.error(f"{kind!r} is no stream fault", suggest(kind, _ALL_STREAM_FAULTS))
    if kind == "mute":
        fields = argument.fields(("channels", "keep"))
        return StreamFault(
            kind="mute",
            channels=fields.get("channels", listed(text), ("*",)),
            keep=fields.get("keep", each(text), ()),
        )
    if kind == "delay":
        return StreamFault(kind="delay", seconds=positive_duration(argument))
    if kind == "gap":
        return StreamFault(kind="gap", share=share(argument))
    if kind == "dup":
        return StreamFault(kind="dup", share=share(argument))
    if kind == "reorder":
        return StreamFault(kind="reorder", share=share(argument))
    if kind == "bad_checksum":
        return StreamFault(kind="bad_checksum", share=share(argument))
    if kind == "crossed":
        return StreamFault(kind="crossed", share=share(argument))
    if kind == "burst_on_resume":
        return StreamFault(kind="burst_on_resume", count=whole(least=1, most=1_000_000)(argument))
    if kind == "close":
        fields = argument.fields(("code", "every"))
        remedy = f"write `{_STREAM_EXAMPLES['close']}`"
        return StreamFault(
            kind="close",
            code=fields.need("code", whole(least=1000, most=4999), 1006, remedy=remedy),
            seconds=fields.need("every", positive_duration, 1.0, remedy=remedy),
        )
    if kind in _ALL_STREAM_FAULTS:
        raise place.error(f"{kind} takes no argument", f"write `stream: {kind}`")
    raise place.error(f"{kind!r} is no stream fault", suggest(kind, _ALL_STREAM_FAULTS))


_STREAM_EXAMPLES: Final = {
    "delay": "{delay: 40s}",
    "gap": "{gap: 0.01}",
    "dup": "{dup: 0.02}",
    "reorder": "{reorder: 0.01}",
    "bad_checksum": "{bad_checksum: 0.02}",
    "crossed": "{crossed: 0.02}",
    "close": "{close: {code: 1006, every: 90s}}",
    "burst_on_resume": "{burst_on_resume: 5000}",
}
_ALL_STREAM_FAULTS: Final = (
    "mute",
    *_STREAM_EXAMPLES,
    "frozen",
    "no_pong",
    "expire_key",
    "ack_only",
)
