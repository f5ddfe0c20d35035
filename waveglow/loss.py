"""What WaveGlow is trained on: the likelihood of the paper, and the losses of adversarial training by its inverse."""

import torch
from torch import Tensor

from waveglow.model import WaveGlowOutput


def likelihood_loss(output: WaveGlowOutput, sigma: float = 1.0) -> Tensor:
    """Negative log-likelihood a sample in nats, but for a constant, under noise of deviation sigma (equation 3)."""
    log_s = torch.stack([scale.sum() for scale in output.log_s]).sum()
    return (output.z.square().sum() / (2 * sigma**2) - log_s - output.log_det.sum()) / output.z.numel()
