"""`outlast doctor`: what of this machine, this key and this venue would get in a bot's way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from outlast.backends.clock import SystemClock
from outlast.client.connect import keys_from_env, urls_of
from outlast.client.looking import Look, Looker
from outlast.errors import ConfigurationError, Failure
from outlast.model import Health
from outlast.wire import WireReply, WireRequest

__all__ = ["doctor"]

SKEW_MS_MAX: Final = 1_000
"""What a signature may be off at Binance. outlast measures it and signs by the venue's time; other
programs on this machine do not."""

_OK, _WARN, _BAD = "ok", "note", "bad"
_COLOURS: Final = {_OK: "green", _WARN: "yellow", _BAD: "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    grade: str
    """`ok`, `note` or `bad`."""
    text: str
    remedy: str = ""


def doctor(
    venue: Annotated[str, typer.Argument(help="An id of a venue, such as kraken-spot.")],
    tier: Annotated[
        str | None, typer.Option(help="The account's tier, where the venue has such grades.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Check clock, names, reachability, key and limits of one venue. Nothing is changed there.

    Exit code 1 when something is bad.
    """
    findings = asyncio.run(_examine(venue, tier))
    if as_json:
        rows = [
            {"what": f.what, "grade": f.grade, "text": f.text, "remedy": f.remedy} for f in findings
        ]
        print(json.dumps({"venue": venue, "findings": rows}, indent=2))
    else:
        console = Console(highlight=False)
        for finding in findings:
            mark = Text(f"{finding.grade:<5}", _COLOURS[finding.grade])
            console.print(Text.assemble(mark, f"{finding.what:<16}", finding.text), soft_wrap=True)
            if finding.remedy:
                console.print(Text(f"     {'':<16}-> {finding.remedy}"), soft_wrap=True)
    if any(finding.grade == _BAD for finding in findings):
        raise typer.Exit(1)


async def _examine(venue: str, tier: str | None) -> list[Finding]:
    looker = Looker(venue, urls_of(venue), SystemClock())
    try:
        findings = await _names(looker)
        look = await looker.look()
        findings += _reachable(look)
        skew = await looker.measure_clock()
        findings.append(_clock(skew))
        findings += await _key(looker, venue, 0.0 if isinstance(skew, str) else skew[0])
        findings += _limits(looker, tier)
        return findings
    finally:
        await looker.aclose()


async def _names(looker: Looker) -> list[Finding]:
    findings = []
    for look in await looker.names():
        what = look.name.replace("_", " ")
        if look.trouble:
            remedy = "check the name service, the route and any firewall of this machine"
            findings.append(Finding(what, _BAD, f"{look.host}: {look.trouble}", remedy))
        else:
            assert look.dial_ms is not None
            text = f"{look.host}: {look.addresses} addresses, connected in {look.dial_ms:.0f} ms"
            findings.append(Finding(what, _OK, text))
    return findings


def _reachable(look: Look) -> list[Finding]:
    findings = []
    if look.own_network:
        findings.append(
            Finding("reachable", _BAD, look.own_network, "this machine's network, not the venue")
        )
    elif look.verdict.health is Health.HEALTHY:
        assert look.probe.best_ms is not None
        findings.append(Finding("reachable", _OK, f"answers in {look.probe.best_ms:.0f} ms"))
    else:
        grade = _BAD if look.probe.answers == 0 else _WARN
        findings.append(Finding("reachable", grade, look.verdict.why))
    if look.page_url:
        text = look.page_url if look.page is not None else f"{look.page_url}: {look.page_trouble}"
        findings.append(Finding("status page", _OK if look.page is not None else _WARN, text))
    return findings


def _clock(skew: tuple[float, float] | str) -> Finding:
    if isinstance(skew, str):
        return Finding("clock", _WARN, f"could not be compared: {skew}")
    ahead_ms, doubt_ms = skew
    way = "ahead of" if ahead_ms >= 0 else "behind"
    text = f"{abs(ahead_ms):.0f} ms {way} the venue's (± {doubt_ms:.0f} ms)"
    if abs(ahead_ms) - doubt_ms <= SKEW_MS_MAX:
        return Finding("clock", _OK, text)
    return Finding("clock", _WARN, text, "synchronise it (chrony, systemd-timesyncd)")


async def _key(looker: Looker, venue: str, ahead_ms: float) -> list[Finding]:
    found = keys_from_env(venue)
    if found is None:
        name = "OUTLAST_" + venue.upper().replace("-", "_")
        remedy = f"set {name}_KEY and {name}_SECRET to have them checked"
        return [Finding("key", _WARN, "none in the environment", remedy)]
    key, secret = found
    if key is None or secret is None:
        return [Finding("key", _BAD, "key or secret is missing in the environment", "set both")]
    codec = looker.codec
    asked: list[tuple[str, WireRequest]] = [("read balances", codec.query_balances())]
    if codec.PRODUCT.has_positions:
        asked.append(("read positions", codec.query_positions()))
    asked.append(("read orders", codec.query_open_orders(None)))
    findings = []
    for may, request in asked:
        timestamp_ms = round(SystemClock().wall() * 1000 - ahead_ms)
        try:
            answer = await looker.signed(request, key, secret, timestamp_ms=timestamp_ms)
        except ConfigurationError as error:
            return [Finding("key", _BAD, str(error))]
        findings.append(_may(may, answer))
        if findings[-1].grade == _BAD:
            break
    note = (
        "that it may trade only an order would show; keep withdrawals off, and an address list on"
    )
    findings.append(Finding("key", _WARN, note))
    return findings


def _may(what: str, answer: WireReply | Failure) -> Finding:
    if isinstance(answer, WireReply):
        return Finding("key", _OK, f"may {what}")
    remedy = "check key, secret, permissions and address list at the venue"
    is_key = answer.kind in ("authentication_failed", "signature_invalid", "api_key_invalid")
    text = f"may not {what}" if is_key else f"{what}: no answer"
    return Finding("key", _BAD, f"{text}: {answer.describe()}", remedy if is_key else "")


def _limits(looker: Looker, tier: str | None) -> Sequence[Finding]:
    rows = []
    for counter in looker.codec.limits(tier):
        text = f"{counter.limit:g} per {counter.window_s:g} s"
        if counter.decay_per_s is not None:
            text = f"up to {counter.limit:g}, draining by {counter.decay_per_s:g} a second"
        each = ", for each symbol" if counter.per_symbol else ""
        rows.append(Finding("limit", _OK, f"{counter.name}: {text}{each}"))
    return rows
