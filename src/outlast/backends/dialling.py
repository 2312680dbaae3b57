"""Why no connection could be made: the other side, or this machine."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Final

from outlast.wire import FaultKind

__all__ = ["dial_fault"]

_NO_ROUTE: Final = frozenset(
    {
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EHOSTUNREACH,
        errno.EADDRNOTAVAIL,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
    }
)
"""No way out of here, or no socket left to go out by."""


def dial_fault(error: BaseException) -> FaultKind:
    """What kept a dial from succeeding, from the exception that any of the libraries raised.

    The errors of the system are found inside: libraries wrap them, and wrap several where a name
    has several addresses. One address that could be reached and refused speaks for the venue.
    """
    kinds = {_kind(cause) for cause in _causes(error)}
    for kind in (FaultKind.NAME_UNRESOLVED, FaultKind.CONNECT_FAILED, FaultKind.NO_ROUTE):
        if kind in kinds:
            return kind
    return FaultKind.CONNECT_FAILED


def _kind(cause: BaseException) -> FaultKind | None:
    if isinstance(cause, socket.gaierror):
        return FaultKind.NAME_UNRESOLVED
    if isinstance(cause, OSError) and cause.errno is not None:
        return FaultKind.NO_ROUTE if cause.errno in _NO_ROUTE else FaultKind.CONNECT_FAILED
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and everything that it was raised from, groups opened."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions)
        waiting.extend(c for c in (each.__cause__, each.__context__) if c is not None)
