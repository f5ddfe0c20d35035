"""The weights of a trained WaveGlow for its kernels: consecutive linear layers are multiplied into one matrix.

- The skip connections and the end layer: a flow's output is linear in the gated activations of its layers, so each
  layer has one matrix of few rows for it, instead of one of C rows.
- NVIDIA's conditioning, a transposed convolution and the layer after it: one matrix for each phase (step in a frame),
  applied to the frames that reach the step. That halves the arithmetic, and takes 1.1 GB in the published size.
- The 1x1 convolution of a flow and the start layer of the next one.
Matrices are rounded to float16 after the multiplication.

The channels of the signal keep their positions in all flows: early outputs and the two halves are zeros and ones in
these matrices.
"""
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from waveglow.coupling import FlowWeights, flow_weights
from waveglow.model import WaveGlow

DEPTH = 64  # channels of a chunk, the part of a matrix product that is computed at a time


class Layer(NamedTuple):
    """One layer of a flow with C channels; G = `group_width` channels of the signal."""
    weight: Tensor  # (chunks * 2C, depth) float16: of the taps, then of the conditioning for each phase
    bias: Tensor  # (2C,) float32; here and in weight the two rows of a unit, for its value and its gate, are neighbours
    residual: Tensor | None  # (C, C) float16; None in the last layer
    residual_bias: Tensor | None  # (C,) float32
    skip: Tensor  # (2 * G, C) float16: to the shifts, then to log s


class Flow(NamedTuple):
    """One flow, and the 1x1 convolution before it."""
    mixing: Tensor  # (G, G) float32, in by out: the inverse 1x1 convolution of the flow that ran before
    start: Tensor  # (G, C) float32, in by out; applied before the mixing
    start_bias: Tensor  # (C,) float32
    affine_bias: Tensor  # (2 * G,) float32: of the shifts, then of log s
    layers: Sequence[Layer]


def group_width(config_group: int) -> int:
    """Returns the smallest power of two, at least 8, that is not below the number of the signal's channels."""
    return max(8, 1 << (config_group - 1).bit_length())


def chunk_depth(n_channels: int) -> int:
    """Returns the number of channels of a chunk."""
    return min(DEPTH, n_channels)


@torch.no_grad()
def compose(model: WaveGlow) -> tuple[list[Flow], Tensor]:
    """Returns the flows in the order of inference, and the 1x1 convolution after the last one, (G, G) in by out."""
    width = group_width(model.config.n_group)
    mixing = torch.eye(width, device=model.convinv[0].conv.weight.device)
    inverses = model.matrices(inverse=True)
    flows = []
    for k in reversed(range(len(model.sizes))):
        weights, = flow_weights([model.WN[k]], torch.float32)
        first = model.config.n_group - model.sizes[k]  # channels before it have left
        kept, changed = torch.arange(first, model.config.n_group, device=mixing.device).chunk(2)
        if model.swaps(k):
            kept, changed = changed, kept
        start = mixing.new_zeros(width, len(weights.start)).index_copy(0, kept, weights.start.t())
        layers, affine_bias = _layers(model, weights, changed, width)
        flows.append(Flow(mixing, mixing @ start, weights.start_bias, affine_bias, layers))
        mixing = torch.eye(width, device=mixing.device)
        mixing[first:model.config.n_group, first:model.config.n_group] = inverses[k].t()
    return flows, mixing


def _layers(model: WaveGlow, weights: FlowWeights, changed: Tensor, width: int) -> tuple[list[Layer], Tensor]:
    """Returns the layers of a flow that changes these channels, and its affine_bias (see Flow)."""
    C = len(weights.start)
    outputs = torch.cat((changed, width + changed))
    end = weights.end.new_zeros(2 * width, C).index_copy(0, outputs, weights.end)
    affine_bias = weights.end_bias.new_zeros(2 * width).index_copy(0, outputs, weights.end_bias)
    affine_bias = affine_bias + end @ sum(bias[-C:] for bias in weights.residual_bias)
    conditioning_weights, bias = _conditioning_weights(model, weights)
    layers = []
    for i, (taps, residual, residual_bias) in enumerate(zip(weights.dilated, weights.residual, weights.residual_bias)):
        rows = slice(i * 2 * C, (i + 1) * 2 * C)
        weight = torch.cat([_chunks(taps[None]), _chunks(conditioning_weights[:, rows])]).flatten(0, 1).half()
        last = len(residual) == C
        layers.append(Layer(weight, _paired(bias[rows], 0).contiguous(), None if last else residual[:C].half(),
                            None if last else residual_bias[:C].contiguous(), (end @ residual[-C:]).half()))
    return layers, affine_bias


def _paired(rows: Tensor, axis: int) -> Tensor:
    """Interleaves the first and the second half of the rows: 1 2 3 4 becomes 1 3 2 4."""
    return rows.unflatten(axis, (2, -1)).transpose(axis, axis + 1).flatten(axis, axis + 1)


def _chunks(matrices: Tensor) -> Tensor:
    """Cuts (matrices, 2C, n * depth) into (matrices * n, 2C, depth), with interleaved rows."""
    paired = _paired(matrices, 1)
    return paired.unflatten(2, (-1, chunk_depth(matrices.shape[1] // 2))).transpose(1, 2).flatten(0, 1)


def _conditioning_weights(model: WaveGlow, weights: FlowWeights) -> tuple[Tensor, Tensor]:
    """Returns matrices (phases, layers * 2C, D) for the result of `conditioning`, and a bias (layers * 2C,)."""
    up = model.upsample
    to_samples = up.weight.unflatten(2, (up.context + 1, -1, up.n_group))  # (M, M, frames, phases, n_group)
    to_samples = to_samples.permute(3, 1, 4, 2, 0).flatten(3).flatten(1, 2)  # (phases, M * n_group, frames * M)
    matrices = weights.condition @ to_samples
    bias = weights.condition_bias + weights.condition @ up.bias.repeat_interleave(up.n_group)
    return F.pad(matrices, (0, -matrices.shape[2] % chunk_depth(len(weights.start)))), bias


def conditioning(model: WaveGlow, mel: Tensor) -> Tensor:
    """Returns the inputs of the conditioning weights: mel (B, M, T) -> (B, T, D), D in chunks."""
    context = model.upsample.context
    frames = F.pad(mel, (context, 0)).unfold(2, mel.shape[2], 1).flip(2)  # (B, M, frames back, T)
    inputs = frames.transpose(1, 2).flatten(1, 2).transpose(1, 2)
    return F.pad(inputs, (0, -inputs.shape[2] % chunk_depth(model.config.n_channels)))
