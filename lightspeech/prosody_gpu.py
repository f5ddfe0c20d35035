"""The kernels of prosody.cu on PyTorch's tensors: durations and pitch of symbols, and the inputs of frames."""
import ctypes
import math
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightspeech.durations import MAX_DURATION, N_POSITION_FEATURES, align_frames, change_speed, log_to_durations
from lightspeech.model import LightSpeech
from lightspeech.pitch import (
    DEFAULT_LOG_PITCH,
    MAX_PITCH,
    MIN_PITCH,
    N_HARMONIC_BANDS,
    SMOOTHING_FRAMES,
    pitch_contour,
)
from runtime.cuda_kernels import launch
from runtime.fast_path import relative_errors

SOURCE = Path(__file__).with_name("prosody.cu")
FRAMES_PER_BLOCK = 32  # FRAMES of the source
ALLOWED_ERROR = 1e-3  # relative, of the inputs of frames
DEFINES = (("HARMONIC_BANDS", N_HARMONIC_BANDS), ("POSITION_FEATURES", N_POSITION_FEATURES),
           ("SMOOTHING", SMOOTHING_FRAMES), ("MAX_DURATION", MAX_DURATION))


class SymbolProsody(NamedTuple):
    """What is predicted for symbols."""
    durations: Tensor  # (B, N) int64 frames
    ends: Tensor  # (B, N) int64: their running sums
    pitch: Tensor  # (B, N, 2) float32, log Hz at the symbol's start and end; 0 without config.pitch
    mel_lengths: Tensor  # (B,) int64 frames


class FrameInputs(NamedTuple):
    """What the decoder is told of each frame besides the encoder's states."""
    symbol: Tensor  # (B, T) int64, index of the frame's symbol; the padding repeats the last one
    padding: Tensor  # (B, T) bool, True after the end of the row
    features: Tensor  # (B, T, n_frame_features) float32 of LightSpeech.frame_features


class DurationHead:
    """The head of a model whose inputs are the encoder's states, as two products; the second is in the kernel.

    The hidden units are padded to a multiple of 8 with units that are 0: cuBLAS takes half the time for such sizes.
    """

    def __init__(self, head: nn.Sequential) -> None:
        weight, bias, last, self.last_bias = (parameter.detach() for parameter in head.parameters())
        padding = -len(bias) % 8
        self.weight, self.bias = F.pad(weight, (0, 0, 0, padding)).t(), F.pad(bias, (0, padding))
        self.last = F.pad(last, (0, padding))

    def predict(self, states: Tensor, lengths: Tensor, speed: float, pauses: Tensor) -> SymbolProsody:
        """Returns what LightSpeech.predict_prosody, log_to_durations and change_speed give.

        states: (B, N, D) float32, arbitrary in the padding; lengths: (B,) int64; pauses: (B, N) int64, 1 for symbols
        whose durations do not change with speed.
        """
        B, N, _ = states.shape
        hidden = torch.addmm(self.bias, states.flatten(0, 1), self.weight)
        durations, ends = lengths.new_empty(2, B, N).unbind()
        result = SymbolProsody(durations, ends, states.new_empty(B, N, 2), lengths.new_empty(B))
        launch(SOURCE, "durations_and_pitch", (B, 1, 1), 1024,
               (hidden, self.last, self.last_bias, lengths, pauses, *result, N, hidden.shape[1], len(self.last),
                DEFAULT_LOG_PITCH, ctypes.c_double(speed)), DEFINES)
        return result


def frame_inputs(model: LightSpeech, prosody: SymbolProsody, n_frames: int) -> FrameInputs:
    """Returns the inputs of T = n_frames frames, at least the longest row's: of align_frames and frame_features."""
    B, N = prosody.durations.shape
    symbol, harmonics = prosody.ends.new_empty(B, n_frames), model.harmonics
    features = prosody.pitch.new_empty(B, n_frames, model.n_frame_features)
    result = FrameInputs(symbol, torch.empty_like(symbol, dtype=torch.bool), features)
    launch(SOURCE, "frames", (-(-n_frames // FRAMES_PER_BLOCK), B, 1), 256,
           (prosody.durations, prosody.ends, prosody.pitch, harmonics.centres, harmonics.quarter_widths, symbol,
            result.padding, features if model.n_frame_features else None, N, n_frames, math.log(MIN_PITCH),
            math.log(MAX_PITCH)), DEFINES)
    return result


@torch.no_grad()
def prosody_errors(model: LightSpeech, head: DurationHead) -> dict[str, float]:
    """Returns the relative errors of the kernels for random states of three rows against the plain functions.

    model: whose duration_head takes the encoder's states, as head does.
    """
    device, generator = head.bias.device, torch.Generator().manual_seed(0)
    states = torch.randn(3, 40, head.weight.shape[0], generator=generator).to(device)
    lengths, speed = torch.tensor([40, 7, 1], device=device), 1.1
    pauses = (torch.rand(3, 40, generator=generator) < 0.2).long().to(device)
    predicted = model.predict_prosody(states, lengths)
    expected = change_speed(log_to_durations(predicted.log_durations, lengths), speed, pauses.bool())
    found = head.predict(states, lengths, speed, pauses)
    alignment = align_frames(expected, int(expected.sum(1).max()) + 9)
    inputs = frame_inputs(model, found, alignment.symbol.shape[1])
    features = model.frame_features(alignment, pitch_contour(predicted.symbol_pitch, alignment))
    return relative_errors(
        {"durations": found.durations, "symbols of frames": inputs.symbol, "lengths of mels": found.mel_lengths,
         "padding": inputs.padding, **({"features of frames": inputs.features} if model.n_frame_features else {})},
        {"durations": expected, "symbols of frames": alignment.symbol, "lengths of mels": expected.sum(1),
         "padding": alignment.padding, **({"features of frames": features} if model.n_frame_features else {})})
