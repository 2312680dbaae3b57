"""The status page: Statuspage's documents, ETags, lag, and a page that is down."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from outlast.mock.clock import VenueClock
from outlast.mock.faults import Chance, FaultDesk
from outlast.mock.http.plans import Hang, HttpMessage, Refuse
from outlast.mock.scenario.load import loads
from outlast.mock.scenario.script import Script
from outlast.mock.status_page import StatusPage

LIFE = """
  - {at: 0s, page: green}
  - {at: 10m, page: degraded, component: rest, incident: investigating, text: some errors}
  - {at: 12m, page: major, component: spot-trading, incident: identified}
  - {at: 20m, page: partial, component: spot-trading, incident: monitoring, text: cancel-only}
  - {at: 25m, page: partial, component: spot-trading, text: post-only}
  - {at: 30m, page: green, incident: resolved}
"""
PATHS = (
    "summary.json",
    "status.json",
    "components.json",
    "incidents.json",
    "incidents/unresolved.json",
    "scheduled-maintenances.json",
    "scheduled-maintenances/upcoming.json",
    "scheduled-maintenances/active.json",
)


class Page:
    def __init__(self, entries: str, *, venue: str = "kraken-spot", faults: str = "[]") -> None:
        document = (
            f"scenario: page\nvenue: {venue}\nt0: 2026-03-02T14:00:00Z\n"
            f"phases:\n  - {{name: all, for: 60m, faults: {faults}}}\nstatus_page:{entries}"
        )
        script = Script(loads(document))
        self.clock = VenueClock(t0_ms=script.scenario.t0_ms, speed=60)
        desk = FaultDesk(script, Chance(script.scenario.seed))
        self.app = StatusPage(script=script, clock=self.clock, desk=desk)

    def at(self, minutes: float) -> Page:
        asyncio.run(self.clock.advance_to(minutes * 60))
        return self

    def plan(self, path: str, *, method: str = "GET", etag: str = ""):
        headers = {"if-none-match": [etag]} if etag else {}
        message = HttpMessage(method=method, target=path, path=path, headers=headers)
        return asyncio.run(self.app(message))

    def get(self, name: str):
        plan = self.plan(f"/api/v2/{name}")
        assert plan.answer.status == 200
        return json.loads(plan.answer.body)


def statuses(document) -> dict[str, str]:
    return {row["name"]: row["status"] for row in document["components"]}


def test_healthy_page():
    page = Page(LIFE).at(5)
    summary = page.get("summary.json")
    assert summary["status"] == {"indicator": "none", "description": "All Systems Operational"}
    assert set(statuses(summary).values()) == {"operational"}
    assert summary["incidents"] == summary["scheduled_maintenances"] == []
    assert summary["page"]["name"] == "Kraken"
    assert summary["page"]["updated_at"] == "2026-03-02T14:00:00.000Z"


def test_components_have_stable_ids_and_groups_name_their_children():
    rows = Page(LIFE).at(11).get("components.json")["components"]
    by_name = {row["name"]: row for row in rows}
    group = by_name["API"]
    assert group["group"] is True
    assert group["components"] == [by_name["REST"]["id"], by_name["WebSocket"]["id"]]
    assert by_name["REST"]["group_id"] == group["id"]
    assert group["status"] == "degraded_performance"  # the worst of its children
    assert all(len(row["id"]) == 12 for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)
    assert [r["id"] for r in Page(LIFE).at(50).get("components.json")["components"]] == [
        r["id"] for r in rows
    ]


def test_an_incident_lives_from_investigating_to_resolved():
    page = Page(LIFE)
    (incident,) = page.at(10).get("incidents/unresolved.json")["incidents"]
    assert incident["status"] == "investigating"
    assert incident["impact"] == "minor"
    assert incident["started_at"] == "2026-03-02T14:10:00.000Z"
    (update,) = incident["incident_updates"]
    assert update["body"] == "some errors"
    (affected,) = update["affected_components"]
    assert affected["name"] == "API - REST"
    assert (affected["old_status"], affected["new_status"]) == (
        "operational",
        "degraded_performance",
    )

    document = page.at(26).get("summary.json")
    assert document["status"]["indicator"] == "major"
    assert statuses(document)["Spot Trading"] == "partial_outage"
    (incident,) = document["incidents"]
    assert incident["status"] == "monitoring"
    assert incident["impact"] == "critical"  # the worst it has been
    assert incident["monitoring_at"] == "2026-03-02T14:20:00.000Z"
    words = [update["status"] for update in incident["incident_updates"]]
    assert words == ["monitoring", "monitoring", "identified", "investigating"]  # newest first

    page.at(31)
    assert page.get("incidents/unresolved.json")["incidents"] == []
    (incident,) = page.get("incidents.json")["incidents"]
    assert incident["status"] == "resolved"
    assert incident["resolved_at"] == "2026-03-02T14:30:00.000Z"
    assert incident["incident_updates"][0]["affected_components"] is None
    assert set(statuses(page.get("components.json")).values()) == {"operational"}


def test_second_incident_is_another_one():
    entries = """
  - {at: 1m, page: major, incident: investigating}
  - {at: 5m, page: green, incident: resolved}
  - {at: 9m, page: degraded, incident: investigating}
