"""experiments/kills.py: what the campaign calls a fault, on runs of a few milliseconds that are faulty on purpose."""
import random
import re
import signal
from pathlib import Path

import pytest
import torch

from distillation.manifest import claim_folder
from distillation.writer import DistilledWriter
from experiments import kills
from experiments.kill_jobs import JOBS, OLDER, Job, Part, digest, same
from hparams import UserError
from tests.distilled_rows import MANIFEST, row

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
    assert any(outcome.signals for outcome in outcomes)  # how many meet the run depends on the load


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
        process.kill()  # Python may swallow an interrupt while it starts
        assert process.wait(10) in {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 1}
    assert names == {"SIGKILL", "SIGTERM", "SIGINT"}


def test_digests_tell_values_types_and_shapes_apart() -> None:
    values = [torch.zeros(2, 3), torch.zeros(3, 2), torch.zeros(6, dtype=torch.float64), [1, 2], [12], {"a": 1}, OLDER]
    assert len({digest(value) for value in values}) == len(values)
    assert digest({"a": [torch.ones(2), 1.5]}) == digest({"a": [torch.ones(2), 1.5]})


# The dataset of preprocess.py


def test_a_dataset_without_a_kept_row_is_whole_but_must_be_readable(tmp_path) -> None:
    check, folder = JOBS["preprocess"].check, tmp_path / "out"
    assert check(tmp_path) == 0
    claim_folder(folder, MANIFEST)  # the run was stopped before its first row
    assert check(tmp_path) == 0
    with DistilledWriter(folder, MANIFEST) as writer:
        writer.reject("a", 0, "it stopped too late", {})
    assert check(tmp_path) == 1
    (folder / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="manifest"):
        check(tmp_path)


def dataset(folder: Path, **changes: object) -> dict[str, Part]:
    """Returns the result of a finished run with two rows; changes: to the fields of the second."""
    with DistilledWriter(folder / "out", MANIFEST) as writer:
        writer.add(row(0))
        writer.add(row(1, **changes))
    (folder / "out" / "rejected.csv").write_text("name,sample\n")
    return dict(JOBS["preprocess"].result(folder))


def test_mels_are_compared_but_for_rounding_and_durations_to_the_bit(tmp_path) -> None:
    def wrong(name: str, **changes: object) -> list[str]:
        found = dataset(tmp_path / name, **changes)
        assert found.keys() == expected.keys()
        return [part for part in found if not same(found[part], expected[part])]
    expected, made = dataset(tmp_path / "undisturbed"), row(1)
    assert wrong("again") == []
    assert wrong("rounded", mel=made.mel * (1 + 2 ** -10)) == []  # a step of half precision
    assert wrong("other mel", mel=made.mel + 0.01) == ["text-1/0 mel"]
    assert wrong("longer", mel=torch.cat((made.mel, made.mel[:, :1]), 1), durations=made.durations + torch.eye(
        len(made.durations), dtype=torch.long)[0]) == ["text-1/0", "text-1/0 mel"]
    assert wrong("other durations", durations=made.durations.flip(0)) == ["text-1/0"]
    assert not same(None, expected["text-1/0"]) and not same(expected["text-1/0 mel"], None)
