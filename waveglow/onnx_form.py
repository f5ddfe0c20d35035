"""The vocoder at the mel rate as an ONNX graph, which ONNX Runtime runs without PyTorch.

The graph makes the wave of one mel: mel (M, T) float32, and with a flow noise (hop, T + 2 EDGE) float32, to wave
(T * hop,) float32; see MelRateWaveGlow.infer. The noise is scaled by sigma already.
"""
import copy
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hparams import AudioConfig, UserError, WaveGlowConfig
from runtime.onnx_files import open_session, write_onnx
from runtime.onnx_graphs import serialize, trace
from runtime.onnx_int8 import quantize_products
from runtime.weights import release, stored_checksum
from waveglow.mel_rate import EDGE, MAX_LOG_MAGNITUDE, ConvNeXtBlock, MelRateWaveGlow
from waveglow.onnx_blocks import OnnxBlock
from waveglow.onnx_flow import OnnxFlow
from waveglow.vocoder import Vocoder

if TYPE_CHECKING:
    from onnx import ModelProto

LENGTHS = (1, 16, 77)  # frames of the mels that a graph is checked with
ALLOWED_ERROR = 1e-4  # of a wave, relative to its Euclidean norm
ALLOWED_ERROR_IN_8_BITS = 0.1
LOWEST_GELU = -0.17005  # the lowest value of its approximation by tanh


