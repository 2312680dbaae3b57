"""Anybody's bot in a drill: a function in virtual time, or any program in real time.

Both find the mock in the environment: `OUTLAST_MOCK` with all of it, and per venue
`OUTLAST_<VENUE>_ENDPOINTS`, `_KEY` and `_SECRET`, which `outlast.connect_from_env` reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from outlast import sim
from outlast.drill.result import BotResult, Progress, length_s, obituary
from outlast.errors import ConfigurationError
from outlast.mock.exchange import MockExchange
from outlast.mock.run import DEFAULT_ACCOUNT
from outlast.mock.scenario.model import Scenario

__all__ = ["environment", "find", "run_command", "run_function"]

_LOOK_EVERY_S: Final = 30.0
_LOOK_EVERY_LIVE_S: Final = 0.5
_STDERR: Final = 2
_STOP_WITHIN_S: Final = 10.0
"""What a program may take to stop when it is asked to, before it is killed."""

Bot = Callable[..., Awaitable[Any]]


def find(name: str) -> Bot:
    """The function behind `module:function`, from where the command was given.

    Raises:
        ConfigurationError: there is no such module or function, or it is not `async def`.
    """
    module_name, _, function_name = name.partition(":")
    here = os.getcwd()  # noqa: PTH109 - sys.path holds texts
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigurationError(
            f"bot {name!r}: {module_name} cannot be imported ({error}); it is looked for in {here} "
            "and among what is installed"
        ) from error
    function = getattr(module, function_name, None)
    if not inspect.iscoroutinefunction(function):
        found = "nothing" if function is None else f"a {type(function).__name__}"
        raise ConfigurationError(
            f"bot {name!r}: {function_name} in {module_name} is {found}; "
            "it must be an `async def` that takes the mock's endpoints, or nothing"
        )
    bot: Bot = function
    return bot


def run_function(
    scenario: Scenario, name: str, *, seed: int, progress: Progress = lambda *_: None
) -> BotResult:
    """Run an async function through the whole scenario, in virtual time.

    It is called with the object that `outlast mock` prints first, if it needs an argument. It may
    return before the end; at the end it is cancelled.

    Raises:
        ConfigurationError: see `find`.
    """
    bot = find(name)  # before the simulation begins: while imported, libraries touch real sockets
    if "ccxt" in sys.modules:
        importlib.import_module("outlast.adapters.ccxt.guarding")

    async def main() -> BotResult:
        async with MockExchange(scenario, seed=seed) as mock:
            described = mock.describe()
            arguments = (described,) if _asks_for_more(bot) else ()
            with _environment(environment(described)):
                playing = asyncio.ensure_future(bot(*arguments))
                await _watch(mock, progress, _LOOK_EVERY_S)
                return _judged(mock, name, await _end(playing))

    with contextlib.redirect_stdout(sys.stderr):  # stdout is the drill's own
        return sim.run(main, seed=seed, t0=scenario.t0_ms / 1000)


def run_command(
    scenario: Scenario,
    command: Sequence[str],
    *,
    seed: int,
    progress: Progress = lambda *_: None,
) -> BotResult:
    """Run any program through the scenario, in real time on real sockets.

    The drill ends with the scenario, or as soon as the program does.

    Raises:
        ConfigurationError: the program cannot be started.
    """
    # Programs date their requests by the machine's clock: the story is told as of now.
    story = replace(scenario, t0_ms=round(time.time() * 1000))

    async def main() -> BotResult:
        async with MockExchange(story, seed=seed) as mock:
            told = os.environ | environment(mock.describe())
            try:
                # What it says goes to stderr: stdout is the drill's own.
                process = await asyncio.create_subprocess_exec(*command, env=told, stdout=_STDERR)
            except OSError as error:
                raise ConfigurationError(
                    f"command {command[0]!r} cannot be started ({error.strerror}); check its path"
                ) from error
            ended = asyncio.create_task(process.wait())
            watched = asyncio.create_task(_watch(mock, progress, _LOOK_EVERY_LIVE_S))
            try:
                await asyncio.wait({ended, watched}, return_when=asyncio.FIRST_COMPLETED)
                died_of = None
                if ended.done() and ended.result() != 0:
                    died_of = f"exit code {ended.result()}"
                return _judged(mock, " ".join(command), died_of)
            finally:
                watched.cancel()
                await _stop(process, ended)

    return asyncio.run(main())


def _asks_for_more(bot: Bot) -> bool:
    """Whether it cannot be called without an argument."""
    return any(
        one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
        for one in inspect.signature(bot).parameters.values()
    )


def environment(described: Mapping[str, Any]) -> dict[str, str]:
    """What a bot finds the mock by."""
    told = {"OUTLAST_MOCK": json.dumps(described)}
    for venue, wires in described["venues"].items():
        name = "OUTLAST_" + venue.upper().replace("-", "_")
        told[f"{name}_ENDPOINTS"] = json.dumps(wires["endpoints"])
        told[f"{name}_KEY"], told[f"{name}_SECRET"] = wires["key"], wires["secret"]
    return told


async def _watch(mock: MockExchange, progress: Progress, every_s: float) -> None:
    """Until the scenario has ended."""
    whole_s = length_s(mock.scenario)
    while (elapsed_s := mock.run.clock.elapsed_s) < whole_s:
        progress(elapsed_s, whole_s)
        await asyncio.sleep(min(every_s, whole_s - elapsed_s))
    progress(whole_s, whole_s)


async def _end(playing: asyncio.Future[Any]) -> str | None:
    """Cancel the bot if it has not ended; what killed it before, if anything did."""
    if playing.done():
        error = playing.exception()
        return None if error is None else obituary(error)
    playing.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await playing
    return None


async def _stop(process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    if not ended.done():
        process.terminate()
        await asyncio.wait({ended}, timeout=_STOP_WITHIN_S)
    if not ended.done():
        process.kill()
    await ended


def _judged(mock: MockExchange, name: str, died_of: str | None) -> BotResult:
    verdict = mock.truth.verdict(None, account=DEFAULT_ACCOUNT)
    for row in verdict:
        if row["invariant"] == "evidence_complete":  # only this package's journals can be read
            row["holds"], row["evidence"] = None, "not judged: no journal was handed in"
    scorecard = mock.truth.scorecard(DEFAULT_ACCOUNT)
    return BotResult(bot=name, scorecard=scorecard, verdict=verdict, died_of=died_of)


@contextmanager
def _environment(told: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
