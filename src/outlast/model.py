"""The nouns: instruments, orders, executions, positions, balances. Values only, no behaviour.

Money (prices, quantities, fees) is `Decimal` everywhere in here. Local instants are seconds since
the epoch; the venue's own are whole milliseconds and end in `_ms`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum

import msgspec

__all__ = [
    "Amendment",
    "Balance",
    "Execution",
    "Health",
    "Instrument",
    "Level",
    "Money",
    "Order",
    "OrderReport",
    "OrderRequest",
    "OrderStatus",
    "OrderType",
    "Pending",
    "Plane",
    "Position",
    "Product",
    "Side",
    "Source",
    "TimeInForce",
    "TradingState",
    "limit",
    "market",
    "money",
    "stop",
    "take_profit",
]

Money = Decimal | str | int
"""What callers may pass for a price or a quantity. A float is refused: it is not exact."""


class _Word(Enum):
    """A word that is looked up in tables: Enum's own hash is a call in Python, this one is none."""

    __hash__ = object.__hash__


class Side(_Word):
    """Which way an order trades: BUY takes the base currency, SELL gives it."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(_Word):
    """How an order meets the book: at a price or at any, at once or when a price is reached."""

    LIMIT = "limit"
    MARKET = "market"
    STOP_MARKET = "stop_market"
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT_MARKET = "take_profit_market"
    TAKE_PROFIT_LIMIT = "take_profit_limit"

    @property
    def is_conditional(self) -> bool:
        """True for orders that wait for a price before they enter the book."""
        return self not in (OrderType.LIMIT, OrderType.MARKET)


class TimeInForce(_Word):
    """How long an order stands."""

    GTC = "gtc"
    """Until it is cancelled."""
    IOC = "ioc"
    """It takes what is there at once; the rest expires."""
    FOK = "fok"
    """All of it at once, or nothing."""
    GTD = "gtd"
    """Until a time: `expires_in_s`."""


class OrderStatus(_Word):
    """What the venue believes about an order, as far as we know.

    DENIED is our own no (nothing was sent), REJECTED the venue's; UNKNOWN may be live; NOT_PLACED
    is the proof that an unknown order never reached the book.
    """

    INITIALIZED = "initialized"
    DENIED = "denied"
    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"

    @property
    def is_final(self) -> bool:
        return self in _FINAL

    @property
    def may_be_live(self) -> bool:
        """True while the venue may still fill it: it counts as exposure."""
        return self in _MAY_BE_LIVE


_FINAL = frozenset(
    {
        OrderStatus.DENIED,
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
        OrderStatus.NOT_PLACED,
    }
)
_MAY_BE_LIVE = frozenset(
    {
        OrderStatus.SUBMITTED,
        OrderStatus.UNKNOWN,
        OrderStatus.ACCEPTED,
        OrderStatus.PARTIALLY_FILLED,
    }
)


class Pending(Enum):
    """What we have asked for and not been answered; apart from what the venue believes."""

    NOTHING = "nothing"
    SUBMIT = "submit"
    CANCEL = "cancel"
    AMEND = "amend"


class Product(Enum):
    """What halts as one."""

    SPOT = "spot"
    USDM_FUTURES = "usdm_futures"

    @property
    def has_positions(self) -> bool:
        """False where a trade changes balances and nothing else: then there are no positions."""
        return self is not Product.SPOT


class Plane(_Word):
    """What breaks as one, inside a product."""

    MARKET_DATA = "market_data"
    TRADING = "trading"
    ACCOUNT = "account"
    STATUS = "status"


class Health(Enum):
    """How one plane of a venue fares."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"
    RECOVERING = "recovering"
    MAINTENANCE = "maintenance"


class TradingState(Enum):
    """What one may do here, now."""

    ACTIVE = "active"
    REDUCING = "reducing"
    CANCEL_ONLY = "cancel_only"
    HALTED = "halted"


