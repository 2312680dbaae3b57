"""The page about health: its examples run as they stand, and it names what there is."""

import functools
import re
import textwrap
from pathlib import Path

import pytest

import outlast
from outlast import sim
from outlast.core.gate import Cause
from outlast.core.health import Witness
from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.builder import ScenarioBuilder

PAGE = (Path(__file__).parent.parent / "docs" / "health.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def scenario():
    made = ScenarioBuilder("page", venue=["kraken-spot", "binance-spot", "binance-um"])
    made.instrument("BTC/USD", product="spot", mid="68000", tick="0.1", vol_bps_per_min="0.1")
    made.instrument("BTCUSDT", product="um", mid="68000", tick="0.1", vol_bps_per_min="0.1")
    made.account(balances={"USD": "50000", "USDT": "50000"})
    return made.phase("all", "rest").build()


async def run(snippet, folder):
    async with MockExchange(scenario(), seed=1) as mock:
        wires = mock.describe()["venues"]
        kraken, futures = wires["kraken-spot"], wires["binance-um"]
        names = {
            "outlast": outlast,
            "KEY": kraken["key"],
            "SECRET": kraken["secret"],
            "ENDPOINTS": kraken["endpoints"],
            "OTHERS": wires["binance-spot"]["endpoints"],
            "UM_KEY": futures["key"],
            "UM_SECRET": futures["secret"],
            "UM_ENDPOINTS": futures["endpoints"],
        }
        if not snippet.startswith(("async with outlast", "settings", "gate", "from")):
            names["venue"] = outlast.connect(
                "kraken-spot",
                key=kraken["key"],
                secret=kraken["secret"],
                endpoints=kraken["endpoints"],
                journal=folder / "other.journal",
            )
            snippet = "async with venue:\n" + textwrap.indent(snippet, "    ")
        exec(f"async def example():\n{textwrap.indent(snippet, '    ')}", names)
        await names["example"]()


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_every_example_of_the_page_runs(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = scenario()
    main = functools.partial(run, SNIPPETS[number], tmp_path)
    sim.run(main, seed=1, t0=document.t0_ms / 1000, time_limit_s=600)


def test_the_page_has_its_examples():
    assert len(SNIPPETS) == 8


def test_every_cause_is_explained():
    assert [cause.value for cause in Cause if f"`{cause.value}`" not in PAGE] == []


def test_every_witness_is_in_the_table():
    table = PAGE.partition("## Who is believed")[2].partition("\n## ")[0].lower()
    words = {Witness.CALLS: "own calls", Witness.VENUE: "own status", Witness.PRICES: "prices"}
    assert [w for w in Witness if words.get(w, w.value) not in table] == []
