"""Market data stands apart: a mistake in it must not end the session, which may need to exit."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec

from outlast.client.logs import logger

__all__ = ["apart"]

P = ParamSpec("P")


def apart(work: Callable[P, Awaitable[None]]) -> Callable[P, Coroutine[Any, Any, None]]:
    """Have a background task that fails say so, loudly, and end alone.

    What it kept grows old then, and a book or tape that grows old is not to be trusted by itself.
    """

    @functools.wraps(work)
    async def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await work(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - said, with all that is known of it
            logger().critical("outlast.market_data_failed", task=work.__qualname__, exc_info=error)

    return run
