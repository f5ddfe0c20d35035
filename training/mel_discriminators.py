"""Discriminators of mels, needed in training only: they make a network's mels as sharp as its targets.

A squared or absolute error is least where a mel is the mean of all that could have been said, and a mean is blurred
(Ren et al. 2022, arXiv 2202.13066). Windows of several lengths are judged (Chen et al. 2020, arXiv 2009.01776; for
Tacotron2 and FastSpeech 2: Yang et al. 2021, arXiv 2106.15153), with least squares and feature matching.
"""
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from hparams import MelTraining
from training.gan_loss import DiscriminatorOutput, discriminator_loss, generator_losses

WINDOWS = (32, 64, 128)  # mel frames: 0.4 to 1.5 s
CHANNELS = (32, 64, 128, 128)
SLOPE = 0.1  # of the leaky rectifiers
SILENCE = -11.5  # log-mel of what lies beyond a row's end


class WindowDiscriminator(nn.Module):
    """Looks at a stretch of mel as at a picture of one colour, and judges it patch by patch."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, *CHANNELS)
        self.layers = nn.ModuleList(weight_norm(nn.Conv2d(n_in, n_out, 3, 2, 1))
                                    for n_in, n_out in zip(widths, widths[1:]))
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1))

    def forward(self, window: Tensor) -> tuple[Tensor, list[Tensor]]:
        """window (B, M, W) -> scores (B, 1, about M / 16, about W / 16), the activations of each layer."""
        x, features = (window[:, None] + 5) * 0.4, []  # about unit scale for speech
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return self.score(x), features


class MelDiscriminators(nn.Module):
    """One judge a window length."""

    def __init__(self) -> None:
        super().__init__()
        self.judges = nn.ModuleList(WindowDiscriminator() for _ in WINDOWS)

    def forward(self, mel: Tensor, lengths: Tensor, starts: Tensor) -> DiscriminatorOutput:
        """mel (B, M, T), lengths (B,) int64, starts (len(WINDOWS), B) int64 of `draw_starts`; T is not looked at
        beyond a row's length."""
        scores, features = zip(*(judge(cut(mel, lengths, start, window))
                                 for judge, start, window in zip(self.judges, starts, WINDOWS)))
        return DiscriminatorOutput(list(scores), list(features))


def draw_starts(lengths: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """First frames of a random window of each length in each row: lengths (B,) -> (len(WINDOWS), B) int64.

    A row shorter than a window begins it.
    """
    share = torch.rand(len(WINDOWS), len(lengths), generator=generator, device=lengths.device)
    windows = torch.tensor(WINDOWS, device=lengths.device)[:, None]
    return (share * (lengths - windows + 1).clamp(min=1)).long()


def cut(mel: Tensor, lengths: Tensor, starts: Tensor, window: int) -> Tensor:
    """mel (B, M, T), lengths and starts (B,) -> (B, M, window) from each row's start on, SILENCE beyond its length."""
    places = starts[:, None] + torch.arange(window, device=mel.device)  # (B, window)
    inside = (places < lengths[:, None])[:, None]
    index = places.clamp(max=mel.shape[2] - 1)[:, None].expand(-1, mel.shape[1], -1)
    return torch.where(inside, mel.gather(2, index), SILENCE)


class MelAdversary:
    """The discriminators with what a training of mels needs of them; joins it late, when its mels are near already."""

    def __init__(self, settings: MelTraining, device: torch.device) -> None:
        self.settings = settings
        self.first_step = round(settings.adversarial_from * settings.steps)
        self.network = MelDiscriminators().to(device)

    def joined(self, step: int) -> bool:
        """Whether the discriminators take part in step number `step`, counted from 0."""
        return step >= self.first_step

    def score(self, steps: int) -> float:
        """What validation says of a network after `steps` steps: the newest is the best, but for those before them.

        A mel loss could not say it, being least for a blurred mel: it rises when the discriminators join.
        """
        return -float(steps) if steps > self.first_step else math.inf

    def join(self, loss: Tensor, fake: Tensor, real: Tensor, lengths: Tensor, step: int
             ) -> tuple[Tensor, dict[str, Tensor]]:
        """Adds the discriminators' verdict to a network's loss, and leaves their own gradients in their .grad.

        fake, real (B, M, T) float32, generated and target; lengths (B,) on their device. Returns the loss, whose
        gradients are then to be asked for the network's parameters alone, and the terms by name to be told; before the
        step at which the discriminators join, the loss as it is and {}.
        """
        if not self.joined(step):
            return loss, {}
        starts = draw_starts(lengths)
        judged_real, judged_fake = (self.network(mel, lengths, starts) for mel in (real, fake))
        theirs = discriminator_loss(judged_real, judged_fake)
        parameters = list(self.network.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(theirs, parameters, retain_graph=True)):
            parameter.grad = gradient
        mine = generator_losses(judged_real, judged_fake)
        verdict = (self.settings.adversarial_weight * mine["adversarial"]
                   + self.settings.matching_weight * mine["feature_matching"])
        return loss + verdict, {**mine, "discriminators": theirs.detach()}


def variance_ratio(fake: Tensor, real: Tensor, lengths: Tensor) -> Tensor:
    """How lively a mel is beside its target: variance over time, mean of rows and bands, fake over real; 1 is alike.

    fake, real (B, M, T) float32; lengths (B,). Below 1 a mel is over-smoothed (global variance, Toda and Tokuda 2007).
    """
    inside = (torch.arange(real.shape[2], device=real.device) < lengths[:, None])[:, None]

    def variance(mel: Tensor) -> Tensor:
        mean = (mel * inside).sum(2) / lengths[:, None]
        return ((mel - mean[:, :, None]).square() * inside).sum(2) / lengths[:, None]
    return variance(fake.float()).mean() / variance(real.float()).mean()
