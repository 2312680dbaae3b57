"""Outlast for clients that are not ours: `ccxt`, `aiohttp`, `httpx`.

Each is loaded when it is first asked for, since each needs its own library.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

_ROOMS: Final = ("aiohttp", "ccxt", "httpx")


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"outlast.adapters.{name}")
