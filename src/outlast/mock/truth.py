"""The truth of one run: what was asked, what was told, what really happened.

The pipeline reports everything as it happens, in venue time; the truth never reads a clock, never
asks a bot, and decides nothing. Intents, verdict and scorecard are computed from it on demand, for
any client in any language. The JSON documents are described in `docs/mock.md` and carry `VERSION`.

Memory: what is closed is folded into sums (`folding.py`), so that an endless run stays small.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from outlast.mock.asked import Asked, Crowd
from outlast.mock.belief import Belief
from outlast.mock.conditions import Conditions, Dial, Quote, Steps
from outlast.mock.engine.events import EngineEvent, OrderSnapshot, TradeEvent
from outlast.mock.folding import fold
from outlast.mock.history import AccountHistory, History, OrderHistory, Standing
from outlast.mock.intents import Intent, Unknown, sends_of, unknowns
from outlast.mock.past import Past, bounds_of
from outlast.mock.records import RequestRecord, Told
from outlast.mock.scenario.defaults import to_instrument
from outlast.mock.scenario.model import InstrumentSpec, Scenario
from outlast.mock.scorecard import cost_of, scorecard, troubled_phases
from outlast.mock.traffic import Row, Traffic, settled_ms, state_ms
from outlast.mock.truth_document import (
    VERSION,
    requests_document,
    truth_document,
    verdict_document,
)
from outlast.mock.verdict import judge

__all__ = ["VERSION", "Truth"]

_NOBODY: Final = ""
"""Whose requests count for every account."""


class Truth:
    """Everything the mock saw of one run. `history`, `traffic` and `conditions` are its parts."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        reads_max: int = 4_000,
        open_max: int = 20_000,
        refused_max: int = 250,
        fold_every: int = 1_000,
    ) -> None:
        """Begin an empty truth.

        `reads_max` whole records of reads are kept for `requests_json`, and as many of the newest
        writes. `open_max` and `refused_max`: see `folding.py`. It is done with every `fold_every`
        requests; less often when more than twice as much is kept.
        """
        self.scenario = scenario
        self.history = History()
        self.traffic = Traffic(reads_max=reads_max)
        self.conditions = Conditions()
        self.now_ms = scenario.t0_ms
        """The latest venue time that anything was reported for: the end of the run so far."""
        self.shown_balances: dict[str, Callable[[str, Decimal], Decimal]] = {}
        """By venue: an amount of a currency as its answers show it."""
        self.engines: dict[str, Callable[[str], Standing | None]] = {}
        """By venue: how an account stands now; None for one that the engine does not know."""
        self.on_change: Callable[[], None] | None = None
        """Called after anything but prices was reported; for those who look on."""
        self._absent: dict[str, dict[tuple[str, str], array[int]]] = {}
        self._changes = 0
        self._intents: dict[str, tuple[int, list[Intent]]] = {}
        self._asked: dict[str, tuple[int, Asked]] = {}
        self._troubled = troubled_phases(scenario)
        asked = Asked(
            bounds=bounds_of(scenario, "requests_total", "connects_max"),
            keeps_arrivals=scenario.expectation("breaker_scope") is not None,
        )
        self._pasts = {_NOBODY: Past(asked=asked)}
        self._open_max, self._refused_max = open_max, refused_max
        self._fold_every = fold_every
        self._folded_at = 0  # how many requests there were when it was folded last

    # -- reports of the pipeline --------------------------------------------------------------

    def advance(self, at_ms: int) -> None:
        """The run has come as far as `at_ms`, whether anything happened or not."""
        self.now_ms = max(self.now_ms, at_ms)
        self._changes += 1

    def open_account(
        self,
        at_ms: int,
        venue: str,
        account: str,
        *,
        balances: Mapping[str, Decimal],
        positions: Mapping[str, Decimal],
        orders: Iterable[OrderSnapshot] = (),
    ) -> None:
        """An account begins with these totals, signed positions and resting orders."""
        self.advance(at_ms)
        self.history.open_account(
            at_ms, venue, account, balances=balances, positions=positions, orders=orders
        )

    def request(self, record: RequestRecord) -> None:
        """One request is settled: its reply has left, or will never leave.

        Report each once; at the end of a run those still hanging too (`replied_ms` None). The
        record belongs to the truth from here on, but `order_ids` and `landed` may still be set when
        a queued request lands.
        """
        at_ms = settled_ms(record)
        self.advance(max(record.arrived_ms, record.replied_ms or 0))
        self.traffic.note(record)
        shown = set(record.shown)
        if record.endpoint == "orders.create" and record.told is Told.OK:
            shown.update(record.order_ids)
        for order_id in sorted(shown):
            self.history.show(record.venue, order_id, at_ms, state_ms(record))
        for name in record.told_absent:
            mine = self._absent.setdefault(record.account or "", {})
            mine.setdefault((record.venue, name), array("q")).append(state_ms(record))
        self._tell()

    def engine_event(self, venue: str, event: EngineEvent) -> None:
        """One event of a venue's engine, at the latest when the venue reports it.

        Prints of the public tape are not wanted: listen with `public_trades=False`.
        """
        self.advance(event.trade.at_ms if isinstance(event, TradeEvent) else event.at_ms)
        self.history.take(venue, event)
        self._tell()

    def shown(self, at_ms: int, venue: str, order_ids: Iterable[int]) -> None:
        """A stream has told the owner of these orders how they stand."""
        self.advance(at_ms)
        for order_id in order_ids:
            self.history.show(venue, order_id, at_ms, at_ms)
        self._tell()

    def voided(self, at_ms: int, venue: str, order_id: int) -> None:
        """An accepted order has vanished without an event (`apply_then_void`)."""
        self.advance(at_ms)
        self.history.void(venue, order_id, at_ms)
        self._tell()

    def forgotten(self, at_ms: int, venue: str, order_ids: Iterable[int]) -> None:
        """The venue no longer knows these orders: no answer and no stream will tell of them."""
        self.advance(at_ms)
        for order_id in order_ids:
            self.history.forgotten(venue, order_id, at_ms)

    def complete_until(self, at_ms: int) -> None:
        """Nothing that happened before `at_ms` will be reported any more.

        Report it now and then: then what is closed need not be kept.
        """
        kept = self.traffic.backlog + sum(len(past.runs.sends) for past in self._pasts.values())
        if len(self.traffic) - self._folded_at >= max(self._fold_every, kept // 2):
            fold(self, at_ms, open_max=self._open_max, refused_max=self._refused_max)
            self._folded_at = len(self.traffic)
            self._changes += 1
            for account in self._pasts:
                self.look_away(account)

    def willing(self, at_ms: int, account: str, yes: bool) -> None:
        """Whether the venue would now let the next exit of `account` through to the engine.

        Report it after the reply to each exit and at each change of what the scenario does.
        """
        self.advance(at_ms)
        self.conditions.be_willing(at_ms, account, yes=yes)

    def connect(
        self, at_ms: int, kind: str, outcome: str, *, venue: str = "", account: str | None = None
    ) -> None:
        """One dial: `kind` is the endpoint class (`ws.market.connect`) or `http`; `outcome` is
        `accepted`, `refused` (by the scenario) or `banned` (too many dials)."""
        self.advance(at_ms)
        self.conditions.dialled(Dial(at_ms, kind, outcome, venue, account))

    def phase(self, at_ms: int, name: str, *, mode: str = "", venue: str = "") -> None:
        """A phase begins; `mode` is the engine's mode on `venue` (on every one for "")."""
        self.advance(at_ms)
        self.conditions.phases.put_change(at_ms, name)
        if mode:
            self.conditions.modes[venue] = mode

    def lies(self, at_ms: int, what: Iterable[str], *, venue: str = "") -> None:
        """From now on exactly `what` is not the truth; empty: all is true again.

        Words: `balances:zero` `balances:empty` `balances:stale`, `positions:zero`
        `positions:stale`, `mark:frozen` `mark:shifted`, `book` or `book:<symbol>` (the book that
        clients get stands still, or is not the engine's). `venue` "" means every venue.
        """
        self.advance(at_ms)
        self.conditions.lie(at_ms, [what] if isinstance(what, str) else what, venue)
        self._tell()

    def market(
        self,
        at_ms: int,
        symbol: str,
        venue_price: Decimal,
        peer_price: Decimal,
        mark: Decimal | None,
        *,
        venue: str = "",
    ) -> None:
        """The price here, at the peers (undisturbed) and the mark; None on spot.

        Report it about once a second and before every `orders.create`; what did not move is not
        kept.
        """
        self.advance(at_ms)
        self.conditions.quote(at_ms, venue, symbol, Quote(venue_price, peer_price, mark))

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change()

    # -- what follows from it -----------------------------------------------------------------

    def accounts(self) -> list[str]:
        """The accounts to judge: those that sent anything, or all when none did."""
        return self.traffic.accounts() or self.history.accounts()

    def intents(self, account: str) -> list[Intent]:
        """The intents of `account` that are kept, oldest first."""
        known = self._intents.get(account)
        if known is None or known[0] != self._changes:
            fresh = sends_of(self.traffic.fresh_writes(account))
            found = self.past(account).runs.with_fresh(fresh, self.history.of(account))
            known = self._intents[account] = (self._changes, found)
        return known[1]

    def asked(self, account: str) -> Asked:
        """What `account` has asked of the venues."""
        known = self._asked.get(account)
        if known is None or known[0] != self._changes:
            asked = self.past(account).asked.copy()
            asked.take(
                arrived=self.traffic.arrivals(account),
                settled=self.traffic.rows(account),
                quiets=[q for q in self.traffic.quiets if q.account in (None, account)],
                dials=self._dials(account, asked.until_ms),
                is_outage=self._is_outage,
            )
            known = self._asked[account] = (self._changes, asked)
        return known[1]

    def _dials(self, account: str, since_ms: int, until_ms: int = 1 << 62) -> list[Dial]:
        return [
            dial
            for dial in self.conditions.dials
            if since_ms <= dial.at_ms < until_ms and dial.account in (None, account)
        ]

    def _is_outage(self, at_ms: int) -> bool:
        if at_ms >= self.now_ms:
            return False
        return self.conditions.phases.at(at_ms, "") in self._troubled

    def past(self, account: str) -> Past:
        """What is not kept whole any more of `account`."""
        return self._pasts.get(account, self._pasts[_NOBODY])

    def unknowns(self, account: str) -> list[Unknown]:
        """The sends of `account` that are kept and whose reply left their fate open."""
        fates = [send.bare() for send in self.past(account).runs.fates]
        return unknowns(self.intents(account), fates, self._absent.get(account, {}))

    def absent_times(self, account: str, venue: str, client_order_id: str) -> Sequence[int]:
        """When complete answers told `account` that there is no order of this client order id."""
        return self._absent.get(account, {}).get((venue, client_order_id), ())

    def lost(self, account: str) -> list[OrderHistory]:
        """The orders that were live or filled and that the client was never shown, as kept.

        An order that a triggered one became is known when either was shown after that.
        """
        return [
            order
            for history in self.history.of(account)
            for order in history.orders.values()
            if order.existed and not order.vanished and not _known(order, history)
        ]

    def instrument(self, venue: str, symbol: str) -> InstrumentSpec | None:
        """What `venue` lists as `symbol`, spelled as the scenario, the wire or a unified notation
        (`BTC/USDT:USDT`) does."""
        plain = symbol.split(":", maxsplit=1)[0].replace("/", "")
        listed = self.scenario.world.listed_on(venue)
        for names in ((symbol,), (symbol, plain)):
            for spec in listed:
                if spec.symbol in names or spec.venue_symbol in names:
                    return spec
        return None

    def standing(self, venue: str, account: str) -> Standing | None:
        """How an account stands at this instant; None where no engine is there to be asked."""
        ask = self.engines.get(venue)
        return None if ask is None else ask(account)

    def traded_as(self, venue: str, symbol: str) -> str:
        """The engine's name for `symbol`, which is that on the wire; `symbol` if not listed."""
        spec = self.instrument(venue, symbol)
        return symbol if spec is None else spec.venue_symbol

    def quotes(self, venue: str, symbol: str) -> Steps[Quote] | None:
        """The prices of `symbol` on `venue` over time; None when none were reported."""
        spec = self.instrument(venue, symbol)
        return self.conditions.quotes(venue, symbol if spec is None else spec.symbol)

    def qty_step(self, venue: str, symbol: str) -> Decimal:
        """The smallest difference of two quantities of `symbol`; zero for one not listed."""
        spec = self.instrument(venue, symbol)
        return Decimal(0) if spec is None else to_instrument(spec, venue).qty_step

    def verdict(
        self, belief: Mapping[str, Any] | None = None, *, account: str | None = None
    ) -> list[dict[str, Any]]:
        """The scenario's `expect`, judged: `[{"invariant", "holds", "evidence"}]`, in its order.

        All accounts that took part are judged, or only `account`.

        Raises:
            BeliefError: the belief is not of the documented shape.
        """
        return judge(self, Belief.read(belief), account=account)

    def scorecard(self, account: str, belief: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The measures of one account, as `docs/mock.md` describes them."""
        Belief.read(belief)  # a wrong belief is told, though no measure is taken from it
        return scorecard(self, account)

    # -- letting go (see `folding.py`) --------------------------------------------------------

    def begin_pasts(self) -> list[str]:
        """Every account that has a past from here on, and nobody in particular first."""
        dialled = {dial.account or _NOBODY for dial in self.conditions.dials}
        known = {*self.traffic.accounts(), *self.history.accounts(), *dialled}
        for account in sorted(known):
            if account not in self._pasts:
                self._pasts[account] = self._pasts[_NOBODY].copy()
        return list(self._pasts)

    def look_away(self, account: str) -> None:
        """Keep nothing of what has been computed of an account: it changes, and takes room."""
        self._intents.pop(account, None)
        self._asked.pop(account, None)

    def take_asked(self, until_ms: int) -> None:
        """Let every account's sums take what was asked before `until_ms`."""
        arrived, settled = map(_by_account, self.traffic.take_out(until_ms))
        nobodys = sorted(arrived.get(None, ()), key=lambda row: (row.arrived_ms, row.ordinal))
        crowd = Crowd(nobodys, settled.get(None, []))
        crowd.in_outage = sum(self._is_outage(row.arrived_ms) for row in nobodys)
        begun = [quiet for quiet in self.traffic.quiets if quiet.start_ms < until_ms]
        for account, past in self._pasts.items():
            quiets = [quiet for quiet in begun if quiet.account in (None, account)]
            came, ended = arrived.get(account, []), settled.get(account, [])
            if not past.asked.add(crowd, arrived=came, settled=ended, quiets=quiets):
                came, ended = came + crowd.arrived, ended + crowd.settled
            past.asked.take(
                arrived=came,
                settled=ended,
                quiets=quiets,
                dials=self._dials(account, past.asked.until_ms, until_ms),
                is_outage=self._is_outage,
            )
            past.asked.until_ms = until_ms
            self.look_away(account)

    def drop_orders(self, history: AccountHistory, order_ids: Collection[int]) -> None:
        """Keep the sums of these orders and their fills."""
        self.history.drop(history, order_ids, lambda fill: cost_of(self, history.venue, fill))

    def forget_before(self, at_ms: int) -> None:
        """Nobody will ask for prices, positions and answers before `at_ms` any more."""
        self.conditions.forget_before(at_ms)
        for history in self.history.all():
            # What an account looked like when a stale picture of it was taken is still needed.
            lying = self.conditions.running_lies(history.venue)
            history.forget_before(min([at_ms, *lying.values()]))
        for account, told in self._absent.items():
            names = {
                (send.record.venue, send.facts.client_order_id)
                for send in (*self.past(account).runs.sends, *self.past(account).runs.fates)
            }
            names |= {
                (history.venue, order.client_order_id)
                for history in self.history.of(account)
                for order in history.orders.values()
            }
            self._absent[account] = {
                name: times for name, times in told.items() if name in names or times[-1] >= at_ms
            }

    # -- JSON (see `truth_document.py`) -------------------------------------------------------

    def verdict_json(self, belief: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The document of `/_outlast/verdict`.

        Raises:
            BeliefError: the belief is not of the documented shape.
        """
        return verdict_document(self, belief)

    def as_json(self) -> dict[str, Any]:
        """The document of `GET /_outlast/truth`."""
        return truth_document(self)

    def requests_json(
        self,
        endpoint: str | None = None,
        *,
        last: int | None = None,
        waiting: Iterable[RequestRecord] = (),
    ) -> dict[str, Any]:
        """The document of `GET /_outlast/requests`; `endpoint` keeps one class of them.

        `last` keeps the newest so many of those that are settled. `waiting` are the requests under
        way: what they were told is null.
        """
        return requests_document(self.traffic, endpoint, last=last, waiting=waiting)


def _by_account(rows: Iterable[Row]) -> dict[str | None, list[Row]]:
    found: dict[str | None, list[Row]] = {}
    for row in rows:
        found.setdefault(row.account, []).append(row)
    return found


def _known(order: OrderHistory, history: AccountHistory) -> bool:
    if order.shown_ms is not None:
        return True
    parent = history.orders.get(order.triggered_from or 0)
    newest = None if parent is None else parent.shown_state_ms
    return newest is not None and newest >= order.created_ms