class Source(Enum):
    """Where a value came from."""

    REST = "rest"
    STREAM = "stream"
    JOURNAL = "journal"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One thing traded at one venue, with the rules an order for it must keep."""

    venue: str
    symbol: str
    """Unified: `BTC/USDT`, and `BTC/USDT:USDT` for the perpetual."""
    venue_symbol: str
    product: Product
    base: str
    quote: str
    settle: str
    tick_size: Decimal
    qty_step: Decimal
    qty_min: Decimal
    qty_max: Decimal
    market_qty_min: Decimal
    market_qty_max: Decimal
    notional_min: Decimal
    """In the quote currency; reduce-only orders are exempt where the venue says so."""
    price_min: Decimal
    price_max: Decimal
    price_up_x: Decimal | None = None
    """A buy's price may be at most mark × this; None when the venue has no such band."""
    price_down_x: Decimal | None = None
    """A sell's price must be at least mark × this."""
    price_decimals: int | None = None
    """Decimals of a price on the wire, where they are not those of `tick_size`."""
    is_tradable: bool = True
    venue_status: str = ""
    aliases: tuple[str, ...] = ()
    """Other spellings that the venue uses for it in its answers, or takes in requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What a caller wants; it says nothing about its fate.

    Made by `limit`, `market`, `stop` and `take_profit`.
    """

    symbol: str
    side: Side
    order_type: OrderType
    qty: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    client_order_id: str | None = None
    expires_in_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill. (venue_order_id, execution_id) names it for ever; it is booked once."""

    symbol: str
    execution_id: str
    venue_order_id: str
    side: Side
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_currency: str
    realised_pnl: Decimal = Decimal(0)
    is_maker: bool = False
    client_order_id: str | None = None
    venue_time_ms: int = 0


class Amendment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """New terms that were asked for a live order, and that are not known yet to be in force or not.

    Until that is known the order keeps its old terms in `Order`, and counts by the larger quantity.
    """

    qty: Decimal
    """Of the whole order, what is filled included."""
    price: Decimal | None
    asked_at: float
    """Seconds since the epoch."""
    after_ms: int | None = None
    """The venue's time of what was last known of the order: older words say nothing of this."""
    is_return: bool = False
    """True when it goes back to terms that it had before: an old answer would look like a yes."""
    is_unknown: bool = False
    """True when its answer was lost: it is being settled, and nothing else may be asked."""


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order as far as we know it: the venue's belief (`status`) and our request (`pending`).

    In the journal's records, what is as by default is left out.
    """

    client_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    qty: Decimal
    status: OrderStatus
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    pending: Pending = Pending.NOTHING
    venue_order_id: str | None = None
    filled_qty: Decimal = Decimal(0)
    avg_price: Decimal | None = None
    created_at: float = 0.0
    not_before_ms: int | None = None
    """The venue's time before which it cannot have come into being there, as measured when it was
    written down; None where that could not be measured. Steps of our own clock do not touch it."""
    as_of: float = 0.0
    """When the venue (or we, before it answered) last said this; seconds since the epoch."""
    venue_time_ms: int | None = None
    source: Source = Source.REST
    reason: str = ""
    """Why it was denied, rejected, expired or is unknown; empty otherwise."""
    is_external: bool = False
    """True for orders that this journal did not send."""
    amendment: Amendment | None = None
    """Other terms that have been asked for, until the venue's word on them is known."""

    @property
    def qty_at_most(self) -> Decimal:
        """Its quantity, or the one it may have been amended to, where that is more."""
        return self.qty if self.amendment is None else max(self.qty, self.amendment.qty)

    @property
    def leaves_qty(self) -> Decimal:
        """What may still be filled; while an amendment is not known, by the larger quantity."""
        return self.qty_at_most - self.filled_qty if self.status.may_be_live else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the account holds of one currency, as last believed."""

    currency: str
    total: Decimal
    free: Decimal
    locked: Decimal
    as_of: float
    source: Source
    venue_time_ms: int | None = None
    """When the venue last changed it, where it says so."""
    is_stale: bool = False
    reason: str = ""
    """Why it is stale; empty while it is fresh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What the account holds of one instrument, as last believed."""

    symbol: str
    qty: Decimal
    """Signed: negative is short."""
    entry_price: Decimal
    mark_price: Decimal | None
    unrealised_pnl: Decimal
    as_of: float
    source: Source
    venue_time_ms: int | None = None
    is_stale: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    price: Decimal
    qty: Decimal


def money(value: Money, *, field: str) -> Decimal:
    """`value` as an exact, finite Decimal.

    Raises:
        TypeError: it is a float (or a bool): `0.1` is not one tenth. Pass text or a Decimal.
        ValueError: it is not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | str | int):
        raise TypeError(
            f"{field} is {value!r}, a {type(value).__name__}, which cannot hold money exactly; "
            f"pass a string or a Decimal, for example {field}={str(value)!r}"
        )
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(
            f"{field} is {value!r}, which is not a number; pass for example {field}='0.01'"
        ) from None
    if not number.is_finite():
        raise ValueError(f"{field} is {value!r}; it must be finite")
    return number


def _positive(value: Money, *, field: str) -> Decimal:
    number = money(value, field=field)
    if number <= 0:
        raise ValueError(f"{field} is {number}; it must be above 0 (the side says the direction)")
    return number


