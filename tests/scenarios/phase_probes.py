"""A look behind the faults: what the engine does, and what the venue says of itself.

Every probe gives what is wrong, in words; nothing where all is as the phase says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from scenario_text import Phase, Story, seconds
from stand import Stand
from venue_wires import Keys
from wire_client import Heard

# What a mode lets through: a plain limit order, one that only makes, a market order, a cancel.
# Source: Kraken support, "What are the possible trading modes"; Binance documents symbol statuses
# only, where a closed market takes nothing. A halted or closed engine cancels nothing either.
PASSES: dict[str, set[str]] = {
    "online": {"limit", "maker", "market", "cancel"},
    "cancel_only": {"cancel"},
    "post_only": {"maker", "cancel"},
    "auction": {"limit", "maker", "cancel"},
    "maintenance": set(),
    "halted": set(),
}
REFUSALS = {
    "binance-um": {
        "cancel_only": {-4140},
        "halted": {-4140, -4141},
        "maintenance": {-4140, -4141},
        "post_only": {-4088},
        "auction": {-4140},
    },
    "binance-spot": {
        mode: {-1013, -2010, -2011} for mode in ("cancel_only", "halted", "maintenance")
    },
    "kraken-spot": {
        "cancel_only": {"EService:Market in cancel_only mode"},
        "halted": {"EService:Unavailable"},
        "maintenance": {"EService:Unavailable"},
        "post_only": {"EService:Market in post_only mode"},
        "auction": {"EService:Market in post_only mode"},
    },
}
SAID_BY_SYSTEM = {"maintenance", "cancel_only", "post_only"}
"""The modes that SystemStatus has a word for; a halt is announced by nobody."""


def settings(phase: Phase, part: str, at_s: float) -> dict[str, Any]:
    """What the phase says of this part at an instant, its timeline included."""
    said = dict(phase.part(part))
    for change_s, change in phase.changes():
        if change_s <= at_s and part in change:
            said |= change[part]
    return said


def engine_of(story: Story, venue: str, phase: Phase, at_s: float) -> dict[str, Any]:
    return settings(phase, "engine", at_s) if story.fails(venue) else {}


async def look(stand: Stand, story: Story, phase: Phase) -> list[str]:
    """All probes of one instant."""
    at_s = stand.clock.elapsed_s
    engine = engine_of(story, stand.market.venue, phase, at_s)
    problems: list[str] = []
    async with stand.behind_the_faults():
        for probe in (modes, clock, lies, marks, frozen):
            async for problem in probe(stand, phase, engine, at_s):
                problems.append(f"{phase.name} at {at_s:g} s: {probe.__name__}: {problem}")
    return problems


def refused(heard: Heard) -> Any:
    """The venue's code or words of a refusal; None for success."""
    body = heard.json
    if isinstance(body, dict) and "error" in body:
        return body["error"][0] if body["error"] else None
    return None if heard.status == 200 else body["code"]


# --- the engine's mode ---------------------------------------------------------------------------


async def modes(
    stand: Stand, phase: Phase, engine: dict[str, Any], at_s: float
) -> AsyncIterator[str]:
    """What is taken and what is refused, in which words; and that nothing matches if it should not.

    Codes of Binance's refusals are those of a symbol that does not trade.
    """
    mode, venue = engine.get("mode", "online"), stand.market.venue
    keys = await stand.account()
    bids, asks = await stand.book()
    buying = stand.market.side == "BUY"
    resting = stand.market.away(bids[0][0] if buying else asks[0][0], "0.1")
    asked = {
        "limit": stand.new_order(keys, price=resting),
        "maker": stand.new_order(keys, price=resting, **MAKER[venue]),
        "market": stand.new_order(keys, **MARKET[venue]),
        "cancel": stand.make("orders.cancel", keys, order="held-0"),
    }
    passes = PASSES[mode]
    if engine.get("matching") is False:
        passes = passes - {"market"}
    answers = {kind: refused(await stand.ask(sent)) for kind, sent in asked.items()}
    for kind, refusal in answers.items():
        if (refusal is None) != (kind in passes):
            yield f"{mode}: a {kind} order got {refusal!r}"
        elif refusal is not None and refusal not in REFUSALS[venue].get(mode, {refusal}):
            yield f"{mode}: a {kind} order was refused with {refusal!r}"
    orders = stand.orders_of(keys)
    for kind in ("limit", "maker", "market"):
        order = orders.get(asked[kind].order)
        if (order is not None) != (answers[kind] is None):
            yield f"{mode}: the answer to a {kind} order is not what happened"
    market = orders.get(asked["market"].order)
    late = seconds(engine.get("fills_delay", "0s")) > 0  # then fills are no one's news yet
    if "market" in passes and not late and market and market.filled_qty == 0:
        yield "a market order did not trade"
    async for problem in _status(stand, mode, engine, at_s - phase.start_s):
        yield problem


