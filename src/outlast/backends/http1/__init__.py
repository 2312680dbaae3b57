"""HTTP/1.1 on asyncio, for the path of an order: one request in, one reply or one fault out.

It exists for what httpx's pool does under load: each request looks through all connections, so that
at 20 in flight a call costs twice what it costs alone, just when a bot reconciles after an outage
(encode/httpx issue 3215). Here a free connection is the last of a list, and whoever must wait is
woken when one is free. What it leaves out, `HttpxTransport` has: proxies, HTTP/2, the caller's own
client. `docs/decisions/` has the figures that decided.

An answer that comes in one piece and says its length, as nearly all to orders do, is read here and
strictly; every other is read by h11.

A request ends by its own timeouts. Cancelling `send` is safe: its connection is closed, its slot is
free.
"""

from outlast.backends.http1.transport import Http1Transport

__all__ = ["Http1Transport"]
