"""A journal of every schema there has been opens, is migrated in one step, and loses nothing."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from outlast.backends import journal_schema
from outlast.backends.journal import FileStore, read_records
from outlast.backends.journal_schema import SCHEMA_VERSION, SELECT, STEPS, Step
from outlast.client.journal import read_history
from outlast.core.histories import check
from outlast.errors import ConfigurationError
from outlast.model import OrderStatus

KEPT = Path(__file__).parent.parent / "data" / "journals"
VERSIONS = range(1, SCHEMA_VERSION + 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bot.journal"


def version_of(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_file_of_every_version_opens_with_all_that_is_in_it(version, path):
    shutil.copy(KEPT / f"schema-{version}.db", path)
    assert version_of(path) == version
    before = list(read_records(path))  # also without being migrated
    assert version_of(path) == version
    with contextlib.closing(FileStore(path)) as store:
        after = list(store.records())
        history = read_history(store)
    assert after == before
    assert version_of(path) == SCHEMA_VERSION
    checked = check(read_records(path))
    assert checked.holds
    assert checked.orders == 5
    statuses = sorted(order.status.value for order in history.orders.values())
    assert statuses == ["accepted", "canceled", "filled", "rejected", "unknown"]
    [unknown] = [o for o in history.orders.values() if o.status is OrderStatus.UNKNOWN]
    assert unknown.qty > 0
    assert history.believed is not None
    assert history.halted is None
    assert len(history.books) == 1
    assert len(history.executions) == 1
    with contextlib.closing(FileStore(path)) as store:  # and again, now of the present version
        assert list(store.records()) == before


def with_another_step(monkeypatch, *statements, select=SELECT):
    """As the next version of outlast will be, with a step that does this."""
    monkeypatch.setattr(journal_schema, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    steps = {**STEPS, SCHEMA_VERSION: Step(select, statements)}
    monkeypatch.setattr(journal_schema, "STEPS", steps)


def older(path):
    shutil.copy(KEPT / "schema-1.db", path)
    return list(read_records(path))


def test_all_steps_are_taken_in_one_transaction(path, monkeypatch):
    before = older(path)
    with_another_step(
        monkeypatch,
        "ALTER TABLE records RENAME TO old_records",
        journal_schema._TABLE,
        "INSERT INTO records SELECT * FROM old_records",
        "DROP TABLE old_records",
    )
    with contextlib.closing(FileStore(path)) as store:
        assert list(store.records()) == before
    assert version_of(path) == SCHEMA_VERSION + 1
    assert check(read_records(path)).holds


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("DELETE FROM records WHERE seq = 3", "without changing records"),
        ("UPDATE records SET data = '{}' WHERE seq = 3", "cannot be opened"),
        ("UPDATE records SET data = x'7b7d' WHERE seq = 3", "without changing records"),
        ("INSERT INTO nowhere VALUES (1)", "cannot be opened"),
    ],
)
def test_a_step_that_fails_or_changes_a_record_leaves_the_file_as_it_was(
    statement, error, path, monkeypatch
):
    before = older(path)
    with_another_step(monkeypatch, "CREATE TABLE half (way INTEGER)", statement)
    with pytest.raises(ConfigurationError, match=error):
        FileStore(path)
    monkeypatch.undo()
    assert version_of(path) == 1
    assert list(read_records(path)) == before
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("records",)]


def test_a_version_that_nobody_has_written_is_refused(path):
    older(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=0")
    with pytest.raises(ConfigurationError, match="schema 0, which no version of outlast"):
        FileStore(path)
    assert version_of(path) == 0


def test_there_is_a_step_from_every_earlier_version_and_a_file_of_each():
    assert set(STEPS) == set(range(1, SCHEMA_VERSION))
    assert {file.stem for file in KEPT.glob("*.db")} == {f"schema-{v}" for v in VERSIONS}
