"""A real Chromium, for tests and benchmarks."""

from __future__ import annotations

import os
import shutil

from playwright.sync_api import Browser, Playwright

FLAGS = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
WHOLE = ("chromium", "chromium-browser", "google-chrome")
SHELL = "chromium-headless-shell"  # the same engine without windows: it opens a page at half the cost


def launch(playwright: Playwright, *flags: str, shell: bool = False) -> Browser:
    """Launches the system's Chromium, or the one that Playwright installed.

    Args:
        shell: whether the one without windows is preferred. Where there is only one of them, it is that one.
    """
    names = [SHELL, *WHOLE] if shell else [*WHOLE, SHELL]
    system = next(filter(None, map(shutil.which, names)), None)
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return playwright.chromium.launch(executable_path=system, args=[*FLAGS, *flags, *(["--no-sandbox"] if as_root else [])])
