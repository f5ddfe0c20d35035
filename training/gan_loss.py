"""Losses of adversarial training, for discriminators of waves and of mels alike."""
from typing import NamedTuple

import torch
from torch import Tensor


class Judgement(NamedTuple):
    """What the discriminators say of a batch of waves."""
    scores: list[Tensor]  # one a discriminator, of its own shape: near 1 for recordings, near 0 for the generated
    features: list[list[Tensor]]  # the activations inside each


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
