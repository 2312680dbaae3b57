"""Reading fault rules: which requests they are about, and what is wrong with their parts together.

The parts themselves (reply, effect, latency, stream) are read in `replies.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from outlast.mock.engine.model import Product
from outlast.mock.scenario.document import ScenarioError
from outlast.mock.scenario.model import FaultRule, Where
from outlast.mock.scenario.reading import (
    Place,
    Reader,
    declared_symbol,
    flag,
    listed,
    share,
    suggest,
    text,
    whole,
)
from outlast.mock.scenario.replies import read_effect, read_latency, read_reply, read_stream
from outlast.mock.scenario.vocabulary import (
    CONNECT_ENDPOINTS,
    ENDPOINTS,
    PRODUCT_OF_VENUE,
    STREAM_ENDPOINTS,
    UM_ONLY_ALIASES,
    expand_pattern,
)

__all__ = ["Surroundings", "note_shadowed_rules", "read_rule"]

RULE_KEYS: Final = ("match", "where", "p", "latency", "reply", "effect", "stream", "times")
WHERE_KEYS: Final = (
    "product",
    "venue",
    "symbol",
    "type",
    "channel",
    "reduces",
    "post_only",
    "nth",
    "share_of_keys",
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a rule may refer to."""

    venues: tuple[str, ...]
    symbols: tuple[str, ...]

    @property
    def products(self) -> tuple[Product, ...]:
        return tuple(dict.fromkeys(PRODUCT_OF_VENUE[venue] for venue in self.venues))


def read_rule(around: Surroundings, rule_id: str) -> Reader[FaultRule]:
    """The reader of one rule; several things wrong with it are noted, one by one."""

    def read(place: Place) -> FaultRule:
        fields = place.fields(RULE_KEYS)
        patterns = fields.need(
            "match",
            listed(_pattern),
            (),
            remedy="name endpoint classes: `match: orders.create` or `match: [orders.*, ws.*]`",
        )
        endpoints = frozenset[str]().union(*(expand_pattern(p) for p in patterns))
        rule = FaultRule(
            id=rule_id,
            match=patterns,
            endpoints=endpoints,
            where=fields.get("where", _where(around, endpoints), Where()),
            p=fields.get("p", share, 1.0),
            latency=fields.get("latency", read_latency, None),
            reply=fields.get("reply", read_reply, None),
            effect=fields.get("effect", read_effect, None),
            stream=fields.get("stream", read_stream, None),
            times=fields.get("times", whole(least=1), None),
            line=place.node.line,
        )
        said = {"reply", "effect", "stream", "latency"} & {k for k in RULE_KEYS if k in fields}
        if not said:
            fields.note("the rule does nothing", "add `reply`, `effect`, `latency` or `stream`")
        if patterns:
            for key, problem, remedy in _contradictions(rule, around):
                fields.note(problem, remedy, key=key)
        return rule

    return read


def _pattern(place: Place) -> str:
    pattern = text(place)
    if not expand_pattern(pattern):
        raise place.error(
            f"{pattern!r} covers no endpoint class", suggest(pattern, ENDPOINTS, most=99)
        )
    return pattern


def _contradictions(rule: FaultRule, around: Surroundings) -> list[tuple[str, str, str]]:
    """(key, problem, remedy) of what is right in each part and wrong together."""
    found = []
    streams = rule.endpoints & frozenset(STREAM_ENDPOINTS)
    others = rule.endpoints - streams
    if rule.stream is not None and others:
        found.append(
            (
                "stream",
                f"{min(others)} is no running stream",
                "match ws.market.stream, ws.user.stream or ws.*.stream only",
            )
        )
    if (rule.reply is not None or rule.effect is not None) and streams:
        key = "reply" if rule.reply is not None else "effect"
        found.append(
            (key, f"{min(streams)} takes no {key}", "use `stream`, or match ws.*.connect instead")
        )
    if rule.where.channel and others:
        found.append(
            (
                "where",
                f"{min(others)} has no channel",
                "use `channel` with ws.market.stream or ws.user.stream only",
            )
        )
    if rule.reply is not None and rule.reply.kind in UM_ONLY_ALIASES:
        products = rule.where.product or around.products
        if Product.UM not in products:
            found.append(
                (
                    "reply",
                    f"{rule.reply.kind} exists on USD-M futures only",
                    "use `order_rejected`, or a scenario with binance-um",
                )
            )
    if rule.stream is None and rule.effect is not None and not others - _HANDSHAKES and others:
        found.append(("effect", "a handshake has no effect on the engine", "remove `effect`"))
    return found


_HANDSHAKES: Final = frozenset(CONNECT_ENDPOINTS)


# --- where ---------------------------------------------------------------------------------------


def _where(around: Surroundings, endpoints: frozenset[str]) -> Reader[Where]:
    def read(place: Place) -> Where:
        fields = place.fields(WHERE_KEYS)
        products = [product.value for product in around.products]
        names = fields.get("product", listed(_among_venues(products)), ())
        where = Where(
            product=tuple(Product(name) for name in names),
            venue=fields.get("venue", listed(_among_venues(around.venues)), ()),
            symbol=fields.get("symbol", listed(declared_symbol(around.symbols)), ()),
            type=fields.get("type", listed(text), ()),
            channel=fields.get("channel", listed(text), ()),
            reduces=fields.get("reduces", flag, None),
            post_only=fields.get("post_only", flag, None),
            nth=fields.get("nth", whole(least=1), None),
            share_of_keys=fields.get("share_of_keys", share, None),
        )
        asks_of_orders = [
            key
            for key, asked in (
                ("reduces", where.reduces is not None),
                ("post_only", where.post_only is not None),
                ("type", bool(where.type)),
            )
            if asked
        ]
        if endpoints and asks_of_orders and not endpoints & _ORDER_TERMS:
            fields.note(
                f"{min(endpoints)} has no order terms",
                "match orders.create or orders.amend",
                key=asks_of_orders[0],
            )
        return where

    return read


_ORDER_TERMS: Final = frozenset({"orders.create", "orders.amend", "ws.api"})


def _among_venues(known: Sequence[str]) -> Reader[str]:
    """A venue or a product that takes part in the scenario."""

    def read(place: Place) -> str:
        found = text(place)
        if found not in known:
            raise place.error(
                f"{found!r} is not among this scenario's `venue`", suggest(found, known)
            )
        return found

    return read


# --- rules against each other --------------------------------------------------------------------


def note_shadowed_rules(places: Sequence[Place], rules: Sequence[FaultRule]) -> None:
    """Note each rule that can never decide because rules above it take every such request."""
    taken: frozenset[str] = frozenset()
    for place, rule in zip(places, rules, strict=True):
        if rule.decides and rule.endpoints and rule.endpoints <= taken:
            place.sheet.note(
                ScenarioError(
                    place.sheet.file,
                    rule.line,
                    place.key,
                    "the rule never decides: rules above it take every such request",
                    "move it up, or give the rule above a `p` or a `where`",
                )
            )
        if rule.decides and rule.p == 1 and rule.where.asks_nothing and rule.times is None:
            taken |= rule.endpoints