MAKER = {
    "binance-um": {"timeInForce": "GTX"},
    "binance-spot": {"type": "LIMIT_MAKER", "timeInForce": None},
    "kraken-spot": {"oflags": "post"},
}
MARKET = {
    "binance-um": {"type": "MARKET", "timeInForce": None},
    "binance-spot": {"type": "MARKET", "timeInForce": None},
    "kraken-spot": {"ordertype": "market"},
}


async def _status(
    stand: Stand, mode: str, engine: dict[str, Any], since_s: float
) -> AsyncIterator[str]:
    """The venue's own word: on Kraken as late as the scenario says, on Binance for maintenance."""
    heard = await stand.ask(stand.make("system.status"))
    if stand.market.venue != "kraken-spot":
        due = 1 if mode == "maintenance" else 0
        if heard.json["status"] != due:
            yield f"{mode}: the system status is {heard.json}"
        return
    lag_s = seconds(engine.get("inband_lag", "0s"))
    said = heard.json["result"]["status"]
    if since_s >= lag_s:
        due = mode if mode in SAID_BY_SYSTEM else "post_only" if mode == "auction" else "online"
        if said != due:
            yield f"{mode}: SystemStatus says {said!r}"
    elif said == mode:
        yield f"SystemStatus says {said!r} after {since_s:g} s, {lag_s:g} s were due"


async def clock(
    stand: Stand, phase: Phase, engine: dict[str, Any], at_s: float
) -> AsyncIterator[str]:
    """The venue's clock, off by `clock_step`."""
    step_s = seconds(engine.get("clock_step", "0s"))
    heard = await stand.ask(stand.make("time"))
    body = heard.json
    told_s = body["serverTime"] / 1000 if "serverTime" in body else body["result"]["unixtime"]
    off_s = told_s - stand.clock.now_ms / 1000
    if abs(off_s - step_s) > 1.1:
        yield f"the clock is off by {off_s:.1f} s, {step_s:g} s were due"


# --- accounts ------------------------------------------------------------------------------------


async def lies(
    stand: Stand, phase: Phase, engine: dict[str, Any], at_s: float
) -> AsyncIterator[str]:
    """A trade, and what the venue says of balances and positions before and after it."""
    said = settings(phase, "account", at_s)
    keys = await stand.account()
    before = await _holdings(stand, keys)
    trading = engine.get("mode", "online") == "online" and engine.get("matching") is not False
    if trading:
        bought = stand.new_order(keys, **MARKET[stand.market.venue])
        heard = await stand.ask(bought)
        if refused(heard) is not None:
            yield f"the market order of the probe was refused: {heard}"
    after = await _holdings(stand, keys)
    truth = stand.holdings_of(keys)
    late = seconds(engine.get("fills_delay", "0s")) > 0
    for what in ("balances", "positions"):
        view = said.get(what, "true_value")
        if what == "positions" and stand.market.venue != "binance-um":
            continue
        told, true = after[what], truth[what]
        if view == "zero" and any(told.values()):
            yield f"{what} are not zero: {told}"
        if view == "empty" and told:
            yield f"{what} are not empty: {told}"
        if view == "stale" and (told != before[what] or (trading and not late and told == true)):
            yield f"{what} are not what they were: {told}, {before[what]}"
        if view == "true_value" and not late and not _alike(told, true):
            yield f"{what} are {told}, in truth {true}"
    if trading:
        async for problem in _history(stand, keys, phase, engine):
            yield problem


def _alike(told: dict[str, Decimal], true: dict[str, Decimal]) -> bool:
    """The same amounts, as far as the venue's decimals go: Kraken tells dollars with four."""
    return all(
        abs(told.get(name, Decimal(0)) - true.get(name, Decimal(0))) <= Decimal("0.0001")
        for name in told.keys() | true.keys()
    )


