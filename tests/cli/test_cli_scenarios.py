"""`outlast scenarios`."""

from __future__ import annotations

import json

from command_line import complaint, outlast

from outlast.mock.scenario.load import slugs

SLUG = "binance-reduce-only-lockout-2025-10-11"


def test_the_catalogue_as_json_has_every_scenario_and_its_terms():
    code, out, err = outlast("scenarios", "--json")
    assert (code, err) == (0, "")
    listed = json.loads(out)
    assert sorted(entry["scenario"] for entry in listed) == sorted(slugs())
    for entry in listed:
        assert list(entry) == [
            "scenario",
            "title",
            "venue",
            "fidelity",
            "incidents",
            "duration_s",
        ]
    night = next(entry for entry in listed if entry["scenario"] == SLUG)
    assert night["venue"] == ["binance-um", "binance-spot"]
    assert night["incidents"] == ["BN-2025-10-10"]
    assert night["duration_s"] == 135 * 60


def test_the_catalogue_as_a_table_names_every_scenario():
    code, out, _ = outlast("scenarios")
    assert code == 0
    rows = [line for line in out.splitlines() if "│" in line]
    assert [row.split("│")[1].strip() for row in rows] == sorted(slugs())
    assert all("…" not in row for row in rows)


def test_one_scenario_is_printed_as_it_is_written():
    code, out, _ = outlast("scenarios", SLUG)
    assert code == 0
    assert out.startswith("# Incidents: BN-2025-10-10.")
    assert f"scenario: {SLUG}" in out
    [entry] = json.loads(outlast("scenarios", SLUG, "--json")[1])
    assert entry["scenario"] == SLUG


def test_lint_of_the_catalogue_finds_nothing():
    code, out, err = outlast("scenarios", "--lint")
    assert (code, err) == (0, "")
    assert out == f"{len(slugs())} checked, 0 problems\n"


def test_lint_of_a_file_tells_everything_that_is_wrong_and_exits_1(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "scenario: bad\nvenue: binance-um\nphases:\n"
        "  - {name: a, for: 5m, fault: []}\n  - {name: b, for: soon}\n"
    )
    code, out, _ = outlast("scenarios", "bad.yaml", "--lint", cwd=tmp_path)
    assert code == 1
    lines = out.splitlines()
    assert lines[0] == "bad.yaml:4: phases[0].fault: unknown key; did you mean `faults`?"
    assert lines[1].startswith("bad.yaml:5: phases[1].for: ")
    assert lines[-1] == f"1 checked, {len(lines) - 1} problems"
    code, out, _ = outlast("scenarios", "bad.yaml", "--lint", "--json", cwd=tmp_path)
    problems = json.loads(out)
    assert (code, len(problems)) == (1, len(lines) - 1)
    assert problems[0] == {
        "file": "bad.yaml",
        "line": 4,
        "key": "phases[0].fault",
        "problem": "unknown key",
        "remedy": "did you mean `faults`?",
    }


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert "nowhere.yaml" in complaint("scenarios", "nowhere.yaml", cwd=tmp_path)
