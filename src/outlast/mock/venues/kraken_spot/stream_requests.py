"""Trading over the WebSocket: each request goes through the same pipeline as its REST sibling.

Source: Kraken docs, WebSocket v2: add_order, amend_order, edit_order, cancel_order, cancel_all,
cancel_all_orders_after, batch_add, batch_cancel. Without a `deadline` an order lives 5 seconds on
its way to the engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from outlast.mock.http.plans import Answer
from outlast.mock.venues.dialect import Call
from outlast.mock.venues.kraken_spot import facts, stream_params
from outlast.mock.venues.kraken_spot.errors import INTERNAL, VenueRefusal, invalid
from outlast.mock.venues.kraken_spot.figures import rfc3339, to_json
from outlast.mock.venues.kraken_spot.frames import Asked
from outlast.mock.venues.kraken_spot.params import Params
from outlast.mock.venues.kraken_spot.symbols import Listing
from outlast.mock.venues.kraken_spot.trading import CANCELS_MAX

if TYPE_CHECKING:
    from outlast.mock.streams.client import Client

__all__ = ["DEADLINE_DEFAULT_MS", "METHODS", "StreamRequests"]

DEADLINE_DEFAULT_MS: Final = 5_000
_NO_PAIR: Final = "Currency pair not supported {name}"

Frame = Callable[[object], object]
"""What the stream answers, made of what REST would."""


class StreamRequests:
    """Turns a client's requests into calls of the pipeline."""

    def __init__(self, listing: Callable[[], Listing]) -> None:
        self._listing = listing

    def ask(self, client: Client, asked: Asked, now_ms: int) -> None:
        """Send one request on its way; what cannot be read is refused at once."""
        try:
            METHODS[asked.method](self, client, asked, now_ms)
        except VenueRefusal as refusal:
            client.send(asked.failed(refusal.text))

    # -- methods ----------------------------------------------------------------------------

    def add(self, client: Client, asked: Asked, now_ms: int) -> None:
        values = stream_params.add_order(asked.params)
        self._check_pair(values)

        def frame(result: object) -> object:
            given = _object(result)
            txids = given.get("txid")
            body: dict[str, object] = {"order_id": txids[0] if isinstance(txids, list) else ""}
            return {**body, **_names(values)}

        self._call(client, asked, "AddOrder", "orders.create", values, frame, now_ms)

    def amend(self, client: Client, asked: Asked, now_ms: int) -> None:
        values = stream_params.amend_order(asked.params)

        def frame(result: object) -> object:
            body = {"amend_id": _object(result).get("amend_id", "")}
            return (
                {**body, **_names(values)}
                if "cl_ord_id" in values
                else {**body, "order_id": values.get("txid", "")}
            )

        self._call(client, asked, "AmendOrder", "orders.amend", values, frame, now_ms)

    def edit(self, client: Client, asked: Asked, now_ms: int) -> None:
        values = stream_params.edit_order(asked.params)
        self._check_pair(values)

        def frame(result: object) -> object:
            given = _object(result)
            return {
                "order_id": given.get("txid", ""),
                "original_order_id": given.get("originaltxid", ""),
            }

        self._call(client, asked, "EditOrder", "orders.amend", values, frame, now_ms)

    def cancel(self, client: Client, asked: Asked, now_ms: int) -> None:
        """Cancel each order named; every one has an answer of its own."""
        params = asked.params
        named: list[tuple[str, str, object]] = [
            *(("txid", text, {"order_id": text}) for text in _listed(params, "order_id")),
            *(("cl_ord_id", text, {"cl_ord_id": text}) for text in _listed(params, "cl_ord_id")),
            *(
                ("txid", text, {"order_userref": _number(text)})
                for text in _listed(params, "order_userref")
            ),
        ]
        if not 1 <= len(named) <= CANCELS_MAX:
            raise invalid("order_id")
        token = stream_params.text("token", params.get("token"))
        for field, text, shown in named:
            self._call(
                client,
                asked,
                "CancelOrder",
                "orders.cancel",
                {field: text, "token": token},
                _always(shown),
                now_ms,
            )

    def cancel_all(self, client: Client, asked: Asked, now_ms: int) -> None:
        values = {"token": stream_params.text("token", asked.params.get("token"))}
        self._call(client, asked, "CancelAll", "orders.cancel_all", values, _same, now_ms)

    def deadman(self, client: Client, asked: Asked, now_ms: int) -> None:
        values = {
            name: stream_params.text(name, asked.params.get(name)) for name in ("token", "timeout")
        }
        name = "CancelAllOrdersAfter"
        self._call(client, asked, name, "orders.deadman", values, _same, now_ms)

    def batch_add(self, client: Client, asked: Asked, now_ms: int) -> None:
        params = asked.params
        orders = params.get("orders")
        if not isinstance(orders, list) or not all(isinstance(o, dict) for o in orders):
            raise invalid("orders")
        rows = [stream_params.add_order(order) for order in orders]
        values = {
            "pair": stream_params.text("symbol", params.get("symbol")),
            "orders": to_json(rows),
        }
        for name in ("token", "deadline", "validate"):
            if name in params:
                values[name] = stream_params.text(name, params[name])
        self._check_pair(values)

        def frame(result: object) -> object:
            lines = _object(result).get("orders")
            given = lines if isinstance(lines, list) else []
            return [
                {"error": line["error"], "success": False}
                if "error" in line
                else {"order_id": line.get("txid", ""), **_names(row)}
                for line, row in zip(given, rows, strict=False)
            ]

        self._call(client, asked, "AddOrderBatch", "orders.create", values, frame, now_ms)

    def batch_cancel(self, client: Client, asked: Asked, now_ms: int) -> None:
        values = {
            "token": stream_params.text("token", asked.params.get("token")),
            "orders": to_json(_listed(asked.params, "orders")),
            "cl_ord_ids": to_json(_listed(asked.params, "cl_ord_id")),
        }
        self._call(client, asked, "CancelOrderBatch", "orders.cancel", values, _same, now_ms)

    # -- inside -----------------------------------------------------------------------------

    def _check_pair(self, values: Mapping[str, str]) -> None:
        """Streams know pairs by one name only."""
        name = values.get("pair", "")
        if not name:
            raise invalid("symbol")
        if self._listing().on_streams(name) is None:
            raise VenueRefusal(_NO_PAIR.format(name=name[:60]))

    def _call(
        self,
        client: Client,
        asked: Asked,
        name: str,
        endpoint: str,
        values: dict[str, str],
        frame: Frame,
        now_ms: int,
    ) -> None:
        if endpoint in ("orders.create", "orders.amend"):
            values.setdefault("deadline", rfc3339(now_ms + DEADLINE_DEFAULT_MS))
        params = Params(values)
        listing = self._listing()
        pair = params.text("pair")
        single = name == "AddOrder"
        call = Call(
            endpoint=endpoint,
            name=name,
            message=client.message,
            params=values,
            symbol=facts.symbol_of(listing, pair) if pair else None,
            create=facts.create_facts(listing, params) if single else None,
            batch=facts.batch_facts(listing, params) if name == "AddOrderBatch" else (),
            post_only=facts.is_post_only(params) if single else None,
            asked_ids=() if endpoint == "orders.create" else facts.asked_ids(params),
        )
        client.ask(call, lambda answer: _framed(asked, answer, frame))


