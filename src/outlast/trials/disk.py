"""A disk in memory, with one journal on it: what survives a kill, and what a loss of power takes.

It behaves as a journal file does (`outlast.backends.journal`, SQLite in WAL mode, `synchronous=
NORMAL` on Linux): a written record is with the operating system and survives the death of its
process; it reaches the disk itself when the journal is tidied, or when the kernel writes old pages
back. Power that fails takes the rest, and tears what was just being written: the record's checksum
shows it, and reading ends before it. Records are kept as bytes, so nothing is shared by reference.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from outlast.errors import ConfigurationError, JournalUnavailable
from outlast.wire import Record

__all__ = ["Disk", "DiskStore"]

WRITTEN_BACK_AFTER_S: Final = 30.0
"""How old a page may become before the kernel writes it (Linux, vm.dirty_expire_centisecs 3000)."""
WRITTEN_BACK_EVERY_S: Final = 5.0
"""How often it looks for such pages (Linux, vm.dirty_writeback_centisecs 500)."""

_HEAD: Final = struct.Struct("<II")  # the length of what follows, and its CRC-32


class Disk:
    """One machine's disk. It outlives the processes that hold its journal, one at a time.

    Args:
        now: seconds since the trial began.
        rng: draws how much of what was under way a loss of power leaves.
    """

    def __init__(self, now: Callable[[], float], *, rng: random.Random) -> None:
        self._now = now
        self._rng = rng
        self._bytes = bytearray()
        self._safe = 0  # so many bytes are on the disk itself
        self._pages: deque[tuple[float, int]] = deque()  # (written at, end) of what may not be
        self._holder: DiskStore | None = None
        self.is_full = False
        """Nothing can be written. What was is safe."""
        self.on_write: Callable[[Record], None] | None = None
        """Called for each record that was written, when it is with the operating system."""

    def open(self) -> DiskStore:
        """Take the journal for the process that is running.

        Raises:
            ConfigurationError: another holds it, or the disk is full.
        """
        if self._holder is not None:
            raise ConfigurationError("the journal is in use by another process")
        if self.is_full:
            raise ConfigurationError("the journal cannot be opened (disk full); free space on it")
        self._holder = DiskStore(self)
        return self._holder

    def records(self) -> Iterator[Record]:
        """What a process that started now would read."""
        return _decoded(bytes(self._bytes))

    # What happens to the machine.

    def kill(self) -> None:
        """The process that holds the journal is dead: its late writes go nowhere."""
        if self._holder is not None:
            self._holder.is_dead = True
            self._holder = None

    def lose_power(self) -> int:
        """Keep what is on the disk itself and a part of the rest; give how many records are lost.

        The part may end in the middle of a record, or in a page of zeros.
        """
        self.kill()
        before = sum(1 for _ in self.records())
        self._write_back()
        kept = self._rng.randint(self._safe, len(self._bytes))
        zeros = bytes(self._rng.choice((0, 0, 16)))
        del self._bytes[kept:]
        self._bytes += zeros
        left = sum(1 for _ in self.records())
        # The next start recovers: what is torn is cut off, and what is whole is written down.
        del self._bytes[_whole(self._bytes) :]
        self._safe = len(self._bytes)
        self._pages.clear()
        return before - left

    # For the store.

    def append(self, records: Sequence[Record]) -> None:
        if self.is_full:
            raise JournalUnavailable(
                "the journal cannot be written (disk full); free space on its disk: nothing is "
                "sent that cannot be written down first"
            )
        self._write_back()
        for record in records:
            self._bytes += _encoded(record)
        self._pages.append((self._now(), len(self._bytes)))

    def sync(self) -> None:
        self._safe = len(self._bytes)
        self._pages.clear()

    def release(self, store: DiskStore) -> None:
        if self._holder is store:
            self._holder = None

    def _write_back(self) -> None:
        """What the kernel has written since the last look: all that was old enough by then."""
        last_look = self._now() // WRITTEN_BACK_EVERY_S * WRITTEN_BACK_EVERY_S
        while self._pages and self._pages[0][0] <= last_look - WRITTEN_BACK_AFTER_S:
            self._safe = self._pages.popleft()[1]


class DiskStore:
    """The journal in the hands of one process. It fits `outlast.wire.RecordStore`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._last: Record | None = None
        for record in disk.records():
            self._last = record
        self.is_dead = False
        """Its process is dead: nothing that it still does has an effect."""

    def last(self) -> Record | None:
        return self._last

    def records(self) -> Iterator[Record]:
        return self._disk.records()

    def write(self, *records: Record) -> None:
        if self.is_dead:
            return
        first = records[0]
        if self._last is not None and first.seq <= self._last.seq:
            raise JournalUnavailable(f"record {first.id} is in the journal already")
        self._disk.append(records)
        self._last = records[-1]
        for record in records:
            if self._disk.on_write is not None:
                self._disk.on_write(record)

    def sync(self) -> None:
        """As `checkpoint`: what is written is on the disk itself afterwards."""
        self.checkpoint()

    def checkpoint(self) -> None:
        """What is written is on the disk itself afterwards.

        Raises:
            JournalUnavailable: the disk is full; nothing is lost.
        """
        if self.is_dead:
            return
        if self._disk.is_full:
            raise JournalUnavailable("the journal cannot be tidied (disk full)")
        self._disk.sync()

    def close(self) -> None:
        if not self.is_dead:
            self._disk.sync()
            self._disk.release(self)


def _encoded(record: Record) -> bytes:
    body = msgspec.msgpack.encode(
        (record.seq, record.at, record.kind, record.data, record.chain_hash)
    )
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


_body_decoder = msgspec.msgpack.Decoder(tuple[int, float, str, bytes, str])


def _frames(data: bytes | bytearray) -> Iterator[tuple[int, bytes]]:
    """The (end, body) of each whole frame, up to the first that is torn."""
    start = 0
    while start + _HEAD.size <= len(data):
        size, checksum = _HEAD.unpack_from(data, start)
        start += _HEAD.size
        body = bytes(data[start : start + size])
        if not size or len(body) < size or zlib.crc32(body) != checksum:
            return
        start += size
        yield start, body


def _decoded(data: bytes) -> Iterator[Record]:
    for _end, body in _frames(data):
        yield Record(*_body_decoder.decode(body))


def _whole(data: bytes | bytearray) -> int:
    """Where the last whole frame ends."""
    end = 0
    for end, _body in _frames(data):  # noqa: B007
        pass
    return end
