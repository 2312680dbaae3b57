"""Faults that a request meets: it is lost, applied late, answered wrongly, or answered with lies.

Two rules keep the lies to those that a client can see through. What the venue says was refused is
not applied: nobody could know. And an ambiguous answer says nothing about the effect, so both are
drawn. Where a type cannot keep to that, `honesty.py` says what nobody is held to.

Shapes of replies: design notes of the venues as the mock speaks them. Sources: Binance USD-M
futures docs, Error Codes and General Info; Kraken docs, Spot Errors.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from outlast.client.settings import Settings
from outlast.trials.sketch import How, Stroke, heavy_tailed, lasting

__all__ = [
    "HORIZON_S",
    "LATE_APPLY_FAIR_S",
    "MAYBE_APPLIED",
    "PROVED_AFTER_S",
    "REPLY_FAULTS",
    "Builder",
    "rate_limited",
]

Builder = Callable[[Stroke], None]
Reply = str | Mapping[str, Any]

_SETTINGS: Final = Settings()
_SETTLE: Final = _SETTINGS.settle
HORIZON_S: Final = _SETTINGS.valid_for_s + _SETTLE.engine_gives_up_s + _SETTLE.margin_s
"""How long after sending an order may still appear, by what the client declares."""
PROVED_AFTER_S: Final = HORIZON_S + (_SETTLE.rounds - 1) * _SETTLE.round_spacing_s
"""Absence is not proved before: the last round of lookups is asked then. What appears until the
horizon must be found; what appears after this cannot be."""
LATE_APPLY_FAIR_S: Final = HORIZON_S - _SETTINGS.valid_for_s - 2.0
"""A request is taken until its validity ends, and sits in the venue's queue for so long at most:
then it is in time for the horizon, with 2 s for a slow network and a slow clock."""

# --- which requests ------------------------------------------------------------------------------

_CREATES: Final = ["orders.create"]
_CANCELS: Final = ["orders.cancel", "orders.cancel_all"]
_WRITES: Final = (_CREATES, _CREATES, _CREATES, _CANCELS, [*_CREATES, *_CANCELS])
_LOOKUPS: Final = ["orders.query", "orders.open", "fills.query"]
_READS: Final = (
    ["orders.query"],
    ["orders.open"],
    _LOOKUPS,
    ["account.*"],
    ["market.read", "market.meta"],
    [*_LOOKUPS, "account.*", "market.read", "time"],
)
_ANY: Final = (*_WRITES, *_READS, ["*"])
MAYBE_APPLIED: Final = ("none", "apply", {"apply": 0.35}, {"apply": 0.7})
"""What the engine does with a write whose answer says nothing about it."""


def _latency(rng: random.Random, usual_s: float, most_s: float) -> dict[str, str]:
    p50_s = heavy_tailed(rng, usual_s, most_s)
    return {"p50": lasting(p50_s), "p99": lasting(min(p50_s * rng.uniform(1.5, 6.0), most_s * 2))}


def _error(status: int, code: int, msg: str, **headers: str) -> Reply:
    """An error of Binance's that the scenario language has no word for."""
    body = json.dumps({"code": code, "msg": msg}, separators=(",", ":"))
    return {"http": {"status": status, "headers": headers, "body": body}}


# --- lost, late, slow ----------------------------------------------------------------------------


def _request_lost(s: Stroke) -> None:
    replies: Sequence[Reply] = (
        {"reset": "connect"},
        {"reset": "request"},
        {"hang": lasting(heavy_tailed(s.rng, 8, 30))},
    )
    s.rule(s.rng.choice(_WRITES), reply=s.rng.choice(replies), effect="none")


def _answer_lost(s: Stroke) -> None:
    replies: Sequence[Reply] = (
        {"reset": "request"},
        {"reset": "headers"},
        {"hang": lasting(heavy_tailed(s.rng, 8, 30))},
        {"http": {"status": 504}},
    )
    s.rule(s.rng.choice(_WRITES), reply=s.rng.choice(replies), effect="apply")


def _late_apply(s: Stroke) -> None:
    """Mostly in time for the client's horizon; one in six sits in a stuck queue for longer."""
    replies: Sequence[Reply] = ("unknown", "backend_timeout", {"reset": "headers"}, {"empty": 200})
    reply, delay_s = s.rng.choice(replies), s.rng.uniform(0.2, LATE_APPLY_FAIR_S)
    if s.rng.random() < 1 / 6:
        reply, delay_s = {"hang": "30s"}, s.rng.uniform(PROVED_AFTER_S, 60.0)
    s.rule(
        s.rng.choice(_WRITES),
        reply=reply,
        effect={"apply_after": lasting(delay_s)},
        # Its own latency: what else slows requests down would come on top of the delay.
        latency={"p50": "50ms", "p99": "500ms"},
        lingers_s=delay_s,
    )


