"""The vocoder's inference on an NVIDIA GPU, faster: float16 in the flows' networks, fused layers, composed weights.

Each step is 1.25 MFLOP a layer of the published network in place of 1.70 (composed.py says why), and nothing of a layer
passes through global memory but the stream, the gated activations and what a flow tells, 16 numbers a step. Bytes
between a multiprocessor and the L2 cache bound the large layer, so its tiles are as large as registers allow.
"""
import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hparams import WaveGlowConfig
from runtime.fast_path import disagreement, first_that_agrees
from waveglow.composed import Flow, Layer, chunk_depth, compose, given, group_width
from waveglow.model import LOG_S_BOUND, WaveGlow
from waveglow.vocoder import Vocoder

FRAME_STEP = 64  # mels are padded to a multiple of this, to share recordings
ALLOWED = 2e-2  # relative error of a wave against float32
WHOLE = 64  # channels up to which one program does a whole layer


class Tile(NamedTuple):
    """How a kernel is cut up: frames and units of a program, its warps, and stages of its loads."""
    frames: int
    units: int
    warps: int
    stages: int


LAYER = Tile(64, WHOLE, 4, 3)  # of a small network
GATED = Tile(128, 128, 8, 4)  # of a large one, and for what would leave half of the multiprocessors or more idle:
REST = Tile(128, 64, 4, 4)  # as many frames, fewer units
RESIDUAL = Tile(64, 128, 8, 3)
TURN = Tile(16, 256, 4, 1)


