"""Fast inference of the vocoder at the mel rate on an NVIDIA GPU: float16, few kernels, all launched at once.

One sentence is so little work for a GPU that starting kernels takes most of the time, and many sentences at once are
limited by the traffic between kernels and memory. So what lies between two matrix products is one kernel (mel_rate.cu),
and all of it can be recorded as one CUDA graph. A ConvNeXt block is three kernels:

    x --convolution, layer norm--> y --product, GELU--> h --product, added to x in place--> x

Scales and shifts of layer norms and the blocks' gammas are folded into the products, the last product's bias into what
the next kernel adds to x. Products are in float16, magnitudes, phases, the flow's couplings and the transform of the
mean in float32. With the weights of 2026-11 the wave of a sentence differs by 0.2 % of its norm.
"""
import contextlib
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from waveglow.mel_rate import ConvNeXtBlock, CouplingLayer, MelRateWaveGlow
from waveglow.mel_rate_gpu import MelRateKernels


class Product(NamedTuple):
    """A linear layer; x (rows, inputs) float16 -> (rows, outputs) float16."""
    bias: Tensor  # (outputs,) float16
    weight: Tensor  # (inputs, outputs) float16

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.weight)


class Block(NamedTuple):
    """The weights of a ConvNeXt block. Its input is x + offset; its output is x after the block + next_offset."""
    offset: Tensor  # (C,) float32
    taps: Tensor  # (kernel size + 1, C) float32: the depthwise convolution's weights and bias
    expand: Product  # with the layer norm's scale and shift
    project: Tensor  # (hidden, C) float16, with gamma, without bias
    next_offset: Tensor  # (C,) float32


class Flow(NamedTuple):
    """The weights of a coupling layer."""
    odd: bool
    start: Tensor  # (hop / 2, C) float16, without bias
    block: Block
    end: Product


class FastMelRate:
    """Computes what the model computes, up to the rounding of float16, with a copy of its present weights.

    kernels: None for those of the GPU. Raises RuntimeError if there are none for a network of this size.
    """

    @torch.no_grad()
    def __init__(self, model: MelRateWaveGlow, kernels: MelRateKernels | None = None) -> None:
        self.model, self.kernels = model, kernels or MelRateKernels(model)
        convolution, offset = model.input, torch.zeros_like(model.input.bias)
        self.input = _product(convolution.weight.transpose(1, 2).flatten(1), convolution.bias)
        self.blocks: list[Block] = []
        for block in model.blocks:
            self.blocks.append(_fold_block(block, offset))
            offset = self.blocks[-1].next_offset
        self.offset = offset
        self.flows = [_fold_flow(flow) for flow in reversed(model.flows)]
        self.heads = _fold_heads(model)
        self.cosines = model.mdct.cosines.half()

    @torch.inference_mode()
    def infer(self, mel: Tensor, sigma: float | None, noise: Tensor, mel_lengths: Tensor) -> Tensor:
        """mel (B, M, T), noise (B, *noise_shape(T)) -> wave (B, T * hop). See MelRateWaveGlow.infer.

        With mel_lengths on the mel's GPU it never waits for the GPU.
        """
        sigma = self.model.config.sigma if sigma is None else sigma
        lengths = mel_lengths.to(mel.device, non_blocking=True)
        return self.generate(mel.transpose(1, 2).contiguous(), noise.transpose(1, 2).contiguous(), lengths, sigma)

    def generate(self, mel: Tensor, noise: Tensor, lengths: Tensor, sigma: float) -> Tensor:
        """Returns the wave (B, T * hop) float32, zero after each row's end.

        mel: (B, T, M) float32; noise: (B, T + 2 EDGE, hop) float32, times sigma; lengths: (B,) int64 frames.
        """
        kernels = self.kernels
        x = self.input(kernels.windows(mel, lengths))
        for block in self.blocks:
            self._block(x, block, lengths)
        hidden = kernels.block_input(x, self.offset, None, lengths)
        *conditions, scale, spectrum = self._heads(hidden)
        frames = torch.fft.irfft(kernels.spectrum(spectrum, mel, lengths), self.model.n_fft, 2, norm="forward")
        if not self.flows:
            return kernels.add_overlaps(frames, None, lengths)
        x = self._flow(noise.flatten(0, 1), sigma, conditions, lengths)
        coefficients = kernels.scale(x, scale, mel, lengths)
        return kernels.add_overlaps(frames, coefficients @ self.cosines, lengths)

    def _flow(self, noise: Tensor, sigma: float, conditions: list[Tensor], lengths: Tensor) -> Tensor:
        """noise (rows, hop), conditions (rows, C) of each layer, which it changes -> the flow's result (rows, hop)."""
        kernels = self.kernels
        x, kept = kernels.couple(noise, None, sigma, not self.flows[0].odd)
        for flow, y in zip(self.flows, conditions):
            y.addmm_(kept, flow.start)
            self._block(y, flow.block, lengths)
            y = kernels.block_input(y, flow.block.next_offset, None, lengths)
            x, kept = kernels.couple(x, flow.end(y), 1.0, flow.odd)
        return x

    def _block(self, x: Tensor, block: Block, lengths: Tensor) -> None:
        """Runs a ConvNeXt block on x (rows, C) in place."""
        y = self.kernels.block_input(x, block.offset, block.taps, lengths)
        x.addmm_(product_with_gelu(y, block.expand), block.project)

    def _heads(self, hidden: Tensor) -> list[Tensor]:
        """Returns the layers that see the trunk's result (rows, C): flows' conditions, scale and spectrum, in parts."""
        config, hop, n_bins = self.model.config, self.model.hop_length, self.model.n_fft // 2 + 1
        sizes = [*[config.flow_channels] * len(self.flows), hop if self.flows else 0, 2 * n_bins]
        heads = self.heads(hidden)
        return list(heads[:, :sum(sizes)].split(sizes, 1))


