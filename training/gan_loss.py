"""Losses of adversarial training, for discriminators of waves and of mels alike."""
from typing import NamedTuple

import torch
from torch import Tensor


class DiscriminatorOutput(NamedTuple):
    """The scores and activations of several discriminators for one batch."""
    scores: list[Tensor]  # one a discriminator, of its own shape: near 1 for recordings, near 0 for generated ones
    features: list[list[Tensor]]  # the activations of each discriminator's layers


def discriminator_loss(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
    """Returns the least-squares loss (Mao et al. 2017, arXiv 1611.04076), summed: scores real to 1, fake to 0."""
    return torch.stack([(1 - good.float()).square().mean() + bad.float().square().mean()
                        for good, bad in zip(real.scores, fake.scores)]).sum()


def generator_losses(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> dict[str, Tensor]:
    """Returns "adversarial" (least squares, fake to 1) and "feature_matching" (L1 between the activations).

    `real` gets no gradient, so one pass of the discriminators can serve their own loss and these.
    """
    adversarial = torch.stack([(1 - score.float()).square().mean() for score in fake.scores]).sum()
    matching = torch.stack([(generated.float() - recorded.detach().float()).abs().mean()
                            for fakes, reals in zip(fake.features, real.features)
                            for generated, recorded in zip(fakes, reals, strict=True)]).sum()
    return {"adversarial": adversarial, "feature_matching": matching}