class FastWaveGlow:
    """Makes the model's waves, but for the rounding of float16; a snapshot of its weights on its device at this time.

    replayed: makes a function of tensors and plain values into one that does the same, launched as a whole.
    """

    def __init__(self, model: WaveGlow, replayed: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self.model, self.config = model, model.config
        self.flows, self.last_mixing = compose(model)
        self._speak = replayed(self.speak)

    @torch.inference_mode()
    def infer(self, mel: Tensor, sigma: float | None, noise: Tensor, mel_lengths: Tensor) -> Tensor:
        """As WaveGlow.infer, with these of its arguments: mel (B, M, T), noise (B, n_group, steps) -> wave (B, S)."""
        beyond = -mel.shape[2] % FRAME_STEP
        sigma = self.config.sigma if sigma is None else sigma
        padded = F.pad(noise, (0, beyond * self.model.hop_length // self.config.n_group))
        lengths = mel_lengths.to(mel.device, non_blocking=True)
        wave = self._speak(F.pad(mel, (0, beyond)), padded * sigma, lengths)
        return wave[:, :mel.shape[2] * self.model.hop_length]

    def speak(self, mel: Tensor, z: Tensor, lengths: Tensor) -> Tensor:
        """mel (B, M, T), scaled noise (B, n_group, steps), lengths (B,) -> wave (B, S), zero behind each row's end."""
        mel, _ = self.model.masked(mel, lengths)
        audio = z.float().unflatten(2, (mel.shape[2], -1)).permute(0, 3, 2, 1)  # (B, phases, T, n_group)
        work = Work(self.config, audio, given(self.model, mel.float()), lengths)
        with torch.cuda.device_of(mel):
            for flow in self.flows:
                work.turn(flow.mixing, flow)
                for i, layer in enumerate(flow.layers):
                    work.layer(layer, 2**i)
            work.turn(self.last_mixing, self.flows[0])
        return work.audio[..., :self.config.n_group].transpose(1, 2).flatten(1)


class Work:
    """The tensors of one utterance or batch, and what the kernels of `kernels.py` do to them.

    audio (B, phases, T, n_group) float32; given: of composed.given; lengths (B,) int64 frames.
    """

    def __init__(self, config: WaveGlowConfig, audio: Tensor, given: Tensor, lengths: Tensor) -> None:
        C, n_group = config.n_channels, config.n_group
        self.rows, self.phases, self.frames, _ = audio.shape
        self.width, self.depth, self.lengths = group_width(n_group), chunk_depth(C), lengths
        self.audio = F.pad(audio, (0, self.width - n_group)).contiguous()
        self.told = audio.new_zeros(*audio.shape[:3], 2 * self.width)
        self.bound = LOG_S_BOUND if config.conditioning == "frame" else 0.0
        self.sizes = {"C": C, "TAPS": config.kernel_size, "GIVEN": given.shape[3] // self.depth,
                      "OWN": config.conditioning == "upsample", "GROUPS": given.shape[1], "PHASES": self.phases,
                      "BK": self.depth}
        planes = F.pad(given, (0, -given.shape[3] % C)).unflatten(3, (-1, C)).transpose(2, 3).flatten(1, 2)
        # (B, planes, T, C): the stream, then the condition
        self.x = F.pad(planes.half(), (0, 0, 0, 0, self.phases, 0)).contiguous()
        self.other = self.x.clone() if C <= WHOLE else self.x  # where the next layer's stream goes
        self.gated = None if C <= WHOLE else self.x.new_empty(self.rows * self.phases, self.frames, C)

    def turn(self, mixing: Tensor, flow: Flow) -> None:
        """Goes over to a flow."""
        kernels().turn[(self._tiles(TURN),)](
            self.audio, self.told, mixing, flow.start, flow.start_bias, flow.told_bias, self.x, self.lengths,
            self.frames, self.x.shape[1], self.sizes["C"], self.width, self.bound, self.phases, TURN.frames,
            num_warps=TURN.warps)

    def layer(self, layer: Layer, dilation: int) -> None:
        """The stream after a layer, but the last, and what it tells, added up."""
        if self.gated is None:
            kernels().whole_layer[(self._tiles(LAYER),)](
                *self._described(layer, LAYER), layer.bias, layer.residual, layer.residual_bias, layer.told, self.x,
                self.other, self.told, self.lengths, self.frames, self.x.shape[1], dilation, **self.sizes,
                TOLD=2 * self.width, LAST=layer.residual is None, BM=LAYER.frames, **_launch(LAYER))
            self.x, self.other = self.other, self.x
            return
        tiles, C = self._tiles(GATED), self.sizes["C"]
        large = large_tiles(tiles, C // GATED.units, multiprocessors(self.x.device))
        for tile, first, count in ((GATED, 0, large), (REST, large, tiles - large)):
            if count:
                kernels().gated_layer[(count * C // tile.units,)](
                    *self._described(layer, tile), layer.bias, self.gated, first, self.frames, dilation, **self.sizes,
                    BM=tile.frames, BN=tile.units, **_launch(tile))
        self._residual(layer)

    def _residual(self, layer: Layer) -> None:
        C, units, last = self.sizes["C"], min(RESIDUAL.units, self.sizes["C"]), layer.residual is None
        told = descriptor(layer.told, 2 * self.width, self.depth)
        kernels().residual_layer[(self._tiles(RESIDUAL), 1 if last else C // units)](
            descriptor(self.gated, 1, RESIDUAL.frames, self.depth),
            told if last else descriptor(layer.residual, units, self.depth), layer.residual_bias, told, self.x,
            self.told, self.lengths, self.frames, self.x.shape[1], C, 2 * self.width, last, self.phases,
            RESIDUAL.frames, units, self.depth, **_launch(RESIDUAL))

    def _described(self, layer: Layer, tile: Tile) -> tuple[Any, Any]:
        units = min(tile.units, self.sizes["C"])
        return descriptor(self.x.flatten(0, 1), 1, tile.frames, self.depth), descriptor(layer.weight, 2 * units,
                                                                                         self.depth)

    def _tiles(self, tile: Tile) -> int:
        return self.rows * self.phases * -(-self.frames // tile.frames)


def large_tiles(tiles: int, columns: int, multiprocessors: int) -> int:
    """How many of the tiles, of so many programs each, to do at full size: all, but for a last round of programs that
    would occupy half of the multiprocessors or fewer."""
    rest = tiles * columns % multiprocessors
    return tiles if 2 * rest > multiprocessors else (tiles * columns - rest) // columns


@functools.cache
def multiprocessors(device: torch.device) -> int:
    """Of a GPU; a few in Triton's interpreter."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 3


def kernels() -> ModuleType:
    """Needs Triton, which is not everywhere."""
    from waveglow import kernels
    return kernels


def descriptor(tensor: Tensor, *block: int) -> Any:
    """Of a tensor, to be read in blocks of this shape."""
    from triton.tools.tensor_descriptor import TensorDescriptor
    return TensorDescriptor.from_tensor(tensor, list(block))


def _launch(tile: Tile) -> dict[str, int]:
    return {"num_warps": tile.warps, "num_stages": tile.stages}


def fastest(model: Vocoder, replayed: Callable[[Callable[..., Any]], Callable[..., Any]]) -> FastWaveGlow | Vocoder:
    """The fast form of a model on its GPU, or the model itself without one or where that cannot run.

    replayed: as of FastWaveGlow. A fall-back on a GPU, also for a wrong result, is told in one line.
    """
    device = next(model.parameters()).device
    if device.type != "cuda" or not isinstance(model, WaveGlow):
        return model
    return first_that_agrees([lambda: FastWaveGlow(model, replayed)],
                             lambda fast: disagreement({"wave": discrepancy(fast)}, ALLOWED), model, "fast vocoder",
                             "speaking by the plain one, several times slower")


@torch.inference_mode()
def discrepancy(fast: FastWaveGlow) -> float:
    """Relative error of the waves of random mels, one of them short, against the plain model's in float32."""
    generator, frames, model = torch.Generator().manual_seed(0), 10, fast.model
    device = fast.last_mixing.device
    mel = torch.randn(2, model.config.n_mels, frames, generator=generator) - 5  # about as loud as speech
    steps = frames * model.hop_length // model.config.n_group
    noise = torch.randn(2, model.config.n_group, steps, generator=generator).to(device)
    lengths = torch.tensor([frames, 7], device=device)
    expected = model.infer(mel.to(device), noise=noise, mel_lengths=lengths)
    found = fast.speak(mel.to(device), noise * model.config.sigma, lengths)
    return ((found - expected).norm() / expected.norm()).item()
