"""The student's inference, faster: what LightSpeech.infer computes, with the recurrences of `recurrence.py`."""
import torch
from torch import Tensor

from lightspeech.durations import change_speed, real, symbols_of_frames, to_frames
from lightspeech.model import LightSpeech, LightSpeechInference
from lightspeech.recurrence import Recurrence, cpu_steps


class FastLightSpeech:
    """Speaks as the model does, to rounding; a snapshot of its weights on its device at this time."""

    def __init__(self, model: LightSpeech) -> None:
        self.model = model
        self.encoder = Recurrence(model.encoder.ahead, model.encoder.back, cpu_steps)
        self.decoder = Recurrence(model.decoder.ahead, model.decoder.back, cpu_steps)
        with torch.no_grad():
            self.symbols = self.encoder.project(model.embedding.weight[None])  # (1, n_symbols + 1, 2, 4H)

    @torch.inference_mode()
    def infer(self, ids: Tensor, id_lengths: Tensor, speed: float = 1.0,
              pauses: Tensor | None = None) -> LightSpeechInference:
        """As LightSpeech.infer, which says what goes in and comes out, and what is refused."""
        features = self.encode(ids, id_lengths)
        durations = to_frames(self.model.predict_durations(features, id_lengths), id_lengths)
        durations = change_speed(durations, speed, pauses)
        mel_lengths = durations.sum(1)
        frames = mel_lengths.tolist()
        return LightSpeechInference(self.decode(features, durations, max(frames)), mel_lengths, durations, frames)

    def encode(self, ids: Tensor, id_lengths: Tensor) -> Tensor:
        """As LightSpeech.encode."""
        states = self.encoder.run(self.symbols.expand(len(ids), -1, -1, -1), id_lengths, ids)
        return self.model.encoder_linear(states).masked_fill(~real(id_lengths, ids.shape[1])[..., None], 0.0)

    def decode(self, features: Tensor, durations: Tensor, frames: int) -> Tensor:
        """As LightSpeech.decode after `regulate`: mel (B, M, T), zero in the padding.

        features: (B, N, D) of `encode`; durations: (B, N) int64 frames; frames: T, at least the longest row's sum.
        """
        mel_lengths = durations.sum(1)
        states = self.decoder.run(self.decoder.project(features), mel_lengths, symbols_of_frames(durations, frames))
        mel = self.model.mel_linear(states)
        return mel.masked_fill(~real(mel_lengths, frames)[..., None], 0.0).transpose(1, 2)
