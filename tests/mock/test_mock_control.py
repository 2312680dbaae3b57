"""The control API: JSON in, JSON out, and every mistake named with its key and a remedy."""

from __future__ import annotations

import asyncio
import json

import pytest

from outlast.mock.exchange import MockExchange
from outlast.mock.http.plans import HttpMessage
from outlast.mock.scenario.load import loads

DOCUMENT = """
scenario: under-test
venue: binance-um
seed: 5
phases:
  - {name: calm, for: 5m}
  - {name: bad, for: 5m, faults: [{match: "orders.*", reply: unavailable}]}
  - {name: after, for: 5m, events: [{at: 0s, kind: notice, note: all is well}]}
"""


class Caller:
    def __init__(self, exchange: MockExchange) -> None:
        self.exchange = exchange

    async def __call__(
        self, method: str, path: str, body=None, *, raw: bytes | None = None, headers=None
    ):
        """(status, JSON) of one call under `/_outlast/`."""
        path, _, query = f"/_outlast/{path}".partition("?")
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        message = HttpMessage(
            method=method,
            target=path,
            path=path,
            query=query.encode(),
            body=data,
            headers={name: [value] for name, value in (headers or {}).items()},
        )
        plan = await self.exchange._control(message)
        assert dict(plan.answer.headers)["content-type"] == "application/json"
        return plan.answer.status, json.loads(plan.answer.body)

    async def fails(self, status: int, key: str, method: str, path: str, body=None, **more):
        """The error of a call that must fail so."""
        found, document = await self(method, path, body, **more)
        assert (found, document["error"]["key"]) == (status, key), document
        assert document["error"]["remedy"]
        assert document["error"]["problem"] in document["error"]["message"]
        return document["error"]


def play(tell) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(30),
            MockExchange(loads(DOCUMENT), venues=["binance-um"]) as exchange,
        ):
            exchange.run.clock.pause()
            await tell(Caller(exchange))

    asyncio.run(main())


def test_index_says_where_everything_is_and_what_can_be_called():
    async def tell(call):
        status, index = await call("GET", "")
        assert status == 200
        assert index["scenario"] == "under-test"
        assert index["venues"]["binance-um"]["endpoints"]["rest"].startswith("http://127.0.0.1:")
        listed = {(row["method"], row["path"]) for row in index["calls"]}
        assert ("POST", "/_outlast/clock") in listed
        assert (await call("HEAD", ""))[0] == 200

    play(tell)


def test_catalogue_and_the_scenario_under_way():
    async def tell(call):
        _, rows = await call("GET", "scenarios")
        names = [row["scenario"] for row in rows]
        assert "binance-reduce-only-lockout-2025-10-11" in names
        assert all(row["phases"] for row in rows)
        _, row = await call("GET", "scenario")
        assert [(p["name"], p["start_s"]) for p in row["phases"]] == [
            ("calm", 0.0),
            ("bad", 300.0),
            ("after", 600.0),
        ]

    play(tell)


def test_time_can_be_advanced_moved_paused_and_made_faster():
    async def tell(call):
        _, clock = await call("POST", "clock", {"advance": "1m30s"})
        assert clock["elapsed_s"] == pytest.approx(90, abs=1)  # it ran before it was paused
        assert (clock["phase"], clock["paused"]) == ("calm", True)
        began = clock["elapsed_s"]
        _, clock = await call("POST", "clock", {"advance": 10})
        assert clock["elapsed_s"] == pytest.approx(began + 10, abs=1e-6)
        _, clock = await call("POST", "clock", {"goto": "bad"})
        assert (clock["elapsed_s"], clock["phase"]) == (300.0, "bad")
        _, clock = await call("POST", "clock", {"speed": 1000, "pause": False})
        assert (clock["speed"], clock["paused"]) == (1000.0, False)
        while (await call("GET", "clock"))[1]["phase"] != "after":
            await asyncio.sleep(0.005)
        _, clock = await call("POST", "clock", {"pause": True})
        assert [notice["text"] for notice in clock["notices"]] == ["all is well"]
        again = (await call("GET", "clock"))[1]
        assert again["elapsed_s"] == clock["elapsed_s"]

    play(tell)


