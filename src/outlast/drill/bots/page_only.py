"""A bot that asks only the status page: it trades while that is green, and not while it is not.

Written as people write it: the page's overall indicator, every 45 seconds; a page that cannot be
read changes nothing. What its own orders meet it does not look at.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import aiohttp
import ccxt

from outlast.drill.bots.quoting import TURN_S, CcxtQuotes, Heard

__all__ = ["run"]

POLL_S: Final = 45.0
PAGE_WITHIN_S: Final = 10.0


class _Page:
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = f"{url}/api/v2/summary.json"
        self._session = session
        self.is_green = True

    async def poll_for_ever(self) -> None:
        while True:
            await self._poll()
            await asyncio.sleep(POLL_S)

    async def _poll(self) -> None:
        timeout = aiohttp.ClientTimeout(total=PAGE_WITHIN_S)
        try:
            async with self._session.get(self._url, timeout=timeout) as answer:
                said: Any = await answer.json()
            self.is_green = said["status"]["indicator"] == "none"
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
            return  # what was known stands


async def run(
    exchange: Any, page_url: str, session: aiohttp.ClientSession, *, heard: Heard
) -> None:
    """Quote until cancelled."""
    page = _Page(page_url, session)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(page.poll_for_ever())
        quotes = CcxtQuotes(exchange)
        await quotes.begin()
        while True:
            heard(page.is_green)
            if page.is_green:
                # Where the page says that all is well, an error is bad luck: the next turn comes.
                with contextlib.suppress(ccxt.BaseError):  # type: ignore[attr-defined]
                    await quotes.enter()
            else:
                await quotes.withdraw()
            await asyncio.sleep(TURN_S)
