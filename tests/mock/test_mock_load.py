"""A short run of the load benchmark: the mock holds, and one seed gives one truth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.sockets
def test_fifty_clients_on_a_mock_that_misbehaves_meet_no_error_of_its_own():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.mock_load", "--seconds", "15"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["errors"] == {"stderr": "", "dials_refused": 0, "5xx_without_a_rule": []}
    assert report["requests"] > 1000, "a machine too slow to say anything"
    assert report["broken_by_rules"] > 0
    assert max(report["rss_mb"]) < 300
    assert report["truths"][0] == report["truths"][1]