def test_time_that_cannot_be_is_refused():
    async def tell(call):
        await call("POST", "clock", {"goto": "bad"})
        error = await call.fails(409, "goto", "POST", "clock", {"goto": "calm"})
        assert "reset" in error["remedy"]
        error = await call.fails(400, "goto", "POST", "clock", {"goto": "nowhere"})
        assert "after" in error["remedy"]
        await call.fails(400, "goto", "POST", "clock", {"goto": "after", "advance": "1s"})
        for value in ("5 minutes", "-5s", -1, True, None, []):
            await call.fails(400, "advance", "POST", "clock", {"advance": value})
        for value in (0, -1, "60", True):
            await call.fails(400, "speed", "POST", "clock", {"speed": value})
        await call.fails(400, "pause", "POST", "clock", {"pause": 1})
        await call.fails(400, "faster", "POST", "clock", {"faster": 2})
        await call.fails(400, "", "POST", "clock", {})
        assert (await call("GET", "clock"))[1]["elapsed_s"] == 300.0

    play(tell)


def test_a_rule_is_added_as_understood_decides_and_is_taken_away():
    async def tell(call):
        rule = {
            "match": "orders.create",
            "where": {"reduces": True},
            "p": 0.5,
            "latency": {"p50": "300ms", "p99": "4s"},
            "reply": "unknown",
            "effect": {"apply": 0.35},
            "times": 3,
        }
        status, added = await call("POST", "faults", rule)
        assert (status, added["id"]) == (201, "adhoc/1")
        assert added["rule"] == {
            "id": "adhoc/1",
            "match": ["orders.create"],
            "endpoints": ["orders.create"],
            "p": 0.5,
            "where": {"reduces": True},
            "latency": {"p50_s": 0.3, "p99_s": 4.0},
            "reply": {"kind": "unknown"},
            "effect": {"kind": "apply_share", "value": 0.35},
            "times": 3,
        }
        _, rules = await call("GET", "faults")
        assert [(r["id"], r["used"]) for r in rules] == [("adhoc/1", 0)]
        assert await call("DELETE", "faults/adhoc/1") == (200, {"removed": "adhoc/1"})
        assert await call("GET", "faults") == (200, [])
        await call.fails(404, "id", "DELETE", "faults/adhoc/1")
        await call.fails(400, "id", "DELETE", "faults")

    play(tell)


def test_an_added_rule_decides_about_the_next_request():
    async def tell(call):
        await call("POST", "faults", {"match": "time", "reply": {"html": "cdn-502"}, "times": 2})
        venue = call.exchange.run.venues["binance-um"]
        ask = HttpMessage(method="GET", target="/fapi/v1/time", path="/fapi/v1/time")
        answers = [(await venue(ask)).answer.status for _ in range(3)]
        assert answers == [502, 502, 200]
        assert (await call("GET", "faults"))[1][0]["used"] == 2

    play(tell)


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ({}, ""),  # about the document as a whole: the problem names what is missing
        ({"match": "orders.creat", "reply": "unknown"}, "match"),
        ({"match": "orders.create", "reply": "unknwon"}, "reply"),
        ({"match": "orders.create", "reply": "unknown", "color": "red"}, "color"),
        ({"match": "orders.create", "reply": "unknown", "p": 2}, "p"),
        ({"match": "orders.create", "reply": {"hang": "soon"}}, "reply.hang"),
        ({"match": "orders.create", "reply": "ok", "effect": "none"}, "effect"),
        ({"match": "orders.create", "effect": {"apply_after": "5s"}}, "effect"),
    ],
)
def test_malformed_rule_is_400_with_its_key(rule, key):
    async def tell(call):
        await call.fails(400, key, "POST", "faults", rule)
        assert await call("GET", "faults") == (200, [])

    play(tell)


