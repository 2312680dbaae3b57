"""The control API under `/_outlast/`: time, faults, accounts, truth. JSON in, JSON out.

A browser that opens `/_outlast/` itself gets the control page, which uses the same calls.

Whatever is wrong with a request is told as
`{"error": {"key", "problem", "remedy", "message"}}` with a 4xx status.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from outlast.mock.belief import BeliefError
from outlast.mock.control_page import accepts_html, page
from outlast.mock.http.plans import Answer, HttpMessage, ReplyPlan
from outlast.mock.overview import (
    VERSION,
    choices,
    clock_document,
    overview,
    requests_document,
    rule_row,
    scenario_row,
)
from outlast.mock.run import MockError, check_rule
from outlast.mock.scenario.catalogue import catalogue
from outlast.mock.scenario.document import ScenarioError
from outlast.mock.scenario.durations import parse_duration
from outlast.mock.scenario.load import from_data
from outlast.mock.scenario.vocabulary import ENDPOINTS
from outlast.mock.venue import UNKNOWN_PATH

if TYPE_CHECKING:
    from outlast.mock.exchange import MockExchange

__all__ = ["VERSION", "Control"]

ROOT: Final = "/_outlast/"
_LAST_MAX: Final = 1000
"""Requests that one answer may be asked for; each is about 0.6 kB of JSON."""


class _Wrong(Exception):
    """The request cannot be done as it stands."""

    def __init__(self, problem: str, remedy: str, *, key: str = "", status: int = 400) -> None:
        super().__init__(problem)
        self.problem, self.remedy, self.key, self.status = problem, remedy, key, status


@dataclass(frozen=True, slots=True)
class _Order:
    """One call, taken apart."""

    rest: str
    """What follows the call's name in the path."""
    query: Mapping[str, str]
    body: Mapping[str, Any]


Handler = Callable[[_Order], Awaitable[tuple[int, Any]]]


