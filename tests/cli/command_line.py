"""Commands as a shell runs them: in this process where that is enough, else in one of their own."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from unittest import mock

from outlast.cli.main import main

RUN = [sys.executable, "-c", "from outlast.cli.main import main; main()"]


def outlast(*arguments: str, cwd: Path | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr. Neither is a terminal."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        contextlib.chdir(cwd if cwd is not None else Path.cwd()),
        mock.patch.object(sys, "argv", ["outlast", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code
    return code, out.getvalue(), err.getvalue()


def outlast_process(*arguments: str, timeout_s: float = 90) -> tuple[int, str, str]:
    """The same in a fresh process."""
    done = subprocess.run(
        [*RUN, *arguments], timeout=timeout_s, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def complaint(*arguments: str, cwd: Path | None = None) -> str:
    """The one line that a command says when it cannot go on; exit code 2, nothing on stdout."""
    code, out, err = outlast(*arguments, cwd=cwd)
    assert (code, out) == (2, ""), (code, out, err)
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    return err.rstrip("\n")
