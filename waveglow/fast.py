"""Fast inference of WaveGlow on an NVIDIA GPU, and the choice of the fast form of a vocoder.

For the published network: float16 in the flows' networks, fused layers, composed weights. A step of a layer takes 1.25
MFLOP instead of 1.70 (see composed.py). Only the residual stream, the gated activations and a flow's output, 16 numbers
for each step, pass through global memory. The large layer is limited by the traffic between multiprocessors and L2
cache, so its tiles are as large as the registers allow.
"""
import functools
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hparams import WaveGlowConfig
from runtime.fast_path import disagreement, first_that_agrees
from waveglow.composed import Flow, Layer, chunk_depth, compose, conditioning, group_width
from waveglow.fast_mel_rate import FastMelRate, without_cudnn
from waveglow.model import WaveGlow
from waveglow.vocoder import Vocoder

ALLOWED = 2e-2  # relative error of a wave against float32


class Tile(NamedTuple):
    """The size of a kernel's programs: frames, units (output channels), warps, and pipeline stages of the loads."""
    frames: int
    units: int
    warps: int
    stages: int


GATED = Tile(128, 128, 8, 4)
REST = Tile(128, 64, 4, 4)  # smaller programs for the last tiles, see count_large_tiles
RESIDUAL = Tile(64, 128, 8, 3)
NEXT_FLOW = Tile(16, 256, 4, 1)


class FastWaveGlow:
    """Computes what the model computes, up to the rounding of float16, with a copy of its present weights."""

    def __init__(self, model: WaveGlow) -> None:
        if model.config.n_channels % GATED.units:
            raise ValueError(f"n_channels: found {model.config.n_channels}, expected a multiple of {GATED.units}")
        self.model, self.config = model, model.config
        self.flows, self.last_mixing = compose(model)

    @torch.inference_mode()
    def infer(self, mel: Tensor, sigma: float | None, noise: Tensor, mel_lengths: Tensor) -> Tensor:
        """mel (B, M, T), noise (B, n_group, steps) -> wave (B, S). See WaveGlow.infer for the arguments.

        With mel_lengths on the mel's GPU it never waits for the GPU.
        """
        sigma = self.config.sigma if sigma is None else sigma
        return self.generate(mel, noise * sigma, mel_lengths.to(mel.device, non_blocking=True))

    def generate(self, mel: Tensor, z: Tensor, lengths: Tensor) -> Tensor:
        """mel (B, M, T), scaled noise (B, n_group, steps), lengths (B,) -> wave (B, S), zero after each row's end."""
        mel, _ = self.model.masked(mel, lengths)
        audio = z.float().unflatten(2, (mel.shape[2], -1)).permute(0, 3, 2, 1)  # (B, phases, T, n_group)
        buffers = Buffers(self.config, audio, conditioning(self.model, mel.float()), lengths)
        with torch.cuda.device_of(mel):
            for flow in self.flows:
                buffers.next_flow(flow.mixing, flow)
                for i, layer in enumerate(flow.layers):
                    buffers.layer(layer, 2**i)
            buffers.next_flow(self.last_mixing, self.flows[0])
        return buffers.audio[..., :self.config.n_group].transpose(1, 2).flatten(1)


