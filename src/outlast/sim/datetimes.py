"""`datetime.now` and `datetime.utcnow` on virtual time. `today` asks the time module, as it is.

They are methods of a type that is made in C, so no module's namespace holds them, and a stand-in
for the whole type would fail every `type(x) is datetime`. What can be replaced is the entry in the
type's own dictionary, which Python keeps behind a read-only view.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

__all__ = ["put_back", "put_in_place"]

_NAMES: Final = ("now", "utcnow")


def put_in_place(told: Callable[[], float | None]) -> None:
    """Let both ask `told` for the seconds since the epoch; None from it means the real time."""

    def now(cls: type[datetime], tz: tzinfo | None = None) -> datetime:
        at = told()
        return _real("now", cls, tz) if at is None else cls.fromtimestamp(at, tz)

    def utcnow(cls: type[datetime]) -> datetime:
        at = told()
        if at is None:
            return _real("utcnow", cls)
        return cls.fromtimestamp(at, UTC).replace(tzinfo=None)

    _set({"now": classmethod(now), "utcnow": classmethod(utcnow)})


def put_back() -> None:
    _set(_METHODS)


def _real(name: str, cls: type[datetime], *args: Any) -> datetime:
    moment: datetime = _METHODS[name].__get__(None, cls)(*args)
    return moment


def _set(methods: dict[str, Any]) -> None:
    _attributes().update(methods)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))


def _attributes() -> dict[str, Any]:
    """The dictionary behind `datetime.__dict__`."""
    (found,) = (each for each in gc.get_referents(datetime.__dict__) if isinstance(each, dict))
    return found


_METHODS: Final = {name: datetime.__dict__[name] for name in _NAMES}
