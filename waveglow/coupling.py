"""The network inside each flow of WaveGlow ("WN"): its parameters, and the function that computes it.

The parameters of all flows are stacked, normalised and cast by a few large operations, and then passed to
`coupling_network` flow by flow. All flows have the same shapes there: narrow halves are padded with zero channels. So
the function is compiled once for all flows. Tensors are channels-last (B, steps, channels); a step is n_group samples.
"""
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NormedConv(nn.Module):
    """Parameters of a convolution with weight norm (Salimans and Kingma 2016, arXiv 1602.07868).

    weight_g (out, 1, 1), weight_v (out, in, kernel) and bias (out,). If folded, `weight` replaces the first two.
    """

    def __init__(self, n_in: int, n_out: int, kernel_size: int = 1) -> None:
        super().__init__()
        initial = nn.Conv1d(n_in, n_out, kernel_size)
        self.bias = initial.bias
        self.weight = initial.weight
        self.unfold()

    @property
    def folded(self) -> bool:
        """Whether `weight` is a parameter, instead of weight_g and weight_v."""
        return "weight" in self._parameters

    def fold(self) -> None:
        """Replaces weight_g and weight_v by their product, in place."""
        if not self.folded:
            weight = normalize(self.weight_v.detach(), self.weight_g.detach())
            del self.weight_g, self.weight_v
            self.weight = nn.Parameter(weight)

    def unfold(self) -> None:
        """Reverses fold: weight_v becomes the weight, weight_g its norm."""
        if self.folded:
            weight = self.weight.detach()
            del self.weight
            self.weight_g = nn.Parameter(torch.linalg.vector_norm(weight, dim=(1, 2), keepdim=True))
            self.weight_v = nn.Parameter(weight)


def normalize(weight_v: Tensor, weight_g: Tensor) -> Tensor:
    """Returns weight_v (..., out, in, kernel), scaled so that the norm for each output is weight_g (..., out, 1, 1)."""
    return weight_v * (weight_g / torch.linalg.vector_norm(weight_v, dim=(-2, -1), keepdim=True))


class CouplingNetwork(nn.Module):
    """The parameters of one flow's network, for `flow_weights` and `coupling_network`."""

    def __init__(self, n_half: int, n_condition: int, n_channels: int, n_layers: int, kernel_size: int) -> None:
        super().__init__()
        self.start = NormedConv(n_half, n_channels)
        self.in_layers = nn.ModuleList(NormedConv(n_channels, 2 * n_channels, kernel_size) for _ in range(n_layers))
        self.res_skip_layers = nn.ModuleList(NormedConv(n_channels, 2 * n_channels if i < n_layers - 1 else n_channels)
                                             for i in range(n_layers))
        self.cond_layer = NormedConv(n_condition, 2 * n_channels * n_layers)
        self.end = nn.Conv1d(n_channels, 2 * n_half, 1)
        nn.init.zeros_(self.end.weight)  # initially the flow is the identity
        nn.init.zeros_(self.end.bias)


class FlowWeights(NamedTuple):
    """One flow's weights as matrices (out, in) and biases (out,). C: channels; H: half those of the widest flow."""
    start: Tensor  # (C, H)
    start_bias: Tensor
    dilated: Sequence[Tensor]  # each (2 C, kernel * C), tap by tap
    residual: Sequence[Tensor]  # each (2 C, C): residual, then skip; the last layer's is (C, C), skip only
    residual_bias: Sequence[Tensor]
    condition: Tensor  # (layers * 2 C, D)
    condition_bias: Tensor  # includes the biases of the dilated convolutions, which are added to the same sum
    end: Tensor  # (2 H, C) float32: shift, then log s
    end_bias: Tensor


def flow_weights(networks: Sequence[CouplingNetwork], dtype: torch.dtype) -> list[FlowWeights]:
    """Returns the networks' weights in `dtype` (the end layers in float32), with weight norm applied."""
    n_layers = len(networks[0].in_layers)
    half = max(network.end.out_channels for network in networks) // 2
    start, start_bias = _stack([network.start for network in networks], dtype, half)
    condition, condition_bias = _stack([network.cond_layer for network in networks], dtype)
    dilated, dilated_bias = _stack([layer for network in networks for layer in network.in_layers], dtype)
    condition_bias = condition_bias + dilated_bias.reshape(condition_bias.shape)
    last, last_bias = _stack([network.res_skip_layers[-1] for network in networks], dtype)
    others = [layer for network in networks for layer in network.res_skip_layers[:-1]]
    residual, residual_bias = (x.unbind() for x in _stack(others, dtype)) if others else ((), ())
    # unbind, not indexing: its gradient is one stack, while that of each index is a copy of the whole.
    flows = zip(start.unbind(), start_bias.unbind(), _grouped(dilated.unbind(), n_layers),
                _with_last(residual, last.unbind(), n_layers), _with_last(residual_bias, last_bias.unbind(), n_layers),
                condition.unbind(), condition_bias.unbind(),
                (_pad_end(network.end.weight[..., 0], half) for network in networks),
                (_pad_end(network.end.bias[:, None], half)[:, 0] for network in networks), strict=True)
    return [FlowWeights(*flow) for flow in flows]


