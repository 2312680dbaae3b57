"""Where commands write files."""

from __future__ import annotations

from pathlib import Path

from outlast.errors import ConfigurationError

__all__ = ["check_output"]


def check_output(to: Path, journal: Path | None = None) -> None:
    """Raises ConfigurationError where `to` cannot be written, or is the journal that is read."""
    if not to.parent.is_dir():
        raise ConfigurationError(
            f"the output is {str(to)!r}, but there is no folder {str(to.parent)!r}; create it"
        )
    if journal is not None and to.exists() and journal.exists() and to.samefile(journal):
        raise ConfigurationError(
            f"the output is {str(to)!r}, which is the journal itself; name another file"
        )
