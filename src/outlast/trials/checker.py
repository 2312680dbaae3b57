"""Watches a trial and says what did not hold: the invariants of `invariants/`, after every event.

    result = run_trial(trial, watcher=Checker())

The checker keeps the facts, each family of checks looks at what concerns it. Everything is
incremental: an event costs what it changes, not what has happened before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from outlast.core.journal import decode_fields
from outlast.mock.engine.events import (
    BalanceEvent,
    EngineEvent,
    FundingEvent,
    OrderEvent,
    PositionEvent,
)
from outlast.mock.records import RequestRecord
from outlast.trials.invariants.bounds import Bounds
from outlast.trials.invariants.breakers import Breakers
from outlast.trials.invariants.case import Case, Family
from outlast.trials.invariants.convergence import Convergence
from outlast.trials.invariants.evidence import Evidence
from outlast.trials.invariants.facts import (
    Attempt,
    ClientFacts,
    Note,
    Order,
    read_attempt,
    read_order,
)
from outlast.trials.invariants.lanes import Lanes
from outlast.trials.invariants.limits import Limits
from outlast.trials.invariants.lines import (
    answer_line,
    call_line,
    note_line,
    order_line,
    request_line,
)
from outlast.trials.invariants.money import Money
from outlast.trials.invariants.orders import Orders
from outlast.trials.invariants.registry import INVARIANTS, Invariant
from outlast.trials.invariants.siblings import SiblingWatch, compare_siblings
from outlast.trials.model import Disruption, DisruptionKind, Trial, Violation
from outlast.trials.watching import Answer, Asked, Client, Ending, Watcher, World
from outlast.wire import Record

__all__ = ["Checker", "Finding", "siblings_of"]

FAMILIES: Final[tuple[type[Family], ...]] = (
    Orders,
    Limits,
    Money,
    Lanes,
    Breakers,
    Bounds,
    Evidence,
    Convergence,
)
HOOKS: Final = (
    "forgot",
    "reread",
    "opened",
    "ended",
    "noted",
    "intended",
    "changed",
    "attempted",
    "requested",
    "ordered",
    "moved",
    "asked",
    "answered",
    "disrupted",
    "looked",
    "safety_over",
    "finish",
)
"""The methods of `Family` that events call."""
LOOK_EVERY_S: Final = 1.0

_DISTURBED_FOR_S: Final = 5.0
"""How long after a disruption its traces may show: connections are dialled anew."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one invariant in one trial."""

    invariant: Invariant
    examined: int
    """How often there was something to look at. 0: the trial says nothing about it."""
    violations: int
    excused: int = 0
    """Violations of what nobody can be held to in this trial (`Trial.not_held_to`)."""

    @property
    def verdict(self) -> str:
        """`held`, `violated`, `not exercised`, `not held to` or `not applicable`."""
        if self.violations:
            return "violated"
        if self.invariant.needs:
            return "not applicable"
        if self.excused:
            return "not held to"
        return "held" if self.examined else "not exercised"