def _grouped(items: Sequence[Tensor], size: int) -> list[Sequence[Tensor]]:
    """Returns the items in groups of `size`."""
    return [items[i:i + size] for i in range(0, len(items), size)]


def _with_last(others: Sequence[Tensor], last: Sequence[Tensor], n_layers: int) -> list[Sequence[Tensor]]:
    """A flow's n_layers - 1 like tensors and its last one, for each flow."""
    return [[*others[k * (n_layers - 1):(k + 1) * (n_layers - 1)], final] for k, final in enumerate(last)]


def _stack(layers: Sequence[NormedConv], dtype: torch.dtype, n_in: int = 0) -> tuple[Tensor, Tensor]:
    """Returns matrices (layers, out, kernel * in) and biases (layers, out) of layers that differ only in their inputs.

    n_in: number of inputs to which layers with fewer are padded.
    """
    def stacked(name: str) -> Tensor:
        tensors = [getattr(layer, name) for layer in layers]
        return torch.stack([F.pad(t, (0, 0, 0, n_in - t.shape[1])) if t.shape[1] < n_in else t for t in tensors])

    weight = stacked("weight") if layers[0].folded else normalize(stacked("weight_v"), torch.stack(
        [layer.weight_g for layer in layers]))
    weight = weight.to(dtype).transpose(2, 3).flatten(2).contiguous()
    return weight, torch.stack([layer.bias for layer in layers]).to(dtype)


def _pad_end(rows: Tensor, half: int) -> Tensor:
    """(2 n, in) -> (2 half, in): zero rows are added after the n shifts and after the n log s."""
    halves = rows.unflatten(0, (2, -1))
    return F.pad(halves, (0, 0, 0, half - halves.shape[1])).flatten(0, 1)


def coupling_network(x: Tensor, condition: Tensor, weights: FlowWeights, mask: Tensor | None = None) -> Tensor:
    """Computes a flow's gated dilated convolutions (van den Oord et al. 2016, arXiv 1609.03499; Prenger et al. 2018).

    x (B, steps, H) and condition (B, K, D), where steps is a multiple of K, in the dtype of the weights.
    mask: (B, steps, 1) in that dtype, zero after the end of a row, or None.
    Returns (B, steps, 2 H) float32: the shift, then log s. It is a function of tensors only, as torch.compile needs.
    """
    steps, per_condition = x.shape[1], x.shape[1] // condition.shape[1]
    n_channels = weights.start.shape[0]
    x = F.linear(x, weights.start, weights.start_bias)
    condition = F.linear(condition, weights.condition, weights.condition_bias)[:, :, None]
    skip = None
    for i, matrix in enumerate(weights.dilated):
        if mask is not None:
            x = x * mask
        n_taps = matrix.shape[1] // n_channels
        reach = n_taps // 2 * 2**i
        padded = F.pad(x, (0, 0, reach, reach))
        # A dilated convolution as one matrix product of shifted copies: at least as fast as F.conv1d on CPU and GPU.
        taps = torch.cat([padded[:, j * 2**i:j * 2**i + steps] for j in range(n_taps)], dim=2)
        hidden = F.linear(taps, matrix).unflatten(1, (-1, per_condition))
        hidden = (hidden + condition[..., i * 2 * n_channels:(i + 1) * 2 * n_channels]).flatten(1, 2)
        gated = torch.tanh(hidden[..., :n_channels]) * torch.sigmoid(hidden[..., n_channels:])
        out = F.linear(gated, weights.residual[i], weights.residual_bias[i])
        if i < len(weights.dilated) - 1:
            x = x + out[..., :n_channels]
        out = out[..., -n_channels:].float()
        skip = out if skip is None else skip + out
    return F.linear(skip, weights.end, weights.end_bias)
