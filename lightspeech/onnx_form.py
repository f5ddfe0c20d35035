"""The student as an ONNX graph, which ONNX Runtime runs without PyTorch.

The graph speaks one text: ids (N,) int64, speed () float64 and pauses (N,) bool to mel (M, T) float32 and durations
(N,) int64; see LightSpeech.infer for their meaning. It computes what that does for a row alone.
"""
import copy
import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hparams import AudioConfig, TextConfig, UserError
from lightspeech.durations import MAX_DURATION, FrameAlignment
from lightspeech.model import BidirectionalGRU, LightSpeech
from lightspeech.pitch import pitch_contour
from runtime.onnx_files import open_session, write_onnx
from runtime.onnx_graphs import serialize, trace
from runtime.weights import release, stored_checksum
from text import symbols

INPUTS, OUTPUTS = ("ids", "speed", "pauses"), ("mel", "durations")
LENGTHS = (1, 7, 130)  # symbols of the texts that a graph is checked with
ALLOWED_ERROR = 1e-3  # of a mel, natural log


class OnnxLightSpeech(nn.Module):
    """A LightSpeech for one text, in operations that ONNX has."""

    def __init__(self, model: LightSpeech) -> None:
        super().__init__()
        self.model = model
        self.encoder, self.decoder = _joined(model.encoder), _joined(model.decoder)

    def forward(self, ids: Tensor, speed: Tensor, pauses: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the mel (M, T) and the durations (N,); see the top of this file for the arguments."""
        states, _ = self.encoder(self.model.embedding(ids)[None])
        features = self.model.encoder_linear(states)
        prosody = self.model.predict_prosody(features, torch.ones_like(ids[:1]) * ids.shape[0])
        durations = _durations(prosody.log_durations[0], speed, pauses)
        alignment = _align(durations)
        inputs = self.model.expand_to_frames(features, alignment, pitch_contour(prosody.symbol_pitch, alignment))
        states, _ = self.decoder(inputs)
        return self.model.mel_linear(states)[0].t(), durations


def _joined(gru: BidirectionalGRU) -> nn.GRU:
    """Returns both directions as one nn.GRU, which is one node of a graph."""
    joined = nn.GRU(gru.ahead.input_size, gru.ahead.hidden_size, batch_first=True, bidirectional=True)
    reverse = {f"{name}_reverse": weight for name, weight in gru.back.state_dict().items()}
    joined.load_state_dict({**gru.ahead.state_dict(), **reverse})
    return joined


def _durations(log_durations: Tensor, speed: Tensor, pauses: Tensor) -> Tensor:
    """Returns change_speed(log_to_durations(log_durations), speed, pauses), each (N,), for one row."""
    finite = torch.where(log_durations == log_durations, log_durations, torch.zeros_like(log_durations))
    usual = _ensure_one_frame((finite.clamp(0.0, math.log(MAX_DURATION + 1)).exp() - 1).round().long())
    ends = (torch.where(pauses, torch.zeros_like(usual), usual).cumsum(0).double() / speed).round().long()
    changed = ends - F.pad(ends[:-1], (1, 0))
    return _ensure_one_frame(torch.where(pauses, usual, changed))


def _ensure_one_frame(durations: Tensor) -> Tensor:
    """Gives the first symbol one frame if none has a frame."""
    none = (durations.sum(0, keepdim=True) == 0).long()
    return torch.cat((durations[:1] + none, durations[1:]))


def _align(durations: Tensor) -> FrameAlignment:
    """Returns align_frames for one row with exactly its frames. durations: (N,) int64."""
    ends = durations.cumsum(0)
    n_frames = ends[-1]
    counts = torch.zeros_like(torch.arange(n_frames + 1)).scatter_add(0, ends, torch.ones_like(ends))
    symbol = counts[:-1].cumsum(0)  # how many symbols ended before or at the start of a frame
    duration = durations[symbol].float()[None]
    position = (torch.arange(n_frames) - (ends - durations)[symbol]).float()[None]
    return FrameAlignment(symbol[None], position, duration, (position + 0.5) / duration,
                          torch.zeros_like(symbol[None], dtype=torch.bool))


def save_onnx(path: Path, model: LightSpeech, text: TextConfig, notes: dict[str, Any] | None = None,
              source: Path | None = None) -> None:
    """Writes the released form of a student as an ONNX file, once ONNX Runtime speaks with it as PyTorch does.

    source: the .safetensors file that the weights are from; None: the one that pretrained.save would write. The other
    arguments are those of pretrained.save. Raises UserError if the graph computes something else, or the file
    cannot be written; nothing is written then.
    """
    about, tensors = release("lightspeech", model.state_dict(), model.config, AudioConfig(), text, symbols, notes)
    released = copy.deepcopy(model).cpu().float().eval()
    released.load_state_dict(tensors)
    example = torch.arange(1, 8), torch.tensor(1.0, dtype=torch.float64), torch.zeros(7, dtype=torch.bool)
    graph = serialize(trace(OnnxLightSpeech(released), dict(zip(INPUTS, example)), OUTPUTS, {
        "ids": {0: "N"}, "pauses": {0: "N"}, "mel": {1: "T"}, "durations": {0: "N"}}))
    _check(path, graph, released)
    write_onnx(path, graph, about | {"checksum": stored_checksum(source)} if source else about)


@torch.no_grad()
def _check(path: Path, graph: bytes, model: LightSpeech) -> None:
    """Raises UserError if a graph and its model give different durations or mels of random texts."""
    session, generator = open_session(path, graph), torch.Generator().manual_seed(0)
    for length in LENGTHS:
        for speed in (1.0, 1.3):
            ids = torch.randint(1, model.config.n_symbols, (length,), generator=generator)
            pauses = torch.rand(length, generator=generator) < 0.2
            inputs = {"ids": ids.numpy(), "speed": torch.tensor(speed, dtype=torch.float64).numpy(),
                      "pauses": pauses.numpy()}
            mel, durations = (torch.from_numpy(output) for output in session.run(OUTPUTS, inputs))
            expected = model.infer(ids[None], torch.tensor([length]), speed, pauses[None])
            off = (durations - expected.durations[0]).abs()
            if length == max(LENGTHS) and 0 < off.sum() <= 2 and off.max() == 1:
                continue  # one duration was rounded the other way
            error = (mel - expected.mel[0]).abs().max().item() if not off.any() else math.inf
            if not error <= ALLOWED_ERROR:
                raise UserError(f"{path}: the graph's mels are off by {error:.1e} from PyTorch's, allowed "
                                f"{ALLOWED_ERROR:.0e}; nothing was written")
