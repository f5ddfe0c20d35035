"""The weights of a finished WaveGlow for its kernels: linear maps that follow each other multiplied into one.

What a flow adds to the signal is linear in its layers' gated activations (the skip connections, then the end layer):
one product of few rows a layer, in place of C and a sum over the layers. NVIDIA's conditioning is linear in the mel (a
transposed convolution, then the condition's layer): of the frames that reach a step, one product for each phase of a
frame: half the arithmetic, for 1.1 GB of weights in the published size. The start of a flow follows the 1x1 convolution
of the flow before. What is float16 is rounded after that.

Channels of the signal stay where they are in all flows: early outputs, halves and the order of the halves are zeros and
ones in these matrices.
"""
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from waveglow.conditioner import SampleConditioner
from waveglow.coupling import FlowWeights, flow_weights
from waveglow.model import WaveGlow

DEPTH = 64  # most channels of a chunk: what a product takes at a time


class Layer(NamedTuple):
    """One layer of a flow; C channels, G = `group_width` channels of the signal."""
    weight: Tensor  # (chunks * 2C, depth) float16: of the taps, then of the condition, phase by phase
    bias: Tensor  # (2C,) float32; here and in weight the two rows of a unit, for its value and its gate, are neighbours
    residual: Tensor | None  # (C, C) float16; None: the last layer
    residual_bias: Tensor | None  # (C,) float32
    told: Tensor  # (2 * G, C) float16: shift, then log s


class Flow(NamedTuple):
    """One flow, and what leads into it."""
    mixing: Tensor  # (G, G) float32, in by out: the inverse 1x1 convolution of the flow that ran before
    start: Tensor  # (G, C) float32, in by out, from before the mixing
    start_bias: Tensor  # (C,) float32
    told_bias: Tensor  # (2 * G,) float32
    layers: Sequence[Layer]


def group_width(config_group: int) -> int:
    """The least power of two, of 8 or more, that the signal's channels fit in."""
    return max(8, 1 << (config_group - 1).bit_length())


def chunk_depth(n_channels: int) -> int:
    """How many channels a chunk has."""
    return min(DEPTH, n_channels)


@torch.no_grad()
def compose(model: WaveGlow) -> tuple[list[Flow], Tensor]:
    """The flows in the order in which inference takes them, and the last mixing."""
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
        layers, told_bias = _layers(model, weights, changed, width)
        flows.append(Flow(mixing, mixing @ start, weights.start_bias, told_bias, layers))
        mixing = torch.eye(width, device=mixing.device)
        mixing[first:model.config.n_group, first:model.config.n_group] = inverses[k].t()
    return flows, mixing


def _layers(model: WaveGlow, weights: FlowWeights, changed: Tensor, width: int) -> tuple[list[Layer], Tensor]:
    """The layers of a flow that changes these channels, and what it tells without them."""
    C = len(weights.start)
    rows = torch.cat((changed, width + changed))
    end = weights.end.new_zeros(2 * width, C).index_copy(0, rows, weights.end)
    told_bias = weights.end_bias.new_zeros(2 * width).index_copy(0, rows, weights.end_bias)
    told_bias = told_bias + end @ sum(bias[-C:] for bias in weights.residual_bias)
    of_condition, bias = _of_condition(model, weights)
    layers = []
    for i, (taps, residual, residual_bias) in enumerate(zip(weights.dilated, weights.residual, weights.residual_bias)):
        own = slice(i * 2 * C, (i + 1) * 2 * C)
        weight = torch.cat([_chunks(taps[None]), _chunks(of_condition[:, own])]).flatten(0, 1).half()
        last = len(residual) == C
        layers.append(Layer(weight, _paired(bias[own], 0).contiguous(), None if last else residual[:C].half(),
                            None if last else residual_bias[:C].contiguous(), (end @ residual[-C:]).half()))
    return layers, told_bias


def _paired(rows: Tensor, axis: int) -> Tensor:
    """The second half of the rows put between those of the first."""
    return rows.unflatten(axis, (2, -1)).transpose(axis, axis + 1).flatten(axis, axis + 1)


def _chunks(matrices: Tensor) -> Tensor:
    """(matrices, 2C, n * depth) -> (matrices * n, 2C, depth), the rows paired."""
    paired = _paired(matrices, 1)
    return paired.unflatten(2, (-1, chunk_depth(matrices.shape[1] // 2))).transpose(1, 2).flatten(0, 1)


def _of_condition(model: WaveGlow, weights: FlowWeights) -> tuple[Tensor, Tensor]:
    """Matrices (phases, layers * 2C, D) or, for all phases, (1, ...), for what `given` tells, and their bias."""
    up = model.upsample
    if not isinstance(up, SampleConditioner):
        matrices, bias = weights.condition[None], weights.condition_bias
    else:
        to_samples = up.weight.unflatten(2, (up.context + 1, -1, up.n_group))  # (M, M, frames, phases, n_group)
        to_samples = to_samples.permute(3, 1, 4, 2, 0).flatten(3).flatten(1, 2)  # (phases, M * n_group, frames * M)
        matrices = weights.condition @ to_samples
        bias = weights.condition_bias + weights.condition @ up.bias.repeat_interleave(up.n_group)
    return F.pad(matrices, (0, -matrices.shape[2] % chunk_depth(len(weights.start)))), bias


def given(model: WaveGlow, mel: Tensor) -> Tensor:
    """What the layers are conditioned on: mel (B, M, T) -> (B, groups of phases, T, D), D in whole chunks."""
    up = model.upsample
    if isinstance(up, SampleConditioner):
        frames = F.pad(mel, (up.context, 0)).unfold(2, mel.shape[2], 1).flip(2)  # (B, M, frames back, T)
        told = frames.transpose(1, 2).flatten(1, 2).transpose(1, 2)[:, None]
    else:
        told = up(mel, 0, mel.shape[2] * model.hop_length).unflatten(1, (mel.shape[2], -1)).transpose(1, 2)
    return F.pad(told, (0, -told.shape[3] % chunk_depth(model.config.n_channels)))
