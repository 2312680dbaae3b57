"""From a document to a `Scenario`, or to a list of everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from outlast.mock.engine.model import Product
from outlast.mock.scenario.defaults import T0_MS_DEFAULT, default_world
from outlast.mock.scenario.document import (
    Node,
    ScenarioError,
    json_text,
    node_from_data,
    node_from_text,
)
from outlast.mock.scenario.listings import note_misplaced_events
from outlast.mock.scenario.model import (
    Expectation,
    FaultRule,
    LimitSettings,
    Phase,
    Scenario,
    Score,
    StatusPageEntry,
)
from outlast.mock.scenario.phases import read_limits, read_phase
from outlast.mock.scenario.reading import (
    Place,
    Reader,
    Sheet,
    declared_symbol,
    each,
    instant_ms,
    listed,
    one_of,
    positive_duration,
    since_start,
    slug,
    suggest,
    text,
    whole,
)
from outlast.mock.scenario.rules import Surroundings, read_rule
from outlast.mock.scenario.vocabulary import (
    EXPECTATIONS,
    FIDELITIES,
    INCIDENT_STATES,
    PAGE_STATES,
    PRODUCT_OF_VENUE,
    SCORES,
    VENUES,
)
from outlast.mock.scenario.world import read_world

__all__ = ["from_data", "lint", "load", "load_file", "loads", "rule_from_data", "slugs"]

DOCUMENT_KEYS: Final = (
    "scenario",
    "title",
    "incidents",
    "fidelity",
    "venue",
    "seed",
    "t0",
    "scope",
    "world",
    "limits",
    "phases",
    "status_page",
    "expect",
    "score",
)
_SEED_MAX: Final = 2**63 - 1


def load(source: str | Path) -> Scenario:
    """Read a scenario of the catalogue by its slug, or a file: a `Path`, `….yaml`, or with a slash.

    Raises:
        ScenarioError: no such scenario, a file that cannot be read, or something wrong in it;
            `.problems` has everything wrong.
    """
    if isinstance(source, Path):
        return load_file(source)
    if "/" in source or source.endswith((".yaml", ".yml")):
        return load_file(Path(source))
    return _from_catalogue(source)


def slugs() -> tuple[str, ...]:
    """The names of the scenarios that come with the package, in alphabetical order."""
    names = (entry.name for entry in _shelf().iterdir())
    return tuple(sorted(n.removesuffix(".yaml") for n in names if n.endswith(".yaml")))


def _shelf() -> Traversable:
    return resources.files("outlast.mock").joinpath("scenarios")


@cache
def _from_catalogue(name: str) -> Scenario:
    if name not in slugs():
        remedy = suggest(name, slugs(), most=99)
        raise ScenarioError(name, 0, "", "no such scenario", f"{remedy} (a file ends with .yaml)")
    file = f"{name}.yaml"
    return loads(_shelf().joinpath(file).read_text(encoding="utf-8"), name=file)


def loads(document: str, *, name: str = "document") -> Scenario:
    """Read a scenario from YAML (or JSON) text; `name` stands for the file in complaints.

    Raises:
        ScenarioError: the first thing wrong; `.problems` has all of them.
    """
    return _scenario(node_from_text(document, name=name), name=name, source_text=document)


def load_file(path: Path) -> Scenario:
    """Read a scenario from a file.

    Raises:
        ScenarioError: the file cannot be read as text, or something in it is wrong.
    """
    try:
        document = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(str(path), 0, "", "not UTF-8 text", "save it as UTF-8") from error
    except OSError as error:
        raise ScenarioError(
            str(path), 0, "", f"cannot be read ({error.strerror})", "check the path"
        ) from error
    return loads(document, name=str(path))


def from_data(document: Mapping[str, Any], *, name: str = "document") -> Scenario:
    """Make a scenario from plain data: a decoded JSON body, or what the builder has put together.

    Raises:
        ScenarioError: the first thing wrong, without a line; `.problems` has all of them.
    """
    root = node_from_data(document, name=name)
    return _scenario(root, name=name, source_text=json_text(root))


def rule_from_data(
    document: Mapping[str, Any], *, scenario: Scenario, rule_id: str, name: str = "rule"
) -> FaultRule:
    """Make one fault rule for a running scenario.

    Raises:
        ScenarioError: the first thing wrong, without a line; `.problems` has all of them.
    """
    sheet = Sheet(name)
    place = Place(node_from_data(document, name=name), "", sheet)
    around = Surroundings(scenario.venues, tuple(scenario.world.instruments))
    try:
        rule = read_rule(around, rule_id)(place)
    except ScenarioError as error:
        sheet.note(error)
    sheet.raise_first()
    return rule


def lint(document: str, *, name: str = "document") -> tuple[ScenarioError, ...]:
    """Everything wrong with a document, by line; empty for a sound one."""
    try:
        loads(document, name=name)
    except ScenarioError as error:
        return error.problems
    return ()


# --- the document --------------------------------------------------------------------------------


def _scenario(root: Node, *, name: str, source_text: str) -> Scenario:
    sheet = Sheet(name)
    place = Place(root, "", sheet)
    try:
        scenario = _read(place, source_text)
    except ScenarioError as error:
        sheet.note(error)
    sheet.raise_first()
    return scenario


def _read(place: Place, source_text: str) -> Scenario:
    fields = place.fields(DOCUMENT_KEYS)
    name = fields.need("scenario", slug, "", remedy="give it a unique slug: `scenario: my-night`")
    venues = fields.need(
        "venue", listed(one_of(VENUES)), VENUES, remedy=f"add one of {', '.join(VENUES)}"
    )
    if len(set(venues)) != len(venues):
        fields.note("a venue stands here twice", "name each once", key="venue")
    world = fields.get("world", read_world(venues), default_world(venues))
    products = tuple(dict.fromkeys(PRODUCT_OF_VENUE[venue] for venue in venues))
    around = Surroundings(venues, tuple(world.instruments))
    phases = fields.need(
        "phases", _phases(around), (), remedy="add at least one: `phases: [{name: calm, for: 5m}]`"
    )
    note_misplaced_events(place.sheet, phases, world, venues)
    expect = fields.get("expect", _expectations(phases, products), ())
    return Scenario(
        scenario=name,
        title=fields.get("title", text, ""),
        incidents=fields.get("incidents", each(text), ()),
        fidelity=fields.get("fidelity", one_of(FIDELITIES), "synthetic"),
        venues=venues,
        seed=fields.get("seed", whole(least=0, most=_SEED_MAX), 0),
        t0_ms=fields.get("t0", instant_ms, T0_MS_DEFAULT),
        world=world,
        limits=fields.get("limits", read_limits, LimitSettings()),
        phases=phases,
        status_page=fields.get("status_page", _status_page, ()),
        expect=expect,
        score=fields.get("score", _scores(tuple(world.instruments)), ()),
        scope=fields.get("scope", _products(products), _scope_of(expect, products)),
        source=place.sheet.file,
        text=source_text,
    )


def _scope_of(expect: Sequence[Expectation], products: tuple[Product, ...]) -> tuple[Product, ...]:
    """The products that fail, by what is expected to be seen failing; empty: all."""
    for expectation in expect:
        if expectation.name == "breaker_scope" and isinstance(expectation.argument, tuple):
            scope = tuple(p for p in products if p.value in expectation.argument)
            return scope if len(scope) < len(products) else ()
    return ()


def _phases(around: Surroundings) -> Reader[tuple[Phase, ...]]:
    def read(place: Place) -> tuple[Phase, ...]:
        items = place.items()
        if not items:
            raise place.error("there is no phase", "add at least one: `[{name: calm, for: 5m}]`")
        phases: list[Phase] = []
        for at in items:
            try:
                phase = read_phase(around)(at)
            except ScenarioError as error:
                place.sheet.note(error)
                continue
            if phase.name and phase.name in [earlier.name for earlier in phases]:
                at.sheet.note(at.error(f"a second phase {phase.name}", "give it another name"))
            if phase.duration_s is None and at is not items[-1]:
                at.sheet.note(
                    at.error("`for: rest` before the last phase", "only the last may have no end")
                )
            phases.append(phase)
        return tuple(phases)

    return read


def _status_page(place: Place) -> tuple[StatusPageEntry, ...]:
    entries = each(_status_entry)(place)
    offsets = [entry.at_s for entry in entries]
    if offsets != sorted(offsets):
        raise place.error("the entries are out of order", "sort them by `at`")
    return entries


def _status_entry(place: Place) -> StatusPageEntry:
    fields = place.fields(("at", "page", "component", "incident", "text"))
    return StatusPageEntry(
        at_s=fields.need("at", since_start, 0.0, remedy="say when: `at: 12m`"),
        page=fields.need(
            "page", one_of(PAGE_STATES), "green", remedy=f"one of {', '.join(PAGE_STATES)}"
        ),
        component=fields.get("component", text, ""),
        incident=fields.get("incident", one_of(INCIDENT_STATES), ""),
        text=fields.get("text", text, ""),
    )


# --- what is expected ----------------------------------------------------------------------------


def _expectations(
    phases: Sequence[Phase], products: tuple[Product, ...]
) -> Reader[tuple[Expectation, ...]]:
    def read(place: Place) -> tuple[Expectation, ...]:
        found = each(_expectation(phases, products))(place)
        names = [expectation.name for expectation in found]
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                place.sheet.note(place.error(f"{name} is expected twice", "keep one of them"))
        return found

    return read


def _expectation(phases: Sequence[Phase], products: tuple[Product, ...]) -> Reader[Expectation]:
    def read(place: Place) -> Expectation:
        name, argument = place.single()
        takes = EXPECTATIONS.get(name)
        if takes is None:
            raise place.error(f"{name!r} is no invariant", suggest(name, EXPECTATIONS))
        if takes == "nothing":
            if argument is not None:
                raise place.error(f"{name} takes no argument", f"write `{name}` alone")
            return Expectation(name)
        if argument is None:
            raise place.error(
                f"{name} needs its argument", f"write `{{{name}: {_EXAMPLES[takes]}}}`"
            )
        if takes == "duration":
            return Expectation(name, positive_duration(argument))
        if takes == "count":
            return Expectation(name, whole(least=0)(argument))
        if takes == "phase":
            return Expectation(name, _phase_named(phases)(argument))
        return Expectation(name, tuple(p.value for p in _products(products)(argument)))

    return read


_EXAMPLES: Final = {"duration": "60s", "count": "8", "phase": "trading", "products": "[um]"}


def _phase_named(phases: Sequence[Phase]) -> Reader[str]:
    def read(place: Place) -> str:
        found = text(place)
        names = [phase.name for phase in phases]
        if found not in names:
            raise place.error(f"{found!r} is no phase of this scenario", suggest(found, names))
        return found

    return read


def _products(products: tuple[Product, ...]) -> Reader[tuple[Product, ...]]:
    known = {product.value: product for product in products}

    def read(place: Place) -> tuple[Product, ...]:
        return tuple(known[name] for name in listed(one_of(tuple(known)))(place))

    return read


def _scores(symbols: tuple[str, ...]) -> Reader[tuple[Score, ...]]:
    def read(place: Place) -> tuple[Score, ...]:
        scores = []
        for name, at in place.entries():
            if name not in SCORES:
                raise at.error(f"{name!r} is no measure", suggest(name, SCORES))
            fields = at.fields(("symbols", "compare_with"))
            scores.append(
                Score(
                    name=name,
                    symbols=fields.get("symbols", listed(declared_symbol(symbols)), ()),
                    compare_with=fields.get("compare_with", slug, ""),
                )
            )
        return tuple(scores)

    return read
