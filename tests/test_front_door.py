"""What `import outlast` offers: all of it exists, is documented, and nothing else is public."""

import dataclasses
import enum
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import outlast

DOCS = Path(__file__).parent.parent / "docs"
OBJECTS = {name: getattr(outlast, name) for name in outlast.__all__}
CLASSES = {name: value for name, value in OBJECTS.items() if inspect.isclass(value)}
ERRORS = {n: v for n, v in CLASSES.items() if issubclass(v, BaseException)}


def test_no_name_is_listed_twice():
    assert len(set(outlast.__all__)) == len(outlast.__all__)


def test_nothing_is_public_by_accident():
    public = {
        name
        for name, value in vars(outlast).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert public == set(outlast.__all__)


def own_docstring(value):
    """The docstring that somebody wrote, not the one that `dataclass` or `Enum` makes up."""
    text = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    if not text or (inspect.isclass(value) and text.startswith(f"{value.__name__}(")):
        return ""
    return "" if text in (enum.Enum.__doc__, "An enumeration.") else text


DOCUMENTED = [n for n, v in OBJECTS.items() if inspect.isclass(v) or inspect.isroutine(v)]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_public_name_is_documented(name):
    text = own_docstring(OBJECTS[name])
    assert text, f"{name} has no docstring"
    assert text.strip().splitlines()[0].rstrip().endswith((".", ":", ";")), text


@pytest.mark.parametrize("name", ["Session", "Settings"])
def test_every_public_method_is_documented(name):
    for method, value in vars(OBJECTS[name]).items():
        if method.startswith("_") or not (inspect.isroutine(value) or isinstance(value, property)):
            continue
        assert (value.__doc__ or "").strip(), f"{name}.{method} has no docstring"


def test_states_are_exported_under_their_own_names():
    for state in outlast.TradingState:
        assert getattr(outlast, state.name) is state


@pytest.mark.parametrize("name", ERRORS)
def test_every_public_exception_is_one_of_ours_and_is_named_in_the_docs(name):
    assert issubclass(ERRORS[name], outlast.OutlastError)
    assert f"`{name}`" in (DOCS / "errors.md").read_text()


def test_every_exception_of_the_tree_is_public():
    from outlast import errors

    tree = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.OutlastError)
    }
    assert tree == set(ERRORS)


def test_the_docs_name_no_exception_that_is_gone():
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", (DOCS / "errors.md").read_text()))
    classes = {name for name in named if not name.isupper()}
    assert classes <= set(CLASSES)


def test_every_setting_is_named_in_the_docs():
    text = (DOCS / "settings.md").read_text()
    for field in dataclasses.fields(outlast.Settings):
        assert f"`{field.name}`" in text


def test_the_front_door_opens_without_optional_libraries_and_the_other_houses():
    """A bot's machine has what pyproject.toml requires, and no more."""
    code = "import sys, outlast; outlast.connect; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "outlast.client.session" in said
    unwanted = {"yaml", "typer", "ccxt", "aiohttp", "hypothesis", "redis", "jinja2"}
    unwanted |= {f"outlast.{house}" for house in ("mock", "sim", "drill", "cli", "adapters")}
    assert not unwanted & set(said)


def test_the_front_door_opens_at_once():
    """Without the client, its libraries and the event loop: a command or a test pays for itself."""
    code = "import sys, outlast; print(*(n for n in sys.modules if n.split('.')[0] in HEAVY))"
    heavy = "HEAVY = {'httpx', 'websockets', 'structlog', 'tenacity', 'h11', 'asyncio', 'ccxt'}; "
    said = subprocess.run(
        [sys.executable, "-c", heavy + code], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == []
