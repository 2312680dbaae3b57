"""A connector for aiohttp clients, ccxt's among them. Importing it needs aiohttp.

aiohttp's own `TCPConnector` works in a simulation as long as it resolves names through the loop,
which it does unless `aiodns` is installed: that asks real name servers. This one always asks the
loop. ccxt takes it with the session:

    async with aiohttp.ClientSession(connector=SimConnector()) as session:
        exchange = ccxt.async_support.binanceusdm({"session": session, ...})
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from outlast.sim.errors import SimulationError
from outlast.sim.loop import SimLoop

__all__ = ["SimConnector"]


class SimConnector(aiohttp.TCPConnector):
    """A `TCPConnector` for the simulated network. Takes its settings, except `resolver`.

    Raises:
        SimulationError: no simulation is running here.
    """

    def __init__(self, **settings: Any) -> None:
        if not isinstance(asyncio.get_running_loop(), SimLoop):
            raise SimulationError("SimConnector: make it inside outlast.sim.run(...)")
        super().__init__(resolver=aiohttp.ThreadedResolver(), **settings)
