"""What a bot says it knows: optional, and only ever compared with the truth.

Nothing else in a verdict is taken from a bot's word. The JSON is described in `docs/mock.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

__all__ = [
    "OPEN",
    "Belief",
    "BeliefError",
    "JournalBelief",
    "StaleMark",
    "VenueBelief",
    "same_status",
]

OPEN: Final = "open"
_STATUS_WORDS: Final[Mapping[str, str]] = {
    "new": OPEN,
    "open": OPEN,
    "accepted": OPEN,
    "untriggered": OPEN,
    "partially_filled": "partially_filled",
    "filled": "filled",
    "closed": "filled",
    "canceled": "canceled",
    "cancelled": "canceled",
    "expired": "expired",
    "rejected": "rejected",
    "denied": "rejected",
    "not_placed": "absent",
    "absent": "absent",
    "lost": "absent",
    "unknown": "unknown",
    "submitted": "unknown",
}
"""Words for one order's state, any case. `canceled` and `expired` are one for most clients and are
compared as one (see `same_status`)."""


_OF_A_VENUE: Final = frozenset({"orders", "positions", "balances"})
_OF_ALL: Final = frozenset({"account", "venues", "stale", "journal", "version"})


class BeliefError(ValueError):
    """The belief is not of the documented shape; the message names the field and the remedy."""


@dataclass(frozen=True, slots=True)
class StaleMark:
    """The bot took a book for untrue from `at_ms` until `until_ms` (None: until the end)."""

    symbol: str
    at_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class JournalBelief:
    records: int
    verified: bool
    """The chain of the journal was checked and holds."""
    requests: int
    """Requests with a record of their own."""
    doubled: int
    """Ordinals that the journal names more than once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueBelief:
    """What the bot believes of one venue; None where it says nothing."""

    orders: Mapping[str, str] | None = None
    positions: Mapping[str, Decimal] | None = None
    balances: Mapping[str, Decimal] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """A bot's picture of itself at the end of the run.

    `anywhere` is a picture that names no venue; it is meant for the only one.
    """

    anywhere: VenueBelief = VenueBelief()
    venues: Mapping[str, VenueBelief] = field(default_factory=dict)
    account: str | None = None
    """Whose belief it is, where several accounts are judged; None: everybody's."""
    stale: tuple[StaleMark, ...] | None = None
    journal: JournalBelief | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any] | None) -> Belief | None:
        """Read the JSON of a belief; None stays None.

        Raises:
            BeliefError: a field has the wrong shape or an unknown name.
        """
        if document is None:
            return None
        _expect(document, Mapping, "belief", "an object")
        _know(document, _OF_A_VENUE | _OF_ALL, "belief")
        venues = document.get("venues", {})
        _expect(venues, Mapping, "belief.venues", "an object keyed by venue")
        stale, account = document.get("stale"), document.get("account")
        if account is not None:
            _expect(account, str, "belief.account", "the name of an account")
        return cls(
            anywhere=_venue(document, "belief"),
            venues={
                name: _venue(_only(picture, f"belief.venues.{name}"), f"belief.venues.{name}")
                for name, picture in venues.items()
            },
            account=account,
            stale=None if stale is None else _stale(stale),
            journal=_journal(document.get("journal")),
        )


def same_status(believed: str, true: str) -> bool:
    """Whether two of the normalised words mean the same end or the same life."""
    over = {"canceled", "expired"}
    return believed == true or (believed in over and true in over)


def _know(document: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(set(document) - known)
    if unknown:
        raise BeliefError(f"{where}: unknown field {unknown[0]!r}; known are {_list(known)}")


def _only(document: Any, where: str) -> Mapping[str, Any]:
    """`document`, which may say nothing but what is one venue's."""
    _expect(document, Mapping, where, "an object")
    _know(document, _OF_A_VENUE, where)
    found: Mapping[str, Any] = document
    return found


def _venue(document: Mapping[str, Any], where: str) -> VenueBelief:
    orders = document.get("orders")
    if orders is not None:
        _expect(orders, Mapping, f"{where}.orders", "an object {client_order_id: status}")
        orders = {name: _status(word, f"{where}.orders.{name}") for name, word in orders.items()}
    return VenueBelief(
        orders=orders,
        positions=_amounts(document.get("positions"), f"{where}.positions"),
        balances=_amounts(document.get("balances"), f"{where}.balances"),
    )


def _status(word: Any, where: str) -> str:
    found = _STATUS_WORDS.get(word.lower()) if isinstance(word, str) else None
    if found is None:
        raise BeliefError(f"{where}: expected one of {_list(_STATUS_WORDS)}, found {word!r}")
    return found


def _amounts(document: Any, where: str) -> dict[str, Decimal] | None:
    if document is None:
        return None
    _expect(document, Mapping, where, "an object of amounts")
    return {name: _amount(value, f"{where}.{name}") for name, value in document.items()}


def _amount(value: Any, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise BeliefError(f'{where}: expected an amount as text, such as "0.5", found {value!r}')
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise BeliefError(f"{where}: expected a decimal number, found {value!r}") from error
    if not amount.is_finite():
        raise BeliefError(f"{where}: expected a finite number, found {value!r}")
    return amount


def _stale(document: Any) -> tuple[StaleMark, ...]:
    _expect(document, list, "belief.stale", "a list")
    marks = []
    for index, item in enumerate(document):
        where = f"belief.stale[{index}]"
        _expect(item, Mapping, where, "an object {symbol, at_ms, until_ms?}")
        symbol, at_ms, until_ms = item.get("symbol"), item.get("at_ms"), item.get("until_ms")
        _expect(symbol, str, f"{where}.symbol", "a symbol")
        marks.append(
            StaleMark(
                symbol,
                _whole(at_ms, f"{where}.at_ms"),
                None if until_ms is None else _whole(until_ms, f"{where}.until_ms"),
            )
        )
    return tuple(marks)


def _journal(document: Any) -> JournalBelief | None:
    if document is None:
        return None
    _expect(document, Mapping, "belief.journal", "an object {records, verified, requests}")
    verified = document.get("verified")
    _expect(verified, bool, "belief.journal.verified", "true or false")
    requests, doubled = document.get("requests"), 0
    if isinstance(requests, list):
        ordinals = [_whole(n, "belief.journal.requests[]") for n in requests]
        requests, doubled = len(set(ordinals)), len(ordinals) - len(set(ordinals))
    elif isinstance(requests, Mapping):
        requests = sum(_whole(n, f"belief.journal.requests.{k}") for k, n in requests.items())
    return JournalBelief(
        records=_whole(document.get("records"), "belief.journal.records"),
        verified=verified,
        requests=_whole(requests, "belief.journal.requests"),
        doubled=doubled,
    )


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BeliefError(f"{where}: expected a whole number from 0 up, found {value!r}")
    return value


def _expect(value: Any, kind: type, where: str, shape: str) -> None:
    if not isinstance(value, kind):
        raise BeliefError(f"{where}: expected {shape}, found {value!r}")


def _list(words: Any) -> str:
    return ", ".join(sorted(words))