def test_refusing_everything_closes_the_port_until_the_rule_is_gone():
    async def tell(call):
        server = call.exchange._servers["binance-um"]
        await call("POST", "faults", {"match": "*", "reply": "refuse"})
        while server.listening:
            await asyncio.sleep(0.001)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)
        await call("DELETE", "faults/adhoc/1")
        while not server.listening:
            await asyncio.sleep(0.001)
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.transport.abort()

    play(tell)


def test_accounts_are_made_with_keys_of_their_own():
    async def tell(call):
        status, made = await call("POST", "accounts")
        assert (status, made["account"]) == (201, "client-1")
        default = call.exchange.describe()["venues"]["binance-um"]
        fresh = made["venues"]["binance-um"]
        assert fresh["endpoints"] == default["endpoints"]
        assert fresh["key"] != default["key"]
        assert (await call("POST", "accounts", {"name": "mine"}))[1]["account"] == "mine"
        error = await call("POST", "accounts", {"name": "mine"})
        assert error[0] == 400
        assert error[1]["error"]["key"] == "name"
        await call.fails(400, "name", "POST", "accounts", {"name": 5})
        await call.fails(400, "nam", "POST", "accounts", {"nam": "x"})

    play(tell)


def test_truth_requests_and_verdict_are_there():
    async def tell(call):
        venue = call.exchange.run.venues["binance-um"]
        ask = HttpMessage(method="GET", target="/fapi/v1/time", path="/fapi/v1/time")
        plan = await venue(ask)
        plan.delivered(True)
        _, requests = await call("GET", "requests")
        assert [r["endpoint"] for r in requests["requests"]] == ["time"]
        _, requests = await call("GET", "requests?class=orders.create")
        assert requests["requests"] == []
        error = await call.fails(400, "class", "GET", "requests?class=orders")
        assert "orders.create" in error["remedy"]
        _, truth = await call("GET", "truth")
        assert truth["phase"] == "calm"
        assert "verdict" in (await call("GET", "verdict"))[1]
        assert "verdict" in (await call("POST", "verdict", {"orders": {}}))[1]
        status, document = await call("POST", "verdict", {"orders": 5})
        assert (status, bool(document["error"]["message"])) == (400, True)

    play(tell)


def test_reset_begins_anew_with_the_same_keys_and_an_empty_truth():
    async def tell(call):
        before = call.exchange.describe()
        await call("POST", "clock", {"goto": "bad"})
        await call("POST", "faults", {"match": "time", "reply": "unknown"})
        await call("POST", "accounts", {"name": "mine"})
        status, after = await call("POST", "reset")
        assert (status, after) == (200, before)
        assert (await call("GET", "clock"))[1]["phase"] == "calm"
        assert (await call("GET", "faults"))[1] == []
        assert (await call("POST", "accounts", {"name": "mine"}))[0] == 201

    play(tell)


def test_another_scenario_by_name_or_document_keeps_the_ports():
    async def tell(call):
        before = call.exchange.describe()
        _, loaded = await call(
            "PUT", "scenario", {"name": "unknown-503-landed", "seed": 9, "speed": 60}
        )
        assert (loaded["scenario"], loaded["seed"], loaded["speed"]) == (
            "unknown-503-landed",
            9,
            60,
        )
        here, there = (d["venues"]["binance-um"] for d in (before, loaded))
        assert here["endpoints"] == there["endpoints"]
        assert here["key"] != there["key"]
        document = {
            "scenario": "by-hand",
            "venue": "binance-um",
            "phases": [{"name": "all", "for": "rest"}],
        }
        _, loaded = await call("PUT", "scenario", {"document": document})
        assert (loaded["scenario"], loaded["speed"]) == ("by-hand", 60)
        assert (await call("GET", "clock"))[1]["phase"] == "all"

    play(tell)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({}, "name"),
        ({"name": "unknown-503-landed", "document": {}}, "name"),
        ({"name": "../secrets.yaml"}, "name"),
        ({"name": 5}, "name"),
        ({"document": "text"}, "document"),
        ({"document": {"scenario": "x", "venue": "binance-um"}}, ""),
        ({"name": "unknown-503-landed", "seed": -1}, "seed"),
        ({"name": "unknown-503-landed", "sped": 1}, "sped"),
    ],
)
def test_scenario_that_cannot_be_loaded_leaves_the_old_one_running(body, key):
    async def tell(call):
        await call("POST", "clock", {"goto": "bad"})
        await call.fails(400, key, "PUT", "scenario", body)
        _, clock = await call("GET", "clock")
        assert (clock["phase"], clock["elapsed_s"]) == ("bad", 300.0)

    play(tell)


