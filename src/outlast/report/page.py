"""The incident as one HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from outlast.model import OrderStatus
from outlast.report.incident import Incident, OrderStory, Span, Total

__all__ = ["render"]

_BINS: Final = 120
_ORDERS_SHOWN: Final = 500
_LANES: Final = ("trading", "account", "market_data", "new risk", "unknown orders")
"""In this order where there is anything in them; bans follow."""


@dataclass(frozen=True, slots=True)
class _Bar:
    """One state on a lane; in per cent of the whole width."""

    left: float
    width: float
    state: str
    title: str


def render(incident: Incident) -> str:
    environment = Environment(
        loader=PackageLoader("outlast.report"),
        autoescape=True,  # what the venue said is text, whatever it looks like
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"instant": _instant, "clock": _clock, "span": _span, "plain": _plain}
    bins = incident.bins(_BINS)
    notable = [story for story in incident.orders if _is_notable(story)]
    return environment.get_template("incident.html").render(
        incident=incident,
        lanes=_lanes(incident),
        bins=_columns(bins),
        busiest=max((total.well + total.failed for total in bins), default=0),
        attempts=len(incident.attempts),
        failed=sum(not well for _at, well in incident.attempts),
        notable=notable[:_ORDERS_SHOWN],
        left_out=max(0, len(notable) - _ORDERS_SHOWN),
        unknown_now=[s for s in incident.orders if s.unknown_since is not None],
    )


def _is_notable(story: OrderStory) -> bool:
    """Worth a line of its own. Plain refusals are counted under what failed."""
    is_odd = story.contradicted or story.order.status is OrderStatus.NOT_PLACED
    return bool(story.unknown_since or story.unknown_s or story.attempts > 1 or is_odd)


def _lanes(incident: Incident) -> list[tuple[str, list[_Bar]]]:
    by_lane: dict[str, list[_Bar]] = {}
    for span in incident.spans:
        by_lane.setdefault(span.lane, []).append(_bar(incident, span))
    known = [lane for lane in _LANES if lane in by_lane]
    return [(lane, by_lane[lane]) for lane in (*known, *sorted(by_lane.keys() - set(known)))]


def _bar(incident: Incident, span: Span) -> _Bar:
    whole = max(incident.ends - incident.begins, 1e-9)
    left = max(0.0, span.begins - incident.begins) / whole * 100
    right = min(1.0, (span.ends - incident.begins) / whole) * 100
    lasted = _span(span.ends - span.begins)
    title = f"{span.state}, {_clock(span.begins)} for {lasted}"
    return _Bar(left, max(0.15, right - left), span.state, f"{title}\n{span.reason}".rstrip())


def _columns(bins: Iterable[Total]) -> list[dict[str, Any]]:
    totals = list(bins)
    most = max((total.well + total.failed for total in totals), default=0) or 1
    return [
        {
            "x": index,
            "well": total.well / most * 100,
            "failed": total.failed / most * 100,
            "title": f"{_clock(total.begins)}: {total.well} well, {total.failed} failed",
        }
        for index, total in enumerate(totals)
    ]


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%H:%M:%S")


def _span(seconds: float) -> str:
    """As a person says it: 0.4 s, 12 s, 3 min 20 s, 1 h 46 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}" if amount else "0"
