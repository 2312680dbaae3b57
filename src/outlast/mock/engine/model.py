"""The words of the exchange's engine: what it lists, takes, does and remembers.

All prices, quantities and amounts are exact `Decimal`s; instants are venue time in whole
milliseconds since the epoch. Names follow the venues; the dialects translate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

__all__ = [
    "EngineMode",
    "Execution",
    "Instrument",
    "NewOrder",
    "Order",
    "OrderStatus",
    "OrderType",
    "Product",
    "RejectReason",
    "Rejected",
    "Side",
    "StpMode",
    "TimeInForce",
]


class Product(Enum):
    SPOT = "spot"
    UM = "um"


class Side(Enum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class OrderType(Enum):
    LIMIT = "limit"
    MARKET = "market"
    STOP_MARKET = "stop_market"
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT_MARKET = "take_profit_market"
    TAKE_PROFIT_LIMIT = "take_profit_limit"
    TRAILING_STOP_MARKET = "trailing_stop_market"

    @property
    def is_conditional(self) -> bool:
        return self not in (OrderType.LIMIT, OrderType.MARKET)


class TimeInForce(Enum):
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"


class StpMode(Enum):
    """Self-trade prevention; the taker's mode decides."""

    NONE = "none"
    EXPIRE_TAKER = "expire_taker"
    EXPIRE_MAKER = "expire_maker"
    EXPIRE_BOTH = "expire_both"


class OrderStatus(Enum):
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    UNTRIGGERED = "untriggered"
    """A conditional order whose stop price has not been reached."""

    @property
    def is_open(self) -> bool:
        return self in (
            OrderStatus.NEW,
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.UNTRIGGERED,
        )


class EngineMode(Enum):
    ONLINE = "online"
    CANCEL_ONLY = "cancel_only"
    POST_ONLY = "post_only"
    LIMIT_ONLY = "limit_only"
    REDUCE_ONLY = "reduce_only"
    MAINTENANCE = "maintenance"
    """No new orders and no cancels."""
    AUCTION = "auction"
    """Orders rest and may be cancelled; nothing matches."""
    HALTED = "halted"


class RejectReason(Enum):
    """Why the engine says no; each dialect has its own code and words for it."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    SYMBOL_CLOSED = "symbol_closed"
    MODE = "mode"
    """`Rejected.detail` names the engine mode."""
    PRICE_TICK = "price_tick"
    PRICE_BELOW_MIN = "price_below_min"
    PRICE_ABOVE_MAX = "price_above_max"
    PRICE_ABOVE_BAND = "price_above_band"
    PRICE_BELOW_BAND = "price_below_band"
    QTY_STEP = "qty_step"
    QTY_BELOW_MIN = "qty_below_min"
    QTY_ABOVE_MAX = "qty_above_max"
    NOTIONAL_BELOW_MIN = "notional_below_min"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    REDUCE_ONLY_REJECTED = "reduce_only_rejected"
    """No position to reduce, or resting reduce-only orders already use it up (-2022)."""
    REDUCE_ONLY_WOULD_FLIP = "reduce_only_would_flip"
    """With the open orders of the same side it would flip the position (-4118)."""
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    FOK_UNFILLABLE = "fok_unfillable"
    NO_LIQUIDITY = "no_liquidity"
    WOULD_TRIGGER = "would_trigger"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    IN_LIQUIDATION = "in_liquidation"
    UNKNOWN_ORDER = "unknown_order"
    NOT_MODIFIED = "not_modified"
    EXPIRY_INVALID = "expiry_invalid"


@dataclass(frozen=True, slots=True)
class Rejected:
    reason: RejectReason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One listed thing and its trading rules; `symbol` as the scenario spells it."""

    symbol: str
    product: Product
    base: str
    quote: str
    mid: Decimal
    """Where the market starts."""
    tick: Decimal
    qty_step: Decimal
    qty_min: Decimal
    qty_max: Decimal
    market_qty_max: Decimal
    notional_min: Decimal
    price_band_up: Decimal
    """Buy limit prices above reference × this are refused."""
    price_band_down: Decimal
    market_take_bound: Decimal
    """A market order takes no price further than this share from the mark (or mid)."""
    depth_levels: int
    vol_bps_per_min: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    leverage: int = 20
    maintenance_margin: Decimal = Decimal("0.01")
    max_open_orders: int = 200
    price_max: Decimal = Decimal(1_000_000)
    """Highest price an order may name; the lowest is one tick."""
    level_notional: Decimal = Decimal(20_000)
    """Quote value that the market makers keep on one level near the touch in quiet times."""
    unit: Decimal | None = None
    """What all prices stand on when the tick is not it: after a change of the tick, a divisor of
    both ticks, because older orders keep their prices."""
    listed_ms: int | None = None
    """When it was listed; None: before anything here began."""

    @property
    def price_unit(self) -> Decimal:
        """What prices are counted in: a divisor of every tick that the instrument has had."""
        return self.tick if self.unit is None else self.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a client asks for, already parsed by the dialect."""

    symbol: str
    side: Side
    type: OrderType
    qty: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    close_position: bool = False
    """Close whatever is open when triggered; `qty` is ignored (zero)."""
    client_order_id: str = ""
    expires_ms: int | None = None
    """GTD: venue time at which the rest is cancelled."""
    stp: StpMode = StpMode.EXPIRE_MAKER
    trigger_on_mark: bool = False
    trailing_rate: Decimal | None = None
    fee_asset: str = ""
    """Spot: the asset, base or quote, that fees are taken in; empty: the one that is received."""
    ends_if_taking: bool = False
    """Post-only at venues that take such an order and end it at once, instead of refusing it."""


@dataclass(slots=True, kw_only=True)
class Order:
    """One order the engine took. It changes only inside the engine."""

    order_id: int
    account: str
    request: NewOrder
    status: OrderStatus
    created_ms: int
    updated_ms: int
    filled_qty: Decimal = Decimal(0)
    filled_quote: Decimal = Decimal(0)
    end_reason: str = ""
    """`stp`, `ioc`, `fok`, `no_liquidity`, `reduce_only`, `liquidation`, `gtd`, `venue`, `client`,
    `deadman`, `market_bound`, `triggered` (a conditional order that fired), `amend` (ended by its
    own amendment), `no_funds` (spot: fired, and the money ran out), or the `RejectReason` that a
    fired order met; empty while open or when filled."""
    triggered_from: int | None = None
    """The order id of the conditional order that became this one."""
    became: int | None = None
    """The order id of the order that this conditional order became."""
    voided: bool = False
    """Accepted, then gone without a trace: only truth still sees it."""
    executions: list[Execution] = field(default_factory=list)

    @property
    def leaves_qty(self) -> Decimal:
        return self.request.qty - self.filled_qty

    @property
    def avg_price(self) -> Decimal:
        return self.filled_quote / self.filled_qty if self.filled_qty else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill of one client order."""

    execution_id: int
    order_id: int
    account: str
    symbol: str
    side: Side
    price: Decimal
    qty: Decimal
    quote_qty: Decimal
    fee: Decimal
    fee_currency: str
    realised_pnl: Decimal
    is_maker: bool
    at_ms: int
    visible_ms: int
    """When the venue's reports show it (`fills_delay`): the engine knows it from `at_ms` on."""