class OnnxMelRate(nn.Module):
    """A MelRateWaveGlow for one mel, in operations that ONNX has."""

    def __init__(self, model: MelRateWaveGlow) -> None:
        super().__init__()
        self.model = model
        self.blocks = nn.ModuleList(OnnxBlock(block) for block in model.blocks if isinstance(block, ConvNeXtBlock))
        self.inverse_stft = InverseStft(model.n_fft)
        order = self.inverse_stft.order
        both = torch.cat((order, order + len(order)))
        self.spectrum = copy.deepcopy(model.spectrum)
        self.spectrum.weight.data, self.spectrum.bias.data = model.spectrum.weight[both], model.spectrum.bias[both]
        self.register_buffer("to_bins", model.to_bins[:, order])
        self.flow = OnnxFlow(model) if model.flows else None

    def forward(self, mel: Tensor, noise: Tensor | None = None) -> Tensor:
        """Returns the wave (S,); see the top of this file for the arguments."""
        model, frames, hop = self.model, mel.shape[1], self.model.hop_length
        mel = F.pad(mel[None], (EDGE, EDGE), value=model.silence)
        hidden = self._hidden(mel)
        # A frame of the STFT reaches two hops from its centre: only these frames have samples within the result.
        first, last = EDGE - 1, EDGE + frames + 2
        wave = self._mean(hidden[:, first:last], mel[:, :, first:last])[:, 3 * hop // 2:][:, :frames * hop]
        if noise is not None:
            assert self.flow is not None
            wave = wave + self.flow(hidden, mel, noise)
        return wave[0]

    def _hidden(self, mel: Tensor) -> Tensor:
        """Returns what MelRateWaveGlow.hidden_features does."""
        x = self.model.embedding(mel)[None]
        for block in self.blocks:
            x = block(x)
        return self.model.norm(x)[0]

    def _mean(self, hidden: Tensor, mel: Tensor) -> Tensor:
        """Returns what MelRateWaveGlow._mean does."""
        magnitude, phase = self.spectrum(hidden).chunk(2, 2)
        level = mel.transpose(1, 2) @ self.to_bins + self.model.bin_level
        magnitude = torch.exp((level + magnitude).clamp(max=MAX_LOG_MAGNITUDE))
        return self.inverse_stft(magnitude * torch.cos(phase), magnitude * torch.sin(phase))


class InverseStft(nn.Module):
    """The inverse STFT of MelRateWaveGlow by real matrix products, a quarter of the work of one full product.

    ONNX has no complex numbers, and ONNX Runtime's DFT takes more than twice as long. A spectrum's real part gives the
    even part of a frame and the imaginary part the odd one. Of each, the even bins and the odd bins are symmetric about
    a quarter of the frame, one with the same sign and one with the opposite. So four products of the first quarter of
    the frame, n_fft / 4 + 1 samples, give the whole.
    """

    def __init__(self, n_fft: int) -> None:
        super().__init__()
        self.hop = n_fft // 4
        bins = torch.arange(2 * self.hop + 1)
        self.order = torch.cat((bins[0::2], bins[1::2]))  # in which `forward` takes the bins
        weight = torch.full((len(bins), 1), 2.0, dtype=torch.float64)  # each bin but the outer ones stands for two
        weight[0] = weight[-1] = 1
        angle = 2 * math.pi / n_fft * bins[:, None] * torch.arange(self.hop + 1, dtype=torch.float64)
        scale = weight / (1.5 * n_fft)  # 1.5: the sum of the squares of Hann windows, see MelRateWaveGlow._overlap_add
        for name, values in (("cosine", scale * angle.cos()), ("sine", -scale * angle.sin())):
            self.register_buffer(f"even_{name}", values[0::2].float())
            self.register_buffer(f"odd_{name}", values[1::2].float())
        window = torch.hann_window(n_fft, dtype=torch.float64)[:2 * self.hop + 1]
        self.register_buffer("rising", window[:self.hop + 1].float())
        self.register_buffer("top", window[self.hop:].flip(0).float())

    def forward(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """real, imaginary: (1, T, n_fft / 2 + 1), bins in self.order -> (1, T * hop), as `_overlap_add` returns it."""
        hop = self.hop
        even, odd = real[..., :hop + 1] @ self.even_cosine, real[..., hop + 1:] @ self.odd_cosine
        even_sine, odd_sine = imaginary[..., :hop + 1] @ self.even_sine, imaginary[..., hop + 1:] @ self.odd_sine
        # For n = 0 ... hop: the parts of samples n and n_fft - n, and of n_fft / 2 - n and n_fft / 2 + n.
        outer, outer_sine = (even + odd) * self.rising, (even_sine + odd_sine) * self.rising
        inner, inner_sine = (even - odd) * self.top, (odd_sine - even_sine) * self.top
        first, third = (outer + outer_sine)[..., :hop], (inner - inner_sine)[..., :hop]  # quarters of the frame
        second, fourth = (inner + inner_sine)[..., 1:], (outer - outer_sine)[..., 1:]  # backwards
        forwards = F.pad(first, (0, 0, 0, 2)) + F.pad(third, (0, 0, 2, 0))
        backwards = F.pad(second, (0, 0, 0, 2)) + F.pad(fourth, (0, 0, 2, 0))
        total = F.pad(forwards, (0, 0, 0, 1)) + F.pad(backwards.flip(2), (0, 0, 1, 0))
        start = 2 * hop - hop // 2
        return total.flatten(1)[:, start:start + real.shape[1] * hop]


def save_onnx(path: Path, model: Vocoder, notes: dict[str, Any] | None = None,
              audio: AudioConfig = AudioConfig(), source: Path | None = None) -> None:
    """Writes the released form of a vocoder as an ONNX file, once ONNX Runtime makes the waves that PyTorch makes.

    source: the .safetensors file that the weights are from; None: the one that pretrained.save would write. The other
    arguments are those of pretrained.save. Raises UserError for a WaveGlow of samples, if the graph computes
    something else, and if the file cannot be written; nothing is written then.
    """
    if not isinstance(model, MelRateWaveGlow):
        raise UserError(f"{path}: only a vocoder at the mel rate can be exported as ONNX, found a WaveGlow of samples; "
                        "export it as .safetensors")
    about, tensors = release("waveglow", model.state_dict(), model.config, audio, notes=notes)
    released = copy.deepcopy(model).cpu().float().eval()
    released.load_state_dict(tensors)
    network = trace_vocoder(released)
    _check(path, network.SerializeToString(), released, ALLOWED_ERROR)
    quantize_products(network, products_in_8_bits(released.config))
    graph = serialize(network)
    _check(path, graph, released, ALLOWED_ERROR_IN_8_BITS)
    write_onnx(path, graph, about | {"checksum": stored_checksum(source)} if source else about)


def trace_vocoder(model: MelRateWaveGlow) -> "ModelProto":
    """Returns a vocoder as a graph in float32."""
    inputs, dynamic = {"mel": torch.zeros(model.config.n_mels, 20)}, {"mel": {1: "T"}, "wave": {0: "S"}}
    if model.flows:
        inputs["noise"], dynamic["noise"] = torch.zeros(model.noise_shape(20)), {1: "T + 16"}
    return trace(OnnxMelRate(model), inputs, ("wave",), dynamic)


def products_in_8_bits(config: WaveGlowConfig) -> dict[str, float | None]:
    """Returns the products that are computed in 8 bits, with the lowest values of their inputs where they are known.

    Those of the ConvNeXt blocks, which are four fifths of all work of the mean, and those of the flow.
    """
    linear: dict[str, float | None] = {"expand": None, "project": LOWEST_GELU}
    products = {f"/blocks.{k}/{name}": lowest for k in range(config.n_blocks) for name, lowest in linear.items()}
    for k in range(config.n_flows):
        products |= {f"/flow/layers.{k}/block/{name}": lowest for name, lowest in linear.items()}
        products |= {f"/flow/layers.{k}/end": None, "/flow/condition": None}
    return {f"{name}/MatMul": lowest for name, lowest in products.items()}


@torch.no_grad()
def _check(path: Path, graph: bytes, model: MelRateWaveGlow, allowed: float) -> None:
    """Raises UserError if a graph and its model give different waves of random mels."""
    session, generator = open_session(path, graph), torch.Generator().manual_seed(0)
    for length in LENGTHS:
        mel = torch.randn(model.config.n_mels, length, generator=generator) - 5  # about as loud as speech
        noise = torch.randn(model.noise_shape(length), generator=generator)
        inputs = {"mel": mel.numpy(), "noise": noise.numpy()}
        wave, = session.run(None, {value.name: inputs[value.name] for value in session.get_inputs()})
        expected, = model.infer(mel[None], 1.0, noise[None])
        error = ((torch.from_numpy(wave) - expected).norm() / expected.norm()).item()
        if not error <= allowed:
            raise UserError(f"{path}: the graph's wave differs from PyTorch's by {error:.1e} of it, "
                            f"allowed {allowed:.0e}; nothing was written")
