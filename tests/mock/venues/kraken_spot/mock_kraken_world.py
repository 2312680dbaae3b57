"""What the tests of this dialect share: a small venue asked without sockets, and one with them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import zlib
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from outlast import sim
from outlast.mock.engine.engine import Engine
from outlast.mock.engine.knobs import EngineKnobs
from outlast.mock.engine.model import Instrument, NewOrder, Product
from outlast.mock.exchange import MockExchange
from outlast.mock.http.plans import HttpMessage
from outlast.mock.keys import Account, KeyRing
from outlast.mock.scenario.builder import fault
from outlast.mock.scenario.load import loads
from outlast.mock.venues.dialect import Call, WireAnswer
from outlast.mock.venues.kraken_spot.counters import PRO, Tier
from outlast.mock.venues.kraken_spot.dialect import KrakenSpotDialect
from outlast.mock.view import VenueView

DATA = Path(__file__).parents[3] / "data"
T0_MS = 1_790_000_000_000
"""September 2026."""
VENUE = "kraken-spot"


def instrument(base: str, quote: str, mid: str, tick: str, least: str) -> Instrument:
    return Instrument(
        symbol=f"{base}/{quote}",
        product=Product.SPOT,
        base=base,
        quote=quote,
        mid=Decimal(mid),
        tick=Decimal(tick),
        qty_step=Decimal("0.00000001"),
        qty_min=Decimal(least),
        qty_max=Decimal(10_000),
        market_qty_max=Decimal(5_000),
        notional_min=Decimal("0.5"),
        price_band_up=Decimal(5),
        price_band_down=Decimal("0.2"),
        market_take_bound=Decimal("0.5"),
        depth_levels=100,
        vol_bps_per_min=Decimal(4),
        maker_fee=Decimal("0.0025"),
        taker_fee=Decimal("0.0040"),
        leverage=1,
    )


BTC = instrument("BTC", "USD", "60000", "0.1", "0.00005")
ETH = instrument("ETH", "USD", "2000", "0.01", "0.002")
DOGE = instrument("DOGE", "USD", "0.24", "0.0000001", "20")
SOL = instrument("SOL", "USDT", "150", "0.01", "0.02")


@dataclass
class ManualTimers:
    planned: dict[Hashable, tuple[float, Callable[[], None]]] = field(default_factory=dict)

    def later(self, key: Hashable, delay_s: float, action: Callable[[], None]) -> None:
        self.planned[key] = (delay_s, action)

    def drop(self, key: Hashable) -> None:
        self.planned.pop(key, None)

    def go_off(self) -> None:
        planned, self.planned = self.planned, {}
        for _, action in planned.values():
            action()


class Refused(Exception):
    """What the venue answered with an error."""


class World:
    """One venue with one account; nonces count up by themselves."""

    def __init__(
        self,
        *,
        seed: int = 7,
        usd: str = "100000",
        btc: str = "2",
        open_orders: tuple[NewOrder, ...] = (),
        instruments: tuple[Instrument, ...] = (BTC, ETH, DOGE, SOL),
        tier: Tier = PRO,
    ) -> None:
        self.engine = Engine(
            instruments, product=Product.SPOT, seed=seed, start_ms=T0_MS, venue=VENUE
        )
        self.dialect = KrakenSpotDialect(seed=seed, tier=tier)
        self.dialect.attach(self.engine)
        self.keys = KeyRing(seed=seed, venue=VENUE)
        self.account = self.keys.issue("trader")
        balances = {"USD": Decimal(usd), "BTC": Decimal(btc), "ETH": Decimal(10)}
        self.engine.open_account("trader", balances=balances, open_orders=open_orders)
        self.timers = ManualTimers()
        self.view = VenueView(
            engine=self.engine,
            keys=self.keys,
            windows=self.dialect.windows,
            timers=self.timers,
            limits=self.keys.limits,
        )
        self.nonce = 1_000_000
        self.engine.advance(T0_MS + 2000)

    @property
    def now_ms(self) -> int:
        return self.engine.now_ms

    def wait(self, seconds: float) -> None:
        self.engine.advance(self.now_ms + int(seconds * 1000))

    def configure(self, **settings: Any) -> None:
        self.engine.configure(EngineKnobs(**settings))

    def bid(self) -> Decimal:
        best = self.engine.best("BTC/USD")[0]
        assert best is not None
        return best.price

    def ask_price(self) -> Decimal:
        best = self.engine.best("BTC/USD")[1]
        assert best is not None
        return best.price

    # -- asking -----------------------------------------------------------------------------

    def message(self, name: str, **params: object) -> HttpMessage:
        """A signed form request."""
        self.nonce += 1
        values = {"nonce": str(self.nonce), **{k: _text(v) for k, v in params.items()}}
        values = {k: v for k, v in values.items() if v is not None}
        return self.signed(name, urlencode(values).encode(), values["nonce"])

    def signed(
        self,
        name: str,
        body: bytes,
        nonce: str,
        *,
        content_type: str = "application/x-www-form-urlencoded",
        secret: str | None = None,
    ) -> HttpMessage:
        path = f"/0/private/{name}"
        return request(
            "POST",
            path,
            body=body,
            **{
                "api-key": self.account.key,
                "api-sign": sign(secret or self.account.secret, path, nonce, body),
                "content-type": content_type,
            },
        )

    def send(self, message: HttpMessage) -> WireAnswer:
        """The answer of a healthy venue."""
        call = self.routed(message)
        known = self.dialect.authenticate(call, self.keys, self.now_ms)
        if isinstance(known, WireAnswer):
            return known
        return self.perform(call, known)

    def perform(self, call: Call, account: Account | None) -> WireAnswer:
        return self.dialect.perform(call, account, self.view, self.now_ms)

    def routed(self, message: HttpMessage) -> Call:
        call = self.dialect.route(message)
        assert call is not None, f"{message.method} {message.path} is not routed"
        return call

    def answer(self, name: str, **params: object) -> WireAnswer:
        return self.send(self.message(name, **params))

    def ask(self, name: str, **params: object) -> Any:
        """The result of a private call; a refusal is raised."""
        return result(self.answer(name, **params))

    def public(self, name: str, **params: object) -> Any:
        query = urlencode({key: _text(value) for key, value in params.items()})
        return result(self.send(request("GET", f"/0/public/{name}", query=query.encode())))

    def refused(self, name: str, **params: object) -> str:
        try:
            given = self.ask(name, **params)
        except Refused as refusal:
            return str(refusal)
        raise AssertionError(f"not refused: {given}")

    def order(self, **changes: object) -> dict[str, object]:
        """Parameters of a limit buy that rests far below the market."""
        values: dict[str, object] = {
            "pair": "XBTUSD",
            "type": "buy",
            "ordertype": "limit",
            "volume": "0.01",
            "price": "55000.0",
        }
        values.update(changes)
        return {name: value for name, value in values.items() if value is not None}

    def place(self, **changes: object) -> str:
        """Place an order and give its txid."""
        (txid,) = self.ask("AddOrder", **self.order(**changes))["txid"]
        return txid

    def state(self, txid: str) -> Any:
        return self.ask("QueryOrders", txid=txid, trades=True)[txid]


def request(
    method: str, path: str, *, query: bytes = b"", body: bytes = b"", **headers: str
) -> HttpMessage:
    return HttpMessage(
        method=method,
        target=path + (f"?{query.decode()}" if query else ""),
        path=path,
        query=query,
        headers={name: (value,) for name, value in headers.items()},
        body=body,
    )


def sign(secret: str, path: str, nonce: str, body: bytes) -> str:
    """API-Sign, written here on its own so that the mock's is not its own witness."""
    inner = path.encode() + hashlib.sha256(nonce.encode() + body).digest()
    outer = hmac.new(base64.b64decode(secret), inner, hashlib.sha512)
    return base64.b64encode(outer.digest()).decode()


