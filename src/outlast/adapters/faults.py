"""Why a client library got no answer, read off its exceptions by the names of their classes.

By name, so that neither aiohttp nor requests nor urllib3 has to be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from outlast.wire import FaultKind

__all__ = ["fault_kind"]

_FAULTS: Final[Mapping[str, FaultKind]] = {
    # The nearest base counts.
    "gaierror": FaultKind.NAME_UNRESOLVED,
    "ClientConnectorDNSError": FaultKind.NAME_UNRESOLVED,
    "NameResolutionError": FaultKind.NAME_UNRESOLVED,
    "ConnectionTimeoutError": FaultKind.CONNECT_TIMEOUT,
    "ConnectTimeout": FaultKind.CONNECT_TIMEOUT,
    "ConnectTimeoutError": FaultKind.CONNECT_TIMEOUT,
    "ClientConnectorError": FaultKind.CONNECT_FAILED,
    "NewConnectionError": FaultKind.CONNECT_FAILED,
    "ServerDisconnectedError": FaultKind.CONNECTION_LOST,
    "SocketTimeoutError": FaultKind.READ_TIMEOUT,
    "ServerTimeoutError": FaultKind.READ_TIMEOUT,
    "ReadTimeout": FaultKind.READ_TIMEOUT,
    "TimeoutError": FaultKind.READ_TIMEOUT,
    "ClientPayloadError": FaultKind.CONNECTION_LOST,
    "ClientOSError": FaultKind.CONNECTION_LOST,
    "ClientConnectionError": FaultKind.CONNECTION_LOST,
    "ClientResponseError": FaultKind.PROTOCOL_ERROR,
    "ChunkedEncodingError": FaultKind.CONNECTION_LOST,
    "ConnectionError": FaultKind.CONNECTION_LOST,
    "OSError": FaultKind.CONNECTION_LOST,
}


def fault_kind(error: BaseException) -> FaultKind:
    """Why there was no answer, from the exceptions behind `error`; in doubt, that it was lost."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        seen.append(found)
        # requests keeps the reason of a ConnectionError in its arguments: urllib3's MaxRetryError.
        inner = found.args[0] if found.args else None
        reason = getattr(inner, "reason", None) or inner
        if isinstance(reason, BaseException) and reason not in seen:
            kind = _kind_of(reason)
            if kind is not None and kind.nothing_sent:
                return kind
        kind = _kind_of(found)
        if kind is not None:
            return kind
        found = found.__cause__ or found.__context__
    return FaultKind.CONNECTION_LOST


def _kind_of(error: BaseException) -> FaultKind | None:
    for ancestor in type(error).__mro__:
        if ancestor.__name__ in _FAULTS:
            return _FAULTS[ancestor.__name__]
    return None
