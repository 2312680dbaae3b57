"""`outlast COMMAND`: exit 0 ok, 1 the thing checked does not hold, 2 usage."""

from __future__ import annotations

import sys
from typing import Final

__all__ = ["main"]

_NEEDS: Final = "mock,cli"


def main() -> None:
    """Run the command line; say in one line what is missing when its extras are not installed."""
    try:
        from outlast.cli.commands import app  # noqa: PLC0415 - the extras are asked for only here
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "outlast":
            raise
        message = f"outlast: {error.name} is not installed; try: pip install 'outlast[{_NEEDS}]'"
        print(message, file=sys.stderr)
        sys.exit(2)
    app()