def product_with_gelu(x: Tensor, product: Product) -> Tensor:
    """Returns the GELU, in its form with tanh, of a product of x (rows, inputs); on a GPU one kernel."""
    return torch.ops.aten._addmm_activation(product.bias, x, product.weight, use_gelu=True)


def _product(weight: Tensor, bias: Tensor) -> Product:
    """weight (outputs, inputs), bias (outputs,) -> the product."""
    return Product(bias.half(), weight.half().t())


def _after_norm(norm: nn.LayerNorm, weight: Tensor, bias: Tensor) -> Product:
    """Returns the product of a linear layer after a layer norm, whose scale and shift it takes over."""
    return _product(weight * norm.weight, bias + weight @ norm.bias)


def _fold_block(block: ConvNeXtBlock, offset: Tensor) -> Block:
    """Returns the weights of a block whose input is x + offset."""
    convolution = block.depthwise
    taps = torch.cat((convolution.weight[:, 0].t(), convolution.bias[None])).contiguous()
    project = block.gamma[:, None] * block.project.weight
    return Block(offset, taps, _after_norm(block.norm, block.expand.weight, block.expand.bias), project.half().t(),
                 offset + block.gamma * block.project.bias)


def _fold_flow(flow: CouplingLayer) -> Flow:
    """Returns the weights of a coupling layer; the bias of its start is in the heads."""
    block = _fold_block(flow.block, torch.zeros_like(flow.start.bias))
    return Flow(flow.odd, flow.start.weight.half().t(), block, _after_norm(flow.norm, flow.end.weight, flow.end.bias))


def _fold_heads(model: MelRateWaveGlow) -> Product:
    """Returns all layers that see the trunk's result as one product, padded to a multiple of 8 outputs."""
    flows = [flow for flow in reversed(model.flows)]
    layers = [*(flow.condition for flow in flows), *([model.scale] if model.scale else []), model.spectrum]
    weight = torch.cat([layer.weight for layer in layers])
    bias = torch.cat([*(flow.condition.bias + flow.start.bias for flow in flows),
                      *(layer.bias for layer in layers[len(flows):])])
    padding = -len(bias) % 8
    return _after_norm(model.norm, F.pad(weight, (0, 0, 0, padding)), F.pad(bias, (0, padding)))


def without_cudnn() -> contextlib.AbstractContextManager[None]:
    """Within this context, convolutions run by PyTorch's own kernels, so a process that speaks need not load cuDNN."""
    return torch.backends.cudnn.flags(enabled=False)
