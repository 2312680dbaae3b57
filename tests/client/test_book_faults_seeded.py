"""Live books under stream faults at random: a few seeds here, hundreds with `make book-faults`."""

import os
from pathlib import Path

import pytest
from book_faults import KINDS, Report, run_seed, show
from market_in_sim import VENUES

from outlast.core.books import ChecksumBook, DiffBook, Distrust

SEEDS = range(1, 1 + int(os.environ.get("OUTLAST_BOOK_SEEDS", "2")))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("venue", VENUES)
def test_nothing_untrue_is_read_and_it_is_whole_again_soon(
    venue: str, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    report = run_seed(venue, seed, tmp_path)
    assert not report.wrong, f"{venue} seed {seed}: {report.wrong}"
    assert report.readings > 500, f"{venue} seed {seed}"
    assert report.skipped > 50, f"{venue} seed {seed}: the slow reader was not slow"
    show(venue, [report])
    assert "0 wrong" in capsys.readouterr().out


def test_all_kinds_of_faults_come_up():
    """What the seeds of this file throw; the long run has each many times."""
    assert {"gap", "duplicate", "reorder", "bad checksum", "crossed", "frozen", "mute"} <= set(
        KINDS
    )
    assert {"ack only", "closed", "reset", "late"} <= set(KINDS)


def _run_until_wrong(
    venue: str, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> Report:
    only = {kind: KINDS[kind]}
    monkeypatch.setattr("book_faults.KINDS", only)
    return run_seed(venue, 5, folder, episodes=3)


@pytest.mark.parametrize(
    ("venue", "kind", "spared"),
    [
        ("kraken-spot", "bad checksum", Distrust.CHECKSUM),
        ("kraken-spot", "crossed", Distrust.CROSSED),
        ("binance-spot", "crossed", Distrust.CROSSED),
        ("binance-um", "gap", Distrust.GAP),
    ],
)
def test_a_book_that_does_not_mind_a_fault_is_found_out(
    venue: str, kind: str, spared: Distrust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A check of the check: one reason for distrust is taken away."""
    for book in (ChecksumBook, DiffBook):
        lose = book._lose

        def careless(self, reason, detail, lose=lose):
            if reason is not spared:
                lose(self, reason, detail)

        monkeypatch.setattr(book, "_lose", careless)
    monkeypatch.setattr(DiffBook, "quote", lambda self, quote, now: None)
    assert _run_until_wrong(venue, tmp_path, kind, monkeypatch).wrong


def test_a_book_that_takes_repetitions_for_news_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ChecksumBook, "_is_news", lambda self, message: True)
    assert _run_until_wrong("kraken-spot", tmp_path, "frozen", monkeypatch).wrong
