"""Stopping cleanly when asked to."""
import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Yields a list in which SIGINT and SIGTERM are noted, as often as they come; whoever works looks at it.

    A repeated signal is no order to die at once: torchrun passes on what the terminal has sent already. SIGKILL and
    SIGQUIT still end the program; what is on disk stands that.
    """
    noted: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: noted.append(number))
              for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
