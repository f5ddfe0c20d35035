"""A training task with a network of a few weights, for tests of the loop and of checkpoints."""
import dataclasses
from pathlib import Path

import torch
from torch import nn

from hparams import TrainConfig
from training.checkpoint import load_newest, resumed_config
from training.distributed import Workers
from training.log import TrainingLog
from training.loop import fit
from training.sampler import BucketSampler
from training.state import TrainingState, run_folder, setup

CPU = Workers(0, 1, torch.device("cpu"))
CONFIG = TrainConfig(steps=12, batch_size=4, learning_rate=0.01, warmup_steps=2, log_every=2, validate_every=4)


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
