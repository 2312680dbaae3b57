"""A script without an event loop. It trades on the bundled mock; leave `endpoints` out for real.

Needs: pip install 'outlast[mock]'
"""

import outlast
import outlast.sync
from outlast.testing import scenario

SYMBOL = "BTC/USDT:USDT"

with (
    scenario() as mock,
    outlast.sync.connect(
        "binance-um",
        key=mock.describe()["venues"]["binance-um"]["key"],
        secret=mock.describe()["venues"]["binance-um"]["secret"],
        endpoints=mock.describe()["venues"]["binance-um"]["endpoints"],
        journal="script.journal",
    ) as venue,
):
    price = venue.mark_price(SYMBOL)
    order = venue.quantize(outlast.limit(SYMBOL, "buy", "0.01", price * 9 / 10))
    try:
        placed = venue.submit(order)
        print("resting:", placed.status.value, placed.price)
    except outlast.OutcomeUnknown as error:
        placed = venue.settle(error.client_order_id)
        print("found out:", placed.status.value)
    print("cancelled:", venue.cancel(placed.client_order_id).status.value)
