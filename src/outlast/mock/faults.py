"""Which fault rule decides about one request, and what then happens.

Every chance is a pure function of the seed and of what the request is (account, endpoint class,
ordinal), never of a random stream: a run repeats exactly, and one more request of another kind
changes nothing for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from statistics import NormalDist
from typing import Any, Final

from outlast.mock.engine.model import Product
from outlast.mock.scenario.load import rule_from_data
from outlast.mock.scenario.model import (
    APPLY,
    NO_EFFECT,
    OK,
    Effect,
    FaultRule,
    Latency,
    Reply,
    StreamFault,
    Where,
)
from outlast.mock.scenario.moment import Moment
from outlast.mock.scenario.script import Script
from outlast.mock.scenario.vocabulary import REQUEST_ENDPOINTS, plain

__all__ = ["Chance", "FaultDecision", "FaultDesk", "RequestFacts"]

_REQUESTS: Final = frozenset(REQUEST_ENDPOINTS)


class Chance:
    """Chances that depend on what is asked, not on when: the same parts, the same draw."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def draw(self, *parts: str | int) -> float:
        """A number in [0, 1), evenly spread over all parts ever asked for."""
        text = "\x1f".join(str(part) for part in (self.seed, *parts))
        digest = blake2b(text.encode(), digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) / 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """What the rules may ask about one request, one handshake or one subscription."""

    venue: str
    product: Product
    endpoint: str
    """The scenario's endpoint class: `orders.create`, `ws.user.stream`, …"""
    transport: str = "rest"
    """`ws.api` for a request over a request socket: rules for `ws.api` are then about it too."""
    account: str = ""
    """Who asks: the account, or the address of one who shows no key."""
    symbol: str | None = None
    """The scenario's own key."""
    reduces: bool | None = None
    post_only: bool | None = None
    type: str | None = None
    """The order type as the venue spells it; case and dashes do not matter."""
    channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultDecision:
    """What happens to one request; shares are drawn, so `effect` is never `apply_share`."""

    rule_id: str | None = None
    """None: no rule decided, the normal answer."""
    reply: Reply = OK
    effect: Effect = APPLY
    stream: StreamFault | None = None
    latency_s: float = 0.0
    """Time in front of the engine, before effect and reply."""

    @property
    def is_normal(self) -> bool:
        """The request goes to the engine and its answer to the client."""
        return self.reply.is_normal and self.effect.kind == "apply" and self.stream is None


