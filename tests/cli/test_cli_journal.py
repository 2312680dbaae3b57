"""`outlast journal`: on the journal of a session that had an answer lost."""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
from pathlib import Path

import pytest
from command_line import complaint, outlast

sys.path.insert(0, str(Path(__file__).parent.parent / "client"))

from venue_in_sim import BTC, PASSIVE, World, play  # the client's world

import outlast as library
from outlast.backends.journal import FileStore, read_records
from outlast.core.journal import Chain, decode_fields

BUY = library.limit(BTC, "buy", "0.010", PASSIVE)


@pytest.fixture(scope="module")
def journal(tmp_path_factory) -> Path:
    """Two orders: one accepted and cancelled, one whose answer was lost when the bot ended."""
    folder: Path = tmp_path_factory.mktemp("journal")

    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(BUY)
            await venue.cancel(order.client_order_id)
            w.fault("orders.create", reply="unknown", effect="none")
            w.fault("orders.query", reply="internal")
            with pytest.raises(library.OutcomeUnknown):
                await venue.submit(BUY, deadline_s=2)

    play(story, folder)
    return folder / "bot.journal"


def test_show_prints_every_record_oldest_first(journal):
    code, out, err = outlast("journal", "show", str(journal))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("2026-03-02 14:00:00.000+00:00      #1 journal.opened")
    kinds = {line.split()[3] for line in lines}
    assert kinds >= {"journal.opened", "attempt", "order.intent", "order.changed"}
    assert [int(line.split()[2][1:]) for line in lines] == list(range(1, len(lines) + 1))


def test_show_as_json_is_one_record_a_line(journal):
    code, out, _ = outlast("journal", "show", str(journal), "--json")
    assert code == 0
    records = [json.loads(line) for line in out.splitlines()]
    assert [r["seq"] for r in records] == list(range(1, len(records) + 1))
    assert all(list(r) == ["seq", "at", "kind", "fields"] for r in records)
    # Written down before it was sent (P8).
    intents = [r["seq"] for r in records if r["kind"] == "order.intent"]
    placed = [r["seq"] for r in records if r["fields"].get("request") == "order.place"]
    assert len(intents) == len(placed) == 2
    assert all(intent < sent for intent, sent in zip(intents, placed, strict=True))


def test_unknown_names_the_order_whose_fate_is_open_and_exits_1(journal):
    code, out, err = outlast("journal", "unknown", str(journal))
    assert (code, err) == (1, "")
    [line] = out.splitlines()
    assert " unknown: buy 0.010 BTC/USDT:USDT (since 2026-03-02 14:00:0" in line
    code, out, _ = outlast("journal", "unknown", str(journal), "--json")
    order = json.loads(out)
    assert (code, order["status"], order["symbol"]) == (1, "unknown", BTC)
    assert line.startswith(order["client_order_id"])


def test_verify_holds_for_what_was_written(journal):
    code, out, _ = outlast("journal", "verify", str(journal))
    assert code == 0
    assert out.startswith(f"{journal}: ")
    assert out.endswith(" records, the chain holds\n2 orders: every history can be true\n")
    document = json.loads(outlast("journal", "verify", str(journal), "--json")[1])
    assert document == {
        "file": str(journal),
        "holds": True,
        "fault": None,
        "orders": 2,
        "order_faults": [],
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE records SET data = CAST(data || ' ' AS BLOB) WHERE seq = 8", "its hash"),
        ("UPDATE records SET at = at + 1 WHERE seq = 8", "its hash"),
        ("DELETE FROM records WHERE seq = 8", "record 8 is missing"),
    ],
)
def test_verify_finds_the_first_record_that_was_tampered_with(change, problem, journal, tmp_path):
    copy = tmp_path / "copy.journal"
    copy.write_bytes(journal.read_bytes())
    with sqlite3.connect(copy) as db:
        assert db.execute(change).rowcount == 1
    db.close()
    code, out, _ = outlast("journal", "verify", str(copy))
    assert code == 1
    assert f"broken at record #8: {problem}" in out
    document = json.loads(outlast("journal", "verify", str(copy), "--json")[1])
    assert (document["holds"], document["fault"]["seq"]) == (False, 8)


def test_verify_finds_an_order_that_came_back_from_the_dead(journal, tmp_path):
    """The chain holds, since it was written so; the history cannot be true."""
    copy = tmp_path / "copy.journal"
    copy.write_bytes(journal.read_bytes())
    records = list(read_records(copy))
    [cancelled] = [r for r in records if b'"status":"canceled"' in r.data]
    revived = decode_fields(cancelled.data)
    revived["order"]["status"] = "accepted"
    store = FileStore(copy)
    store.write(
        Chain(seq=len(records), tip=records[-1].chain_hash).seal("order.changed", revived, at=2e9)
    )
    store.close()
    code, out, _ = outlast("journal", "verify", str(copy))
    assert code == 1
    name = revived["order"]["client_order_id"]
    assert f"record #{len(records) + 1}, order {name}: it was canceled and then accepted" in out
    document = json.loads(outlast("journal", "verify", str(copy), "--json")[1])
    assert (document["holds"], document["fault"]) == (False, None)
    assert [f["client_order_id"] for f in document["order_faults"]] == [name]


def test_export_writes_all_records_so_that_the_chain_can_be_checked_elsewhere(journal, tmp_path):
    file = tmp_path / "records.jsonl"
    code, out, err = outlast("journal", "export", str(journal), "-o", str(file))
    assert (code, out) == (0, "")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert err.strip() == f"{file}: {len(rows)} records"
    assert [r["chain_hash"] for r in rows] == [r.chain_hash for r in read_records(journal)]


def test_export_writes_orders_as_they_stand_as_a_table(journal):
    code, out, err = outlast("journal", "export", str(journal), "--what", "orders", "--csv")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["status"] for row in rows] == ["canceled", "unknown"]
    assert {row["qty"] for row in rows} == {"0.010"}


def test_export_does_not_write_over_the_journal(journal):
    before = journal.read_bytes()
    assert "the journal itself" in complaint("journal", "export", str(journal), "-o", str(journal))
    assert journal.read_bytes() == before


def test_a_journal_without_doubts_is_exit_code_0(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(BUY)

    play(story, tmp_path)
    code, out, _ = outlast("journal", "unknown", str(tmp_path / "bot.journal"))
    assert (code, out) == (0, "")


def test_a_file_that_is_not_there_or_no_journal_is_named(tmp_path):
    for command in ("show", "unknown", "verify"):
        assert complaint("journal", command, "nowhere", cwd=tmp_path) == (
            "outlast: journal 'nowhere' does not exist; check the path"
        )
    (tmp_path / "diary").write_text("dear diary " * 100)
    assert complaint("journal", "verify", "diary", cwd=tmp_path) == (
        "outlast: journal 'diary' cannot be read (file is not a database); it must be a journal "
        "file of outlast: of a damaged one `outlast journal salvage diary -o NEW` keeps every "
        "record that is whole, or restore it from a copy"
    )