def body(answer: WireAnswer) -> Any:
    return json.loads(answer.body, parse_float=Decimal)


def result(answer: WireAnswer) -> Any:
    given = body(answer)
    assert answer.status == 200
    if given["error"]:
        assert answer.code == given["error"][0]
        raise Refused(given["error"][0])
    assert answer.code is None
    return given["result"]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def recorded(name: str) -> Any:
    """The answer in a file of `kraken.net/Endpoints`: three lines of request, then JSON."""
    text = (DATA / "kraken.net" / "Endpoints" / f"{name}.txt").read_text(encoding="utf-8-sig")
    return json.loads(text.split("\n", 3)[3], parse_float=Decimal)["result"]


# -- books, checked by somebody else ------------------------------------------------------------


class BookKeeper:
    """A client's book: applies messages, truncates, and checks every checksum.

    Works on numbers and the pair's two precisions, so that recordings whose trailing zeros are
    lost and live text both verify.
    """

    def __init__(self, depth: int, price_decimals: int, qty_decimals: int) -> None:
        self.depth, self.decimals = depth, (price_decimals, qty_decimals)
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        self.messages = 0

    def apply(self, message: dict[str, Any]) -> None:
        (row,) = message["data"]
        if message["type"] == "snapshot":
            self.bids, self.asks = {}, {}
            assert max(len(row["bids"]), len(row["asks"])) <= self.depth
        for side, changed in ((self.bids, row["bids"]), (self.asks, row["asks"])):
            for level in changed:
                price, qty = Decimal(str(level["price"])), Decimal(str(level["qty"]))
                if qty:
                    side[price] = qty
                else:
                    side.pop(price, None)
        self.bids = dict(sorted(self.bids.items(), reverse=True)[: self.depth])
        self.asks = dict(sorted(self.asks.items())[: self.depth])
        assert max(self.bids, default=Decimal(0)) < min(self.asks, default=Decimal("inf"))
        self.messages += 1
        assert self.checksum() == row["checksum"], f"message {self.messages}"

    def checksum(self) -> int:
        text = ""
        for side in (list(self.asks.items())[:10], list(self.bids.items())[:10]):
            for level in side:
                for number, decimals in zip(level, self.decimals, strict=True):
                    text += f"{number:.{decimals}f}".replace(".", "").lstrip("0")
        return zlib.crc32(text.encode())


