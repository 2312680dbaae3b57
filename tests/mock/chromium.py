"""A headless Chromium, driven through its chromedriver by the W3C WebDriver protocol.

Source: W3C WebDriver, https://www.w3.org/TR/webdriver2/. A handful of its calls is all that a test
of one page takes, so they are made here with the HTTP client that is there already.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name of an element reference


class Browser:
    """One window. Elements are named by CSS selectors; what is not there yet is waited for."""

    def __init__(self, http: httpx.AsyncClient, session: str) -> None:
        self._http, self._session = http, session

    async def open(self, url: str) -> None:
        await self._call("POST", "url", {"url": url})

    async def click(self, selector: str) -> None:
        """A click of the mouse; it fails when anything else lies on top of the element."""
        await self._call("POST", f"element/{await self._find(selector)}/click", {})

    async def type(self, selector: str, keys: str) -> None:
        await self._call("POST", f"element/{await self._find(selector)}/value", {"text": keys})

    async def text(self, selector: str) -> str:
        return str(await self._call("GET", f"element/{await self._find(selector)}/text"))

    async def choose(self, selector: str, option: str) -> None:
        """Take the option with this text, as a user does."""
        found = await self.run(
            "const at = [...document.querySelectorAll(arguments[0] + ' option')]"
            ".findIndex((o) => o.text === arguments[1]); return at + 1",
            selector,
            option,
        )
        assert found, f"{selector} offers no {option!r}"
        await self.click(f"{selector} option:nth-of-type({found})")

    async def run(self, script: str, *arguments: Any) -> Any:
        """What a piece of JavaScript returns."""
        return await self._call("POST", "execute/sync", {"script": script, "args": list(arguments)})

    async def until(self, script: str, *arguments: Any) -> Any:
        """Wait until a piece of JavaScript returns something true, and return that."""
        async with asyncio.timeout(20):
            while not (found := await self.run(script, *arguments)):
                await asyncio.sleep(0.05)
        return found

    async def troubles(self) -> list[str]:
        """What the browser complained about since last asked: errors, violated policies."""
        entries = await self._call("POST", "se/log", {"type": "browser"})
        return [entry["message"] for entry in entries]

    async def resize(self, width: int, height: int) -> None:
        await self._call("POST", "window/rect", {"width": width, "height": height})

    async def screenshot(self) -> bytes:
        """The window as a PNG."""
        return base64.b64decode(await self._call("GET", "screenshot"))

    async def _find(self, selector: str) -> str:
        await self.until("return document.querySelector(arguments[0]) !== null", selector)
        found = await self._call("POST", "element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        return await _call(self._http, method, f"/session/{self._session}/{path}", body)


@asynccontextmanager
async def chromium(*arguments: str) -> AsyncIterator[Browser]:
    """A browser of its own, with an empty profile; it is gone afterwards."""
    assert BROWSER is not None
    assert DRIVER is not None
    with tempfile.TemporaryDirectory(prefix="outlast-chromium-") as profile:
        driver = await asyncio.create_subprocess_exec(
            DRIVER, "--port=0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            port = await _port(driver)
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False
            ) as http:
                options = {
                    "binary": BROWSER,
                    "args": [*_ARGUMENTS, *arguments, f"--user-data-dir={profile}"],
                }
                wanted = {
                    "browserName": "chrome",
                    "goog:chromeOptions": options,
                    "goog:loggingPrefs": {"browser": "ALL"},
                }
                made = await _call(
                    http, "POST", "/session", {"capabilities": {"alwaysMatch": wanted}}
                )
                session = made["sessionId"]
                try:
                    yield Browser(http, session)
                finally:
                    await _call(http, "DELETE", f"/session/{session}")
        finally:
            driver.terminate()
            await driver.communicate()


async def _port(driver: asyncio.subprocess.Process) -> int:
    """The port that chromedriver says it listens on."""
    assert driver.stdout is not None
    async with asyncio.timeout(30):
        while line := (await driver.stdout.readline()).decode():
            # Its first line repeats the 0 that was asked for, a later one names the port it got.
            _, _, port = line.strip().rstrip(".").rpartition("started successfully on port ")
            if port.isdigit():
                return int(port)
    raise RuntimeError("chromedriver ended before it listened")


async def _call(http: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await http.request(method, path, json=body)
    value = answer.json()["value"]
    assert answer.is_success, f"{method} {path}: {value['error']}: {value['message']}"
    return value
