"""Outages in a user's own tests.

    @pytest.mark.outlast("unknown-503-landed", phase="unknown")
    async def test_my_bot(outlast_mock, outlast_truth): ...

    with outlast.testing.scenario("gateway-lost-reply") as mock: ...
    with outlast.testing.respx_outage("kraken-spot", "502-landed"): ...

What is named here is loaded when it is first asked for. The mock needs `outlast[mock]`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from outlast.testing.aiming import aim
    from outlast.testing.mocks import Mock, scenario
    from outlast.testing.outages import OUTAGES, respx_outage
    from outlast.testing.truths import Truth

__all__ = ["OUTAGES", "Mock", "Truth", "aim", "respx_outage", "scenario"]

_HOMES: Final = {
    "Mock": "outlast.testing.mocks",
    "scenario": "outlast.testing.mocks",
    "OUTAGES": "outlast.testing.outages",
    "respx_outage": "outlast.testing.outages",
    "Truth": "outlast.testing.truths",
    "aim": "outlast.testing.aiming",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
