"""LightSpeech: symbols -> encoder -> durations -> length regulator -> decoder -> mel, without attention.

    ids (B, N) --embedding--> 256 --GRU both ways--> 512 --linear--> features (B, N, 512)
    features --linear, ReLU, linear--> log(duration + 1) (B, N), and with config.pitch a line of pitch (pitch.py)
    features, durations --length regulator--> (B, T, 512) --GRU both ways--> 256 --linear--> mel (B, 80, T)

With config.pitch the last of the 512 features give way, in the decoder's input, to the ridges of the pitch and to where
in its symbol a frame is. The stages are methods without side effects, each from tensors to tensors: encode, predict,
spread (the length regulator, of durations.py) and decode. Training and inference differ only in where durations and
pitch come from.
"""
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hparams import LightSpeechConfig, TextConfig
from lightspeech.durations import POSITIONS, Timeline, change_speed, positions, real, regulate, timeline, to_frames
from lightspeech.pitch import RIDGES, TYPICAL_PITCH, Ridges, contour
from lightspeech.recurrence import reorder, reversed_places
from runtime.errors import UserError


class LightSpeechOutput(NamedTuple):
    """What training sees; zero in the padding."""
    mel: Tensor  # (B, M, T) float, natural log
    mel_lengths: Tensor  # (B,) int64 frames
    log_durations: Tensor  # (B, N) float32, log(frames + 1)
    encoder_features: Tensor  # (B, N, 2 * encoder_dim) float: what is taught by the teacher's encoder output
    pitch: Tensor  # (B, T) float32, log Hz: what the network tells, whatever pitch it was given; 0 without config.pitch


class LightSpeechInference(NamedTuple):
    """What synthesis gets; zero in the padding."""
    mel: Tensor  # (B, M, T) float, natural log
    mel_lengths: Tensor  # (B,) int64 frames, at least 1, on the model's device
    durations: Tensor  # (B, N) int64 frames, summing to mel_lengths, on the CPU: the one copy that inference makes
    frames: list[int]  # mel_lengths on the host


