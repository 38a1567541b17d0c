"""A real Chromium, for tests and benchmarks."""

from __future__ import annotations

import os
import shutil

from playwright.sync_api import Browser, Playwright

FLAGS = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]


def launch(playwright: Playwright, *flags: str) -> Browser:
    """Launches the system's Chromium, or the one that Playwright installed."""
    system = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return playwright.chromium.launch(executable_path=system, args=[*FLAGS, *flags, *(["--no-sandbox"] if as_root else [])])
