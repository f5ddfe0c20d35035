"""Discriminators of waves for adversarial training: of periods (Kong, Kim, Bae 2020, arXiv 2010.05646) and of
spectrograms at several resolutions (Jang et al. 2021, arXiv 2106.07889). Needed in training only.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from training.gan_loss import DiscriminatorOutput

PERIODS = (2, 3, 5, 7, 11)  # samples; primes, so that they overlap little
PERIOD_CHANNELS = (32, 96, 256, 384)
RESOLUTIONS = (2048, 1024, 512)  # n_fft; the hop is a quarter
RESOLUTION_CHANNELS = 32
SLOPE = 0.1  # of the leaky rectifiers


class Discriminators(nn.Module):
    """All discriminators of waves of at least 2,048 samples; works under autocast and in CUDA graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.judges = nn.ModuleList([PeriodDiscriminator(period) for period in PERIODS]
                                    + [ResolutionDiscriminator(n_fft) for n_fft in RESOLUTIONS])

    def forward(self, wave: Tensor) -> DiscriminatorOutput:
        """Returns the scores and features of waves (B, S) float32, a list entry for each discriminator."""
        scores, features = zip(*(judge(wave) for judge in self.judges))
        return DiscriminatorOutput(list(scores), list(features))


class PeriodDiscriminator(nn.Module):
    """A discriminator of samples one period apart: folds the wave into rows of a period, convolves along columns."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        widths = (1, *PERIOD_CHANNELS)
        self.layers = nn.ModuleList(_conv(n_in, n_out, (5, 1), stride=(3, 1))
                                    for n_in, n_out in zip(widths, widths[1:]))
        self.layers.append(_conv(widths[-1], widths[-1], (5, 1)))
        self.score = _conv(widths[-1], 1, (3, 1))

    def forward(self, wave: Tensor) -> tuple[Tensor, list[Tensor]]:
        """wave (B, S) -> scores (B, 1, about S / period / 81, period), features."""
        wave = F.pad(wave[:, None], (0, -wave.shape[1] % self.period), mode="reflect")
        return _score(wave.unflatten(2, (-1, self.period)), self.layers, self.score)


class ResolutionDiscriminator(nn.Module):
    """A discriminator of the magnitude spectrogram, convolved as a picture (B, 1, frames, bins)."""

    def __init__(self, n_fft: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        width = RESOLUTION_CHANNELS
        self.layers = nn.ModuleList([_conv(1, width, (3, 9)),
                                     *(_conv(width, width, (3, 9), stride=(1, 2)) for _ in range(3)),
                                     _conv(width, width, (3, 3))])
        self.score = _conv(width, 1, (3, 3))

    def forward(self, wave: Tensor) -> tuple[Tensor, list[Tensor]]:
        """wave (B, S) -> scores (B, 1, frames, about n_fft / 16), features."""
        with torch.autocast(wave.device.type, enabled=False):
            spectrum = torch.stft(wave.float(), self.n_fft, self.n_fft // 4, window=self.window, center=False,
                                  return_complex=True)
            power = torch.view_as_real(spectrum).square().sum(-1)
            picture = (power + 1e-6).pow(0.25)  # the root of the magnitude: what is quiet still counts
        return _score(picture.transpose(1, 2)[:, None], self.layers, self.score)


def _conv(n_in: int, n_out: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> nn.Conv2d:
    """Returns a weight-normalized convolution that keeps the size, except for its stride."""
    padding = (kernel[0] // 2, kernel[1] // 2)
    return weight_norm(nn.Conv2d(n_in, n_out, kernel, stride, padding))


def _score(x: Tensor, layers: nn.ModuleList, score: nn.Conv2d) -> tuple[Tensor, list[Tensor]]:
    """Returns the scores of a discriminator and the activations of its layers."""
    features = []
    for layer in layers:
        x = F.leaky_relu(layer(x), SLOPE)
        if not features:
            x = x.contiguous(memory_format=torch.channels_last)  # what tensor cores want; the later layers keep it
        features.append(x)
    return score(x), features
