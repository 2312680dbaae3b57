"""What the mock exchange knows, as assertions that say what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

__all__ = ["Truth"]

T = TypeVar("T")

_WORDS: Final = {
    "duplicates": ("no_duplicate_exposure", "orders were made twice for one intent"),
    "lost": ("no_orphans", "orders live, or lived, of which the client was never told"),
    "bans": ("no_ban", "bans were earned"),
    "over_limit": ("no_ban", "requests went over a limit of the venue"),
}


class Truth:
    """Asks the mock. `account` is the one whose key the test was given."""

    def __init__(self, ask: Callable[[Callable[[Any], Any]], Any]) -> None:
        """`ask` calls a function with the running mock, on the mock's own loop."""
        self._ask = ask

    @property
    def scorecard(self) -> dict[str, Any]:
        """The figures of `outlast drill --json` (docs/mock.md)."""
        card: dict[str, Any] = self._ask(lambda mock: mock.truth.scorecard("main"))
        return card

    def verdict(self) -> dict[str, dict[str, Any]]:
        """The scenario's own invariants by name: `holds`, and the evidence."""
        rows = self._ask(lambda mock: mock.truth.verdict(None, account="main"))
        return {row["invariant"]: row for row in rows}

    def orders(self) -> list[str]:
        """Every order that lives or lived, one line each, oldest first."""

        def listed(mock: Any) -> list[str]:
            intents = mock.truth.intents("main")
            return [str(order) for intent in intents for order in intent.orders if order.existed]

        lines: list[str] = self._ask(listed)
        return lines

    def assert_no_duplicates(self) -> None:
        """No intent of the client became two orders."""
        self._assert_none("duplicates")

    def assert_nothing_lost(self) -> None:
        """The client was shown every order that lives or lived."""
        self._assert_none("lost")

    def assert_no_bans(self) -> None:
        """No ban was earned, and no limit exceeded."""
        self._assert_none("bans")
        self._assert_none("over_limit")

    def assert_safe(self) -> None:
        """Nothing twice, nothing lost, no ban."""
        self.assert_no_duplicates()
        self.assert_nothing_lost()
        self.assert_no_bans()

    def assert_holds(self, *invariants: str) -> None:
        """These invariants of the scenario hold; without names all of them."""
        verdict = self.verdict()
        for name in invariants:
            if name not in verdict:
                raise AssertionError(
                    f"the scenario does not judge {name}; it judges {', '.join(verdict) or 'none'}"
                )
        broken = [
            f"{name}: {row['evidence']}"
            for name, row in verdict.items()
            if row["holds"] is False and name in (invariants or verdict)
        ]
        if broken:
            raise AssertionError("the scenario's invariants are broken\n  " + "\n  ".join(broken))

    def _assert_none(self, figure: str) -> None:
        count = self.scorecard[figure]
        if not count:
            return
        invariant, words = _WORDS[figure]
        row = self.verdict().get(invariant)
        evidence = "" if row is None else f"\n  {row['evidence']}"
        orders = self.orders()
        listed = "".join(f"\n  {line}" for line in orders[:20])
        more = f"\n  and {len(orders) - 20} more" if len(orders) > 20 else ""
        raise AssertionError(f"{count} {words}{evidence}\norders at the venue:{listed}{more}")
