"""Records out of the pages of a damaged SQLite file, without SQLite.

SQLite itself reads nothing of a file of which a part is missing. Its pages stand for themselves:
each leaf of the table has whole rows, whatever became of the others. What is found here need not be
true or complete: old versions of pages are read too. The hashes tell what belongs together.

Source: SQLite docs, Database File Format: 1.3 (header), 1.6 (b-tree pages), 2.1 (record format),
4.1 (write-ahead log).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from outlast.wire import Record

__all__ = ["is_cut", "records_in_pages"]

_MAGIC: Final = b"SQLite format 3\x00"
_FILE_HEADER: Final = 100
"""Bytes before the b-tree header of the first page."""
_LEAF: Final = 13
"""The type of a page with rows of a table."""
_PAGE_SIZES: Final = (1024, 4096)
"""What journals are made with, and were; tried where the file's own header is gone."""
_WAL_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_OVERFLOW_MAX: Final = 65_536
"""Pages of one row. More is a ring."""
_INT_BYTES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_HASH_CHARS: Final = 64


def is_cut(path: Path) -> bool:
    """True where the file is shorter than its own header says."""
    with path.open("rb") as file:
        head = file.read(_FILE_HEADER)
    if len(head) < _FILE_HEADER or not head.startswith(_MAGIC):
        return head == _MAGIC[: len(head)] or head.startswith(_MAGIC)
    pages = int.from_bytes(head[28:32], "big")
    return path.stat().st_size < pages * _page_size(head)


def records_in_pages(path: Path) -> Iterator[Record]:
    """Every row of the records' table in the pages of the file and of its write-ahead log.

    In no order, some more than once, some not the latest version.
    """
    main = path.read_bytes()
    log_path = path.with_name(path.name + "-wal")
    log = log_path.read_bytes() if log_path.is_file() else b""
    sizes: tuple[int, ...] = _PAGE_SIZES
    if len(main) >= _FILE_HEADER and main.startswith(_MAGIC):
        sizes = (_page_size(main),)
    elif len(log) >= _WAL_HEADER:
        sizes = (int.from_bytes(log[8:12], "big"),)
    for size in sizes:
        if size >= 512 and size & (size - 1) == 0:
            yield from _Pages(main, log, size).records()


def _page_size(head: bytes) -> int:
    size = int.from_bytes(head[16:18], "big")
    return 65_536 if size == 1 else size


class _Pages:
    def __init__(self, main: bytes, log: bytes, size: int) -> None:
        self._size = size
        self._main = main
        self._latest: dict[int, bytes] = {}
        """By number, what the log has of a page; it is later than what the file has."""
        self._images: list[tuple[int, bytes]] = []
        for start in range(0, len(main), size):
            self._images.append((start // size + 1, main[start : start + size]))
        for start in range(_WAL_HEADER, len(log), _FRAME_HEADER + size):
            number = int.from_bytes(log[start : start + 4], "big")
            image = log[start + _FRAME_HEADER : start + _FRAME_HEADER + size]
            self._images.append((number, image))
            if len(image) == size:
                self._latest[number] = image

    def records(self) -> Iterator[Record]:
        for number, image in self._images:
            head = _FILE_HEADER if number == 1 else 0
            if len(image) < head + 8 or image[head] != _LEAF:
                continue
            cells = int.from_bytes(image[head + 3 : head + 5], "big")
            for cell in range(cells):
                place = head + 8 + 2 * cell
                at = int.from_bytes(image[place : place + 2], "big")
                try:
                    record = self._row(image, at)
                except (IndexError, ValueError, struct.error):
                    continue  # torn, or not a row
                if record is not None:
                    yield record

    def _row(self, image: bytes, at: int) -> Record | None:
        """None for a row of another table.

        Raises:
            IndexError, ValueError: it is not whole.
        """
        length, at = _varint(image, at)
        seq, at = _varint(image, at)
        payload = self._payload(image, at, length)
        head_end, place = _varint(payload, 0)
        types = []
        while place < head_end:
            kind, place = _varint(payload, place)
            types.append(kind)
        if len(types) != 5 or types[0] != 0:
            return None
        written, place = _number(types[1], payload, head_end)
        texts = []
        for kind in types[2:]:
            if kind < 12:
                return None
            size = (kind - 12) // 2
            texts.append(_exactly(payload, place, size))
            place += size
        name, data, chain_hash = texts
        if len(chain_hash) < _HASH_CHARS or types[3] % 2:
            return None
        return Record(seq, written, name.decode(), data, chain_hash.decode())

    def _payload(self, image: bytes, at: int, length: int) -> bytes:
        """What a cell holds, with what was too long for its page."""
        most = self._size - 35
        if length <= most:
            return _exactly(image, at, length)
        least = (self._size - 12) * 32 // 255 - 23
        local = least + (length - least) % (self._size - 4)
        local = local if local <= most else least
        parts = [_exactly(image, at, local)]
        following = int.from_bytes(_exactly(image, at + local, 4), "big")
        left = length - local
        for _ in range(_OVERFLOW_MAX):
            if not left:
                return b"".join(parts)
            page = self._page(following)
            part = _exactly(page, 4, min(left, self._size - 4))
            parts.append(part)
            left -= len(part)
            following = int.from_bytes(page[:4], "big")
        raise ValueError("its pages go round in a ring")

    def _page(self, number: int) -> bytes:
        start = (number - 1) * self._size
        if start < 0:
            raise ValueError("there is no such page")
        return self._latest.get(number) or self._main[start : start + self._size]


def _exactly(data: bytes, at: int, size: int) -> bytes:
    part = data[at : at + size]
    if len(part) != size:
        raise IndexError("it is cut off")
    return part


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends: up to nine bytes of seven bits, the last of eight."""
    value = 0
    for nth in range(8):
        byte = data[at + nth]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + nth + 1
    return value << 8 | data[at + 8], at + 9


def _number(kind: int, data: bytes, at: int) -> tuple[float, int]:
    """A number column: SQLite keeps whole ones as integers, also in a column of reals."""
    if kind == 7:
        (value,) = struct.unpack_from(">d", data, at)
        return float(value), at + 8
    if kind in (8, 9):
        return float(kind - 8), at
    size = _INT_BYTES.get(kind)
    if size is None:
        raise ValueError("not a number")
    return float(int.from_bytes(_exactly(data, at, size), "big", signed=True)), at + size
