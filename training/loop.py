"""The training loop of all models. A task has the model, batches and losses; the loop has steps, intervals and files.

A run that was stopped and resumed gives the same checkpoints as one that was not, to the bit, if every kernel used is
deterministic (all are on a CPU) and as many processes go on as had stopped.
"""
import collections
import contextlib
import time
from collections.abc import Callable

import torch

from hparams import UserError
from runtime.files import make_folder
from runtime.signals import catch_signals
from training.checkpoint import BEST, LATEST
from training.distributed import all_reduce_mean, any_process, batch_norm_statistics, number_of_main
from training.judge import run_judge
from training.log import TrainingLog
from training.schedule import learning_rate
from training.state import TrainingState, save


class LossMeter:
    """Means of losses since the last `compute`, kept on the device, and the first step with one that is not finite."""

    def __init__(self) -> None:
        self.sums: dict[str, torch.Tensor] = {}
        self.counts: collections.Counter[str] = collections.Counter()  # a loss may begin later than others
        self.finite: dict[int, torch.Tensor] = {}  # step -> whether all its losses are finite

    def update(self, step: int, losses: dict[str, torch.Tensor]) -> None:
        """Adds the losses of a step without waiting for the device."""
        values = {name: value.detach().float() for name, value in losses.items()}
        for name, value in values.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value.clone()
            self.counts[name] += 1
        self.finite[step] = torch.isfinite(torch.stack(list(values.values()))).all()

    def compute(self) -> tuple[dict[str, float], int | None]:
        """Returns (means by name, the first step with a loss that is not finite or None) and starts again."""
        if not self.finite:
            return {}, None
        values = torch.stack([*self.sums.values(), *(flag.float() for flag in self.finite.values())]).tolist()
        means = {name: value / self.counts[name] for name, value in zip(self.sums, values)}
        bad_steps = [step for step, finite in zip(self.finite, values[len(self.sums):]) if not finite]
        self.__init__()  # type: ignore[misc]
        return means, bad_steps[0] if bad_steps else None


def fit(state: TrainingState, watch: Callable[[int], None] | None = None) -> bool:
    """Trains to the last step, or until SIGINT or SIGTERM. Returns True if the last step was reached.

    Every config.log_every steps the losses are read and logged; one that is not finite raises UserError and writes no
    checkpoint. latest.pt is written every config.checkpoint_seconds and at the end, best.pt after each best validation.
    watch: called with the number of finished steps after each reading of the losses.
    """
    config, workers = state.config, state.workers
    samples = make_folder(state.folder / "samples") if state.judge and workers.is_main else None
    log = TrainingLog(state.folder, workers.is_main, state.step, config.steps, samples)
    meter, saved, clock = LossMeter(), time.monotonic(), None
    with catch_signals() as signals, contextlib.closing(log):
        while state.step < config.steps:
            meter.update(state.step, train_step(state))
            regular = state.step % config.log_every == 0 or state.step == config.steps
            if not regular and not (signals and workers.count == 1):
                continue
            clock = _log_losses(state, meter, log, clock)
            if watch:
                watch(state.step)
            if regular and (state.step % config.validate_every < config.log_every or state.step == config.steps):
                validate(state, log)
                clock = None
            if state.step < config.steps and any_process(bool(signals), workers):
                save(state, LATEST)
                log.print(f"stopped at step {state.step}; go on with --resume")
                return False
            if any_process(time.monotonic() - saved > config.checkpoint_seconds, workers):
                save(state, LATEST)
                saved, clock = time.monotonic(), None
        save(state, LATEST)
    return True


def train_step(state: TrainingState) -> dict[str, torch.Tensor]:
    """Trains every network for one step. Returns losses and gradient norms as scalars on the device."""
    losses = state.task.train_step(state.step)
    rate = learning_rate(state.step, state.config)
    for name, network in state.task.networks.items():
        parameters = [parameter for parameter in network.parameters() if parameter.grad is not None]
        if not parameters:  # discriminators that do not take part yet
            continue
        if state.workers.count > 1:  # with BatchNorm's statistics, so that all processes always have the same state
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            all_reduce_mean([*gradients, *batch_norm_statistics(network)], state.workers)
        losses[f"{name} gradient norm"] = state.clips[name](parameters)
        for group in state.optimizers[name].param_groups:
            group["lr"] = rate * state.task.rates[name]
        state.optimizers[name].step()
    state.ema.update(state.task.model, state.step)
    state.step += 1
    return losses


def _log_losses(state: TrainingState, meter: LossMeter, log: TrainingLog, clock: tuple[int, float] | None
                ) -> tuple[int, float]:
    """Logs the mean losses and the speed since `clock` = (step, time); returns the new clock.

    Raises UserError on all processes if a loss of one is not finite.
    """
    means, bad_step = meter.compute()
    if any_process(bad_step is not None, state.workers):
        where = ("in another process" if bad_step is None
                 else f"at step {bad_step} (rows {', '.join(state.task.names(bad_step)[:8])})")
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


def validate(state: TrainingState, log: TrainingLog) -> None:
    """Validates the averaged model in every process, and saves best.pt if the main process's score is the lowest.

    With a judge, its number with the sign changed is the score.
    """
    state.ema.copy_buffers(state.task.model)
    devices = [state.workers.device] if state.workers.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():  # the training's random numbers stay the same
        torch.manual_seed(0)
        figures = state.task.validate(state.ema.module, state.step, log)
    if state.judge and log.samples:
        figures["judge"] = run_judge(state.judge, log.samples)
        figures["score"] = -figures["judge"]
    figures["score"] = number_of_main(figures["score"], state.workers)  # rounding differs from device to device
    log.add_scalars(state.step, figures, kind="validation")
    if figures["score"] < state.best_score:
        state.best_score = figures["score"]
        save(state, BEST)
