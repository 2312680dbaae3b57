"""The status page as clients poll it: what it says, when, and that it is late.

Source: the API that every Statuspage documents under /api: indicators and component statuses.
"""

from __future__ import annotations

from typing import Any

from scenario_text import Story
from stand import Stand

LEVELS = {
    "green": ("none", "operational"),
    "degraded": ("minor", "degraded_performance"),
    "partial": ("major", "partial_outage"),
    "major": ("critical", "major_outage"),
    "maintenance": ("maintenance", "under_maintenance"),
}
COMPONENTS = {
    "spot-trading": "Spot Trading",
    "websocket": "WebSocket",
    "um-futures": "USD-M Futures",
    "transfers": "Transfers",
    "spot": "Spot",
}


def instants(story: Story) -> list[float]:
    """Just before and just after each entry."""
    return [at for entry in story.status_page for at in (entry["at_s"] - 1, entry["at_s"] + 0.5)]


async def look(stand: Stand, story: Story) -> list[str]:
    """What is wrong with the page at this instant."""
    at_s = stand.clock.elapsed_s
    shown = [entry for entry in story.status_page if entry["at_s"] <= at_s]
    page = shown[-1]["page"] if shown else "green"
    client = stand.client(stand.endpoints["status_page"])
    first = await client.get("/api/v2/summary.json")
    if first.error == "refused":
        return [] if page == "unreachable" else [f"the page is unreachable at {at_s:g} s"]
    summary = first.json
    incidents = (await client.get("/api/v2/incidents.json")).json["incidents"]
    planned = (await client.get("/api/v2/scheduled-maintenances.json")).json
    if page == "unreachable":
        return [f"the page answers at {at_s:g} s"]
    indicator, status = LEVELS[page]
    problems = []
    if summary["status"]["indicator"] != indicator:
        problems.append(f"{summary['status']}, not {indicator}")
    component = shown[-1].get("component") if shown else None
    statuses = {row["name"]: row["status"] for row in summary["components"]}
    if component and statuses[COMPONENTS[component]] != status:
        problems.append(f"{component} is {statuses[COMPONENTS[component]]}, not {status}")
    if page == "green" and set(statuses.values()) != {"operational"}:
        problems.append(f"a green page shows {statuses}")
    notices = incidents + planned["scheduled_maintenances"]
    problems += _updates(shown, notices)
    return [f"status page at {at_s:g} s: {problem}" for problem in problems]


def _updates(shown: list[dict[str, Any]], notices: list[dict[str, Any]]) -> list[str]:
    """Every word and every text that has been published stands on the page."""
    updates = [update for notice in notices for update in notice["incident_updates"]]
    said = [update["status"] for update in updates]
    problems = [
        f"{entry['incident']!r} is missing among {said}"
        for entry in shown
        if "incident" in entry and entry["incident"] not in said
    ]
    bodies = " ".join(update["body"] for update in updates)
    problems += [
        f"{entry['text']!r} is nowhere to be read"
        for entry in shown
        if "text" in entry and entry["text"] not in bodies
    ]
    return problems
