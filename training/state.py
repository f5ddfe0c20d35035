"""The state of a training: created by `setup`, written by `save`, restored from a checkpoint."""
import contextlib
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from hparams import TextConfig, TrainConfig, UserError
from runtime.console import one_line, print_notice
from runtime.locks import folder_lock
from training.checkpoint import MALFORMED, check_same_config, find_checkpoint, save_checkpoint, saved_settings
from training.distributed import Workers, broadcast_from_main, gather_objects
from training.log import TrainingLog
from training.schedule import ExponentialMovingAverage, GradientClip


class Task(Protocol):
    """What the loop needs of the training of one model."""
    model_name: str  # "tacotron2", "waveglow" or "lightspeech"
    text: TextConfig | None  # how its text was read; None for a vocoder
    model: nn.Module  # the network that is averaged, validated and released; has a .config
    networks: dict[str, nn.Module]  # all networks that are trained, with the model as "model"
    rates: dict[str, float]  # learning rate of each network as a multiple of the config's

    def train_step(self, step: int) -> dict[str, torch.Tensor]:
        """Writes the gradients of all parameters; returns losses (scalars on the device), with the total as "loss"."""

    def names(self, step: int) -> list[str]:
        """Returns the names of the rows of this process's batch at a step, for error messages."""

    def validate(self, model: nn.Module, step: int, log: TrainingLog) -> dict[str, float]:
        """Returns figures of `model` on held-out rows; "score" decides which checkpoint is best, lower is better."""


@dataclasses.dataclass
class TrainingState:
    """Everything that changes during a training."""
    task: Task
    config: TrainConfig
    workers: Workers
    folder: Path
    ema: ExponentialMovingAverage
    optimizers: dict[str, torch.optim.Optimizer]
    clips: dict[str, GradientClip]
    step: int = 0  # number of finished steps
    best_score: float = math.inf  # lowest so far
    judge: str | None = None  # a command that scores validations, see judge.py


@contextlib.contextmanager
def run_folder(folder: Path, resume: bool, workers: Workers) -> Iterator[None]:
    """Holds the lock of a run's folder, which is made if it does not exist.

    Raises UserError if another process trains there, or if it has checkpoints and `resume` is False.
    """
    if not workers.is_main:
        yield
        return
    with folder_lock(folder, "give another --out"):
        checkpoint = find_checkpoint(folder)
        if checkpoint and not resume:
            raise UserError(f"{folder}: already holds a run ({checkpoint.name}); go on with --resume or give another "
                            "--out")
        yield


def setup(task: Task, config: TrainConfig, workers: Workers, folder: Path,
          checkpoint: tuple[Path, dict[str, Any]] | None = None, judge: str | None = None) -> TrainingState:
    """Returns the state of a new training, or that of `checkpoint`: a path and what load_checkpoint returned for it.

    Raises UserError for a checkpoint that does not belong to this model or these settings.
    """
    for network in task.networks.values():
        broadcast_from_main([*network.parameters(), *network.buffers()], workers)
    fused = workers.device.type == "cuda"
    optimizers = {name: torch.optim.AdamW(network.parameters(), lr=config.learning_rate * task.rates[name],
                                          betas=(config.beta1, config.beta2), weight_decay=config.weight_decay,
                                          fused=fused) for name, network in task.networks.items()}
    clips = {name: GradientClip(workers.device, config.clip_factor) for name in task.networks}
    state = TrainingState(task, config, workers, folder, ExponentialMovingAverage(task.model, config.ema_decay),
                          optimizers, clips, judge=judge)
    torch.manual_seed(config.seed + 7919 * workers.rank)
    if checkpoint:
        path, saved = checkpoint
        config_before = saved_settings(path, saved["model_config"], type(task.model.config))
        check_same_config(path, dataclasses.asdict(config_before), task.model.config)
        try:
            _restore(state, saved)
        except MALFORMED as error:
            raise UserError(f"{path}: does not fit this model ({type(error).__name__} {one_line(error)[:200]}); "
                            "start anew in another --out") from None
    return state


def _restore(state: TrainingState, saved: dict[str, Any]) -> None:
    """Copies a checkpoint into a state. Raises one of MALFORMED if it does not fit."""
    for name, network in state.task.networks.items():
        network.load_state_dict(saved["networks"][name])
        state.optimizers[name].load_state_dict(saved["optimizers"][name])
        for parameter, moments in state.optimizers[name].state.items():
            sizes = {"step": torch.Size(), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}
            if {moment: value.shape for moment, value in moments.items()} != sizes:
                raise ValueError(f"sizes in the optimizer of {name}")
        state.clips[name].mean.copy_(saved["clips"][name])
    state.ema.module.load_state_dict(saved["average"])
    state.step, state.best_score = saved["step"], saved["best"]
    workers = state.workers
    if len(saved["random"]) == workers.count:
        _set_random_state(saved["random"][workers.rank], workers.device)
    else:
        torch.manual_seed(state.config.seed + 7919 * workers.rank + 104729 * state.step)
        if workers.is_main:
            print_notice(f"saved by {len(saved['random'])} processes, resumed by {workers.count}: other batches and "
                         "random numbers from here on")


def save(state: TrainingState, name: str) -> None:
    """Writes a checkpoint called `name` in the run's folder. All processes call it, the main one writes."""
    random = gather_objects(_random_state(state.workers.device), state.workers)
    if not state.workers.is_main:
        return
    state.ema.copy_buffers(state.task.model)
    save_checkpoint(state.folder / name, {
        "model": state.task.model_name, "step": state.step, "best": state.best_score,
        "text": state.task.text and dataclasses.asdict(state.task.text),
        "model_config": dataclasses.asdict(state.task.model.config), "train_config": dataclasses.asdict(state.config),
        "networks": {key: network.state_dict() for key, network in state.task.networks.items()},
        "average": state.ema.module.state_dict(),
        "optimizers": {key: optimizer.state_dict() for key, optimizer in state.optimizers.items()},
        "clips": {key: clip.mean for key, clip in state.clips.items()},
        "random": random})


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Returns the states of the random generators that training draws from."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Restores what _random_state returned. A run that moved to another kind of device keeps the CPU's state only."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
