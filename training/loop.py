"""The one training loop. A task knows its model, batches and losses; the loop knows steps, intervals and files."""
import collections
import contextlib
import dataclasses
import math
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from hparams import TextConfig, TrainConfig
from runtime.errors import UserError
from runtime.signals import catch_signals
from training import distributed
from training.checkpoint import check_same_config, load_checkpoint, random_state, save_checkpoint, set_random_state
from training.distributed import Workers
from training.log import TrainingLog
from training.schedule import AveragedModel, GradientClip, learning_rate


class Task(Protocol):
    """What the loop needs to know of a training; one class for each of the three models."""
    model_name: str  # "tacotron2", "waveglow" or "lightspeech"
    text: TextConfig | None  # how its text was read; None for a vocoder
    model: nn.Module  # what is averaged, validated and released
    networks: dict[str, nn.Module]  # all that is trained, the model among them as "model"
    rates: dict[str, float]  # learning rate of each network as a multiple of the config's

    def train_step(self, step: int) -> dict[str, torch.Tensor]:
        """Leaves gradients in every parameter's .grad; returns losses (scalars on the device), "loss" among them."""

    def names(self, step: int) -> list[str]:
        """Names of the rows of this process's batch at a step, for error messages."""

    def validate(self, model: nn.Module, step: int, log: TrainingLog) -> dict[str, float]:
        """Figures of `model` on held-out rows, "score" among them: lower is better."""


@dataclasses.dataclass
class State:
    """A training under way."""
    task: Task
    config: TrainConfig
    workers: Workers
    folder: Path
    step: int  # steps done
    best: float  # lowest score so far
    average: AveragedModel
    optimizers: dict[str, torch.optim.Optimizer]
    clips: dict[str, GradientClip]