def test_scenario_of_another_venue_names_what_is_served():
    async def tell(call):
        status, document = await call("PUT", "scenario", {"name": "gateway-lost-reply"})
        assert status == 400
        assert "kraken-spot" in document["error"]["message"]
        assert "binance-um" in document["error"]["message"]
        assert (await call("PUT", "scenario", {"name": "no-such-thing"}))[0] == 400
        assert call.exchange.scenario.scenario == "under-test"

    play(tell)


STEERS = [
    ("POST", "clock", {"advance": "1m"}),
    ("POST", "faults", {"match": "time", "reply": "unknown"}),
    ("DELETE", "faults/adhoc/1", None),
    ("PUT", "scenario", {"name": "zero-balances"}),
    ("POST", "accounts", None),
    ("POST", "verdict", None),
    ("POST", "reset", None),
]


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8901", "https://evil.example"),
        ("127.0.0.1:8901", "http://evil.example:8901"),
        ("127.0.0.1:8901", "http://127.0.0.1:9999"),  # another server of this machine
        ("127.0.0.1:8901", "http://127.0.0.1"),
        ("127.0.0.1:8901", "null"),  # a sandboxed frame, a file
        ("127.0.0.1:8901", "http://127.0.0.1:8901@evil.example"),
        ("evil.example:8901", "http://evil.example:8901"),  # a name that leads to this machine
        ("", "http://127.0.0.1:8901"),
    ],
)
def test_a_page_of_another_site_cannot_steer(host, origin):
    """Its browser sends a plain POST without asking first; it is refused, and nothing happens."""

    async def tell(call):
        run, elapsed_s = call.exchange.run, call.exchange.run.clock.elapsed_s
        for method, path, body in STEERS:
            headers = {"host": host, "origin": origin}
            error = await call.fails(403, "", method, path, body, headers=headers)
            assert error["problem"] == f"{origin} is another site"
        assert call.exchange.run is run
        assert run.clock.elapsed_s == elapsed_s
        assert not run.desk.added
        assert (await call("GET", "clock", headers={"host": host, "origin": origin}))[0] == 200

    play(tell)


@pytest.mark.parametrize("host", ["127.0.0.1:8901", "localhost:8901", "[::1]:8901", "LOCALHOST"])
def test_the_page_itself_and_programs_steer(host):
    async def tell(call):
        own = {"host": host, "origin": f"http://{host.lower()}"}
        assert (await call("POST", "clock", {"advance": "1m"}, headers=own))[0] == 200
        assert (await call("POST", "clock", {"advance": "1m"}, headers={"host": host}))[0] == 200
        assert round(call.exchange.run.clock.elapsed_s) == 120

    play(tell)


def test_a_name_that_the_mock_was_told_to_listen_on_is_its_own():
    async def tell(call):
        headers = {"host": "drill.lan:8901", "origin": "http://drill.lan:8901"}
        await call.fails(403, "", "POST", "reset", headers=headers)
        call.exchange._host = "drill.lan"
        assert (await call("POST", "clock", {"pause": True}, headers=headers))[0] == 200

    play(tell)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "truth/more", 404),
        ("POST", "truth", 405),
        ("DELETE", "clock", 405),
        ("PUT", "reset", 405),
    ],
)
def test_unknown_calls_and_methods(method, path, status):
    async def tell(call):
        await call.fails(status, "", method, path)

    play(tell)


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"advance": NaN}', b"nul"]
)
def test_bodies_that_are_no_json_object(raw):
    async def tell(call):
        status, document = await call("POST", "clock", raw=raw)
        assert status == 400
        assert document["error"]["message"]

    play(tell)
