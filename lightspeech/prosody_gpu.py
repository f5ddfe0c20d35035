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
FRAMES_PER_BLOCK = 8  # FRAMES of the source
WARP, MAX_THREADS = 32, 1024  # of a block
# Relative errors. Inputs of frames are float16; a duration close to half a frame may be rounded the other way.
ALLOWED_ERRORS = {"durations": 1e-2, "lengths of mels": 0.0, "padding": 0.0, "inputs of frames": 1e-3}
DEFINES = (("HARMONIC_BANDS", N_HARMONIC_BANDS), ("POSITION_FEATURES", N_POSITION_FEATURES),
           ("SMOOTHING", SMOOTHING_FRAMES), ("MAX_DURATION", MAX_DURATION))


class SymbolProsody(NamedTuple):
    """What is predicted for symbols."""
    durations: Tensor  # (B, N) int64 frames
    ends: Tensor  # (B, N) int64: their running sums
    pitch: Tensor  # (B, N, 2) float32, log Hz at the symbol's start and end; 0 without config.pitch
    mel_lengths: Tensor  # (B,) int64 frames, at least 1


class DurationHead:
    """The head of a model whose inputs are the encoder's states, as two products; the second is in a kernel.

    The hidden units are padded to a multiple of 8 with units that are 0, since cuBLAS takes longer for other sizes.
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
        hidden, threads = torch.mm(states.flatten(0, 1), self.weight), 4 * WARP
        rounded, pitch = states.new_empty(B, N, dtype=torch.int32), states.new_empty(B, N, 2)
        launch(SOURCE, "symbols", (-(-N * WARP // threads), B, 1), threads,
               (hidden, self.bias, self.last, self.last_bias, lengths, rounded, pitch, N, hidden.shape[1],
                len(self.last), DEFAULT_LOG_PITCH), DEFINES)
        durations, ends = lengths.new_empty(2, B, N).unbind()
        result = SymbolProsody(durations, ends, pitch, torch.empty_like(lengths))
        launch(SOURCE, "durations", (B, 1, 1), min(MAX_THREADS, -(-N // WARP) * WARP),
               (rounded, pauses, durations, ends, result.mel_lengths, N, ctypes.c_double(speed)), DEFINES)
        return result


def input_width(model: LightSpeech) -> int:
    """Returns the width of the result of `frame_inputs`: states, features, two ones, and zeros to a multiple of 8."""
    width = 2 * model.config.encoder_dim + model.n_frame_features + 2
    return width + -width % 8


def frame_inputs(model: LightSpeech, states: Tensor, prosody: SymbolProsody, n_frames: int) -> tuple[Tensor, Tensor]:
    """Returns the decoder's inputs (B, T, input_width) float16 of T = n_frames frames, at least the longest row's.

    Each has the states of its symbol, states: (B, N, D) float32, the features of LightSpeech.frame_features, and two
    ones; arbitrary after the end of a row. The second result is the padding (B, T) bool, True there.
    """
    (B, N, D), width, harmonics = states.shape, input_width(model), model.harmonics
    inputs = states.new_empty(B, n_frames, width, dtype=torch.float16)
    padding = torch.empty(B, n_frames, dtype=torch.bool, device=states.device)
    launch(SOURCE, "frame_inputs", (-(-n_frames // FRAMES_PER_BLOCK), B, 1), 8 * WARP,
           (states, prosody.durations, prosody.ends, prosody.pitch, harmonics.centres, harmonics.quarter_widths, inputs,
            padding, N, n_frames, D, width, model.n_frame_features, math.log(MIN_PITCH), math.log(MAX_PITCH)), DEFINES)
    return inputs, padding


@torch.no_grad()
def prosody_errors(model: LightSpeech, head: DurationHead) -> dict[str, float]:
    """Returns the relative errors of the kernels for random states of three rows against the plain functions.

    model: whose duration_head takes the encoder's states, as head does.
    """
    device, generator = head.bias.device, torch.Generator().manual_seed(0)
    states = torch.randn(3, 12, head.weight.shape[0], generator=generator).to(device)
    lengths, speed = torch.tensor([12, 7, 1], device=device), 1.1
    pauses = (torch.rand(3, 12, generator=generator) < 0.2).long().to(device)
    predicted = model.predict_prosody(states, lengths)
    expected = change_speed(log_to_durations(predicted.log_durations, lengths), speed, pauses.bool())
    found = head.predict(states, lengths, speed, pauses)
    alignment = align_frames(found.durations, int(found.durations.sum(1).max()) + 9)
    inputs, padding = frame_inputs(model, states, found, alignment.symbol.shape[1])
    features = model.frame_features(alignment, pitch_contour(predicted.symbol_pitch, alignment))
    true = torch.cat((states.gather(1, alignment.symbol[..., None].expand(-1, -1, states.shape[2])), features), 2)
    return relative_errors(
        {"durations": found.durations, "lengths of mels": found.mel_lengths, "padding": padding,
         "inputs of frames": inputs[~alignment.padding][:, :true.shape[2]]},
        {"durations": expected, "lengths of mels": found.durations.sum(1), "padding": alignment.padding,
         "inputs of frames": true[~alignment.padding]})
