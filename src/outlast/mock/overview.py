"""One instant of the exchange as JSON: what the control page shows, and the parts of it.

Everything here reads and changes nothing. What it costs does not grow with the length of the run:
open orders and the newest requests are listed, the rest is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from outlast.mock.conditions import utc
from outlast.mock.engine.model import Order, Product
from outlast.mock.run import Run
from outlast.mock.scenario.model import FaultRule, Scenario
from outlast.mock.scenario.vocabulary import (
    ALIASES,
    ENDPOINTS,
    HTML_PAGES,
    RESET_POINTS,
    UM_ONLY_ALIASES,
)
from outlast.mock.venue import Venue

if TYPE_CHECKING:
    from outlast.mock.exchange import MockExchange

__all__ = [
    "VERSION",
    "choices",
    "clock_document",
    "overview",
    "requests_document",
    "rule_row",
    "scenario_row",
]

VERSION: Final = 1
"""Of the control API's own documents."""
_OPEN_ORDERS_MAX: Final = 50
"""Open orders listed of one account, the newest; a page has no room for more, and all of them are
in the truth."""


def overview(exchange: MockExchange, *, requests: int) -> dict[str, Any]:
    """The whole of this instant, with the newest `requests` requests."""
    run = exchange.run
    return {
        "version": VERSION,
        "run": exchange.runs,
        "seed": run.scenario.seed,
        "scenario": scenario_row(run.scenario),
        "clock": clock_document(run),
        "venues": {name: _venue(run, name, venue) for name, venue in run.venues.items()},
        "status_page": run.script.status_at(run.clock.elapsed_s).page,
        "rules": _rules(run),
        "requests": requests_document(run, last=requests),
    }


# -- parts ----------------------------------------------------------------------------------------


def scenario_row(scenario: Scenario) -> dict[str, Any]:
    """What a scenario is about, and when its phases begin."""
    start_s: float = 0.0
    phases = []
    for phase in scenario.phases:
        phases.append({"name": phase.name, "start_s": start_s, "duration_s": phase.duration_s})
        start_s = round(start_s + (phase.duration_s or 0.0), 6)
    return {
        "scenario": scenario.scenario,
        "title": scenario.title,
        "venue": list(scenario.venues),
        "fidelity": scenario.fidelity,
        "incidents": list(scenario.incidents),
        "seed": scenario.seed,
        "duration_s": scenario.duration_s,
        "phases": phases,
    }


def clock_document(run: Run) -> dict[str, Any]:
    """Where the scenario is; what is left of a phase or a scenario without an end is null."""
    elapsed_s, length_s = run.clock.elapsed_s, run.scenario.duration_s
    moment = run.script.at(elapsed_s)
    phase_s = moment.phase.duration_s
    return {
        "version": VERSION,
        "elapsed_s": round(elapsed_s, 6),
        "left_s": None if length_s is None else round(max(0.0, length_s - elapsed_s), 6),
        "now_ms": run.clock.now_ms,
        "now": utc(run.clock.now_ms),
        "speed": run.clock.speed,
        "paused": run.clock.paused,
        "phase": moment.phase.name,
        "phase_index": moment.phase_index,
        "phase_left_s": (
            None if phase_s is None else round(max(0.0, phase_s - moment.phase_elapsed_s), 6)
        ),
        "ended": moment.ended,
        "notices": [{"at_ms": at_ms, "text": text} for at_ms, text in run.notices],
    }


def requests_document(
    run: Run, endpoint: str | None = None, *, last: int | None = None
) -> dict[str, Any]:
    """The settled requests and those under way, as the truth writes them."""
    waiting = [record for venue in run.venues.values() for record in venue.under_way]
    waiting.sort(key=lambda record: record.ordinal)
    return run.truth.requests_json(endpoint, last=last, waiting=waiting)


def rule_row(rule: FaultRule) -> dict[str, Any]:
    """The rule as it was understood: what it says, and the endpoint classes that it covers."""
    row: dict[str, Any] = {
        "id": rule.id,
        "match": list(rule.match),
        "endpoints": sorted(rule.endpoints),
        "p": rule.p,
    }
    parts = {
        "where": rule.where,
        "latency": rule.latency,
        "reply": rule.reply,
        "effect": rule.effect,
        "stream": rule.stream,
    }
    for name, part in parts.items():
        if part is not None:
            row[name] = _said(part)
    if rule.times is not None:
        row["times"] = rule.times
    return row