class BidirectionalGRU(nn.Module):
    """A GRU over each row from both ends, whose result does not depend on the row's neighbours or its padding.

    nn.GRU(bidirectional=True) on a padded batch starts its backward pass in the padding; packing cures that, but needs
    the lengths on the host, and so a wait for the device. Here two one-way GRUs run ahead over the padded batch; the
    second is given each row reversed within its own length (recurrence.reversed_places, on the lengths' device).
    So padding always comes after a row's own positions and cannot reach them. What comes out in the padding itself
    means nothing; the network's stages mask it after their linear layers. The tensors stay batch first: cuDNN wants
    time first and nn.GRU turns them, a small copy that vanishes for B = 1.
    """

    def __init__(self, input_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.ahead = nn.GRU(input_dim, hidden_dim, batch_first=True)
        self.back = nn.GRU(input_dim, hidden_dim, batch_first=True)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """inputs: (B, L, input_dim); lengths: (B,) int64. Returns (B, L, 2 * hidden_dim), ahead first."""
        order = reversed_places(lengths, inputs.shape[1])
        # Outside of autocast: under it cuDNN's recurrences run in float16, whose gradients can vanish unscaled.
        with torch.autocast(inputs.device.type, enabled=False):
            inputs = inputs.to(self.ahead.weight_ih_l0.dtype)
            ahead, _ = self.ahead(inputs)
            back, _ = self.back(reorder(inputs, order))
            return torch.cat((ahead, reorder(back, order)), 2)


class Prosody(NamedTuple):
    """What the head tells of each symbol."""
    log_durations: Tensor  # (B, N) float32, log(frames + 1), zero in the padding
    lines: Tensor  # (B, N, 2) float32, log Hz at the symbol's start and end; 0 without config.pitch


class LightSpeech(nn.Module):
    """The student network; 1,867,089 parameters as published, 1,867,083 with pitch.

    The embedding has one row more than there are symbols, as published; no symbol uses it. `config` is the dataclass
    it was built from; `text` says how its input was made from text (set by whoever trains or loads the weights).
    """

    def __init__(self, config: LightSpeechConfig) -> None:
        super().__init__()
        self.config = config
        self.text: TextConfig | None = None
        width = 2 * config.encoder_dim
        self.embedding = nn.Embedding(config.n_symbols + 1, config.embedding_dim)
        self.encoder = BidirectionalGRU(config.embedding_dim, config.encoder_dim)
        self.encoder_linear = nn.Linear(width, width)
        inner, told = (width - 2, 3) if config.pitch else (width, 1)
        self.duration_head = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, told))
        self.ridges = Ridges()
        self.told = RIDGES + POSITIONS if config.pitch else 0  # inputs of the decoder that are no features
        if self.told >= width:
            raise UserError(f"encoder_dim: found {config.encoder_dim}, expected more than {self.told // 2} with pitch")
        self.decoder = BidirectionalGRU(width, config.decoder_dim)
        self.mel_linear = nn.Linear(2 * config.decoder_dim, config.n_mels)

    def encode(self, ids: Tensor, id_lengths: Tensor) -> Tensor:
        """ids: (B, N) int64; id_lengths: (B,) int64. Returns features (B, N, 2 * encoder_dim), zero in the padding."""
        features = self.encoder_linear(self.encoder(self.embedding(ids), id_lengths))
        return features.masked_fill(~real(id_lengths, ids.shape[1])[..., None], 0.0)

    def predict(self, features: Tensor, id_lengths: Tensor) -> Prosody:
        """features: (B, N, D) of `encode`. Returns what the head tells, in float32."""
        told = self.duration_head(features).float()
        lines = told[..., 1:] + TYPICAL_PITCH if self.told else told.new_zeros(*told.shape[:2], 2)
        return Prosody(told[..., 0].masked_fill(~real(id_lengths, features.shape[1]), 0.0), lines)

    def shown(self, line: Timeline, pitch: Tensor) -> Tensor:
        """What the decoder is shown beside the features, of each frame.

        line: where the frames are; pitch: (B, T) log Hz. Returns (B, T, self.told) float32, zero after the end of a
        row; of no width without config.pitch.
        """
        if not self.told:
            return pitch.new_zeros(*pitch.shape, 0)
        return torch.cat((self.ridges(pitch), positions(line)), 2).masked_fill(line.beyond[..., None], 0.0)

    def spread(self, features: Tensor, line: Timeline, pitch: Tensor) -> Tensor:
        """The length regulator: `regulate`, with the last features giving way to what is `shown`.

        features: (B, N, D) of `encode`; line and pitch as for `shown`. Returns (B, T, D), zero after a row's end.
        """
        kept = regulate(features[..., :features.shape[2] - self.told], line)
        return torch.cat((kept, self.shown(line, pitch).to(features.dtype)), 2)

    def decode(self, regulated: Tensor, mel_lengths: Tensor) -> Tensor:
        """regulated: (B, T, D) of `spread`; mel_lengths: (B,) int64. Returns mel (B, M, T), zero in the padding."""
        mel = self.mel_linear(self.decoder(regulated, mel_lengths))
        return mel.masked_fill(~real(mel_lengths, regulated.shape[1])[..., None], 0.0).transpose(1, 2)

    def forward(self, ids: Tensor, id_lengths: Tensor, durations: Tensor, frames: int,
                pitch: Tensor | None = None) -> LightSpeechOutput:
        """Speaks with given durations; never waits for the device.

        ids: (B, N) int64; id_lengths: (B,) int64, at least 1; durations: (B, N) int64 frames, their padding is not
        looked at; frames: T, at least the longest row's sum of durations (known to the caller without asking the
        device; the rest is padding); pitch: (B, T) log Hz, at which it then speaks; None: at its own.
        """
        durations = durations * real(id_lengths, ids.shape[1])
        mel_lengths = durations.sum(1)
        features = self.encode(ids, id_lengths)
        log_durations, lines = self.predict(features, id_lengths)
        line = timeline(durations, frames)
        own = contour(lines, line)
        mel = self.decode(self.spread(features, line, own if pitch is None else pitch), mel_lengths)
        return LightSpeechOutput(mel, mel_lengths, log_durations, features, own)

    @torch.no_grad()
    def infer(self, ids: Tensor, id_lengths: Tensor, speed: float = 1.0,
              pauses: Tensor | None = None) -> LightSpeechInference:
        """Speaks with its own durations; waits for the device once, to learn the lengths of the mels.

        ids: (B, N) int64; id_lengths: (B,) int64, at least 1; speed: above 0, 2.0 is twice as fast; pauses: (B, N)
        bool, True for symbols whose durations speed leaves alone. A row's result does not depend on the others.
        Raises UserError for a speed that is not a finite number above 0.
        """
        features = self.encode(ids, id_lengths)
        log_durations, lines = self.predict(features, id_lengths)
        durations = change_speed(to_frames(log_durations, id_lengths), speed, pauses)
        mel_lengths, known = durations.sum(1), durations.cpu()
        frames = known.sum(1).tolist()
        line = timeline(durations, max(frames))
        mel = self.decode(self.spread(features, line, contour(lines, line)), mel_lengths)
        return LightSpeechInference(mel, mel_lengths, known, frames)
