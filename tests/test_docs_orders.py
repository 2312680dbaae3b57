"""The programs in docs/orders.md run as they stand, against the mock."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import outlast
from outlast.mock.exchange import MockExchange

PAGE = (Path(__file__).parent.parent / "docs" / "orders.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
SAID = ["accepted", "0.008 at 60100.00", "canceled 2 0 ()", "flat 1"]


@pytest.mark.sockets
@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_every_program_of_the_page_of_orders_runs(number, tmp_path):
    async def story():
        async with MockExchange(venues=outlast.venues()) as mock:
            environment = dict(os.environ)
            for venue, wires in mock.describe()["venues"].items():
                name = f"OUTLAST_{venue.upper().replace('-', '_')}"
                environment[f"{name}_ENDPOINTS"] = json.dumps(wires["endpoints"])
                environment |= {f"{name}_KEY": wires["key"], f"{name}_SECRET": wires["secret"]}
            script = tmp_path / "program.py"
            script.write_text(PROGRAMS[number], encoding="utf-8")
            return await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-W", "error", str(script)],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

    done = asyncio.run(story())
    assert done.stderr == ""
    assert done.stdout.strip().endswith(SAID[number])


def test_every_way_to_make_an_order_is_in_the_page():
    for name in ("limit", "market", "stop", "take_profit"):
        assert f"`{name}(" in PAGE
        assert name in outlast.__all__
