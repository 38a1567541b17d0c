"""How a program of this project begins and ends, whatever its terminal, its reader and its user do. Imports nothing slow.

from model.program import run_program, stop_at_once

if __name__ == "__main__":
    stop_at_once()  # before the other imports

...

if __name__ == "__main__":
    run_program(main)
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

STOPS = [
    signal.SIGINT,
    signal.SIGTERM,
    *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []),
]  # Ctrl-C, a polite kill, a terminal that closes
BY_SIGNAL = 128  # a shell adds it to the number of the signal that ended a program
NOBODY_READS = BY_SIGNAL + 13  # the exit status after SIGPIPE


def stop_at_once() -> None:
    """From now on, Ctrl-C, SIGTERM and a closed terminal end the process at once. For the seconds of the imports, which an exception
    would leave half done and fill the terminal with."""
    on_stop(lambda number, _: os._exit(BY_SIGNAL + number))


def run_program(main: Callable[[], int | None]) -> NoReturn:
    """Runs a program, and ends the process with its exit status at once: threads that still load or measure are not waited for.

    Characters that the terminal cannot show are replaced. Ctrl-C, SIGTERM, a closed terminal, and an output that nobody reads any more
    end the program without a word, with the status that a shell gives them (130, 143, 129 and 141), after all context managers and
    `finally` clauses.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # as stderr does already
    on_stop(lambda number, _: sys.exit(BY_SIGNAL + number))
    try:
        try:
            status: object = main()
        except SystemExit as end:  # from the parser of the command line, or from a signal
            status = end.code
        print(end="", flush=True)  # here, because at the interpreter's end a closed pipe is reported
    except BrokenPipeError:
        status = NOBODY_READS
    os._exit(status if isinstance(status, int) else 0)


def on_stop(handler: Callable[[int, FrameType | None], object]) -> None:
    """Handles the signals that end a program."""
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # what nohup and a script's background ignore stays ignored
            signal.signal(number, handler)
