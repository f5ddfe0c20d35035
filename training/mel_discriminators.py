"""Discriminators of mels and the adversarial loss made of them. Used in training only: they make mels sharp.

The mel with the least squared or absolute error is the mean of all likely mels, which is blurred (Ren et al. 2022,
arXiv 2202.13066). The discriminators look at windows of several lengths (Chen et al. 2020, arXiv 2009.01776; for
Tacotron2 and FastSpeech 2: Yang et al. 2021, arXiv 2106.15153); the losses are least squares and feature matching.
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
SLOPE = 0.1  # of the leaky ReLUs
SILENCE = -11.5  # log-mel beyond the end of a row


class WindowDiscriminator(nn.Module):
    """Scores patches of a mel window by 2D convolutions."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, *CHANNELS)
        self.layers = nn.ModuleList(weight_norm(nn.Conv2d(n_in, n_out, 3, 2, 1))
                                    for n_in, n_out in zip(widths, widths[1:]))
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1))

    def forward(self, window: Tensor) -> tuple[Tensor, list[Tensor]]:
        """window (B, M, W) -> scores (B, 1, about M / 16, about W / 16), the activations of each layer."""
        x, features = (window[:, None] + 5) * 0.4, []  # about unit variance for speech
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return self.score(x), features


class MelDiscriminators(nn.Module):
    """One WindowDiscriminator for each length of WINDOWS."""

    def __init__(self) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(WindowDiscriminator() for _ in WINDOWS)

    def forward(self, mel: Tensor, lengths: Tensor, starts: Tensor) -> DiscriminatorOutput:
        """mel (B, M, T), lengths (B,) int64, starts (len(WINDOWS), B) int64 of `draw_starts`. Padding has no effect."""
        scores, features = zip(*(discriminator(cut(mel, lengths, start, window)) for discriminator, start, window
                                 in zip(self.discriminators, starts, WINDOWS)))
        return DiscriminatorOutput(list(scores), list(features))


def draw_starts(lengths: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Returns the first frame of a random window of each length in each row: (B,) -> (len(WINDOWS), B) int64.

    It is 0 in a row that is shorter than the window.
    """
    share = torch.rand(len(WINDOWS), len(lengths), generator=generator, device=lengths.device)
    windows = torch.tensor(WINDOWS, device=lengths.device)[:, None]
    return (share * (lengths - windows + 1).clamp(min=1)).long()


def cut(mel: Tensor, lengths: Tensor, starts: Tensor, window: int) -> Tensor:
    """mel (B, M, T), lengths and starts (B,) -> each row's `window` frames from its start on (B, M, window).

    Frames beyond a row's length are SILENCE.
    """
    frames = starts[:, None] + torch.arange(window, device=mel.device)  # (B, window)
    inside = (frames < lengths[:, None])[:, None]
    index = frames.clamp(max=mel.shape[2] - 1)[:, None].expand(-1, mel.shape[1], -1)
    return torch.where(inside, mel.gather(2, index), SILENCE)


class AdversarialMelLoss:
    """The losses of mel discriminators. They take part from step `first_step` on, when the mels are already close."""

    def __init__(self, settings: MelTraining, device: torch.device) -> None:
        self.settings = settings
        self.first_step = round(settings.adversarial_from * (settings.phase_steps or settings.steps))
        self.discriminators = MelDiscriminators().to(device)

    def is_active(self, step: int) -> bool:
        """Returns whether the discriminators take part in step `step` (from 0)."""
        return step >= self.first_step

    def score(self, steps: int) -> float:
        """Returns the validation score after `steps` steps: the newest network is the best, infinity before first_step.

        The mel loss is no measure of it: a blurred mel has the least, so it rises when the discriminators begin.
        """
        return -float(steps) if steps > self.first_step else math.inf

    def add_to(self, loss: Tensor, fake: Tensor, real: Tensor, lengths: Tensor, step: int
               ) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns `loss` plus the adversarial losses, and these by name; writes the discriminators' gradients.

        fake, real (B, M, T) float32: generated and target mels; lengths (B,) on their device. The caller computes the
        gradients of the returned loss for its own parameters only. Before first_step: returns (loss, {}).
        """
        if not self.is_active(step):
            return loss, {}
        starts = draw_starts(lengths)
        output_real, output_fake = (self.discriminators(mel, lengths, starts) for mel in (real, fake))
        own_loss = discriminator_loss(output_real, output_fake)
        parameters = list(self.discriminators.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(own_loss, parameters, retain_graph=True)):
            parameter.grad = gradient
        losses = generator_losses(output_real, output_fake)
        loss = (loss + self.settings.adversarial_weight * losses["adversarial"]
                + self.settings.matching_weight * losses["feature_matching"])
        return loss, {**losses, "discriminators": own_loss.detach()}


def variance_ratio(fake: Tensor, real: Tensor, lengths: Tensor) -> Tensor:
    """Returns the variance over time of generated mels divided by that of their targets, means over rows and bands.

    fake, real (B, M, T) float32; lengths (B,). Below 1 a mel is over-smoothed (global variance, Toda and Tokuda 2007).
    """
    inside = (torch.arange(real.shape[2], device=real.device) < lengths[:, None])[:, None]

    def variance(mel: Tensor) -> Tensor:
        mean = (mel * inside).sum(2) / lengths[:, None]
        return ((mel - mean[:, :, None]).square() * inside).sum(2) / lengths[:, None]
    return variance(fake.float()).mean() / variance(real.float()).mean()
