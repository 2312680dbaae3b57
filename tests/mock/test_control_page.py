"""The control page in a real browser: what it shows, and what its buttons do to the mock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import chromium
import httpx
import pytest

from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.load import loads

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.skipif(chromium.BROWSER is None, reason="chromium is not installed"),
    pytest.mark.skipif(chromium.DRIVER is None, reason="chromium-driver is not installed"),
]

DOCUMENT = """
scenario: on-a-page
title: What a page can show
venue: binance-um
seed: 5
phases:
  - {name: calm, for: 5m}
  - name: bad
    for: 90m
    faults: [{match: orders.cancel, p: 0.4, reply: unknown, effect: {apply: 0.35}}]
  - {name: after, for: rest, events: [{at: 0s, kind: notice, note: all is well}]}
expect: [no_duplicate_exposure, {attempts_per_intent: 3}]
"""

Story = Callable[[chromium.Browser, MockExchange, httpx.AsyncClient], Awaitable[None]]
ROW = '#strip tr[data-endpoint="time"]'


def play(story: Story) -> None:
    """Open the page on a paused mock, tell the story, and expect no complaint of the browser's."""

    async def main() -> None:
        async with (
            asyncio.timeout(90),
            MockExchange(loads(DOCUMENT), venues=["binance-um"]) as mock,
            chromium.chromium() as browser,
        ):
            mock.run.clock.pause()
            rest = mock.endpoints("binance-um")["rest"]
            async with httpx.AsyncClient(base_url=rest, trust_env=False) as bot:
                await browser.open(mock.describe()["control"])  # the root leads to the page
                await has_text(browser, "#about", "on-a-page")
                await story(browser, mock, bot)
            assert await complaints(browser) == []

    asyncio.run(main())


async def has_text(browser: chromium.Browser, selector: str, text: str) -> None:
    await browser.until(
        "return [...document.querySelectorAll(arguments[0])]"
        ".some((node) => node.innerText.includes(arguments[1]))",
        selector,
        text,
    )


async def complaints(browser: chromium.Browser, expected: str | None = None) -> list[str]:
    """What the browser has complained about since last asked, but for what was to be expected."""
    found = await browser.troubles()
    assert expected is None or any(expected in complaint for complaint in found), found
    return [complaint for complaint in found if expected is None or expected not in complaint]


def test_a_fault_is_injected_by_a_click_acts_is_seen_and_is_removed():
    async def story(browser, mock, bot):
        assert (await bot.get("/fapi/v1/time")).status_code == 200
        await has_text(browser, f"{ROW}.ok", "200")

        await browser.choose("#f-match", "time")
        await browser.choose("#f-reply", "html cdn-502")
        await browser.click("#inject-go")
        await has_text(browser, "#rules .adhoc", "time → html cdn-502")
        answer = await bot.get("/fapi/v1/time")
        assert (answer.status_code, answer.headers["content-type"][:9]) == (502, "text/html")
        await has_text(browser, f"{ROW}.ambiguous", "502")
        await has_text(browser, f"{ROW}.ambiguous", "adhoc/1")
        await has_text(browser, "#rules .adhoc", "used 1 ×")

        await browser.click("#rules .adhoc button")
        await browser.until("return document.querySelector('#rules .adhoc') === null")
        assert mock.run.desk.added == ()
        assert (await bot.get("/fapi/v1/time")).status_code == 200
        await browser.until(
            "return document.querySelectorAll(arguments[0]).length === 2", ROW + ".ok"
        )

    play(story)


def test_a_rule_is_sent_as_the_form_says_and_a_wrong_one_is_told_at_the_form():
    async def story(browser, mock, bot):
        await browser.choose("#f-match", "orders.create")
        await browser.choose("#f-reply", "unknown")
        await browser.choose("#f-effect", "apply_after 30s")
        await browser.choose("#f-reduces", "that reduce exposure")
        await browser.run("document.querySelector('#f-p').value = ''")
        await browser.type("#f-p", "0.25")
        await browser.type("#f-times", "3")
        await browser.click("#inject-go")
        await has_text(browser, "#rules .adhoc", "25\u00a0% → unknown, effect apply after 30s")
        (rule,) = mock.run.desk.added
        assert (rule.p, rule.times, rule.where.reduces) == (0.25, 3, True)
        assert (rule.reply.kind, rule.effect.kind) == ("unknown", "apply_after")

        await browser.choose("#f-match", "ws.user.stream")
        assert json.loads(await browser.run("return document.querySelector('#f-rule').value")) == {
            "match": "ws.user.stream",
            "p": 0.25,
            "stream": "mute",
            "times": 3,
        }
        await browser.click("#inject details summary")
        await browser.run("document.querySelector('#f-rule').value = ''")
        await browser.type("#f-rule", '{"match": "orders.creat", "reply": "unknown"}')
        await browser.click("#inject-go")
        await has_text(browser, "#inject-error", "orders.create")  # the remedy
        assert len(mock.run.desk.added) == 1
        assert await complaints(browser, "400 (Bad Request)") == []

    play(story)


