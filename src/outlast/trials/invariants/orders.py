"""One intent, one order; nothing repeated blindly; no verdict contradicted (1, 2, 3, P2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Final

from outlast.client.settings import Settings
from outlast.mock.engine.events import OrderEvent
from outlast.mock.history import OrderHistory
from outlast.mock.records import Landed, RequestRecord, Told
from outlast.mock.traffic import settled_ms
from outlast.model import OrderRequest
from outlast.trials.invariants.case import FILLS_LATE_MAX_S, Case, Family
from outlast.trials.invariants.facts import FINAL, Attempt, ClientFacts, Order
from outlast.trials.watching import Answer, Asked

__all__ = ["Orders", "horizon_s"]

ZERO: Final = Decimal(0)

_RANK: Final = {
    "initialized": 0,
    "submitted": 1,
    "unknown": 2,
    "accepted": 3,
    "partially_filled": 4,
    **dict.fromkeys(FINAL, 5),
}
_HELD_FOR_NOTHING: Final = frozenset({"denied", "rejected", "not_placed"})
_SEEN_AT_VENUE: Final = frozenset({"accepted", "partially_filled", "filled", "canceled", "expired"})
_ENGINE_WORK: Final = frozenset({"orders.create", "orders.cancel", "orders.cancel_all"})
"""What the matching engine itself must answer."""
_EXIT_LOOKBACK_S: Final = 150.0
"""How old the position may be that an exit is sized by: as old as one that can be read as fresh."""


def horizon_s(settings: Settings, *, is_stuck: bool = False) -> float:
    """How long after its sending an order can still appear, as the client itself declares it.

    `is_stuck`: the venue left its own request unanswered for longer than it gives itself.
    """
    settle = settings.settle
    longest_s = settle.stuck_s if is_stuck else settle.engine_gives_up_s
    return settings.valid_for_s + longest_s + settle.margin_s


_Shape = tuple[str, str, str, Decimal, Decimal | None]


@dataclass(slots=True)
class _Sends:
    """What is known of the requests for one client order id."""

    records: list[RequestRecord] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(slots=True)
class _ExitPair:
    """An exit beside others that are more than the position, as far as the truth knows of it."""

    c: ClientFacts
    order: Order
    live: Decimal
    at_s: float
    events: tuple[str, ...] = ()


class Orders(Family):
    slugs = (
        "one-order-per-intent",
        "no-blind-repeat",
        "verdicts-stand",
        "p2-unknown-ends-by-proof",
    )

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._sends: dict[tuple[str, str], _Sends] = {}
        self._absent: dict[tuple[str, str], list[float]] = {}
        """By client and client order id: when a question by the venue's id found no such order."""
        self._fences: dict[tuple[str, str], list[float]] = {}
        """By client and symbol: when requests arrived that the engine itself has answered."""
        self._suspects: list[_ExitPair] = []
        self._asked: dict[tuple[str, int], Counter[_Shape]] = {}
        """By client and incarnation: orders that the strategy asked for and no intent answers."""

    # One order per intent.

    def asked(self, c: ClientFacts, asked: Asked) -> None:
        if asked.order is not None:
            self._open_asks(c, asked.incarnation)[_shape_of_request(c, asked.order)] += 1

    def answered(self, c: ClientFacts, asked: Asked, answer: Answer) -> None:
        del answer
        if asked.order is not None:
            asks = self._open_asks(c, asked.incarnation)
            shape = _shape_of_request(c, asked.order)
            # It made its intent, or never will: after the answer nobody may act on it.
            if asks[shape] > self._still_asking(c, asked.incarnation, shape):
                asks[shape] -= 1

    def intended(self, c: ClientFacts, order: Order, before: Order | None) -> None:
        del before  # an id that was used before is the crash family's affair
        self.case.examined["one-order-per-intent"] += 1
        asks = self._open_asks(c, order.incarnation)
        shape = _shape_of_order(order)
        if asks[shape] > 0:
            asks[shape] -= 1
        elif not (order.reduce_only and self._is_exit(c, order)):
            self.fail(
                "one-order-per-intent",
                f"{c.name}: intent {order} answers no call of the strategy: one call has made two "
                "intents, or nobody asked for it",
                key=order.client_order_id,
            )
        if order.reduce_only:
            self._check_exits(c, order)

    def _open_asks(self, c: ClientFacts, incarnation: int) -> Counter[_Shape]:
        return self._asked.setdefault((c.name, incarnation), Counter())

    def _still_asking(self, c: ClientFacts, incarnation: int, shape: _Shape) -> int:
        return sum(
            asked.order is not None
            and asked.incarnation == incarnation
            and _shape_of_request(c, asked.order) == shape
            for asked in c.pending.values()
        )

    def _is_exit(self, c: ClientFacts, order: Order) -> bool:
        return any(
            asked.call == "close_position" and asked.symbol in ("", order.symbol)
            for asked in c.pending.values()
        )

    def _check_exits(self, c: ClientFacts, order: Order) -> None:
        """The live exits of a position never sum to more than it, nor two of them to more."""
        others = [
            other.leaves_qty
            for other in c.orders.values()
            if other.reduce_only
            and not other.is_external
            and other.client_order_id != order.client_order_id
            and (other.symbol, other.side) == (order.symbol, order.side)
        ]
        live = sum(others, ZERO)
        if live == 0:
            return
        pair = _ExitPair(c, order, live, self.case.now_s)
        if live + order.qty > self._held_at_most(pair):
            pair.events = self.case.last_events()
            self._suspects.append(pair)

    def _held_at_most(self, pair: _ExitPair) -> Decimal:
        """How large the position was that the two exits were sized by."""
        c = pair.c
        history = self.case.truth.history.at(c.venue, c.account)
        symbol = self.case.truth.traded_as(c.venue, pair.order.symbol)
        tracked = None if history is None else history.positions.get(symbol)
        if tracked is None:
            return ZERO
        at_ms = self.case.at_ms(pair.at_s)
        since_ms = at_ms - round(_EXIT_LOOKBACK_S * 1000)
        return max(abs(qty) for qty in tracked.true.within(since_ms, at_ms, ZERO))

    def looked(self, clients: Iterable[ClientFacts]) -> None:
        del clients
        self._judge_suspects()

    def finish(self) -> None:
        self._judge_suspects(all_of_them=True)

    def _judge_suspects(self, *, all_of_them: bool = False) -> None:
        """The client may have been shown a fill that the truth is told of later."""
        waiting, self._suspects = self._suspects, []
        for pair in waiting:
            held = self._held_at_most(pair)
            if pair.live + pair.order.qty <= held:
                continue
            if self.case.now_s < pair.at_s + FILLS_LATE_MAX_S and not all_of_them:
                self._suspects.append(pair)
                continue
            self.fail(
                "one-order-per-intent",
                f"{pair.c.name}: exit {pair.order} joins live exits of {pair.live}: together more "
                f"than the position, which was {held} at most",
                key=pair.order.client_order_id,
                at_s=pair.at_s,
                events=pair.events,
            )

    def ordered(self, c: ClientFacts, event: OrderEvent, order: OrderHistory) -> None:
        name = order.client_order_id
        if name and order.triggered_from is None and not order.from_the_start:
            self._check_namesakes(c, name)
            known = c.orders.get(name)
            if known is not None and known.status in _HELD_FOR_NOTHING and not known.is_external:
                self._contradicted(c, known)

    def _check_namesakes(self, c: ClientFacts, name: str) -> None:
        made = [o for o in c.made_at_venue(name) if o.existed and o.triggered_from is None]
        gone = [order for order, following in pairwise(made) if _gone_before(order, following)]
        lasting = [order for order in made if not any(order is other for other in gone)]
        if len(lasting) < 2 or self._venue_lied(c, name):
            return
        self.fail(
            "one-order-per-intent",
            f"{c.name}: {len(lasting)} orders of one intent: " + "; ".join(map(str, lasting)),
            key=name,
        )

    # No blind repeat.

    def requested(self, c: ClientFacts | None, record: RequestRecord) -> None:
        if record.endpoint in _ENGINE_WORK and record.told is not Told.AMBIGUOUS:
            # A cancel by id names no symbol on Kraken: there is one engine to answer it. Whose it
            # was the truth does not know where our clock was wrong, and the answer came all the
            # same.
            arrived_s = self.case.at_s(record.arrived_ms)
            asking = [c] if c is not None else self.case.clients.values()
            for client in asking:
                if client.venue == record.venue:
                    key = (client.name, record.symbol or "")
                    self._fences.setdefault(key, []).append(arrived_s)
        if c is None:
            return
        if record.endpoint == "orders.query" and record.told is Told.REFUSED:
            self._note_absent(c, record)
        if record.endpoint != "orders.create":
            return
        creates = (record.create,) if record.create is not None else record.batch
        for create in creates:
            if not create.client_order_id:
                continue
            sends = self._of(c, create.client_order_id)
            sends.records.append(record)
            self.case.examined["no-blind-repeat"] += 1
            if len(sends.records) > 1:
                self._check_records(c, create.client_order_id, sends.records)

    def _note_absent(self, c: ClientFacts, record: RequestRecord) -> None:
        """Kraken is asked by its own id for an order that it had acknowledged.

        The truth notes absence by client order id, which such a question does not name.
        """
        asked_for = record.params.get("txid")
        for order in c.orders.values() if asked_for and record.reply == "ok" else ():
            if order.venue_order_id == asked_for:
                told_s = self.case.at_s(settled_ms(record))
                self._absent.setdefault((c.name, order.client_order_id), []).append(told_s)

    def _check_records(self, c: ClientFacts, name: str, records: list[RequestRecord]) -> None:
        """By the venue's account: each but the last was refused before the next one came."""
        ordered = sorted(records, key=lambda r: (r.arrived_ms, r.ordinal))
        for earlier, later in pairwise(ordered):
            was_refused = earlier.told is Told.REFUSED and settled_ms(earlier) <= later.arrived_ms
            if not was_refused:
                self.fail(
                    "no-blind-repeat",
                    f"{c.name}: request {later.ordinal} sends order {name} again, though request "
                    f"{earlier.ordinal} was answered {earlier.reply!r} ({earlier.told.value}) "
                    f"{'before' if settled_ms(earlier) <= later.arrived_ms else 'after'} it came",
                    key=f"{name}/{later.ordinal}",
                )

    def attempted(self, c: ClientFacts, attempt: Attempt) -> None:
        if attempt.request != "order.place" or attempt.client_order_id is None:
            return
        sends = self._of(c, attempt.client_order_id)
        for other in sends.attempts:
            earlier, later = sorted((other, attempt), key=lambda a: a.sent_s)
            was_known = earlier.outcome in ("not_sent", "refused")
            if not was_known or later.sent_s < earlier.done_s:
                self.fail(
                    "no-blind-repeat",
                    f"{c.name}: {later} repeats {earlier}, which was over at "
                    f"{earlier.done_s:.3f} s and not known to have had no effect",
                    key=f"{attempt.client_order_id}/{later.sent_s}",
                )
        sends.attempts.append(attempt)

    # Verdicts.

    def changed(self, c: ClientFacts, before: Order | None, after: Order, because: str) -> None:
        self.case.examined["verdicts-stand"] += 1
        if before is not None and before.status != after.status:
            self._check_step(c, before, after)
        if before is not None and after.filled_qty < before.filled_qty:
            self.fail("verdicts-stand", f"{c.name}: the fills of {before} went back to {after}")
        if after.status in _SEEN_AT_VENUE:
            self._check_seen(c, after)
        elif after.status in _HELD_FOR_NOTHING and not after.is_external:
            self._contradicted(c, after)
        if after.status == "not_placed" and (before is None or before.status != "not_placed"):
            self._check_proof(c, after, because)

    def _check_step(self, c: ClientFacts, before: Order, after: Order) -> None:
        old, new = _RANK[before.status], _RANK[after.status]
        doubted = before.status in ("accepted", "partially_filled") and after.status == "unknown"
        if before.status in FINAL:
            crossed = before.status in ("canceled", "expired") and after.status == "filled"
            if crossed and self._is_filled(c, after):
                return  # the fill crossed the cancel on the wire, and the venue agrees
            if before.status in _HELD_FOR_NOTHING and self._is_excused(c, before):
                return
            self.fail(
                "verdicts-stand",
                f"{c.name}: {before} had ended, and now it is {after.status} "
                f"({self._at_venue(c, after)})",
                key=f"{after.client_order_id}/{before.status}",
            )
        elif new < old and not doubted:
            self.fail("verdicts-stand", f"{c.name}: {before} went back to {after.status}")

    def _check_seen(self, c: ClientFacts, after: Order) -> None:
        """What is held for live, filled or ended is so, or was."""
        made = self._named(c, after)
        if not made:
            problem = "the venue never had it"
        elif after.filled_qty > max(order.filled_qty for order in made):
            problem = "more than was ever filled"
        elif after.status == "filled" and not self._is_filled(c, after):
            problem = "it is not filled"
        elif after.status in ("canceled", "expired") and all(order.is_open for order in made):
            problem = "it is still open"
        else:
            return
        self.fail(
            "verdicts-stand",
            f"{c.name}: {after}, but at the venue {problem} ({self._at_venue(c, after)})",
            key=f"{after.client_order_id}/{after.status}/{after.filled_qty}",
        )

    def _contradicted(self, c: ClientFacts, order: Order) -> None:
        """Held for refused or absent: the venue must have had no such order, then and later."""
        existing = [
            made
            for made in c.made_at_venue(order.client_order_id)
            if made.existed and not made.vanished and not made.from_the_start
        ]
        if existing and not self._is_excused(c, order):
            self.fail(
                "verdicts-stand",
                f"{c.name}: {order} is held for {order.status}, but the venue has {existing[0]}",
                key=f"{order.client_order_id}/{order.status}",
            )

    def _is_excused(self, c: ClientFacts, order: Order) -> bool:
        """The venue did what it rules out itself: it applied what it had refused, or too late."""
        if self._venue_lied(c, order.client_order_id):
            return True
        arrivals = [record.arrived_ms for record in self._arrived(c, order.client_order_id)]
        made = c.made_at_venue(order.client_order_id)
        if not arrivals or not made or order.status != "not_placed":
            return False
        session = c.client.session
        limit_s = horizon_s(Settings() if session is None else session.settings)
        lag_s = (made[-1].created_ms - max(a for a in arrivals if a <= made[-1].created_ms)) / 1000
        return lag_s > limit_s

    def _venue_lied(self, c: ClientFacts, name: str) -> bool:
        sends = self._sends.get((c.name, name))
        return sends is not None and any(
            record.told is Told.REFUSED and record.landed is not Landed.NO
            for record in sends.records
        )

    def _arrived(self, c: ClientFacts, name: str) -> Iterator[RequestRecord]:
        """The requests for an id, those that nobody has answered yet included."""
        sends = self._sends.get((c.name, name))
        if sends is not None:
            yield from sends.records
        for record in self.case.world.mock.run.venues[c.venue].under_way:
            creates = (record.create,) if record.create is not None else record.batch
            if any(create.client_order_id == name for create in creates):
                yield record

    def _check_proof(self, c: ClientFacts, after: Order, because: str) -> None:
        """An answer of the venue, later than the order can still appear, said that it has none."""
        self.case.examined["p2-unknown-ends-by-proof"] += 1
        name = after.client_order_id
        session = c.client.session
        settings = Settings() if session is None else session.settings
        sent_s = [attempt.sent_s for attempt in self._of(c, name).attempts]
        sent_s += [self.case.at_s(record.arrived_ms) for record in self._arrived(c, name)]
        intent = c.intents.get(name)
        last_s = max(sent_s, default=after.intended_s if intent is None else intent.intended_s)
        due_s = last_s + settings.valid_for_s
        told = [
            at_s
            for at_ms in self.case.truth.absent_times(c.account, c.venue, name)
            if (at_s := self.case.at_s(at_ms)) >= due_s
        ]
        told += [at_s for at_s in self._absent.get((c.name, name), ()) if at_s >= due_s]
        if not told:
            self.fail(
                "p2-unknown-ends-by-proof",
                f"{c.name}: {after} was held for not placed (because: {because}), but no answer "
                f"after {due_s:.3f} s, until when it could still arrive, said that there is none",
                key=name,
            )
            return
        symbol = self.case.truth.traded_as(c.venue, after.symbol)
        fences = [at_s for of in (symbol, "") for at_s in self._fences.get((c.name, of), ())]
        if not any(at_s >= due_s for at_s in fences):
            self.fail(
                "p2-unknown-ends-by-proof",
                f"{c.name}: {after} was held for not placed (because: {because}), but the engine "
                f"has answered nothing on {symbol} that came after {due_s:.3f} s: it may still "
                "stand in its queue",
                key=name,
            )

    # Helpers.

    def _of(self, c: ClientFacts, name: str) -> _Sends:
        return self._sends.setdefault((c.name, name), _Sends())

    def _named(self, c: ClientFacts, order: Order) -> list[OrderHistory]:
        made = c.made_at_venue(order.client_order_id)
        if made or order.venue_order_id is None:
            return made
        # An order without a client id of its own has at the client a name that the venue made up.
        return [o for o in c.made_at_venue("") if str(o.order_id) == order.venue_order_id] or [
            o
            for orders in c.venue_orders.values()
            for o in orders
            if str(o.order_id) == order.venue_order_id
        ]

    def _is_filled(self, c: ClientFacts, order: Order) -> bool:
        return any(made.filled_qty >= order.qty for made in self._named(c, order))

    def _at_venue(self, c: ClientFacts, order: Order) -> str:
        return "; ".join(map(str, self._named(c, order))) or "no such order"


def _gone_before(order: OrderHistory, following: OrderHistory) -> bool:
    """It had vanished without a fill before the next one: the venue itself had proved it absent."""
    if not order.vanished or order.voided_ms is None:
        return False
    return order.voided_ms <= following.created_ms


def _shape_of_order(order: Order) -> _Shape:
    return (order.symbol, order.side, order.order_type, order.qty, order.price)


def _shape_of_request(c: ClientFacts, request: OrderRequest) -> _Shape:
    session = c.client.session
    symbol = request.symbol
    if session is not None and symbol in session.instruments:
        symbol = session.instruments[symbol].symbol
    return (symbol, request.side.value, request.order_type.value, request.qty, request.price)
