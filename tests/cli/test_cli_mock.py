"""`outlast mock`: a real process on real sockets."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager

import pytest
from command_line import RUN, complaint, outlast_process

pytestmark = pytest.mark.sockets


@contextmanager
def mock(*arguments: str):
    """The running process, and its first line."""
    with subprocess.Popen(
        [*RUN, "mock", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=10) as answer:
        document: dict = json.load(answer)
        return document


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_line_says_where_everything_is_and_a_signal_stops_it(number):
    with mock("--venue", "binance-um", "--json", "--seed", "5") as (process, wires):
        assert list(wires["venues"]) == ["binance-um"]
        venue = wires["venues"]["binance-um"]
        assert set(venue) == {"endpoints", "key", "secret"}
        endpoints = venue["endpoints"]
        assert set(endpoints) == {
            "rest",
            "stream",
            "private_stream",
            "trade_stream",
            "status_page",
        }
        assert endpoints["rest"].startswith("http://127.0.0.1:")
        assert endpoints["stream"] == "ws" + endpoints["rest"].removeprefix("http")
        assert wires["seed"] == 5
        shown_ms = get(endpoints["rest"] + "/fapi/v1/time")["serverTime"]
        assert abs(shown_ms - time.time() * 1000) < 2000  # nothing is to go wrong: clocks agree
        assert get(wires["control"] + "/_outlast/truth")["version"] == 1
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "", "")


def test_a_scenario_plays_at_its_own_date():
    with mock("--venue", "binance-um", "--scenario", "zero-balances") as (_, wires):
        url = wires["venues"]["binance-um"]["endpoints"]["rest"] + "/fapi/v1/time"
        assert 0 <= get(url)["serverTime"] - 1_772_460_000_000 < 60_000


def test_ports_follow_the_first_one():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if port > 65_000:
        pytest.skip("the free port that was found has none after it")
    with mock("--venue", "binance-um", "--port", str(port)) as (_, wires):
        assert wires["venues"]["binance-um"]["endpoints"]["rest"].endswith(f":{port}")
        assert wires["venues"]["binance-um"]["endpoints"]["status_page"].endswith(f":{port + 1}")
        assert wires["control"].endswith(f":{port + 2}")


def test_time_runs_as_fast_as_it_is_told():
    with mock("--venue", "binance-um", "--speed", "100") as (_, wires):
        url = wires["venues"]["binance-um"]["endpoints"]["rest"] + "/fapi/v1/time"
        began, first_ms = time.monotonic(), get(url)["serverTime"]
        while (passed_ms := get(url)["serverTime"] - first_ms) < 20_000:
            assert time.monotonic() - began < 10
        assert passed_ms / 1000 == pytest.approx((time.monotonic() - began) * 100, rel=0.5)


def test_a_port_in_use_is_named_with_the_remedy():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = outlast_process("mock", "--venue", "binance-um", "--port", str(port))
    assert (code, out) == (2, "")
    assert err.startswith(f"outlast: port {port} on 127.0.0.1 cannot be opened (")
    assert "address already in use" in err.lower()
    assert err.endswith("); choose another with --port (0: any free ones)\n")
    assert err.count("\n") == 1


def test_a_port_that_cannot_be_is_named():
    assert complaint("mock", "--venue", "binance-um", "--port", "70000") == (
        "outlast: port 70000 does not exist; choose a lower one with --port (0: any free ones)"
    )


def test_an_unknown_venue_is_named_with_those_there_are():
    assert complaint("mock", "--venue", "binance-umm") == (
        "outlast: venue 'binance-umm' is not known; one of binance-spot, binance-um, kraken-spot"
    )


def test_a_malformed_scenario_is_told_with_line_key_and_remedy(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "scenario: bad\nvenue: binance-um\nphases: [{name: a, for: 5m, fault: []}]\n"
    )
    assert complaint("mock", "--scenario", "bad.yaml", cwd=tmp_path) == (
        "outlast: bad.yaml:3: phases[0].fault: unknown key; did you mean `faults`?"
    )
