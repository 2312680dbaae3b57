"""The journal's file: what was written is there, whatever happens to the process or the disk."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from outlast.backends.journal import FileStore, MemoryStore, read_records
from outlast.core.journal import Chain, verify
from outlast.errors import ConfigurationError, JournalUnavailable
from outlast.wire import Record


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bot.journal"


def fill(store, count, *, size=10):
    """Write `count` chained records after those that are there; all records of the store."""
    last = store.last()
    chain = Chain() if last is None else Chain(seq=last.seq, tip=last.chain_hash)
    for number in range(count):
        record = chain.seal("attempt", {"n": number, "pad": "x" * size}, at=1000.5 + number)
        store.write(record)
        chain.accept(record)
    return list(store.records())


@pytest.mark.parametrize("make", [FileStore, lambda _: MemoryStore()])
def test_a_new_store_is_empty_and_keeps_what_is_written(make, path):
    with contextlib.closing(make(path)) as store:
        assert store.last() is None
        assert list(store.records()) == []
        records = fill(store, 5)
        assert store.last() == records[-1]
        assert [record.seq for record in records] == [1, 2, 3, 4, 5]
        assert verify(records) is None
        store.checkpoint()
        assert list(store.records()) == records


@pytest.mark.parametrize("make", [FileStore, lambda _: MemoryStore()])
@pytest.mark.parametrize("count", [2, 3, 400])
def test_several_records_are_written_at_once_and_in_order(make, count, path):
    with contextlib.closing(make(path)) as store:
        store.write(*Chain().seal_all(("attempt", b"%d" % n, 1.5) for n in range(count)))
        records = list(store.records())
        assert [record.data for record in records] == [b"%d" % n for n in range(count)]
        assert verify(records) is None


def test_of_several_records_that_cannot_all_be_written_none_is(path):
    with contextlib.closing(FileStore(path)) as store:
        before = fill(store, 2)
        chain = Chain(seq=2, tip=before[-1].chain_hash)
        following = chain.seal_all(("attempt", b"{}", 1.5) for _ in range(3))
        with pytest.raises(JournalUnavailable):
            store.write(*following[:2], before[0])
        assert list(store.records()) == before
        store.write(*following)
        assert verify(list(store.records())) is None


def test_a_store_goes_on_where_it_was_closed(path):
    with contextlib.closing(FileStore(path)) as store:
        before = fill(store, 3)
    with contextlib.closing(FileStore(path)) as store:
        assert list(store.records()) == before
        after = fill(store, 2)
    assert after[:3] == before
    assert verify(after) is None
    assert list(read_records(path)) == after


def test_a_closed_journal_is_one_file_that_can_be_copied(path, tmp_path):
    with contextlib.closing(FileStore(path)) as store:
        records = fill(store, 200)
    copy = tmp_path / "copy.journal"
    copy.write_bytes(path.read_bytes())  # without any write-ahead log beside it
    assert list(read_records(copy)) == records


def test_a_journal_can_be_read_while_a_session_holds_it(path):
    with contextlib.closing(FileStore(path)) as store:
        records = fill(store, 3)
        assert list(read_records(path)) == records
        assert fill(store, 1)[:3] == records


def test_a_record_number_is_never_written_twice(path):
    with contextlib.closing(FileStore(path)) as store:
        records = fill(store, 2)
        with pytest.raises(JournalUnavailable):
            store.write(records[-1])
        assert list(store.records()) == records


def test_records_of_any_text_and_bytes_come_back_the_same(path):
    odd = Record(1, 1e9 + 1 / 3, "läuft\n\x00'", bytes(range(256)), "f" * 64)
    with contextlib.closing(FileStore(path)) as store:
        store.write(odd)
        assert store.last() == odd
    assert list(read_records(path)) == [odd]


# One journal, one session.


def message_of(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_second_session_on_one_journal_is_refused_in_one_line(path):
    with contextlib.closing(FileStore(path)) as store:
        fill(store, 1)
        with pytest.raises(ConfigurationError) as error:
            FileStore(path)
        assert "in use by another process" in message_of(error)
        assert len(fill(store, 1)) == 2
    FileStore(path).close()


def test_another_process_is_refused_in_one_line(path):
    code = (
        "import sys, pathlib\n"
        "from outlast.backends.journal import FileStore\n"
        "from outlast.errors import ConfigurationError\n"
        "try:\n"
        "    FileStore(pathlib.Path(sys.argv[1]))\n"
        "except ConfigurationError as error:\n"
        "    print(error)\n"
    )
    with contextlib.closing(FileStore(path)):
        said = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
    assert said.stdout.count("\n") == 1
    assert "give each its own journal" in said.stdout


def test_a_failed_opening_leaves_no_lock_behind(path):
    path.write_bytes(b"this is no database, it only looks like a file" * 100)
    for _ in range(2):
        with pytest.raises(ConfigurationError) as error:
            FileStore(path)
        assert "in use" not in message_of(error)


# What is no journal of ours.


def foreign(path, *, user_version=0):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE trades (id INTEGER)")
        db.execute(f"PRAGMA user_version={user_version}")
        db.commit()
    return path.read_bytes()


def test_a_database_of_another_program_is_refused_and_left_alone(path):
    before = foreign(path)
    with pytest.raises(ConfigurationError) as error:
        FileStore(path)
    assert "another program" in message_of(error)
    assert path.read_bytes() == before
    with pytest.raises(ConfigurationError, match="not a journal"):
        list(read_records(path))


def test_a_newer_schema_is_refused_and_left_alone(path):
    with contextlib.closing(FileStore(path)) as store:
        fill(store, 1)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=1000")
    for read in (FileStore, lambda path: list(read_records(path))):
        with pytest.raises(ConfigurationError) as error:
            read(path)
        assert "schema 1000" in message_of(error)
        assert "install a newer outlast" in message_of(error)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1000,)


@pytest.mark.parametrize("content", [b"", b"text" * 500], ids=["empty", "text"])
def test_reading_what_is_no_journal_says_so(path, content):
    path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        list(read_records(path))


def test_reading_a_file_that_is_not_there_says_so_and_makes_none(path):
    with pytest.raises(ConfigurationError, match="does not exist"):
        list(read_records(path))
    assert not path.exists()


def test_a_file_that_was_killed_in_the_making_has_no_records_and_becomes_a_journal(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
    assert path.stat().st_size > 0
    assert list(read_records(path)) == []
    with contextlib.closing(FileStore(path)) as store:
        assert len(fill(store, 1)) == 1


def test_an_empty_file_becomes_a_journal(path):
    path.touch()
    with contextlib.closing(FileStore(path)) as store:
        assert len(fill(store, 1)) == 1


@contextlib.contextmanager
def as_nobody():
    """Without root's privileges, under which no folder is read-only."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def damaged(path):
    """A journal with one page of zeros in the middle."""
    with contextlib.closing(FileStore(path)) as store:
        fill(store, 400, size=200)
    raw = bytearray(path.read_bytes())
    raw[8192 : len(raw) - 4096] = bytes(len(raw) - 4096 - 8192)
    path.write_bytes(raw)


