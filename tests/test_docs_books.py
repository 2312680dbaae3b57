"""The programs in docs/books.md run as they stand, against the mock."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import outlast
from outlast.mock.exchange import MockExchange

DOCS = Path(__file__).parent.parent / "docs"
PROGRAMS = re.findall(
    r"```python\n(.*?)```", (DOCS / "books.md").read_text(encoding="utf-8"), flags=re.DOTALL
)


@pytest.mark.sockets
@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_every_program_of_the_page_of_books_runs(number, tmp_path):
    async def story():
        async with MockExchange(venues=outlast.venues()) as mock:
            environment = dict(os.environ)
            for venue, wires in mock.describe()["venues"].items():
                name = venue.upper().replace("-", "_")
                environment[f"OUTLAST_{name}_ENDPOINTS"] = json.dumps(wires["endpoints"])
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
    assert done.stdout


def test_every_setting_of_books_is_in_the_page_of_settings():
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    names = [field.name for field in dataclasses.fields(outlast.BookSettings)]
    assert [name for name in names if f"`{name}`" not in page] == []
