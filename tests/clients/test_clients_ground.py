"""The runner of the client sessions tells when one of them fails; no client is needed for that."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def _module(path: Path):
    spec = importlib.util.spec_from_file_location(f"clients_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


run, ground = _module(HERE / "run.py"), _module(HERE / "sessions" / "ground.py")


class HereItIs:
    """A mock that nobody asks anything."""

    venue, trouble, is_served = "nowhere", "", True

    def where(self):
        return {"rest": "http://127.0.0.1:1"}


def play(tmp_path, monkeypatch, steps: str, *, before: str = ""):
    """The result of a session with these steps, played as the others are."""
    text = f"import asyncio, os, sys\nsys.path.insert(0, {str(HERE / 'sessions')!r})\n"
    text += f"import ground\n{before}\nclass Play(ground.Session):\n{steps}\nground.main(Play)\n"
    (tmp_path / "planted.py").write_text(text)
    monkeypatch.setattr(run, "SESSIONS", tmp_path)
    return run.play("planted", Path(sys.executable), HereItIs())


def test_every_step_that_holds_is_reported_with_what_it_found(tmp_path, monkeypatch):
    result = play(tmp_path, monkeypatch, "    async def markets(self): return self.where['rest']")
    assert result.failed == 0
    assert result.steps["markets"]["detail"] == "http://127.0.0.1:1"


def test_a_step_that_fails_is_counted_and_those_that_need_it_are_not_run(tmp_path, monkeypatch):
    steps = """
    async def place(self):
        assert False, "nobody took it"
        self.order_id = 1
    async def cancel(self):
        self.needs("order_id")
    async def balance(self): return "much"
"""
    result = play(tmp_path, monkeypatch, steps)
    assert [step for step, said in result.steps.items() if said["ok"]] == ["balance"]
    assert "nobody took it" in result.steps["place"]["detail"]
    assert "NotRun" in result.steps["cancel"]["detail"]
    assert result.failed == 2


def test_a_step_that_hangs_fails_and_the_rest_goes_on(tmp_path, monkeypatch):
    steps = """
    async def book_stream(self): await asyncio.sleep(3600)
    async def balance(self): return "much"
"""
    result = play(tmp_path, monkeypatch, steps, before="ground.STEP_S = 0.1")
    assert "TimeoutError" in result.steps["book_stream"]["detail"]
    assert result.steps["balance"]["ok"]


@pytest.mark.parametrize(
    "end", ["os._exit(0)", "os._exit(9)", "raise asyncio.CancelledError", "raise SystemExit(1)"]
)
def test_a_session_that_breaks_off_is_a_failure(tmp_path, monkeypatch, end):
    result = play(tmp_path, monkeypatch, f"    async def markets(self): {end}")
    assert result.failed == 1
    assert "broke off" in result.trouble


def test_a_name_that_no_session_has_is_refused():
    done = subprocess.run(
        [sys.executable, HERE / "run.py", "nonsense"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_every_session_stands_in_the_table_and_has_an_environment():
    scripts = {path.stem for path in (HERE / "sessions").glob("*.py")}
    assert scripts - {name for name, _, _ in run.PLAYED} == {"ground", "ccxt_orders"}
    assert {name for name, _, _ in run.PLAYED} <= scripts
    assert {owner for _, owner, _ in run.PLAYED} == set(run.SETS)
    assert run.steps_in_order() == list(ground.STEPS)


@pytest.mark.parametrize(
    ("bids", "asks", "why"),
    [
        ([], [[2, 1]], "no bids"),
        ([[1, 1]], [], "no asks"),
        ([[1, 1], [1.5, 1]], [[2, 1]], "do not fall"),
        ([[1, 1]], [[3, 1], [2, 1]], "do not rise"),
        ([[2, 1]], [[2, 1]], "crossed"),
        ([[1, 0]], [[2, 1]], "without quantity"),
        ([[3, 1], [2, 1], [1, 1]], [[4, 1]], "asked for"),
    ],
)
def test_a_book_that_is_none_is_found_out(bids, asks, why):
    with pytest.raises(AssertionError, match=why):
        ground.check_book(bids, asks, depth=2)
    assert ground.check_book([[1.5, 1], [1, 2]], [[2, 1]], depth=2)
