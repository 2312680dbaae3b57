"""Bugs planted into the client, and the hunt for them: does a simulated trial notice?

A planted bug is a function that replaces one method or constant of the client, for the length of
one trial. It names the invariants that are there to stop it, and is found when a trial violates one
of them that the same trial violates not without it. What else may go wrong in consequence does not
count: a bug that only shows by chance would not be found again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pytest

from outlast.trials.focus import FOCUSES
from outlast.trials.invariants.registry import by_slug
from outlast.trials.model import TrialResult
from outlast.trials.runner import play

__all__ = ["BUGS", "Find", "Plant", "PlantedBug", "hunt", "planted", "violated_only_with"]

Plant = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class PlantedBug:
    name: str
    says: str
    """What is wrong with the client now, in one line."""
    shown_by: tuple[str, ...]
    """The invariants that it breaks, by their slugs."""
    plant: Callable[[Plant], None]
    focus: str | None = None
    """What the trials that it is hunted with are about; None: trials drawn at large."""


BUGS: dict[str, PlantedBug] = {}


def planted(
    *shown_by: str, focus: str | None = None
) -> Callable[[Callable[[Plant], None]], Callable[[Plant], None]]:
    """Enter a bug into the list: its name is the function's, its docstring says what is wrong."""
    assert shown_by
    assert focus is None or focus in FOCUSES, focus
    assert not [slug for slug in shown_by if slug not in by_slug], shown_by

    def enter(plant: Callable[[Plant], None]) -> Callable[[Plant], None]:
        says = (plant.__doc__ or "").strip()
        assert says, f"{plant.__name__} needs a docstring that says what is wrong"
        assert plant.__name__ not in BUGS
        BUGS[plant.__name__] = PlantedBug(plant.__name__, says, shown_by, plant, focus)
        return plant

    return enter


@dataclass(frozen=True, slots=True)
class Find:
    """What showed a bug."""

    seed: int
    seeds_played: int
    invariants: tuple[str, ...]


def hunt(name: str, seeds: Iterable[int]) -> Find | None:
    """Play trials with the bug until one shows it; None when none does."""
    for played, seed in enumerate(seeds, start=1):
        invariants = violated_only_with(name, seed)
        if invariants:
            return Find(seed, played, invariants)
    return None


def violated_only_with(name: str, seed: int) -> tuple[str, ...]:
    """The bug's invariants that the trial of `seed` violates with it, and does not without it."""
    bug = BUGS[name]
    with Plant.context() as plant:
        bug.plant(plant)
        result = play(seed, focus=bug.focus)
    _check_that_it_fits(name, result)
    violated = set(_slugs(result))
    shown = [slug for slug in bug.shown_by if slug in violated]
    if not shown:
        return ()
    return tuple(slug for slug in shown if slug not in _violated_anyway(seed, bug.focus))


def _check_that_it_fits(name: str, result: TrialResult) -> None:
    """A client that was changed may take a patch no more: that breaks it, and finds nothing."""
    for violation in result.violations:
        if violation.invariant in _FELL_OVER:
            misfit = [kind for kind in ("TypeError", "AttributeError") if kind in violation.detail]
            assert not misfit, f"{name} does not fit the client any more: {violation.detail}"


_FELL_OVER = ("strategy-saw-a-bug", "session-stays-up", "nothing-fails-unheard")


def _slugs(result: TrialResult) -> Iterator[str]:
    return (violation.invariant for violation in result.violations)


@functools.cache
def _violated_anyway(seed: int, focus: str | None) -> frozenset[str]:
    """What the trial violates with the client as it is: nothing, or there is a bug to be mended."""
    return frozenset(_slugs(play(seed, focus=focus)))