def test_a_damaged_file_is_named_and_not_a_traceback_of_the_database(path):
    damaged(path)

    def read_all():
        with contextlib.closing(FileStore(path)) as store:
            store.last()
            list(store.records())

    for read in (read_all, lambda: list(read_records(path))):
        with pytest.raises(ConfigurationError) as error:
            read()
        assert str(path) in message_of(error)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ConfigurationError) as error:
        FileStore(tmp_path / "nowhere" / "bot.journal")
    assert f"folder {str(tmp_path / 'nowhere')!r} does not exist" in message_of(error)


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError) as error:
        FileStore(tmp_path)
    assert str(tmp_path) in message_of(error)


def test_a_read_only_folder_is_named():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        with as_nobody(), pytest.raises(ConfigurationError) as error:
            FileStore(folder / "bot.journal")
        assert "Permission denied" in message_of(error)
        folder.chmod(0o755)


def test_a_read_only_file_is_named():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        path = folder / "bot.journal"
        with contextlib.closing(FileStore(path)) as store:
            fill(store, 1)
        path.chmod(0o444)
        (folder / "bot.journal.lock").chmod(0o666)
        with as_nobody(), pytest.raises(ConfigurationError) as error:
            FileStore(path)
        assert "cannot be written (Permission denied)" in message_of(error)


