"""The port between the exchange and a venue's wire protocol.

The pipeline (`mock/venue.py`) does what all venues have in common: time, limits, faults, effects,
the record of what happened. A dialect does what is one venue's own: which path means which call,
who signed it, what the engine is asked, what the answer looks like. One dialect object serves one
venue of one running exchange; it may keep state of its own (listen keys, leverage settings).

Whose clock: every `now_ms` given to a dialect is the venue's clock *as the venue shows it*, the
scenario's `clock_step` included; `VenueView.engine.now_ms` is the true venue time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from outlast.mock.engine.model import Product
from outlast.mock.http.plans import HttpMessage
from outlast.mock.keys import Account, KeyRing
from outlast.mock.limits import Charge, LimitBreach, LimitWindow, Usage
from outlast.mock.records import CreateFacts, Told

if TYPE_CHECKING:
    from outlast.mock.engine.engine import Engine
    from outlast.mock.scenario.model import Reply
    from outlast.mock.venues.streams import StreamDialect
    from outlast.mock.view import VenueView

__all__ = [
    "WRITES",
    "Account",
    "Call",
    "Charge",
    "Dialect",
    "KeyRing",
    "LimitBreach",
    "LimitWindow",
    "Timers",
    "Usage",
    "WireAnswer",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, understood: what it asks for, before anybody has checked who asks."""

    endpoint: str
    """The scenario's endpoint class: `orders.create`, `market.read`, …"""
    name: str
    """The dialect's own name of the operation; the pipeline does not look inside."""
    message: HttpMessage
    params: Mapping[str, str] = field(default_factory=dict)
    """Decoded; where a name is in query and body, the venue's rule has decided."""
    payload: bytes = b""
    """The bytes the signature is made over."""
    symbol: str | None = None
    create: CreateFacts | None = None
    """For `orders.create`: the order as it stands on the wire. `reduces` from its flags alone; the
    pipeline also sets it when the order is against the position and no larger."""
    batch: tuple[CreateFacts, ...] = ()
    """The orders of a request that asks for several at once; `create` is None then."""
    post_only: bool | None = None
    asked_ids: tuple[str, ...] = ()
    """Client order ids that a query or cancel names."""
    channel: str | None = None

    @property
    def is_write(self) -> bool:
        """True when the normal answer changes something in the engine."""
        return self.endpoint in WRITES


WRITES: Final = frozenset(
    {
        "orders.create",
        "orders.amend",
        "orders.cancel",
        "orders.cancel_all",
        "orders.deadman",
        "account.transfer",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireAnswer:
    """One answer in the venue's wire shape, with what it lets the client know."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    told: Told = Told.OK
    code: str | None = None
    """The venue's error code as text, when the body carries one."""
    order_ids: tuple[int, ...] = ()
    """Engine orders that were made or changed."""
    shown: tuple[int, ...] = ()
    """Engine orders whose state the body shows."""
    told_absent: tuple[str, ...] = ()
    """Client order ids that the body says do not exist."""
    limited: str | None = None
    """`429` or `418` when a counter that the dialect keeps itself (per pair, per key) decided."""
    hangs_s: float | None = None
    """Never answer, and close after so long: an alias that is a silence at this venue."""
    pictures: tuple[str, ...] = ()
    """What the body shows as a whole: `open_orders`, `positions`, `balances`. Empty: told by the
    endpoint class and the path."""

    weightless: bool = False
    """It costs no request weight after all (Binance spot: orders and cancels that succeed)."""

    def with_headers(self, *headers: tuple[str, str]) -> WireAnswer:
        """The same answer with `headers` added."""
        return replace(self, headers=(*self.headers, *headers))


class Timers(Protocol):
    """Work that a dialect leaves for later, in venue time (a dead man's switch)."""

    def later(self, key: Hashable, delay_s: float, action: Callable[[], None]) -> None:
        """Run `action` after `delay_s` venue seconds; an earlier one of the same key is dropped."""

    def drop(self, key: Hashable) -> None:
        """Forget what is planned under `key`; nothing happens when nothing is."""


class Dialect(Protocol):
    """One venue's REST protocol. Methods are synchronous: the pipeline does all the waiting."""

    @property
    def venue(self) -> str:
        """The venue's id: `binance-um`."""

    @property
    def product(self) -> Product: ...

    @property
    def windows(self) -> tuple[LimitWindow, ...]:
        """The venue's documented counters; the scenario's `factor` is applied by the limiter."""

    @property
    def streams(self) -> StreamDialect | None:
        """The venue's sockets (`venues/streams.py`); None: it serves none."""

    def attach(self, engine: Engine) -> None:
        """The engine behind this venue, once, before anything happens: to listen to it."""

    def shown_balance(self, currency: str, amount: Decimal) -> Decimal:
        """The amount as the venue's answers show it, rounded where they round."""

    def route(self, message: HttpMessage) -> Call | None:
        """What the request asks for; None when the venue has no such path or method."""

    def not_found(self, message: HttpMessage) -> WireAnswer:
        """The answer to a path the venue does not have."""

    def authenticate(self, call: Call, keys: KeyRing, now_ms: int) -> Account | WireAnswer | None:
        """Who signed it; the venue's refusal; or None for a call that needs no key."""

    def expired(self, call: Call, now_ms: int) -> WireAnswer | None:
        """The check right in front of the engine, made after all waiting.

        The refusal of a request that has waited longer than its own validity (Binance futures:
        -5028), or None while it is valid or the venue makes no such check.
        """

    def perform(
        self, call: Call, account: Account | None, view: VenueView, now_ms: int
    ) -> WireAnswer:
        """Validate, ask the engine, render the normal answer.

        Also used for the effect alone; the answer is thrown away then.
        """

    def render(self, reply: Reply, call: Call, now_ms: int) -> WireAnswer:
        """An alias (`overload`, `unknown`, …) in the venue's wire shape of that date.

        Raw replies (`http`, `html`, `json`, `empty`) and `mode` never get here.
        """

    def limited(self, breach: LimitBreach, call: Call | None, now_ms: int) -> WireAnswer:
        """The answer to a request over a limit, or from a banned address; None: unknown path."""

    def charge(self, call: Call | None) -> Charge:
        """What one request costs in the venue's counters; None is a path it does not have."""

    def decorate(self, answer: WireAnswer, call: Call | None, usage: Usage) -> WireAnswer:
        """The answer with the venue's rate-limit headers."""
