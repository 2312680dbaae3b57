"""The scorecard as a person reads it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from small_drill import SCORECARD_KEYS, short_night

from outlast.drill.card import _ROWS, _span, show
from outlast.drill.run import BotResult

CARD = dict.fromkeys(SCORECARD_KEYS, 0) | {
    "requests": 1232,
    "requests_per_intent": 9.7,
    "time_to_flat_s": 6627.5,
    "first_exit_after_s": None,
    "exposure_minutes": 4.374,
    "realised_loss": "232183.52709476",
    "duplicates": 2,
}
VERDICT = [
    {"invariant": "risk_first", "holds": True, "evidence": "nothing waited"},
    {"invariant": "no_ban", "holds": False, "evidence": "one ban at 21:20"},
]


def shown(*results: BotResult) -> str:
    text = io.StringIO()
    console = Console(file=text, width=110, force_terminal=False)
    show(console, short_night(), 7, results)
    return text.getvalue()


def test_every_row_and_every_bot_is_in_the_table():
    text = shown(BotResult("naive", CARD, VERDICT), BotResult("outlast", CARD, VERDICT))
    for label, *_ in _ROWS:
        assert label.strip() in text
    assert "naive" in text
    assert "seed 7" in text
    assert "Crash night" in text
    lines = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    assert "1,232" in lines["requests"]
    assert "1 h 50 min" in lines["time to flat"]
    assert "never" in lines["door open until first exit"]
    assert "232,184" in lines["realised loss"]
    assert lines["risk_first"].count("holds") == 2
    assert lines["no_ban"].count("broken") == 2


def test_what_outlast_broke_and_what_died_is_said_in_a_line():
    text = shown(
        BotResult("naive", CARD, VERDICT, died_of="KeyError: 'orderId'"),
        BotResult("outlast", CARD, VERDICT),
    )
    assert "naive died: KeyError: 'orderId'" in text
    assert "outlast broke no_ban: one ban at 21:20" in text


def test_a_table_has_no_escape_codes_where_there_is_no_terminal():
    assert "\x1b" not in shown(BotResult("outlast", CARD, VERDICT))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "never"),
        (0.017, "0.0 s"),
        (59.9, "59.9 s"),
        (60, "1 min 00 s"),
        (485, "8 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7620, "2 h 07 min"),
    ],
)
def test_spans_are_written_as_people_say_them(seconds, said):
    assert _span(seconds) == said
