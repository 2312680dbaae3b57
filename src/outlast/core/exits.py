"""The exit: how to get out of one position while the venue refuses, sheds load, or lies.

The planner is told what is known (position, open orders, what may be live) and what became of the
last order, and says what to do next. Its rules:

- Never two live exits that sum to more than the position: what is or may be live counts as filled.
- A refusal by the venue's rules (-2022, -4118 …) is never answered with the same order: position
  and open orders are read again, our own conflicting orders are cancelled, the shape changes.
- What other programs' resting orders may take of the position, the venue refuses to us (-2022). It
  is not asked for again and again: their orders are looked at, and a try is made now and then.
- A refusal by overload keeps the shape and waits: full jitter, at a rate that the reserved share of
  the venue's limits sustains for hours. A sign that the door is open (any order accepted on the
  product) brings the next try forward.
- After a partial fill (thin book) the rest follows as soon as makers can have requoted.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from enum import Enum
from typing import Final

from outlast.core.backoff import Backoff
from outlast.model import (
    Instrument,
    Order,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
)

__all__ = [
    "CancelFirst",
    "ExitAction",
    "ExitDone",
    "ExitPlan",
    "ExitSettings",
    "ReadState",
    "SendExit",
    "Shape",
    "Wait",
]


class Shape(Enum):
    """The forms an exit takes in turn, each refused for reasons that may spare the next."""

    WHOLE = "whole"
    OVER = "over"
    """One step more than there is: another size that ends it too, since the venue cuts a
    reduce-only order to the position.

    Source: nautilus_trader issue 3983 (Binance lowers the quantity of reduce-only orders).
    """
    NEARLY = "nearly"
    HALF = "half"
    QUARTER = "quarter"
    LIMIT_HALF = "limit_half"
    """A limit order at a crossing price, IOC: another path through the venue's risk checks."""


_SHARES: Final = {
    # The least and the most of what is left, in thousandths: drawn anew for each try, because the
    # same request again meets the same refusal again.
    Shape.WHOLE: (1000, 1000),
    Shape.OVER: (1000, 1000),
    Shape.NEARLY: (960, 999),
    Shape.HALF: (450, 550),
    Shape.QUARTER: (220, 280),
    Shape.LIMIT_HALF: (450, 550),
}
_LADDER: Final = (
    Shape.WHOLE,
    Shape.OVER,
    Shape.NEARLY,
    Shape.WHOLE,
    Shape.OVER,
    Shape.HALF,
    Shape.WHOLE,
    Shape.OVER,
    Shape.NEARLY,
    Shape.WHOLE,
    Shape.OVER,
    Shape.QUARTER,
)
"""Two tries in three are for all of it: while one in fifty gets through, the one that does must
count, and a rest that is left over needs another fifty, however small it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitSettings:
    urgent_s: float = 240.0
    """How long the first, fast pace lasts. The incident of 11 Oct 2025 gave four minutes of mixed
    refusals before the door closed for good: tries are worth most at the beginning."""
    pace_urgent: Backoff = field(default_factory=lambda: Backoff(0.5, 2.0))
    pace_long: Backoff = field(default_factory=lambda: Backoff(1.0, 16.0))
    """Afterwards: 8 s on average, 450 tries an hour. With what has to be read between them that is
    1 % of USD-M's weight, so that several exits can go on through a night without a thought."""
    state_age_max_s: float = 30.0
    """Position and open orders older than this are read again before a send, and after a refusal
    by rule already when they are half as old."""
    requote_s: float = 2.0
    """How long makers get to come back after we took what was there."""
    held_s_max: float = 16.0
    """Between two looks while all of the position is in orders whose end is not known: it doubles
    up to this. Each look takes from the limits what the questions about these orders need."""
    same_size_max: int = 12
    """So often one size is tried ..."""
    same_size_again: Backoff = field(default_factory=lambda: Backoff(30.0, 960.0))
    """... then after half a minute, and ever more rarely: 23 times in the 106 minutes of 11 October
    2025, in which a bot that repeated one order tried more than 200 times. Most of them come in the
    first quarter of an hour: of two tries the earlier saves more."""
    in_the_way_s: float = 600.0
    """Between two tries while orders of other programs may take all that is left. Whether they are
    still there is read every `state_age_max_s`; the try is for a venue that counts otherwise."""
    split_lots_min: int = 20
    """A rest of fewer minimum orders than this is not split any further."""


@dataclass(frozen=True, slots=True)
class ReadState:
    """Read position and open orders before anything else."""


@dataclass(frozen=True, slots=True)
class CancelFirst:
    client_order_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SendExit:
    request: OrderRequest
    shape: Shape
    needs_price: bool
    """True: give the request a crossing price from a trusted book first."""


