"""LightSpeech: symbols -> encoder -> durations -> length regulator -> decoder -> mel, without attention.

    ids (B, N) --embedding--> 256 --bidirectional GRU--> 512 --linear--> features (B, N, 512)
    features --linear, ReLU, linear--> log(duration + 1) (B, N), and with config.pitch the symbols' pitch (pitch.py)
    features, durations --length regulator--> (B, T, 512) --bidirectional GRU--> 256 --linear--> mel (B, 80, T)

With config.pitch the decoder's last inputs are not encoder features. They hold the pattern of the pitch's harmonics
and the frame's position in its symbol instead. The stages are methods without side effects, from tensors to tensors:
encode, predict_prosody, expand_to_frames (the length regulator) and decode. Training and inference differ only in
where durations and pitch come from. B batch, N symbols, T mel frames, M mel bands, D encoder features.
"""
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hparams import LightSpeechConfig, TextConfig, UserError
from lightspeech.durations import (
    N_POSITION_FEATURES,
    FrameAlignment,
    align_frames,
    change_speed,
    log_to_durations,
    position_features,
    regulate_length,
)
from lightspeech.pitch import DEFAULT_LOG_PITCH, N_HARMONIC_BANDS, HarmonicPattern, pitch_contour
from lightspeech.sequences import reorder, reversal_index, sequence_mask


class LightSpeechOutput(NamedTuple):
    """Result of LightSpeech.forward, for training; zero in the padding."""
    mel: Tensor  # (B, M, T) float, natural log
    mel_lengths: Tensor  # (B,) int64 frames
    log_durations: Tensor  # (B, N) float32, log(frames + 1)
    encoder_features: Tensor  # (B, N, D) float, trained to match the teacher's encoder output
    pitch: Tensor  # (B, T) float32, log Hz as predicted, whatever pitch was passed in; 0 without config.pitch


class LightSpeechInference(NamedTuple):
    """Result of LightSpeech.infer; zero in the padding."""
    mel: Tensor  # (B, M, T) float, natural log
    mel_lengths: Tensor  # (B,) int64 frames, at least 1, on the model's device
    durations: Tensor  # (B, N) int64 frames, summing to mel_lengths, on the CPU
    frames: list[int]  # mel_lengths as Python numbers


class ProsodyPrediction(NamedTuple):
    """Durations and pitch predicted for each symbol."""
    log_durations: Tensor  # (B, N) float32, log(frames + 1), zero in the padding
    symbol_pitch: Tensor  # (B, N, 2) float32, log Hz at the symbol's start and end; 0 without config.pitch


