"""No key, secret, token, listenKey or signature where a person or a file could show it (P8).

Each venue, by REST, by private streams and by orders over a socket: all that is secret is read off
the simulated wire, and then looked for in everything that outlast says, writes and prints.

OUTLAST_EVERY_CASE=1 tries each way at each venue; the suite each venue by sockets, which listens to
streams too, and one of the two ways of REST.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from paths_in_sim import VENUES, ground, until_live
from wire_tap import WireTap

import outlast
from outlast import sim
from outlast.backends.http import HttpxTransport
from outlast.client.settings import Settings
from outlast.mock.exchange import MockExchange

sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))

from command_line import outlast as command

WAYS = ("rest", "rest by httpx", "streams", "sockets")
ALL = [(venue_id, way) for venue_id in VENUES for way in WAYS]
SOME = [*((venue_id, "sockets") for venue_id in VENUES), ("kraken-spot", "rest")]
SOME.append(("binance-um", "rest by httpx"))
CASES = ALL if os.environ.get("OUTLAST_EVERY_CASE") == "1" else SOME
ANOTHERS = "planted-key-0123456789"


def settings(way: str) -> Settings:
    return Settings(
        seed=1,
        streams=way in ("streams", "sockets"),
        order_entry="websocket-first" if way == "sockets" else "rest",
    )


class Ear:
    """All that was told, in whatever form."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def show(self, *things: object) -> None:
        for thing in things:
            self.told += [repr(thing), str(thing)]
            if isinstance(thing, BaseException):
                self.told += traceback.format_exception(thing)
                self.told.append(repr(vars(thing)))


async def a_bad_day(w: Any, g: Any, venue: Any, ear: Ear) -> None:
    """Orders, cancels, refusals, lost answers, bad signatures, bans and an outage."""
    order = await venue.submit(g.resting)
    ear.show(order, await venue.cancel(order.client_order_id), venue.health, venue.settings)
    for reply, effect in (
        ("unavailable", "none"),
        ({"reset": "body"}, "apply"),
        ({"html": "waf-403"}, "none"),
        ({"http": {"status": 400, "body": '{"code":-1022,"msg":"Signature"}'}}, "none"),
        ({"json": {"error": ["EAPI:Invalid key"]}}, "none"),
    ):
        w.fault(["orders.create", "ws.api"], reply=reply, effect=effect, times=2)
        try:
            ear.show(await venue.submit(g.resting, deadline_s=3))
        except outlast.OutlastError as error:
            ear.show(error)
        await asyncio.sleep(200)
    w.fault("*", reply={"reset": "headers"}, effect="none")
    w.fault("ws.user.connect", reply={"http": {"status": 401}})
    w.fault("ws.user.stream", stream="expire_key" if g.venue == "binance-um" else "mute")
    for _ in range(6):
        try:
            await venue.submit(g.resting, deadline_s=2)
        except outlast.OutlastError as error:
            ear.show(error)
        await asyncio.sleep(20)
    ear.show(await venue.reconcile(), venue.orders.all(), venue, venue._wiring)
    rooms = venue._rooms
    for room in (venue, rooms, rooms.calls, rooms.private, rooms.journal, rooms.dialler):
        ear.show(room)
        ear.show(getattr(room, "__dict__", ""))
    private = rooms.private
    for line in (private.stream, private.trade):
        ear.show(line, getattr(line, "__dict__", ""), getattr(line, "line", None))
    w.heal()
    await asyncio.sleep(120)
    for unknown in venue.orders.unknown():
        ear.show(unknown)


@pytest.mark.parametrize(("venue_id", "way"), CASES)
def test_nothing_secret_is_told_written_or_printed(venue_id, way, tmp_path, caplog):
    g = ground(venue_id)
    ear, tap, secrets = Ear(), WireTap(), set()
    caplog.set_level(logging.INFO)  # of everybody's, as an application at night has it
    caplog.set_level(logging.DEBUG, logger="outlast")

    async def story(w: Any) -> None:
        sim.network().watch(tap.hear)
        secrets.update((w.wires["key"], w.wires["secret"]))
        http = HttpxTransport(w.clock) if way == "rest by httpx" else None
        session = w.connect(settings=settings(way), **({} if http is None else {"http": http}))
        events = session.events()

        async def listen() -> None:
            async for event in events:
                ear.show(event)

        listening = asyncio.create_task(listen())
        async with session as venue:
            if way in ("streams", "sockets"):
                await until_live(w, venue)
            await a_bad_day(w, g, venue, ear)
        await listening
        if http is not None:
            await http.aclose()
        with pytest.raises(outlast.OutlastError) as refused:  # another's key, told as an error
            async with w.connect(journal=None, key=ANOTHERS):
                raise AssertionError("it cannot have opened")
        secrets.add(ANOTHERS)
        ear.show(refused.value)

    g.play(story, tmp_path)
    heard = tap.found()
    assert len(heard["signature"]) > 10
    if way in ("streams", "sockets"):
        kind = {"kraken-spot": "token", "binance-um": "listenKey"}.get(venue_id)
        assert kind is None or heard[kind], f"no {kind} went over the wire"
    secrets |= set().union(*heard.values())
    journal = str(tmp_path / "bot.journal")
    printed = [
        *command("journal", "show", journal, "--json"),
        *command("journal", "export", journal),
        *command("journal", "unknown", journal),
        *command("journal", "verify", journal),
        *command("report", journal, "-o", str(tmp_path / "incident.html")),
    ]
    files = [file.read_bytes() for file in tmp_path.iterdir() if file.is_file()]
    assert sum(map(len, files)) > 20_000
    said = {
        "told": ear.told,
        "logged": [f"{record.name}: {record.getMessage()}" for record in caplog.records],
        "printed": [str(text) for text in printed],
        "written": [content.decode("utf-8", errors="replace") for content in files],
    }
    assert len(said["told"]) > 100
    assert len(said["logged"]) > 10
    for where, texts in said.items():
        everything = "\n".join(texts)
        found = [secret for secret in sorted(secrets) if secret in everything]
        shown = [text[:160] for text in texts if any(secret in text for secret in found)][:3]
        assert not found, f"{venue_id}, {way}: {where}: {shown}"


def test_the_drill_shows_no_key_of_the_venue_that_it_makes(tmp_path, monkeypatch):
    secrets: set[str] = set()
    describe = MockExchange.describe

    def describing(self: MockExchange) -> Any:
        described = describe(self)
        for wires in described["venues"].values():
            secrets.update((wires["key"], wires["secret"]))
        return described

    monkeypatch.setattr(MockExchange, "describe", describing)
    page = tmp_path / "drill.html"
    terms = ("unknown-503-landed", "--bot", "outlast", "--json", "--report", str(page))
    code, out, err = command("drill", *terms)
    assert code == 0, err
    assert len(secrets) >= 2
    assert json.loads(out)["bots"]
    for text in (out, err, page.read_text()):
        assert not [secret for secret in secrets if secret in text]