@dataclass(frozen=True, slots=True)
class Wait:
    until: float
    why: str


@dataclass(frozen=True, slots=True)
class ExitDone:
    """The position is flat and nothing of ours is live on its side."""


ExitAction = ReadState | CancelFirst | SendExit | Wait | ExitDone


@dataclass(slots=True)
class _Tries:
    """How one size has fared."""

    count: int = 0
    free_at: float = 0.0


class ExitPlan:
    """One call of `close_position`."""

    def __init__(
        self,
        instrument: Instrument,
        settings: ExitSettings,
        rng: random.Random,
        *,
        began_at: float,
        limit_allowed: bool,
    ) -> None:
        """`limit_allowed`: the caller set a slippage bound and a trusted price can be had."""
        self._instrument = instrument
        self._settings = settings
        self._rng = rng
        self._began_at = began_at
        self._ladder = (*_LADDER, Shape.LIMIT_HALF) if limit_allowed else _LADDER
        self._shape = 0
        self._qty: Decimal | None = None
        self._side: Side | None = None
        self._blockers: tuple[str, ...] = ()
        self._committed = Decimal(0)
        self._spoken_for = Decimal(0)
        self._probe_at = began_at
        self._read_at: float | None = None
        self._stale_after: float = began_at
        self._next_at = began_at
        self._refusals = 0
        self._cancels_tried = False
        self._sizes: dict[tuple[OrderType, Decimal], _Tries] = {}
        self._held: tuple[Decimal, Decimal] | None = None
        """Position and what is committed of it, while their end is waited for."""
        self._holds = 0

    # What is known.

    def update(self, qty: Decimal, live: Sequence[Order], others: Sequence[Order] = ()) -> None:
        """The believed position (signed) and our orders of the symbol that are or may be live.

        Both at once and of one instant: a fill moves from the one into the other. `others`: open
        orders of other programs that can only reduce the position, those that wait for a trigger
        not among them: the venue counts them first.
        """
        self._qty = qty
        if qty != 0:  # when it has become flat, orders on the exit's side still count
            self._side = Side.SELL if qty > 0 else Side.BUY
        # What our live orders may still take of the position counts as taken.
        mine = [order for order in live if order.side is self._side]
        self._committed = sum((order.leaves_qty for order in mine), Decimal(0))
        theirs = [order for order in others if order.side is self._side]
        self._spoken_for = sum((order.leaves_qty for order in theirs), Decimal(0))
        # What can rest is cancelled first; what cannot is on its way to an end by itself.
        self._blockers = tuple(
            order.client_order_id
            for order in mine
            if order.venue_order_id is not None and _can_rest(order)
        )

    def was_read(self, *, now: float) -> None:
        """What `update` tells was asked of the venue just now."""
        self._read_at = now

    @property
    def room(self) -> Decimal:
        """How much of the position no live order may take yet."""
        return abs(self._qty or Decimal(0)) - self._committed

    # What became of the last order.

    def refused_by_rule(self, request: OrderRequest | None, *, now: float) -> None:
        """The venue's rules said no: change the shape, look at the state again, wait.

        `request` is None where the shape could not even be sent.
        """
        self._note_refused(request, now)
        self._shape = (self._shape + 1) % len(self._ladder)
        self._cancels_tried = False
        self._stale_after = now - self._settings.state_age_max_s / 2
        self._pause(now)

    def refused_by_load(
        self, request: OrderRequest | None, *, now: float, retry_after_s: float = 0.0
    ) -> None:
        """The venue sheds load, or could not be reached: the shape is not to blame."""
        self._note_refused(request, now)
        self._pause(now)
        self._next_at = max(self._next_at, now + retry_after_s)

    def unknown(self, *, now: float) -> None:
        """It may be live: its quantity is out of reach until it is settled."""
        self._stale_after = now
        self._pause(now)

    def accepted(self, *, now: float) -> None:
        """The door is open: begin again with the whole, as soon as makers can have requoted."""
        self._shape, self._refusals = 0, 0
        self._stale_after = now
        self._next_at = now + self._settings.requote_s

    def door_opened(self, *, now: float) -> None:
        """Another order of the product was accepted: try soon instead of when planned."""
        self._refusals = 0
        soon = now + self._settings.pace_urgent.delay_s(1, self._rng)
        self._next_at = min(self._next_at, soon)

    def cancels_done(self, *, now: float) -> None:
        self._cancels_tried = True
        self._stale_after = now

    # What to do.

    def next_action(self, now: float) -> ExitAction:
        if self._held not in (None, (self._qty, self._committed)):
            self._held, self._holds = None, 0  # what was waited for has happened
            self._next_at = self._stale_after = min(self._next_at, now)
        if self._qty is None or self._read_at is None or self._read_at < self._stale_after <= now:
            return ReadState()
        if self._qty == 0 and self._committed == 0:
            return ExitDone()
        if now < self._next_at:
            return Wait(self._next_at, "between two tries")
        if now - self._read_at > self._settings.state_age_max_s:
            return ReadState()
        if self._blockers and not self._cancels_tried:
            return CancelFirst(self._blockers)
        # Room for less than the smallest order is none, while another may take the rest.
        if self.room <= 0 or (self._committed > 0 and self.room < self._smallest):
            return self._wait_for_live(now)
        if self._spoken_for > 0 and self.room - self._spoken_for < self._smallest:
            return self._wait_for_others(now)
        return self._next_send(now)

    @property
    def _smallest(self) -> Decimal:
        return max(self._instrument.qty_min, self._instrument.market_qty_min)

    def _wait_for_live(self, now: float) -> Wait:
        """Live orders hold all of the position: those that rest are cancelled again, at a pace."""
        if self._blockers:
            self._cancels_tried = False
            self._pause(now)
        else:
            assert self._qty is not None
            self._held = (self._qty, self._committed)
            wait_s = self._settings.requote_s * 2.0 ** min(self._holds, 8)
            self._next_at = now + min(self._settings.held_s_max, wait_s)
            self._holds += 1
        self._stale_after = self._next_at
        return Wait(self._next_at, "what is left is in orders whose end is not known yet")

    def _wait_for_others(self, now: float) -> SendExit | Wait:
        """Orders of other programs may take all that is left: ours would be refused."""
        if now >= self._probe_at:
            action = self._next_send(now)
            if isinstance(action, SendExit):
                self._probe_at = now + self._settings.in_the_way_s
            return action
        assert self._read_at is not None
        self._stale_after = self._read_at + self._settings.state_age_max_s
        return Wait(min(self._stale_after, self._probe_at), "other programs' orders come first")

    def _next_send(self, now: float) -> SendExit | Wait:
        """The next shape whose size may be tried now."""
        soonest = now + self._settings.same_size_again.cap_s
        may_split = self.room >= self._settings.split_lots_min * self._instrument.qty_min
        ladder = self._ladder if may_split else (Shape.WHOLE, Shape.OVER)
        for turn in range(len(ladder)):
            shape = (self._shape + turn) % len(ladder)
            offer = self._make(ladder[shape])
            free_at = self._sizes.get(_size(offer.request), _Tries()).free_at
            if free_at <= now:
                self._shape = shape
                return offer
            soonest = min(soonest, free_at)
        return Wait(soonest, "every size was refused several times")

    def _make(self, shape: Shape) -> SendExit:
        bounds = self._instrument
        qty = self.room * self._rng.randint(*_SHARES[shape]) / 1000
        if shape is Shape.OVER and self._committed == 0:
            qty += bounds.qty_step  # alone: with another exit the two could be more than there is
        limit = shape is Shape.LIMIT_HALF
        qty_min, qty_max = bounds.qty_min, bounds.qty_max
        if not limit:
            qty_min = max(qty_min, bounds.market_qty_min)
            qty_max = min(qty_max, bounds.market_qty_max)
        # A rest below the minimum is closed by the minimum: reduce-only takes what there is.
        qty = min(max(qty, qty_min), qty_max)
        qty = (qty / bounds.qty_step).to_integral_value(ROUND_DOWN) * bounds.qty_step
        assert self._side is not None
        request = OrderRequest(
            symbol=bounds.symbol,
            side=self._side,
            order_type=OrderType.LIMIT if limit else OrderType.MARKET,
            qty=qty,
            time_in_force=TimeInForce.IOC if limit else TimeInForce.GTC,
            reduce_only=True,
        )
        return SendExit(request, shape, needs_price=limit)

    def _note_refused(self, request: OrderRequest | None, now: float) -> None:
        if request is None:
            return
        tries = self._sizes.setdefault(_size(request), _Tries())
        tries.count += 1
        over = tries.count - self._settings.same_size_max
        if over >= 0:
            again = self._settings.same_size_again
            tries.free_at = now + min(again.cap_s, again.base_s * 2.0 ** min(over, 32))

    def _pause(self, now: float) -> None:
        self._refusals += 1
        urgent = now - self._began_at < self._settings.urgent_s
        pace = self._settings.pace_urgent if urgent else self._settings.pace_long
        self._next_at = now + pace.delay_s(min(self._refusals, 32), self._rng)


def _size(request: OrderRequest) -> tuple[OrderType, Decimal]:
    return request.order_type, request.qty


def _can_rest(order: Order) -> bool:
    ends_at_once = order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    return order.order_type is not OrderType.MARKET and not ends_at_once
