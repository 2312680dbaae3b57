"""One venue of one scenario, served in the simulation, and a plain client in front of it.

The client knows the wire only: HTTP, the control API, and the keys that it gives out.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from scenario_text import PRODUCTS, Story
from venue_wires import Keys, Market, Sent, request, spot_subscription
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from wire_client import Heard, WireClient

from outlast.mock.exchange import MockExchange, dialects
from outlast.mock.scenario.load import from_data

HELD_AWAY = "0.5"
"""Resting orders wait this share away from where the market starts."""
IN_FLIGHT = 800
"""So many requests are on their way at a time, each on a connection: the mock takes 1000."""
LIMITS_OFF = {
    "enforce": False,
    "nonce": {"window": 10**12, "lockout_after": 10**6, "lockout": "15m"},
}
"""For counting shares: hundreds of requests at once, overtaking each other on the way."""
_DEFAULT_MIDS = {"BTCUSDT": ("68000", "0.1"), "BTC/USD": ("68000", "0.1")}
_QTYS = {"BTC": "0.002", "ETH": "0.02", "DOGE": "200", "WBETH": "0.1"}
_BALANCES = {
    "binance-um": {"USDT": "50000"},
    "binance-spot": {"USDT": "50000", "BTC": "0.4", "ETH": "4.0"},
    "kraken-spot": {"USD": "25000", "BTC": "0.75", "ETH": "4.0"},
}


def need_venue(venue: str) -> None:
    """Skip the test of a venue that the mock does not serve yet."""
    if venue not in dialects():
        pytest.skip(f"{venue}: not served yet")


def market_of(story: Story, venue: str) -> Market:
    """The first instrument of the venue in the scenario."""
    listed = story.document.get("world", {}).get("instruments", {})
    for key, spec in listed.items():
        if spec["product"] == PRODUCTS[venue]:
            symbol = key.removesuffix("-SPOT")
            base = next(base for base in ("WBETH", "BTC", "DOGE") if symbol.startswith(base))
            return Market(
                venue,
                key,
                symbol,
                Decimal(str(spec["mid"])),
                Decimal(f"{spec['tick']:f}"),
                Decimal(_QTYS[base]),
                side="SELL" if base == "WBETH" else "BUY",
            )
    symbol = "BTC/USD" if venue == "kraken-spot" else "BTCUSDT"
    mid, tick = _DEFAULT_MIDS[symbol]
    both = "binance-um" in story.venues and venue == "binance-spot"
    tick = "0.01" if venue == "binance-spot" else tick
    key = f"{symbol}-SPOT" if both else symbol
    return Market(venue, key, symbol, Decimal(mid), Decimal(tick), Decimal(_QTYS["BTC"]))


def furnished(story: Story, market: Market, *, held: int = 1, **top: Any) -> dict[str, Any]:
    """The scenario's document, every account with resting orders to cancel and to ask about.

    They rest so far away that no scenario's market reaches them. `top` replaces keys of the
    document.
    """
    document = copy.deepcopy(story.document)
    document["t0"] = datetime.fromtimestamp(story.t0_ms / 1000, UTC).isoformat()
    world = document.setdefault("world", {})
    if "account" not in world:
        balances: dict[str, str] = {}
        for venue in story.venues:
            balances |= _BALANCES[venue]
        world["account"] = {"balances": balances}
    account = world["account"]
    account.setdefault("open_orders", []).extend(
        {
            "symbol": market.key,
            "side": market.side,
            "type": "LIMIT",
            "qty": str(market.qty * 2),
            "price": str(market.away(market.mid, HELD_AWAY) + number * market.tick),
            "client_order_id": f"held-{number}",
        }
        for number in range(held)
    )
    return document | top


class Stand:
    """The exchange, started; use `async with`."""

    def __init__(
        self, document: dict[str, Any], market: Market, *, venues: Sequence[str] = ()
    ) -> None:
        """`venues`: those to serve besides the one of the market."""
        self.market = market
        served = list(dict.fromkeys([market.venue, *venues]))
        self.exchange = MockExchange(from_data(document), venues=served)
        self.clock = self.exchange.run.clock
        self._numbers = itertools.count(1)
        self._sockets: list[ClientConnection] = []
        self._ears: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Stand:
        await self.exchange.start()
        first = self.exchange.describe()
        self.endpoints = first["venues"][self.market.venue]["endpoints"]
        wires = first["venues"][self.market.venue]
        self.main = Keys("main", wires["key"], wires["secret"])
        self.rest = self.client(self.endpoints["rest"])
        self.control = self.client(first["control"])
        return self

    async def __aexit__(self, *_: object) -> None:
        for socket in self._sockets:
            await socket.close()
        await asyncio.gather(*self._ears)
        await self.exchange.stop()

    def client(self, url: str) -> WireClient:
        return WireClient(url)

    def rest_of(self, venue: str) -> str:
        """Where another venue is served."""
        return str(self.exchange.describe()["venues"][venue]["endpoints"]["rest"])

    async def dial(self, path: str) -> ClientConnection | None:
        """A socket on this path; None when the handshake is refused."""
        url = self.endpoints["stream"] + path
        try:
            socket = await connect(url, proxy=None, compression=None, ping_interval=None)
        except (InvalidStatus, InvalidMessage, OSError):
            return None
        self._sockets.append(socket)
        return socket

    def listen(self, socket: ClientConnection) -> list[tuple[float, Any]]:
        """All that a socket hears from now on: (seconds since the start, message)."""
        heard: list[tuple[float, Any]] = []

        async def hear() -> None:
            with contextlib.suppress(ConnectionClosed):
                async for text in socket:
                    heard.append((self.clock.elapsed_s, json.loads(text)))

        self._ears.append(asyncio.create_task(hear()))
        return heard

    async def user_stream(self, keys: Keys) -> list[tuple[float, Any]]:
        """All that the user stream of an account says from now on."""
        venue, said = self.market.venue, None
        if venue == "binance-spot":
            path, said = "/ws-api/v3", spot_subscription(keys, now_ms=self.clock.now_ms)
        else:
            answer = (await self.ask(self.make("stream.key", keys))).json
            path = (
                "/v2/auth" if venue == "kraken-spot" else f"/private/ws/{answer.get('listenKey')}"
            )
            if venue == "kraken-spot":
                params = {"channel": "executions", "token": answer["result"]["token"]}
                said = {"method": "subscribe", "params": params}
        socket = await self.dial(path)
        assert socket is not None
        if said is not None:
            await socket.send(json.dumps(said))
        heard = self.listen(socket)
        await asyncio.sleep(1)  # until the venue has heard of it
        return heard

    # -- the control API --------------------------------------------------------------------------

    async def tell(self, method: str, call: str, body: Any = None) -> Any:
        """One call of the control API; its answer."""
        data = b"" if body is None else json.dumps(body).encode()
        answer = await self.control.ask(method, f"/_outlast/{call}", {}, data)
        assert answer.status is not None, answer
        assert answer.status < 300, answer.body.decode()
        return answer.json

    async def goto(self, at_s: float) -> None:
        """Live through the scenario up to this instant, unless it has passed."""
        self.clock.catch_up()
        if at_s > self.clock.elapsed_s:
            await self.clock.advance_to(at_s)

    async def account(self) -> Keys:
        """A fresh account."""
        made = await self.tell("POST", "accounts")
        wires = made["venues"][self.market.venue]
        return Keys(made["account"], wires["key"], wires["secret"])

    @contextlib.asynccontextmanager
    async def behind_the_faults(self) -> AsyncIterator[None]:
        """For a look at the engine itself: meanwhile no fault rule spoils a request."""
        rule = await self.tell("POST", "faults", {"match": "*", "reply": "ok"})
        yield
        await self.tell("DELETE", f"faults/{rule['id']}")

    # -- requests ---------------------------------------------------------------------------------

    def make(self, endpoint: str, keys: Keys | None = None, **more: Any) -> Sent:
        return request(
            endpoint,
            self.market,
            keys or self.main,
            number=next(self._numbers),
            now_ms=self.exchange.run.venues[self.market.venue].stage.shown_ms,
            **more,
        )

    def new_order(self, keys: Keys, *, price: Decimal | None = None, **terms: Any) -> Sent:
        name = f"c{next(self._numbers)}"
        return self.make("orders.create", keys, order=name, price=price, **terms)

    async def ask(self, sent: Sent) -> Heard:
        """Send one request and wait for the end of its story, however long."""
        return await self.rest.ask(sent.method, sent.target, sent.headers, sent.body)

    async def ask_all(self, requests: Sequence[Sent]) -> list[tuple[Sent, Heard]]:
        """Send everything as nearly at once as the venue takes it."""
        done: list[tuple[Sent, Heard]] = []
        for first in range(0, len(requests), IN_FLIGHT):
            wave = requests[first : first + IN_FLIGHT]
            heard = await asyncio.gather(*(self.ask(sent) for sent in wave))
            done += zip(wave, heard, strict=True)
        return done

    # -- looking ----------------------------------------------------------------------------------

    async def book(self) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """Bids and asks of the market as (price, qty), best first."""
        heard = await self.ask(self.make("market.read"))
        assert heard.status == 200, heard
        body = heard.json
        if self.market.venue == "kraken-spot":
            (body,) = body["result"].values()
        bids, asks = (
            [(Decimal(level[0]), Decimal(level[1])) for level in body[side]]
            for side in ("bids", "asks")
        )
        return bids, asks

    def records(self) -> dict[str, dict[str, Any]]:
        """The record of every request so far, by the client's own tag."""
        return {
            record["params"].get("tag") or record["params"].get("nonce"): record
            for record in self.exchange.truth.requests_json()["requests"]
        }

    async def orders(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What the truth says of every order, by (account, client order id)."""
        truth = await self.tell("GET", "truth")
        accounts = truth["venues"][self.market.venue]["accounts"]
        return {
            (account, order["client_order_id"]): order
            for account, history in accounts.items()
            for order in history["orders"]
        }

    def orders_of(self, keys: Keys) -> dict[str, Any]:
        """The true orders of one account, by client order id: the whole truth is long to read."""
        history = self.exchange.truth.history.at(self.market.venue, keys.name)
        assert history is not None
        return {order.client_order_id: order for order in history.orders.values()}

    def holdings_of(self, keys: Keys) -> dict[str, dict[str, Decimal]]:
        """The true balances and positions of one account."""
        history = self.exchange.truth.history.at(self.market.venue, keys.name)
        assert history is not None
        now_ms = self.exchange.truth.now_ms
        return {
            "balances": {n: t.true.at(now_ms, Decimal(0)) for n, t in history.balances.items()},
            "positions": {n: t.true.at(now_ms, Decimal(0)) for n, t in history.positions.items()},
        }
