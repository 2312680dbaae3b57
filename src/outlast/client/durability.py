"""Waiting for the disk without keeping the event loop from its work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from outlast.errors import JournalUnavailable

__all__ = ["DiskWait"]


class DiskWait:
    """Lets everybody who waits for the disk share the next sync (group commit)."""

    def __init__(self, sync: Callable[[], None]) -> None:
        """`sync` brings to the disk what was written before it was called; it runs in a thread."""
        self._sync = sync
        self._waiting: asyncio.Future[None] | None = None
        """Of those who came after the running sync began, which may have missed what they wrote."""
        self._work: asyncio.Task[None] | None = None

    async def reached(self) -> None:
        """Return when all that was written before this call is on the disk.

        Raises:
            JournalUnavailable: the disk did not confirm it.
        """
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
        if self._work is None:
            self._work = asyncio.create_task(self._sync_all(), name="outlast disk")
        await asyncio.shield(self._waiting)

    async def _sync_all(self) -> None:
        while self._waiting is not None:
            batch, self._waiting = self._waiting, None
            try:
                await asyncio.to_thread(self._sync)
            except JournalUnavailable as error:
                batch.set_exception(error)
                batch.exception()  # who has left need not be told; who waits is
            else:
                batch.set_result(None)
        self._work = None
