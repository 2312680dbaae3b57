"""The scenario language's replies on the wire, and what each lets a client conclude."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import pytest
from mock_kraken_world import World, body, play, request, sign

from outlast.mock.http.plans import Hang
from outlast.mock.records import Told
from outlast.mock.scenario.model import Reply
from outlast.mock.scenario.vocabulary import ALIASES
from outlast.mock.venues.kraken_spot.figures import rfc3339

TEXTS = {
    "overload": ("EService:Busy", Told.AMBIGUOUS),
    "unavailable": ("EService:Unavailable", Told.AMBIGUOUS),
    "closing": ("EService:Unavailable", Told.AMBIGUOUS),
    "internal": ("EGeneral:Internal error", Told.AMBIGUOUS),
    "order_rejected": ("EOrder:Invalid order", Told.REFUSED),
    "reduce_rejected": ("EOrder:Reduce only:No position exists", Told.REFUSED),
    "reduce_failed": ("EOrder:Reduce only:No position exists", Told.REFUSED),
    "no_such_order": ("EOrder:Unknown order", Told.REFUSED),
    "rate_limited": ("EOrder:Rate limit exceeded", Told.REFUSED),
    "banned": ("EGeneral:Temporary lockout", Told.REFUSED),
    "clock_skew": ("EAPI:Invalid nonce", Told.REFUSED),
}


@pytest.mark.parametrize("alias", [a for a in ALIASES if a != "mode"])
def test_every_alias_has_its_shape(alias):
    world = World()
    call = world.routed(world.message("AddOrder", **world.order()))
    answer = world.dialect.render(Reply(kind=alias), call, world.now_ms)
    if alias == "unknown":
        assert (answer.status, answer.told) == (520, Told.AMBIGUOUS)
        assert b"Web server is returning an unknown error" in answer.body
    elif alias == "backend_timeout":
        assert (answer.hangs_s, answer.told) == (30.0, Told.AMBIGUOUS)
    else:
        text, told = TEXTS[alias]
        assert (answer.status, answer.told) == (200, told)
        assert body(answer) == {"error": [text]}


def test_reads_over_the_limit_have_the_other_counters_words():
    world = World()
    call = world.routed(world.message("Balance"))
    answer = world.dialect.render(Reply(kind="rate_limited"), call, world.now_ms)
    assert body(answer) == {"error": ["EAPI:Rate limit exceeded"]}


def order(world, **more):
    price = str(world.resting())
    return {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "volume": "0.01",
        "price": price,
        **more,
    }


def test_a_busy_answer_may_hide_an_order_that_landed():
    async def story(world):
        world.fault("orders.create", reply="overload", effect="apply")
        told = await world.post("AddOrder", **order(world, cl_ord_id="hidden"))
        assert told == {"error": ["EService:Busy"]}
        found = (await world.post("OpenOrders", cl_ord_id="hidden"))["result"]["open"]
        assert len(found) == 1
        row = world.exchange.truth.requests_json(endpoint="orders.create")["requests"][0]
        assert (row["told"], row["landed"]) == ("ambiguous", "yes")

    play(story)


def test_a_late_order_lands_unless_its_deadline_has_passed():
    async def story(world):
        world.fault("orders.create", reply={"html": "cdn-520"}, effect={"apply_after": "20s"})
        for name, seconds in (("early", 5), ("patient", 50)):
            deadline = rfc3339(world.engine.now_ms + seconds * 1000)
            assert await raw(world, **order(world, cl_ord_id=name, deadline=deadline)) == 520
        await asyncio.sleep(30)
        assert [o.request.client_order_id for o in world.engine.orders("main")] == ["patient"]

    async def raw(world, **params):
        world.nonce += 1
        sent = urlencode({"nonce": world.nonce, **params}).encode()
        path = "/0/private/AddOrder"
        headers = {"api-key": world.account.key}
        headers["api-sign"] = sign(world.account.secret, path, str(world.nonce), sent)
        plan = await world.venue(request("POST", path, body=sent, **headers))
        plan.delivered(True)
        return plan.answer.status

    play(story)


def test_a_backend_timeout_is_a_silence_of_30_seconds():
    async def story(world):
        world.fault("time", reply="backend_timeout")
        plan = await world.venue(request("GET", "/0/public/Time"))
        assert plan.delivery == Hang(30.0)
        plan.delivered(False)

    play(story)


def test_the_shown_mode_lags_behind_the_real_one():
    document = """
scenario: lag
venue: kraken-spot
seed: 3
phases:
  - {name: normal, for: 10s}
  - {name: closed, for: 60s, engine: {mode: cancel_only, inband_lag: 15s}}
  - {name: open, for: rest, engine: {inband_lag: 15s}}
"""

    async def story(world):
        seen = []
        for _ in range(10):
            status = (await world.get("SystemStatus"))["result"]["status"]
            told = await world.post("AddOrder", **order(world))
            seen.append((status, (told["error"] or ["ok"])[0][:27]))
            await asyncio.sleep(10)
        closed = "EService:Market in cancel_o"
        assert seen[0] == ("online", "ok")
        assert seen[1] == ("online", closed)  # the report is late
        assert seen[3] == ("cancel_only", closed)
        assert seen[8] == ("cancel_only", "ok")
        assert seen[9] == ("online", "ok")

    play(story, document)
