"""A command in a process that ends with the one that started it, however that ends.

python -m model.attached pace --preset lesson

The child's standard input is a pipe whose other end the parent holds open. The system closes it with the parent, also where that was
killed; the child waits for this in a thread.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any


@contextlib.contextmanager
def attached(arguments: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Starts `python -m model` with these arguments, attached to this process, and waits for it at the end of the block.

    Args:
        options: of `subprocess.Popen`, except for stdin.
    """
    theirs, ours = os.pipe()
    with open(ours, "wb"):
        with open(theirs, "rb") as stdin:
            child = subprocess.Popen([sys.executable, "-m", "model.attached", *arguments], stdin=stdin, **options)
        with child:
            yield child


def _end_with_stdin() -> None:
    os.read(0, 1)  # not through sys.stdin, which could not be closed meanwhile
    os.kill(os.getpid(), signal.SIGTERM)  # so that temporary files are deleted


if __name__ == "__main__":
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    runpy.run_module("model", run_name="__main__", alter_sys=True)
