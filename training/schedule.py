"""Learning-rate schedule, moving average of the weights and adaptive gradient clipping."""
import copy
import math

import torch
from torch import nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hparams import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """Returns the rate of step `step` (from 0): linear warm-up, full rate, then half a cosine to the final rate."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    start = config.decay_start * config.steps
    progress = min(1.0, max(0.0, (step - start) / max(1.0, config.steps - start)))
    low = config.final_learning_rate
    return warm * (low + (config.learning_rate - low) * 0.5 * (1 + math.cos(math.pi * progress)))


class ExponentialMovingAverage:
    """A copy of a model, `module`, whose weights are the moving average of the model's weights.

    The decay grows to its full value, min(decay, (1 + step) / (10 + step)), so that the random initial weights are soon
    forgotten (TensorFlow's ExponentialMovingAverage with num_updates). torch.optim.swa_utils.AveragedModel has a
    constant decay, and waits for the GPU at every step to read its counter.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        for module in self.module.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # the copy is not contiguous, which cuDNN would repair at every call

    def update(self, model: nn.Module, step: int) -> None:
        """Moves the average towards the weights of `model` after step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(list(self.module.parameters()), list(model.parameters()), None)

    @torch.no_grad()
    def copy_buffers(self, model: nn.Module) -> None:
        """Copies the buffers of `model` (BatchNorm's statistics). Call it before the average is used or saved."""
        for averaged, current in zip(self.module.buffers(), model.buffers()):
            averaged.copy_(current)


class GradientClip:
    """Scales down gradients whose norm exceeds `factor` times the running mean of the clipped norms.

    A limit that follows the gradients needs no tuning for each model and loss (like AutoClip, Seetharaman et al. 2020,
    arXiv 2007.14469, which takes a percentile). Never waits for the GPU.
    """

    def __init__(self, device: torch.device, factor: float) -> None:
        self.factor = factor
        self.mean = torch.full((), float("nan"), device=device)  # NaN before the first step

    @torch.no_grad()
    def __call__(self, parameters: list[nn.Parameter]) -> torch.Tensor:
        """Scales the gradients of `parameters` in place; returns their norm before clipping (a scalar tensor)."""
        norm = get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        mean = torch.where(torch.isnan(self.mean), norm, self.mean)
        limit = self.factor * mean
        clip_grads_with_norm_(parameters, 1.0, norm / limit.clamp(min=1e-12))  # its limit must be a number: 1
        clipped = torch.minimum(norm, limit)
        self.mean.copy_(torch.where(torch.isfinite(norm), mean + 0.02 * (clipped - mean), self.mean))
        return norm
