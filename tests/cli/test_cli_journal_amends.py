"""`outlast journal` on an amendment whose answer was lost when the bot ended."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from command_line import outlast

sys.path.insert(0, str(Path(__file__).parent.parent / "client"))

from venue_in_sim import BTC, PASSIVE, World, play  # the client's world

import outlast as library


@pytest.fixture(scope="module")
def journal(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("amended")

    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(library.limit(BTC, "buy", "0.010", PASSIVE))
            w.fault("orders.amend", reply={"hang": "60s"}, effect="none")
            w.fault(["orders.query", "orders.open"], reply="internal")
            with pytest.raises(library.OutcomeUnknown):
                await venue.amend(order.client_order_id, price="60100", qty="0.02", deadline_s=2)

    play(story, folder)
    return folder / "bot.journal"


def test_unknown_names_the_terms_that_may_be_in_force(journal):
    code, out, _ = outlast("journal", "unknown", str(journal))
    assert code == 1
    [line] = out.splitlines()
    assert "accepted: buy 0.010 BTC/USDT:USDT" in line
    assert line.endswith("; amended to 0.02 at 60100, or not")
    code, out, _ = outlast("journal", "unknown", str(journal), "--json")
    [told] = [json.loads(text) for text in out.splitlines()]
    assert told["amendment"]["qty"] == "0.02"
    assert told["amendment"]["is_unknown"] is True


def test_the_history_can_be_true_and_the_intent_is_shown(journal):
    code, _, _ = outlast("journal", "verify", str(journal))
    assert code == 0
    _, out, _ = outlast("journal", "show", str(journal))
    assert sum(" order.amend " in line for line in out.splitlines()) == 1


def test_the_incident_report_tells_of_the_order(journal, tmp_path):
    page = tmp_path / "incident.html"
    code, _, err = outlast("report", str(journal), "-o", str(page))
    assert code == 0, err
    assert "BTC/USDT:USDT" in page.read_text(encoding="utf-8")
