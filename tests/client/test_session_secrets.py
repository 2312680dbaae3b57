"""The secret appears nowhere: not in logs, journal, exceptions or reprs (P8)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import traceback

import pytest
from venue_in_sim import BTC, PASSIVE, World, calm, play

import outlast
from outlast.backends.http import HttpxTransport
from outlast.backends.journal import read_records
from outlast.client.calls import Credentials
from outlast.core.journal import decode_fields, verify
from outlast.wire import HttpRequest, TransportFault, WireReply

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


class Listening:
    """Notes every signature that goes over the wire, and how its request presents itself."""

    def __init__(self, inner: HttpxTransport) -> None:
        self.inner = inner
        self.signatures: list[str] = []
        self.shown: list[str] = []

    async def send(self, request: HttpRequest) -> WireReply | TransportFault:
        for part in f"{request.url}&{request.body.decode()}".replace("?", "&").split("&"):
            if part.startswith("signature="):
                self.signatures.append(part.removeprefix("signature="))
        self.shown.append(repr(request))
        return await self.inner.send(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


async def a_bad_day(w: World, told: list[str]) -> Listening:
    """Orders, cancels, exits, refusals, lost answers, bans and an outage, all in one session."""
    transport = Listening(HttpxTransport(w.clock))
    session = w.connect(http=transport)
    told += [repr(session), str(session), repr(session._wiring)]
    async with session as venue:
        events = venue.events()
        await venue.submit(BUY)
        await venue.close_position(BTC)
        for reply, effect in (
            ("unknown", "none"),
            ("reduce_rejected", "none"),
            ({"reset": "body"}, "apply"),
            ({"html": "waf-403"}, "none"),
            ("rate_limited", "none"),
            ({"http": {"status": 400, "body": '{"code":-1022,"msg":"Signature"}'}}, "none"),
        ):
            w.fault("orders.create", reply=reply, effect=effect, times=1)
            try:
                await venue.submit(BUY, deadline_s=2)
            except outlast.OutlastError as error:
                told += traceback.format_exception(error)
                told += [repr(error), repr(vars(error))]
            await asyncio.sleep(400)
        w.fault("*", reply={"reset": "headers"}, effect="none")
        for _ in range(12):
            try:
                await venue.mark_price(BTC)
            except outlast.OutlastError as error:
                told += traceback.format_exception(error)
        told += [repr(await venue.reconcile()), repr(venue.orders.all())]
        told += [repr(vars(session)), repr(vars(session._rooms.calls))]
        w.heal()
        await asyncio.sleep(60)
        told.append(repr(await anext(events)))
        await events.aclose()
    await transport.aclose()
    return transport


def test_neither_key_nor_secret_nor_signature_appears_anywhere(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, logger="outlast")
    told: list[str] = []
    secrets: list[str] = []

    async def story(w: World):
        transport = await a_bad_day(w, told)
        assert len(transport.signatures) > 20
        told.extend(transport.shown)
        secrets.extend([w.wires["key"], w.wires["secret"], *transport.signatures])

    play(story, tmp_path, scenario=calm(positions={"BTCUSDT": ("0.5", "68000")}))
    records = list(read_records(tmp_path / "bot.journal"))
    assert verify(records) is None
    assert len(records) > 50
    written = [file.read_bytes() for file in tmp_path.iterdir() if file.is_file()]
    assert sum(map(len, written)) > 10_000
    logged = [record.getMessage() for record in caplog.records if record.name == "outlast"]
    assert len(logged) > 5
    assert len(told) > 20
    for secret in secrets:
        assert not any(secret in text for text in told), "told"
        assert not any(secret in line for line in logged), "logged"
        assert not any(secret.encode() in content for content in written), "written"


def test_the_journal_names_every_request_that_was_made(tmp_path):
    sent: list[int] = []

    async def story(w: World):
        transport = Listening(HttpxTransport(w.clock))
        async with w.connect(http=transport) as venue:
            await venue.submit(BUY)
            w.fault("orders.create", reply="overload", times=1)
            await venue.submit(outlast.limit(BTC, "buy", "0.020", PASSIVE))
            await asyncio.sleep(400)
        await transport.aclose()
        sent.append(len(transport.shown))
        assert len(w.requests()) == sent[0]

    play(story, tmp_path)
    attempts = [
        decode_fields(r.data) for r in read_records(tmp_path / "bot.journal") if r.kind == "attempt"
    ]
    assert len(attempts) == sent[0]
    assert {a["request"] for a in attempts} >= {"order.place", "time.read", "instruments.read"}
    refused = [a for a in attempts if a["failure"] is not None]
    assert [(a["http_status"], a["failure"]["venue_code"]) for a in refused] == [(503, "-1008")]


def test_credentials_show_nothing_however_they_are_shown():
    mine = Credentials("the-key", "the-secret")
    shown = [repr(mine), str(mine), f"{mine}", f"{[mine]}", repr({"c": mine})]
    assert {text.count("the-") for text in shown} == {0}
    assert repr(Credentials(None, None)) == "Credentials(none)"
    signed = HttpRequest(
        method="POST",
        url="https://venue/order?signature=the-signature",
        headers=(("X-MBX-APIKEY", "the-key"),),
        body=b"signature=the-signature",
    )
    assert "the-" not in f"{signed!r} {signed} {signed.__rich_repr__()}"
    assert "method='POST'" in repr(signed)


def test_a_secret_that_signs_badly_is_not_echoed_in_the_error(tmp_path):
    secret = "correct-horse-battery-staple"

    async def story(w: World):
        with pytest.raises(outlast.AuthenticationFailed) as caught:
            async with w.connect(secret=secret):
                raise AssertionError("it cannot have opened")
        shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
        assert secret not in shown
        assert w.wires["key"] not in shown
        digest = hmac.new(secret.encode(), b"", hashlib.sha256).hexdigest()
        assert digest not in shown

    play(story, tmp_path)