# A full disk.


def run_full(store):
    """Write until the database may grow no further; the records that were written."""
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(JournalUnavailable) as error:
        fill(store, 1000, size=300)
    assert "disk is full" in message_of(error)
    assert "free space" in message_of(error)
    assert isinstance(error.value.__cause__, sqlite3.Error)
    return list(store.records())


def test_a_full_disk_is_journal_unavailable_and_loses_nothing(path):
    with contextlib.closing(FileStore(path)) as store:
        written = run_full(store)
        assert len(written) > 3
        assert verify(written) is None
        store._db.execute("PRAGMA max_page_count=100000")
        assert verify(fill(store, 3)) is None  # and it goes on once there is room
    assert verify(list(read_records(path))) is None


def test_a_journal_on_a_full_disk_can_still_be_closed_and_opened(path):
    store = FileStore(path)
    written = run_full(store)
    store.close()
    with contextlib.closing(FileStore(path)) as again:
        assert list(again.records()) == written


def test_a_closed_store_writes_nothing(path):
    store = FileStore(path)
    record = fill(store, 1)[0]
    store.close()
    with pytest.raises(JournalUnavailable):
        store.write(record)


# Housekeeping.


def test_a_checkpoint_moves_the_log_into_the_file(path):
    with contextlib.closing(FileStore(path)) as store:
        records = fill(store, 300, size=200)
        size_before = path.stat().st_size
        store.checkpoint()
        assert path.stat().st_size > size_before
        assert list(store.records()) == records


def test_the_log_is_not_moved_while_records_are_written(path):
    """A checkpoint inside `write` would hold up the order that is being written down."""
    with contextlib.closing(FileStore(path)) as store:
        fill(store, 1)
        store.checkpoint()
        before = path.stat()
        fill(store, 3000, size=600)  # more than SQLite's own limit of 1,000 pages
        assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_checkpoint_in_a_thread_does_not_wait_for_a_write_nor_a_write_for_it(path):
    """They must not share one connection, of which SQLite lets one thread in at a time."""
    with contextlib.closing(FileStore(path)) as store:
        fill(store, 10)
        inside, leave = threading.Event(), threading.Event()

        def hold():
            inside.set()
            leave.wait(10.0)
            return 1

        store._db.create_function("hold", 0, hold)
        holder = threading.Thread(target=lambda: store._db.execute("SELECT hold()").fetchone())
        holder.start()
        assert inside.wait(5.0)
        mover = threading.Thread(target=store.checkpoint)
        mover.start()
        mover.join(5.0)
        was_free = not mover.is_alive()
        leave.set()
        holder.join()
        mover.join()
        assert was_free


def test_a_checkpoint_that_fails_says_so(path):
    store = FileStore(path)
    fill(store, 1)
    store.close()
    path.unlink()
    path.mkdir()
    with pytest.raises(JournalUnavailable, match=r"cannot be tidied"):
        store.checkpoint()


# kill -9.

