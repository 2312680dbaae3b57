"""A few hundred requests for every fault rule of a phase, and what must be true of them.

Shares are judged by counts: a request of a class reaches rule k when no rule above it took it, so
the expected count of each rule follows from the text alone. Bounds are five sigma: of a thousand
such comparisons fewer than one in a thousand runs has one that fails by chance, and the seeds are
the scenarios' own, so a run that passes once passes always.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from scenario_text import REQUESTS, Phase, Rule, Story, seconds
from stand import HELD_AWAY, Stand
from venue_wires import NOT_ON_THE_VENUE, Sent
from wire_words import Heard, wrong

REACHED = 120
"""So many requests are to reach a rule that takes a share of them."""
TAKEN = 12
"""So many are to be taken by a rule whose effect is a share."""
FEW = 8
"""So many at least are to be taken by every rule."""
HELD = {"binance-um": 16, "binance-spot": 48, "kraken-spot": 48}
"""So many orders at most rest in an account of a sample. On futures margins are reckoned over all
of them; elsewhere many accounts, each with the scenario's own stops, would move the market."""
ENOUGH = 200
"""No more for the sake of a share that few requests reach."""
NETWORK_S = 0.15
"""Dials, requests and answers in the simulation's network take less than this."""


@dataclass(frozen=True)
class Kind:
    """One endpoint class, on `orders.create` told apart by whether the order only reduces."""

    endpoint: str
    reduces: bool | None = None


@dataclass(frozen=True)
class Chance:
    """How likely it is that a rule takes one request of a kind."""

    rule: Rule
    reached: float
    taken: float


def chances(phase: Phase, venue: str, kind: Kind, admitted: float) -> list[Chance]:
    """The rules about requests of this kind, in order: the first that holds decides."""
    left, found = 1.0 - admitted, []
    for rule in phase.rules:
        if rule.decides and rule.covers(kind.endpoint, venue, reduces=kind.reduces):
            found.append(Chance(rule, left, left * rule.share))
            left *= 1 - rule.share
    return found


def kinds(phase: Phase, venue: str) -> list[Kind]:
    """What the rules of the phase are about on this venue."""
    asks_reduces = venue == "binance-um" and any("reduces" in r.where for r in phase.rules)
    both = [Kind("orders.create", reduces=True), Kind("orders.create", reduces=False)]
    every = [Kind(name) for name in REQUESTS if name not in NOT_ON_THE_VENUE[venue]]
    for kind in both if asks_reduces else [Kind("orders.create", reduces=False)]:
        every.append(kind)
    every.remove(Kind("orders.create"))
    return [
        kind
        for kind in every
        if any(r.covers(kind.endpoint, venue, reduces=kind.reduces) for r in phase.rules)
    ]


