"""Checks the types of the page's scripts with tsc and holds the number of errors to what it was: it may only fall.

python -m tests.support.type_errors
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ALLOWED = 0  # lower this whenever errors are fixed

ROOT = Path(__file__).parent.parent.parent
TSC = [".venv/bin/node", ".venv/node/node_modules/typescript/bin/tsc"]


def main() -> None:
    """Exits with a message if there are more errors than allowed, or fewer."""
    checked = subprocess.run([*TSC, "--project", "ui/jsconfig.json"], cwd=ROOT, capture_output=True, text=True)
    found = len(re.findall(r"\berror TS\d+:", checked.stdout))
    if checked.returncode and not found:
        sys.exit(checked.stdout + checked.stderr)
    if found > ALLOWED:
        sys.exit(f"{checked.stdout}{found} type errors in the page's scripts; {ALLOWED} are allowed.")
    if found < ALLOWED:
        sys.exit(f"Only {found} type errors are left in the page's scripts. Lower ALLOWED in tests/support/type_errors.py to {found}.")
    print(f"Type errors in the page's scripts: {found}, as many as allowed.")


if __name__ == "__main__":
    main()