def choices(venues: Sequence[str]) -> dict[str, Any]:
    """What a rule may say about these venues, each part as it is written in one.

    Durations and shares are examples; any other may stand there.
    """
    aliases = [a for a in ALIASES if "binance-um" in venues or a not in UM_ONLY_ALIASES]
    return {
        "version": VERSION,
        "match": ["*", "orders.*", "account.*", "ws.*.connect", "ws.*.stream", *ENDPOINTS],
        "reply": [
            *aliases,
            "ok",
            "refuse",
            *({"html": page} for page in HTML_PAGES),
            {"hang": "30s"},
            *({"reset": point} for point in RESET_POINTS),
            {"dribble": {"over": "45s", "then": "cut"}},
            {"dribble": {"over": "10s", "then": "ok"}},
            {"truncate": 0.5},
            {"empty": 200},
            {"json": {}},
            {"http": {"status": 500, "body": ""}},
        ],
        "effect": [
            "none",
            "apply",
            {"apply": 0.5},
            {"apply_after": "30s"},
            {"apply_then_void": "25s"},
            {"apply_silently": True},
        ],
        "stream": [
            "mute",
            "ack_only",
            {"delay": "30s"},
            {"gap": 0.05},
            {"dup": 0.05},
            {"reorder": 0.05},
            {"bad_checksum": 0.05},
            {"crossed": 0.05},
            "frozen",
            {"close": {"code": 1006, "every": "30s"}},
            {"burst_on_resume": 1000},
            "no_pong",
            "expire_key",
        ],
    }


# -- inside ---------------------------------------------------------------------------------------


def _venue(run: Run, name: str, venue: Venue) -> dict[str, Any]:
    stage, engine = venue.stage, venue.stage.engine
    state = stage.moment.engine_on(name)
    return {
        "product": stage.product.value,
        "mode": state.mode.value,
        "shown_mode": stage.shown_mode.value,
        "matching": state.matching,
        "listening": not stage.refuses_dials(),
        "lies": list(run.truth.conditions.lies_at(run.clock.now_ms, name)),
        "markets": {
            symbol: {
                "last": f"{engine.last_price(symbol):f}",
                "mark": f"{engine.mark_price(symbol):f}" if stage.product is Product.UM else None,
                "peer": f"{engine.peer_price(symbol):f}",
            }
            for symbol in engine.instruments
        },
        "accounts": {a.name: _account(run, venue, a.name) for a in stage.keys},
    }


def _account(run: Run, venue: Venue, name: str) -> dict[str, Any]:
    engine = venue.stage.engine
    history = run.truth.history.at(venue.id, name)
    open_orders = engine.orders(name, only_open=True)
    return {
        "balances": {a: f"{b.total:f}" for a, b in engine.balances(name).items() if b.total},
        "positions": {
            symbol: {
                "qty": f"{position.qty:f}",
                "entry": _short(position.entry),
                "unrealised": _short(position.unrealised),
            }
            for symbol, position in engine.positions(name).items()
            if position.qty
        },
        "open_orders": [_order(order) for order in open_orders[-_OPEN_ORDERS_MAX:]],
        "counts": {
            "orders": len(history.orders) + history.dropped_orders if history else 0,
            "open_orders": len(open_orders),
            "fills": len(history.fills) + history.dropped_fills if history else 0,
        },
    }


def _order(order: Order) -> dict[str, Any]:
    asked = order.request
    return {
        "order_id": order.order_id,
        "client_order_id": asked.client_order_id,
        "symbol": asked.symbol,
        "side": asked.side.value,
        "type": asked.type.value,
        "qty": f"{asked.qty:f}",
        "filled_qty": f"{order.filled_qty:f}",
        "price": None if asked.price is None else f"{asked.price:f}",
        "stop_price": None if asked.stop_price is None else f"{asked.stop_price:f}",
        "reduces": asked.reduce_only or asked.close_position,
        "status": order.status.value,
        "created_ms": order.created_ms,
    }


def _rules(run: Run) -> dict[str, Any]:
    """All rules that are asked now, in the order in which they are."""
    moment, desk = run.script.at(run.clock.elapsed_s), run.desk
    of_phase = () if moment.ended else moment.phase.faults
    rows = [(rule, "adhoc") for rule in desk.added] + [(rule, "phase") for rule in of_phase]
    return {
        "phase_active": moment.faults_active,
        "admitted_share": moment.admitted_share,
        "rules": [
            {**rule_row(rule), "from": source, "used": desk.used(rule.id)} for rule, source in rows
        ],
    }


def _short(amount: Decimal) -> str:
    """To eight places, as venues print what has come of a division."""
    return f"{round(amount, 8).normalize():f}"


def _said(part: Any) -> dict[str, Any]:
    """The fields of a part of a rule that differ from their defaults."""
    said = {}
    for f in fields(part):
        value = getattr(part, f.name)
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        if f.name == "kind" or value != default:
            said[f.name] = _plain(value)
    return said


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value
