"""Scenarios put together in Python: the same language, the same checker, the same model.

    scenario = (
        ScenarioBuilder("my-night", venue="binance-um", seed=3)
        .account(balances={"USDT": "10000"})
        .phase("calm", "2m")
        .phase(
            "lockout",
            "30m",
            faults=[
                fault("orders.create", where={"reduces": True}, p=0.9, reply="reduce_rejected"),
                fault("orders.*", latency={"p50": "600ms", "p99": "6s"}),
            ],
        )
        .phase("back", "rest")
        .expect("no_duplicate_exposure", attempts_per_intent=8)
        .build()
    )

Values are those of a document: durations as `4m` (or seconds as a `timedelta`), money as text,
`Decimal` or int. Keys that Python keeps for itself have another name here: `for` is the second
argument of `phase`, `from` of a ramp is the first of `ramp()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self, TypeAlias

from outlast.mock.scenario.durations import format_duration
from outlast.mock.scenario.load import from_data
from outlast.mock.scenario.model import Scenario

__all__ = ["ScenarioBuilder", "fault", "ramp"]

Data: TypeAlias = Mapping[str, Any]
Duration: TypeAlias = str | timedelta


def fault(
    match: str | Sequence[str],
    *,
    where: Data | None = None,
    p: float | None = None,
    latency: Data | None = None,
    reply: str | Data | None = None,
    effect: str | Data | None = None,
    stream: str | Data | None = None,
    times: int | None = None,
) -> dict[str, Any]:
    """One fault rule, for `phase(faults=[…])` or `POST /_outlast/faults`; checked when used."""
    return _said(
        match=match,
        where=where,
        p=p,
        latency=latency,
        reply=reply,
        effect=effect,
        stream=stream,
        times=times,
    )


def ramp(start: float, to: float, *, steps: int) -> dict[str, Any]:
    """For `phase(ramp=…)`: the share admitted past the faults climbs from `start` to `to`."""
    return {"from": start, "to": to, "steps": steps}


class ScenarioBuilder:
    """Collects a document; `build` checks it and gives the `Scenario`."""

    def __init__(
        self,
        scenario: str,
        *,
        venue: str | Sequence[str],
        seed: int = 0,
        title: str = "",
        t0: str | datetime | None = None,
        fidelity: str = "synthetic",
        incidents: Sequence[str] = (),
        scope: str | Sequence[str] | None = None,
    ) -> None:
        self._document: dict[str, Any] = _said(
            scenario=scenario,
            title=title,
            incidents=list(incidents),
            fidelity=fidelity,
            venue=venue,
            seed=seed,
            t0=t0,
            scope=scope,
        )
        self._world: dict[str, Any] = {}
        self._phases: list[Data] = []
        self._status_page: list[Data] = []
        self._expect: list[str | Data] = []
        self._score: dict[str, Data] = {}

    def instrument(self, symbol: str, **spec: Any) -> Self:
        """Declare an instrument: `product`, `mid`, `tick`, and whatever of its rules matters."""
        self._world.setdefault("instruments", {})[symbol] = spec
        return self

    def account(
        self,
        *,
        balances: Data | None = None,
        positions: Data | None = None,
        open_orders: Sequence[Data] | None = None,
    ) -> Self:
        """What every account begins with. A position is `(qty, entry)` or `{qty, entry}`."""
        if positions is not None:
            positions = {symbol: _position(position) for symbol, position in positions.items()}
        self._world["account"] = _said(
            balances=balances, positions=positions, open_orders=open_orders
        )
        return self

    def peers(self, *venues: str) -> Self:
        """The reference venues that stay healthy."""
        self._world["peers"] = list(venues)
        return self

    def limits(self, **limits: Any) -> Self:
        """Rate limits of the whole scenario: `enforce`, `count`, `factor`, `ban`, …"""
        self._document["limits"] = limits
        return self

    def phase(
        self,
        name: str,
        lasts: Duration,
        *,
        ramp: Data | None = None,
        flap: Data | None = None,
        engine: Data | None = None,
        market: Data | None = None,
        account: Data | None = None,
        faults: Sequence[Data] | None = None,
        limits: Data | None = None,
        timeline: Sequence[Data] | None = None,
        events: Sequence[Data] | None = None,
    ) -> Self:
        """Add a phase; `lasts` is its length, or `rest` for the last one."""
        phase = {"name": name, "for": lasts}
        phase |= _said(
            ramp=ramp,
            flap=flap,
            engine=engine,
            market=market,
            account=account,
            faults=faults,
            limits=limits,
            timeline=timeline,
            events=events,
        )
        self._phases.append(phase)
        return self

    def status(
        self,
        at: Duration,
        page: str,
        *,
        component: str | None = None,
        incident: str | None = None,
        text: str | None = None,
    ) -> Self:
        """Add an entry of the status page; `at` counts from the start of the scenario."""
        self._status_page.append(
            _said(at=at, page=page, component=component, incident=incident, text=text)
        )
        return self

    def expect(self, *names: str, **arguments: Any) -> Self:
        """Add invariants: those without an argument by name, the others by keyword."""
        self._expect.extend(names)
        self._expect.extend({name: argument} for name, argument in arguments.items())
        return self

    def score(
        self, name: str, *, symbols: Sequence[str] | None = None, compare_with: str | None = None
    ) -> Self:
        """Add a measure to report."""
        self._score[name] = _said(symbols=symbols, compare_with=compare_with)
        return self

    def document(self) -> dict[str, Any]:
        """The document as plain data, unchecked; it can be sent to `PUT /_outlast/scenario`."""
        parts: dict[str, Any] = {
            "world": self._world,
            "phases": self._phases,
            "status_page": self._status_page,
            "expect": self._expect,
            "score": self._score,
        }
        plain: dict[str, Any] = _plain(
            self._document | {key: part for key, part in parts.items() if part}
        )
        return plain

    def build(self) -> Scenario:
        """The checked scenario.

        Raises:
            ScenarioError: the first thing wrong; `.key` says where, `.problems` has all of them.
        """
        return from_data(self.document(), name=str(self._document["scenario"]))


def _said(**keys: Any) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value is not None and value != ""}


def _position(position: Any) -> Any:
    if isinstance(position, tuple) and len(position) == 2:
        return {"qty": position[0], "entry": position[1]}
    return position


def _plain(value: Any) -> Any:
    """Python's own instants and durations as a document writes them."""
    if isinstance(value, timedelta):
        return format_duration(value.total_seconds())
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
