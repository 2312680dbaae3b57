"""The page about the mock is true: its snippets run, and it names everything the language has."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from outlast import sim
from outlast.cli.mock import mock
from outlast.mock import MockExchange
from outlast.mock.exchange import dialects
from outlast.mock.scenario.load import loads
from outlast.mock.scenario.model import (
    AccountSettings,
    EngineSettings,
    LimitSettings,
    MarketSettings,
    Where,
)
from outlast.mock.scenario.script import Script
from outlast.mock.scenario.vocabulary import ALIASES, ENDPOINTS, EffectKind, StreamKind

PAGE = (Path(__file__).parent.parent.parent / "docs" / "mock.md").read_text(encoding="utf-8")
FRONT = PAGE.partition("\n## Truth\n")[0]
OUTLAST = Path(sys.executable).parent / "outlast"


def blocks(language: str) -> list[str]:
    """The fenced snippets of the chapters in front of Truth."""
    return re.findall(rf"^```{language}\n(.*?)^```$", FRONT, re.DOTALL | re.MULTILINE)


def chapter(name: str) -> str:
    return FRONT.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def scenarios() -> dict[str, str]:
    """The page's scenarios by name."""
    return {loads(text).scenario: text for text in blocks("yaml")}


def commands() -> list[list[str]]:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    assert all(line.startswith("$ outlast ") for line in lines)
    return [line.split()[2:] for line in lines]


def shape(document: object) -> object:
    """Keys and types of a JSON document; of lists, what they hold."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    if isinstance(document, list):
        return [shape(value) for value in document]
    return type(document).__name__


def test_there_are_snippets_of_each_kind():
    assert len(blocks("yaml")) == 3
    assert len(blocks("python")) == 2
    assert len(blocks("json")) == 1
    assert len(commands()) == 4


@pytest.mark.parametrize("name", sorted(scenarios()))
def test_a_scenario_of_the_page_plays_to_its_end(name):
    scenario = loads(scenarios()[name])
    phases = [phase.name for phase in scenario.phases]

    async def play() -> list[str]:
        seen = []
        async with MockExchange(scenario) as exchange:
            for start_s in exchange.run.script.starts.values():
                await asyncio.sleep(start_s + 1 - exchange.run.clock.elapsed_s)
                exchange.run.clock.catch_up()
                seen.append(exchange.run.script.at(exchange.run.clock.elapsed_s).phase.name)
        return seen

    assert sim.run(play, seed=1) == phases
    assert Script(scenario).starts[phases[-1]] > 0


def test_what_the_page_lists_later_is_listed_then_and_the_tick_is_another():
    scenario = loads(scenarios()["new-rules"])

    async def play() -> list[tuple[list[str], str]]:
        seen = []
        async with MockExchange(scenario) as exchange:
            engine = exchange.run.venues["binance-um"].stage.engine
            for at_s in (9 * 60, 11 * 60, 16 * 60):
                await exchange.run.clock.advance_to(at_s)
                seen.append((sorted(engine.instruments), str(engine.instruments["BTCUSDT"].tick)))
        return seen

    both = ["BTCUSDT", "SOLUSDT"]
    assert sim.run(play, seed=1) == [(both[:1], "0.1"), (both, "0.1"), (both, "0.5")]


@pytest.mark.sockets
@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_a_python_snippet_runs(number, capsys):
    found: dict[str, object] = {}
    exec(compile(blocks("python")[number], f"docs/mock.md, snippet {number}", "exec"), found)
    if "main" in found:
        assert "no_duplicate_exposure True" in capsys.readouterr().out
    else:
        assert Script(found["scenario"]).starts["back"] == 32 * 60


@pytest.mark.sockets
@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_a_command_of_the_page_does_what_it_says(command, tmp_path):
    for name, text in scenarios().items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    if command[0] == "scenarios":
        done = subprocess.run(
            [OUTLAST, *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert ("1 checked, 0 problems" if "--lint" in command else "unknown-503") in done.stdout
        return
    with subprocess.Popen(
        [OUTLAST, *command], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            first = json.loads(process.stdout.readline())
        finally:
            process.terminate()
    (documented,) = blocks("json")
    assert shape(first) == shape(json.loads(documented))


def test_every_option_of_the_command_is_in_the_table():
    options = {f"--{name}" for name in inspect.signature(mock).parameters if name != "as_json"}
    assert set(re.findall(r"--[a-z]+", chapter("Start it"))) >= options


def test_every_venue_is_in_the_tables():
    listed = set(re.findall(r"^\| `([a-z-]+)` \|", chapter("Where things are"), re.MULTILINE))
    assert listed == set(dialects())
    assert chapter("The venues").count("**Not known of the real") == len(listed) + 1


def test_every_word_of_the_scenario_language_is_in_its_chapter():
    words = [*ENDPOINTS, *ALIASES, *get_args(StreamKind)]
    words += [word for word in get_args(EffectKind) if word != "apply_share"]
    kinds = (Where, EngineSettings, MarketSettings, AccountSettings, LimitSettings)
    keys = [field.name for kind in kinds for field in fields(kind)]
    words += [key.removesuffix("_s") for key in keys]  # inside, lengths of time carry their unit
    text = chapter("Write a scenario")
    assert [
        word for word in words if not re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", text)
    ] == []
