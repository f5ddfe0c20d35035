"""Lines on standard output and standard error, also where these are closed, full or of a narrow encoding."""
import contextlib
import os
import re
import sys
from typing import TextIO

from hparams import UserError

# Control characters, line separators and marks that change the writing direction. Line feed and tab are harmless.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def open_closed_streams() -> None:
    """Opens the null device for each standard stream that is closed. Every script calls this first.

    Otherwise the next file to be opened would get the stream's number, and whatever a library prints would be written
    into that file. sys.stdin and sys.stdout stay None, so that "-" can be refused; sys.stderr discards what it gets.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")


def stdout_descriptor() -> int:
    """Returns the number of standard output, to write bytes to. Raises UserError if it is closed."""
    if sys.stdout is None:
        raise UserError("-o -: standard output is closed; name a file")
    return sys.stdout.fileno()


def printable(text: str) -> str:
    """Replaces control characters, which could command the terminal, by escapes such as \\x1b."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def one_line(text: object) -> str:
    """Returns str(text) on a single line, without control characters."""
    return printable(" ".join(str(text).split()))


def print_result(line: str) -> None:
    """Prints a line on standard output at once. Does nothing if it is closed.

    Raises UserError if it leads to a full disk or a closed pipe.
    """
    try:
        _print(line, sys.stdout)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again, and fails, at exit
        raise UserError(f"standard output could not be written ({error.strerror}); the files are complete") from None


def print_notice(line: str) -> None:
    """Prints a line on standard error at once. Does nothing if that is closed or fails."""
    with contextlib.suppress(OSError):
        _print(line, sys.stderr)


def _print(line: str, stream: TextIO | None) -> None:
    """Prints a line, if the stream is open, in an encoding that it can write."""
    if stream is None or getattr(stream, "closed", False):  # print(file=None) would print on standard output
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(printable(line).encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
