"""The same request refused for the same reason: asking again does not change the answer.

In the reduce-only lockout of 11 October 2025 one exit was sent over 200 times in 106 minutes and
refused each time (-2022, -4118). That needs another request, not another attempt.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import inf
from typing import Final

from outlast.errors import ConfigurationError
from outlast.model import OrderRequest

__all__ = ["REFUSALS", "RefusalCircuit", "RefusalKey", "RefusalSettings", "shape_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalSettings:
    refusals_max: int = 3
    """Identical ones before the circuit opens: the second may meet a cache of the venue's that had
    not caught up, the third settles it."""
    probe_every_s: float = 60.0
    """An open circuit lets one through this often, since the cause may lie with the venue."""
    forget_after_s: float = 600.0
    """After so long without a refusal the count starts again."""
    shapes_max: int = 1024
    """Remembered at a time; the one refused longest ago goes first."""

    def __post_init__(self) -> None:
        for field in ("refusals_max", "shapes_max"):
            if getattr(self, field) < 1:
                raise ConfigurationError(f"{field} is {getattr(self, field)}; it must be >= 1")
        if not 0 < self.probe_every_s < self.forget_after_s < inf:
            raise ConfigurationError(
                f"probe_every_s is {self.probe_every_s} and forget_after_s {self.forget_after_s}; "
                "both must be above 0, and a circuit must not forget between two probes"
            )


_KINDS_MAX: Final = 16
"""Reasons remembered per shape: a venue that invents reasons must not fill the memory."""

REFUSALS: Final = RefusalSettings()


@dataclass(frozen=True, slots=True)
class RefusalKey:
    """What was refused, and why. Before sending nobody knows why: then `kind` is None, any."""

    symbol: str
    shape: str
    """See `shape_of`; any text that is the same for requests that would meet the same refusal."""
    kind: str | None = None
    """`Failure.kind`: `reduce_only_rejected`."""


def shape_of(order: OrderRequest, *, with_price: bool = False) -> str:
    """Return the terms of an order that a refusal by funds, position or mode depends on.

    The price is left out: a bot that quotes anew each second must not escape by a tick. Where
    another price is the cure (outside the venue's band, would cross though post-only) use
    `with_price`, and ask `admit` about both shapes.
    """
    terms = [
        order.side.value,
        order.order_type.value,
        order.time_in_force.value,
        f"qty={order.qty.normalize()}",
    ]
    if order.post_only:
        terms.append("post_only")
    if order.reduce_only:
        terms.append("reduce_only")
    if with_price:
        for name, price in (("price", order.price), ("stop", order.stop_price)):
            if price is not None:
                terms.append(f"{name}={price.normalize()}")
    return " ".join(terms)


@dataclass(slots=True)
class _Refused:
    count: int = 0
    last_at: float = -inf
    closed_until: float = -inf


class RefusalCircuit:
    """Counts identical refusals, each (symbol, shape, kind) for itself."""

    def __init__(self, settings: RefusalSettings = REFUSALS) -> None:
        self._settings = settings
        self._shapes: OrderedDict[tuple[str, str], dict[str, _Refused]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._shapes)

    def admit(self, key: RefusalKey, now: float) -> float | None:
        """Return None when the request may be sent, else when the next probe may be.

        None from an open circuit is that probe: the next is due a period later, whatever becomes
        of this one.
        """
        kinds = self._shapes.get((key.symbol, key.shape))
        if kinds is None:
            return None
        stopping = [
            refused
            for kind, refused in kinds.items()
            if key.kind in (None, kind)
            and refused.count >= self._settings.refusals_max
            and now - refused.last_at <= self._settings.forget_after_s
        ]
        retry_at = max((refused.closed_until for refused in stopping), default=-inf)
        if now < retry_at:
            return retry_at
        for refused in stopping:
            refused.closed_until = now + self._settings.probe_every_s
        return None

    def refused(self, key: RefusalKey, now: float) -> None:
        """Count one refusal by business reasons. Infrastructure failures do not belong here.

        Raises:
            ValueError: `key.kind` is None.
        """
        if key.kind is None:
            raise ValueError("a refusal has a reason: pass RefusalKey(..., kind=failure.kind)")
        settings = self._settings
        kinds = self._shapes.setdefault((key.symbol, key.shape), {})
        self._shapes.move_to_end((key.symbol, key.shape))
        refused = kinds.setdefault(key.kind, _Refused())
        if len(kinds) > _KINDS_MAX:
            del kinds[next(iter(kinds))]
        if now - refused.last_at > settings.forget_after_s:
            refused.count = 0
        refused.count += 1
        refused.last_at = now
        if refused.count >= settings.refusals_max:
            refused.closed_until = max(refused.closed_until, now + settings.probe_every_s)
        while len(self._shapes) > settings.shapes_max:
            self._shapes.popitem(last=False)

    def accepted(self, key: RefusalKey) -> None:
        """The venue took one of this shape: whatever stood against it is gone."""
        self._shapes.pop((key.symbol, key.shape), None)

    def reset(self, symbol: str) -> None:
        """The position or the open orders of `symbol` have changed: every shape may be tried."""
        for shape in [shape for shape in self._shapes if shape[0] == symbol]:
            del self._shapes[shape]

    def reset_all(self) -> None:
        """The mode of the account or of the venue has changed: everything may be tried again."""
        self._shapes.clear()
