"""A lock on a folder: one process at a time writes there. The lock of a killed process disappears with it."""
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from hparams import UserError
from runtime.files import make_folder, remove_leftovers

LOCK_NAME = ".lock"  # in the folder; removed at the end, harmless if a kill leaves it
_held: set[str] = set()  # the system's locks are those of a process: a second one in this process would be granted


@contextlib.contextmanager
def folder_lock(folder: str | Path, advice: str = "give another folder") -> Iterator[None]:
    """Holds the lock of a folder for the duration of the block. Temporary files of killed processes are removed.

    A folder that does not exist is made, and removed again if nothing was written to it. Of several processes of one
    torchrun, only the main one takes the lock. Raises UserError at once if another process (or another block of this
    one) holds it, or if the folder cannot be made or written to. On a file system without locks nothing is locked.
    """
    existed = os.path.exists(folder)
    make_folder(folder, advice)
    path = os.path.join(os.path.realpath(folder), LOCK_NAME)
    busy = UserError(f"{folder}: in use by another process, which writes there; wait for it or {advice}")
    if path in _held:
        raise busy
    try:
        descriptor = _open_locked(path)
    except BlockingIOError:
        raise busy from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be written to ({error.strerror}); {advice}") from None
    _held.add(path)
    try:
        remove_leftovers(folder)
        yield
    finally:
        _held.discard(path)
        with contextlib.suppress(OSError):
            os.unlink(path)  # before the lock is released: see _open_locked
        if not existed:
            with contextlib.suppress(OSError):  # not empty
                os.rmdir(folder)
        os.close(descriptor)


def _open_locked(path: str) -> int:
    """Returns a descriptor of the locked file. Raises BlockingIOError if another process holds the lock.

    The owner removes the file while it holds the lock, so a file that was opened before may be a removed one.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if os.fstat(descriptor).st_nlink or sys.platform == "win32":
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Locks an open file, or raises BlockingIOError. Does nothing on a file system that has no locks."""
    if sys.platform == "win32":
        import msvcrt
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from None
        return
    import errno
    import fcntl
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not flock: forked children would keep it
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise BlockingIOError(error.errno, error.strerror) from None
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
            raise
