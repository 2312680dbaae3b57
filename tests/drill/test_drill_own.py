"""Drills of a function and of a program that nobody here wrote."""

from __future__ import annotations

import sys
import textwrap

import pytest
from typer.testing import CliRunner

from outlast.cli.commands import commands
from outlast.drill.own import find, run_command, run_function
from outlast.errors import ConfigurationError
from outlast.mock.scenario.builder import ScenarioBuilder


def story(length: str = "10m"):
    built = ScenarioBuilder("quiet", venue="binance-um", seed=3)
    built.instrument("BTCUSDT", product="um", mid="68000", tick="0.1")
    built.account(balances={"USDT": "50000"}).phase("calm", length)
    return built.expect("no_duplicate_exposure", "evidence_complete", requests_total=50).build()


BOT = """
import asyncio, httpx, os

async def polls(wires):
    url = wires["venues"]["binance-um"]["endpoints"]["rest"]
    assert os.environ["OUTLAST_BINANCE_UM_KEY"] == wires["venues"]["binance-um"]["key"]
    async with httpx.AsyncClient(base_url=url) as client:
        while True:
            await client.get("/fapi/v1/time")
            await asyncio.sleep(60)

async def falls():
    raise RuntimeError("a bug of mine")

async def hammers(wires):
    url = wires["venues"]["binance-um"]["endpoints"]["rest"]
    async with httpx.AsyncClient(base_url=url) as client:
        for _ in range(60):
            await client.get("/fapi/v1/time")

def plain():
    pass
"""


@pytest.fixture
def users(tmp_path, monkeypatch):
    name = f"users_bot_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(BOT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def test_a_function_is_played_in_virtual_time_to_the_end(users):
    result = run_function(story(), f"{users}:polls", seed=1)
    assert result.died_of is None
    assert result.scorecard["requests"] == 10
    assert result.broken == []
    [evidence] = [row for row in result.verdict if row["invariant"] == "evidence_complete"]
    assert evidence["holds"] is None


def test_what_kills_it_is_told(users):
    assert run_function(story(), f"{users}:falls", seed=1).died_of == "RuntimeError: a bug of mine"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("no.such.module:bot", "cannot be imported"),
        ("USERS:nothing_there", "is nothing"),
        ("USERS:plain", "must be an `async def`"),
    ],
)
def test_what_is_no_bot_is_refused_with_a_reason(name, complaint, users):
    with pytest.raises(ConfigurationError, match=complaint):
        find(name.replace("USERS", users))


def test_the_command_line_runs_a_function_and_its_exit_code_is_for_ci(users, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        textwrap.dedent(
            """
            scenario: mine
            title: nothing happens
            venue: binance-um
            fidelity: synthetic
            phases:
              - {name: calm, for: 10m}
            expect: [{requests_total: 50}]
            """
        )
    )
    run = CliRunner().invoke
    assert run(commands, ["drill", str(file), "--bot", f"{users}:polls"]).exit_code == 0
    done = run(commands, ["drill", str(file), "--bot", f"{users}:hammers"])
    assert done.exit_code == 1
    assert "requests_total" in done.stdout


PROGRAM = """
import json, os, urllib.request
url = json.loads(os.environ["OUTLAST_BINANCE_UM_ENDPOINTS"])["rest"]
assert json.loads(os.environ["OUTLAST_MOCK"])["venues"]["binance-um"]["endpoints"]["rest"] == url
for _ in range(3):
    urllib.request.urlopen(url + "/fapi/v1/time").read()
raise SystemExit({code})
"""


@pytest.mark.sockets
@pytest.mark.parametrize("code", [0, 3])
def test_any_program_is_drilled_until_it_ends(code):
    command = [sys.executable, "-c", PROGRAM.replace("{code}", str(code))]
    result = run_command(story("60s"), command, seed=1)
    assert result.scorecard["requests"] == 3
    assert result.died_of == (None if code == 0 else "exit code 3")


@pytest.mark.sockets
def test_a_program_that_does_not_end_is_ended_with_the_scenario():
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    result = run_command(story("1s"), command, seed=1)
    assert result.died_of is None


@pytest.mark.sockets
def test_a_program_that_is_not_there_is_a_mistake_with_a_name():
    with pytest.raises(ConfigurationError, match="no-such-program-here"):
        run_command(story("1s"), ["no-such-program-here"], seed=1)
