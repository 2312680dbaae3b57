"""The documentation names everything that is public."""

import dataclasses
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import outlast
from outlast import errors

DOCS = Path(__file__).parent.parent / "docs"
EXAMPLES = DOCS.parent / "examples"


def test_every_exception_is_in_the_page_of_errors():
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    public = [
        name
        for name, thing in inspect.getmembers(errors, inspect.isclass)
        if issubclass(thing, errors.OutlastError)
    ]
    assert len(public) > 20
    assert [name for name in public if f"`{name}`" not in page] == []


def test_every_setting_is_in_the_page_of_settings():
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    names = [field.name for field in dataclasses.fields(outlast.Settings)]
    assert [name for name in names if f"`{name}`" not in page] == []


@pytest.mark.sockets
def test_the_example_of_the_readme_runs_as_it_stands(tmp_path):
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    script = tmp_path / "first.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert "flat: True" in done.stdout
    assert (tmp_path / "bot.journal").exists()


# What an example needs that is not of this package's extras; its warnings are its own.
NEEDS = {"python_binance_bot.py": "binance"}
OF_OTHERS = ["freqtrade_strategy.py"]  # tests/examples has a program of its own for it


def test_no_example_is_longer_than_a_screen():
    for example in EXAMPLES.rglob("*.py"):
        assert len(example.read_text(encoding="utf-8").splitlines()) < 60, example.name


@pytest.mark.sockets
@pytest.mark.parametrize(
    "example",
    [path for path in sorted(EXAMPLES.glob("*.py")) if path.name not in OF_OTHERS],
    ids=lambda path: path.name,
)
def test_every_example_runs(example, tmp_path):
    needed = NEEDS.get(example.name)
    if needed is not None:
        pytest.importorskip(needed, reason=f"{example.name} needs {needed}")
    done = subprocess.run(
        [sys.executable, *([] if needed else ["-W", "error"]), str(example)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout


def test_first_success_is_on_the_first_screen_of_the_readme():
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 80
    first_screen = "\n".join(readme.splitlines()[:45])
    assert "make demo" in first_screen
    assert "make test" in first_screen
    assert "asyncio.run(main())" in first_screen


COMMAND = re.compile(r"^\$ outlast (.*?)(?:\s+#.*)?$", flags=re.MULTILINE)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_every_command_on_a_page_is_one_that_there_is(page):
    """Its name and its options; what it does is tested elsewhere."""
    pytest.importorskip("typer")
    from typer.main import get_command

    from outlast.cli.commands import commands

    for line in COMMAND.findall(page.read_text(encoding="utf-8")):
        words = shlex.split(line.partition(" -- ")[0])  # behind it is the user's own command
        command = get_command(commands)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        unknown = [w for w in words if w.startswith("-") and w.split("=")[0] not in options]
        assert not getattr(command, "commands", None), f"{page.name}: no such command: {line}"
        assert not unknown, f"{page.name}: {line}: {unknown}"
