"""Events of a trial as lines for people: what a violation shows as the last that happened."""

from __future__ import annotations

from outlast.mock.engine.events import OrderEvent
from outlast.mock.records import RequestRecord
from outlast.trials.invariants.facts import Note
from outlast.trials.watching import Answer, Asked

__all__ = ["answer_line", "call_line", "note_line", "order_line", "request_line"]


def note_line(note: Note) -> str:
    """One journal record, in a line."""
    fields = note.fields
    head = f"journal #{note.seq} {note.kind}"
    if note.kind in ("order.intent", "order.changed"):
        order = fields["order"]
        because = fields.get("because", "")
        return (
            f"{head}: {order['client_order_id']} {order['side']} {order['qty']} {order['symbol']} "
            f"{order['status']}, {order.get('filled_qty', 0)} filled {because}".rstrip()
        )
    if note.kind == "attempt":
        failure = fields["failure"]
        end = "ok" if failure is None else f"{failure['kind']} ({failure['outcome']})"
        name = fields["client_order_id"] or ""
        return (
            f"{head}: {fields['request']} {name} [{fields['lane']}] no. {fields['number']}: {end}"
        )
    told = {key: value for key, value in fields.items() if not isinstance(value, dict | list)}
    return f"{head}: " + ", ".join(f"{key}={value}" for key, value in told.items())


def call_line(asked: Asked) -> str:
    """What a strategy asks for."""
    words = [asked.call, asked.client_order_id or asked.symbol]
    order = asked.order
    if order is not None:
        words.append(f"{order.side.value} {order.qty} {order.order_type.value}")
        words.append("" if order.price is None else f"at {order.price}")
    return " ".join(word for word in words if word)


def answer_line(answer: Answer) -> str:
    """What it got."""
    if answer.error is not None:
        return f"{answer.end.value} {type(answer.error).__name__}: {answer.error}"
    return f"{answer.end.value} {answer.value!r}"[:200]


def request_line(record: RequestRecord) -> str:
    """One request at the venue, when it is settled."""
    names = [record.create.client_order_id] if record.create is not None else record.asked_ids
    whose = record.account or "nobody"
    return (
        f"{record.venue} request {record.ordinal} of {whose}: {record.method} {record.path} "
        f"{' '.join(names)} → {record.reply} ({record.told.value}, landed {record.landed.value})"
    )


def order_line(venue: str, event: OrderEvent) -> str:
    """One change of an order at the venue."""
    order = event.order
    return (
        f"{venue} order {order.order_id} ({order.request.client_order_id}) {event.kind.value}: "
        f"{order.status.value}, {order.filled_qty:f} of {order.request.qty:f} filled"
    )