def set_up(task: Task, config: TrainConfig, workers: Workers, folder: Path, resume: bool) -> State:
    """Makes the state of a new training, or that of the run in `folder` where `resume` is set.

    Raises UserError for a folder that already holds a run, or whose checkpoint cannot be resumed.
    """
    latest = folder / "latest.pt"
    if latest.exists() and not resume:
        raise UserError(f"{folder}: already holds a run; go on with --resume or give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    for network in task.networks.values():
        distributed.broadcast_from_main([*network.parameters(), *network.buffers()], workers)
    fused = workers.device.type == "cuda"
    optimizers = {name: torch.optim.AdamW(network.parameters(), lr=config.learning_rate * task.rates[name],
                                          betas=(config.beta1, config.beta2), weight_decay=config.weight_decay,
                                          fused=fused) for name, network in task.networks.items()}
    clips = {name: GradientClip(workers.device, config.clip_factor) for name in task.networks}
    state = State(task, config, workers, folder, 0, math.inf, AveragedModel(task.model, config.ema_decay),
                  optimizers, clips)
    torch.manual_seed(config.seed + 7919 * workers.rank)
    if resume:
        _restore(state, load_checkpoint(latest, task.model_name), latest)
    return state


def _restore(state: State, saved: dict[str, Any], path: Path) -> None:
    check_same_config(path, saved["model_config"], state.task.model.config)
    lasting = dataclasses.replace(state.config, steps=saved["train_config"]["steps"])
    check_same_config(path, saved["train_config"], lasting)  # only the number of steps may change
    for name, network in state.task.networks.items():
        network.load_state_dict(saved["networks"][name])
        state.optimizers[name].load_state_dict(saved["optimizers"][name])
        state.clips[name].mean.copy_(saved["clips"][name])
    state.average.model.load_state_dict(saved["average"])
    state.step, state.best = saved["step"], saved["best"]
    if state.workers.count == 1:
        set_random_state(saved["random"], state.workers.device)
    else:  # each process needs its own stream, and only the main one's was saved
        torch.manual_seed(state.config.seed + 7919 * state.workers.rank + 104729 * state.step)


def _settle_buffers(state: State) -> None:
    """Averages BatchNorm's statistics over the processes, which all call it, and hands them to the averaged model."""
    for network in state.task.networks.values():
        distributed.all_reduce_mean((b for b in network.buffers() if b.is_floating_point()), state.workers)
    state.average.copy_buffers(state.task.model)


def save(state: State, name: str) -> None:
    """Writes the state to `name` in the run's folder; all processes call it, the main one writes."""
    _settle_buffers(state)
    if not state.workers.is_main:
        return
    save_checkpoint(state.folder / name, {
        "model": state.task.model_name, "step": state.step, "best": state.best,
        "text": state.task.text and dataclasses.asdict(state.task.text),
        "model_config": dataclasses.asdict(state.task.model.config), "train_config": dataclasses.asdict(state.config),
        "networks": {key: network.state_dict() for key, network in state.task.networks.items()},
        "average": state.average.model.state_dict(),
        "optimizers": {key: optimizer.state_dict() for key, optimizer in state.optimizers.items()},
        "clips": {key: clip.mean for key, clip in state.clips.items()},
        "random": random_state(state.workers.device)})


def train_step(state: State) -> dict[str, torch.Tensor]:
    """One step of every network; returns losses and gradient norms as scalars on the device."""
    losses = state.task.train_step(state.step)
    rate = learning_rate(state.step, state.config)
    for name, network in state.task.networks.items():
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        if not gradients:  # a discriminator that has not joined yet
            continue
        distributed.all_reduce_mean(gradients, state.workers)
        losses[f"{name} gradient norm"] = state.clips[name](gradients)
        for group in state.optimizers[name].param_groups:
            group["lr"] = rate * state.task.rates[name]
        state.optimizers[name].step()
    state.average.update(state.task.model, state.step)
    state.step += 1
    return losses


class LossMeter:
    """Means of losses since the last reading, and the first step with one not finite; kept on the device."""

    def __init__(self) -> None:
        self.sums: dict[str, torch.Tensor] = {}
        self.counts: collections.Counter[str] = collections.Counter()  # a loss may join in between
        self.steps: list[int] = []
        self.finite: list[torch.Tensor] = []

    def add(self, step: int, losses: dict[str, torch.Tensor]) -> None:
        """Takes in the losses of a step without reading them."""
        for name, value in losses.items():
            value = value.detach().float()
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
            self.counts[name] += 1
        self.steps.append(step)
        self.finite.append(torch.isfinite(torch.stack([value.detach().float() for value in losses.values()])).all())

    def read(self) -> tuple[dict[str, float], int | None]:
        """Returns (means, first bad step or None) and starts afresh."""
        if not self.steps:
            return {}, None
        names = list(self.sums)
        values = torch.stack([*self.sums.values(), *(flag.float() for flag in self.finite)]).tolist()
        bad = [step for step, good in zip(self.steps, values[len(names):]) if not good]
        means = {name: value / self.counts[name] for name, value in zip(names, values)}
        self.__init__()
        return means, (bad[0] if bad else None)


def fit(state: State) -> bool:
    """Trains to the last step, or until SIGINT or SIGTERM; returns whether the last step was reached.

    Every config.log_every steps the losses are read; a loss that is not finite raises UserError and writes nothing.
    The checkpoint latest.pt is written every config.checkpoint_seconds, best.pt after each best validation.
    """
    config, log = state.config, TrainingLog(state.folder, state.workers.is_main, state.step, state.config.steps)
    meter, saved, clock = LossMeter(), time.monotonic(), None
    with catch_signals() as asked, contextlib.closing(log):
        while state.step < config.steps:
            meter.add(state.step, train_step(state))
            regular = state.step % config.log_every == 0 or state.step == config.steps
            if not regular and not (asked and state.workers.count == 1):
                continue
            clock = _report(state, meter, log, clock)
            if regular and (state.step % config.validate_every < config.log_every or state.step == config.steps):
                _validate(state, log)
                clock = None
            if state.step < config.steps and distributed.any_process(bool(asked), state.workers):
                save(state, "latest.pt")
                log.print(f"stopped at step {state.step}; go on with --resume")
                return False
            if distributed.any_process(time.monotonic() - saved > config.checkpoint_seconds, state.workers):
                save(state, "latest.pt")
                saved, clock = time.monotonic(), None
        save(state, "latest.pt")
    return True


def _report(state: State, meter: LossMeter, log: TrainingLog, clock: tuple[int, float] | None) -> tuple[int, float]:
    """Reads the losses, checks and notes them with the pace since `clock` = (step, time); returns the new clock."""
    means, bad = meter.read()
    if distributed.any_process(bad is not None, state.workers):
        where = f"at step {bad} (rows {', '.join(state.task.names(bad)[:8])})" if bad is not None else "elsewhere"
        raise UserError(f"a loss or gradient was not finite {where}; the last checkpoint is kept: look at these rows "
                        "or lower --learning-rate, then --resume")
    now = time.monotonic()
    if clock is not None and state.step > clock[0]:
        means["steps a second"] = (state.step - clock[0]) / (now - clock[1])
    if state.workers.device.type == "cuda":
        means["peak GiB"] = torch.cuda.max_memory_allocated() / 2**30
    means["learning rate"] = learning_rate(state.step - 1, state.config)
    log.add_scalars(state.step, means)
    return state.step, now


def _validate(state: State, log: TrainingLog) -> None:
    """Validates the averaged model on every process alike and keeps it as best.pt if no score was lower."""
    _settle_buffers(state)
    devices = [state.workers.device] if state.workers.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():  # the training's own random stream goes on untouched
        torch.manual_seed(0)
        figures = state.task.validate(state.average.model, state.step, log)
    log.add_scalars(state.step, figures, kind="validation")
    if figures["score"] < state.best:
        state.best = figures["score"]
        save(state, "best.pt")