class Control:
    """As a callable, the app of the control port."""

    def __init__(self, exchange: MockExchange) -> None:
        self._exchange = exchange
        self._calls: Final[Mapping[tuple[str, str], tuple[Handler, str]]] = {
            ("GET", ""): (self._index, "this list, and where everything is"),
            ("GET", "overview"): (self._overview, "all of this instant; overview?requests=60"),
            ("GET", "scenarios"): (self._scenarios, "the catalogue"),
            ("GET", "scenario"): (self._scenario, "the scenario under way"),
            ("PUT", "scenario"): (
                self._load,
                "load and start at t=0: {name | document, seed?, speed?}",
            ),
            ("GET", "clock"): (self._clock, "where the scenario is"),
            ("POST", "clock"): (
                self._set_clock,
                '{advance: "5m"}, {goto: "<phase>"}, {speed: 60}, {pause: true}',
            ),
            ("GET", "faults"): (self._faults, "the ad-hoc rules"),
            ("GET", "choices"): (self._choices, "what a rule may say"),
            ("POST", "faults"): (
                self._add_fault,
                "one rule in front of the phase's; times: 3 limits it",
            ),
            ("DELETE", "faults"): (self._remove_fault, "faults/<id>: take an ad-hoc rule away"),
            ("POST", "accounts"): (self._open_account, "a fresh account with keys: {name?}"),
            ("GET", "truth"): (self._truth, "orders, fills, positions, balances, intents"),
            ("GET", "requests"): (self._requests, "requests?class=orders.create&last=50"),
            ("GET", "verdict"): (self._verdict, "the invariants with their evidence"),
            ("POST", "verdict"): (self._judge, "the same, with what a bot believes as body"),
            ("POST", "reset"): (self._reset, "empty state, same scenario and seed"),
        }

    async def __call__(self, message: HttpMessage) -> ReplyPlan:
        """The reply to one call."""
        if message.method in ("GET", "HEAD") and accepts_html(message):
            if message.path == "/":
                return ReplyPlan(answer=Answer(status=302, headers=(("location", ROOT),)))
            if message.path in (ROOT, ROOT.rstrip("/")):
                return ReplyPlan(answer=page())
        try:
            _check_origin(message, self._exchange.host)
            status, document = await self._dispatch(message)
        except _Wrong as wrong:
            status, document = wrong.status, _error(wrong.problem, wrong.remedy, wrong.key)
        except ScenarioError as error:
            status, document = 400, _error_of_scenario(error)
        except (MockError, BeliefError) as error:
            key, _, rest = str(error).partition(": ")
            named = rest and " " not in key
            status, document = 400, _error(str(error), "", key if named else "")
        body = json.dumps(document, separators=(",", ":"), default=str).encode()
        headers = (("content-type", "application/json"), ("vary", "accept"))
        return ReplyPlan(answer=Answer(status=status, headers=headers, body=body))

    async def _dispatch(self, message: HttpMessage) -> tuple[int, Any]:
        path = unquote(message.path)
        if path + "/" == ROOT:
            path = ROOT
        if not path.startswith(ROOT):
            raise _Wrong(f"nothing is at {path}", f"the calls are listed at {ROOT}", status=404)
        name, _, rest = path.removeprefix(ROOT).partition("/")
        method = "GET" if message.method == "HEAD" else message.method
        if (method, name) not in self._calls:
            allowed = sorted(m for m, known in self._calls if known == name)
            if allowed:
                raise _Wrong(
                    f"{method} {ROOT}{name} is no call", f"use {' or '.join(allowed)}", status=405
                )
            raise _Wrong(f"nothing is at {path}", f"the calls are listed at {ROOT}", status=404)
        if rest and name != "faults":
            raise _Wrong(f"nothing is at {path}", f"did you mean {ROOT}{name}?", status=404)
        query = {k: v[-1] for k, v in parse_qs(message.query.decode("latin-1")).items()}
        self._exchange.run.clock.catch_up()
        handler, _ = self._calls[method, name]
        return await handler(_Order(rest, query, _body(message)))

    # -- the calls --------------------------------------------------------------------------------

    async def _index(self, order: _Order) -> tuple[int, Any]:
        calls = [
            {"method": method, "path": ROOT + name, "does": does}
            for (method, name), (_, does) in self._calls.items()
        ]
        return 200, {"version": VERSION, **self._exchange.describe(), "calls": calls}

    async def _overview(self, order: _Order) -> tuple[int, Any]:
        return 200, overview(self._exchange, requests=_count(order.query, "requests") or 60)

    async def _scenarios(self, order: _Order) -> tuple[int, Any]:
        return 200, [scenario_row(scenario) for scenario in catalogue()]

    async def _scenario(self, order: _Order) -> tuple[int, Any]:
        return 200, scenario_row(self._exchange.scenario)

    async def _load(self, order: _Order) -> tuple[int, Any]:
        _only(order.body, "name", "document", "seed", "speed")
        name, document = order.body.get("name"), order.body.get("document")
        if (name is None) == (document is None):
            raise _Wrong("say which scenario", "give `name` or `document`, one of them", key="name")
        seed, speed = _seed(order.body), _speed(order.body)
        if document is not None:
            if not isinstance(document, dict):
                raise _Wrong("is no object", "give the scenario as a JSON object", key="document")
            await self._exchange.restart(from_data(document), seed=seed, speed=speed)
        else:
            if not isinstance(name, str) or "/" in name or name.endswith((".yaml", ".yml")):
                raise _Wrong(
                    f"{name!r} is no slug", f"see {ROOT}scenarios, or send `document`", key="name"
                )
            await self._exchange.restart(name, seed=seed, speed=speed)
        return 200, self._exchange.describe()

    async def _clock(self, order: _Order) -> tuple[int, Any]:
        return 200, clock_document(self._exchange.run)

    async def _set_clock(self, order: _Order) -> tuple[int, Any]:
        _only(order.body, "advance", "goto", "speed", "pause")
        if not order.body:
            raise _Wrong("nothing to do", 'send {"advance": "5m"}, goto, speed or pause')
        run = self._exchange.run
        pause, speed = order.body.get("pause"), _speed(order.body)
        if pause is not None and not isinstance(pause, bool):
            raise _Wrong(f"{pause!r} is neither true nor false", "send true or false", key="pause")
        target_s = self._target_s(order.body)
        if speed is not None:
            run.clock.set_speed(speed)
        if pause is True:
            run.clock.pause()
        if target_s is not None:
            await run.clock.advance_to(target_s)
        if pause is False:
            run.clock.resume()
        return await self._clock(order)

    def _target_s(self, body: Mapping[str, Any]) -> float | None:
        """The instant that `advance` or `goto` asks for."""
        run = self._exchange.run
        if "advance" in body and "goto" in body:
            raise _Wrong("both advance and goto", "send one of them", key="goto")
        if "advance" in body:
            return run.clock.elapsed_s + _duration(body["advance"], "advance")
        if "goto" not in body:
            return None
        starts = run.script.starts
        phase = body["goto"]
        if not isinstance(phase, str) or phase not in starts:
            raise _Wrong(f"{phase!r} is no phase", f"one of {', '.join(starts)}", key="goto")
        if starts[phase] < run.clock.elapsed_s:
            raise _Wrong(
                f"{phase} began at {starts[phase]:g} s and it is {run.clock.elapsed_s:g} s",
                f"time does not go backwards: POST {ROOT}reset first",
                key="goto",
                status=409,
            )
        return starts[phase]

    async def _faults(self, order: _Order) -> tuple[int, Any]:
        desk = self._exchange.run.desk
        return 200, [{**rule_row(rule), "used": desk.used(rule.id)} for rule in desk.added]

    async def _choices(self, order: _Order) -> tuple[int, Any]:
        return 200, choices(list(self._exchange.run.venues))

    async def _add_fault(self, order: _Order) -> tuple[int, Any]:
        run = self._exchange.run
        rule_id = run.desk.add(order.body)
        rule = next(rule for rule in run.desk.added if rule.id == rule_id)
        problem = check_rule(rule)
        if problem:
            run.desk.remove(rule_id)
            key, _, rest = problem.partition(": ")
            what, _, remedy = rest.partition("; ")
            raise _Wrong(what, remedy, key=key)
        run.changed()
        return 201, {"id": rule_id, "rule": rule_row(rule)}

    async def _remove_fault(self, order: _Order) -> tuple[int, Any]:
        run = self._exchange.run
        if not order.rest:
            raise _Wrong("which rule?", f"DELETE {ROOT}faults/<id>", key="id")
        if not run.desk.remove(order.rest):
            raise _Wrong(
                f"there is no ad-hoc rule {order.rest!r}",
                f"GET {ROOT}faults lists them",
                key="id",
                status=404,
            )
        run.changed()
        return 200, {"removed": order.rest}

    async def _open_account(self, order: _Order) -> tuple[int, Any]:
        _only(order.body, "name")
        name = order.body.get("name")
        if name is not None and (not isinstance(name, str) or not name.strip()):
            raise _Wrong(f"{name!r} is no name", "send some text, or leave it out", key="name")
        name, accounts = self._exchange.run.open_account(name)
        venues = {
            venue: {
                "endpoints": self._exchange.endpoints(venue),
                **account.credentials(),
            }
            for venue, account in accounts.items()
        }
        return 201, {"account": name, "venues": venues}

    async def _truth(self, order: _Order) -> tuple[int, Any]:
        return 200, self._exchange.truth.as_json()

    async def _requests(self, order: _Order) -> tuple[int, Any]:
        endpoint = order.query.get("class")
        if endpoint is not None and endpoint not in (*ENDPOINTS, UNKNOWN_PATH):
            raise _Wrong(
                f"{endpoint!r} is no endpoint class", f"one of {', '.join(ENDPOINTS)}", key="class"
            )
        last = _count(order.query, "last")
        return 200, requests_document(self._exchange.run, endpoint, last=last)

    async def _verdict(self, order: _Order) -> tuple[int, Any]:
        return 200, self._exchange.truth.verdict_json()

    async def _judge(self, order: _Order) -> tuple[int, Any]:
        return 200, self._exchange.truth.verdict_json(order.body or None)

    async def _reset(self, order: _Order) -> tuple[int, Any]:
        _only(order.body)
        await self._exchange.restart()
        return 200, self._exchange.describe()


