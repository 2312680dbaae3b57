"""What a session hands out of its account: mappings that do not give away what may be untrue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from outlast.client.account import Account
from outlast.client.instruments import Instruments
from outlast.errors import StaleData
from outlast.model import Balance, Position

__all__ = ["Balances", "Positions"]


class Balances(Mapping[str, Balance]):
    """Balances by currency. Reading a stale one raises; `peek` never does."""

    def __init__(self, account: Account, venue: str) -> None:
        self._account = account
        self._venue = venue

    def peek(self, currency: str) -> Balance:
        return self._account.balance(currency)

    def __getitem__(self, currency: str) -> Balance:
        """Raises StaleData when the balance may no longer be true; `.peek` gives it anyway."""
        balance = self.peek(currency)
        if balance.is_stale:
            raise _stale_error("balance", currency, balance.reason, self._account, self._venue)
        return balance

    def __iter__(self) -> Iterator[str]:
        return iter(self._account.known("balances"))

    def __len__(self) -> int:
        return len(self._account.known("balances"))


class Positions(Mapping[str, Position]):
    """Positions by symbol; a symbol without one gives quantity 0. Iterates over the open ones."""

    def __init__(self, account: Account, instruments: Instruments, venue: str) -> None:
        self._account = account
        self._instruments = instruments
        self._venue = venue

    def peek(self, symbol: str) -> Position:
        return self._account.position(self._instruments[symbol].symbol)

    def __getitem__(self, symbol: str) -> Position:
        """Raises StaleData when the position may no longer be true; `.peek` gives it anyway."""
        position = self.peek(symbol)
        if position.is_stale:
            raise _stale_error("position", symbol, position.reason, self._account, self._venue)
        return position

    def __iter__(self) -> Iterator[str]:
        return iter(self._account.known("positions"))

    def __len__(self) -> int:
        return len(self._account.known("positions"))


def _stale_error(noun: str, name: str, reason: str, account: Account, venue: str) -> StaleData:
    age_s = account.age_s(f"{noun}s")
    return StaleData(
        f"the {noun} of {name} at {venue} may not be true: {reason}; "
        f"{noun}s.peek({name!r}) gives what was last believed, with its age",
        age_s=age_s,
        venue=venue,
    )
