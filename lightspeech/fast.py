"""The student's inference, faster: what LightSpeech.infer computes, with the recurrences of `recurrence.py`."""
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lightspeech.durations import change_speed, real, symbols_of_frames, to_frames
from lightspeech.model import LightSpeech, LightSpeechInference
from lightspeech.pitch import contour
from lightspeech.recurrence import Recurrence, Steps, cpu_steps, one_thread

SYMBOL_STEP, FRAME_STEP = 64, 256  # lengths are padded to multiples of these on a GPU, to share recordings


class FastLightSpeech:
    """Speaks as the model does, to rounding; a snapshot of its weights on its device at this time.

    steps: goes through a recurrence's steps on that device; replayed: None, or what makes a function of tensors and
    integers into one that does the same, launched as a whole; for shapes that recur, so lengths are then padded.
    """

    def __init__(self, model: LightSpeech, steps: Steps = cpu_steps,
                 replayed: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None) -> None:
        self.model = model
        self.encoder = Recurrence(model.encoder.ahead, model.encoder.back, steps)
        self.decoder = Recurrence(model.decoder.ahead, model.decoder.back, steps, late=model.told)
        with torch.no_grad():
            self.symbols = self.encoder.project(model.embedding.weight[None])  # (1, n_symbols + 1, 2, 4H)
        self.symbol_step, self.frame_step = (SYMBOL_STEP, FRAME_STEP) if replayed else (1, 1)
        stages = (self.encode, self.decode)
        self._encode, self._decode = map(replayed, stages) if replayed else stages

    @torch.inference_mode()
    def infer(self, ids: Tensor, id_lengths: Tensor, speed: float = 1.0,
              pauses: Tensor | None = None) -> LightSpeechInference:
        """As LightSpeech.infer, which says what goes in and comes out, and what is refused."""
        with one_thread() if len(ids) == 1 else contextlib.nullcontext():
            return self._infer(ids, id_lengths, speed, pauses)

    def _infer(self, ids: Tensor, id_lengths: Tensor, speed: float, pauses: Tensor | None) -> LightSpeechInference:
        N = ids.shape[1]
        beyond = (0, -N % self.symbol_step)
        features, durations, lines = self._encode(F.pad(ids, beyond), id_lengths)
        durations = change_speed(durations, speed, pauses if pauses is None else F.pad(pauses, beyond))
        mel_lengths = durations.sum(1)
        frames = mel_lengths.tolist()
        mel = self._decode(features, durations, lines, -(-max(frames) // self.frame_step) * self.frame_step)
        return LightSpeechInference(mel[:, :, :max(frames)], mel_lengths, durations[:, :N], frames)

    def encode(self, ids: Tensor, id_lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the features of LightSpeech.encode, (B, N, D), the durations at usual speed, (B, N) int64, and the
        lines of pitch, (B, N, 2)."""
        states = self.encoder.run(self.symbols, id_lengths, ids)
        features = self.model.encoder_linear(states).masked_fill(~real(id_lengths, ids.shape[1])[..., None], 0.0)
        log_durations, lines = self.model.predict(features, id_lengths)
        return features, to_frames(log_durations, id_lengths), lines

    def decode(self, features: Tensor, durations: Tensor, lines: Tensor, frames: int) -> Tensor:
        """As LightSpeech.decode after `spread`: mel (B, M, T), zero in the padding.

        features, lines: of `encode`; durations: (B, N) int64 frames; frames: T, at least the longest row's sum.
        """
        mel_lengths = durations.sum(1)
        gates = self.decoder.project(features[..., :features.shape[2] - self.model.told])
        shown = self.model.shown(durations, contour(lines, durations, frames))
        states = self.decoder.run(gates, mel_lengths, symbols_of_frames(durations, frames), shown)
        mel = self.model.mel_linear(states)
        return mel.masked_fill(~real(mel_lengths, frames)[..., None], 0.0).transpose(1, 2)


def fastest(model: LightSpeech, replayed: Callable[[Callable[..., Any]], Callable[..., Any]]
            ) -> FastLightSpeech | LightSpeech:
    """The fast form of a model on its device, or the model itself where the fast one cannot run or computes otherwise.

    replayed: as of FastLightSpeech, for a GPU. A fall-back is told in one line.
    """
    device = model.embedding.weight.device
    if device.type == "cpu":
        return FastLightSpeech(model)
    try:
        from lightspeech import gpu
        sizes = {model.config.encoder_dim, model.config.decoder_dim}
        problem = "" if all(gpu.suits(H, device) for H in sizes) else f"not made for this GPU or sizes of {sizes}"
        problem = problem or next((f"a size of {H} is off by {error:.1e}" for H in sizes
                                   if not (error := gpu.discrepancy(H, device)) <= gpu.ALLOWED), "")
    except Exception as error:  # noqa: BLE001, whatever Triton, its compiler or the driver may raise
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
    if not problem:
        return FastLightSpeech(model, gpu.gpu_steps, replayed)
    logging.getLogger(__name__).warning("fast student: %s; speaking by the plain one, some ten times slower", problem)
    return model
