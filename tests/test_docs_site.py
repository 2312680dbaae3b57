"""The pages of the site: their programs run, their commands are real, and it builds."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from outlast.drill.own import run_function
from outlast.mock.scenario.catalogue import slugs
from outlast.mock.scenario.load import load

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
NEW = ("index", "outages", "scenarios", "drilling", "venues", "api")


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page(name), flags=re.DOTALL)


@pytest.fixture
def mybot(tmp_path, monkeypatch):
    """`mybot.py` as the first page has it, where commands are given from."""
    (tmp_path / "mybot.py").write_text("\n\n".join(blocks("index", "python")), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("mybot", None)


def test_the_bot_of_the_first_page_shows_what_the_page_says(mybot):
    """Ten minutes of the scenario are enough: bare it doubles orders, with the line it does not."""
    story = load("unknown-503-landed")
    phases = [dataclasses.replace(p, duration_s=min(p.duration_s, 600)) for p in story.phases]
    story = dataclasses.replace(story, phases=tuple(phases))
    bare = run_function(story, "mybot:trade", seed=1)
    guarded = run_function(story, "mybot:guarded", seed=1)
    assert bare.died_of is guarded.died_of is None
    assert bare.scorecard["duplicates"] > 5
    assert guarded.scorecard["orders"] > 10
    assert [guarded.scorecard[name] for name in ("duplicates", "lost", "bans")] == [0, 0, 0]


def test_the_scenario_of_the_page_about_scenarios_is_a_good_one(tmp_path):
    (text,) = blocks("scenarios", "yaml")
    file = tmp_path / "lost-answers.yaml"
    file.write_text(text, encoding="utf-8")
    assert load(file).scenario == "lost-answers"


@pytest.mark.parametrize("name", NEW)
def test_every_scenario_that_a_page_names_exists(name):
    commands = "\n".join(blocks(name, "console"))
    named = set(re.findall(r"outlast (?:drill|scenarios) ([a-z][a-z0-9-]+)(?![\w.-])", commands))
    named |= set(re.findall(r"\| `([a-z0-9]+(?:-[a-z0-9]+)+)`", page("outages")))
    assert named - set(slugs()) == set()


def test_the_commands_of_the_pages_take_the_options_that_are_shown():
    code = "from outlast.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "drill", "--help"],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    shown = done.stdout
    commands = "\n".join(text for name in NEW for text in blocks(name, "console"))
    drills = re.findall(r"outlast drill (.*?)(?: -- .*| > .*)?$", commands, flags=re.MULTILINE)
    options = set(re.findall(r"--[a-z]+", " ".join(drills)))
    assert options >= {"--bot", "--compare"}
    assert [name for name in options if name not in shown] == []


def test_the_workflow_is_what_the_page_shows_in_short():
    whole = yaml.safe_load((ROOT / "examples" / "ci" / "github-actions.yml").read_text())
    (short,) = blocks("drilling", "yaml")
    steps = [step.get("uses") or step["run"] for step in whole["jobs"]["outage"]["steps"]]
    for step in yaml.safe_load(short)["jobs"]["outage"]["steps"]:
        told = step.get("uses") or step["run"].replace(
            "gateway-lost-reply", "${{ matrix.scenario }}"
        )
        assert told in steps
    assert set(whole["jobs"]["outage"]["strategy"]["matrix"]["scenario"]) <= set(slugs())


def test_every_page_of_the_navigation_exists_and_every_new_one_is_in_it():
    named = set(re.findall(r"(?m)[:-] ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text()))
    assert [name for name in sorted(named) if not (DOCS / name).exists()] == []
    assert {f"{name}.md" for name in NEW} <= named


def test_every_link_between_pages_leads_somewhere():
    for file in DOCS.rglob("*.md"):
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", file.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (file.parent / link).exists(), f"{file.name}: {link}"


@pytest.mark.skipif(shutil.which("mkdocs") is None, reason="mkdocs is not installed: make docs")
def test_the_site_builds_without_a_warning(tmp_path):
    command = ["mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    index = json.loads((tmp_path / "site" / "search" / "search_index.json").read_text())
    assert any("outlast.guard" in row["location"] for row in index["docs"])
