"""The page about an incident, made from the journal of a session that lived through one."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("jinja2")

sys.path.insert(0, str(Path(__file__).parent.parent / "client"))
sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))

from command_line import complaint, outlast
from venue_in_sim import BTC, PASSIVE, World, play

import outlast as library
from outlast.backends.journal import FileStore, read_records
from outlast.core.journal import Chain
from outlast.report.incident import read_incident
from outlast.report.page import render

BUY = library.limit(BTC, "buy", "0.010", PASSIVE)


@pytest.fixture(scope="module")
def journal(tmp_path_factory) -> Path:
    """An order goes well, one is lost and settled, then the venue is down for five minutes."""
    folder: Path = tmp_path_factory.mktemp("journal")

    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(BUY)
            w.fault("orders.create", reply="unknown", effect="none", times=1)
            with pytest.raises(library.OutcomeUnknown) as lost:
                await venue.submit(BUY, deadline_s=2)
            await venue.settle(lost.value.client_order_id)
            w.fault("*", reply={"http": {"status": 502, "body": "<script>alert(1)</script>"}})
            await asyncio.sleep(300)
            w.heal()
            await asyncio.sleep(300)
        async with w.connect() as venue:
            await venue.cancel_all()

    play(story, folder)
    return folder / "bot.journal"


def test_the_incident_is_what_happened(journal):
    incident = read_incident(read_records(journal))
    assert (incident.venue, incident.chain_fault, incident.order_faults) == ("binance-um", None, [])
    assert len(incident.starts) == 2
    assert incident.statuses == {"canceled": 1, "not_placed": 1}
    [lost] = [s for s in incident.orders if s.order.status is library.OrderStatus.NOT_PLACED]
    assert lost.unknown_since is None
    assert 5 < lost.unknown_s < 60
    shut_s = Counter[str]()
    for span in incident.spans:
        shut_s[span.lane] += span.ends - span.begins
    assert 250 < shut_s["account"] < 400
    assert [s.state for s in incident.spans if s.lane == "account"] == ["open", "canary", "ramp"]
    assert 250 < shut_s["new risk"] < 600
    assert sum(total.failed for total in incident.bins(50)) == sum(
        failing.count for failing in incident.failing
    )


def test_what_the_venue_said_is_text_and_nothing_else(journal):
    page = render(read_incident(read_records(journal)))
    assert "<script>" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_no_key_or_secret_is_on_the_page(journal):
    page = render(read_incident(read_records(journal)))
    assert "signature" not in page.lower().replace("keys and signatures are in neither", "")


def test_the_command_writes_the_page(journal, tmp_path):
    page = tmp_path / "incident.html"
    code, out, err = outlast("report", str(journal), "-o", str(page))
    assert (code, out) == (0, "")
    assert err.startswith(f"{page}: 2 orders, ")
    assert "binance-um" in page.read_text()


def test_a_journal_that_does_not_hold_is_said_on_the_page_and_by_the_exit_code(journal, tmp_path):
    copy = tmp_path / "copy.journal"
    copy.write_bytes(journal.read_bytes())
    records = list(read_records(copy))
    store = FileStore(copy)
    wrong = Chain(seq=len(records), tip="0" * 64).seal("order.changed", {"order": {}}, at=2e9)
    store.write(wrong)
    store.close()
    page = tmp_path / "incident.html"
    code, _, err = outlast("report", str(copy), "-o", str(page))
    assert code == 1
    assert "does not hold" in err
    assert f"Record #{wrong.seq}: its hash does not fit" in page.read_text()
    assert "order.changed cannot be read" in page.read_text()


def test_an_empty_journal_makes_a_page(tmp_path):
    FileStore(tmp_path / "new.journal").close()
    page = render(read_incident(read_records(tmp_path / "new.journal")))
    assert "No request failed." in page


def test_bad_places_are_named(journal, tmp_path):
    assert complaint("report", "nowhere", "-o", "x.html", cwd=tmp_path) == (
        "outlast: journal 'nowhere' does not exist; check the path"
    )
    assert complaint("report", str(journal), "-o", "no/x.html", cwd=tmp_path) == (
        "outlast: the output is 'no/x.html', but there is no folder 'no'; create it"
    )
    assert "the journal itself" in complaint("report", str(journal), "-o", str(journal))
