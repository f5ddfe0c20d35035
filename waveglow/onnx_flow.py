"""The flow of a vocoder at the mel rate in operations that ONNX Runtime computes quickly for one mel.

It is MelRateWaveGlow.residual with the same weights in another order. Even and odd coefficients stay apart from the
noise to the inverse MDCT, so that no coupling layer has to split and join them. What the mel says to all coupling
layers and to the scale is one product. Frames of which no sample is kept are not computed.
"""
import torch
from torch import Tensor, nn

from waveglow.mel_rate import (
    EDGE,
    FLOW_KERNEL_SIZE,
    LOG_SCALE_BOUND,
    MAX_LOG_MAGNITUDE,
    CouplingLayer,
    MelRateWaveGlow,
)
from waveglow.onnx_blocks import OnnxBlock


class OnnxFlow(nn.Module):
    """The residual wave of one mel: from EDGE frames and half a hop after its start on, T hops."""

    def __init__(self, model: MelRateWaveGlow) -> None:
        super().__init__()
        assert model.scale is not None, "without flows there is no residual"
        self.hop = hop = model.hop_length
        halves = torch.cat((torch.arange(0, hop, 2), torch.arange(1, hop, 2)))
        flows = [flow for flow in reversed(model.flows) if isinstance(flow, CouplingLayer)]
        self.layers = nn.ModuleList(OnnxCouplingLayer(flow) for flow in flows)
        # A coupling layer needs half its kernel at each side; the last one's output is needed from frame EDGE on.
        reach = FLOW_KERNEL_SIZE // 2 * len(flows)
        self.before, self.after = max(0, EDGE - reach), max(0, EDGE - 1 - reach)
        self.sizes = [len(flow.start.bias) for flow in flows] + [hop]
        self.condition = nn.Linear(model.scale.in_features, sum(self.sizes))
        self.condition.weight.data = torch.cat([*(flow.condition.weight for flow in flows), model.scale.weight[halves]])
        self.condition.bias.data = torch.cat([*(flow.condition.bias + flow.start.bias for flow in flows),
                                              model.scale.bias[halves] + model.coefficient_level])
        self.register_buffer("to_coefficients", model.to_coefficients[:, halves])
        # The first half of each frame comes out backwards: it is mixed with its mirror image, see LappedTransform.
        columns = torch.cat((torch.arange(hop // 2 - 1, -1, -1), torch.arange(hop // 2, hop)))
        self.register_buffer("cosines", model.mdct.cosines[halves][:, columns])
        self.register_buffer("sine", model.mdct.sine.clone())
        self.register_buffer("cosine", model.mdct.cosine.clone())

    def forward(self, hidden: Tensor, mel: Tensor, noise: Tensor) -> Tensor:
        """hidden (1, T + 2 EDGE, C), mel (1, M, T + 2 EDGE), scaled noise (hop, T + 2 EDGE) -> wave (1, T * hop)."""
        stop = mel.shape[2] - self.after
        *conditions, log_scale = self.condition(hidden[:, self.before:stop]).split(self.sizes, 2)
        noise = noise[None, :, self.before:stop]
        even, odd = noise[:, 0::2].transpose(1, 2), noise[:, 1::2].transpose(1, 2)
        for layer, condition in zip(self.layers, conditions):
            if layer.odd:
                odd = layer(even, odd, condition)
            else:
                even = layer(odd, even, condition)
        end = mel.shape[2] - EDGE + 1
        first, last = EDGE - self.before, end - self.before
        level = mel[:, :, EDGE:end].transpose(1, 2) @ self.to_coefficients
        scale = torch.exp((level + log_scale[:, first:last]).clamp(max=MAX_LOG_MAGNITUDE))
        return self._inverse_mdct(torch.cat((even[:, first:last], odd[:, first:last]), 2) * scale)

    def _inverse_mdct(self, coefficients: Tensor) -> Tensor:
        """(1, T + 1, hop), even ones first -> (1, T * hop): what LappedTransform.inverse returns but for its ends."""
        half = self.hop // 2
        rotated = coefficients @ self.cosines
        rising, falling = rotated[:, 1:, :half], rotated[:, :-1, half:]
        left = self.cosine * falling + self.sine * rising
        right = (self.cosine * rising - self.sine * falling).flip(2)
        return torch.cat((left, right), 2).flatten(1)


class OnnxCouplingLayer(nn.Module):
    """The inverse of a CouplingLayer on coefficients that are apart. Factors of the log scale are part of the weights.

    The bias of `start` is in the condition.
    """

    def __init__(self, flow: CouplingLayer) -> None:
        super().__init__()
        self.odd, self.norm, self.half = flow.odd, flow.norm, flow.start.in_features
        self.block = OnnxBlock(flow.block)
        self.start = nn.Linear(self.half, flow.start.out_features, bias=False)
        self.start.weight.data = flow.start.weight.data
        self.end = nn.Linear(flow.end.in_features, 2 * self.half)
        factor = torch.ones(2 * self.half)
        factor[self.half:] = -1 / LOG_SCALE_BOUND
        self.end.weight.data = flow.end.weight.data * factor[:, None]
        self.end.bias.data = flow.end.bias.data * factor

    def forward(self, kept: Tensor, changed: Tensor, condition: Tensor) -> Tensor:
        """kept, changed (1, T, hop / 2), condition (1, T, channels) with the bias of start -> new values of changed."""
        y = self.block((self.start(kept) + condition)[None])[0]
        shift, log_scale = self.end(self.norm(y)).split(self.half, 2)
        return (changed - shift) * torch.exp(LOG_SCALE_BOUND * torch.tanh(log_scale))
