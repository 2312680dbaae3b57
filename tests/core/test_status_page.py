"""What a status page says about one product; whatever else it says changes nothing."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.status_page import Grade, PageReport, read_page
from outlast.model import Plane
from outlast.notices import PageMap
from outlast.venues import binance_spot, binance_um, kraken_spot

DATA = Path(__file__).parent.parent / "data" / "kraken_status"
KRAKEN = kraken_spot.STATUS_PAGE


def document(**changes):
    made = json.loads((DATA / "statuspage_example.json").read_text())
    return made | changes


def read(made, page=KRAKEN):
    return read_page(json.dumps(made).encode(), page)


def component(name, status, **more):
    return {"id": name[:12], "name": name, "status": status, "group": False, **more}


def test_the_recorded_page_of_july_2026_is_red_for_coins_and_green_for_trading():
    recorded = json.loads((DATA / "status_20260720_reduced.json").read_text())
    assert recorded["status"]["indicator"] == "minor"
    rows = recorded["components_sample"] + recorded["non_operational"]
    report = read({**recorded, "components": rows})
    assert isinstance(report, PageReport)
    assert {c.name for c in report.components} == {
        "Kraken API",
        "REST",
        "Websocket",
        "REST API",
        "Websocket API",
    }
    assert {c.grade for c in report.components} == {Grade.OPERATIONAL}
    assert report.incidents == ()
    assert report.oddities == ()


def test_the_documented_example_has_a_degraded_socket_an_incident_and_a_maintenance():
    report = read(document())
    worst = report.worst(Plane.MARKET_DATA)
    assert (worst.name, worst.grade) == ("API - WebSocket", Grade.DEGRADED)
    assert report.worst(Plane.TRADING).grade is Grade.OPERATIONAL
    (incident,) = report.incidents
    assert (incident.status, incident.update_id) == ("investigating", "ggg777ggg777")
    (planned,) = report.planned
    assert planned.title == "Scheduled Maintenance - Spot trading engine"
    assert planned.ends_at - planned.starts_at == 3600
    assert Plane.TRADING in planned.planes
    assert not planned.is_on


def test_the_funding_of_a_coin_does_not_count():
    coin = component("Digital Currency Funding - Sui (SUI)", "major_outage")
    assert read(document(components=[coin])).components == ()


@pytest.mark.parametrize(("venue", "name"), [(binance_spot, "Spot"), (binance_um, "USD-M Futures")])
def test_each_product_sees_its_own_component_only(venue, name):
    rows = [component(n, "major_outage") for n in ("Spot", "USD-M Futures", "Transfers")]
    (seen,) = read(document(components=rows), venue.STATUS_PAGE).components
    assert seen.name == name


def test_a_group_speaks_by_its_children_and_alone_where_it_has_none():
    group = component("API", "major_outage", group=True, components=["REST"])
    child = component("REST", "operational", group_id="API")
    assert [c.name for c in read(document(components=[group, child])).components] == ["API - REST"]
    childless = component("API", "major_outage", group=True, components=[])
    assert read(document(components=[childless])).worst(Plane.TRADING).grade is Grade.MAJOR


def test_a_word_that_nobody_knows_counts_neither_way_and_is_told():
    report = read(document(components=[component("REST", "on_fire")], incidents=[]))
    assert report.worst(Plane.TRADING).grade is Grade.UNKNOWN
    assert any("on_fire" in oddity for oddity in report.oddities)


def test_an_incident_that_is_over_is_none_whatever_is_added_to_it_later():
    for status in ("resolved", "postmortem"):
        incident = document()["incidents"][0] | {"status": status}
        assert read(document(incidents=[incident])).incidents == ()


def test_a_maintenance_in_progress_is_on_and_a_completed_one_is_gone():
    planned = document()["scheduled_maintenances"][0]
    for status, expected in (("in_progress", [True]), ("verifying", [True]), ("completed", [])):
        report = read(document(scheduled_maintenances=[planned | {"status": status}]))
        assert [p.is_on for p in report.planned] == expected


def test_a_maintenance_of_the_website_is_not_ours():
    planned = document()["scheduled_maintenances"][0] | {"name": "Website", "incident_updates": []}
    assert read(document(scheduled_maintenances=[planned])).planned == ()


def test_dates_with_offsets_are_the_same_instant_and_without_one_no_instant():
    planned = document()["scheduled_maintenances"][0]
    for text, expected in (
        ("2026-08-03T01:00:00-07:00", 1785744000.0),
        ("2026-08-03T08:00:00.000Z", 1785744000.0),
        ("2026-08-03T08:00:00", None),
        (17, None),
    ):
        (read_back,) = read(
            document(scheduled_maintenances=[planned | {"scheduled_for": text}])
        ).planned
        assert read_back.starts_at == expected


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"<html>502 Bad Gateway</html>", "not JSON"),
        (b"[]", "no status page"),
        (b'{"page": 7}', "no status page"),
        (b'{"page": {"id": "lfz25gyhcpjf"}}', "without `components`"),
        (b'{"page": {"id": "somebodyelse"}, "components": []}', "somebody else"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_such_page_is_no_information(body, why):
    assert why in read_page(body, KRAKEN)


@pytest.mark.parametrize("key", ["incidents", "scheduled_maintenances", "status"])
def test_a_missing_key_changes_nothing(key):
    whole, less = read(document()), document()
    del less[key]
    assert read(less).components == whole.components


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_value_in_any_place_is_an_error_or_a_verdict_against_anybody(data):
    made = document(components=[component("REST", "operational")], incidents=[])
    rows = data.draw(st.sampled_from(["components", "incidents", "scheduled_maintenances"]))
    junk = data.draw(
        json_values
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "status",
                    "group",
                    "components",
                    "scheduled_for",
                    "incident_updates",
                    "id",
                    "group_id",
                ]
            ),
            json_values,
            max_size=5,
        )
    )
    made[rows] = [*made[rows], junk]
    report = read_page(json.dumps(made).encode(), KRAKEN)
    assert isinstance(report, PageReport)
    assert report.worst(Plane.TRADING).grade <= Grade.UNKNOWN


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise(body):
    assert isinstance(read_page(body, PageMap()), str | PageReport)