"""
    newest, oldest = Page(entries).at(10).get("incidents.json")["incidents"]
    assert (newest["status"], oldest["status"]) == ("investigating", "resolved")
    assert newest["id"] != oldest["id"]


def test_maintenance_is_listed_by_its_state():
    entries = """
  - {at: 0s, page: green, incident: scheduled, text: about two hours}
  - {at: 10m, page: maintenance, incident: in_progress}
  - {at: 20m, page: maintenance, incident: verifying}
  - {at: 25m, page: green, incident: completed}
"""
    page = Page(entries).at(1)

    def listed(name: str) -> list[str]:
        rows = page.get(name)["scheduled_maintenances"]
        return [row["status"] for row in rows]

    assert listed("scheduled-maintenances/upcoming.json") == ["scheduled"]
    assert listed("summary.json") == ["scheduled"]
    assert "scheduled_for" in page.get("summary.json")["scheduled_maintenances"][0]
    page.at(11)
    assert listed("scheduled-maintenances/active.json") == ["in_progress"]
    assert page.get("status.json")["status"]["indicator"] == "maintenance"
    page.at(21)
    assert listed("scheduled-maintenances/active.json") == ["verifying"]
    page.at(26)
    assert listed("summary.json") == []
    assert listed("scheduled-maintenances.json") == ["completed"]


def test_component_of_the_script_that_no_page_lists_is_added():
    page = Page("\n  - {at: 1m, page: degraded, component: margin-pool}\n").at(2)
    assert statuses(page.get("summary.json"))["Margin Pool"] == "degraded_performance"


def test_binance_gets_a_page_with_its_own_components():
    page = Page("\n  - {at: 1m, page: major, component: um-futures}\n", venue="binance-um").at(2)
    assert statuses(page.get("summary.json"))["USD-M Futures"] == "major_outage"


@pytest.mark.parametrize("name", PATHS)
def test_every_document_is_there_and_carries_the_page(name):
    document = Page(LIFE).at(15).get(name)
    assert document["page"]["time_zone"] == "Etc/UTC"


def test_etag_answers_304_until_something_changes():
    page = Page(LIFE).at(5)
    path = "/api/v2/summary.json"
    first = page.plan(path)
    etag = dict(first.answer.headers)["etag"]
    for asked in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        again = page.plan(path, etag=asked)
        assert (again.answer.status, again.answer.body) == (304, b"")
        assert dict(again.answer.headers)["etag"] == etag
    assert page.plan(path, etag='"other"').answer.status == 200
    changed = page.at(11).plan(path, etag=etag)
    assert changed.answer.status == 200
    assert dict(changed.answer.headers)["etag"] != etag


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v2/other.json"), ("GET", "/"), ("POST", "/api/v2/status.json")],
)
def test_other_paths_and_methods_are_not_found(method, path):
    assert Page(LIFE).plan(path, method=method).answer.status == 404


def test_unreachable_page_refuses_and_comes_back_with_what_it_said_before():
    entries = """
  - {at: 1m, page: major, incident: investigating}
  - {at: 2m, page: unreachable}
  - {at: 4m, page: major, incident: identified}
"""
    page = Page(entries).at(3)
    assert page.app.is_unreachable()
    assert page.plan("/api/v2/status.json").delivery == Refuse()
    page.at(5)
    assert not page.app.is_unreachable()
    (incident,) = page.get("summary.json")["incidents"]
    assert len(incident["incident_updates"]) == 2


def test_rules_about_everything_leave_the_page_alone():
    page = Page(LIFE, faults='[{match: "*", reply: unavailable}]').at(5)
    assert page.plan("/api/v2/status.json").answer.status == 200


@pytest.mark.parametrize(
    ("reply", "status"),
    [("{http: {status: 429, headers: {retry-after: '30'}}}", 429), ("unavailable", 502)],
)
def test_rules_that_name_the_page_spoil_it(reply, status):
    page = Page(LIFE, faults=f"[{{match: status.page, reply: {reply}}}]").at(5)
    assert page.plan("/api/v2/status.json").answer.status == status


def test_page_may_be_slow_or_hang_in_scaled_time():
    rules = "[{match: status.page, reply: {hang: 30s}, latency: {p50: 6s, p99: 6s}}]"
    plan = Page(LIFE, faults=rules).at(5).plan("/api/v2/status.json")
    assert plan.delivery == Hang(0.5)
    assert plan.latency_s == pytest.approx(0.1)
    assert replace(plan, latency_s=0).answer.status == 200