# -- reading what was sent ------------------------------------------------------------------------


def _check_origin(message: HttpMessage, host: str) -> None:
    """Refuse what a page of another site has its browser send: anybody's page may try 127.0.0.1.

    Browsers name the page's origin on everything but plain reads, whose answers they keep from it
    (no answer here allows otherwise). A name that merely leads here is no own address either: its
    owner decides where it leads. Source: Fetch standard, `Origin` header; RFC 6454, 7.
    """
    origin = message.header("origin")
    if not origin or message.method in ("GET", "HEAD"):
        return
    own, asked = urlsplit(f"//{message.header('host')}"), urlsplit(origin)
    if asked.netloc.lower() == own.netloc.lower() and _is_here(own.hostname or "", host):
        return
    raise _Wrong(
        f"{origin[:100]} is another site", f"use the page at {ROOT}, or no browser", status=403
    )


def _is_here(name: str, host: str) -> bool:
    """Whether a host name can be nobody's but this server's."""
    try:
        ip_address(name)
    except ValueError:
        return name == "localhost" or name == host.lower()
    return True


def _body(message: HttpMessage) -> Mapping[str, Any]:
    if not message.body.strip():
        return {}
    try:
        body = json.loads(message.body)
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"the body is not JSON: {error}", "send a JSON object") from error
    if not isinstance(body, dict):
        raise _Wrong("the body is no JSON object", 'send {"key": value, …}')
    return body


