"""Lines on standard output and standard error."""
import os
from typing import TextIO

from runtime.errors import UserError


def report(line: str, stream: TextIO) -> None:
    """Prints a line at once. Raises UserError where the stream leads to a full disk or a closed pipe."""
    try:
        print(line, file=stream, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # else Python tries again, and fails aloud, at exit
        raise UserError(f"standard output could not be written ({error.strerror}); the files are complete") from None
