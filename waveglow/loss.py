"""What WaveGlow is trained on: the likelihood of the paper, and the losses of adversarial training by its inverse."""

import torch
from torch import Tensor

from waveglow.model import WaveGlowOutput


def likelihood_loss(output: WaveGlowOutput) -> Tensor:
    """Returns the negative log-likelihood of a sample in nats, without its constant, for noise of deviation 1."""
    log_s = torch.stack([scale.sum() for scale in output.log_s]).sum()
    return (output.z.square().sum() / 2 - log_s - output.log_det.sum()) / output.z.numel()
