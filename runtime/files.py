"""Text files in and out: read whole and checked, written whole or not at all."""
import os
import sys
from pathlib import Path

from runtime.errors import UserError


def read_lines(path: str | Path) -> list[str]:
    """The lines of a UTF-8 text file, or of standard input for "-"; without line ends, blank lines as "".

    Raises UserError for a file that cannot be read, is not UTF-8 text or has nothing but white space.
    """
    name = "standard input" if str(path) == "-" else str(path)
    try:
        text = (sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()).decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror}); name a text file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if not text.strip():
        raise UserError(f"{name}: empty; expected a text a line")
    return [line.strip() for line in text.split("\n")]


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file as a whole or not at all. Raises UserError if that fails, as on a full disk."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"{path}: could not be written ({error.strerror}); nothing was left behind") from None