WRITER = """
import pathlib, sys
from outlast.backends.journal import FileStore
from outlast.core.journal import Chain

store = FileStore(pathlib.Path(sys.argv[1]))
last = store.last()
chain = Chain() if last is None else Chain(seq=last.seq, tip=last.chain_hash)
out = open(sys.argv[2], "ab", buffering=0)
while True:
    record = chain.seal("order.intent", {"pad": "x" * 300}, at=float(chain._seq))
    store.write(record)
    chain.accept(record)
    out.write(f"{record.seq} {record.chain_hash}\\n".encode())  # only after `write` returned
    if record.seq % 400 == 0:
        store.checkpoint()
"""


def test_every_record_whose_write_returned_survives_kill_9(path, tmp_path):
    """Three lives of one bot, each ended in the middle of writing, by a signal that no one hears.

    The child notes a record's hash after `write` has returned; each noted record must be in the
    journal, and the chain must hold across all lives.
    """
    noted_path = tmp_path / "noted"
    for life in range(3):
        already = noted_path.stat().st_size if life else 0
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(noted_path)])
        deadline = time.monotonic() + 20.0
        while not noted_path.exists() or noted_path.stat().st_size < already + 70 * 700:
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.002)  # polling for progress; nothing depends on how long it takes
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        noted = [line.split() for line in noted_path.read_text().splitlines()]
        records = {record.seq: record for record in read_records(path)}
        for seq, chain_hash in noted:
            assert records[int(seq)].chain_hash == chain_hash
        assert len(records) - len(noted) <= life + 1  # at most one written and not noted, per life
        assert verify(records.values()) is None
    with contextlib.closing(FileStore(path)) as store:  # the lock went with the process
        assert verify(fill(store, 1)) is None


def test_what_is_synced_is_in_the_files_that_a_loss_of_power_leaves(path, tmp_path, monkeypatch):
    """At the moment of the sync the log holds all that was written; what comes later may be torn.

    The disk is stood in for by a copy made when the sync is asked for.
    """
    left = tmp_path / "left"
    log = path.with_name(path.name + "-wal")

    def keep(_handle):
        left.mkdir()
        for file in (path, log):
            (left / file.name).write_bytes(file.read_bytes())

    with contextlib.closing(FileStore(path)) as store:
        records = fill(store, 3)
        monkeypatch.setattr("outlast.backends.journal._sync_file", keep)
        store.sync()
        fill(store, 2)
    assert list(read_records(left / path.name)) == records


def test_a_disk_that_does_not_confirm_is_journal_unavailable(path, monkeypatch):
    def refuse(_handle):
        raise OSError(5, "Input/output error")

    with contextlib.closing(FileStore(path)) as store:
        monkeypatch.setattr("outlast.backends.journal._sync_file", refuse)
        with pytest.raises(JournalUnavailable, match="did not reach its disk"):
            store.sync()


def test_a_log_cut_off_at_any_byte_opens_and_loses_only_what_was_being_written(path, tmp_path):
    """What a loss of power, or a copy that was broken off, can leave of the write-ahead log."""
    cut = tmp_path / "cut.journal"
    log, cut_log = (p.with_name(p.name + "-wal") for p in (path, cut))
    ends = []  # of the log after each record
    with contextlib.closing(FileStore(path)) as store:
        empty = log.stat().st_size
        chain = Chain()
        for number in range(12):
            record = chain.seal("order.intent", {"pad": "x" * 700 * (number % 4)}, at=float(number))
            store.write(record)
            chain.accept(record)
            ends.append(log.stat().st_size)
        records, whole = list(store.records()), log.read_bytes()
        kept = path.read_bytes()
    boundaries = {end + step for end in (empty, *ends) for step in (-1, 0, 1)}
    for size in sorted(boundaries | set(range(empty, len(whole), 397))):
        if size > len(whole):
            continue
        cut.write_bytes(kept)
        cut_log.write_bytes(whole[:size])
        with contextlib.closing(FileStore(cut)) as store:
            found = list(store.records())
            assert found == records[: sum(end <= size for end in ends)], size
            assert verify(found) is None
            fill(store, 1)  # and it goes on from there
