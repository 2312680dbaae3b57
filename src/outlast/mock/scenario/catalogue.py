"""The scenarios that come with the package."""

from __future__ import annotations

from outlast.mock.scenario.load import load, slugs
from outlast.mock.scenario.model import Scenario

__all__ = ["catalogue", "slugs"]


def catalogue() -> list[Scenario]:
    """All of them, by slug."""
    return [load(slug) for slug in slugs()]
