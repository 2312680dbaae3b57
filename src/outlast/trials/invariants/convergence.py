"""Once nothing goes wrong any more, everything becomes known again (16, 18, 19)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from outlast.client.session import Session
from outlast.client.settings import Settings
from outlast.errors import StaleData
from outlast.trials.invariants.case import Case, Family
from outlast.trials.invariants.facts import Attempt, ClientFacts, Order
from outlast.trials.invariants.orders import horizon_s

__all__ = ["Convergence"]

KNOWN_WITHIN_S: Final = 30.0
"""After the horizon."""
PROOF_S: Final = {"kraken-spot": 75.0}
"""What the limits let the proof of one absence take, where they are short at all times: two rounds
of 10 points and two lookups of 5 before, of a counter that falls by a third of a point a second
(Kraken's tier `starter`). Proofs stand in line."""
FRESH_WITHIN_S: Final = 30.0
"""After the next poll."""
_POLL_JITTER: Final = 1.2
_UNSETTLED: Final = frozenset({"initialized", "submitted", "unknown"})


class Convergence(Family):
    slugs = ("intents-end", "caches-fresh", "nothing-unknown-or-orphaned")

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._since: dict[tuple[str, str], float] = {}
        """Since when an order of ours is not known, by client and id."""
        self._in_line: Counter[str] = Counter()
        """By client: the orders that were not known when faults stopped, or became so later."""
        self._silent_s: dict[tuple[str, str], float] = {}
        """How long the venue has left the request for an order unanswered, at most."""

    # Intents.

    def intended(self, c: ClientFacts, order: Order, before: Order | None) -> None:
        del before
        self._doubt((c.name, order.client_order_id))

    def _doubt(self, key: tuple[str, str]) -> None:
        if key not in self._since:
            self._since[key] = self.case.now_s
            self._in_line[key[0]] += self.case.safety_over_s is not None

    def safety_over(self) -> None:
        self._in_line = Counter(name for name, _ in self._since)

    def attempted(self, c: ClientFacts, attempt: Attempt) -> None:
        if attempt.request == "order.place" and attempt.layer == "transport":
            key = (c.name, attempt.client_order_id or "")
            silent_s = attempt.done_s - attempt.sent_s
            self._silent_s[key] = max(silent_s, self._silent_s.get(key, 0.0))

    def changed(self, c: ClientFacts, before: Order | None, after: Order, because: str) -> None:
        del because, before
        key = (c.name, after.client_order_id)
        if after.status in _UNSETTLED:
            self._doubt(key)
            return
        since_s = self._since.pop(key, None)
        if since_s is not None and self.case.safety_over_s is not None:
            self._check_end(c, after, since_s)

    def _check_end(self, c: ClientFacts, order: Order, since_s: float) -> None:
        assert self.case.safety_over_s is not None
        self.case.examined["intents-end"] += 1
        session = c.client.session
        settings = Settings() if session is None else session.settings
        healthy_s = max(self.case.safety_over_s, since_s, c.opened_s)
        silent_s = self._silent_s.get((c.name, order.client_order_id), 0.0)
        is_stuck = silent_s >= settings.settle.engine_gives_up_s
        due_s = healthy_s + horizon_s(settings, is_stuck=is_stuck) + KNOWN_WITHIN_S
        due_s += self.case.limits_take_s(c)
        due_s += self._in_line[c.name] * PROOF_S.get(c.venue, 0.0)
        if self.case.now_s > due_s:
            self.fail(
                "intents-end",
                f"{c.name}: {order} was not known from {since_s:.1f} s on; healthy since "
                f"{healthy_s:.1f} s it was due at {due_s:.1f} s",
                key=f"{c.name}/{order.client_order_id}",
            )

    # Caches.

    def looked(self, clients: Iterable[ClientFacts]) -> None:
        if self.case.safety_over_s is None:
            return
        for c in clients:
            session = c.client.session
            if session is None or c.client.is_frozen:
                continue
            poll_s = session.settings.account_poll_s * _POLL_JITTER
            due_s = max(self.case.safety_over_s, c.opened_s) + poll_s + FRESH_WITHIN_S
            due_s += self.case.limits_take_s(c)
            if self.case.now_s >= due_s:
                self._check_fresh(c, session)

    def _check_fresh(self, c: ClientFacts, session: Session) -> None:
        self.case.examined["caches-fresh"] += 1
        symbols = {action.symbol for action in c.client.plan.actions} - {""}
        looks = [("balance", name, session.balances.__getitem__) for name in session.balances]
        reads = [
            ("position", symbol, session.positions.__getitem__)
            for symbol in sorted(symbols)
            if symbol in session.instruments
        ]
        for what, name, read in [*looks, *reads]:
            try:
                read(name)
            except StaleData as error:
                self.fail(
                    "caches-fresh",
                    f"{c.name}: the {what} of {name} is still stale: {error}",
                    key=f"{c.name}/{what}/{name}",
                )

    # The end.

    def finish(self) -> None:
        if self.case.safety_over_s is None:
            return
        self.looked(self.case.clients.values())
        for c in self.case.clients.values():
            for (name, client_order_id), since_s in self._since.items():
                known = c.orders.get(client_order_id)
                if name == c.name and known is not None and known.status in _UNSETTLED:
                    self._check_end(c, known, since_s)
            session = c.client.session
            if session is not None and not c.client.is_frozen:
                self._check_orders(c, session)

    def _check_orders(self, c: ClientFacts, session: Session) -> None:
        """Compare the open orders of both sides, after the last reconcile."""
        self.case.examined["nothing-unknown-or-orphaned"] += 1
        slug = "nothing-unknown-or-orphaned"
        unknown = sorted(order.client_order_id for order in session.orders.unknown())
        if unknown:
            self.fail(slug, f"{c.name}: still unknown at the end: {', '.join(unknown)}")
        history = self.case.truth.history.at(c.venue, c.account)
        if history is None:
            return
        held = {order.client_order_id: order for order in session.orders.open()}
        held_ids = {order.venue_order_id for order in held.values()}
        at_venue = [order for order in history.orders.values() if order.is_open]
        for order in at_venue:
            name = order.client_order_id
            if name not in held and str(order.order_id) not in held_ids:
                known = session.orders.get(name)
                status = "not known" if known is None else known.status.value
                self.fail(
                    slug,
                    f"{c.name}: {order} is open at the venue and {status} in the client",
                    key=f"{c.name}/orphan/{order.order_id}",
                )
        names = {order.client_order_id for order in at_venue}
        ids = {str(order.order_id) for order in at_venue}
        for name, mine in held.items():
            if name not in names and mine.venue_order_id not in ids:
                self.fail(
                    slug,
                    f"{c.name}: {name} is held for {mine.status.value}, and not open at the venue",
                    key=f"{c.name}/ghost/{name}",
                )
