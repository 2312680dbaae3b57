"""The file of a guard's journal: let go when the exchange is closed, taken again by need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from outlast.backends.journal import FileStore
from outlast.errors import ConfigurationError, JournalUnavailable
from outlast.wire import Record

__all__ = ["LettingStore"]


class LettingStore:
    """A `FileStore` that is opened again by the next write after `let_go`.

    ccxt's exchanges go on after `close()`, so their guard must; and whoever has closed one may put
    another guard on the same journal.
    """

    def __init__(self, path: Path) -> None:
        """Raises ConfigurationError as `FileStore` does."""
        self._path = path
        self._store: FileStore | None = FileStore(path)
        self._last = self._store.last()

    def last(self) -> Record | None:
        return self._last

    def records(self) -> Iterator[Record]:
        return self._opened().records()

    def write(self, *records: Record) -> None:
        self._opened().write(*records)
        self._last = records[-1]

    def sync(self) -> None:
        if self._store is not None:
            self._store.sync()

    def checkpoint(self) -> None:
        if self._store is not None:
            self._store.checkpoint()

    def close(self) -> None:
        """Let go of the file until the next write."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _opened(self) -> FileStore:
        """The file, opened again where it was let go.

        Raises:
            JournalUnavailable: somebody else holds it, or has written to it meanwhile.
        """
        if self._store is not None:
            return self._store
        try:
            store = FileStore(self._path)
        except ConfigurationError as error:
            raise JournalUnavailable(str(error)) from error
        if store.last() != self._last:
            store.close()
            raise JournalUnavailable(
                f"journal {str(self._path)!r} was used by another guard since this one was closed; "
                "put a new guard on the exchange"
            )
        self._store = store
        return store
