"""Balances and positions that fall to zero for no reason are asked for again, then not believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from ccxt.base import errors as ccxt

from outlast.adapters.ccxt.driving import Driver
from outlast.adapters.ccxt.gate import Call, Gate, current
from outlast.adapters.ccxt.records import OrderRecords
from outlast.adapters.ccxt.settings import GuardSettings
from outlast.adapters.ccxt.terms import amount_of
from outlast.client.guard import local_failure
from outlast.core.plausibility import Guarded, ZeroGuard
from outlast.wire import Lane

__all__ = ["Plausibility"]

_NEAR_S: Final = 10.0
"""Fills are asked for from so long before the last believed report on."""


class Plausibility:
    """Judges what `fetch_balance` and `fetch_positions` report."""

    def __init__(
        self,
        exchange: Any,
        *,
        driver: Driver,
        gate: Gate,
        records: OrderRecords,
        settings: GuardSettings,
    ) -> None:
        self._exchange = exchange
        self._driver = driver
        self._gate = gate
        self._records = records
        self._settings = settings
        self._guards = {
            "balances": ZeroGuard(Guarded.BALANCES),
            "positions": ZeroGuard(Guarded.POSITIONS),
        }
        self._seen_at: dict[str, float] = {}
        """When each name was last believed, wall clock, by guard and name."""
        self._trades = exchange.fetch_my_trades
        self._positions: dict[str, Decimal] = {}
        """As they were believed last, signed."""

    def accept(self, name: str) -> bool:
        """A person has checked it: what was reported last of a currency or symbol is true."""
        accepted = [
            guard.accept(key) for guard in self._guards.values() for key in _keys(guard, name)
        ]
        return any(accepted)

    def position(self, symbol: str) -> Decimal:
        """As it was believed last, signed; 0 where none was shown."""
        return self._positions.get(symbol, Decimal(0))

    def note_positions(self, rows: list[Any]) -> None:
        """All positions, as a comparison with the venue has found them."""
        self._positions = _positions(rows)

    def wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any] | None:
        """What is put in place of the method `name`; None for one that stays as it is."""
        read = _READS.get(name)
        if read is None:
            return None
        what, amounts = read

        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            if current.get() is not None:
                return await self._driver.call(original, *args, **kwargs)
            scope = _scope(args, kwargs)
            for again in range(self._settings.reask + 1):
                if again:
                    await self._driver.clock.sleep(self._settings.reask_after_s)
                shown = await self._driver.call(original, *args, **kwargs)
                doubted = await self._doubted(what, scope, amounts(shown), complete=not args)
                if not doubted:
                    if what == "positions":
                        self._positions |= amounts(shown)
                    return shown
            failure = local_failure(
                "implausible",
                f"{what} fell to zero without a fill or a transfer: {'; '.join(doubted)}; "
                "if it is true, say so: exchange.outlast.accept(name)",
            )
            raise self._gate.error(ccxt.BadResponse, failure)

        return wrapped

    async def _doubted(
        self, what: str, scope: str, amounts: Mapping[str, Decimal], *, complete: bool
    ) -> list[str]:
        """Why the report is not believed, name by name; empty when all of it is."""
        guard, wall = self._guards[what], self._driver.clock.wall()
        report = {f"{scope}{name}": qty for name, qty in amounts.items()}
        if complete:
            known = [name for name in self._seen_at if name.startswith(f"{what} {scope}")]
            names = [name.removeprefix(f"{what} ") for name in known]
            report = dict.fromkeys(names, Decimal(0)) | report
        guard.assess(report, as_of=wall, now=self._driver.clock.now(), complete=False)
        doubted = []
        for name in report:
            if guard.doubt(name) is not None:
                await self._explain(what, guard, name, name.removeprefix(scope))
            doubt = guard.doubt(name)
            if doubt is None:
                self._seen_at[f"{what} {name}"] = wall
            else:
                doubted.append(f"{name}: {doubt.reason}")
        return doubted

    async def _explain(self, what: str, guard: ZeroGuard, name: str, plain: str) -> None:
        """Look for the fills behind a fall, on the symbols on which we have traded."""
        since = self._seen_at.get(f"{what} {name}", 0.0) - _NEAR_S
        symbols = {plain} if what == "positions" else self._symbols_with(plain)
        flows: list[tuple[float, Decimal]] = []
        if getattr(self._exchange, "has", {}).get("fetchMyTrades") is not True:
            if symbols:
                guard.accept(name)  # we traded it, and this venue cannot tell how much
            return
        token = current.set(Call(lane=Lane.RECONCILE))
        try:
            for symbol in sorted(symbols):
                rows = await self._driver.call(self._trades, symbol, round(since * 1000))
                flows += _flows(rows, plain if what == "balances" else None)
        except ccxt.BaseError:
            return  # could not ask: it stays in doubt
        finally:
            current.reset(token)
        guard.explain(name, sorted(flows))

    def _symbols_with(self, currency: str) -> set[str]:
        return {
            entry.terms.symbol
            for entry in self._records
            if currency in entry.terms.symbol.partition(":")[0].split("/")
        }


def _keys(guard: ZeroGuard, name: str) -> list[str]:
    return [key for key in guard.doubted() if key == name or key.endswith(f"|{name}")]


def _scope(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Accounts are told apart by the parameters that they are asked for with."""
    params = kwargs.get("params") or next((a for a in args if isinstance(a, dict)), {})
    kind = {name: params[name] for name in sorted(params) if name in ("type", "subType", "account")}
    return f"{kind}|" if kind else "|"


def _balances(shown: Any) -> dict[str, Decimal]:
    totals = shown.get("total") if isinstance(shown, dict) else None
    found = {name: amount_of(qty) for name, qty in (totals or {}).items()}
    return {name: qty for name, qty in found.items() if qty is not None}


def _positions(shown: Any) -> dict[str, Decimal]:
    held: dict[str, Decimal] = {}
    for row in shown if isinstance(shown, list) else []:
        qty = amount_of(row.get("contracts"))
        if qty is not None and row.get("symbol"):
            signed = -qty if row.get("side") == "short" else qty
            held[row["symbol"]] = held.get(row["symbol"], Decimal(0)) + signed
    return held


def _flows(rows: Any, currency: str | None) -> list[tuple[float, Decimal]]:
    """What trades did to a currency, or to the position of their symbol: (seconds, signed)."""
    flows = []
    for row in rows or ():
        qty, cost = amount_of(row.get("amount")), amount_of(row.get("cost"))
        if qty is None or row.get("timestamp") is None:
            continue
        sign = 1 if row.get("side") == "buy" else -1
        if currency is not None and str(row.get("symbol")).partition("/")[0] != currency:
            qty, sign = cost or Decimal(0), -sign
        flows.append((row["timestamp"] / 1000, sign * qty))
    return flows


_READS: Final[Mapping[str, tuple[str, Callable[[Any], dict[str, Decimal]]]]] = {
    "fetch_balance": ("balances", _balances),
    "fetch_positions": ("positions", _positions),
}
WRAPPED: Final = tuple(_READS)