def test_time_is_moved_from_the_page_and_the_page_follows():
    async def story(browser, mock, bot):
        await has_text(browser, "#phases .present", "calm")
        await has_text(browser, "#pause", "Resume")
        await browser.choose("#goto", "bad")
        await browser.click("#goto-go")
        await has_text(browser, "#phases .present", "1:30:00 left")
        await has_text(
            browser, "#rules", "orders.cancel 40\u00a0% → unknown, effect apply 35\u00a0%"
        )
        await browser.run("document.querySelector('#advance').value = ''")
        await browser.type("#advance", "10m\ue007")  # Enter
        await has_text(browser, "#phases .present", "1:20:00 left")
        assert mock.run.clock.elapsed_s == 900
        await browser.type("#advance", " and more\ue007")
        await has_text(browser, "#said", "no duration")
        await browser.choose("#speed-choice", "× 60")
        await browser.click("#pause")
        await has_text(browser, "#pause", "Pause")
        assert (mock.run.clock.speed, mock.run.clock.paused) == (60, False)
        await browser.click("#pause")
        await has_text(browser, "#speed", "paused")
        await browser.choose("#goto", "after")
        await browser.click("#goto-go")
        await has_text(browser, "#notices", "all is well")
        await has_text(browser, "#phases .present", "open end")
        assert await complaints(browser, "400 (Bad Request)") == []

    play(story)


def test_truth_verdict_and_venues_are_shown_and_all_begins_anew():
    async def story(browser, mock, bot):
        mock.run.open_account("mine")
        await has_text(browser, ".account[data-account=main]", "USDT")
        await has_text(browser, ".account[data-account=mine]", "0 orders, 0 open, 0 fills")
        await has_text(browser, "[data-invariant=no_duplicate_exposure]", "holds")
        await has_text(browser, ".venue .mode", "online")
        await browser.click(".venue summary")
        await has_text(browser, ".venue", mock.endpoints("binance-um")["rest"])
        await has_text(browser, ".venue", mock.run.default_account("binance-um").secret)
        await bot.get("/fapi/v1/time")
        await has_text(browser, "#requests-count", "1 answered")
        await browser.click("#strip tbody button")
        await has_text(browser, "dialog pre", '"endpoint": "time"')
        await browser.click("#one-close")
        await browser.click("#reset")
        await has_text(browser, "#reset", "Really?")
        assert mock.runs == 1
        await browser.click("#reset")
        await has_text(browser, "#requests-count", "0 answered")
        await browser.until("return document.querySelector('#strip tbody').children.length === 0")
        assert mock.runs == 2
        await browser.choose("#scenario", "unknown-503-landed")
        await browser.click("#load")
        await browser.click("#load")
        await has_text(browser, "#about", "unknown-503-landed")
        await has_text(browser, "#phases", "unknown")

    play(story)


def test_what_a_client_sent_is_shown_as_text_and_a_mock_that_is_gone_is_told():
    async def story(browser, mock, bot):
        markup = "<img src=x onerror=document.title='owned'>"
        await bot.get("/fapi/v1/depth", params={"symbol": markup})
        await browser.until("return document.querySelector('#strip tbody button') !== null")
        await browser.click("#strip tbody button")
        await has_text(browser, "dialog pre", markup)
        assert await browser.run("return document.images.length") == 0
        await browser.click("#one-close")

        await mock.stop()
        await has_text(browser, "#trouble", "has not answered since")
        assert "on-a-page" in await browser.text("#about")  # what was last known stays
        assert await complaints(browser, "ERR_CONNECTION_REFUSED") == []

    play(story)