def _delays(s: Stroke) -> None:
    latency = _latency(s.rng, 0.5, 8.0)
    s.rule(s.rng.choice(_ANY), latency=latency, how=s.rng.choice((How.SELDOM, How.MOSTLY)))


def _dribble(s: Stroke) -> None:
    over_s = heavy_tailed(s.rng, 6, 30)
    reply = {"dribble": {"over": lasting(over_s), "then": s.rng.choice(("ok", "cut"))}}
    s.rule(s.rng.choice(_ANY), reply=reply, effect=_carried(s.rng), lingers_s=over_s)


# --- answers that cannot be read -----------------------------------------------------------------


def _carried(rng: random.Random) -> Any:
    """Replies that carry a part of the true answer: mostly of a request that was carried out."""
    return rng.choice(("apply", "apply", "none"))


def _reset_mid_body(s: Stroke) -> None:
    s.rule(s.rng.choice(_ANY), reply={"reset": "body"}, effect=_carried(s.rng))


def _truncated_body(s: Stroke) -> None:
    share = round(s.rng.uniform(0.05, 0.95), 2)
    s.rule(s.rng.choice(_ANY), reply={"truncate": share}, effect=_carried(s.rng))


def _empty_body(s: Stroke) -> None:
    status = s.rng.choice((200, 200, 200, 500, 503))
    s.rule(s.rng.choice(_ANY), reply={"empty": status}, effect=s.rng.choice(MAYBE_APPLIED))


def _html_page(s: Stroke) -> None:
    page = s.rng.choice(("cdn-500", "cdn-502", "cdn-520", "cdn-522"))
    s.rule(s.rng.choice(_ANY), reply={"html": page}, effect=s.rng.choice(MAYBE_APPLIED))


def _wrong_json(s: Stroke) -> None:
    """JSON of status 200 that does not say what was asked.

    Never an empty list: to a question for open orders that is an answer, and a lie.
    """
    bodies: Sequence[Any] = (
        {},
        {"error": [], "result": {}},
        {"status": "ok"},
        {"code": 200},
        "null",
        0,
    )
    s.rule(
        s.rng.choice(_ANY),
        reply={"json": s.rng.choice(bodies)},
        effect=s.rng.choice(MAYBE_APPLIED),
    )


def _bad_gateway(s: Stroke) -> None:
    reply = {"http": {"status": s.rng.choice((500, 502, 504)), "body": ""}}
    s.rule(s.rng.choice(_ANY), reply=reply, effect=s.rng.choice(MAYBE_APPLIED))


# --- what the venue's machinery says -------------------------------------------------------------


def _shed(reply: str) -> Builder:
    """Refused and not applied, as the venue documents it; now and then for most requests."""

    def build(s: Stroke) -> None:
        how = How.MOSTLY if s.rng.random() < 0.1 else How.SELDOM
        s.rule(s.rng.choice(_ANY), reply=reply, effect="none", how=how)

    return build


def _outcome_unknown(reply: Reply) -> Builder:
    """The venue says that it does not know, so the order may have been placed."""

    def build(s: Stroke) -> None:
        latency = _latency(s.rng, 1.0, 4.0) if s.rng.random() < 0.5 else None
        effect = s.rng.choice(MAYBE_APPLIED)
        s.rule(s.rng.choice(_WRITES), reply=reply, effect=effect, latency=latency)

    return build


def _outage(s: Stroke) -> None:
    """For the length of a phase next to nothing works: orders, or reads, or all of it.

    Nothing is applied. Only so do breakers open: what fails now and then they leave alone.
    """
    replies: Sequence[Reply] = (
        "unavailable",
        "overload",
        {"html": "cdn-502"},
        {"http": {"status": 502, "body": ""}},
        {"reset": "headers"},
    )
    match, reply = s.rng.choice(_OUT), s.rng.choice(replies)
    for phase in s.phases():
        where = {} if s.venues == s.sketch.venues else {"where": {"venue": list(s.venues)}}
        p = s.rng.choice((0.9, 0.97, 0.99))
        rule = {"match": match, "p": p, "reply": reply, "effect": "none", **where}
        phase.rules.append((_LAST, s.slug, rule))


