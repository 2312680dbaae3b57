"""All planted bugs: importing this enters them into `planting.BUGS`."""

from __future__ import annotations

import account_bugs
import call_bugs
import order_bugs
from planting import BUGS

__all__ = ["BUGS", "account_bugs", "call_bugs", "order_bugs"]
