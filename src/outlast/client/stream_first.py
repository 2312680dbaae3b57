"""A write whose answer is waited for, unless the stream of the account tells of it long before."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from outlast.client.guard import local_failure
from outlast.errors import Failure
from outlast.wire import WireReply

__all__ = ["TOLD", "unless_told"]

ANSWER_AFTER_STREAM_S: Final = 1.0
"""An answer that is still under way when the stream has told is there by then, or is not waited
for."""
TOLD: Final = "told_by_stream"
"""The kind of the failure that stands for an answer which was not waited for."""


async def unless_told(
    call: Coroutine[Any, Any, WireReply | Failure], told: Coroutine[Any, Any, None]
) -> WireReply | Failure:
    """The call's result; a failure where `told`, which hears the stream, ends long before that.

    An answer that comes later is still heard by `on_late`: the request itself is left alone.
    """
    calling, telling = asyncio.ensure_future(call), asyncio.ensure_future(told)
    try:
        await asyncio.wait((calling, telling), return_when=asyncio.FIRST_COMPLETED)
        if not calling.done():
            await asyncio.wait((calling,), timeout=ANSWER_AFTER_STREAM_S)
        if calling.done():
            return calling.result()
    finally:
        calling.cancel()
        telling.cancel()
    return local_failure(TOLD, "the stream told of the order before its answer")
