"""Files: checked before use, text read whole, every output written whole or not at all."""
import contextlib
import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from hparams import UserError


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "wb", sync: bool = False,
                 advice: str = "choose an existing folder with room in it") -> Iterator[IO[Any]]:
    """Yields an open temporary file in the folder of `path`, and renames it to `path` when the block ends.

    On Linux the temporary file has no name until it is complete, so a killed process leaves nothing.
    mode: "wb", or "w" for UTF-8 text. sync: wait until the data is on the disk before the rename. The file gets the
    permissions that open() would give it. The block must do nothing but write: any OSError in it becomes a UserError
    "PATH: could not be written (REASON); ADVICE". After any error, `path` is unchanged and the temporary file removed.
    """
    target = os.path.realpath(path)  # as open() does, write to the file that a link points to
    temporary = os.path.join(os.path.dirname(target), f".{os.urandom(6).hex()}.tmp")  # short: `path` may be 255 letters
    try:
        permissions = _permissions(target)
        encoding = None if "b" in mode else "utf-8"
        with open(temporary, mode.replace("w", "x"), encoding=encoding, opener=_open_unnamed) as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
            if not os.fstat(file.fileno()).st_nlink:  # src_dir_fd makes Python follow the link to the open file
                os.link(f"/proc/self/fd/{file.fileno()}", temporary, src_dir_fd=file.fileno())
        if permissions is not None:
            with contextlib.suppress(OSError):
                os.chmod(temporary, permissions)
        os.replace(temporary, target)
    except OSError as error:
        raise UserError(f"{path}: could not be written ({error.strerror or error}); {advice}") from None
    finally:
        with contextlib.suppress(OSError):  # removed already, or a folder in which nothing can be removed
            os.unlink(temporary)


def _open_unnamed(path: str, flags: int) -> int:
    """Returns a descriptor of a new file without a name in the folder of `path`, or where that is impossible of `path`.

    As an opener for open(). Files without a name exist on Linux, on most of its file systems.
    """
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            return os.open(os.path.dirname(path), os.O_TMPFILE | os.O_WRONLY, 0o666)
    return os.open(path, flags, 0o666)


def _permissions(target: str) -> int | None:
    """Returns the permission bits of an existing file, or None. Raises OSError if `target` is a folder or a device."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL,
                      "Is a directory" if stat.S_ISDIR(mode) else "not an ordinary file")
    return stat.S_IMODE(mode)


def remove_leftovers(folder: str | Path) -> None:
    """Removes the temporary files that killed processes left in a folder. Call it only while holding its lock."""
    for path in Path(folder).glob(f".{'[0-9a-f]' * 12}.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 file atomically. Raises UserError if that fails."""
    with atomic_write(path, "w") as file:
        file.write(text)


def copy_file(source: str | Path, target: str | Path) -> None:
    """Copies a file, whole or not at all. Raises UserError if that fails."""
    check_readable(source)
    with open(source, "rb") as file, atomic_write(target) as copy:
        shutil.copyfileobj(file, copy)


def read_lines(path: str | Path, content: str = "texts, one a line") -> list[str]:
    """Returns the stripped lines of a UTF-8 text file, or of standard input for "-". Blank lines become "".

    content: what the file should hold, for the messages. Raises UserError for a file that cannot be read, is not UTF-8
    text or contains only white space.
    """
    name = "standard input" if str(path) == "-" else str(path)
    if name == "standard input" and sys.stdin is None:
        raise UserError("standard input: closed; name a text file")
    try:
        text = (sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()).decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror or error}); expected a file of {content}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if not text.strip():
        raise UserError(f"{name}: empty; expected {content}")
    return [line.strip() for line in text.split("\n")]


def check_readable(path: str | Path, advice: str = "check the path") -> Path:
    """Returns the path of a file that exists and can be opened. Raises UserError with the system's reason otherwise.

    Unlike Path.is_file, it also handles names that are too long and folders without permission.
    """
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            raise UserError(f"{path}: a folder, expected a file; {advice}")
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {advice}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {advice}") from None
    return Path(path)


def make_folder(path: str | Path, advice: str = "give another path") -> Path:
    """Creates a folder and its parents if they do not exist, and returns its path. Raises UserError if that fails."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file is there" if isinstance(error, FileExistsError) else error.strerror or error
        raise UserError(f"{path}: the folder cannot be made ({reason}); {advice}") from None
    return Path(path)
