"""Keeps signatures, tokens and listen keys out of what the libraries below log by themselves.

An application that configures logging hears httpx tell each URL at INFO, signature and all, and
websockets each handshake and frame at DEBUG, with the tokens in them. Logs are kept, copied and
pasted into tickets; these are secrets for as long as they are valid.
"""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["hide_debug", "hide_queries"]

_SIGNED: Final = "signature="


def hide_debug(logger: logging.Logger) -> None:
    """Drop what is told at DEBUG, also where the application asks for it."""
    logger.setLevel(logging.INFO)  # so that it is not even made
    logger.addFilter(_above_debug)


def hide_queries(logger: logging.Logger) -> None:
    """Cut signed URLs off before their query; others are told as they are."""
    logger.addFilter(_without_signature)


def _above_debug(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


def _without_signature(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(
            str(part).partition("?")[0] if _SIGNED in str(part) else part for part in record.args
        )
    return True
