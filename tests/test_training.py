"""The training loop, checkpoints, sampler and schedule, on a network of a few weights."""
import copy
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
from torch import nn

import train as script
from hparams import MelTraining, TrainConfig, UserError
from training.checkpoint import load_checkpoint, load_newest, resumed_config, save_checkpoint
from training.distributed import Workers, any_process, process_group
from training.log import TrainingLog
from training.loop import LossMeter, fit
from training.mel_discriminators import AdversarialMelLoss
from training.sampler import BucketSampler
from training.schedule import ExponentialMovingAverage, GradientClip, learning_rate
from training.state import TrainingState, run_folder, setup

CPU = Workers(0, 1, torch.device("cpu"))
CONFIG = TrainConfig(steps=12, batch_size=4, learning_rate=0.01, warmup_steps=2, log_every=2, validate_every=4)
ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class ToyConfig:
    width: int = 3


class ToyModel(nn.Module):
    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config = config
        self.layer = nn.Linear(config.width, 1)
        self.normal = nn.BatchNorm1d(config.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(nn.functional.dropout(self.normal(x), 0.5, self.training))


class ToyTask:
    """Regression with dropout and BatchNorm, so that random streams and buffers matter for resuming."""
    model_name, text = "toy", None

    def __init__(self, workers: Workers = CPU, bad_step: int | None = None, at_step=lambda step: None) -> None:
        self.workers, self.bad_step, self.at_step = workers, bad_step, at_step
        torch.manual_seed(3 + workers.rank)
        self.model = ToyModel(ToyConfig())
        self.networks, self.rates = {"model": self.model}, {"model": 1.0}
        self.sampler = BucketSampler(list(range(10, 42)), 4, 0, workers.rank, workers.count)
        self.data = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))

    def train_step(self, step: int) -> dict[str, torch.Tensor]:
        self.at_step(step)
        x = self.data[self.sampler.rows(step)]
        loss = (self.model(x)[:, 0] - x.sum(1)).square().mean()
        if step == self.bad_step:
            loss = loss * float("nan")
        self.model.zero_grad()
        loss.backward()
        return {"loss": loss.detach()}

    def names(self, step: int) -> list[str]:
        return [f"row-{row}" for row in self.sampler.rows(step)]

    def validate(self, model: nn.Module, step: int, log: TrainingLog) -> dict[str, float]:
        torch.rand(step)  # draws from the global stream, which must not disturb the training
        if self.workers.count > 1:  # scores whose rounding differs between the processes, as on GPUs
            return {"score": 1.0 - 1e-7 * (self.workers.rank == step // 4 % 2)}
        return {"score": (model(self.data)[:, 0] - self.data.sum(1)).square().mean().item()}


def train(task: ToyTask, folder: Path, resume: bool = False, config: TrainConfig = CONFIG) -> TrainingState:
    """Trains like training.run.train, but a given task."""
    checkpoint = None
    with run_folder(folder, resume, task.workers):
        if resume:
            path, saved = checkpoint = load_newest(folder, "toy")
            config = resumed_config(path, saved["train_config"], config)
        state = setup(task, config, task.workers, folder, checkpoint)
        fit(state)
    return state


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


@pytest.fixture
def saved(finished) -> dict:
    return copy.deepcopy(torch.load(finished / "latest.pt", weights_only=True))


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


# Checkpoints


def test_kill_during_write_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "latest.pt"
    save_checkpoint(path, {"step": 1})
    code = ("import os, sys, torch; from pathlib import Path; from training import checkpoint\n"
            "real = torch.save\n"
            "def half(state, file):\n"
            "    real(state, file); file.flush(); file.truncate(file.tell() // 2); os.kill(os.getpid(), 9)\n"
            "torch.save = half\n"
            "checkpoint.save_checkpoint(Path(sys.argv[1]), {'step': 2})\n")
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT)
    assert done.returncode == -9
    assert torch.load(path, weights_only=True)["step"] == 1


def test_full_disk_leaves_the_old_checkpoint_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "latest.pt"
    save_checkpoint(path, {"step": 1})
    for error, reason in ((OSError(28, "No space left on device"), "No space left"), (RuntimeError("pos 7"), "full?")):
        def full(state, file):
            file.write(b"half")
            raise error
        monkeypatch.setattr(torch, "save", full)
        with pytest.raises(UserError, match=reason):
            save_checkpoint(path, {"step": 2})
        assert os.listdir(tmp_path) == ["latest.pt"]
    assert torch.load(path, weights_only=True)["step"] == 1


def test_a_damaged_checkpoint_is_refused_with_harmless_advice(finished, tmp_path):
    whole, path = (finished / "latest.pt").read_bytes(), tmp_path / "latest.pt"
    at = whole.index(load_checkpoint(finished / "latest.pt", "toy")["average"]["layer.weight"].numpy().tobytes())
    for damaged in (whole[:at] + bytes(8) + whole[at + 8:], whole[:-200], b"", whole[:at] + b"?" + whole[at + 1:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError) as caught:
            load_checkpoint(path, "toy")
        assert "latest.pt: " in str(caught.value) and "\n" not in str(caught.value)
        assert "delete" not in str(caught.value) and "move it away" in str(caught.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="latest.pt: a folder, expected a file"):
        load_checkpoint(path, "toy")


def test_values_that_are_not_finite_are_blamed_on_the_checkpoint(saved, tmp_path):
    saved["networks"]["model"]["layer.weight"][0, 0] = float("nan")
    save_checkpoint(tmp_path / "latest.pt", saved)
    with pytest.raises(UserError, match="latest.pt: model.layer.weight is not"):
        load_checkpoint(tmp_path / "latest.pt", "toy")


def test_checkpoints_of_other_formats_and_models_are_refused(saved, tmp_path):
    path = tmp_path / "latest.pt"
    save_checkpoint(path, saved)
    with pytest.raises(UserError, match="a checkpoint of toy, expected waveglow"):
        load_checkpoint(path, "waveglow")
    torch.save({**saved, "format": 99}, path)
    with pytest.raises(UserError, match="checkpoint format 99, expected 2"):
        load_checkpoint(path, "toy")


def test_a_checkpoint_of_format_1_is_resumed(saved, tmp_path):
    del saved["train_config"]["phase_steps"]
    torch.save({**saved, "format": 1, "random": saved["random"][0]}, tmp_path / "latest.pt")
    longer = train(ToyTask(), tmp_path, resume=True, config=dataclasses.replace(CONFIG, steps=14))
    assert longer.step == 14 and longer.config.phase_steps == 12


def mutants(state: dict):
    """States in which one entry, at any depth, is missing, has another name or another value."""
    keys = [((), key) for key in state]
    for place in (("networks",), ("networks", "model"), ("average",), ("optimizers",), ("optimizers", "model"),
                  ("optimizers", "model", "state", 0), ("clips",), ("model_config",), ("train_config",)):
        inner = state
        for step in place:
            inner = inner[step]
        keys += [(place, key) for key in inner]
    for place, key in keys:
        for value in (None, "x", -1.5, [], {"x": {}}, torch.zeros(7, 5)):
            mutant = copy.deepcopy(state)
            inner = mutant
            for step in place:
                inner = inner[step]
            if value is None:
                inner[f"{key}x"] = inner.pop(key)
            else:
                inner[key] = value
            yield mutant


@pytest.mark.filterwarnings("ignore:Using a non-tuple")
def test_malformed_checkpoints_are_refused_or_work(saved, tmp_path):
    refused = 0
    for number, mutant in enumerate(mutants(saved)):
        torch.save(mutant, tmp_path / "latest.pt")
        try:
            path, state = load_newest(tmp_path, "toy")
            config = resumed_config(path, state["train_config"], dataclasses.replace(CONFIG, steps=13))
            resumed = setup(ToyTask(), config, CPU, tmp_path, (path, state))
            resumed.task.train_step(12)
            resumed.optimizers["model"].step()
        except UserError:
            refused += 1
    assert number > 200 and refused > 0.8 * number


# Sampler and schedule
def test_sampler_covers_an_epoch_once_and_shares_it_out():
    lengths = list(range(100, 164))
    samplers = [BucketSampler(lengths, 4, 5, rank, 2) for rank in range(2)]
    rows = [samplers[rank].rows(step) for step in range(8) for rank in range(2)]
    assert sorted(sum(rows, [])) == list(range(64))
    assert all(len(batch) == 4 for batch in rows)
    assert max(max(batch) - min(batch) for batch in rows) < 24  # of like length
    assert samplers[0].rows(0) != samplers[0].rows(8)  # another epoch, another order
    assert BucketSampler(lengths, 4, 5).rows(3) == BucketSampler(lengths, 4, 5).rows(3)


def test_sampler_repeats_rows_where_there_are_too_few():
    assert sorted(set(BucketSampler([5, 6, 7], 8, 0).rows(0))) == [0, 1, 2]


def test_learning_rate_by_hand():
    config = TrainConfig(steps=100, learning_rate=1.0, final_learning_rate=0.0, warmup_steps=4, decay_start=0.2)
    assert [learning_rate(step, config) for step in (0, 1, 3, 19)] == [0.25, 0.5, 1.0, 1.0]
    assert learning_rate(60, config) == pytest.approx(0.5)
    assert learning_rate(100, config) == pytest.approx(0.0)


def test_average_forgets_the_start():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = ExponentialMovingAverage(model, 0.999)
    nn.init.ones_(model.weight)
    for step in range(100):
        average.update(model, step)
    assert average.module.weight.item() > 0.999


def test_clip_scales_only_the_outlier():
    clip, parameter = GradientClip(torch.device("cpu"), 3.0), nn.Parameter(torch.zeros(2))
    for _ in range(5):
        parameter.grad = torch.tensor([3.0, 4.0])
        assert clip([parameter]).item() == 5.0
        assert parameter.grad.tolist() == [3.0, 4.0]
    parameter.grad = torch.tensor([300.0, 400.0])
    assert clip([parameter]).item() == 500.0
    assert parameter.grad.norm().item() == pytest.approx(15.0)
    parameter.grad = torch.zeros(2)
    assert GradientClip(torch.device("cpu"), 3.0)([parameter]).item() == 0 and parameter.grad.tolist() == [0, 0]


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
