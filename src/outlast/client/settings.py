"""What a user may set, with the reason for each number beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from outlast.client.gate_settings import GateSettings
from outlast.core.books import BookSettings, ResyncSettings
from outlast.core.exits import ExitSettings
from outlast.core.health import HealthSettings
from outlast.core.limiter import SlotSettings
from outlast.core.recovery import RecoverySettings
from outlast.core.settle import SettleSettings
from outlast.model import Plane

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Pass to `outlast.connect(settings=...)`. Every default can stand."""

    valid_for_s: float = 5.0
    """How long the venue may take to begin with an order (Binance recvWindow, Kraken deadline).
    Small, because it bounds how long an unknown order can still appear."""

    tier: str | None = None
    """What the account is entitled to, where the venue grades its limits and no answer tells the
    grade: at Kraken starter, intermediate or pro, by the account's verification. None: the lowest,
    with which no limit is ever exceeded."""

    submit_deadline_s: float | None = None
    """How long `submit` waits for the outcome when its caller says nothing. None: as long as the
    kind of order is worth (new risk 10 s, reduce-only 25 s)."""

    settle: SettleSettings = field(default_factory=SettleSettings)
    exit: ExitSettings = field(default_factory=ExitSettings)

    recovery: RecoverySettings = field(default_factory=RecoverySettings)
    """How orders that add risk come back after an outage."""

    health: HealthSettings = field(default_factory=HealthSettings)
    """How verdicts on the venue are made, and how soon they change back."""

    gate: GateSettings = field(default_factory=GateSettings)
    """When orders that add risk are held, besides outages."""

    status_page: str | None = None
    """The root of a Statuspage to read beside the venue's own word. None: the venue's own, where it
    has one that machines can read (Kraken); empty: none."""

    status_page_planes: Mapping[str, tuple[Plane, ...]] | None = None
    """Which of the page's components matter: a regular expression for their names (`Group -
    Component`), and the planes that they carry. None: as known for the venue."""

    status_poll_s: float = 30.0
    """How often the venue is asked how it is, where it tells; every 5 s while it is not online."""

    halt_file: str | None = None
    """New risk is held while a file of this name is there; what it says is the reason. None: the
    journal's name with `.halt` after it; empty: no such file."""

    slots: SlotSettings = field(default_factory=SlotSettings)
    """How many requests may be under way at a time, by what they are for."""

    shadow: bool = False
    """True: breakers measure and hold nothing, to be watched before they are trusted. Bans, limits
    and retry budgets hold all the same."""

    books: BookSettings = field(default_factory=BookSettings)
    """When a quiet, late or unconfirmed book stops being believed."""

    resync: ResyncSettings = field(default_factory=ResyncSettings)
    """How books are put right again: one at a time, paced. A book that could not be mended is tried
    again within a second, with a small snapshot, which costs 5 of USD-M's 2,400 weight a minute."""

    fast_sockets: bool = False
    """Use picows for WebSockets (extra `[fast]`), whose parser is in C. It uses no proxies and does
    not run in `outlast.sim`. For books it was not faster than the default where it was measured:
    see `benchmarks/book_socket.py`."""

    book_ready_s: float = 10.0
    """How long `book` waits for one that may be read. Dial, subscription and snapshot take a second
    on a good day."""

    book_kept_every_s: float = 60.0
    """How often the best levels of the trusted books are written to the journal, for a session that
    starts in an outage. Less than a kilobyte a book."""

    account_poll_s: float = 60.0
    """How often balances, positions and open orders are read while no stream tells of them. Costs
    11 of USD-M's 2,400 weight a minute."""

    streams: bool = False
    """Listen to the venue's stream of the account: orders, fills and balances as they change."""

    account_crosscheck_s: float = 300.0
    """How often what the stream tells is compared with a query, while it is relied upon."""

    order_entry: Literal["rest", "websocket-first"] = "rest"
    """How orders and cancels travel. `websocket-first`: by the venue's socket while that is well,
    by REST otherwise; never by both."""

    account_age_max_s: float = 150.0
    """Older than this they are stale: two polls may fail before reading them raises."""

    clock_resync_s: float = 300.0
    """How often the venue's clock is measured when nothing asks for it sooner. Quartz drifts by a
    few ms in that time; signatures allow 1,000."""

    durability: Literal["process", "power"] = "process"
    """What an intent must survive before its order leaves. `process`: `kill -9` (the operating
    system has it). `power`: a loss of power too; each order then waits for the disk, 1 to 10 ms on
    common drives, and orders that are sent at once share the wait."""

    checkpoint_s: float = 60.0
    """How often the journal's write-ahead log is moved into its file, off the event loop."""

    journal_kept_days: float | None = None
    """Once a day, what is older than this and not needed is dropped from the journal, off the event
    loop: evidence, and orders that are final. What is left can still be verified. None: nothing is
    ever dropped; `outlast journal prune` does it by hand, and keeps a copy where asked to."""

    events_max: int = 10_000
    """How many events a reader of `events()` may be behind before the oldest are dropped."""

    seed: int | None = None
    """Makes every random choice (jitter, ids) repeat. For tests; None for real use."""

    def __post_init__(self) -> None:
        if not 0 < self.valid_for_s <= 60:
            raise ValueError(
                f"valid_for_s is {self.valid_for_s}; the venues allow more than 0 and at most 60"
            )
        if self.order_entry not in ("rest", "websocket-first"):
            raise ValueError(
                f"order_entry is {self.order_entry!r}; choose 'rest' or 'websocket-first'"
            )
        if self.journal_kept_days is not None and not self.journal_kept_days >= 1:
            raise ValueError(
                f"journal_kept_days is {self.journal_kept_days}; it must be 1 or more, or None"
            )
        if self.durability not in ("process", "power"):
            raise ValueError(f"durability is {self.durability!r}; choose 'process' or 'power'")
        for name in (
            "account_poll_s",
            "account_age_max_s",
            "account_crosscheck_s",
            "clock_resync_s",
            "checkpoint_s",
            "status_poll_s",
            "book_ready_s",
            "book_kept_every_s",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