def _only(body: Mapping[str, Any], *known: str) -> None:
    for key in body:
        if key not in known:
            remedy = f"this call takes {', '.join(known)}" if known else "this call takes nothing"
            raise _Wrong(f"{key!r} is not known", remedy, key=key)


def _count(query: Mapping[str, str], key: str) -> int | None:
    """How many requests a query asks for; None when it does not say."""
    text = query.get(key)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= _LAST_MAX):
        raise _Wrong(f"{text!r} is no such number", f"send 1 to {_LAST_MAX}", key=key)
    return int(text)


def _seed(body: Mapping[str, Any]) -> int | None:
    seed = body.get("seed")
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise _Wrong(f"{seed!r} is no seed", "send a whole number from 0", key="seed")
    return seed


def _speed(body: Mapping[str, Any]) -> float | None:
    speed = body.get("speed")
    if speed is None:
        return None
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 < speed < math.inf:
        raise _Wrong(
            f"{speed!r} is no speed", "send a positive number; 1 is real time", key="speed"
        )
    return float(speed)


def _duration(value: Any, key: str) -> float:
    """Seconds of a duration as scenarios write it (`"5m"`), or given as a number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    seconds = parse_duration(value) if isinstance(value, str) else None
    if seconds is None or seconds < 0:
        raise _Wrong(f"{value!r} is no duration", "write 90s, 5m or 1h30m", key=key)
    return seconds


# -- telling what is wrong ------------------------------------------------------------------------


def _error(problem: str, remedy: str, key: str = "") -> dict[str, Any]:
    message = "; ".join(part for part in (problem, remedy) if part)
    return {
        "error": {
            "key": key,
            "problem": problem,
            "remedy": remedy,
            "message": f"{key}: {message}" if key and not problem.startswith(key) else message,
        }
    }


def _error_of_scenario(error: ScenarioError) -> dict[str, Any]:
    document = _error(error.problem, error.remedy, error.key)
    document["error"]["message"] = str(error)
    document["error"]["line"] = error.line
    document["error"]["problems"] = [str(problem) for problem in error.problems]
    return document
