"""`outlast halt`: the kill switch from outside, by a file that sessions look for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from outlast.errors import ConfigurationError

__all__ = ["halt", "resume"]

_JOURNAL = Annotated[Path | None, typer.Option(help="The journal of the bot that is to be halted.")]
_FILE = Annotated[Path | None, typer.Option(help="The halt file itself (Settings.halt_file).")]


def halt(
    reason: Annotated[str, typer.Option(help="Why; the bot's errors will say it.")] = "",
    journal: _JOURNAL = None,
    file: _FILE = None,
) -> None:
    """Hold all new risk of a running bot. Its exits and cancels go on.

    It lasts, over restarts too, until `outlast resume` or until the file is removed.
    """
    path = _path(journal, file)
    at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}"
    try:
        path.write_text(f"{reason or 'no reason given'}, {at}\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
    print(f"halted: new risk is held while {path} is there")


def resume(journal: _JOURNAL = None, file: _FILE = None) -> None:
    """Take the halt file away. What `Session.halt` has halted only `Session.resume` ends."""
    path = _path(journal, file)
    try:
        path.unlink()
    except FileNotFoundError:
        print(f"nothing to resume: {path} is not there")
        raise typer.Exit(1) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be removed: {error.strerror}") from error
    print(f"resumed: {path} is gone")


def _path(journal: Path | None, file: Path | None) -> Path:
    if (journal is None) == (file is None):
        raise ConfigurationError("pass either --journal FILE or --file PATH")
    if file is not None:
        return file
    assert journal is not None
    if not journal.exists():
        raise ConfigurationError(
            f"journal {str(journal)!r} does not exist, so no bot would look there; check the path"
        )
    return journal.with_name(f"{journal.name}.halt")