class FaultDesk:
    """Asks the rules of the phase, and those added while running, about each request.

    The first rule whose endpoint class, `where` and `p` hold decides. Rules with neither reply,
    effect nor stream decide nothing: they add latency and let the rules below them decide. The
    first of them that holds counts, unless the deciding rule has a latency of its own; those below
    the deciding rule are not reached, so that a rule of latency at the end slows what has passed.
    Rules that were added come first and know neither ramp nor flap. When a ramp admits a request,
    the phase's rules are not asked about it. Of a request over a socket the phase's rules for
    `ws.api` are asked before those for its endpoint class.

    It counts how often each rule has decided, for `times` and for whoever looks on, and for `nth`;
    two desks with the same seed that are asked the same decide the same.
    """

    def __init__(self, script: Script, chance: Chance) -> None:
        self._script = script
        self._chance = chance
        self._added: dict[str, FaultRule] = {}
        self._added_count = 0
        self._decided: dict[str, int] = {}  # rule id -> how often it has decided
        self._reached: dict[
            tuple[str, str, str], int
        ] = {}  # (rule id, venue, account) -> how often

    # --- rules added while running ---------------------------------------------------------------

    def add(self, rule: Mapping[str, Any]) -> str:
        """Put a rule in front of all others, the newest first; returns its id.

        Raises:
            ScenarioError: something in the rule is wrong; `.key` says where.
        """
        rule_id = f"adhoc/{self._added_count + 1}"
        made = rule_from_data(rule, scenario=self._script.scenario, rule_id=rule_id)
        self._added_count += 1
        self._added = {rule_id: made, **self._added}
        return rule_id

    def remove(self, rule_id: str) -> bool:
        """Take an added rule away; False when there is none of this id."""
        return self._added.pop(rule_id, None) is not None

    @property
    def added(self) -> tuple[FaultRule, ...]:
        """The added rules, in the order in which they are asked."""
        return tuple(self._added.values())

    def used(self, rule_id: str) -> int:
        """How often a rule has decided, or added its latency."""
        return self._decided.get(rule_id, 0)

    # --- deciding --------------------------------------------------------------------------------

    def decide(self, facts: RequestFacts, moment: Moment, ordinal: int) -> FaultDecision:
        """What happens to this request. Ask once per request: it counts for `times` and `nth`.

        `ordinal`: how many requests of this endpoint class the account has made before.
        """
        return self._decide(facts, moment, ordinal, counting=True)

    def would_accept(self, facts: RequestFacts, moment: Moment, ordinal: int) -> bool:
        """Whether such a request, made now, would reach the engine and get the normal answer.

        Only the rules are asked, not the engine's mode; nothing is counted.
        """
        return self._decide(facts, moment, ordinal, counting=False).is_normal

    def refuses_all(self, moment: Moment, *, venue: str, product: Product) -> bool:
        """Whether a venue refuses every request now (`match: "*", reply: refuse`): nothing listens.

        True only for a rule without a chance or a condition, in front of all others that decide.
        """
        phase_rules = moment.phase.faults if moment.faults_active else ()
        if moment.admitted_share > 0.0:
            phase_rules = ()
        for rule in (*self._added.values(), *phase_rules):
            where = replace(rule.where, venue=(), product=())
            is_elsewhere = (rule.where.venue and venue not in rule.where.venue) or (
                rule.where.product and product not in rule.where.product
            )
            if is_elsewhere or not rule.decides or not rule.endpoints & _REQUESTS:
                continue
            return (
                rule.reply is not None
                and rule.reply.kind == "refuse"
                and rule.endpoints >= _REQUESTS
                and rule.p >= 1.0
                and rule.times is None
                and where.asks_nothing
            )
        return False

    def _decide(
        self, facts: RequestFacts, moment: Moment, ordinal: int, *, counting: bool
    ) -> FaultDecision:
        latency: tuple[FaultRule, Latency] | None = None
        for rule in self._rules(facts, moment, ordinal):
            if not self._holds(rule, facts, ordinal, counting=counting):
                continue
            if not rule.decides:
                if latency is None and rule.latency is not None:
                    latency = (rule, rule.latency)
                    self._use(rule, counting=counting)
                continue
            self._use(rule, counting=counting)
            if rule.latency is not None:
                latency = (rule, rule.latency)
            return FaultDecision(
                rule_id=rule.id,
                reply=rule.reply or OK,
                effect=self._effect(rule, facts, ordinal),
                stream=rule.stream,
                latency_s=self._latency(latency, facts, ordinal),
            )
        return FaultDecision(latency_s=self._latency(latency, facts, ordinal))

    def _rules(self, facts: RequestFacts, moment: Moment, ordinal: int) -> Iterator[FaultRule]:
        yield from tuple(self._added.values())
        if not moment.faults_active:
            return
        if moment.admitted_share > 0.0:
            draw = self._draw("ramp", moment.phase.name, facts, ordinal)
            if draw < moment.admitted_share:
                return
        rules = moment.phase.faults
        if facts.transport == "ws.api":
            # What is said of requests over a socket goes before what is said of their class.
            rules = tuple(sorted(rules, key=lambda rule: "ws.api" not in rule.endpoints))
        yield from rules

    def _holds(self, rule: FaultRule, facts: RequestFacts, ordinal: int, *, counting: bool) -> bool:
        if facts.endpoint not in rule.endpoints and facts.transport not in rule.endpoints:
            return False
        if not _fits(rule.where, facts):
            return False
        if rule.times is not None and self._decided.get(rule.id, 0) >= rule.times:
            return False
        share = rule.where.share_of_keys
        if share is not None and self._chance.draw("key", facts.venue, facts.account) >= share:
            return False
        if rule.where.nth is not None:
            key = (rule.id, facts.venue, facts.account)
            reached = self._reached.get(key, 0) + 1
            if counting:
                self._reached[key] = reached
            if reached != rule.where.nth:
                return False
        return rule.p >= 1.0 or self._draw("p", rule.id, facts, ordinal) < rule.p

    def _use(self, rule: FaultRule, *, counting: bool) -> None:
        if counting:
            self._decided[rule.id] = self._decided.get(rule.id, 0) + 1

    def _effect(self, rule: FaultRule, facts: RequestFacts, ordinal: int) -> Effect:
        if rule.effect is None:
            return APPLY if rule.reply is None or rule.reply.is_normal else NO_EFFECT
        if rule.effect.kind != "apply_share":
            return rule.effect
        draw = self._draw("effect", rule.id, facts, ordinal)
        return APPLY if draw < rule.effect.value else NO_EFFECT

    def _latency(
        self, found: tuple[FaultRule, Latency] | None, facts: RequestFacts, ordinal: int
    ) -> float:
        if found is None:
            return 0.0
        rule, latency = found
        return latency_at(latency, self._draw("latency", rule.id, facts, ordinal))

    def _draw(self, what: str, of: str, facts: RequestFacts, ordinal: int) -> float:
        return self._chance.draw(what, of, facts.venue, facts.account, facts.endpoint, ordinal)


def _fits(where: Where, facts: RequestFacts) -> bool:
    """Whether everything holds that `where` asks of the request itself."""
    return (
        (not where.product or facts.product in where.product)
        and (not where.venue or facts.venue in where.venue)
        and (not where.symbol or facts.symbol in where.symbol)
        and _spelled_among(facts.type, where.type)
        and _spelled_among(facts.channel, where.channel)
        and (where.reduces is None or facts.reduces is where.reduces)
        and (where.post_only is None or facts.post_only is where.post_only)
    )


def _spelled_among(name: str | None, asked: tuple[str, ...]) -> bool:
    if not asked:
        return True
    return name is not None and plain(name) in [plain(word) for word in asked]


_NORMAL: Final = NormalDist()
_Z99: Final = _NORMAL.inv_cdf(0.99)


def latency_at(latency: Latency, quantile: float) -> float:
    """The latency in seconds that this share of requests stays below, at most twice the p99.

    A lognormal through the two given percentiles: waiting times have a long tail, and the few that
    wait for minutes would be another story than the scenario tells.
    """
    sigma = math.log(latency.p99_s / latency.p50_s) / _Z99
    z = _NORMAL.inv_cdf(min(max(quantile, 1e-12), 1 - 1e-12))
    return min(latency.p50_s * math.exp(sigma * z), 2 * latency.p99_s)