def plan(phase: Phase, venue: str, admitted: float) -> dict[Kind, int]:
    """How many requests of each kind to send, so that every rule is reached often enough."""
    wanted = kinds(phase, venue)
    about = {kind: chances(phase, venue, kind, admitted) for kind in wanted}
    counts = dict.fromkeys(wanted, 6)
    for rule in phase.rules:
        sharing = [k for k in wanted if any(c.rule is rule for c in about[k])]
        if not sharing:
            if rule.latency is not None and not rule.decides:
                mine = [k for k in wanted if rule.covers(k.endpoint, venue, reduces=k.reduces)]
                for kind in mine:
                    counts[kind] = max(counts[kind], -(-REACHED // len(mine)))
            continue
        (example,) = (c for c in about[sharing[0]] if c.rule is rule)
        has_share = rule.effect[0] == "apply" and rule.effect[1] < 1
        fractional = rule.p < 1 or "share_of_keys" in rule.where or admitted > 0
        need = 0.0
        if fractional and example.reached:
            need = min(ENOUGH, REACHED / example.reached)
        if example.taken:
            need = max(need, (TAKEN if has_share else FEW) / example.taken)
        for kind in sharing:
            counts[kind] = max(counts[kind], math.ceil(need / len(sharing)))
    return counts


def held_for(story: Story, venue: str) -> int:
    """How many orders every account must have resting for the largest sample of the scenario."""
    most = [
        count
        for phase in story.phases
        for _, admitted in phase.ramp()
        for kind, count in plan(phase, venue, admitted).items()
        if kind.endpoint in ("orders.cancel", "orders.amend")
    ]
    return min(HELD[venue], max(most, default=1))


@dataclass
class Sample:
    """What was sent into one phase at one instant, and what came back."""

    phase: Phase
    admitted: float
    at_s: float
    mode: str
    faults: bool
    """False in the good half-wave of a flap."""
    pairs: list[tuple[Sent, Heard]]
    records: dict[str, dict[str, Any]]
    """What the mock noted of each request, by the client's tag."""


async def take(
    stand: Stand, story: Story, phase: Phase, at_s: float, *, admitted: float, faults: bool = True
) -> Sample:
    """Send what the phase's rules are about; all at once, from fresh accounts."""
    venue = stand.market.venue
    async with stand.behind_the_faults():
        bids, asks = await stand.book()
    buying = stand.market.side == "BUY"
    price = stand.market.away(bids[0][0] if buying else asks[0][0], "0.1")
    exit_price = asks[0][0] * Decimal("1.1") // stand.market.tick * stand.market.tick
    held_price = stand.market.away(stand.market.mid, HELD_AWAY) - 7 * stand.market.tick
    counts = plan(phase, venue, admitted) if faults else dict.fromkeys(kinds(phase, venue), 6)
    requests, held = [], held_for(story, venue)
    for kind, count in counts.items():
        sharded = any("share_of_keys" in rule.where for rule in phase.rules)
        per_account = 12 if sharded else held
        for first in range(0, count, per_account):
            keys = await stand.account()
            for number in range(min(per_account, count - first)):
                if kind.endpoint == "orders.create":
                    terms = {"side": "SELL", "reduceOnly": "true"} if kind.reduces else {}
                    at = exit_price if kind.reduces else price
                    requests.append(stand.new_order(keys, price=at, **terms))
                else:
                    about = f"held-{number}"
                    requests.append(stand.make(kind.endpoint, keys, order=about, price=held_price))
    pairs = await stand.ask_all(requests)
    mode = phase.part("engine").get("mode", "online") if story.fails(venue) else "online"
    tags = {sent.tag for sent, _ in pairs}
    records = {tag: record for tag, record in stand.records().items() if tag in tags}
    return Sample(phase, admitted, at_s, mode, faults, pairs, records)


# --- judging ---------------------------------------------------------------------------------


class Judge:
    """All that is wrong with one sample, in words."""

    def __init__(
        self,
        sample: Sample,
        story: Story,
        venue: str,
        orders: dict[tuple[str, str], dict[str, Any]],
    ) -> None:
        self.sample, self.story, self.venue = sample, story, venue
        self.records, self.orders = sample.records, orders
        self.phase = sample.phase
        self.problems: list[str] = []
        self.taken: Counter[str] = Counter()
        self.landed: Counter[str] = Counter()
        self.sent: Counter[Kind] = Counter()
        self.waits: dict[str, list[float]] = defaultdict(list)
        self.by_account: dict[str, Counter[str]] = defaultdict(Counter)

    def judge(self) -> list[str]:
        for sent, heard in self.sample.pairs:
            self._one(sent, heard)
        if self.sample.faults:
            self._shares()
            self._waits()
        elif self.taken:
            self._note(f"rules decided in the good half-wave: {dict(self.taken)}")
        return self.problems

    def _note(self, text: str) -> None:
        if len(self.problems) < 12:
            self.problems.append(f"{self.phase.name}: {text}")

    def _one(self, sent: Sent, heard: Heard) -> None:
        kind = Kind(sent.endpoint, sent.reduces)
        self.sent[kind] += 1
        about = [
            rule
            for rule in self.phase.rules
            if self.sample.faults and rule.covers(kind.endpoint, self.venue, reduces=kind.reduces)
        ]
        deciding = {rule.id: rule for rule in about if rule.decides}
        if [rule.reply for rule in deciding.values()] == [("refuse", None)]:
            # Nobody listens: there is nothing that could have kept a record.
            if heard.error != "refused" or sent.tag in self.records:
                self._note(f"{sent.endpoint} was not refused: {heard}")
            self.taken.update(deciding.keys())
            return
        record = self.records.get(sent.tag)
        if record is None:
            self._note(f"no record of {sent.endpoint} {sent.tag} of {sent.account}: {heard}")
            return
        named = record["rule"]
        if record["phase"] != self.phase.name or (named is not None and named not in deciding):
            self._note(f"{sent.endpoint} met {named} in {record['phase']}")
            return
        rule = deciding.get(named) if named else None
        reply = rule.reply if rule and rule.reply else ("ok", None)
        now_ms = self.story.t0_ms + round(self.sample.at_s * 1000)
        problem = wrong(
            heard,
            reply,
            venue=self.venue,
            endpoint=sent.endpoint,
            mode=self.sample.mode,
            at_ms=now_ms,
        )
        if problem:
            self._note(f"{sent.endpoint} by {named}: {problem}")
        if rule is not None:
            self.taken[rule.id] += 1
            self.by_account[sent.account][rule.id] += 1
        waited = self._wait(heard, about, rule, reply)
        self._effect(sent, heard, record, rule, waited)

    # -- latency ----------------------------------------------------------------------------------

    def _wait(
        self, heard: Heard, about: list[Rule], rule: Rule | None, reply: tuple[str, Any]
    ) -> float:
        """The time in front of the engine, as far as it can be told from outside."""
        waited = heard.seconds
        if reply[0] == "hang":
            waited -= seconds(reply[1])
        slow = rule if rule is not None and rule.latency else None
        if slow is None:
            reached = about if rule is None else about[: about.index(rule)]
            slow = next((r for r in reached if not r.decides and r.latency), None)
        if slow is None:
            if waited > NETWORK_S and reply[0] != "dribble":
                self._note(f"{waited:.3f} s for {reply}, and no latency was due")
            return 0.0
        if reply[0] != "dribble":
            self.waits[slow.id].append(waited)
        return max(0.0, waited)

    def _waits(self) -> None:
        """A lognormal through two percentiles, cut at twice the higher."""
        for rule in self.phase.rules:
            waits = self.waits.get(rule.id, [])
            if rule.latency is None or not waits:
                continue
            p50, p99 = rule.latency
            slow = waits
            if not rule.decides and (rule.p < 1 or self.sample.admitted):
                slow = [w for w in waits if w > NETWORK_S]
                due = rule.p * (1 - self.sample.admitted)
                self._compare(f"latency of {rule.id}", len(slow), len(waits), due, width=0.06)
                if due == 0:
                    continue
            if not slow:
                self._note(f"{rule.id} slowed nothing")
                continue
            count = len(slow)
            below = sum(w <= p50 + NETWORK_S / 2 for w in slow)
            self._compare(f"p50 of {rule.id}", below, count, 0.5, width=0.1)
            fast = sum(w <= p99 + NETWORK_S for w in slow)
            self._compare(f"p99 of {rule.id}", fast, count, 0.99, width=0.02)
            if max(slow) > 2 * p99 + NETWORK_S:
                self._note(f"{rule.id} took {max(slow):.1f} s, p99 is {p99:g} s")

    # -- effects ----------------------------------------------------------------------------------

    def _effect(
        self,
        sent: Sent,
        heard: Heard,
        record: dict[str, Any],
        rule: Rule | None,
        waited: float,
    ) -> None:
        kind, value = rule.effect if rule is not None else ("apply", 1.0)
        if sent.endpoint not in ("orders.create", "orders.cancel", "orders.amend"):
            return
        order = self.orders.get((sent.account, sent.order))
        at_ms = self._applied_ms(sent, record, order)
        open_to = self.sample.mode in _TAKES[sent.endpoint]
        if rule is not None and rule.reply == ("ok", None) and kind == "apply_then_void":
            if order is None or order["voided_ms"] != order["created_ms"] + 1000 * value:
                self._note(f"{sent.endpoint} by {rule.id} was not voided after {value:g} s")
            return
        if not open_to or kind == "none":
            if at_ms is not None:
                self._note(f"{sent.endpoint} by {record['rule']} landed; {self.sample.mode}")
            return
        if kind == "apply" and value < 1:
            assert rule is not None
            self.landed[rule.id] += at_ms is not None
            self.by_account[sent.account][f"{rule.id}+"] += 1
            if at_ms is None:
                return
        elif at_ms is None:
            self._note(f"{sent.endpoint} by {record['rule']} did not land: {heard}")
            return
        late_s = (at_ms - record["arrived_ms"]) / 1000
        due_s = value if kind == "apply_after" else 0.0
        if not due_s - 0.002 <= late_s <= due_s + waited + NETWORK_S:
            self._note(f"{sent.endpoint} by {record['rule']} landed after {late_s:g} s")

    def _applied_ms(
        self, sent: Sent, record: dict[str, Any], order: dict[str, Any] | None
    ) -> int | None:
        """When the engine did what was asked for, by the truth; None: never."""
        if order is None:
            return None
        if sent.endpoint == "orders.create":
            return int(order["created_ms"])
        if sent.endpoint == "orders.cancel":
            return order["ended_ms"] if order["end_reason"] == "client" else None
        if self.venue == "binance-spot":
            amended = Decimal(order["qty"]) == Decimal(sent.qty)
        else:
            amended = Decimal(order["price"]) == Decimal(sent.price)
        if amended and order["ended_ms"] is not None:
            return int(record["arrived_ms"])  # what befell it later hides when it was amended
        return int(order["changed_ms"]) if amended else None

    # -- shares -----------------------------------------------------------------------------------

    def _shares(self) -> None:
        for rule in self.phase.rules:
            if not rule.decides or not rule.classes & set(REQUESTS):
                continue
            mean = variance = 0.0
            for kind, count in self.sent.items():
                for chance in chances(self.phase, self.venue, kind, self.sample.admitted):
                    if chance.rule is rule:
                        mean += count * chance.taken
                        spread = chance.taken * (1 - chance.taken)
                        variance += count * spread * self._clumps(rule)
            if mean == 0:
                continue  # it speaks of another venue, or of a class that this one has not
            got = self.taken[rule.id]
            if abs(got - mean) > 5 * math.sqrt(variance) + 1e-6:
                self._note(f"{rule.id} took {got} of the {mean:.1f} due (variance {variance:.1f})")
            if got == 0 and mean >= 10:
                self._note(f"{rule.id} never decided")
            kind_of_effect, share = rule.effect
            if self.landed[rule.id] or (kind_of_effect == "apply" and share < 1):
                asked = sum(c[f"{rule.id}+"] for c in self.by_account.values())
                self._compare(f"landed by {rule.id}", self.landed[rule.id], asked, share)
            if "share_of_keys" in rule.where:
                self._keys(rule)

    def _clumps(self, rule: Rule) -> float:
        """Requests of one account share their fate under `share_of_keys`."""
        sharded = any("share_of_keys" in r.where for r in self.phase.rules)
        return 12.0 if sharded else 1.0

    def _keys(self, rule: Rule) -> None:
        """A share of the accounts meets the rule with `p`, the others never do."""
        creating = Counter(s.account for s, _ in self.sample.pairs if s.endpoint in rule.classes)
        hit = {account for account in creating if self.by_account[account][rule.id]}
        share = rule.where["share_of_keys"]
        self._compare(f"keys of {rule.id}", len(hit), len(creating), share)
        for account in hit:
            got = self.by_account[account][rule.id]
            self._compare(f"{account} by {rule.id}", got, creating[account], rule.p)

    def _compare(
        self, what: str, got: int, count: int, share: float, *, width: float = 0.0
    ) -> None:
        """Five sigma around the share, and `width` more where the law is only roughly known."""
        if count == 0:
            return
        sigma = math.sqrt(count * share * (1 - share))
        if abs(got - count * share) > 5 * sigma + width * count:
            self._note(f"{what}: {got} of {count}, a share of {share:g} was due")


_TAKES = {
    "orders.create": {"online", "auction"},
    "orders.amend": {"online", "auction"},
    "orders.cancel": {"online", "auction", "cancel_only", "post_only"},
}
"""In which modes the engine does what a plain client asks for; limit orders, not post-only."""