_LAST: Final = 2.0
"""After every other rule, so that those strike as well."""
_OUT: Final = (["orders.create"], ["orders.*"], [*_LOOKUPS, "account.*"], ["market.read"], ["*"])

_BUS: Final = "An unexpected response was received from the message bus. Execution status unknown."


def _clock_refused(s: Stroke) -> None:
    s.rule(s.rng.choice(_ANY), reply="clock_skew", effect="none", how=How.SELDOM)


# --- limits --------------------------------------------------------------------------------------

_WINDOW_S: Final = 60.0
"""Every limit window has begun anew after so long, and with it the longest unsaid wait."""


def rate_limited(venue: str, wait_s: int) -> Reply:
    """429 with the wait in whole seconds; Kraken does not say how long."""
    if venue == "kraken-spot":
        return "rate_limited"
    return _error(429, -1003, "Too many requests.", **{"Retry-After": str(wait_s)})


def _rate_limited(s: Stroke) -> None:
    """The wait is said, and over before the safety phase is."""
    wait_s = s.rng.randint(1, 20)
    reply = rate_limited("kraken-spot" if "kraken-spot" in s.venues else "", wait_s)
    s.rule(
        s.rng.choice(_ANY),
        reply=reply,
        effect="none",
        lingers_s=float(wait_s),
        how=How.SELDOM,
    )


def _rate_limited_unsaid(s: Stroke) -> None:
    reply = _error(429, -1003, "Too many requests.")
    s.rule(s.rng.choice(_ANY), reply=reply, effect="none", lingers_s=_WINDOW_S, how=How.SELDOM)


def _orders_limited(s: Stroke) -> None:
    wait_s = s.rng.randint(1, 10)
    reply = _error(429, -1015, "Too many new orders.", **{"Retry-After": str(wait_s)})
    s.rule(_CREATES, reply=reply, effect="none", lingers_s=float(wait_s), how=How.SELDOM)


def _banned(s: Stroke) -> None:
    """The shortest ban of the venue's is 2 minutes; most trials only have room for less."""
    wait_s = s.rng.choice((2, 5, 10, 20, 30, 45, 120))
    reply = _error(418, -1003, "Way too many requests.", **{"Retry-After": str(wait_s)})
    s.rule(
        s.rng.choice(_ANY),
        reply=reply,
        effect="none",
        lingers_s=float(wait_s),
        how=How.SELDOM,
    )


def _address_shared(s: Stroke) -> None:
    """A stranger uses up the address's limits: less is left than the headers say.

    It comes when the client has been told the limits: in the mock, to ask now is to be told what is
    left. The next minute sets every counter back, so that it is felt for as long as that.
    """
    share = round(s.rng.uniform(0.02, 0.1), 3)
    for phase in s.phases(lingers_s=_WINDOW_S, from_s=1.0):
        phase.limits["factor"] = share
        s.note(phase.at_s, phase.until_s)


def _throttled(s: Stroke) -> None:
    """Kraken says from when on it takes requests again. Source: docs, `EService:Throttled`."""
    wait_s = s.rng.uniform(1, 15)
    for phase in s.phases(lingers_s=wait_s):
        until = round(s.t0_ms / 1000 + phase.until_s + wait_s)
        rule = {
            "match": s.rng.choice(_WRITES),
            "where": {"venue": list(s.venues)},
            "p": round(s.rng.uniform(0.05, 0.3), 2),
            "reply": {"json": {"error": [f"EService:Throttled:{until}"]}},
            "effect": "none",
        }
        phase.rules.append((s.rng.random(), s.slug, rule))


# --- what the venue's rules say ------------------------------------------------------------------


def _order_rejected(s: Stroke) -> None:
    how = How.MOSTLY if s.rng.random() < 0.3 else How.SELDOM
    s.rule(_CREATES, reply="order_rejected", effect="none", how=how)


def _reduce_rejected(s: Stroke) -> None:
    """Exits are refused while the position is there, as in the night of 11 October 2025."""
    reply = s.rng.choice(("reduce_rejected", "reduce_failed"))
    how = How.MOSTLY if s.rng.random() < 0.3 else How.NOW_AND_THEN
    s.rule(_CREATES, where={"reduces": True}, reply=reply, effect="none", how=how)


def _cancel_denied(s: Stroke) -> None:
    """The cancel of a living order is answered "no such order"."""
    s.rule(["orders.cancel"], reply="no_such_order", effect=s.rng.choice(("none", "apply")))