class BidirectionalGRU(nn.Module):
    """A bidirectional GRU whose result for a row depends neither on the other rows nor on the padding.

    nn.GRU(bidirectional=True) starts its backward pass in the padding of a padded batch. Packed sequences avoid that,
    but need the lengths on the host, and so a wait for the device. Here two one-way GRUs run over the padded batch,
    the second over each row reversed within its length, so padding always comes after a row's own positions and cannot
    reach them. Outputs in the padding are arbitrary; the caller masks them. The tensors stay batch first: cuDNN wants
    time first, and nn.GRU copies them, at no cost for B = 1.
    """

    def __init__(self, input_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.ahead = nn.GRU(input_dim, hidden_dim, batch_first=True)  # names of the released weights
        self.back = nn.GRU(input_dim, hidden_dim, batch_first=True)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Returns states (B, L, 2 * hidden_dim), forward direction first; inputs: (B, L, input_dim); lengths: (B,)."""
        index = reversal_index(lengths, inputs.shape[1])
        # Not under autocast: it would run cuDNN's GRU in float16, whose gradients can vanish without loss scaling.
        with torch.autocast(inputs.device.type, enabled=False):
            inputs = inputs.to(self.ahead.weight_ih_l0.dtype)
            forward, _ = self.ahead(inputs)
            backward, _ = self.back(reorder(inputs, index))
            return torch.cat((forward, reorder(backward, index)), 2)


class LightSpeech(nn.Module):
    """The student network: 1,867,089 parameters as published, 1,867,083 with pitch.

    The embedding has one row more than there are symbols, as published; no symbol uses it. `config` is the dataclass
    the model was built from; `text` is how its texts became ids (set by whoever trains or loads the weights).
    """

    def __init__(self, config: LightSpeechConfig) -> None:
        super().__init__()
        self.config = config
        self.text: TextConfig | None = None
        width = 2 * config.encoder_dim
        self.embedding = nn.Embedding(config.n_symbols + 1, config.embedding_dim)
        self.encoder = BidirectionalGRU(config.embedding_dim, config.encoder_dim)
        self.encoder_linear = nn.Linear(width, width)
        hidden, outputs = (width - 2, 3) if config.pitch else (width, 1)
        self.duration_head = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
        self.harmonics = HarmonicPattern()
        self.n_frame_features = N_HARMONIC_BANDS + N_POSITION_FEATURES if config.pitch else 0
        if self.n_frame_features >= width:
            raise UserError(f"encoder_dim: found {config.encoder_dim}, expected more than {self.n_frame_features // 2} "
                            "with pitch")
        self.decoder = BidirectionalGRU(width, config.decoder_dim)
        self.mel_linear = nn.Linear(2 * config.decoder_dim, config.n_mels)

    def encode(self, ids: Tensor, id_lengths: Tensor) -> Tensor:
        """Returns the encoder features (B, N, D) of ids (B, N) int64 with id_lengths (B,); zero in the padding."""
        features = self.encoder_linear(self.encoder(self.embedding(ids), id_lengths))
        return features.masked_fill(~sequence_mask(id_lengths, ids.shape[1])[..., None], 0.0)

    def predict_prosody(self, features: Tensor, id_lengths: Tensor) -> ProsodyPrediction:
        """Returns the durations and pitch of the symbols with these features (B, N, D) of `encode`."""
        predicted = self.duration_head(features).float()  # (B, N, 1 or 3)
        log_durations = predicted[..., 0].masked_fill(~sequence_mask(id_lengths, features.shape[1]), 0.0)
        if not self.config.pitch:
            return ProsodyPrediction(log_durations, predicted.new_zeros(*predicted.shape[:2], 2))
        return ProsodyPrediction(log_durations, predicted[..., 1:] + DEFAULT_LOG_PITCH)

    def frame_features(self, alignment: FrameAlignment, pitch: Tensor) -> Tensor:
        """Returns the pitch and position features that are concatenated to the encoder features of each frame.

        alignment: of the frames to the symbols; pitch: (B, T) log Hz. Returns (B, T, n_frame_features) float32, zero in
        the padding; n_frame_features is 0 without config.pitch.
        """
        if not self.config.pitch:
            return pitch.new_zeros(*pitch.shape, 0)
        features = torch.cat((self.harmonics(pitch), position_features(alignment)), 2)
        return features.masked_fill(alignment.padding[..., None], 0.0)

    def expand_to_frames(self, features: Tensor, alignment: FrameAlignment, pitch: Tensor) -> Tensor:
        """Repeats the symbols' features for their frames; the last are replaced by `frame_features`.

        features: (B, N, D) of `encode`; alignment, pitch: see `frame_features`. Returns (B, T, D), zero in the padding.
        """
        repeated = regulate_length(features[..., :features.shape[2] - self.n_frame_features], alignment)
        return torch.cat((repeated, self.frame_features(alignment, pitch).to(features.dtype)), 2)

    def decode(self, inputs: Tensor, mel_lengths: Tensor) -> Tensor:
        """Returns the mel (B, M, T), zero in the padding, of inputs (B, T, D) from `expand_to_frames`."""
        mel = self.mel_linear(self.decoder(inputs, mel_lengths))  # (B, T, M)
        return mel.masked_fill(~sequence_mask(mel_lengths, inputs.shape[1])[..., None], 0.0).transpose(1, 2)

    def forward(self, ids: Tensor, id_lengths: Tensor, durations: Tensor, n_frames: int,
                pitch: Tensor | None = None) -> LightSpeechOutput:
        """Returns the mel for known durations; never waits for the device.

        ids: (B, N) int64; id_lengths: (B,) int64, at least 1; durations: (B, N) int64 frames, ignored in the padding;
        n_frames: T, at least the longest row's sum of durations (the caller knows it without asking the device; the
        rest is padding); pitch: (B, T) log Hz for the decoder, None for the predicted pitch.
        """
        durations = durations * sequence_mask(id_lengths, ids.shape[1])
        mel_lengths = durations.sum(1)
        features = self.encode(ids, id_lengths)
        log_durations, symbol_pitch = self.predict_prosody(features, id_lengths)
        alignment = align_frames(durations, n_frames)
        predicted_pitch = pitch_contour(symbol_pitch, alignment)
        inputs = self.expand_to_frames(features, alignment, predicted_pitch if pitch is None else pitch)
        return LightSpeechOutput(self.decode(inputs, mel_lengths), mel_lengths, log_durations, features,
                                 predicted_pitch)

    @torch.no_grad()
    def infer(self, ids: Tensor, id_lengths: Tensor, speed: float = 1.0,
              pauses: Tensor | None = None) -> LightSpeechInference:
        """Returns the mel for predicted durations; waits for the device once, to learn the lengths of the mels.

        ids: (B, N) int64; id_lengths: (B,) int64, at least 1; speed: above 0, 2.0 is twice as fast; pauses: (B, N)
        bool, True for symbols whose durations do not change with speed; these three on any device. A row's result does
        not depend on the others. Raises UserError if speed is not a finite number above 0.
        """
        device = self.embedding.weight.device
        ids, id_lengths = ids.to(device), id_lengths.to(device)
        pauses = None if pauses is None else pauses.to(device)
        features = self.encode(ids, id_lengths)
        log_durations, symbol_pitch = self.predict_prosody(features, id_lengths)
        durations = change_speed(log_to_durations(log_durations, id_lengths), speed, pauses)
        mel_lengths, on_host = durations.sum(1), durations.cpu()
        frames = on_host.sum(1).tolist()
        alignment = align_frames(durations, max(frames))
        inputs = self.expand_to_frames(features, alignment, pitch_contour(symbol_pitch, alignment))
        return LightSpeechInference(self.decode(inputs, mel_lengths), mel_lengths, on_host, frames)
