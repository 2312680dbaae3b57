"""Faults of the venue besides its replies: engine, account, market, streams and status page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from outlast.trials.reply_faults import MAYBE_APPLIED, Builder
from outlast.trials.sketch import How, Stroke, heavy_tailed, lasting

__all__ = ["LIES", "VENUE_FAULTS"]

LIES: Final = ("balances_lied", "positions_lied")
"""Nobody can see through these without having been told the truth before: see `_FIRST_TRUTH_S`, and
the quiet opening of the trials that have them."""

_HEALTHY: Final = {"mode": "online", "queue": "reject"}
_FIRST_TRUTH_S: Final = 20.0
"""The first lie about an account comes later than the end of any opening, at 12 s."""


def _share(s: Stroke, low: float, high: float, digits: int = 3) -> str:
    """A number for money: text, since no float decides about it."""
    return f"{s.rng.uniform(low, high):.{digits}f}"


# --- the engine ----------------------------------------------------------------------------------


def _halt_then_executed(s: Stroke) -> None:
    halted = {"mode": "halted", "queue": "hold"}
    s.window("engine", halted, _HEALTHY, usual_s=12, most_s=90)


def _halt_then_cancelled(s: Stroke) -> None:
    """On resuming, a part of the resting orders is gone, told or not."""
    after = {
        **_HEALTHY,
        "keep_orders": s.rng.choice(("0", "0.3", "0.7")),
        "silent_cancels": s.rng.random() < 0.5,
    }
    s.window("engine", {"mode": "halted", "queue": "hold"}, after, usual_s=12, most_s=60)


def _halt_refusing(s: Stroke) -> None:
    mode = s.rng.choice(("halted", "maintenance"))
    s.window("engine", {"mode": mode, "queue": "reject"}, _HEALTHY, usual_s=12, most_s=90)


def _mode(*modes: str) -> Builder:
    def build(s: Stroke) -> None:
        settings: dict[str, Any] = {"mode": s.rng.choice(modes), "queue": "reject"}
        if s.rng.random() < 0.3:
            settings["inband_lag"] = lasting(heavy_tailed(s.rng, 5, 30))
        s.window("engine", settings, _HEALTHY, usual_s=15, most_s=90)

    return build


def _orders_swept(s: Stroke) -> None:
    """The venue cancels a part of the resting orders while it trades on, told or not."""
    swept = {
        "keep_orders": s.rng.choice(("0", "0.5", "0.9")),
        "silent_cancels": s.rng.random() < 0.7,
    }
    s.window("engine", swept, {"keep_orders": "1"}, usual_s=10, most_s=30)


def _fills_late(s: Stroke) -> None:
    late = {"fills_delay": lasting(heavy_tailed(s.rng, 4, 20))}
    s.window("engine", late, {"fills_delay": "0s"}, usual_s=25, most_s=120, lingers_s=20)


def _history_late(s: Stroke) -> None:
    """Queries of executions and of past orders lag behind the engine, by less than the horizon."""
    late = {"history_lag": lasting(heavy_tailed(s.rng, 2, 8))}
    s.window("engine", late, {"history_lag": "0s"}, usual_s=25, most_s=120, lingers_s=8)


def _venue_clock_off(s: Stroke) -> None:
    step_s = round(s.rng.choice((-1, 1)) * heavy_tailed(s.rng, 2, 10), 1)
    off = {"clock_step": f"{step_s}s"}
    s.window("engine", off, {"clock_step": "0s"}, usual_s=20, most_s=120)


# --- account and market --------------------------------------------------------------------------


def _lie(section: str, *views: str) -> Builder:
    def build(s: Stroke) -> None:
        lies, true = {section: s.rng.choice(views)}, {section: "true_value"}
        s.window("account", lies, true, usual_s=20, most_s=120, from_s=_FIRST_TRUTH_S)

    return build


def _rough_market(s: Stroke) -> None:
    """Volatility as on a bad day, a slide, and sometimes a jump."""
    rough: dict[str, Any] = {
        "vol_x": _share(s, 3, 15, 1),
        "spread_x": _share(s, 1, 8, 1),
        "drift": _share(s, -0.04, 0.04),
        "over": lasting(heavy_tailed(s.rng, 20, 120)),
    }
    if s.rng.random() < 0.3:
        rough["reopen_gap"] = _share(s, -0.02, 0.02)
    s.window("market", rough, {"vol_x": "1", "spread_x": "1"}, usual_s=40, most_s=200)


def _thin_book(s: Stroke) -> None:
    """So little in the book that orders are filled in part."""
    thin = {"depth_x": {"bid": _share(s, 0.0005, 0.05, 4), "ask": _share(s, 0.0005, 0.05, 4)}}
    whole = {"depth_x": {"bid": "1", "ask": "1"}}
    s.window("market", thin, whole, usual_s=25, most_s=120)


def _book_frozen(s: Stroke) -> None:
    s.window("market", {"frozen": True}, {"frozen": False}, usual_s=15, most_s=60)


def _mark_off(s: Stroke) -> None:
    mark = "frozen" if s.rng.random() < 0.5 else {"offset": _share(s, -0.06, 0.06)}
    s.window("engine", {"mark": mark}, {"mark": "live"}, usual_s=20, most_s=90)


# --- streams and the status page -----------------------------------------------------------------

_MARKET, _USER, _BOTH = "ws.market.stream", "ws.user.stream", "ws.*.stream"


def _stream(match: tuple[str, ...], *faults: Any) -> Builder:
    def build(s: Stroke) -> None:
        s.rule(s.rng.choice(match), stream=s.rng.choice(faults), how=How.MOSTLY)

    return build


def _stream_share(kind: str, *match: str) -> Builder:
    """A share of the updates is lost, doubled, swapped or falsified."""

    def build(s: Stroke) -> None:
        share = min(1.0, round(heavy_tailed(s.rng, 0.03, 0.5), 3))
        s.rule(s.rng.choice(match), stream={kind: share}, how=How.MOSTLY)

    return build


def _stream_late(s: Stroke) -> None:
    delay_s = heavy_tailed(s.rng, 4, 40)
    s.rule(
        s.rng.choice((_MARKET, _USER)),
        stream={"delay": lasting(delay_s)},
        how=How.MOSTLY,
        lingers_s=delay_s,
    )


def _stream_closed(s: Stroke) -> None:
    close = {
        "code": s.rng.choice((1000, 1001, 1006, 1011)),
        "every": lasting(max(3.0, heavy_tailed(s.rng, 15, 60))),
    }
    s.rule(s.rng.choice((_MARKET, _USER, _BOTH)), stream={"close": close}, how=How.MOSTLY)


def _stream_burst(s: Stroke) -> None:
    """Silent, and then everything at once."""
    s.rule(_USER, stream={"burst_on_resume": s.rng.choice((20, 200, 1000))}, how=How.MOSTLY)


def _stream_refused(s: Stroke) -> None:
    reply = s.rng.choice(({"http": {"status": 503}}, {"html": "cdn-502"}, {"reset": "request"}))
    s.rule("ws.*.connect", reply=reply, how=How.MOSTLY)


def _fill_unstreamed(s: Stroke) -> None:
    s.rule("orders.create", reply="ok", effect={"apply_silently": True})


def _socket(*replies: Any) -> Builder:
    """What becomes of a request by socket; nothing of it tells whether it was carried out."""

    def build(s: Stroke) -> None:
        reply, effect = s.rng.choice(replies), s.rng.choice(MAYBE_APPLIED)
        s.rule("ws.api", reply=reply, effect=effect, comes_last=True)

    return build


def _socket_swallows(s: Stroke) -> None:
    hang = {"hang": lasting(heavy_tailed(s.rng, 8, 30))}
    s.rule("ws.api", reply=hang, effect=s.rng.choice(MAYBE_APPLIED), comes_last=True)


def _status_page_wrong(s: Stroke) -> None:
    """Red while all is well, or green while nothing works: it knows nothing of either."""
    page = s.rng.choice(("degraded", "partial", "major", "maintenance"))
    _say(s, page, {"incident": "investigating"})


def _status_page_down(s: Stroke) -> None:
    if s.rng.random() < 0.5:
        _say(s, "unreachable", {})
    else:
        s.rule("status.page", reply={"hang": "20s"}, how=How.MOSTLY)


def _say(s: Stroke, page: str, keys: Mapping[str, Any]) -> None:
    safety_s = s.sketch.safety_s
    at_s = round(s.rng.uniform(0, 0.8 * safety_s), 1)
    until_s = min(round(at_s + heavy_tailed(s.rng, 30, 200), 1), safety_s)
    s.sketch.status_page.append((at_s, page, keys))
    s.sketch.status_page.append((until_s, "green", {"incident": "resolved"} if keys else {}))
    s.note(at_s, until_s)


_BINANCE: Final = ("binance-um", "binance-spot")
_EVERYWHERE: Final = (*_BINANCE, "kraken-spot")
_UM: Final = ("binance-um",)

VENUE_FAULTS: Final[Mapping[str, tuple[str, tuple[str, ...], Builder]]] = {
    # slug: (one line, the venues that have it, who draws it)
    "halt_then_executed": ("the engine stands still; what waits is executed on resuming",
                           _EVERYWHERE, _halt_then_executed),
    "halt_then_cancelled": ("the engine stands still; resting orders are gone on resuming",
                            _EVERYWHERE, _halt_then_cancelled),
    "halt_refusing": ("the engine stands still and takes nothing", _EVERYWHERE, _halt_refusing),
    "cancel_only": ("cancels pass, orders do not", _EVERYWHERE, _mode("cancel_only")),
    "post_only": ("only orders that rest pass", _EVERYWHERE, _mode("post_only")),
    "limited_mode": ("limit-only, reduce-only or an auction", _EVERYWHERE,
                     _mode("limit_only", "reduce_only", "auction")),
    "orders_swept": ("the venue cancels resting orders, told or not", _EVERYWHERE, _orders_swept),
    "fills_late": ("fills, balances and positions are reported late", _EVERYWHERE, _fills_late),
    "history_late": ("queries of executions lag behind the engine", _EVERYWHERE, _history_late),
    "venue_clock_off": ("the venue's clock is off by up to 10 s", _EVERYWHERE, _venue_clock_off),
    "balances_lied": ("balances are shown as zero, empty or old", _EVERYWHERE,
                      _lie("balances", *["zero"] * 4, *["empty"] * 3, "stale")),
    "positions_lied": ("positions are shown as zero or old", _UM,
                       _lie("positions", *["zero"] * 7, "stale")),
    "rough_market": ("prices run, slide and jump", _EVERYWHERE, _rough_market),
    "thin_book": ("orders are filled in part", _EVERYWHERE, _thin_book),
    "book_frozen": ("the venue's book stands still while the market moves", _EVERYWHERE,
                    _book_frozen),
    "mark_off": ("the mark price is frozen or wrong", _UM, _mark_off),
    "stream_closed": ("streams are closed again and again", _EVERYWHERE, _stream_closed),
    "stream_silent": ("streams say nothing, or all but the heartbeat", _EVERYWHERE,
                      _stream((_MARKET, _USER, _BOTH), "mute",
                              {"mute": {"channels": ["*"], "keep": ["heartbeat"]}})),
    "stream_acked_only": ("subscriptions are confirmed and nothing follows", _EVERYWHERE,
                          _stream((_MARKET, _USER), "ack_only")),
    "stream_no_pong": ("pings stay unanswered", _EVERYWHERE,
                       _stream((_MARKET, _USER, _BOTH), "no_pong")),
    "stream_key_expired": ("the user stream's key dies", _EVERYWHERE,
                           _stream((_USER,), "expire_key")),
    "stream_late": ("everything on a stream comes late", _EVERYWHERE, _stream_late),
    "stream_gap": ("updates are lost", _EVERYWHERE, _stream_share("gap", _MARKET, _USER)),
    "stream_doubled": ("updates come twice", _EVERYWHERE, _stream_share("dup", _MARKET, _USER)),
    "stream_reordered": ("updates come in the wrong order", _EVERYWHERE,
                         _stream_share("reorder", _MARKET, _USER)),
    "stream_bad_checksum": ("a book's checksum is wrong", ("kraken-spot",),
                            _stream_share("bad_checksum", _MARKET)),
    "stream_burst": ("held back, then all at once", _EVERYWHERE, _stream_burst),
    "stream_refused": ("the stream's handshake is refused", _EVERYWHERE, _stream_refused),
    "fill_unstreamed": ("applied, and the user stream says nothing", _EVERYWHERE,
                        _fill_unstreamed),
    "socket_swallows": ("requests by socket stay unanswered", _EVERYWHERE, _socket_swallows),
    "socket_cut": ("the socket is cut under a request", _EVERYWHERE,
                   _socket({"reset": "request"}, {"reset": "headers"})),
    "socket_garbled": ("requests by socket are answered with what nobody can read", _EVERYWHERE,
                       _socket({"html": "cdn-502"}, {"empty": 200}, {"http": {"status": 504}})),
    "status_page_wrong": ("the status page tells of trouble that is not there", _EVERYWHERE,
                          _status_page_wrong),
    "status_page_down": ("the status page does not answer", _EVERYWHERE, _status_page_down),
}  # fmt: skip
