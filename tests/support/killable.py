"""An app that is killed in the middle and started again at the same address, as pages in browsers see it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tests.support.server import ROOT, free_port, wait_until_healthy


class KillableApp:
    """A real app at an address of its own, which it keeps.

    Args:
        arguments: of the command line, without the port.
    """

    def __init__(self, *arguments: str):
        self._port, self._arguments = free_port(), arguments
        self._process: subprocess.Popen | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self._process = subprocess.Popen([sys.executable, "app.py", "--port", str(self._port), *self._arguments], cwd=ROOT)
        wait_until_healthy(self.url, self._process)

    def kill(self) -> None:
        """Kills it with SIGKILL: it can save nothing more."""
        if self._process:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def killable_app(*arguments: str) -> Iterator[KillableApp]:
    """A started app; it is gone at the end."""
    app = KillableApp(*arguments)
    try:
        app.start()
        yield app
    finally:
        app.kill()
