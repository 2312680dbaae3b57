"""Tokens for the WebSocket: valid for 15 minutes, and longer while a private stream uses them.

Source: Kraken docs, Get Websockets Token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from outlast.mock.venues.kraken_spot.ids import text_of

__all__ = ["VALID_S", "Tokens"]

VALID_S: Final = 900


@dataclass(slots=True)
class _Token:
    account: str
    ends_ms: int


class Tokens:
    """The tokens of one venue. It is told the time."""

    def __init__(self, seed: int) -> None:
        self._seed, self._made = seed, 0
        self._tokens: dict[str, _Token] = {}

    def issue(self, account: str, now_ms: int) -> str:
        """A fresh token; the account's older ones stay valid for what is left of their time."""
        self._made += 1
        parts = (self._seed, "token", account, self._made)
        text = text_of(43, *parts).capitalize()
        self._tokens = {t: k for t, k in self._tokens.items() if k.ends_ms > now_ms}
        self._tokens[text] = _Token(account, now_ms + VALID_S * 1000)
        return text

    def account(self, text: str, now_ms: int) -> str | None:
        """Whose token this is, while it is valid."""
        token = self._tokens.get(text)
        return token.account if token is not None and now_ms < token.ends_ms else None

    def keep(self, text: str, now_ms: int) -> None:
        """A connection with a private subscription lives on this token: it does not expire."""
        token = self._tokens.get(text)
        if token is not None and now_ms < token.ends_ms:
            token.ends_ms = now_ms + VALID_S * 1000

    def expire(self, account: str | None = None) -> None:
        """Make the tokens of an account (None: all) invalid at once (`expire_key`)."""
        self._tokens = {t: k for t, k in self._tokens.items() if account not in (None, k.account)}
