"""The vocoder's inference on an NVIDIA GPU, faster: float16 in the flows' networks, fused layers, weights prepared."""
import logging
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from waveglow.coupling import FlowWeights, coupling_network, flow_weights
from waveglow.model import WaveGlow

FRAME_STEP = 64  # mels are padded to a multiple of this, to share recordings
ALLOWED = 2e-2  # relative error of the network of a flow against float32
# Rows, columns and depth of a tile, warps and stages; by channels up to these.
TILES = {64: (64, 64, 64, 4, 3), 256: (128, 64, 64, 8, 3)}


def fused_network(x: Tensor, condition: Tensor, weights: FlowWeights, mask: Tensor | None = None) -> Tensor:
    """As coupling.coupling_network, two kernels a layer; C a power of two of 16 or more, no gradients."""
    from waveglow import kernels
    (B, S, _), K, C = x.shape, condition.shape[1], len(weights.start)
    ends = x.new_full((B,), S, dtype=torch.int64) if mask is None else mask[:, :, 0].sum(1, dtype=torch.int64)
    x = F.linear(x, weights.start, weights.start_bias)
    condition = F.linear(condition, weights.condition, weights.condition_bias)
    gated, skip = torch.empty_like(x), torch.empty_like(x, dtype=torch.float32)
    rows, columns, depth, warps, stages = next(tile for most, tile in TILES.items() if C <= most or most == max(TILES))
    columns, depth = min(columns, C), min(depth, C)
    tile = {"BM": rows, "BN": columns, "BK": depth, "num_warps": warps, "num_stages": stages}
    with torch.cuda.device_of(x):
        for i, matrix in enumerate(weights.dilated):
            last = i == len(weights.dilated) - 1
            kernels.gated_layer[(-(-S // rows), C // columns, B)](
                x, ends, matrix, condition[..., i * 2 * C:], condition.stride(1), gated, S, K, 2**i, C,
                matrix.shape[1] // C, **tile)
            kernels.residual_layer[(-(-B * S // rows), len(weights.residual[i]) // columns)](
                gated, weights.residual[i], weights.residual_bias[i], x, skip, B * S, C, i == 0, last, **tile)
    return F.linear(skip, weights.end, weights.end_bias)


class FastWaveGlow:
    """Makes the model's waves, but for the rounding of float16; a snapshot of its weights on its device at this time.

    core: as WaveGlow.core; dtype: that the flows' networks compute in; replayed: makes a function of tensors and plain
    values into one that does the same, launched as a whole.
    """

    def __init__(self, model: WaveGlow, replayed: Callable[[Callable[..., Any]], Callable[..., Any]],
                 core: Callable[..., Tensor] = fused_network, dtype: torch.dtype = torch.float16) -> None:
        self.model, self.config, self.core, self.dtype = model, model.config, core, dtype
        with torch.no_grad():
            self.weights, self.inverses = flow_weights(list(model.WN), dtype), model.matrices(inverse=True)
        self._speak = replayed(self.speak)

    @torch.inference_mode()
    def infer(self, mel: Tensor, sigma: float | None, noise: Tensor, mel_lengths: Tensor) -> Tensor:
        """As WaveGlow.infer, with these of its arguments: mel (B, M, T), noise (B, n_group, steps) -> wave (B, S)."""
        beyond = -mel.shape[2] % FRAME_STEP
        sigma = self.model.sigma if sigma is None else sigma
        padded = F.pad(noise, (0, beyond * self.model.hop_length // self.config.n_group))
        wave = self._speak(F.pad(mel, (0, beyond)), padded * sigma, mel_lengths.to(mel.device))
        return wave[:, :mel.shape[2] * self.model.hop_length]

    def speak(self, mel: Tensor, z: Tensor, mel_lengths: Tensor) -> Tensor:
        """mel (B, M, T), scaled noise (B, n_group, steps), lengths (B,) -> wave (B, S), zero behind each row's end."""
        mel, mask = self.model.masked(mel, mel_lengths)
        condition = self.model.upsample(mel.float(), 0, mel.shape[2] * self.model.hop_length).to(self.dtype)
        x = self.model.inverse(z.float().transpose(1, 2), condition.contiguous(), self.weights, mask, self.inverses,
                               self.core)
        return (x * mask).flatten(1)


def fastest(model: WaveGlow, replayed: Callable[[Callable[..., Any]], Callable[..., Any]]) -> FastWaveGlow | WaveGlow:
    """The fast form of a model on its GPU, or the model itself without one or where that cannot run.

    replayed: as of FastWaveGlow. A fall-back on a GPU, also for a wrong result, is told in one line.
    """
    device = next(model.parameters()).device
    if device.type != "cuda":
        return model
    try:
        problem = "" if (error := discrepancy(model, device)) <= ALLOWED else f"off by {error:.1e}"
    except Exception as error:  # noqa: BLE001, whatever Triton, its compiler or the driver may raise
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
    if not problem:
        return FastWaveGlow(model, replayed)
    logging.getLogger(__name__).warning("fast vocoder: %s; speaking by the plain one, several times slower", problem)
    return model


@torch.no_grad()
def discrepancy(model: WaveGlow, device: torch.device) -> float:
    """Relative error of `fused_network` against the plain network in float32: the model's widest flow, random input."""
    generator = torch.Generator().manual_seed(0)
    networks = [model.WN[0]]
    exact, rounded = (flow_weights(networks, dtype)[0] for dtype in (torch.float32, torch.float16))
    end = torch.randn(exact.end.shape, generator=generator).to(device)  # that of an untrained flow is zero
    exact, rounded = exact._replace(end=end), rounded._replace(end=end)
    steps, per_condition = 320, 8
    x = torch.randn(2, steps, exact.start.shape[1], generator=generator).to(device)
    condition = torch.randn(2, steps // per_condition, exact.condition.shape[1], generator=generator).to(device)
    mask = (torch.arange(steps) < torch.tensor([[steps], [200]]))[..., None].to(device)
    expected = coupling_network(x, condition, exact, mask.float())
    found = fused_network(x.half(), condition.half(), rounded, mask.half())
    return ((found - expected)[mask.expand_as(found)].norm() / expected[mask.expand_as(found)].norm()).item()
