"""The pytest plugin, as a user's own test suite meets it."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

SAFE_BOT = """
import ccxt, outlast, pytest
import ccxt.async_support

@pytest.mark.outlast("unknown-503-landed", phase="unknown", seed=3)
async def test_my_bot(outlast_mock, outlast_truth):
    exchange = ccxt.async_support.binanceusdm(
        {"apiKey": outlast_mock.key, "secret": outlast_mock.secret,
         "options": {"fetchCurrencies": False}})
    exchange.urls["api"] = {
        name: outlast_mock.url + "/" + url.split("/", 3)[3]
        for name, url in exchange.urls["api"].items() if isinstance(url, str)}
    GUARD
    for n in range(4):
        while True:
            try:
                await exchange.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60000 + n)
                break
            except ccxt.NetworkError:
                await exchange.sleep(1000)
    await exchange.close()
    outlast_truth.assert_safe()
"""


MY_BOT = """
import ccxt, outlast

async def place_orders(exchange):
    exchange.options["fetchCurrencies"] = False
    outlast.guard(exchange, journal=None)
    for n in range(3):
        while True:
            try:
                await exchange.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60000 + n)
                break
            except ccxt.NetworkError:
                await exchange.sleep(1000)
"""


def run(folder, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_users.py").write_text(textwrap.dedent(source))
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "no:randomly", *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_a_users_bot_meets_an_outage_in_virtual_time(tmp_path):
    done = run(tmp_path, SAFE_BOT.replace("GUARD", "outlast.guard(exchange, journal=None)"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bot_that_repeats_itself_fails_with_the_orders_named(tmp_path):
    done = run(tmp_path, SAFE_BOT.replace("GUARD", "pass"))
    assert done.returncode == 1
    assert "orders were made twice for one intent" in done.stdout
    assert "orders at the venue:" in done.stdout
    assert "BTCUSDT limit" in done.stdout


def test_a_plain_test_meets_the_mock_on_real_sockets(tmp_path):
    done = run(
        tmp_path,
        """
        import os, urllib.request, pytest

        @pytest.mark.outlast("unknown-503-landed", phase="unknown")
        def test_sockets(outlast_mock, outlast_truth):
            with urllib.request.urlopen(outlast_mock.url + "/fapi/v1/time") as answer:
                assert b"serverTime" in answer.read()
            assert os.environ["OUTLAST_BINANCE_UM_KEY"] == outlast_mock.key
            assert outlast_truth.scorecard["orders"] == 0
            outlast_truth.assert_holds()

        def test_afterwards_the_environment_is_as_before():
            assert "OUTLAST_MOCK" not in os.environ
        """,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        ('"no-such-scenario"', "no-such-scenario"),
        ('"unknown-503-landed", phase="noon"', "has no phase 'noon'"),
        ('"unknown-503-landed", venue="kraken-spot"', "not kraken-spot"),
        ('"unknown-503-landed", speed=3', "the marker outlast takes"),
    ],
)
def test_a_marker_that_is_wrong_says_what_is(marker, complaint, tmp_path):
    done = run(
        tmp_path,
        f"""
        import pytest

        @pytest.mark.outlast({marker})
        async def test_it(outlast_mock):
            pass
        """,
    )
    assert done.returncode == 1
    assert complaint in done.stdout


def test_unused_it_costs_nothing():
    """Loaded for every pytest run on the machine: it must not even import this package."""
    code = "import sys, pytest; before = set(sys.modules); import pytest_outlast; "
    code += "print(*set(sys.modules) - before)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["pytest_outlast"]


def test_pytest_finds_it_by_its_entry_point():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {"outlast": "pytest_outlast"}
    assert "src/pytest_outlast" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_the_file_in_the_docs_runs_as_it_stands(tmp_path):
    """Fifteen lines, against a bot of three; an outage takes it under two seconds."""
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    source = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0]
    assert len([line for line in source.splitlines() if line.strip()]) <= 16
    (tmp_path / "mybot.py").write_text(MY_BOT)
    done = run(tmp_path, source, "--durations=1", "--durations-min=0")
    assert done.returncode == 0, done.stdout + done.stderr
    took_s = float(re.search(r"([0-9.]+)s call", done.stdout)[1])
    assert took_s < 10, "under 2 s where nothing else runs"
