"""Reading phases: lengths, settings of engine, market and account, limits, timeline and events."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import EngineMode, OrderType
from outlast.mock.scenario.document import ScenarioError, Table
from outlast.mock.scenario.model import (
    AccountSettings,
    Ban,
    Change,
    Connects,
    Depth,
    Deviation,
    EngineSettings,
    Event,
    FaultRule,
    Flap,
    LimitSettings,
    Mark,
    MarketSettings,
    Nonce,
    Phase,
    Ramp,
)
from outlast.mock.scenario.reading import (
    Fields,
    Place,
    Reader,
    declared_symbol,
    duration,
    each,
    flag,
    listed,
    money,
    money_in,
    number,
    one_of,
    positive_duration,
    share,
    since_start,
    slug,
    suggest,
    text,
    whole,
)
from outlast.mock.scenario.rules import Surroundings, note_shadowed_rules, read_rule
from outlast.mock.scenario.vocabulary import (
    BALANCE_VIEWS,
    COUNT_RULES,
    EVENT_KINDS,
    ORDER_TYPE_NAMES,
    POSITION_VIEWS,
    QUEUE_RULES,
    TRANSFERS,
    TRIGGER_RULES,
    WAVE_STARTS,
    order_type_named,
)

__all__ = ["read_limits", "read_phase"]

PHASE_KEYS: Final = (
    "name",
    "for",
    "ramp",
    "flap",
    "engine",
    "market",
    "account",
    "faults",
    "limits",
    "timeline",
    "events",
)
_REST: Final = "rest"
_MODES: Final = {mode.value: mode for mode in EngineMode}

_moved: Final = money_in(above=Decimal(-1))
"""A share by which a price moves: it can rise without limit, but not fall to nothing."""
_factor: Final = money_in(least=Decimal(0))


def read_phase(around: Surroundings) -> Reader[Phase]:
    """The reader of one phase. That `rest` comes last is for the reader of the list to see."""

    def read(place: Place) -> Phase:
        fields = place.fields(PHASE_KEYS)
        name = fields.need("name", slug, "", remedy="name the phase: `name: halt`")
        length_s = fields.need(
            "for", _length, 1.0, remedy="say how long: `for: 4m`, or `for: rest` in the last phase"
        )
        phase = Phase(
            name=name,
            duration_s=length_s,
            ramp=fields.get("ramp", _ramp, None),
            flap=fields.get("flap", _flap, None),
            engine=fields.get("engine", _engine, EngineSettings()),
            market=fields.get("market", _market, MarketSettings()),
            account=fields.get("account", _account, AccountSettings()),
            faults=fields.get("faults", _faults(around, name), ()),
            limits=fields.get("limits", read_limits, LimitSettings()),
            timeline=fields.get("timeline", each(_change), ()),
            events=fields.get("events", each(_event(around)), ()),
            line=place.node.line,
        )
        _note_misfits(fields, phase)
        return phase

    return read


def _note_misfits(fields: Fields, phase: Phase) -> None:
    """What is right in itself but does not fit this phase."""
    length_s = phase.duration_s
    if phase.ramp is not None and length_s is None:
        fields.note("a ramp needs an end to climb to", "give the phase a length", key="ramp")
    if (phase.ramp is not None or phase.flap is not None) and not phase.faults:
        key = "ramp" if phase.ramp is not None else "flap"
        fields.note("there are no faults to pass", "add `faults`, or remove it", key=key)
    for key, offsets in (
        ("timeline", [change.at_s for change in phase.timeline]),
        ("events", [event.at_s for event in phase.events]),
    ):
        if offsets != sorted(offsets):
            fields.note("the offsets are out of order", "sort them by `at`", key=key)
        if length_s is not None and any(at_s >= length_s for at_s in offsets):
            fields.note(
                "an offset lies beyond the end of the phase",
                "count from the phase's start",
                key=key,
            )
    said = [("market", phase.market)]
    said += [("timeline", change.market) for change in phase.timeline if change.market]
    for key, market in said:
        if market.drift is not None and market.over_s is None and length_s is None:
            fields.note("a drift in a phase without an end needs `over`", "add it", key=key)


def _length(place: Place) -> float | None:
    """None for `rest`."""
    if text(place) == _REST:
        return None
    return positive_duration(place)


def _ramp(place: Place) -> Ramp:
    fields = place.fields(("from", "to", "steps"))
    remedy = "write `{from: 0.1, to: 1.0, steps: 5}`"
    return Ramp(
        start=fields.need("from", share, 0.0, remedy=remedy),
        end=fields.need("to", share, 1.0, remedy=remedy),
        steps=fields.need("steps", whole(least=1, most=1000), 1, remedy=remedy),
    )


def _flap(place: Place) -> Flap:
    fields = place.fields(("good", "bad", "start"))
    remedy = "write `{good: 5m, bad: 5m, start: bad}`"
    return Flap(
        good_s=fields.need("good", positive_duration, 1.0, remedy=remedy),
        bad_s=fields.need("bad", positive_duration, 1.0, remedy=remedy),
        start=fields.get("start", one_of(WAVE_STARTS), "bad"),
    )


def _faults(around: Surroundings, phase: str) -> Reader[tuple[FaultRule, ...]]:
    def read(place: Place) -> tuple[FaultRule, ...]:
        places, rules = [], []
        for index, at in enumerate(place.items()):
            try:
                rules.append(read_rule(around, f"{phase}/{index}")(at))
            except ScenarioError as error:
                at.sheet.note(error)
                continue
            places.append(at)
        note_shadowed_rules(places, rules)
        return tuple(rules)

    return read


# --- settings ------------------------------------------------------------------------------------


def _engine(place: Place) -> EngineSettings:
    fields = place.fields(
        (
            "mode",
            "matching",
            "queue",
            "triggers",
            "liquidations",
            "fills_delay",
            "mark",
            "keep_orders",
            "silent_cancels",
            "cancel_types",
            "inband_lag",
            "history_lag",
            "clock_step",
        )
    )
    mode = fields.get("mode", one_of(tuple(_MODES)), None)
    return EngineSettings(
        mode=None if mode is None else _MODES[mode],
        matching=fields.get("matching", flag, None),
        queue=fields.get("queue", one_of(QUEUE_RULES), None),
        triggers=fields.get("triggers", one_of(TRIGGER_RULES), None),
        liquidations=fields.get("liquidations", flag, None),
        fills_delay_s=fields.get("fills_delay", since_start, None),
        mark=fields.get("mark", _mark, None),
        keep_orders=fields.get("keep_orders", _money_share, None),
        silent_cancels=fields.get("silent_cancels", flag, None),
        cancel_types=fields.get("cancel_types", _order_types, None),
        inband_lag_s=fields.get("inband_lag", since_start, None),
        history_lag_s=fields.get("history_lag", since_start, None),
        clock_step_s=fields.get("clock_step", duration, None),
    )


def _money_share(place: Place) -> Decimal:
    share(place)
    return money(place)


def _mark(place: Place) -> Mark:
    if isinstance(place.node, Table):
        fields = place.fields(("offset",))
        return Mark("offset", fields.need("offset", _moved, Decimal(0), remedy="add `offset`"))
    return Mark(one_of(("live", "frozen"))(place))


def _order_types(place: Place) -> tuple[OrderType, ...]:
    kinds: dict[OrderType, None] = {}
    for at in place.items():
        found = text(at)
        for priced in (False, True):
            kind = order_type_named(found, priced=priced)
            if kind is None:
                raise at.error(f"{found!r} is no order type", suggest(found, ORDER_TYPE_NAMES))
            kinds[kind] = None
    return tuple(kinds)


def _market(place: Place) -> MarketSettings:
    fields = place.fields(
        (
            "drift",
            "over",
            "vol_x",
            "spread_x",
            "depth_x",
            "deviate",
            "frozen",
            "reopen_gap",
        )
    )
    if "over" in fields and "drift" not in fields:
        fields.note("`over` without `drift`", "add `drift`, or remove it", key="over")
    return MarketSettings(
        drift=fields.get("drift", _moved, None),
        over_s=fields.get("over", positive_duration, None),
        vol_x=fields.get("vol_x", _factor, None),
        spread_x=fields.get("spread_x", money_in(above=Decimal(0)), None),
        depth_x=fields.get("depth_x", _depth, None),
        deviate=fields.get("deviate", _deviation, None),
        frozen=fields.get("frozen", flag, None),
        reopen_gap=fields.get("reopen_gap", _moved, None),
    )


def _depth(place: Place) -> Depth:
    """`{bid: 0.2, ask: 0.3}`, or one factor for both sides."""
    if not isinstance(place.node, Table):
        both = _factor(place)
        return Depth(both, both)
    fields = place.fields(("bid", "ask"))
    return Depth(fields.get("bid", _factor, Decimal(1)), fields.get("ask", _factor, Decimal(1)))


def _deviation(place: Place) -> Deviation:
    fields = place.fields(("by", "peak", "decay"))
    remedy = "write `{by: -0.08, peak: 6m, decay: 25m}`"
    return Deviation(
        by=fields.need("by", _moved, Decimal(0), remedy=remedy),
        peak_s=fields.need("peak", since_start, 0.0, remedy=remedy),
        decay_s=fields.need("decay", since_start, 0.0, remedy=remedy),
    )


def _account(place: Place) -> AccountSettings:
    fields = place.fields(("balances", "positions", "transfers"))
    return AccountSettings(
        balances=fields.get("balances", one_of(BALANCE_VIEWS), None),
        positions=fields.get("positions", one_of(POSITION_VIEWS), None),
        transfers=fields.get("transfers", one_of(TRANSFERS), None),
    )


# --- limits --------------------------------------------------------------------------------------


def read_limits(place: Place) -> LimitSettings:
    """`limits` of the document or of a phase."""
    fields = place.fields(("enforce", "count", "factor", "ban", "connects", "nonce"))
    return LimitSettings(
        enforce=fields.get("enforce", flag, None),
        count=fields.get("count", one_of(COUNT_RULES), None),
        factor=fields.get("factor", number(above=0.0), None),
        ban=fields.get("ban", _ban, None),
        connects=fields.get("connects", _connects, None),
        nonce=fields.get("nonce", _nonce, None),
    )


def _ban(place: Place) -> Ban:
    fields = place.fields(("after_429", "first", "grow", "max"))
    usual = Ban()
    ban = Ban(
        after_429=fields.get("after_429", whole(least=1), usual.after_429),
        first_s=fields.get("first", positive_duration, usual.first_s),
        grow=fields.get("grow", number(least=1.0), usual.grow),
        max_s=fields.get("max", positive_duration, usual.max_s),
    )
    if ban.max_s < ban.first_s:
        fields.note("the longest ban is shorter than the first", "swap the two", key="max")
    return ban


def _connects(place: Place) -> Connects:
    fields = place.fields(("max", "per", "ban"))
    remedy = "write `{max: 300, per: 5m, ban: 10m}`"
    return Connects(
        max=fields.need("max", whole(least=1), 1, remedy=remedy),
        per_s=fields.need("per", positive_duration, 1.0, remedy=remedy),
        ban_s=fields.need("ban", positive_duration, 1.0, remedy=remedy),
    )


def _nonce(place: Place) -> Nonce:
    fields = place.fields(("window", "lockout_after", "lockout"))
    remedy = "write `{window: 0, lockout_after: 20, lockout: 15m}`"
    return Nonce(
        window=fields.need("window", whole(least=0), 0, remedy=remedy),
        lockout_after=fields.need("lockout_after", whole(least=1), 1, remedy=remedy),
        lockout_s=fields.need("lockout", positive_duration, 1.0, remedy=remedy),
    )


# --- timeline and events -------------------------------------------------------------------------


def _change(place: Place) -> Change:
    fields = place.fields(("at", "engine", "market", "account"))
    if not any(key in fields for key in ("engine", "market", "account")):
        fields.note("nothing changes here", "add `engine`, `market` or `account`")
    return Change(
        at_s=fields.need("at", since_start, 0.0, remedy="say when: `at: 20m`"),
        engine=fields.get("engine", _engine, None),
        market=fields.get("market", _market, None),
        account=fields.get("account", _account, None),
    )


def _event(around: Surroundings) -> Reader[Event]:
    def read(place: Place) -> Event:
        fields = place.fields(("at", "kind", "symbols", "note", "rate", "tick"))
        event = Event(
            at_s=fields.need("at", since_start, 0.0, remedy="say when: `at: 5m`"),
            kind=fields.need(
                "kind", one_of(EVENT_KINDS), "notice", remedy=f"one of {', '.join(EVENT_KINDS)}"
            ),
            symbols=fields.get("symbols", listed(declared_symbol(around.symbols)), ()),
            note=fields.get("note", text, ""),
            rate=fields.get("rate", money, None),
            tick=fields.get("tick", money_in(above=Decimal(0)), None),
            line=place.node.line,
        )
        if "kind" not in fields:
            return event
        due, allowed = _EVENT_KEYS[event.kind]
        for key in due:
            if key not in fields:
                fields.note(f"a {event.kind} needs `{key}`", f"add `{key}`", key="kind")
        for key in ("symbols", "rate", "tick"):
            if key in fields and key not in (*due, *allowed):
                fields.note(f"a {event.kind} has no `{key}`", "remove it", key=key)
        return event

    return read


_EVENT_KEYS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    # kind: (keys it needs, keys it may have); `note` goes with every kind
    "funding": (("symbols",), ("rate",)),
    "notice": (("note",), ("symbols",)),
    "tick_size_change": (("symbols", "tick"), ()),
    "listing": (("symbols",), ()),
}