METHODS: Final[Mapping[str, Callable[[StreamRequests, Client, Asked, int], None]]] = {
    "add_order": StreamRequests.add,
    "amend_order": StreamRequests.amend,
    "edit_order": StreamRequests.edit,
    "cancel_order": StreamRequests.cancel,
    "cancel_all": StreamRequests.cancel_all,
    "cancel_all_orders_after": StreamRequests.deadman,
    "batch_add": StreamRequests.batch_add,
    "batch_cancel": StreamRequests.batch_cancel,
}


def _framed(asked: Asked, answer: Answer, frame: Frame) -> str:
    """REST's envelope as a frame; an error is a string here."""
    body = _object(json.loads(answer.body))
    errors = body.get("error")
    if isinstance(errors, list) and errors:
        return asked.failed(str(errors[0]))
    if "result" not in body:
        return asked.failed(INTERNAL)
    if asked.method == "batch_cancel":
        # The count stands beside `success`. Source: answers of 2024-05 as kraken-async-rs has them.
        return asked.done(orders_cancelled=_object(body["result"]).get("count"))
    return asked.done(frame(body["result"]))


def _always(echo: object) -> Frame:
    """Whatever REST says, the stream answers with the name that was used."""
    return lambda _result: echo


def _number(text: str) -> object:
    return int(text) if text.lstrip("-").isdigit() else text


def _same(result: object) -> object:
    return result


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _names(values: Mapping[str, str]) -> dict[str, object]:
    """The client's own name of an order, echoed."""
    if values.get("cl_ord_id"):
        return {"cl_ord_id": values["cl_ord_id"]}
    reference = values.get("userref", "")
    return {"order_userref": int(reference)} if reference.lstrip("-").isdigit() else {}


def _listed(params: Mapping[str, object], name: str) -> list[str]:
    value = params.get(name, [])
    if not isinstance(value, list):
        raise invalid(name)
    return [stream_params.text(name, item) for item in value]