# -- with sockets, in virtual time --------------------------------------------------------------

CALM = "scenario: calm\nvenue: kraken-spot\nseed: 3\nphases:\n  - {name: calm, for: rest}\n"


@dataclass
class Listener:
    """One client on a socket that writes down what it hears."""

    stream: ClientConnection
    heard: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    closed: bool = False

    async def listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                text = str(await self.stream.recv())
                self.texts.append(text)
                self.heard.append(json.loads(text, parse_float=Decimal))
        self.closed = True

    async def say(self, method: str, params: object = None, **more: object) -> None:
        frame = {"method": method, **({} if params is None else {"params": params}), **more}
        await self.stream.send(json.dumps(frame))
        await asyncio.sleep(0.05)

    async def say_raw(self, text: str) -> None:
        await self.stream.send(text)
        await asyncio.sleep(0.05)

    def take(self, channel: str | None = None) -> list[dict[str, Any]]:
        """What was heard since the last call; heartbeats only when asked for."""
        heard, self.heard = self.heard, []
        if channel is not None:
            return [frame for frame in heard if frame.get("channel") == channel]
        return [frame for frame in heard if frame.get("channel") != "heartbeat"]

    async def answer(self, method: str, params: object = None, **more: object) -> dict[str, Any]:
        """Say something and give its one answer."""
        self.take()
        await self.say(method, params, **more)
        (frame,) = [frame for frame in self.take() if "method" in frame]
        return frame


class SocketWorld:
    """A running exchange with one Kraken."""

    def __init__(self, exchange: MockExchange) -> None:
        self.exchange = exchange
        self.venue = exchange.run.venues[VENUE]
        self.engine = self.venue.stage.engine
        self.account = exchange.run.default_account(VENUE)
        self.nonce = 0
        self._listeners: list[Listener] = []

    @property
    def dialect(self) -> KrakenSpotDialect:
        return self.venue._dialect

    async def dial(self, path: str = "/v2") -> Listener:
        url = self.exchange.endpoints(VENUE)["stream"] + path
        listener = Listener(await connect(url, proxy=None, compression=None, ping_interval=None))
        listener.task = asyncio.create_task(listener.listen())
        self._listeners.append(listener)
        await asyncio.sleep(0.05)
        return listener

    async def post(self, name: str, **params: object) -> Any:
        """The body of a private REST call, in process: the envelope, or None without one."""
        self.nonce += 1
        values = {"nonce": str(self.nonce), **{k: _text(v) for k, v in params.items()}}
        raw, path = urlencode(values).encode(), f"/0/private/{name}"
        headers = {
            "api-key": self.account.key,
            "api-sign": sign(self.account.secret, path, values["nonce"], raw),
        }
        plan = await self.venue(request("POST", path, body=raw, **headers))
        assert plan.delivered is not None
        plan.delivered(True)
        return json.loads(plan.answer.body or b"null", parse_float=Decimal)

    async def get(self, name: str, **params: object) -> Any:
        query = urlencode({k: _text(v) for k, v in params.items()}).encode()
        plan = await self.venue(request("GET", f"/0/public/{name}", query=query))
        assert plan.delivered is not None
        plan.delivered(True)
        return json.loads(plan.answer.body, parse_float=Decimal)

    async def token(self) -> str:
        return (await self.post("GetWebSocketsToken"))["result"]["token"]

    def resting(self) -> Decimal:
        """A price far below the market."""
        best = self.engine.best("BTC/USD")[0]
        assert best is not None
        return (best.price / 2).quantize(Decimal("0.1"))

    def fault(self, match: object, **terms: Any) -> str:
        rule_id = self.exchange.run.desk.add(fault(match, **terms))
        self.exchange.run.changed()
        return rule_id

    async def leave(self) -> None:
        for listener in self._listeners:
            await listener.stream.close()
            if listener.task is not None:
                await listener.task


def play(story: Callable[[SocketWorld], Awaitable[None]], document: str = CALM) -> None:
    """Tell one story in virtual time."""
    scenario = loads(document)

    async def main() -> None:
        async with MockExchange(scenario, venues=[VENUE]) as exchange:
            world = SocketWorld(exchange)
            try:
                await story(world)
            finally:
                await world.leave()

    sim.run(main, seed=1, t0=scenario.t0_ms / 1000, time_limit_s=100_000)
