"""The pytest plugin of outlast: a marker, two fixtures. It imports nothing until a test asks.

A marked `async def` test runs in a simulation, where minutes of outage take milliseconds. A plain
one meets the mock on real sockets, in a thread of its own, in real time.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from outlast.testing.mocks import Mock
    from outlast.testing.truths import Truth

__all__ = ["outlast_mock", "outlast_truth", "pytest_configure", "pytest_pyfunc_call"]

_MARK: Final = "outlast"
_HELP: Final = (
    "outlast(scenario=None, *, phase=None, venue=None, seed=None): run the test through an outage, "
    "in virtual time where it is async (see outlast.testing)"
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _HELP)


@pytest.fixture
def outlast_mock(request: pytest.FixtureRequest) -> Iterator[Mock]:
    """The mock exchange of this test: endpoints, key, secret. Its scenario is the marker's."""
    from outlast.testing.mocks import Mock, scenario  # noqa: PLC0415 - nothing unless it is used

    settings = _settings(request.node)
    if _is_async(request.node):
        yield Mock(**settings)  # it comes to life where the test runs
        return
    with scenario(settings.pop("scenario"), **settings) as mock:
        yield mock


@pytest.fixture
def outlast_truth(outlast_mock: Mock) -> Truth:
    """What the exchange itself knows: who was sent twice, what was lost, which ban was earned."""
    return outlast_mock.truth


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a marked `async def` test in a simulation; leave every other test to others."""
    if pyfuncitem.get_closest_marker(_MARK) is None or not _is_async(pyfuncitem):
        return None
    from outlast.testing.mocks import Mock  # noqa: PLC0415 - nothing unless it is used

    names = pyfuncitem._fixtureinfo.argnames  # noqa: SLF001 - as pytest's own plugins do
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    mock = pyfuncitem.funcargs.get("outlast_mock")
    if not isinstance(mock, Mock):
        mock = Mock(**_settings(pyfuncitem))
    mock.play(lambda: pyfuncitem.obj(**arguments))
    return True


def _is_async(node: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(node, "obj", None))


def _settings(node: pytest.Item) -> dict[str, Any]:
    """What the marker says.

    Raises:
        pytest.UsageError: it says something that the plugin does not know.
    """
    marker = node.get_closest_marker(_MARK)
    if marker is None:
        return {"scenario": None}
    known = {"scenario", "phase", "venue", "seed"}
    settings = {"scenario": marker.args[0] if marker.args else None} | dict(marker.kwargs)
    unknown = sorted(set(settings) - known)
    if unknown or len(marker.args) > 1:
        raise pytest.UsageError(
            f"{node.nodeid}: the marker outlast takes a scenario and {', '.join(sorted(known))}; "
            f"it was given {marker.args!r} {marker.kwargs!r}"
        )
    return settings
