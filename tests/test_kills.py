"""experiments/kills.py: what the campaign calls a fault, on runs of a few milliseconds that are faulty on purpose."""
import random
import re
import signal
from pathlib import Path

import pytest
import torch

from experiments import kills
from experiments.kill_jobs import JOBS, OLDER, Job, digest
from hparams import UserError

WRITE = "from runtime.files import write_text; write_text('{0}/a', 'text'); write_text('{0}/b', 'text')"
SLOW = "import time; time.sleep(60)"


def job(code: str, older: tuple[str, ...] = ()) -> Job:
    """A job that runs Python code, in which {0} is its folder; its progress is the number of files."""
    def check(folder: Path) -> int:
        if (folder / "half").exists():
            raise UserError("half: damaged")
        return len(list(folder.iterdir()))

    def result(folder: Path) -> dict[str, str]:
        return {path.name: digest(path.read_bytes()) for path in folder.iterdir()}
    return Job(lambda inputs, folder: ["-c", code.format(folder)], check, result, older)


def trial(monkeypatch, tmp_path, code: str, older: tuple[str, ...] = (), seed: int = 0) -> kills.Outcome:
    """Runs a trial of a job with this code; the undisturbed run is that of WRITE."""
    reference = kills.Reference({name: digest(b"text") for name in "ab"}, 0.3, 2)
    monkeypatch.setitem(JOBS, "it", job(code, older))
    return kills.run_trial("it", tmp_path, reference, seed)


def test_a_run_that_writes_files_whole_passes_whatever_kills_it(monkeypatch, tmp_path) -> None:
    outcomes = [trial(monkeypatch, tmp_path, WRITE, ("a",), seed) for seed in range(6)]
    assert [outcome.fault for outcome in outcomes] == [""] * 6
    assert sum(len(outcome.signals) for outcome in outcomes) > 3


@pytest.mark.parametrize("code, fault", [
    (WRITE + "; open('{0}/half', 'w')", "half: damaged"),
    (WRITE + "; open('{0}/.0123456789ab.tmp', 'w')", "left behind: .0123456789ab.tmp"),
    (WRITE + "; open('{0}/.lock', 'w')", "left behind: .lock"),
    (WRITE + "; write_text('{0}/b', 'other')", "not equal to the undisturbed run: b"),
    ("import os; [os.remove('{0}/' + name) for name in os.listdir('{0}')]; raise SystemExit(7)", "exit status 7"),
    ("raise KeyError", "exit status 1: .*KeyError")])
def test_faults_are_named(monkeypatch, tmp_path, code: str, fault: str) -> None:
    monkeypatch.setattr(kills, "_kill", lambda *_: [])  # these fail without
    found = trial(monkeypatch, tmp_path, code).fault
    assert found.startswith("after no signal: ")
    assert re.search(fault, found)


def test_damage_to_an_older_file_and_lost_work_are_faults(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(kills, "_kill", lambda process, *_: (process.wait(), ["SIGKILL"])[1])
    assert "a is neither" in trial(monkeypatch, tmp_path, "open('{0}/a', 'w'); raise SystemExit(1)", ("a",)).fault
    lose = "import os; (os.remove if os.path.exists('{0}/c') else lambda p: open(p, 'w'))('{0}/c'); raise SystemExit(1)"
    assert "1 finished before the last run, 0 after it" in trial(monkeypatch, tmp_path, lose).fault


def test_a_run_that_goes_on_forever_is_a_fault(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(kills, "SECONDS_PER_RUN", 0.1)
    monkeypatch.setattr(kills, "_kill", lambda *_: [])
    assert "did not end in 0.1 s" in trial(monkeypatch, tmp_path, SLOW).fault


def test_signals_meet_the_run_at_a_change_of_its_folder_or_at_a_random_time(tmp_path) -> None:
    code = "import time; time.sleep(0.1); open('{0}/a', 'w'); time.sleep(60)"
    names = set()
    for seed in range(16):
        (tmp_path / "a").unlink(missing_ok=True)
        process = kills.start(job(code), tmp_path, tmp_path, None)
        names.update(kills._kill(process, tmp_path, kills.Reference({}, 0.2, 1), random.Random(seed)))
        assert process.wait(10) in {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 1}
    assert names == {"SIGKILL", "SIGTERM", "SIGINT"}


def test_digests_tell_values_types_and_shapes_apart() -> None:
    values = [torch.zeros(2, 3), torch.zeros(3, 2), torch.zeros(6, dtype=torch.float64), [1, 2], [12], {"a": 1}, OLDER]
    assert len({digest(value) for value in values}) == len(values)
    assert digest({"a": [torch.ones(2), 1.5]}) == digest({"a": [torch.ones(2), 1.5]})