def _side(side: Side | str) -> Side:
    try:
        return side if isinstance(side, Side) else Side(side.lower())
    except (ValueError, AttributeError):
        raise ValueError(f"side is {side!r}; it must be 'buy' or 'sell'") from None


def _time_in_force(value: TimeInForce | str) -> TimeInForce:
    try:
        return value if isinstance(value, TimeInForce) else TimeInForce(value.lower())
    except (ValueError, AttributeError):
        names = ", ".join(repr(known.value) for known in TimeInForce)
        raise ValueError(f"time_in_force is {value!r}; it must be one of {names}") from None


def limit(
    symbol: str,
    side: Side | str,
    qty: Money,
    price: Money,
    *,
    time_in_force: TimeInForce | str = TimeInForce.GTC,
    post_only: bool = False,
    reduce_only: bool = False,
    client_order_id: str | None = None,
    expires_in_s: float | None = None,
) -> OrderRequest:
    """An order for `qty` (in the base currency) at `price` or better.

    Raises:
        TypeError: `qty` or `price` is a float.
        ValueError: a field cannot be valid at any venue; the message names it.
    """
    tif = _time_in_force(time_in_force)
    if post_only and tif in (TimeInForce.IOC, TimeInForce.FOK):
        raise ValueError(f"post_only contradicts time_in_force={tif.value!r}; drop one of them")
    if (tif is TimeInForce.GTD) != (expires_in_s is not None):
        raise ValueError("expires_in_s goes with time_in_force='gtd', and 'gtd' needs it")
    return OrderRequest(
        symbol=symbol,
        side=_side(side),
        order_type=OrderType.LIMIT,
        qty=_positive(qty, field="qty"),
        price=_positive(price, field="price"),
        time_in_force=tif,
        post_only=post_only,
        reduce_only=reduce_only,
        client_order_id=client_order_id,
        expires_in_s=expires_in_s,
    )


def market(
    symbol: str,
    side: Side | str,
    qty: Money,
    *,
    reduce_only: bool = False,
    client_order_id: str | None = None,
) -> OrderRequest:
    """An order for `qty` at whatever the book gives now."""
    return OrderRequest(
        symbol=symbol,
        side=_side(side),
        order_type=OrderType.MARKET,
        qty=_positive(qty, field="qty"),
        reduce_only=reduce_only,
        client_order_id=client_order_id,
    )


def stop(
    symbol: str,
    side: Side | str,
    qty: Money,
    stop_price: Money,
    *,
    price: Money | None = None,
    reduce_only: bool = False,
    client_order_id: str | None = None,
) -> OrderRequest:
    """A market order (with `price`: a limit order) that wakes when `stop_price` is reached.

    A sell wakes at or below it, a buy at or above it.
    """
    kinds = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
    return _waiting(
        kinds, symbol, side, qty, stop_price, price, reduce_only, client_order_id=client_order_id
    )


def take_profit(
    symbol: str,
    side: Side | str,
    qty: Money,
    stop_price: Money,
    *,
    price: Money | None = None,
    reduce_only: bool = False,
    client_order_id: str | None = None,
) -> OrderRequest:
    """As `stop`, for the other side of the market: a sell wakes at or above `stop_price`."""
    kinds = (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT)
    return _waiting(
        kinds, symbol, side, qty, stop_price, price, reduce_only, client_order_id=client_order_id
    )


def _waiting(
    kinds: tuple[OrderType, OrderType],
    symbol: str,
    side: Side | str,
    qty: Money,
    stop_price: Money,
    price: Money | None,
    reduce_only: bool,
    *,
    client_order_id: str | None,
) -> OrderRequest:
    """An order that waits for a price; `kinds` without and with a limit."""
    return OrderRequest(
        symbol=symbol,
        side=_side(side),
        order_type=kinds[price is not None],
        qty=_positive(qty, field="qty"),
        price=None if price is None else _positive(price, field="price"),
        stop_price=_positive(stop_price, field="stop_price"),
        reduce_only=reduce_only,
        client_order_id=client_order_id,
    )


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer or event of the venue says about one order."""

    client_order_id: str
    venue_order_id: str
    symbol: str
    status: OrderStatus
    side: Side
    order_type: OrderType
    qty: Decimal
    filled_qty: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    avg_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    created_ms: int | None = None
    """Venue time of creation; tells an older namesake from the order that was meant."""
    updated_ms: int | None = None
    source: Source = Source.REST
    reason: str = ""
    unrecognised: tuple[str, ...] = ()
    """What the codec could not name, as `field=text`: to be counted and journaled."""
    executions: tuple[Execution, ...] = ()
    """Fills that the answer itself names. Few answers do: empty does not mean that none were."""
