"""What changes over the steps of a training: the learning rate, the average of the weights, the gradient's bound."""
import copy
import math

import torch
from torch import nn

from hparams import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """Rate of step `step` (from 0): linear warm-up, a stretch at the full rate, half a cosine to the final rate."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    start = config.decay_start * config.steps
    progress = min(1.0, max(0.0, (step - start) / max(1.0, config.steps - start)))
    low = config.final_learning_rate
    return warm * (low + (config.learning_rate - low) * 0.5 * (1 + math.cos(math.pi * progress)))


class AveragedModel:
    """Exponential moving average of a model's weights; buffers are the model's own.

    The average starts short and lengthens to `decay`, so that the random start is forgotten: weight of the past
    min(decay, (1 + step) / (10 + step)), as in TensorFlow's ExponentialMovingAverage with num_updates.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        for module in self.model.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # copied apart, cuDNN would gather them at every call

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Moves the average towards `model` after step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)

    @torch.no_grad()
    def copy_buffers(self, model: nn.Module) -> None:
        """Takes over the model's buffers (BatchNorm's statistics), before the average is used or saved."""
        for mine, theirs in zip(self.model.buffers(), model.buffers()):
            mine.copy_(theirs)


class GradientClip:
    """Scales down gradients whose norm exceeds `factor` times the running mean of the norms after clipping.

    A bound that follows the gradients needs no number for each model and loss (cf. AutoClip, Seetharaman et al. 2020,
    arXiv 2007.14469, which takes a percentile). Nothing is read back to the host.
    """

    def __init__(self, device: torch.device, factor: float) -> None:
        self.factor = factor
        self.mean = torch.full((), float("nan"), device=device)  # NaN: nothing seen yet

    @torch.no_grad()
    def __call__(self, gradients: list[torch.Tensor]) -> torch.Tensor:
        """Scales in place; returns the norm (a scalar tensor) from before."""
        norm = torch.stack(torch._foreach_norm(gradients)).norm()
        mean = torch.where(torch.isnan(self.mean), norm, self.mean)
        bound = self.factor * mean
        torch._foreach_mul_(gradients, torch.clamp(bound / (norm + 1e-12), max=1.0))
        self.mean.copy_(torch.where(torch.isfinite(norm), mean + 0.02 * (torch.minimum(norm, bound) - mean), self.mean))
        return norm