class Checker:
    """A `Watcher` that knows what must hold.

    Args:
        log: hears every event as one line.
    """

    def __init__(self, *, log: Callable[[str], None] | None = None) -> None:
        self._log = log
        self._case: Case | None = None
        self._on: dict[str, list[Callable[..., None]]] = {hook: [] for hook in HOOKS}
        self._heard: list[tuple[str, EngineEvent] | RequestRecord] = []
        """What the venues have done since the last look, in order."""
        self._next_look_s = 0.0
        self._handed_over = 0

    @property
    def case(self) -> Case:
        assert self._case is not None, "the trial has not begun"
        return self._case

    def began(self, world: World) -> None:
        case = self._case = Case(world)
        for name, client in world.clients.items():
            keys = world.mock.run.venues[client.venue].stage.keys
            secrets = [
                text.encode()
                for account in keys
                if account.name == client.account
                for text in (account.key, account.secret)
            ]
            facts = ClientFacts(
                client=client,
                name=name,
                venue=client.venue,
                account=client.account,
                mono_s=client.clock.now() - world.now_s,
                secrets=tuple(secrets),
            )
            case.clients[name] = case.by_account[client.venue, client.account] = facts
            history = case.truth.history.at(client.venue, client.account)
            for order in () if history is None else history.orders.values():
                facts.venue_orders.setdefault(order.client_order_id, []).append(order)
        self._listen_for(case)
        case.truth.traffic.listen(self._heard.append)
        for venue, served in world.mock.run.venues.items():
            served.stage.engine.listen(self._listener(venue), public_trades=False)

    def _listen_for(self, case: Case) -> None:
        """Set up the families; of each only the hooks that it overrides are called."""
        for make in FAMILIES:
            family = make(case)
            for name, hooks in self._on.items():
                if getattr(make, name) is not getattr(Family, name):
                    hooks.append(getattr(family, name))

    def _listener(self, venue: str) -> Callable[[EngineEvent], None]:
        def hear(event: EngineEvent) -> None:
            self._heard.append((venue, event))

        return hear

    # Sessions.

    def session_opened(self, client: Client) -> None:
        c = self._arrive(client)
        c.lives += 1
        c.opened_s = self.case.now_s
        self._turn_to(c, client.incarnation)
        self._say(lambda: f"{c.name} #{client.incarnation}: session open")
        for hook in self._on["opened"]:
            hook(c)

    def _turn_to(self, c: ClientFacts, incarnation: int, *, before: Record | None = None) -> None:
        """Another process has taken over: the journal is what the disk has kept of it.

        `before`: the first record that the new process has written, where it has.
        """
        if incarnation == c.incarnation:
            return
        c.incarnation, c.has_lost_records = incarnation, False
        if incarnation > 1:
            self._reread(c, None if before is None else before.seq)

    def _reread(self, c: ClientFacts, until_seq: int | None) -> None:
        orders: dict[str, Order] = {}
        kept = []
        bans = set()
        for record in c.client.disk.records():
            if record.seq == until_seq:
                break
            if record.kind in ("order.intent", "order.changed"):
                order = self._order_of(c, decode_fields(record.data)["order"])
                orders[order.client_order_id] = order
            elif record.kind == "execution":
                kept.append(decode_fields(record.data)["execution"])
            elif record.kind == "ban.began":
                bans.add(decode_fields(record.data)["until"])
        lost = set(c.intents) - set(orders)
        c.has_lost_records = bool(lost) or orders != c.orders or len(kept) != c.executions
        c.kept_bans = frozenset(bans)
        c.executions = len(kept)
        c.lost |= lost
        c.orders, c.kept_executions = orders, kept
        if c.has_lost_records:
            for hook in self._on["forgot"]:
                hook(c)
        for hook in self._on["reread"]:
            hook(c)

    def session_ended(self, client: Client, how: Ending) -> None:
        c = self._arrive(client)
        if how in (Ending.KILLED, Ending.POWER_LOST, Ending.FAILED):
            c.deaths.append(self.case.now_s)
        self._say(lambda: f"{c.name} #{client.incarnation}: session {how.value}")
        for hook in self._on["ended"]:
            hook(c, how)

    # The client's journal.

    def recorded(self, client: Client, record: Record) -> None:
        c = self._arrive(client)
        self._turn_to(c, client.incarnation, before=record)
        now_s = self.case.now_s
        note = Note(now_s, record.seq, record.kind, record.data, decode_fields(record.data))
        self._say(lambda: f"{c.name} {note_line(note)}")
        for hook in self._on["noted"]:
            hook(c, note)
        if note.kind == "attempt":
            attempt = read_attempt(note, mono_s=c.mono_s, incarnation=client.incarnation)
            if attempt.request == "instruments.read" and attempt.is_ok:
                c.note_limits_told(attempt)
            for hook in self._on["attempted"]:
                hook(c, attempt)
        elif note.kind in ("order.intent", "order.changed"):
            self._take_order(c, note)
        elif note.kind == "execution":
            c.executions += 1

    def _take_order(self, c: ClientFacts, note: Note) -> None:
        name = note.fields["order"]["client_order_id"]
        if note.kind == "order.intent":
            before = c.intents.pop(name, None)
            c.orders.pop(name, None)  # a new life, whoever had the name
            order = self._order_of(c, note.fields["order"])
            c.orders[name] = c.intents[name] = order
            for hook in self._on["intended"]:
                hook(c, order, before)
            return
        known, order = c.orders.get(name), self._order_of(c, note.fields["order"])
        c.orders[name] = order
        for hook in self._on["changed"]:
            hook(c, known, order, note.fields.get("because", ""))

    def _order_of(self, c: ClientFacts, fields: Mapping[str, object]) -> Order:
        name = str(fields["client_order_id"])
        # With a full disk an exit goes out without a word: it is known since it was first told of.
        intent = c.intents.get(name) or c.orders.get(name)
        return read_order(
            fields,
            at_s=self.case.now_s if intent is None else intent.intended_s,
            incarnation=c.client.incarnation if intent is None else intent.incarnation,
        )

    # Calls.

    def asked(self, client: Client, asked: Asked) -> None:
        c = self._arrive(client)
        c.pending[asked.number] = asked
        self._say(lambda: f"{c.name} asks ({asked.number}) {call_line(asked)}")
        for hook in self._on["asked"]:
            hook(c, asked)
        self._look()

    def answered(self, client: Client, asked: Asked, answer: Answer) -> None:
        c = self._arrive(client)
        c.pending.pop(asked.number, None)
        self._say(lambda: f"{c.name} is answered ({asked.number}) {answer_line(answer)}")
        for hook in self._on["answered"]:
            hook(c, asked, answer)
        self._look()

    # The venue, the world.

    def venue_changed(self) -> None:
        self._drain()
        self._look()

    def disrupted(self, disruption: Disruption) -> None:
        self._drain()
        c = self.case.clients[disruption.client]
        now_s = self.case.now_s
        self._note_wall(c)
        until_s = now_s + disruption.for_s
        c.troubles.append((now_s, until_s + _DISTURBED_FOR_S))
        if disruption.kind is DisruptionKind.FREEZE:
            c.freezes.append((now_s, until_s + _DISTURBED_FOR_S))
        elif disruption.kind is DisruptionKind.DISK_FULL:
            c.gaps.append((now_s, until_s))
        self._say(
            lambda: (
                f"{c.name}: {disruption.kind.value} for {disruption.for_s:g} s, by "
                f"{disruption.by_s:g} s"
            )
        )
        for hook in self._on["disrupted"]:
            hook(c, disruption)

    def safety_over(self) -> None:
        self._drain()
        self.case.safety_over_s = self.case.now_s
        self._say(lambda: "from now on nothing goes wrong")
        for hook in self._on["safety_over"]:
            hook()

    def finish(self) -> Sequence[Violation]:
        self._drain()
        self._look(now=True)
        for hook in self._on["finish"]:
            hook()
        return self._fresh_violations()

    def closed(self) -> Sequence[Violation]:
        self._drain()
        return self._fresh_violations()

    def _fresh_violations(self) -> list[Violation]:
        """What was found and not yet handed over, by time."""
        fresh = self.case.violations[self._handed_over :]
        self._handed_over = len(self.case.violations)
        return sorted(fresh, key=lambda violation: violation.at_s)

    def findings(self) -> list[Finding]:
        """What became of each invariant; a promise is as good as what it rests on."""
        case = self.case
        counts = {
            i.slug: sum(v.invariant == i.slug for v in case.violations) + case.untold[i.slug]
            for i in INVARIANTS
        }
        found = []
        for i in INVARIANTS:
            slugs = (i.slug, *i.rests_on)
            found.append(
                Finding(
                    i,
                    examined=sum(case.examined[slug] for slug in slugs),
                    violations=sum(counts[slug] for slug in slugs),
                    excused=sum(case.excused[slug] for slug in slugs),
                )
            )
        return found

    # Inside.

    def _arrive(self, client: Client) -> ClientFacts:
        """Whose event this is, with everything that came before it taken in."""
        self._drain()
        c = self.case.clients[client.name]
        self._note_wall(c)
        return c

    def _note_wall(self, c: ClientFacts) -> None:
        wall = c.client.clock.wall() - self.case.now_s
        if not c.walls or abs(wall - c.walls[-1]) > 1e-6:
            c.walls.append(wall)

    def _drain(self) -> None:
        """Take in what the venues have done, in the order in which they did it."""
        while self._heard:
            heard, self._heard[:] = list(self._heard), []
            for item in heard:
                if isinstance(item, RequestRecord):
                    self._take_request(item)
                else:
                    self._take_event(*item)

    def _take_request(self, record: RequestRecord) -> None:
        c = self.case.by_account.get((record.venue, record.account or ""))
        self._say(lambda: request_line(record))
        self.case.take_lockout(record)
        for hook in self._on["requested"]:
            hook(c, record)

    def _take_event(self, venue: str, event: EngineEvent) -> None:
        if not isinstance(event, OrderEvent | BalanceEvent | PositionEvent | FundingEvent):
            return  # of nobody's account
        c = self.case.by_account.get((venue, event.account))
        if c is None:
            return
        if isinstance(event, OrderEvent):
            self._take_order_event(c, event)
        else:
            for hook in self._on["moved"]:
                hook(c, event)

    def _take_order_event(self, c: ClientFacts, event: OrderEvent) -> None:
        order = self.case.truth.history.order(c.venue, event.order.order_id)
        if order is None:
            return
        of_name = c.venue_orders.setdefault(order.client_order_id, [])
        if not any(known is order for known in of_name):
            of_name.append(order)
        self._say(lambda: order_line(c.venue, event))
        for hook in self._on["ordered"]:
            hook(c, event, order)

    def _look(self, *, now: bool = False) -> None:
        now_s = self.case.now_s
        if not now and now_s < self._next_look_s:
            return
        self._next_look_s = now_s + LOOK_EVERY_S
        clients: Iterable[ClientFacts] = self.case.clients.values()
        for hook in self._on["looked"]:
            hook(clients)

    def _say(self, line: Callable[[], str]) -> None:
        now_s = self.case.now_s
        self.case.lines.append((now_s, line))
        if self._log is not None:
            self._log(f"{now_s:10.3f} {line()}")


def siblings_of(trial: Trial, *, play: Callable[[Trial, Watcher], object]) -> Sequence[Violation]:
    """Invariant 8: see `compare_siblings`. Costs a second run for each healthy sibling."""
    return compare_siblings(trial, play=play, watch=lambda: SiblingWatch(_attempt_of))


def _attempt_of(c: ClientFacts, record: Record) -> Attempt | None:
    fields = decode_fields(record.data)
    note = Note(c.client.clock.now() - c.mono_s, record.seq, record.kind, record.data, fields)
    return read_attempt(note, mono_s=c.mono_s, incarnation=c.client.incarnation)
