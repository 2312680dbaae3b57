"""Amending and cancelling several orders without an event loop."""

from __future__ import annotations

from decimal import Decimal

import pytest

import outlast
import outlast.sync
from outlast.testing import scenario

pytestmark = pytest.mark.sockets

SYMBOL = "BTC/USD"


def test_orders_are_amended_and_cancelled_together(tmp_path):
    with scenario(venue=None) as mock:
        wires = mock.describe()["venues"]["kraken-spot"]
        with outlast.sync.connect(
            "kraken-spot",
            key=wires["key"],
            secret=wires["secret"],
            endpoints={"rest": wires["endpoints"]["rest"]},
            journal=tmp_path / "bot.journal",
        ) as venue:
            names = [
                venue.submit(outlast.limit(SYMBOL, "buy", "0.001", price)).client_order_id
                for price in ("20000", "20001")
            ]
            amended = venue.amend(names[0], price="19999", qty="0.002")
            assert (amended.price, amended.qty) == (Decimal(19999), Decimal("0.002"))
            with pytest.raises(outlast.InvalidOrder, match="these terms already"):
                venue.amend(names[0], qty="0.002")
            report = venue.cancel_many(names)
            assert len(report.canceled) == 2
            assert not report.failed
