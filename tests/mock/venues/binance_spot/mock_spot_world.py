"""What the tests of this dialect share: a small venue that is asked without sockets."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.knobs import EngineKnobs
from outlast.mock.engine.model import Instrument, NewOrder, Product
from outlast.mock.http.plans import HttpMessage
from outlast.mock.keys import Account, KeyRing
from outlast.mock.venues.binance_spot.dialect import BinanceSpotDialect
from outlast.mock.venues.dialect import Call, WireAnswer
from outlast.mock.view import VenueView

DATA = Path(__file__).parents[3] / "data"
T0_MS = 1_790_000_000_000
"""September 2026."""


def instrument(symbol: str, base: str, quote: str, mid: str, tick: str, step: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        product=Product.SPOT,
        base=base,
        quote=quote,
        mid=Decimal(mid),
        tick=Decimal(tick),
        qty_step=Decimal(step),
        qty_min=Decimal(step),
        qty_max=Decimal(9000),
        market_qty_max=Decimal(100),
        notional_min=Decimal(5) if quote == "USDT" else Decimal("0.0001"),
        price_band_up=Decimal("1.2"),
        price_band_down=Decimal("0.8"),
        market_take_bound=Decimal("0.2"),
        depth_levels=50,
        vol_bps_per_min=Decimal(4),
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
    )


BTC = instrument("BTCUSDT", "BTC", "USDT", "60000", "0.01", "0.00001")
ETH = instrument("ETHBTC", "ETH", "BTC", "0.05", "0.00001", "0.0001")


class World:
    """One venue with one account of 100 000 USDT and 2 BTC."""

    def __init__(
        self,
        *,
        seed: int = 7,
        balances: Mapping[str, str] | None = None,
        open_orders: tuple[NewOrder, ...] = (),
    ) -> None:
        self.engine = Engine(
            (BTC, ETH), product=Product.SPOT, seed=seed, start_ms=T0_MS, venue="binance-spot"
        )
        self.dialect = BinanceSpotDialect(seed=seed)
        self.dialect.attach(self.engine)
        self.keys = KeyRing(seed=seed, venue="binance-spot")
        self.account = self.keys.issue("trader")
        held = balances or {"USDT": "100000", "BTC": "2"}
        self.engine.open_account(
            "trader",
            balances={asset: Decimal(amount) for asset, amount in held.items()},
            open_orders=open_orders,
        )
        self.view = VenueView(engine=self.engine, keys=self.keys, windows=self.dialect.windows)
        self.engine.advance(T0_MS + 1000)

    @property
    def now_ms(self) -> int:
        return self.engine.now_ms

    def wait(self, seconds: float) -> None:
        self.engine.advance(self.now_ms + int(seconds * 1000))

    def configure(self, **settings: Any) -> None:
        self.engine.configure(EngineKnobs(**settings))

    def bid(self) -> Decimal:
        """The best bid of BTCUSDT."""
        best = self.engine.best("BTCUSDT")[0]
        assert best is not None
        return best.price

    def ask_price(self) -> Decimal:
        """The best ask of BTCUSDT."""
        best = self.engine.best("BTCUSDT")[1]
        assert best is not None
        return best.price

    # -- asking -----------------------------------------------------------------------------

    def message(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **params: object
    ) -> HttpMessage:
        """A signed request, its parameters where most clients put them."""
        values = {name: _text(value) for name, value in params.items() if value is not None}
        values.setdefault("timestamp", str(self.now_ms))
        raw = urlencode(values)
        raw += f"&signature={sign(self.account.secret, raw.encode())}"
        in_body = method in ("POST", "PUT")
        return request(
            method,
            path,
            query=b"" if in_body else raw.encode(),
            body=raw.encode() if in_body else b"",
            key=self.account.key,
            headers=headers,
        )

    def send(self, message: HttpMessage) -> WireAnswer:
        """The answer of a healthy venue."""
        call = self.routed(message)
        known = self.dialect.authenticate(call, self.keys, self.now_ms)
        if isinstance(known, WireAnswer):
            return known
        return self.dialect.expired(call, self.now_ms) or self.perform(call, known)

    def perform(self, call: Call, account: Account | None) -> WireAnswer:
        return self.dialect.perform(call, account, self.view, self.now_ms)

    def routed(self, message: HttpMessage) -> Call:
        call = self.dialect.route(message)
        assert call is not None, f"{message.method} {message.path} is not routed"
        return call

    def ask(self, method: str, path: str, **params: object) -> Any:
        """The body of a successful answer."""
        answer = self.send(self.message(method, path, **params))
        assert answer.status == 200, answer.body
        return body(answer)

    def refused(self, method: str, path: str, **params: object) -> tuple[int, int, str]:
        """Status, code and words of a refusal."""
        answer = self.send(self.message(method, path, **params))
        given = body(answer)
        assert answer.status != 200, given
        assert answer.code == str(given["code"])
        return answer.status, given["code"], given["msg"]

    def order(self, **changes: object) -> dict[str, object]:
        """Parameters of a limit buy that rests far below the market."""
        values: dict[str, object] = {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.01",
            "price": "50000.00",
        }
        values.update(changes)
        return {name: value for name, value in values.items() if value is not None}

    def market(self, **changes: object) -> dict[str, object]:
        """Parameters of a market buy."""
        return self.order(type="MARKET", timeInForce=None, price=None, **changes)

    def place(self, **changes: object) -> Any:
        return self.ask("POST", "/api/v3/order", **self.order(**changes))

    def not_placed(self, **changes: object) -> tuple[int, int, str]:
        return self.refused("POST", "/api/v3/order", **self.order(**changes))

    def balance(self, asset: str) -> tuple[Decimal, Decimal]:
        """Free and locked, as `GET account` says."""
        rows = self.ask("GET", "/api/v3/account")["balances"]
        row = next(row for row in rows if row["asset"] == asset)
        return Decimal(row["free"]), Decimal(row["locked"])


def request(
    method: str,
    path: str,
    *,
    query: bytes = b"",
    body: bytes = b"",
    key: str = "",
    headers: Mapping[str, str] | None = None,
) -> HttpMessage:
    target = path + (f"?{query.decode('latin-1')}" if query else "")
    sent = {name: (value,) for name, value in (headers or {}).items()}
    if key:
        sent["x-mbx-apikey"] = (key,)
    return HttpMessage(
        method=method, target=target, path=path, query=query, headers=sent, body=body
    )


def sign(secret: str, payload: bytes) -> str:
    """HMAC-SHA256, written here on its own so that the mock's is not its own witness."""
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


def body(answer: WireAnswer) -> Any:
    return json.loads(answer.body)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def recorded(path: str) -> Any:
    """The answer in a file of `binance.net/Spot`: three lines of request, then JSON."""
    lines = (DATA / "binance.net" / "Spot" / path).read_text(encoding="utf-8-sig")
    return json.loads(lines.split("\n", 3)[3])
