"""The student's inference, faster: what LightSpeech.infer computes, with the recurrences of `recurrence.py`."""
import contextlib
import copy
import functools
import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightspeech.durations import change_speed, timeline, to_frames
from lightspeech.model import LightSpeech, LightSpeechInference
from lightspeech.pitch import contour
from lightspeech.recurrence import Recurrence, one_thread

SYMBOL_STEP, FRAME_STEP = 64, 256  # lengths are padded to multiples of these on a GPU, to share recordings


@dataclass(eq=False)
class Told:
    """What the first half of the work tells."""
    durations: Tensor  # (B, N) int64 frames
    mel_lengths: Tensor  # (B,) int64 frames
    decode: Callable[[int], Tensor]  # the second half: from the number of frames to go to, to the mel (B, M, frames)


class FastLightSpeech:
    """Speaks as the model does, to rounding; a snapshot of its weights on its device at this time.

    recurrence: makes a Recurrence of a model's; replayed: None, or what makes a function of tensors and plain values
    into one that does the same, launched as a whole, as runtime.graphs.Replay; for shapes that recur, so lengths are
    then padded. What it hands out that is no tensor and no tuple of them may hold only until its next call.
    """

    def __init__(self, model: LightSpeech, recurrence: Callable[..., Recurrence] = Recurrence,
                 replayed: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None) -> None:
        self.model = _without_encoder_linear(model)
        self.encoder = recurrence(model.encoder.ahead, model.encoder.back)
        self.decoder = recurrence(model.decoder.ahead, model.decoder.back, model.told)
        self.decoder.absorb(model.encoder_linear)
        with torch.no_grad():
            self.symbols = self.encoder.project(model.embedding.weight[None])  # of all there are
        self.symbol_step, self.frame_step = (SYMBOL_STEP, FRAME_STEP) if replayed else (1, 1)
        self.replayed = replayed or (lambda function: function)
        self._encode = self.replayed(self.encode)

    @torch.inference_mode()
    def infer(self, ids: Tensor, id_lengths: Tensor, speed: float = 1.0,
              pauses: Tensor | None = None) -> LightSpeechInference:
        """As LightSpeech.infer, which says what goes in and comes out, and what is refused."""
        with one_thread() if len(ids) == 1 and not ids.is_cuda else contextlib.nullcontext():
            return self._infer(ids, id_lengths, speed, pauses)

    def _infer(self, ids: Tensor, id_lengths: Tensor, speed: float, pauses: Tensor | None) -> LightSpeechInference:
        N = ids.shape[1]
        beyond = (0, -N % self.symbol_step)
        told = self._encode(F.pad(ids, beyond), id_lengths, speed, pauses if pauses is None else F.pad(pauses, beyond))
        durations, mel_lengths = told.durations[:, :N].cpu(), told.mel_lengths.clone()
        frames = durations.sum(1).tolist()
        mel = told.decode(-(-max(frames) // self.frame_step) * self.frame_step)
        return LightSpeechInference(mel[:, :, :max(frames)], mel_lengths, durations, frames)

    def encode(self, ids: Tensor, id_lengths: Tensor, speed: float, pauses: Tensor | None) -> Told:
        """LightSpeech.encode and predict, and the durations at this speed; arguments as for `infer`."""
        states = self.encoder.run(self.symbols, id_lengths, ids)  # anything in the padding
        log_durations, lines = self.model.predict(states, id_lengths)
        durations = change_speed(to_frames(log_durations, id_lengths), speed, pauses)
        mel_lengths = durations.sum(1)
        return Told(durations, mel_lengths,
                    self.replayed(functools.partial(self.decode, states, durations, lines, mel_lengths)))

    def decode(self, states: Tensor, durations: Tensor, lines: Tensor, mel_lengths: Tensor, frames: int) -> Tensor:
        """As LightSpeech.decode after `spread`: mel (B, M, T), zero in the padding.

        states (B, N, D): of the encoder; lines (B, N, 2): what LightSpeech.predict told; durations: (B, N) int64
        frames; mel_lengths: (B,) int64, their sums; frames: T, at least the longest.
        """
        gates = self.decoder.project(states)
        line = timeline(durations, frames)
        shown = self.model.shown(line, contour(lines, line))
        mel = self.model.mel_linear(self.decoder.run(gates, mel_lengths, line.symbol, shown))
        return mel.masked_fill_(line.beyond[..., None], 0.0).transpose(1, 2)


@torch.no_grad()
def _without_encoder_linear(model: LightSpeech) -> LightSpeech:
    """The same model, but its `predict` takes what encoder_linear takes: the layer after it is linear too."""
    before, both = model.encoder_linear, copy.deepcopy(model.duration_head[0])
    weight = both.weight.detach()
    both.bias.data = both.bias + weight @ before.bias
    both.weight.data = (before.weight.t() @ weight.t()).t()  # as in Recurrence.absorb
    model = copy.copy(model)
    model._modules = {**model._modules, "duration_head": nn.Sequential(both, *model.duration_head[1:])}
    return model


def fastest(model: LightSpeech, replayed: Callable[[Callable[..., Any]], Callable[..., Any]]
            ) -> FastLightSpeech | LightSpeech:
    """The fast form of a model on its device, or the model itself where the fast one cannot run or computes otherwise.

    replayed: as of FastLightSpeech, for a GPU. A fall-back is told in one line.
    """
    device = model.embedding.weight.device
    if device.type == "cpu":
        return FastLightSpeech(model)
    problems = []
    for way in ("cuda", "kernels"):  # the faster one first
        try:
            from lightspeech import gpu
            steps = importlib.import_module(f"lightspeech.{way}")
            problem = next(filter(None, (gpu.problem(steps, H, device) for H in {model.config.encoder_dim,
                                                                                 model.config.decoder_dim})), "")
        except Exception as error:  # noqa: BLE001, whatever a compiler, its bindings or the driver may raise
            problem = f"{type(error).__name__}: {error}".splitlines()[0]
        if not problem:
            recurrence = functools.partial(gpu.GpuRecurrence, steps=steps.steps)
            return FastLightSpeech(model, recurrence, replayed)
        problems.append(problem)
        logging.getLogger(__name__).info("fast student: %s", problem)
    logging.getLogger(__name__).warning("fast student: %s; speaking by the plain one, some ten times slower",
                                        "; ".join(problems))
    return model