async def _holdings(stand: Stand, keys: Keys) -> dict[str, dict[str, Decimal]]:
    """Wallet totals and signed positions as the venue tells them."""
    venue = stand.market.venue
    body = (await stand.ask(stand.make("account.balances", keys))).json
    if venue == "kraken-spot":
        names = {"XXBT": "BTC", "XETH": "ETH", "ZUSD": "USD"}
        rows = body["result"].items()
        return {"balances": {names.get(k, k): Decimal(v) for k, v in rows}, "positions": {}}
    if venue == "binance-spot":
        balances = {
            row["asset"]: Decimal(row["free"]) + Decimal(row["locked"]) for row in body["balances"]
        }
        return {"balances": balances, "positions": {}}
    rows = (await stand.ask(stand.make("account.positions", keys))).json
    return {
        "balances": {row["asset"]: Decimal(row["balance"]) for row in body},
        "positions": {row["symbol"]: Decimal(row["positionAmt"]) for row in rows},
    }


async def _history(
    stand: Stand, keys: Keys, phase: Phase, engine: dict[str, Any]
) -> AsyncIterator[str]:
    """The fill of a moment ago is in the history at once, or as late as the scenario says."""
    lag_s = max(seconds(engine.get(key, "0s")) for key in ("fills_delay", "history_lag"))
    shown = await fills_shown(stand, keys)
    if (shown > 0) is (lag_s > 0):
        yield f"{shown} fills are shown at once, a lag of {lag_s:g} s was due"
    both_s = sum(seconds(engine.get(key, "0s")) for key in ("fills_delay", "history_lag"))
    if lag_s and stand.clock.elapsed_s + both_s + 5 < phase.end_s:
        # What is reported late is in a history that lags as much later again.
        await asyncio.sleep(lag_s - 1)
        if await fills_shown(stand, keys):
            yield f"the fill is shown before {lag_s:g} s are over"
        await asyncio.sleep(both_s - lag_s + 4)
        if not await fills_shown(stand, keys):
            yield f"the fill is not shown when {both_s:g} s are over"


async def fills_shown(stand: Stand, keys: Keys) -> int:
    """How many fills the venue admits."""
    body = (await stand.ask(stand.make("fills.query", keys))).json
    return len(body["result"]["trades"] if isinstance(body, dict) else body)


# --- marks and markets ---------------------------------------------------------------------------


async def marks(
    stand: Stand, phase: Phase, engine: dict[str, Any], at_s: float
) -> AsyncIterator[str]:
    """The mark follows the index, stands still, or is off by a share."""
    if stand.market.venue != "binance-um":
        return
    mark = engine.get("mark", "live")
    first = await _premium(stand)
    await asyncio.sleep(20)
    then = await _premium(stand)
    share = then[0] / then[1] - 1
    if mark == "frozen":
        if first[0] != then[0] or first[1] == then[1]:
            yield f"(mark, index) were {first} and then {then}: the mark is not frozen"
        return
    due = Decimal(str(mark["offset"])) if isinstance(mark, dict) else Decimal(0)
    if abs(share - due) > Decimal("0.005") and not settings(phase, "market", at_s).get("deviate"):
        yield f"the mark is {share:+.4f} off the index, {due} were due"


async def _premium(stand: Stand) -> tuple[Decimal, Decimal]:
    answer = await stand.rest.get(f"/fapi/v1/premiumIndex?symbol={stand.market.symbol}")
    body = answer.json
    return Decimal(body["markPrice"]), Decimal(body["indexPrice"])


async def frozen(
    stand: Stand, phase: Phase, engine: dict[str, Any], at_s: float
) -> AsyncIterator[str]:
    """A frozen market's book stands still; so does one whose engine has stopped; others move."""
    stopped = engine.get("mode", "online") in ("halted", "maintenance", "cancel_only", "auction")
    still = settings(phase, "market", at_s).get("frozen", False) or stopped
    if engine.get("triggers") == "live" and engine.get("mode") == "maintenance":
        still = False  # the venue's own orders trade, against makers that quote
    first = await stand.book()
    await asyncio.sleep(15)
    then = await stand.book()
    if (first == then) is not still:
        yield f"the book {'moves' if still else 'stands still'}"
