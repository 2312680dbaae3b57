"""The plot is drawn by hand: what it shows has to be where it says."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from benchmarks.resilience.plot import COLOURS, PLOTTED, Panel, draw

SVG = "{http://www.w3.org/2000/svg}"


def shapes(text: str, tag: str) -> list[ET.Element]:
    return list(ET.fromstring(text).iter(SVG + tag))


def test_a_line_is_as_high_as_its_client_was_loud_and_the_outage_is_shaded():
    shown = Panel("S1: <all> down", 60.0, 120.0, {"no retry": [5.0] * 36, "outlast": [1.0] * 36})
    text = draw([shown])
    assert "S1: &lt;all&gt; down" in text
    lines = [p for p in shapes(text, "path") if len(p.attrib["d"].split("L")) == 36]
    assert [line.attrib["stroke"] for line in lines] == [
        COLOURS[PLOTTED.index(client)] for client in ("no retry", "outlast")
    ]
    heights = [float(line.attrib["d"].split("L")[0].split()[1]) for line in lines]
    marks = {t.text: float(t.attrib["y"]) - 4 for t in shapes(text, "text") if t.text in "0123456"}
    assert heights == pytest.approx([marks["5"], marks["1"]])
    shade = shapes(text, "rect")[1]
    at = {t.text: float(t.attrib["x"]) for t in shapes(text, "text") if str(t.text).endswith(" s")}
    assert float(shade.attrib["x"]) == at["60 s"]
    ends = float(shade.attrib["x"]) + float(shade.attrib["width"])
    assert ends == pytest.approx(at["120 s"], abs=0.11)


def test_panels_stand_below_each_other_and_the_same_runs_give_the_same_file():
    shown = Panel("S1", 0.0, 10.0, {"outlast": [0.0, 40.0]})
    both = draw([shown, shown._replace(title="S2-60")])
    assert both == draw([shown, shown._replace(title="S2-60")])
    moved = [g.attrib["transform"] for g in shapes(both, "g")]
    assert moved == ["translate(0 30)", "translate(0 280)"]
