"""A journal that forgets what nobody needs: in a running session, and by hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
from pathlib import Path

import pytest
from venue_in_sim import BTC, ETH, PASSIVE, World, play

import outlast
from outlast.backends.journal import FileStore, MemoryStore, read_records
from outlast.client.pruning import prunable, prune
from outlast.core.histories import check
from outlast.core.journal import GAP, PRUNED, Chain, decode_fields
from outlast.errors import ConfigurationError, JournalUnavailable
from outlast.model import OrderStatus

sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))

from command_line import complaint, outlast as command  # noqa: I001 the shell's view

DAY = 86_400.0
BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)
MONTH = outlast.Settings(seed=1, journal_kept_days=30)


async def a_day(w: World) -> str:
    """One order that rests, and others that ended; the id of the first."""
    async with w.connect() as venue:
        resting = await venue.submit(BUY)
        await venue.submit(outlast.market(BTC, "buy", "0.020"))
        for _ in range(5):
            order = await venue.submit(outlast.limit(ETH, "buy", "0.1", "1900"))
            await venue.cancel(order.client_order_id)
        await asyncio.sleep(120)
    return resting.client_order_id


def aged(path: Path, days: float) -> int:
    """The journal as if it had been written so long before; how many records it has."""
    records = list(read_records(path))
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    chain = Chain()
    with contextlib.closing(FileStore(path)) as store:
        for record in records:
            sealed = chain.seal(record.kind, decode_fields(record.data), at=record.at - days * DAY)
            store.write(sealed)
            chain.accept(sealed)
    return len(records)


def left_behind(path: Path, copy: Path) -> Path:
    """What a kill at this instant would leave."""
    for suffix in ("", "-wal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
    return copy


def test_a_running_session_drops_what_is_old_and_keeps_what_is_open(tmp_path):
    path = tmp_path / "bot.journal"

    async def story(w: World):
        resting = await a_day(w)
        count = aged(path, 40)
        seen = 0
        async with w.connect(settings=MONTH) as venue:
            await asyncio.sleep(595)
            for nth in range(60):  # the bot may be killed at any point of it
                await asyncio.sleep(0.25)
                copy = left_behind(path, w.folder / f"at-{nth}.journal")
                assert check(read_records(copy)).holds, nth
                kinds = [record.kind for record in read_records(copy)]
                seen += GAP in kinds and kinds.index(GAP) > 0
            order = await venue.submit(outlast.limit(ETH, "buy", "0.1", "1900"))
            assert order.status is OrderStatus.ACCEPTED
        assert seen > 3
        records = list(read_records(path))
        assert check(records).holds
        [licence] = [decode_fields(r.data) for r in records if r.kind == PRUNED]
        assert licence["dropped"] > count / 2
        assert licence["orders"] == 5
        old = [r for r in records if r.at < w.clock.wall() - 30 * DAY and r.kind != GAP]
        assert len(old) + licence["dropped"] == count
        async with w.connect() as venue:
            assert venue.orders.get(resting).status is OrderStatus.ACCEPTED
            await venue.cancel(resting)
            fresh = await venue.submit(outlast.limit(ETH, "buy", "0.1", "1900"))
            named = [o.client_order_id for o in w.orders]
            assert named.count(fresh.client_order_id) == 1
            assert len(set(named)) == len(named) == 9
        w.judge()

    play(story, tmp_path)


def test_what_a_session_left_half_pruned_is_finished_by_the_next(tmp_path):
    path = tmp_path / "bot.journal"

    async def story(w: World):
        resting = await a_day(w)
        aged(path, 40)
        async with w.connect(settings=MONTH):
            await asyncio.sleep(600.15)
        half = list(read_records(path))
        assert PRUNED in [r.kind for r in half]
        assert check(half).holds
        async with w.connect(settings=MONTH) as venue:
            await asyncio.sleep(700)
            assert venue.orders.get(resting) is not None
        whole = list(read_records(path))
        assert check(whole).holds
        assert len([r for r in whole if r.at < w.clock.wall() - 30 * DAY]) <= len(half)
        w.judge()

    play(story, tmp_path)


def test_a_disk_that_is_full_leaves_the_journal_as_it_is_and_the_session_well(tmp_path):
    class Full(MemoryStore):
        is_full = False

        def drop(self, gap, *, first, at_most):
            raise JournalUnavailable("the journal cannot be pruned (disk full)")

    async def story(w: World):
        store = Full()
        async with w.connect(journal=store, settings=MONTH):
            pass
        chain, old = Chain(), []
        for record in store.records():
            sealed = chain.seal(record.kind, decode_fields(record.data), at=record.at - 40 * DAY)
            chain.accept(sealed)
            old.append(sealed)
        store = Full()
        store.write(*old)
        async with w.connect(journal=store, settings=MONTH) as venue:
            await asyncio.sleep(700)
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        assert check(store.records()).holds
        assert [r for r in store.records() if r.seq <= len(old)] == old

    play(story, tmp_path)


def test_a_store_that_cannot_drop_records_is_refused_when_it_should():
    class Own:
        pass

    with pytest.raises(ConfigurationError, match="Own cannot drop records; give it `read_apart`"):
        prunable(Own())
    with pytest.raises(ValueError, match=r"journal_kept_days is 0\.5; it must be 1 or more"):
        outlast.Settings(journal_kept_days=0.5)


@pytest.fixture(scope="module")
def old_journal(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("old")

    async def story(w: World):
        await a_day(w)

    play(story, folder)
    aged(folder / "bot.journal", 400)
    return folder / "bot.journal"


def test_the_command_drops_keeps_a_copy_and_the_journal_verifies(old_journal, tmp_path):
    path, archive = tmp_path / "bot.journal", tmp_path / "2025.journal"
    shutil.copy(old_journal, path)
    before = list(read_records(path))
    terms = ("--older-than", "30d", "--archive", str(archive), "--json")
    code, out, err = command("journal", "prune", str(path), *terms)
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["archive"] == str(archive)
    assert told["orders"] == 5
    assert list(read_records(archive)) == before
    assert command("journal", "verify", str(archive))[0] == 0
    code, out, _ = command("journal", "verify", str(path))
    assert code == 0, out
    after = list(read_records(path))
    assert len(after) < len(before) / 2
    assert path.stat().st_size < archive.stat().st_size
    again = command("journal", "prune", str(path), *terms[:2])
    assert again[0] == 0
    assert "nothing that is older than 30d may go" in again[1]
    assert list(read_records(path)) == after
    for report in (("show",), ("unknown",), ("export", "--what", "orders")):
        assert command("journal", *report, str(path))[0] == 0
    assert command("report", str(path), "-o", str(tmp_path / "r.html"))[0] == 0


def test_the_command_says_what_is_wrong_in_one_line(old_journal, tmp_path):
    path = tmp_path / "bot.journal"
    shutil.copy(old_journal, path)
    for age in ("30", "d", "12h", "-3d", "many"):
        code, _, err = command("journal", "prune", str(path), f"--older-than={age}")
        assert code == 2
        assert "24h, 30d, 8w" in " ".join(err.split())
    told = complaint("journal", "prune", "nowhere", "--older-than", "30d", cwd=tmp_path)
    assert told == "outlast: journal 'nowhere' does not exist; check the path"
    there = ("--older-than", "30d", "--archive", "bot.journal.lock")
    with contextlib.closing(FileStore(path)):
        told = complaint("journal", "prune", "bot.journal", "--older-than", "30d", cwd=tmp_path)
        assert "in use by another process" in told
    assert "is there already" in complaint("journal", "prune", "bot.journal", *there, cwd=tmp_path)
    assert list(read_records(path)) == list(read_records(old_journal))


def test_the_salvage_command_writes_a_new_journal_and_says_what_is_lost(old_journal, tmp_path):
    path, new = tmp_path / "bot.journal", tmp_path / "new.journal"
    raw = bytearray(old_journal.read_bytes())
    records = list(read_records(old_journal))
    at = raw.index(records[9].chain_hash.encode())
    raw[at : at + 30] = bytes(30)
    path.write_bytes(raw)
    assert command("journal", "verify", str(path))[0] == 1
    code, out, err = command("journal", "salvage", str(path), "-o", str(new))
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "lost: #10"
    assert command("journal", "verify", str(new))[0] == 0
    again = complaint("journal", "salvage", "bot.journal", "-o", "new.journal", cwd=tmp_path)
    assert "is there already" in again
    other = tmp_path / "other.journal"
    _, out, _ = command("journal", "salvage", str(path), "-o", str(other), "--json")
    assert json.loads(out)["lost"] == [[10, 10]]


def test_a_crash_between_any_two_steps_of_the_command_loses_nothing(old_journal, tmp_path):
    class Died(Exception):
        pass

    before = list(read_records(old_journal))
    deaths = 0
    for step in range(40):
        path = tmp_path / f"at-{step}.journal"
        shutil.copy(old_journal, path)
        calls = 0

        class Dying(FileStore):
            def drop(self, gap, *, first, at_most, _step=step):
                nonlocal calls
                calls += 1
                if calls > _step:
                    raise Died
                return super().drop(gap, first=first, at_most=at_most)

        with contextlib.closing(Dying(path)) as store:
            at = before[-1].at + 500 * DAY
            try:
                prune(store, before=at - 30 * DAY, at=at, archive=lambda: None)
            except Died:
                deaths += 1
            else:
                break
        assert check(read_records(path)).holds
        held = {r.seq: r for r in read_records(path)}
        needed = [r for r in before if r.kind in ("order.intent", "journal.opened")]
        assert held[1] == needed[0]
    assert deaths > 2
