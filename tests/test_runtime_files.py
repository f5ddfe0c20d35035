"""Files written whole or not at all, folder locks, and standard streams that are closed."""
import errno
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hparams import UserError
from runtime import console
from runtime.files import atomic_write, check_readable, make_folder, read_lines, remove_leftovers, write_text
from runtime.locks import folder_lock

ROOT = Path(__file__).parents[1]


def python(code: str, shell: str = "", **streams: object) -> subprocess.CompletedProcess:
    """Runs Python code in a new process; shell: redirections, such as `2>&-`."""
    return subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {shell}', sys.executable, code], cwd=ROOT,
                          capture_output=True, text=True, timeout=60, **streams)


def test_a_file_has_the_permissions_of_open(tmp_path):
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "new", "é")
        (tmp_path / "kept").write_text("")
        (tmp_path / "kept").chmod(0o664)
        write_text(tmp_path / "kept", "two")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o664
    assert (tmp_path / "new").read_bytes() == "é".encode()


def test_the_longest_legal_name_can_be_written_and_a_longer_one_is_one_line(tmp_path):
    write_text(tmp_path / ("x" * 255), "whole")
    assert (tmp_path / ("x" * 255)).read_text() == "whole"
    with pytest.raises(UserError, match="File name too long"):
        write_text(tmp_path / ("x" * 256), "whole")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_clean_up_that_fails_does_not_hide_the_reason(tmp_path, monkeypatch, code):
    def refuse(*paths: object) -> None:
        raise OSError(code, os.strerror(code))
    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(UserError, match=f"a: could not be written .{os.strerror(code)}"):
        write_text(tmp_path / "a", "text")


def test_an_error_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "a"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))  # a write past 8 KiB fails, as on a full disk
    try:
        with pytest.raises(UserError, match="could not be written"), atomic_write(path, sync=True) as file:
            file.write(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_links_are_followed_and_devices_are_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "text"
    for path, reason in (("/dev/null", "not an ordinary file"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError, match=reason):
            write_text(path, "text")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    with atomic_write(tmp_path / "a") as first, atomic_write(tmp_path / "a") as second:
        first.write(b"first")
        second.write(b"second")
    assert (tmp_path / "a").read_bytes() == b"first"  # its block ended last


WRITE = "from runtime.files import atomic_write\n" \
    "with atomic_write({!r}) as file: file.write(b'half'); file.flush(); os._exit(1)"


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no files without a name")
def test_a_kill_leaves_no_temporary_file(tmp_path):
    (tmp_path / "a").write_text("old")
    assert python("import os; " + WRITE.format(str(tmp_path / "a"))).returncode == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_leftovers_of_a_kill_are_removed_and_nothing_else(tmp_path):
    python("import os; os.__dict__.pop('O_TMPFILE', None); " + WRITE.format(str(tmp_path / "a")))
    (tmp_path / ".mine.tmp").write_text("")
    assert len(list(tmp_path.iterdir())) == 2
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".mine.tmp"]


def test_unreadable_paths_are_one_line(tmp_path):
    for path, reason in (("n" * 300, "File name too long"), ("none", "no such file"), ("", "a folder")):
        with pytest.raises(UserError, match=f"{reason}.*; look") as error:
            check_readable(tmp_path / path, "look")
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="too long"):
        make_folder(tmp_path / ("n" * 300))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="a file is there"):
        make_folder(tmp_path / "file")
    with pytest.raises(UserError, match="too long"):
        read_lines("n" * 300)


def test_a_folder_that_the_lock_made_goes_if_nothing_was_written_to_it(tmp_path):
    for name, written in (("empty", False), ("used", True)):
        with folder_lock(tmp_path / "new" / name):
            assert (tmp_path / "new" / name / ".lock").exists()
            if written:
                write_text(tmp_path / "new" / name / "a", "text")
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["used", "a"]
    with folder_lock(tmp_path / "new"):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: the folder cannot be made .a file is there.; give another --out"):
        with folder_lock(tmp_path / "file", "give another --out"):
            pass
    assert (tmp_path / "new").exists()
    with pytest.raises(UserError, match="/proc: cannot be written to"), folder_lock("/proc"):
        pass


HOLD = "import sys, time; from runtime.locks import folder_lock\n" \
    "with folder_lock(sys.argv[1]): print(1, flush=True); time.sleep(60)"


def test_a_folder_is_locked_until_its_owner_is_killed(tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert owner.stdout.readline() == b"1\n"
        with pytest.raises(UserError, match="in use by another process"), folder_lock(tmp_path):
            pass
    finally:
        owner.kill()
        owner.communicate()
    with folder_lock(tmp_path):
        assert os.listdir(tmp_path) == [".lock"]
        with pytest.raises(UserError, match="in use"), folder_lock(tmp_path / "."):
            pass
        second = python(f"from runtime.locks import folder_lock\nwith folder_lock({str(tmp_path)!r}): pass")
        assert "in use by another process" in second.stderr  # the refused block did not release the lock
    assert not os.listdir(tmp_path)


SPEAK = "from runtime import console; console.open_closed_streams(); file = open('{}', 'wb')\n" \
    "import os; os.write(2, b'words'); console.print_notice('words'); print('words'); file.write(b'sound')"


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_never_write_into_a_file(tmp_path, closed):
    done = python(SPEAK.format(tmp_path / "a.wav"), closed)
    assert done.returncode == 0 and (tmp_path / "a.wav").read_bytes() == b"sound"


def test_notices_do_not_go_to_standard_output(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    console.print_notice("words")
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys, "stdout", None)
    console.print_result("words")
    with pytest.raises(UserError, match="standard output is closed"):
        console.stdout_descriptor()
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UserError, match="standard input: closed"):
        read_lines("-")


def test_full_standard_error_is_no_failure():
    code = "from runtime.console import print_notice; print_notice('words')"
    assert python(code, "2>/dev/full").returncode == 0


def test_control_characters_and_foreign_letters_are_escaped():
    assert console.one_line("a\x1b[31m\r\nb\u202e\x9bc") == "a\\x1b[31m b\\u202e\\x9bc"
    code = r"from runtime.console import print_result; print_result('\xe9\udce9\x1b')"
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    assert python(code, env=env).stdout == "\\xe9\\udce9\\x1b\n"
