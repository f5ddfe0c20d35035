"""What WaveGlow is trained on: the likelihood of the paper, and the losses of adversarial training by its inverse."""
from typing import NamedTuple

import torch
from torch import Tensor

from waveglow.model import WaveGlowOutput


class Judgement(NamedTuple):
    """What the discriminators say of a batch of waves."""
    scores: list[Tensor]  # one a discriminator, of its own shape: near 1 for recordings, near 0 for the generated
    features: list[list[Tensor]]  # the activations inside each


def likelihood_loss(output: WaveGlowOutput, sigma: float = 1.0) -> Tensor:
    """Negative log-likelihood a sample in nats, but for a constant, under noise of deviation sigma (equation 3)."""
    log_s = torch.stack([scale.sum() for scale in output.log_s]).sum()
    return (output.z.square().sum() / (2 * sigma**2) - log_s - output.log_det.sum()) / output.z.numel()


def discriminator_loss(real: Judgement, fake: Judgement) -> Tensor:
    """Least squares (Mao et al. 2017, arXiv 1611.04076), summed over the discriminators: real to 1, fake to 0."""
    return torch.stack([(1 - good.float()).square().mean() + bad.float().square().mean()
                        for good, bad in zip(real.scores, fake.scores)]).sum()


def generator_losses(real: Judgement, fake: Judgement) -> dict[str, Tensor]:
    """"adversarial": least squares, fake to 1; "features": L1 between the discriminators' activations.

    `real` gives no gradient here, so one pass of the discriminators can serve their own loss and these.
    """
    adversarial = torch.stack([(1 - score.float()).square().mean() for score in fake.scores]).sum()
    features = torch.stack([(ours.float() - theirs.detach().float()).abs().mean()
                            for mine, good in zip(fake.features, real.features)
                            for ours, theirs in zip(mine, good, strict=True)]).sum()
    return {"adversarial": adversarial, "features": features}
