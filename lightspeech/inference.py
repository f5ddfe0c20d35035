"""The student's fast inference on a GPU: the function of LightSpeech.infer with the recurrences of gru_gpu.py."""
import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightspeech import gru_gpu, prosody_gpu
from lightspeech.durations import check_speed
from lightspeech.gru_gpu import GpuInferenceGRU, check_support, gru_errors
from lightspeech.model import LightSpeech, LightSpeechInference
from lightspeech.prosody_gpu import DurationHead, SymbolProsody, frame_inputs, input_width, prosody_errors
from runtime.fast_path import disagreement, first_that_agrees

Packed = TypeVar("Packed", Tensor, np.ndarray)  # the result of _pack, or the same memory as an array
SYMBOL_STEP, FRAME_STEP = 64, 256  # lengths are padded to multiples of these, so that recordings are reused


@dataclass(eq=False)
class EncoderResult:
    """Result of FastLightSpeech.encode: durations, and a decoder that holds the encoder output and pitch."""
    durations: Tensor  # (B, N) int64 frames
    mel_lengths: Tensor  # (B,) int64 frames
    decode: Callable[[int], Tensor]  # maps a number of frames T to the mel (B, M, T)


class FastLightSpeech:
    """Computes what LightSpeech.infer computes, to rounding, with the model's weights as they are now.

    recorded: turns a function of tensors and plain values into one that replays it, such as
    runtime.graphs.RecordedFunction, for shapes that occur again. A recorded function's result that is not a tensor or a
    tuple of tensors may be valid only until its next call.
    """

    def __init__(self, model: LightSpeech, recorded: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self.model = _fuse_encoder_linear(model)
        self.head = DurationHead(self.model.duration_head)
        self.encoder = GpuInferenceGRU(model.encoder.ahead, model.encoder.back)
        self.decoder = GpuInferenceGRU(model.decoder.ahead, model.decoder.back)
        self.decoder_weight = _fuse_decoder_inputs(model, self.decoder)
        with torch.no_grad():  # of the whole symbol table, (symbols, 6H)
            self.symbol_gates = F.linear(model.embedding.weight, self.encoder.weight, self.encoder.bias)
        self.recorded = recorded
        self._encode = self.recorded(self.encode)

    @torch.inference_mode()
    def infer(self, ids: Tensor, id_lengths: Tensor, speed: float = 1.0,
              pauses: Tensor | None = None) -> LightSpeechInference:
        """See LightSpeech.infer for the arguments, the result and the errors."""
        check_speed(speed)
        B, N = ids.shape
        packed = _pack(ids, id_lengths, pauses).to(self.symbol_gates.device, non_blocking=True)
        encoded = self._encode(packed, B, speed)
        mel_lengths = encoded.mel_lengths.clone()  # before the wait for the durations, so that it costs no time
        durations = encoded.durations.cpu()[:, :N]
        frames = durations.sum(1).tolist()
        mel = encoded.decode(-(-max(frames) // FRAME_STEP) * FRAME_STEP)
        return LightSpeechInference(mel[:, :, :max(frames)], mel_lengths, durations, frames)

    def encode(self, packed: Tensor, B: int, speed: float) -> EncoderResult:
        """Runs the encoder and predicts durations and pitch of B rows; packed: result of `_pack`, on the GPU."""
        ids, pauses, lengths = _unpack(packed, B)
        states = self.encoder.run(F.embedding(ids, self.symbol_gates), lengths)  # arbitrary in the padding
        prosody = self.head.predict(states, lengths, speed, pauses)
        decode = functools.partial(self.decode, states, prosody)
        return EncoderResult(prosody.durations, prosody.mel_lengths, self.recorded(decode))

    def decode(self, states: Tensor, prosody: SymbolProsody, n_frames: int) -> Tensor:
        """Runs the length regulator and the decoder.

        states: (B, N, D) of the encoder; n_frames: T, at least the longest row's. Returns the mel (B, M, T), zero in
        the padding.
        """
        inputs, padding = frame_inputs(self.model, states, prosody, n_frames)
        gates = product_in_float32(inputs.flatten(0, 1), self.decoder_weight).unflatten(0, inputs.shape[:2])
        mel = self.model.mel_linear(self.decoder.run(gates, prosody.mel_lengths))
        return mel.masked_fill_(padding[..., None], 0.0).transpose(1, 2)


def _pack(ids: Tensor, id_lengths: Tensor, pauses: Tensor | None) -> Tensor:
    """Joins the arguments of LightSpeech.infer to one tensor, so that they come to the GPU by one copy.

    ids, pauses: (B, N); id_lengths: (B,). Returns ids and pauses, with N padded to a multiple of SYMBOL_STEP, and the
    lengths, one after the other, as int64 (L,) on the device of `ids`.
    """
    B, N = ids.shape
    packed = ids.new_zeros(2 * B * (N - N % -SYMBOL_STEP) + B)
    # On the CPU NumPy writes into the tensor's memory: for so few numbers it takes less time than PyTorch.
    padded_ids, padded_pauses, lengths = _unpack(packed if packed.is_cuda else packed.numpy(), B)
    padded_ids[:, :N], lengths[:] = ids, id_lengths
    if pauses is not None:
        padded_pauses[:, :N] = pauses
    return packed


def _unpack(packed: Packed, B: int) -> tuple[Packed, Packed, Packed]:
    """Returns the ids (B, N), pauses (B, N) and lengths (B,) of B rows in the result of `_pack`, as views of it."""
    size = (len(packed) - B) // 2
    return packed[:size].reshape(B, -1), packed[size:2 * size].reshape(B, -1), packed[2 * size:]


def product_in_float32(x: Tensor, weight: Tensor) -> Tensor:
    """Returns the product of two matrices of float16 as float32; the tensor cores add up in float32 anyway."""
    return torch.mm(x, weight, out_dtype=torch.float32)


@torch.no_grad()
def _fuse_decoder_inputs(model: LightSpeech, decoder: GpuInferenceGRU) -> Tensor:
    """Returns the weight (input_width, 6H) float16 that makes the decoder's gates of `frame_inputs`.

    It holds encoder_linear, which lies between the encoder's states and the decoder, and the biases: float16 has 11
    bits, so their remainder is in a second row.
    """
    n_states = model.encoder_linear.out_features - model.n_frame_features
    weight, bias = model.encoder_linear.weight[:n_states], model.encoder_linear.bias[:n_states]
    of_states, of_features = decoder.weight[:, :n_states], decoder.weight[:, n_states:]
    total = decoder.bias + of_states @ bias
    rows = torch.cat(((of_states @ weight).t(), of_features.t(), total[None], (total - total.half().float())[None]))
    return F.pad(rows, (0, 0, 0, input_width(model) - len(rows))).half()


@torch.no_grad()
def _fuse_encoder_linear(model: LightSpeech) -> LightSpeech:
    """Returns a copy with encoder_linear fused into the duration head, whose `predict_prosody` takes GRU states."""
    linear, fused = model.encoder_linear, copy.deepcopy(model.duration_head[0])
    weight = fused.weight.detach()
    fused.bias.data = fused.bias + weight @ linear.bias
    fused.weight.data = weight @ linear.weight
    model = copy.copy(model)
    model._modules = {**model._modules, "duration_head": nn.Sequential(fused, *model.duration_head[1:])}
    return model


def fastest(model: LightSpeech, recorded: Callable[[Callable[..., Any]], Callable[..., Any]]
            ) -> FastLightSpeech | LightSpeech:
    """Returns the fast form of a model on a GPU; on a CPU, or if that form cannot run or disagrees, the model itself.

    recorded: see FastLightSpeech. Logs one line if the model itself is returned on a GPU.
    """
    device = model.embedding.weight.device
    if device.type == "cpu":
        return model
    sizes = {model.config.encoder_dim, model.config.decoder_dim}

    def make() -> FastLightSpeech:
        for size in sizes:
            check_support(size, device)
        return FastLightSpeech(model, recorded)

    def problem_of(fast: FastLightSpeech) -> str:
        problem = disagreement({name: error for size in sizes for name, error in gru_errors(size, device).items()},
                               gru_gpu.ALLOWED_ERROR)
        return problem or disagreement(prosody_errors(fast.model, fast.head), prosody_gpu.ALLOWED_ERRORS)
    return first_that_agrees([make], problem_of, model, "fast student",
                             "speaking by the plain one, some ten times slower")
