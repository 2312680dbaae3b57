"""From text to nodes: what was written, on which line, and nothing that YAML makes of it."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.scenario import document as document_module
from outlast.mock.scenario import load, slugs
from outlast.mock.scenario.document import (
    Listing,
    Scalar,
    ScenarioError,
    Table,
    json_text,
    node_from_data,
    node_from_text,
    plain_data,
)
from outlast.mock.scenario.durations import format_duration, parse_duration


def test_a_scalar_is_the_text_that_was_written():
    node = node_from_text(
        'a: 0.2400\nb: "0.50"\nc: 010\nd: 2025-08-29T06:25:00Z\ne: on\n', name="x"
    )
    assert node == Table(
        (
            (Scalar("a", 1), Scalar("0.2400", 1)),
            (Scalar("b", 2), Scalar("0.50", 2, is_plain=False)),
            (Scalar("c", 3), Scalar("010", 3)),
            (Scalar("d", 4), Scalar("2025-08-29T06:25:00Z", 4)),
            (Scalar("e", 5), Scalar("on", 5)),
        ),
        1,
    )


def test_both_parsers_of_pyyaml_see_the_same_nodes(monkeypatch):
    texts = [load(slug).text for slug in slugs()]
    fast = [node_from_text(text, name="x") for text in texts]
    monkeypatch.setattr(document_module, "_LOADER", yaml.SafeLoader)
    assert [node_from_text(text, name="x") for text in texts] == fast


def test_a_body_to_send_has_the_types_of_json():
    node = node_from_text(
        '{a: 1, b: 2.50, c: true, d: null, e: "1", f: on, g: [1e3, -0, inf], h: {}, i: 1_000}',
        name="x",
    )
    assert plain_data(node) == {
        "a": 1,
        "b": 2.5,
        "c": True,
        "d": None,
        "e": "1",
        "f": "on",
        "g": [1000.0, 0, "inf"],
        "h": {},
        "i": "1_000",
    }


def test_a_document_made_in_python_can_be_written_down_and_read_again():
    data = {
        "scenario": "night",
        "numbers": [1, Decimal("0.2400"), 1e-05, True, None],
        "empty": [{}, []],
        "text": 'with "quotes", Grüße and 100 %',
    }
    node = node_from_data(data, name="x")
    again = node_from_text(json_text(node), name="x")
    assert plain_data(again) == plain_data(node)
    assert json.loads(json_text(node))["numbers"] == [1, 0.24, 1e-05, True, None]
    assert "0.2400" in json_text(node)


def test_data_that_bites_its_own_tail_is_refused():
    data: dict[str, object] = {}
    data["again"] = data
    with pytest.raises(ScenarioError, match="nested too deeply"):
        node_from_data(data, name="x")


def test_a_flood_of_text_is_refused_unread():
    with pytest.raises(ScenarioError, match="at most 1000000"):
        node_from_text("a" * 1_000_001, name="x")
    with pytest.raises(ScenarioError, match="not YAML"):
        node_from_text("a: \ud800", name="x")


@given(
    st.recursive(
        st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"))),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    )
)
@settings(max_examples=100, deadline=None)
def test_any_text_survives_being_written_as_json_and_read_as_yaml(data):
    node = node_from_data(data, name="x")
    if isinstance(node, Listing):
        assert plain_data(node_from_text(json_text(node), name="x")) == data


def test_durations_are_seconds():
    assert parse_duration("90s") == 90.0
    assert parse_duration("1h30m") == 5400.0
    assert parse_duration("1d2h3m4s5ms") == 93_784.005
    assert parse_duration("-3s") == -3.0
    assert parse_duration("0.5s") == 0.5
    assert parse_duration("0s") == 0.0
    for text in (
        "",
        "s",
        "5",
        "5 m",
        "5m5m",
        "5s5m",
        "1.h",
        ".5s",
        "+3s",
        "--3s",
        "5M",
        "٣s",
        "5m\n",
    ):
        assert parse_duration(text) is None, text


@given(st.integers(-(10**10), 10**10))
@settings(max_examples=200, deadline=None)
def test_a_duration_written_down_is_read_as_the_same_seconds(ms):
    assert parse_duration(format_duration(ms / 1000)) == ms / 1000


def test_durations_are_written_short():
    assert format_duration(5400.0) == "1h30m"
    assert format_duration(0.8) == "800ms"
    assert format_duration(0.0) == "0s"
    assert format_duration(timedelta(days=3).total_seconds()) == "3d"
