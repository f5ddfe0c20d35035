"""The losses of generated waves, for every training that makes waves: spectral ones, and those of discriminators."""
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from hparams import AudioConfig, VocoderTraining
from training.gan_loss import discriminator_loss, generator_losses
from training.spectral_loss import SpectralLoss
from training.wave_discriminators import Discriminators

Losses = tuple[Tensor, dict[str, Tensor]]  # the weighted sum, with gradients; its parts by name, without


class WaveLoss:
    """Weighted sums of the losses of generated waves (B, S), compared with recorded ones. Works in CUDA graphs."""

    def __init__(self, settings: VocoderTraining, audio: AudioConfig, device: torch.device) -> None:
        self.device = device
        self.weights = {"mel": settings.mel_weight, "stft": settings.stft_weight,
                        "feature_matching": settings.feature_weight, "adversarial": 1.0}
        self.spectral = SpectralLoss(audio).to(device)
        self.discriminators = Discriminators().to(device)

    def without_discriminators(self, fake: Tensor, real: Tensor) -> Losses:
        """Returns the spectral losses of `fake` (B, S) against `real` (B, S)."""
        return self._weighted(self.spectral(fake, real))

    def with_discriminators(self, fake: Tensor, real: Tensor) -> Losses:
        """Returns all losses of `fake`, and writes the discriminators' own gradients into their .grad.

        These must exist. One pass of the discriminators serves their loss and the generator's.
        """
        with autocast(self.device):
            judged_real, judged_fake = self.discriminators(real), self.discriminators(fake)
        theirs = discriminator_loss(judged_real, judged_fake)
        write_gradients(theirs, self.discriminators.parameters(), retain_graph=True)
        loss, parts = self._weighted({**generator_losses(judged_real, judged_fake), **self.spectral(fake, real)})
        return loss, {**parts, "discriminators": theirs.detach()}

    def _weighted(self, losses: dict[str, Tensor]) -> Losses:
        """Returns the weighted sum of losses, and the losses."""
        total = torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()
        return total, {name: loss.detach() for name, loss in losses.items()}


def write_gradients(loss: Tensor, parameters: Iterable[nn.Parameter], retain_graph: bool = False) -> None:
    """Copies the gradients of a loss into the .grad of these parameters alone, which must exist.

    The gradients stay where they are in memory, as a CUDA graph needs.
    """
    parameters = list(parameters)
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters, retain_graph=retain_graph)):
        assert parameter.grad is not None
        parameter.grad.copy_(gradient)


def autocast(device: torch.device) -> torch.autocast:
    """Returns bfloat16 autocast on a GPU; does nothing on the CPU."""
    # Without the cache of cast weights, which would outlive the capture of a CUDA graph.
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False)
