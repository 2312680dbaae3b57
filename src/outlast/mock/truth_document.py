"""The truth as JSON: the documents of `/_outlast/truth`, `/requests` and `/verdict`.

`docs/mock.md` describes them. They carry `VERSION`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from outlast.mock.conditions import utc
from outlast.mock.history import AccountHistory, OrderHistory
from outlast.mock.intents import Intent
from outlast.mock.records import RequestRecord
from outlast.mock.traffic import Traffic

if TYPE_CHECKING:
    from outlast.mock.truth import Truth

__all__ = ["VERSION", "requests_document", "truth_document", "verdict_document"]

VERSION: Final = 1
"""It grows when a field changes meaning."""


def verdict_document(truth: Truth, belief: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the scenario expects, judged, and every account's measures."""
    return {
        "version": VERSION,
        "scenario": truth.scenario.scenario,
        "seed": truth.scenario.seed,
        "at": utc(truth.now_ms),
        "verdict": truth.verdict(belief),
        "scorecards": {account: truth.scorecard(account) for account in truth.accounts()},
    }


def truth_document(truth: Truth) -> dict[str, Any]:
    """What there is on every venue, and what the clients wanted."""
    conditions, now_ms = truth.conditions, truth.now_ms
    venues: dict[str, Any] = {}
    for history in truth.history.all():
        accounts = venues.setdefault(history.venue, {"accounts": {}})["accounts"]
        accounts[history.account] = _account_json(history, now_ms)
    for name, entry in venues.items():
        entry["mode"] = conditions.modes.get(name, conditions.modes.get("", "online"))
        entry["lies"] = list(conditions.lies_at(now_ms, name))
    return {
        "version": VERSION,
        "scenario": truth.scenario.scenario,
        "seed": truth.scenario.seed,
        "at_ms": now_ms,
        "at": utc(now_ms),
        "phase": conditions.phases.last(""),
        "venues": venues,
        "intents": {
            account: [_intent_json(intent) for intent in truth.intents(account)]
            for account in truth.accounts()
        },
        "connects": [
            {"at_ms": d.at_ms, "kind": d.kind, "outcome": d.outcome, "venue": d.venue}
            for d in conditions.dials
        ],
        "not_listed": {account: _not_listed(truth, account) for account in truth.accounts()},
    }


def requests_document(
    traffic: Traffic,
    endpoint: str | None,
    *,
    last: int | None,
    waiting: Iterable[RequestRecord],
) -> dict[str, Any]:
    """The requests that are kept whole; see `Truth.requests_json`."""
    kept = traffic.kept() if last is None else traffic.newest(last, endpoint)
    return {
        "version": VERSION,
        "total": len(traffic),
        "kept": traffic.kept_count,
        "requests": [_record_json(r) for r in kept if endpoint in (None, r.endpoint)],
        "waiting": [
            {**_record_json(r), "told": None} for r in waiting if endpoint in (None, r.endpoint)
        ],
    }


def _not_listed(truth: Truth, account: str) -> dict[str, int]:
    histories = truth.history.of(account)
    return {
        "orders": sum(history.dropped_orders for history in histories),
        "fills": sum(history.dropped_fills for history in histories),
        "intents": truth.past(account).intents,
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _account_json(history: AccountHistory, now_ms: int) -> dict[str, Any]:
    return {
        "opened_ms": history.opened_ms,
        "orders": [_order_json(order) for order in history.orders.values()],
        "fills": [
            {
                "execution_id": fill.execution_id,
                "order_id": fill.order_id,
                "symbol": fill.symbol,
                "side": fill.side.value,
                "price": _text(fill.price),
                "qty": _text(fill.qty),
                "fee": _text(fill.fee),
                "fee_currency": fill.fee_currency,
                "realised_pnl": _text(fill.realised_pnl),
                "is_maker": fill.is_maker,
                "at_ms": fill.at_ms,
                "visible_ms": fill.visible_ms,
            }
            for fill in history.fills
        ],
        "positions": {s: _text(q) for s, q in history.open_positions(now_ms).items()},
        "balances": {
            currency: _text(tracked.true.at(now_ms, Decimal(0)))
            for currency, tracked in sorted(history.balances.items())
        },
    }


def _order_json(order: OrderHistory) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "qty": _text(order.qty),
        "price": _text(order.price),
        "reduces": order.reduces,
        "status": order.status.value,
        "filled_qty": _text(order.filled_qty),
        "end_reason": order.end_reason,
        "created_ms": order.created_ms,
        "changed_ms": order.changed_ms,
        "ended_ms": order.ended_ms,
        "voided_ms": order.voided_ms,
        "shown_ms": order.shown_ms,
        "triggered_from": order.triggered_from,
        "from_the_start": order.from_the_start,
    }


def _intent_json(intent: Intent) -> dict[str, Any]:
    return {
        "venue": intent.venue,
        "asks": intent.describe(),
        "client_order_ids": _distinct(
            facts.client_order_id for facts in (intent.facts, *(s.facts for s in intent.sends))
        ),
        "reduces": intent.facts.reduces,
        "first_ms": intent.first_ms,
        "told_ms": intent.told_ms(),
        "attempts": intent.attempts,
        "requests": [send.record.ordinal for send in intent.sends],
        "orders": [order.order_id for order in intent.orders],
        "duplicates": [order.order_id for order in intent.duplicates()],
    }


def _distinct(names: Iterable[str]) -> Sequence[str]:
    return list(dict.fromkeys(name for name in names if name))


def _record_json(record: RequestRecord) -> dict[str, Any]:
    return {
        "ordinal": record.ordinal,
        "venue": record.venue,
        "product": record.product,
        "endpoint": record.endpoint,
        "transport": record.transport,
        "account": record.account,
        "method": record.method,
        "path": record.path,
        "params": dict(record.params),
        "symbol": record.symbol,
        "arrived_ms": record.arrived_ms,
        "replied_ms": record.replied_ms,
        "phase": record.phase,
        "rule": record.rule,
        "reply": record.reply,
        "status": record.status,
        "code": record.code,
        "told": record.told.value,
        "effect": record.effect,
        "landed": record.landed.value,
        "limited": record.limited,
        "retry_after_s": record.retry_after_s,
        "weight": record.weight,
        "order_ids": list(record.order_ids),
        "shown": list(record.shown),
        "asked_ids": list(record.asked_ids),
        "told_absent": list(record.told_absent),
        "lied": record.lied,
    }
