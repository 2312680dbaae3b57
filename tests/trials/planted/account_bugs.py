"""Planted bugs: balances, positions, prices, and what may be done while in doubt."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from planting import Plant, planted

from outlast.client.account import Account
from outlast.client.recovery import RecoveryDesk
from outlast.client.session import Session
from outlast.client.upkeep import Upkeep
from outlast.core.plausibility import ZeroGuard
from outlast.core.server_time import ServerClock


@planted("nothing-stale-as-fresh")
def everything_is_dated_now(plant: Plant) -> None:
    """A balance or position is dated when it is handed out, not when it was read."""
    balance, position = Account.balance, Account.position

    def balance_now(self, currency):
        return replace(balance(self, currency), as_of=self._clock.wall())

    def position_now(self, symbol):
        return replace(position(self, symbol), as_of=self._clock.wall())

    plant.setattr(Account, "balance", balance_now)
    plant.setattr(Account, "position", position_now)


@planted("nothing-stale-as-fresh")
def zero_is_believed(plant: Plant) -> None:
    """The venue shows no balances and no positions, and that is that."""
    plant.setattr(ZeroGuard, "_is_fall", lambda *_: False)


@planted("nothing-stale-as-fresh", focus="fills")
def own_fills_do_not_move_the_position(plant: Plant) -> None:
    """Between two polls the position is what the last poll said."""
    plant.setattr(Account, "_note_fill", lambda *_: None)


@planted("nothing-stale-as-fresh")
def fills_are_added_to_a_position_that_has_them(plant: Plant) -> None:
    """A position that was read after a fill is moved by it once more."""
    position, note_fill = Account.position, Account._note_fill
    moved = {}

    def note(self, fill):
        note_fill(self, fill)
        moved[self, fill.order.symbol] = fill.qty

    def position_and_more(self, symbol):
        known = position(self, symbol)
        return replace(known, qty=known.qty + moved.get((self, symbol), 0))

    plant.setattr(Account, "_note_fill", note)
    plant.setattr(Account, "position", position_and_more)


@planted("caches-fresh")
def account_is_not_polled(plant: Plant) -> None:
    """After the start nobody reads balances and positions again."""

    async def idle(self):
        await self._clock.sleep(86_400.0)

    plant.setattr(Upkeep, "poll_for_ever", idle)


@planted("nothing-stale-as-fresh")
def mark_price_is_remembered(plant: Plant) -> None:
    """The first mark price of a symbol is handed out for ever."""
    mark_price = Session.mark_price

    async def remembered(self, symbol):
        known = self.__dict__.setdefault("_marks", {})
        if symbol not in known:
            known[symbol] = await mark_price(self, symbol)
        return known[symbol]

    plant.setattr(Session, "mark_price", remembered)


@planted("nothing-stale-as-fresh")
def balances_are_rounded(plant: Plant) -> None:
    """Amounts pass through a float on their way to the caller."""
    balance = Account.balance

    def rounded(self, currency):
        known = balance(self, currency)
        return replace(known, total=Decimal(round(float(known.total), 2)))

    plant.setattr(Account, "balance", rounded)


@planted("intents-end", "caches-fresh", "nothing-unknown-or-orphaned")
def venue_clock_is_measured_once(plant: Plant) -> None:
    """The venue's time is asked for at the start and never again, whatever it refuses."""
    plant.setattr(ServerClock, "resync_needed", lambda *_: False)
    plant.setattr(ServerClock, "timestamp_refused", lambda *_: None)
    add = ServerClock.add_sample

    def first_only(self, **sample):
        return self._best is None and add(self, **sample)

    plant.setattr(ServerClock, "add_sample", first_only)


@planted("no-risk-before-reconcile", focus="outage")
def risk_returns_at_once(plant: Plant) -> None:
    """As soon as trading answers again new risk is taken: nothing is reconciled first."""
    plant.setattr(RecoveryDesk, "held", lambda _: None)
