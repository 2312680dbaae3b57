"""The bundled mock exchange: real protocols, a market that moves, and outages on demand.

    async with MockExchange("unknown-503-landed", speed=60) as exchange:
        print(exchange.describe())

It needs the extra `outlast[mock]`. What is named here is loaded when it is first asked for, so that
a part of the mock can be used without the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from outlast.mock.exchange import MockExchange
    from outlast.mock.run import MockError
    from outlast.mock.truth import Truth

__all__ = ["MockError", "MockExchange", "Truth"]

_HOMES: Final = {
    "MockError": "outlast.mock.run",
    "MockExchange": "outlast.mock.exchange",
    "Truth": "outlast.mock.truth",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