class Buffers:
    """The tensors of one batch, which the kernels of `kernels.py` change in place.

    audio: (B, phases, T, n_group) float32. conditions: result of composed.conditioning. lengths: (B,) int64 frames.
    """

    def __init__(self, config: WaveGlowConfig, audio: Tensor, conditions: Tensor, lengths: Tensor) -> None:
        C, n_group = config.n_channels, config.n_group
        self.rows, self.phases, self.frames, _ = audio.shape
        self.width, self.depth, self.lengths = group_width(n_group), chunk_depth(C), lengths
        self.audio = F.pad(audio, (0, self.width - n_group)).contiguous()
        self.affine = audio.new_zeros(*audio.shape[:3], 2 * self.width)
        self.sizes = {"C": C, "TAPS": config.kernel_size, "COND": conditions.shape[2] // self.depth,
                      "PHASES": self.phases, "BK": self.depth}
        planes = F.pad(conditions, (0, -conditions.shape[2] % C)).unflatten(2, (-1, C)).transpose(1, 2)
        # (B, planes, T, C): the residual stream, then the conditioning
        self.x = F.pad(planes.half(), (0, 0, 0, 0, self.phases, 0)).contiguous()
        self.gated = self.x.new_empty(self.rows * self.phases, self.frames, C)

    def next_flow(self, mixing: Tensor, flow: Flow) -> None:
        """Applies the affine coupling of the last flow and the 1x1 convolution `mixing`, and starts `flow`."""
        kernels().next_flow[(self._tiles(NEXT_FLOW),)](
            self.audio, self.affine, mixing, flow.start, flow.start_bias, flow.affine_bias, self.x, self.lengths,
            self.frames, self.x.shape[1], self.sizes["C"], self.width, self.phases, NEXT_FLOW.frames,
            num_warps=NEXT_FLOW.warps)

    def layer(self, layer: Layer, dilation: int) -> None:
        """Runs one layer: updates the residual stream and accumulates the skip connection in `affine`."""
        tiles, C = self._tiles(GATED), self.sizes["C"]
        large = count_large_tiles(tiles, C // GATED.units, multiprocessors(self.x.device))
        for tile, first, count in ((GATED, 0, large), (REST, large, tiles - large)):
            if count:
                kernels().gated_layer[(count * C // tile.units,)](
                    *self._descriptors(layer, tile), layer.bias, self.gated, first, self.frames, dilation, **self.sizes,
                    BM=tile.frames, BN=tile.units, **_launch(tile))
        self._residual(layer)

    def _residual(self, layer: Layer) -> None:
        """Launches the residual and skip convolutions of a layer."""
        C, units, last = self.sizes["C"], min(RESIDUAL.units, self.sizes["C"]), layer.residual is None
        skip = descriptor(layer.skip, 2 * self.width, self.depth)
        kernels().residual_layer[(self._tiles(RESIDUAL), 1 if last else C // units)](
            descriptor(self.gated, 1, RESIDUAL.frames, self.depth),
            skip if last else descriptor(layer.residual, units, self.depth), layer.residual_bias, skip, self.x,
            self.affine, self.lengths, self.frames, self.x.shape[1], C, 2 * self.width, last, self.phases,
            RESIDUAL.frames, units, self.depth, **_launch(RESIDUAL))

    def _descriptors(self, layer: Layer, tile: Tile) -> tuple[Any, Any]:
        """Returns the tensor descriptors of a layer's input and weight."""
        return (descriptor(self.x.flatten(0, 1), 1, tile.frames, self.depth),
                descriptor(layer.weight, 2 * tile.units, self.depth))

    def _tiles(self, tile: Tile) -> int:
        """Returns the number of tiles over all rows and frames."""
        return self.rows * self.phases * -(-self.frames // tile.frames)


def count_large_tiles(tiles: int, columns: int, multiprocessors: int) -> int:
    """Returns how many of the tiles, of `columns` programs each, should have full size.

    All, unless the programs of the last round would occupy at most half of the multiprocessors: those are made smaller.
    """
    rest = tiles * columns % multiprocessors
    return tiles if 2 * rest > multiprocessors else (tiles * columns - rest) // columns


@functools.cache
def multiprocessors(device: torch.device) -> int:
    """Returns the number of a GPU's multiprocessors; a small number for a CPU, where Triton's interpreter runs."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 3


def kernels() -> ModuleType:
    """Returns the module of the kernels. It is imported late because Triton is not available everywhere."""
    from waveglow import kernels
    return kernels


def descriptor(tensor: Tensor, *block: int) -> Any:
    """Returns Triton's descriptor of a tensor that is read in blocks of this shape."""
    from triton.tools.tensor_descriptor import TensorDescriptor
    return TensorDescriptor.from_tensor(tensor, list(block))


def _launch(tile: Tile) -> dict[str, int]:
    """Returns the launch options of a kernel with these tiles."""
    return {"num_warps": tile.warps, "num_stages": tile.stages}


def fastest(model: Vocoder) -> FastWaveGlow | FastMelRate | Vocoder:
    """Returns the fastest implementation of a model on its device: on a GPU the fast one, else the model itself.

    If the fast one cannot run on a GPU or computes something else, one line is logged.
    """
    if next(model.parameters()).device.type != "cuda":
        return model

    def make() -> FastWaveGlow | FastMelRate:
        return FastWaveGlow(model) if isinstance(model, WaveGlow) else FastMelRate(model)
    return first_that_agrees([make], lambda fast: disagreement({"wave": discrepancy(fast)}, ALLOWED), model,
                             "fast vocoder", "using the plain one, several times slower")


@torch.inference_mode()
def discrepancy(fast: FastWaveGlow | FastMelRate) -> float:
    """Returns the relative error against the plain model in float32, for random mels of which one is short."""
    generator, frames, model = torch.Generator().manual_seed(0), 10, fast.model
    device = next(model.parameters()).device
    mel = torch.randn(2, model.config.n_mels, frames, generator=generator) - 5  # about as loud as speech
    noise = torch.randn(2, *model.noise_shape(frames), generator=generator).to(device)
    lengths = torch.tensor([frames, 7], device=device)
    with without_cudnn():
        expected = model.infer(mel.to(device), noise=noise, mel_lengths=lengths)
    found = fast.infer(mel.to(device), None, noise, lengths)
    return ((found - expected).norm() / expected.norm()).item()
