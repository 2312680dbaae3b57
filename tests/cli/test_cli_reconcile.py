"""`outlast reconcile`: a real command against a mock on real sockets."""

from __future__ import annotations

import asyncio
import json

import pytest
from command_line import complaint, outlast_process

import outlast
from outlast.mock.exchange import MockExchange

pytestmark = pytest.mark.sockets


async def story(folder, monkeypatch):
    async with MockExchange(venues=["binance-um"]) as mock:
        venue = mock.describe()["venues"]["binance-um"]
        for name in ("key", "secret"):
            monkeypatch.setenv(f"OUTLAST_BINANCE_UM_{name.upper()}", venue[name])
        monkeypatch.setenv("OUTLAST_BINANCE_UM_ENDPOINTS", json.dumps(venue["endpoints"]))
        journal = folder / "bot.journal"

        async def command(*options):
            return await asyncio.to_thread(
                outlast_process, "reconcile", "binance-um", "--journal", str(journal), *options
            )

        async with outlast.connect_from_env("binance-um", journal=journal) as bot:
            symbol = "BTC/USDT:USDT"
            await bot.submit(outlast.limit(symbol, "buy", "0.01", "60000"))
        agreed = await command("--dry-run")
        async with outlast.connect_from_env("binance-um", journal=None) as other:
            strange = await other.submit(outlast.limit(symbol, "buy", "0.02", "60000"))
        before = journal.read_bytes()
        looked = await command("--dry-run", "--json")
        assert journal.read_bytes() == before
        written = await command()
        again = await command("--dry-run")
        return strange.client_order_id, agreed, looked, written, again


def test_a_journal_and_the_venue(tmp_path, monkeypatch):
    name, agreed, looked, written, again = asyncio.run(story(tmp_path, monkeypatch))
    assert agreed == (0, "the journal and binance-um agree\n", "")
    code, out, err = looked
    document = json.loads(out)
    assert (code, err) == (1, "")
    assert [d["name"] for d in document["differences"]] == [name]
    assert document["dry_run"] is True
    code, out, _ = written
    assert code == 0
    assert out.splitlines() == [
        f"order {name}",
        "  journal     not in it",
        "  binance-um  buy 0.020 BTC/USDT:USDT limit at 60000.00, accepted",
        "  did         note it as another program's, and leave it alone",
    ]
    assert again[0] == 0


def test_a_journal_that_is_not_there_is_named(tmp_path):
    assert complaint("reconcile", "binance-um", "--journal", "nowhere", cwd=tmp_path) == (
        "outlast: journal 'nowhere' does not exist; check the path"
    )
