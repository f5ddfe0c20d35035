"""Stopping cleanly at SIGINT and SIGTERM."""
import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def catch_signals() -> Iterator[list[int]]:
    """Yields a list to which SIGINT and SIGTERM are appended when they arrive. The caller looks at it between steps.

    A repeated signal does not end the program, because torchrun sends again what the terminal has sent already.
    SIGQUIT and SIGKILL still end it at once.
    """
    caught: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: caught.append(number))
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
