"""WaveGlow: a normalizing flow between noise and speech (Prenger, Valle, Catanzaro 2018, arXiv 1811.00002).

Parameters have the names of NVIDIA's published networks.

The invertible 1x1 convolutions are stored as the forward matrices, `convinv.k.conv.weight`. The inverse direction
inverts them each time (by torch.linalg.inv_ex, which does not wait for the GPU), and gradients pass through the
inversion. So the same parameters are used by likelihood and by adversarial training.
"""
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hparams import AudioConfig, UserError, WaveGlowConfig
from waveglow.conditioner import SampleConditioner
from waveglow.coupling import CouplingNetwork, FlowWeights, NormedConv, coupling_network, flow_weights

OLD_EARLY_EVERY = 4  # a constant in the code of the "old" generation


class WaveGlowOutput(NamedTuple):
    """Result of WaveGlow.forward, all that the likelihood needs."""
    z: Tensor  # (B, n_group, S / n_group) float32: early outputs first, in the order of the flows
    log_s: list[Tensor]  # for each flow (B, half of its channels, S / n_group) float32
    log_det: Tensor  # (n_flows,) float32: log |det W| summed over batch and steps


class InvertibleConv(nn.Module):
    """A 1x1 convolution, initially a random rotation (Kingma and Dhariwal 2018, arXiv 1807.03039)."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(n_channels, n_channels, 1, bias=False)
        rotation = torch.linalg.qr(torch.randn(n_channels, n_channels))[0]
        rotation = torch.cat([rotation[:, :1] * torch.linalg.det(rotation).sign(), rotation[:, 1:]], dim=1)
        self.conv.weight = nn.Parameter(rotation[:, :, None].contiguous())


def channels_of_flows(config: WaveGlowConfig) -> list[int]:
    """Returns the number of channels of each flow: after every n_early_every flows, n_early_size leave as output."""
    return [config.n_group - k // config.n_early_every * config.n_early_size for k in range(config.n_flows)]


def _check(config: WaveGlowConfig, audio: AudioConfig) -> None:
    """Raises UserError for sizes that are impossible together."""
    sizes = channels_of_flows(config)
    if not all(size > 0 and size % 2 == 0 for size in sizes):
        raise UserError(f"n_flows, n_early_every, n_early_size: the flows have {sizes[0]} to {sizes[-1]} channels, "
                        "expected even numbers above 0; use fewer flows or rarer early outputs")
    if config.generation == "old" and config.n_early_every != OLD_EARLY_EVERY:
        raise UserError(f"n_early_every: found {config.n_early_every}, expected {OLD_EARLY_EVERY} in generation 'old'")
    if audio.hop_length % config.n_group:
        raise UserError(f"n_group: found {config.n_group}, expected a divisor of {audio.hop_length}")


class WaveGlow(nn.Module):
    """Mel and wave to noise (`forward`), mel and noise to wave (`infer`). Both are differentiable.

    Neither waits for the GPU. Under autocast only the networks inside the flows run in the lower precision.
    core: the function that computes a flow's network; training may replace it by torch.compile(coupling_network,
    dynamic=False, fullgraph=True), which compiles once for all flows.
    margin: mel frames at each side of a chunk of an utterance. 101 could reach a sample; those beyond 16 change one by
    5e-6 at most, a sixth of a 16-bit step (a network of 64 channels, 2026-11-22).
    Raises UserError for sizes that are impossible together.
    """
    margin = 24

    def __init__(self, config: WaveGlowConfig, audio: AudioConfig = AudioConfig()) -> None:
        super().__init__()
        self.config = config
        self.hop_length = audio.hop_length
        self.sizes = channels_of_flows(config)
        _check(config, audio)
        n_condition = config.n_mels * config.n_group
        self.upsample = SampleConditioner(config.n_mels, audio.n_fft, audio.hop_length, config.n_group)
        self.WN = nn.ModuleList(CouplingNetwork(size // 2, n_condition, config.n_channels, config.n_layers,
                                                config.kernel_size) for size in self.sizes)
        self.convinv = nn.ModuleList(InvertibleConv(size) for size in self.sizes)
        self.core = coupling_network

    def noise_shape(self, frames: int, crop: int = 0) -> tuple[int, int]:
        """Returns the shape (channels, steps) of the noise that `infer` takes for a mel of so many frames."""
        return self.config.n_group, frames * self.hop_length // self.config.n_group

    @property
    def context(self) -> int:
        """Mel frames at each side of a training segment that its conditioning depends on; the largest `crop`."""
        return self.upsample.context

    def fold_weight_norm(self) -> None:
        """Replaces every weight_g and weight_v by one weight, as in released files. The function stays the same."""
        for module in self.modules():
            if isinstance(module, NormedConv):
                module.fold()

    def unfold_weight_norm(self) -> None:
        """Reverses fold_weight_norm, for further training."""
        for module in self.modules():
            if isinstance(module, NormedConv):
                module.unfold()

    def forward(self, mel: Tensor, audio: Tensor, crop: int = 0) -> WaveGlowOutput:
        """mel (B, M, T + 2 crop), audio (B, S) in [-1, 1] -> noise and log-determinants.

        S: a multiple of n_group, at most T * hop.
        crop: frames at each side of the mel that are only context, 0 or `context`.
        """
        with _float32(mel.device.type) as dtype:
            x = audio.float().unflatten(1, (-1, self.config.n_group))
            condition, weights = self._prepare(mel, crop, audio.shape[1], dtype)
            matrices, log_det = self.matrices(), self._log_det()
            z, log_s = [], []
            for k, size in enumerate(self.sizes):
                if x.shape[2] != size:
                    z.append(x[..., :-size])
                    x = x[..., -size:]
                first, second = self._halves(k, x @ matrices[k].T)
                shift, log_scale = self._coupling(self.core, first, condition, weights[k])
                x = self._join(k, first, torch.exp(log_scale) * second + shift)
                log_s.append(log_scale.transpose(1, 2))
            z = torch.cat([*z, x], dim=2).transpose(1, 2)
            return WaveGlowOutput(z, log_s, log_det * (x.shape[0] * x.shape[1]))

    def infer(self, mel: Tensor, sigma: float | None = None,
              generator: torch.Generator | Sequence[torch.Generator] | None = None, noise: Tensor | None = None,
              mel_lengths: Tensor | None = None, crop: int = 0) -> Tensor:
        """mel (B, M, T + 2 crop) -> wave (B, T * hop) float32, nearly within [-1, 1].

        sigma: scale of the noise; None means config.sigma.
        generator: of the noise; one for each row makes the noise of a row independent of the other rows.
        noise: (B, *noise_shape(T)) of unit scale, channels in the order of WaveGlowOutput.z; None: drawn here.
        mel_lengths: (B,) frames; each row is then the same as in a batch of its own, and zero after its end.
        crop: frames at each side of the mel that are only context, 0 or `context`; not together with mel_lengths.
        """
        assert mel_lengths is None or crop == 0
        n_samples = (mel.shape[2] - 2 * crop) * self.hop_length
        mask = None
        if mel_lengths is not None:
            mel, mask = self.masked(mel, mel_lengths)
        if noise is None:
            noise = self._draw(mel, n_samples // self.config.n_group, generator, mel_lengths)
        sigma = self.config.sigma if sigma is None else sigma
        with _float32(mel.device.type) as dtype:
            condition, weights = self._prepare(mel, crop, n_samples, dtype)
            z = noise.float().transpose(1, 2) * sigma
            x = self.inverse(z, condition, weights, mask, self.matrices(inverse=True), self.core)
        wave = x.flatten(1)
        return wave if mask is None else wave * mask.to(wave.dtype).expand(x.shape).flatten(1)

    def inverse(self, z: Tensor, condition: Tensor, weights: list[FlowWeights], mask: Tensor | None,
                inverses: list[Tensor], core: Callable[..., Tensor]) -> Tensor:
        """z (B, steps, n_group) -> samples (B, steps, n_group), through the flows in reverse order.

        condition: (B, K, D) and weights, in the dtype of the networks. mask: (B, steps, 1) bool or None. inverses: of
        the 1x1 matrix of each flow. core: see the attribute.
        """
        x, early = z[..., -self.sizes[-1]:], z[..., :-self.sizes[-1]]
        if torch.is_grad_enabled():
            x = x.detach().requires_grad_()  # otherwise the first network would be compiled separately
        for k in reversed(range(len(self.sizes))):
            missing = self.sizes[k] - x.shape[2]
            if missing:
                x = torch.cat([early[..., -missing:], x], dim=2)
                early = early[..., :-missing]
            first, second = self._halves(k, x)
            shift, log_scale = self._coupling(core, first, condition, weights[k], mask)
            x = self._join(k, first, (second - shift) * torch.exp(-log_scale)) @ inverses[k].T
        return x

    def _coupling(self, core: Callable[..., Tensor], first: Tensor, condition: Tensor, weights: FlowWeights,
                  mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """first (B, steps, n) -> shift and log s, each (B, steps, n) float32."""
        n, half = first.shape[2], weights.start.shape[1]
        dtype = condition.dtype
        padded = F.pad(first, (0, half - n)).to(dtype).contiguous()
        out = core(padded, condition, weights, None if mask is None else mask.to(dtype))
        return out[..., :n], out[..., half:half + n]

    def _halves(self, k: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the half that flow k keeps and the half that it changes; in "old" networks odd flows swap them."""
        first, second = x.chunk(2, dim=2)
        return (second, first) if self.swaps(k) else (first, second)

    def _join(self, k: int, kept: Tensor, changed: Tensor) -> Tensor:
        """Returns the halves joined again; undoes the split of flow k."""
        return torch.cat([changed, kept] if self.swaps(k) else [kept, changed], dim=2)

    def swaps(self, k: int) -> bool:
        """Returns whether flow k changes the first half and keeps the second."""
        return self.config.generation == "old" and k % 2 == 1

    def _prepare(self, mel: Tensor, crop: int, n_samples: int, dtype: torch.dtype
                 ) -> tuple[Tensor, list[FlowWeights]]:
        """Returns the upsampled mel and the weights of all flows, in this dtype."""
        condition = self.upsample(mel.float(), crop, n_samples).to(dtype).contiguous()
        assert n_samples // self.config.n_group % condition.shape[1] == 0, "samples and mel frames do not match"
        return condition, flow_weights(list(self.WN), dtype)

    def _stacked_matrices(self) -> list[Tensor]:
        """Returns the 1x1 matrices stacked by size, each (flows, size, size), from the largest size on."""
        sizes = sorted(set(self.sizes), reverse=True)
        return [torch.stack([conv.conv.weight[..., 0] for conv, own_size in zip(self.convinv, self.sizes)
                             if own_size == size])
                for size in sizes]

    def matrices(self, inverse: bool = False) -> list[Tensor]:
        """Returns the 1x1 matrix of each flow, (size, size) float32, or its inverse."""
        stacks = self._stacked_matrices()
        if inverse:
            stacks = [torch.linalg.inv_ex(stack).inverse for stack in stacks]
        return [matrix for stack in stacks for matrix in stack.unbind()]

    def _log_det(self) -> Tensor:
        """Returns log |det| of each flow's 1x1 convolution, (n_flows,)."""
        return torch.cat([torch.linalg.slogdet(stack).logabsdet for stack in self._stacked_matrices()])

    def masked(self, mel: Tensor, mel_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the mel with each row continued after its end as in a batch of its own, and a mask of its steps.

        mel: (B, M, T). mel_lengths: (B,) frames. The mask is (B, steps, 1) bool, True for the steps of the row.
        """
        lengths = mel_lengths.to(mel.device)[:, None, None]
        mel = torch.where(torch.arange(mel.shape[2], device=mel.device) < lengths, mel, 0.0)
        per_frame = self.hop_length // self.config.n_group
        return mel, torch.arange(mel.shape[2] * per_frame, device=mel.device)[:, None] < lengths * per_frame

    def _draw(self, mel: Tensor, steps: int, generator: torch.Generator | Sequence[torch.Generator] | None,
              mel_lengths: Tensor | None) -> Tensor:
        """Returns unit noise (B, n_group, steps) on the mel's device."""
        group = self.config.n_group
        if generator is None or isinstance(generator, torch.Generator):
            device = mel.device if generator is None else generator.device
            noise = torch.randn(len(mel), steps, group, generator=generator, device=device)
        else:
            per_frame = self.hop_length // group
            lengths = [steps] * len(mel) if mel_lengths is None else [n * per_frame for n in mel_lengths.tolist()]
            noise = nn.utils.rnn.pad_sequence([torch.randn(length, group, generator=row, device=row.device)
                                               for length, row in zip(lengths, generator, strict=True)], True)
            noise = F.pad(noise, (0, 0, 0, steps - noise.shape[1]))
        return noise.to(mel.device).transpose(1, 2)


@contextlib.contextmanager
def _float32(device_type: str) -> Iterator[torch.dtype]:
    """Disables autocast in the block. Yields the dtype that it had enabled; float32 if it was not active."""
    active = torch.is_autocast_enabled(device_type)
    dtype = torch.get_autocast_dtype(device_type) if active else torch.float32
    with torch.autocast(device_type, enabled=False):
        yield dtype
