"""`outlast drill SCENARIO --compare BEFORE AFTER`."""

from __future__ import annotations

import json

from command_line import outlast


def test_before_and_after_the_guard(tmp_path):
    story = tmp_path / "lossy.yaml"
    story.write_text(
        "scenario: lossy\ntitle: half of the answers are lost\nincidents: [MINE-1]\n"
        "fidelity: synthetic\nvenue: kraken-spot\nseed: 2\n"
        "phases:\n  - name: lossy\n    for: 6m\n    faults:\n"
        "      - {match: orders.create, p: 0.5, reply: {html: cdn-502}, effect: apply}\n"
        "  - {name: back, for: 2m}\n"
        "expect: [no_duplicate_exposure, no_ban]\n"
    )
    arguments = ("drill", str(story), "--compare", "ccxt", "guarded-ccxt")
    code, out, err = outlast(*arguments, "--json")
    assert (code, err) == (0, "")
    told = {each["what"]: each for each in json.loads(out)["changes"]}
    assert told["duplicates"]["better"]
    assert told["duplicates"]["after"] == 0
    assert told["no_duplicate_exposure"]["after"] == "holds"
    code, out, _ = outlast("drill", str(story), "--compare", "guarded-ccxt", "ccxt")
    assert code == 1
    assert "worse  no_duplicate_exposure: holds -> broken" in out


def test_it_names_both_bots_by_itself():
    code, _, err = outlast(
        "drill", "gateway-lost-reply", "--compare", "ccxt", "a:b", "--bot", "x:y"
    )
    assert code == 2
    assert "--compare names both bots" in err


def test_what_a_bot_prints_does_not_come_between_the_json(tmp_path):
    (tmp_path / "talkative.py").write_text("async def trade():\n    print('hello')\n")
    story = ("drill", "engine-frozen-socket-alive", "--bot", "talkative:trade", "--json")
    _, out, err = outlast(*story, cwd=tmp_path)
    assert json.loads(out)["bots"][0]["bot"] == "talkative:trade"
    assert "hello" in err
