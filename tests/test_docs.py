"""The documentation names everything that is public."""

import dataclasses
import inspect
from pathlib import Path

import outlast
from outlast import errors

DOCS = Path(__file__).parent.parent / "docs"


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


def test_the_readme_is_one_screen_and_names_both_commands():
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 70
    assert "make demo" in readme
    assert "make test" in readme
