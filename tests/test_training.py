"""The training loop, checkpoints, sampler and schedule, on a network of a few weights."""
import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from hparams import TrainConfig
from runtime.errors import UserError
from training import checkpoint, loop
from training.distributed import Workers
from training.sampler import BucketSampler
from training.schedule import AveragedModel, GradientClip, learning_rate

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

    def validate(self, model: nn.Module, step: int, log) -> dict[str, float]:
        torch.rand(step)  # draws from the global stream, which must not disturb the training
        return {"score": (model(self.data)[:, 0] - self.data.sum(1)).square().mean().item()}


def weights(state: loop.State) -> list[torch.Tensor]:
    return [*state.task.model.state_dict().values(), *state.average.model.state_dict().values()]


def validations(folder: Path) -> list[int]:
    records = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [record["step"] for record in records if record["kind"] == "validation"]


@pytest.mark.parametrize("last", [6, 7])  # after step 8 comes a validation
def test_resume_equals_no_interruption(last, tmp_path):
    whole = loop.set_up(ToyTask(), CONFIG, CPU, tmp_path / "whole", resume=False)
    assert loop.fit(whole)
    stopped = loop.set_up(ToyTask(at_step=lambda step: step == last and os.kill(os.getpid(), signal.SIGTERM)),
                          CONFIG, CPU, tmp_path / "parts", resume=False)
    assert not loop.fit(stopped)
    assert stopped.step == last + 1
    torch.rand(5)  # whatever the new process drew before
    resumed = loop.set_up(ToyTask(), CONFIG, CPU, tmp_path / "parts", resume=True)
    assert loop.fit(resumed)
    for a, b in zip(weights(whole), weights(resumed)):
        assert torch.equal(a, b)
    assert resumed.best == whole.best
    assert validations(tmp_path / "parts") == validations(tmp_path / "whole") == [4, 8, 12]


def test_a_signal_in_the_last_step_is_too_late_to_stop(tmp_path):
    task = ToyTask(at_step=lambda step: step == 11 and os.kill(os.getpid(), signal.SIGINT))
    assert loop.fit(loop.set_up(task, CONFIG, CPU, tmp_path, resume=False))
    assert validations(tmp_path) == [4, 8, 12]


def test_a_loss_that_joins_late_is_averaged_over_its_own_steps():
    meter = loop.LossMeter()
    meter.add(0, {"a": torch.tensor(1.0)})
    meter.add(1, {"a": torch.tensor(3.0), "b": torch.tensor(6.0)})
    assert meter.read() == ({"a": 2.0, "b": 6.0}, None)
    meter.add(2, {"a": torch.tensor(5.0), "b": torch.tensor(torch.inf)})
    assert meter.read()[1] == 2


def test_a_run_is_not_overwritten(tmp_path):
    loop.fit(loop.set_up(ToyTask(), CONFIG, CPU, tmp_path, resume=False))
    with pytest.raises(UserError, match="already holds a run"):
        loop.set_up(ToyTask(), CONFIG, CPU, tmp_path, resume=False)


def test_resume_refuses_other_settings(tmp_path):
    loop.fit(loop.set_up(ToyTask(), CONFIG, CPU, tmp_path, resume=False))
    with pytest.raises(UserError, match="learning_rate 0.01 .now 0.02."):
        loop.set_up(ToyTask(), dataclasses.replace(CONFIG, learning_rate=0.02), CPU, tmp_path, resume=True)
    longer = loop.set_up(ToyTask(), dataclasses.replace(CONFIG, steps=20), CPU, tmp_path, resume=True)
    assert longer.step == 12


def test_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path):
    config = dataclasses.replace(CONFIG, checkpoint_seconds=0.0)
    state = loop.set_up(ToyTask(bad_step=7), config, CPU, tmp_path, resume=False)
    with pytest.raises(UserError, match=r"not finite at step 7 \(rows row-"):
        loop.fit(state)
    kept = checkpoint.load_checkpoint(tmp_path / "latest.pt", "toy")
    assert kept["step"] == 6
    assert all(torch.isfinite(tensor).all() for tensor in kept["networks"]["model"].values())


def test_kill_during_write_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "latest.pt"
    checkpoint.save_checkpoint(path, {"model": "toy", "step": 1})
    script = ("import os, sys, torch; from pathlib import Path; from training import checkpoint\n"
              "real = torch.save\n"
              "def half(state, file):\n"
              "    real(state, file); file.flush(); file.truncate(file.tell() // 2); os.kill(os.getpid(), 9)\n"
              "torch.save = half\n"
              "checkpoint.save_checkpoint(Path(sys.argv[1]), {'model': 'toy', 'step': 2})\n")
    done = subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT)
    assert done.returncode == -9
    assert checkpoint.load_checkpoint(path, "toy")["step"] == 1


def test_full_disk_leaves_the_old_checkpoint_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "latest.pt"
    checkpoint.save_checkpoint(path, {"model": "toy", "step": 1})

    def full(state, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(UserError, match="No space left"):
        checkpoint.save_checkpoint(path, {"model": "toy", "step": 2})
    assert os.listdir(tmp_path) == ["latest.pt"]
    assert checkpoint.load_checkpoint(path, "toy")["step"] == 1


def test_bad_checkpoints_are_refused_in_one_line(tmp_path):
    path = tmp_path / "latest.pt"
    with pytest.raises(UserError, match="no checkpoint to resume from"):
        checkpoint.load_checkpoint(path, "toy")
    checkpoint.save_checkpoint(path, {"model": "toy", "step": 1})
    with pytest.raises(UserError, match="a checkpoint of toy, expected waveglow"):
        checkpoint.load_checkpoint(path, "waveglow")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="not a complete checkpoint") as caught:
        checkpoint.load_checkpoint(path, "toy")
    assert "\n" not in str(caught.value)
    torch.save({"format": 99}, path)
    with pytest.raises(UserError, match="checkpoint format 99, expected 1"):
        checkpoint.load_checkpoint(path, "toy")


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
    average = AveragedModel(model, 0.999)
    nn.init.ones_(model.weight)
    for step in range(100):
        average.update(model, step)
    assert average.model.weight.item() > 0.999


def test_clip_scales_only_the_outlier():
    clip = GradientClip(torch.device("cpu"), 3.0)
    for _ in range(5):
        gradient = torch.tensor([3.0, 4.0])
        assert clip([gradient]).item() == 5.0
        assert gradient.tolist() == [3.0, 4.0]
    outlier = torch.tensor([300.0, 400.0])
    assert clip([outlier]).item() == 500.0
    assert outlier.norm().item() == pytest.approx(15.0)


def test_two_processes_train_to_the_same_weights(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(f"""
import sys, torch
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]
from pathlib import Path
from test_training import CONFIG, ToyTask
from training import loop
from training.distributed import process_group
with process_group("cpu") as place:
    state = loop.set_up(ToyTask(place), CONFIG, place, Path({str(tmp_path / 'run')!r}), False)
    loop.fit(state)
    torch.save(dict(state.task.model.named_parameters()), Path({str(tmp_path)!r}) / f"rank{{place.rank}}.pt")
""")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*launcher, str(script)], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=120)
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    alone = loop.set_up(ToyTask(), CONFIG, CPU, tmp_path / "alone", resume=False)
    loop.fit(alone)
    assert not torch.equal(alone.task.model.layer.weight, first["layer.weight"])  # it did average
