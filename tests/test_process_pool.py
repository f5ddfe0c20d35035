"""experiments/process_pool.py: jobs run in processes of their own, which end with the command.

The jobs stand in this file, which imports no network, because each process imports it.
"""
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from experiments.process_pool import run_jobs

ROOT = Path(__file__).parents[1]


def note(path: Path, device: str) -> None:
    """A job that writes down its device and process."""
    path.write_text(f"{device} {os.getpid()}")


def test_jobs_in_other_processes(tmp_path):
    run_jobs([(note, tmp_path / str(number)) for number in range(3)], ["cpu", "cpu:0"], 1, "notes")
    notes = [(tmp_path / str(number)).read_text().split() for number in range(3)]
    assert {device for device, _ in notes} == {"cpu", "cpu:0"} and str(os.getpid()) not in {pid for _, pid in notes}


def linger(path: Path, device: str) -> None:
    """A job that writes down its process and then takes long."""
    path.write_text(str(os.getpid()))
    time.sleep(100)


def test_workers_end_with_the_command(tmp_path):
    code = (f"import sys; sys.path[:0] = {[str(path) for path in (ROOT, ROOT / 'tests')]}\n"
            "from pathlib import Path\nfrom experiments.process_pool import run_jobs\n"
            "from test_process_pool import linger\n"
            f"run_jobs([(linger, Path({str(tmp_path / 'pid')!r}))], ['cpu', 'cpu'], 1, 'lingering')")
    command = subprocess.Popen([sys.executable, "-c", code])
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    command.kill()
    command.wait()
    status = Path("/proc", (tmp_path / "pid").read_text(), "status")
    wait_for(lambda: not status.exists() or "State:\tZ" in status.read_text())


def wait_for(condition: Callable[[], object]) -> None:
    """Waits until a condition is true, a minute at most."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("waited for a minute")