def _order_denied(s: Stroke) -> None:
    """A query says that a living order does not exist: the query's storage is behind."""
    s.rule(["orders.query"], reply="no_such_order", effect="none")


def _acked_then_gone(s: Stroke) -> None:
    """Accepted with an id, and gone some seconds later without a word."""
    gone_s = heavy_tailed(s.rng, 5, 25)
    s.rule(_CREATES, reply="ok", effect={"apply_then_void": lasting(gone_s)}, lingers_s=gone_s)


_BINANCE: Final = ("binance-um", "binance-spot")
_EVERYWHERE: Final = (*_BINANCE, "kraken-spot")

REPLY_FAULTS: Final[Mapping[str, tuple[str, tuple[str, ...], Builder]]] = {
    # slug: (one line, the venues that have it, who draws it)
    "request_lost": ("a write is lost before the engine sees it", _EVERYWHERE, _request_lost),
    "answer_lost": ("a write is carried out and its answer lost", _EVERYWHERE, _answer_lost),
    "late_apply": ("a write is carried out up to 60 s after it was given up on", _EVERYWHERE,
                   _late_apply),
    "delays": ("requests wait in front of the engine", _EVERYWHERE, _delays),
    "dribble": ("bodies arrive byte by byte, whole or cut", _EVERYWHERE, _dribble),
    "reset_mid_body": ("the connection is reset in the middle of a body", _EVERYWHERE,
                       _reset_mid_body),
    "truncated_body": ("a body ends before its content-length", _EVERYWHERE, _truncated_body),
    "empty_body": ("zero bytes, mostly with status 200", _EVERYWHERE, _empty_body),
    "html_page": ("a page of the CDN in the place of JSON", _EVERYWHERE, _html_page),
    "wrong_json": ("status 200 with JSON that answers nothing", _EVERYWHERE, _wrong_json),
    "bad_gateway": ("500, 502 or 504 without a body", _EVERYWHERE, _bad_gateway),
    "outage": ("next to nothing works: no orders, or no reads, or neither", _EVERYWHERE, _outage),
    "overloaded": ("-1008 or EService:Busy: shed, not applied", _EVERYWHERE, _shed("overload")),
    "unavailable": ('503 "Service Unavailable" or EService:Unavailable', _EVERYWHERE,
                    _shed("unavailable")),
    "internal_error": ("-1001 or EGeneral:Internal error", _EVERYWHERE, _shed("internal")),
    "shutting_down": ("-1016: the service is no longer available", _BINANCE, _shed("closing")),
    "unknown_error": ('503 "Unknown error": it may have been applied', _EVERYWHERE,
                      _outcome_unknown("unknown")),
    "backend_timeout": ("-1007: timed out inside the venue, status unknown", _EVERYWHERE,
                        _outcome_unknown("backend_timeout")),
    "unexpected_response": ("-1006: status unknown", _BINANCE,
                            _outcome_unknown(_error(500, -1006, _BUS))),
    "clock_refused": ("-1021 although the clock is right", _BINANCE, _clock_refused),
    "bad_nonce": ("EAPI:Invalid nonce although it is new", ("kraken-spot",), _clock_refused),
    "throttled": ("EService:Throttled until an instant", ("kraken-spot",), _throttled),
    "rate_limited": ("429 with Retry-After, not by our fault", _EVERYWHERE, _rate_limited),
    "rate_limited_unsaid": ("429 without Retry-After", _BINANCE, _rate_limited_unsaid),
    "orders_limited": ("-1015: too many new orders, not by our fault", _BINANCE, _orders_limited),
    "banned": ("418 for 2 s to 2 minutes", _BINANCE, _banned),
    "address_shared": ("a stranger on our address uses up its limits", _EVERYWHERE,
                       _address_shared),
    "order_rejected": ("-2010 or EOrder: for no reason of ours", _EVERYWHERE, _order_rejected),
    "reduce_rejected": ("-2022 or -4118 while the position is there", ("binance-um",),
                        _reduce_rejected),
    "cancel_denied": ("-2011: the cancel of a living order finds none", _EVERYWHERE,
                      _cancel_denied),
    "order_denied": ("-2013: the query of a living order finds none", _EVERYWHERE, _order_denied),
    "acked_then_gone": ("acknowledged, and gone without a word", _EVERYWHERE, _acked_then_gone),
}  # fmt: skip
