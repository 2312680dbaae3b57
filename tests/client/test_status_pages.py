"""The poller of a status page: how often, what it takes for an answer, and what it leaves alone."""

from __future__ import annotations

import json
import random
from pathlib import Path

from outlast import sim
from outlast.client.status_pages import StatusPagePoller
from outlast.notices import PageMap
from outlast.venues import kraken_spot
from outlast.wire import FaultKind, TransportFault, WireReply

BODY = (
    Path(__file__).parent.parent / "data" / "kraken_status" / "statuspage_example.json"
).read_bytes()


class Page:
    """Answers what it is told to; remembers what it was asked."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked = []

    async def send(self, request):
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        now = sim.clock().now()
        if isinstance(answer, FaultKind):
            return TransportFault(kind=answer, detail="", sent_at=now, received_at=now)
        status, headers, body = answer
        return WireReply(status=status, headers=headers, body=body, sent_at=now, received_at=now)

    async def aclose(self):
        pass


OK = (200, {"etag": 'W/"one"'}, BODY)
SAME = (304, {}, b"")


def poller_of(page, *, is_suspected=lambda: False, mapping=kraken_spot.STATUS_PAGE):
    heard = []
    made = StatusPagePoller(
        "http://page",
        mapping,
        page,
        clock=sim.clock(),
        rng=random.Random(1),
        venue="kraken-spot",
        on_report=heard.append,
        is_suspected=is_suspected,
    )
    return made, heard


def play(story):
    sim.run(story, seed=1)


def test_an_unchanged_page_is_not_sent_again_and_counts_as_read():
    async def story():
        page = Page(OK, SAME)
        poller, heard = poller_of(page)
        await poller.poll()
        await poller.poll()
        assert dict(page.asked[1].headers)["if-none-match"] == 'W/"one"'
        assert heard[0] is heard[1]
        assert page.asked[0].url == "http://page/api/v2/summary.json"

    play(story)


def test_the_interval_follows_the_times():
    async def story():
        suspected = [True]
        poller, _ = poller_of(Page(OK), is_suspected=lambda: suspected[0])
        assert 16 <= await poller.poll() <= 24
        suspected[0] = False
        poller._well_since = sim.clock().now()
        assert 48 <= await poller.poll() <= 72
        poller._well_since = sim.clock().now() - 1800
        assert 96 <= await poller.poll() <= 144

    play(story)


def test_a_page_that_asks_to_slow_down_is_heeded():
    async def story():
        for status in (420, 429):
            poller, heard = poller_of(Page((status, {"retry-after": "600"}, b"")))
            assert await poller.poll() >= 600
            assert heard == []
            assert poller.state.trouble == f"HTTP {status}"

    play(story)


def test_the_page_of_somebody_else_is_no_information():
    async def story():
        other = json.loads(BODY)
        other["page"]["id"] = "portal"
        poller, heard = poller_of(Page(OK, (200, {}, json.dumps(other).encode())))
        await poller.poll()
        await poller.poll()
        assert len(heard) == 1
        assert "somebody else" in poller.state.trouble
        # Where nobody knows the id, the first that answers is the page.
        poller, heard = poller_of(
            Page(OK, (200, {}, json.dumps(other).encode())), mapping=PageMap()
        )
        await poller.poll()
        await poller.poll()
        assert len(heard) == 1

    play(story)


def test_a_page_that_is_down_is_left_alone_ever_longer_and_found_again():
    async def story():
        page = Page(*[FaultKind.CONNECT_FAILED] * 12, OK)
        poller, heard = poller_of(page)
        clock = sim.clock()
        while not heard:
            await clock.sleep(await poller.poll())
            assert clock.now() < 7200
        assert len(page.asked) == 13
        assert clock.now() > 12 * 60
        assert poller.state.trouble == ""

    play(story)
