"""The overview and the page as the control port serves them, without a browser."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from outlast.mock.control_page import accepts_html
from outlast.mock.exchange import MockExchange
from outlast.mock.http.plans import Answer, HttpMessage
from outlast.mock.scenario.load import loads
from outlast.mock.scenario.vocabulary import ALIASES, ENDPOINTS

PAGE = Path(__file__).parents[2] / "docs" / "mock.md"
DOCUMENT = """
scenario: under-test
venue: binance-um
seed: 5
world:
  instruments: {BTCUSDT: {product: um, mid: 100000, tick: 0.1}}
  account:
    balances: {USDT: "50000"}
    positions: {BTCUSDT: {qty: "0.5", entry: "99000"}}
    open_orders: [{symbol: BTCUSDT, side: SELL, type: LIMIT, qty: "0.1", price: "120000"}]
phases:
  - {name: calm, for: 5m}
  - name: bad
    for: 10m
    engine: {mode: halted, inband_lag: 30s}
    account: {balances: zero}
    flap: {good: 1m, bad: 1m}
    faults: [{match: time, p: 0.5, reply: unavailable}, {match: "orders.*", reply: unavailable}]
  - {name: after, for: rest}
status_page: [{at: 5m, page: major}]
"""


class Desk:
    """Somebody at the control port of a running mock, whose clock stands."""

    def __init__(self, exchange: MockExchange) -> None:
        self.exchange = exchange

    async def answer(self, path: str, accept: str = "*/*", method: str = "GET") -> Answer:
        path, _, query = path.partition("?")
        message = HttpMessage(
            method=method,
            target=path,
            path=path,
            query=query.encode(),
            headers={"accept": [accept]},
        )
        return (await self.exchange._control(message)).answer

    async def get(self, name: str) -> Any:
        return json.loads((await self.answer("/_outlast/" + name)).body)

    async def post(self, name: str, body: Any) -> tuple[int, Any]:
        path = "/_outlast/" + name
        data = json.dumps(body).encode()
        message = HttpMessage(method="POST", target=path, path=path, body=data)
        answer = (await self.exchange._control(message)).answer
        return answer.status, json.loads(answer.body)

    async def ask_time(self, *, whole: bool = True) -> None:
        ask = HttpMessage(method="GET", target="/fapi/v1/time", path="/fapi/v1/time")
        plan = await self.exchange.run.venues["binance-um"](ask)
        if whole:
            assert plan.delivered is not None
            plan.delivered(True)


def play(tell, document: str = DOCUMENT) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), MockExchange(loads(document)) as exchange:
            exchange.run.clock.pause()
            await exchange.run.clock.advance_to(1.0)
            await tell(Desk(exchange))

    asyncio.run(main())


# -- the overview ---------------------------------------------------------------------------------


def test_overview_shows_position_and_time_left_of_a_phase_and_of_the_whole():
    async def tell(desk):
        clock = (await desk.get("overview"))["clock"]
        assert clock == await desk.get("clock")
        assert (clock["phase"], clock["phase_index"], clock["phase_left_s"]) == ("calm", 0, 299.0)
        assert (clock["left_s"], clock["ended"], clock["paused"]) == (None, False, True)
        assert clock["now"].endswith("01.000Z")
        await desk.post("clock", {"goto": "after"})
        clock = await desk.get("clock")
        assert (clock["phase_index"], clock["phase_left_s"]) == (2, None)

    play(tell)


def test_overview_of_a_scenario_that_has_ended():
    async def tell(desk):
        await desk.post("clock", {"advance": "10m"})
        overview = await desk.get("overview")
        clock = overview["clock"]
        assert (clock["ended"], clock["left_s"], clock["phase_left_s"]) == (True, 0.0, 0.0)
        assert overview["rules"]["rules"] == []  # the phase that was last is over

    short = DOCUMENT.replace("  - {name: after, for: rest}\n", "").replace("for: 10m", "for: 4m")
    play(tell, short)


def test_overview_shows_accounts_as_they_are_and_venues_as_they_pretend():
    async def tell(desk):
        desk.exchange.run.open_account("mine")
        await desk.post("clock", {"goto": "bad"})
        overview = await desk.get("overview")
        venue = overview["venues"]["binance-um"]
        assert (venue["mode"], venue["shown_mode"]) == ("halted", "online")
        assert venue["lies"] == ["balances:zero"]
        assert venue["listening"] is True
        assert overview["status_page"] == "major"
        assert set(venue["markets"]["BTCUSDT"]) == {"last", "mark", "peer"}
        assert sorted(venue["accounts"]) == ["main", "mine"]
        account = venue["accounts"]["main"]
        assert account["balances"] == {"USDT": "50000"}
        position = account["positions"]["BTCUSDT"]
        assert (position["qty"], position["entry"]) == ("0.5", "99000")
        (order,) = account["open_orders"]
        assert (order["side"], order["qty"], order["price"]) == ("sell", "0.1", "120000")
        assert account["counts"] == {"orders": 1, "open_orders": 1, "fills": 0}

    play(tell)


def test_rules_are_listed_in_the_order_in_which_they_are_asked():
    async def tell(desk):
        await desk.post("faults", {"match": "time", "reply": "overload", "times": 2})
        for _ in range(3):
            await desk.ask_time()
        rules = (await desk.get("overview"))["rules"]
        assert [(r["id"], r["from"], r["used"]) for r in rules["rules"]] == [
            ("adhoc/1", "adhoc", 2)
        ]
        await desk.post("clock", {"goto": "bad"})
        for _ in range(20):
            await desk.ask_time()
        rules = (await desk.get("overview"))["rules"]
        assert [r["id"] for r in rules["rules"]] == ["adhoc/1", "bad/0", "bad/1"]
        assert rules["phase_active"] is True
        assert 0 < rules["rules"][1]["used"] < 20
        assert rules["rules"][2]["used"] == 0
        await desk.post("clock", {"advance": "1m"})
        assert (await desk.get("overview"))["rules"]["phase_active"] is False

    play(tell)


def test_a_run_that_begins_anew_has_another_number():
    async def tell(desk):
        first = (await desk.get("overview"))["run"]
        await desk.post("reset", {})
        assert (await desk.get("overview"))["run"] == first + 1

    play(tell)


def test_newest_requests_and_those_under_way():
    async def tell(desk):
        for _ in range(5):
            await desk.ask_time()
        await desk.ask_time(whole=False)
        requests = await desk.get("requests?last=2")
        assert [r["ordinal"] for r in requests["requests"]] == [4, 5]
        assert (requests["total"], requests["kept"]) == (5, 5)
        (waiting,) = requests["waiting"]
        assert (waiting["ordinal"], waiting["told"], waiting["replied_ms"]) == (6, None, None)
        assert (await desk.get("requests?class=orders.create&last=2"))["waiting"] == []
        assert len((await desk.get("requests"))["requests"]) == 5
        overview = await desk.get("overview?requests=3")
        assert [r["ordinal"] for r in overview["requests"]["requests"]] == [3, 4, 5]

    play(tell)


@pytest.mark.parametrize("count", ["0", "-1", "1001", "ten", "", "1e3", "٣"])
def test_counts_that_cannot_be_are_refused(count):
    async def tell(desk):
        for name, key in (("requests?last=", "last"), ("overview?requests=", "requests")):
            answer = await desk.get(name + count)
            if count == "":  # an empty value is left out by the query's own rules
                assert "error" not in answer
            else:
                assert answer["error"]["key"] == key

    play(tell)


def test_all_choices_can_be_made():
    """What the page offers is the language, and nothing else: each choice is taken as a rule."""

    async def tell(desk):
        choices = await desk.get("choices")
        assert set(ENDPOINTS) <= set(choices["match"])
        assert set(ALIASES) <= {reply for reply in choices["reply"] if isinstance(reply, str)}
        rules = [
            {
                "match": match,
                **({"stream": "mute"} if match.endswith("stream") else {"reply": "ok"}),
            }
            for match in choices["match"]
        ]
        rules += [{"match": "orders.create", "reply": reply} for reply in choices["reply"]]
        rules += [
            {"match": "orders.create", "reply": "unknown", "effect": effect}
            for effect in choices["effect"]
        ]
        rules += [{"match": "ws.*.stream", "stream": stream} for stream in choices["stream"]]
        for rule in rules:
            status, answer = await desk.post("faults", rule)
            assert status == 201, (rule, answer)

    play(tell)


def test_every_call_is_in_the_documentation():
    async def tell(desk):
        chapter = PAGE.read_text(encoding="utf-8").split("\n## Control\n")[1].split("\n## ")[0]
        for call in (await desk.get(""))["calls"]:
            assert f"`{call['method']} {call['path']}" in chapter, call

    play(tell)


# -- the page -------------------------------------------------------------------------------------

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


def test_browsers_get_the_page_and_everybody_else_the_index():
    async def tell(desk):
        for path in ("/_outlast/", "/_outlast"):
            assert dict((await desk.answer(path, BROWSER)).headers)["content-type"] == (
                "text/html; charset=utf-8"
            )
            for accept in ("*/*", "application/json", "text/html;q=0, */*", ""):
                assert "calls" in json.loads((await desk.answer(path, accept)).body)
        away = await desk.answer("/", BROWSER)
        assert (away.status, dict(away.headers)["location"]) == (302, "/_outlast/")
        assert (await desk.answer("/")).status == 404
        # Only the page itself is HTML: what a browser opens besides it stays JSON.
        assert json.loads((await desk.answer("/_outlast/clock", BROWSER)).body)["phase"] == "calm"
        assert (await desk.answer("/_outlast/", BROWSER, "POST")).status == 405

    play(tell)


def test_page_is_one_document_that_admits_nothing_but_its_own_style_and_script():
    async def tell(desk):
        answer = await desk.answer("/_outlast/", BROWSER)
        headers, body = dict(answer.headers), answer.body.decode()
        policy = dict(
            part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["connect-src"] == "'self'"
        for tag in ("style", "script"):
            (inline,) = re.findall(f"<{tag}>(.*?)</{tag}>", body, re.DOTALL)
            digest = hashlib.sha256(inline.encode()).digest()
            assert policy[f"{tag}-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", body)
        assert not re.search(r"@import|url\(|\sstyle=|\son\w+=", body)
        described = desk.exchange.describe()["venues"]["binance-um"]
        assert described["secret"] not in body
        assert described["key"] not in body

    play(tell)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("application/json, TEXT/HTML;q=0.1", True),
        ("text/html;level=1;q=0.4", True),
        ("text/html;q=0.000", False),
        ("*/*", False),
        ("text/*", False),
        (";;,,", False),
    ],
)
def test_who_asks_for_html(accept, wanted):
    message = HttpMessage(method="GET", target="/", path="/", headers={"accept": [accept]})
    assert accepts_html(message) is wanted
