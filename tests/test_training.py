"""The training loop, its folder, resuming and several processes, on a network of a few weights."""
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy_task import CONFIG, CPU, ToyTask, train

import train as script
from hparams import MelTraining, UserError
from training.checkpoint import load_checkpoint, load_newest, resumed_config
from training.distributed import any_process, process_group
from training.loop import LossMeter
from training.mel_discriminators import AdversarialMelLoss
from training.state import TrainingState, setup

ROOT = Path(__file__).parents[1]


def stopper(step: int, number: int = signal.SIGTERM):
    return lambda now: now == step and os.kill(os.getpid(), number)


def killed(step: int):
    def at_step(now: int) -> None:
        if now == step:
            raise ZeroDivisionError
    return at_step


def weights(state: TrainingState) -> list[torch.Tensor]:
    return [*state.task.model.state_dict().values(), *state.ema.module.state_dict().values()]


def logged(folder: Path, kind: str) -> list[int]:
    records = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [record["step"] for record in records if record["kind"] == kind]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a run that reached its last step."""
    folder = tmp_path_factory.mktemp("run") / "run"
    train(ToyTask(), folder)
    return folder


# The loop


@pytest.mark.parametrize("last", [6, 7])  # after step 8 comes a validation
def test_resume_equals_no_interruption(last, tmp_path):
    whole = train(ToyTask(), tmp_path / "whole")
    stopped = train(ToyTask(at_step=stopper(last)), tmp_path / "parts")
    assert stopped.step == last + 1
    torch.rand(5)  # whatever the new process drew before
    resumed = train(ToyTask(), tmp_path / "parts", resume=True)
    for a, b in zip(weights(whole), weights(resumed)):
        assert torch.equal(a, b)
    assert resumed.best_score == whole.best_score
    assert logged(tmp_path / "parts", "validation") == logged(tmp_path / "whole", "validation") == [4, 8, 12]


def test_a_signal_in_the_last_step_is_too_late_to_stop(tmp_path):
    assert train(ToyTask(at_step=stopper(11, signal.SIGINT)), tmp_path).step == 12
    assert logged(tmp_path, "validation") == [4, 8, 12]


def test_after_a_kill_no_step_is_logged_twice(tmp_path):
    """Only best.pt of step 4 is there when the process dies in step 7; the log has a line of step 6 already."""
    with pytest.raises(ZeroDivisionError):
        train(ToyTask(at_step=killed(7)), tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == ["best.pt"] and logged(tmp_path, "train") == [2, 4, 6]
    with open(tmp_path / "log.jsonl", "a") as log:
        log.write('{"step": 8, "ki')
    resumed = train(ToyTask(), tmp_path, resume=True)
    assert logged(tmp_path, "train") == [2, 4, 6, 8, 10, 12] and logged(tmp_path, "validation") == [4, 8, 12]
    for a, b in zip(weights(resumed), weights(train(ToyTask(), tmp_path / "whole"))):
        assert torch.equal(a, b)


def test_a_new_run_removes_the_log_of_one_without_checkpoints(tmp_path):
    with pytest.raises(ZeroDivisionError):
        train(ToyTask(at_step=killed(3)), tmp_path)
    train(ToyTask(), tmp_path)
    assert logged(tmp_path, "train") == [2, 4, 6, 8, 10, 12]


def test_a_loss_that_begins_late_is_averaged_over_its_own_steps():
    meter = LossMeter()
    meter.update(0, {"a": torch.tensor(1.0)})
    meter.update(1, {"a": torch.tensor(3.0), "b": torch.tensor(6.0)})
    assert meter.compute() == ({"a": 2.0, "b": 6.0}, None)
    meter.update(2, {"a": torch.tensor(5.0), "b": torch.tensor(torch.inf)})
    assert meter.compute()[1] == 2


def test_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path):
    with pytest.raises(UserError, match=r"not finite at step 7 \(rows row-"):
        train(ToyTask(bad_step=7), tmp_path, config=dataclasses.replace(CONFIG, checkpoint_seconds=0.0))
    kept = load_checkpoint(tmp_path / "latest.pt", "toy")
    assert kept["step"] == 6
    assert all(torch.isfinite(tensor).all() for tensor in kept["networks"]["model"].values())


# The run's folder


@pytest.mark.parametrize("removed", ["latest.pt", "best.pt", None])
def test_a_run_is_not_overwritten(removed, finished, tmp_path):
    for name in {"latest.pt", "best.pt"} - {removed}:
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    with pytest.raises(UserError, match="already holds a run"):
        train(ToyTask(), tmp_path)


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    def second(step: int) -> None:
        with pytest.raises(UserError, match="in use by another process"):
            train(ToyTask(), tmp_path / "run", resume=step > 4)
    train(ToyTask(at_step=second), tmp_path / "run")
    assert logged(tmp_path / "run", "train") == [2, 4, 6, 8, 10, 12]


def test_a_run_that_fails_before_its_first_file_leaves_no_folder(tmp_path):
    with pytest.raises(UserError, match="no checkpoint to resume from"):
        train(ToyTask(), tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_system_errors_are_not_blamed_on_the_options(tmp_path, monkeypatch, capsys):
    def full(*args, **options):
        raise OSError(28, "No space left on device", "/tmp/kernels/x.so")
    monkeypatch.setattr("training.run.train", full)
    assert script.main(["--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "/tmp/kernels/x.so" in line and "No space left" in line and "--out" not in line
    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.add_scalar", full)
    with pytest.raises(UserError, match=f"{tmp_path}: the log could not be written .No space left"):
        train(ToyTask(), tmp_path)


# Settings of a resumed run


def test_resume_refuses_settings_that_change_the_result(finished):
    path, saved = load_newest(finished, "toy")
    for change, message in (({"learning_rate": 0.02}, "learning_rate 0.01 .now 0.02."),
                            ({"batch_size": 5}, "batch_size 4 .now 5."), ({"phase_steps": 5}, "phase_steps 12 .now 5")):
        with pytest.raises(UserError, match=message):
            resumed_config(path, saved["train_config"], dataclasses.replace(CONFIG, **change))


def test_resume_accepts_intervals_more_steps_and_a_smaller_batch(finished):
    path, saved = load_newest(finished, "toy")
    config = dataclasses.replace(CONFIG, steps=20, log_every=1, validate_every=5, checkpoint_seconds=1.0, batch_size=2)
    resumed = resumed_config(path, saved["train_config"], config)
    assert resumed == dataclasses.replace(config, phase_steps=12)
    assert setup(ToyTask(), resumed, CPU, finished, (path, saved)).step == 12


def test_more_steps_do_not_move_the_phases_of_a_run(tmp_path):
    config = MelTraining(steps=10_000, adversarial_weight=0.2)
    first_step = AdversarialMelLoss(config, CPU.device).first_step
    for steps in (30_000, 50_000):  # resumed twice
        config = resumed_config(tmp_path, dataclasses.asdict(config), MelTraining(steps=steps, adversarial_weight=0.2))
        assert config.steps == steps and AdversarialMelLoss(config, CPU.device).first_step == first_step == 5_000


# Several processes


def two_processes(folder: Path) -> None:
    """What each of the two processes of the next test does."""
    config = dataclasses.replace(CONFIG, checkpoint_seconds=1e9)
    with process_group("cpu") as workers:
        train(ToyTask(workers), folder / "whole", config=config)
        train(ToyTask(workers, at_step=stopper(5) if workers.rank else lambda step: None), folder / "parts",
              config=config)
        any_process(False, workers)  # waits for the main process to write
        torch.rand(5)
        state = train(ToyTask(workers), folder / "parts", resume=True, config=config)
        torch.save(dict(state.task.model.state_dict()), folder / f"rank{workers.rank}.pt")


def test_two_processes_train_to_the_same_weights_and_resume_to_the_bit(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\nimport test_training, pathlib\n" \
           f"test_training.two_processes(pathlib.Path({str(tmp_path)!r}))"
    processes = [subprocess.Popen([sys.executable, "-c", code], env={
        **os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "RANK": str(rank), "MASTER_ADDR": "localhost",
        "MASTER_PORT": port}) for rank in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in ("latest.pt", "best.pt"):
        whole, parts = (load_checkpoint(tmp_path / run / name, "toy") for run in ("whole", "parts"))
        assert whole["step"] == parts["step"] and whole["best"] == parts["best"]
        for part in ("networks", "average"):
            assert str(whole[part]) == str(parts[part])
        assert all(torch.equal(a["cpu"], b["cpu"]) for a, b in zip(whole["random"], parts["random"], strict=True))
    alone = train(ToyTask(), tmp_path / "alone")
    assert not torch.equal(alone.task.model.layer.weight, first["layer.weight"])  # it did average
