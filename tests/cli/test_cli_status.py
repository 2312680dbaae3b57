"""`outlast status` and `outlast doctor`, against the mock on real sockets of this machine."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from command_line import outlast

from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.builder import ScenarioBuilder

pytestmark = pytest.mark.sockets


@pytest.fixture(params=["online", "maintenance"])
def served(request, monkeypatch):
    """The mock in a thread, its endpoints and key in the environment; the mode of its engine."""
    made = ScenarioBuilder("status", venue="kraken-spot")
    made.instrument("BTC/USD", product="spot", mid="68000", tick="0.1")
    scenario = made.phase("all", "rest", engine={"mode": request.param}).build()
    up, ended = threading.Event(), threading.Event()
    wires = {}

    async def serve():
        async with MockExchange(scenario, seed=1) as mock:
            wires.update(mock.describe()["venues"]["kraken-spot"])
            up.set()
            while not ended.is_set():
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert up.wait(30)
    monkeypatch.setenv("OUTLAST_KRAKEN_SPOT_ENDPOINTS", json.dumps(wires["endpoints"]))
    monkeypatch.setenv("OUTLAST_KRAKEN_SPOT_KEY", wires["key"])
    monkeypatch.setenv("OUTLAST_KRAKEN_SPOT_SECRET", wires["secret"])
    yield request.param
    ended.set()
    thread.join(30)


def test_status_says_it_in_one_line_and_by_its_exit_code(served):
    code, said, _ = outlast("status", "kraken-spot")
    line = next(line for line in said.splitlines() if line.startswith("kraken-spot"))
    if served == "online":
        assert (code, line.split()[1]) == (0, "OK")
        assert "all green for this product" in said
    else:
        assert (code, line.split()[1]) == (1, "MAINTENANCE")
        assert "the venue is in maintenance mode" in line


def test_status_as_json_is_one_document(served):
    _, said, _ = outlast("status", "kraken-spot", "--json")
    (venue,) = json.loads(said)["venues"]
    assert venue["mode"] == served
    assert venue["health"] == {"online": "healthy", "maintenance": "maintenance"}[served]
    assert {c["name"] for c in venue["status_page"]["components"]} >= {"Spot Trading"}


def test_doctor_names_what_is_fine_and_what_is_not(served):
    code, said, _ = outlast("doctor", "kraken-spot", "--json")
    findings = json.loads(said)["findings"]
    grades = {}
    for finding in findings:
        grades.setdefault(finding["what"], set()).add(finding["grade"])
    assert grades["rest"] == {"ok"}
    assert grades["limit"] == {"ok"}
    assert grades["clock"] == {"note"}  # the scenario plays in March
    if served == "online":
        assert code == 0
        assert any(f["text"] == "may read balances" for f in findings)


def test_a_venue_that_nobody_knows_is_a_usage_error():
    code, _, said = outlast("status", "nowhere")
    assert code == 2
    assert "nowhere" in said


def test_doctor_tells_when_the_key_is_missing(monkeypatch):
    monkeypatch.setenv("OUTLAST_KRAKEN_SPOT_ENDPOINTS", '{"rest": "http://127.0.0.1:9"}')
    for name in ("OUTLAST_KRAKEN_SPOT_KEY", "KRAKEN_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.replace("KEY", "SECRET"), raising=False)
    monkeypatch.setattr("outlast.client.looking.TRIES", 1)
    code, said, _ = outlast("doctor", "kraken-spot")
    assert code == 1
    assert "set OUTLAST_KRAKEN_SPOT_KEY" in said
