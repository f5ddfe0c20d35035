"""Tacotron 2 (Shen et al. 2018, arXiv 1712.05884) with the layers and parameter names of NVIDIA's implementation.

Axes: B batch, N text symbols, T mel frames, M mel bands, E encoder features (512). Mel: natural log.
"""
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hparams import Tacotron2Config, TextConfig
from tacotron2.decoder import Decoder
from tacotron2.inference import decode
from tacotron2.layers import Encoder, Postnet, sequence_mask
from tacotron2.recurrence import PLAIN, PlainRecurrence


class Tacotron2Output(NamedTuple):
    """The result of teacher forcing; values on padding are 0, except gate_logits."""
    mel: Tensor  # (B, M, T) float32, before the postnet
    mel_postnet: Tensor  # (B, M, T) float32
    gate_logits: Tensor  # (B, T) float32, positive where speech should stop
    alignments: Tensor  # (B, T, N) float32, each real frame sums to 1
    encoder_outputs: Tensor  # (B, N, E) float32
    id_mask: Tensor  # (B, N) bool, True on real symbols
    mel_mask: Tensor  # (B, T) bool, True on real frames


class Tacotron2Inference(NamedTuple):
    """The result of free running. T is the longest row's length; values beyond a row's length are 0."""
    mel: Tensor  # (B, M, T) float32, after the postnet
    mel_lengths: Tensor  # (B,) int64 frames, including the one on which the gate fired
    alignments: Tensor  # (B, T, N) float32, each real frame sums to 1
    encoder_outputs: Tensor  # (B, N, E) float32
    stopped: Tensor  # (B,) bool, False if max_steps ended the row


class Tacotron2(nn.Module):
    """The teacher. `config` holds its sizes, `text` how the text that it reads becomes ids."""

    def __init__(self, config: Tacotron2Config, text: TextConfig = TextConfig()) -> None:
        super().__init__()
        self.config = config
        self.text = text
        self.embedding = nn.Embedding(config.n_symbols, config.embedding_dim)
        bound = math.sqrt(6 / (config.n_symbols + config.embedding_dim))
        nn.init.uniform_(self.embedding.weight, -bound, bound)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.postnet = Postnet(config)

    def encode(self, ids: Tensor, id_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Returns encoder outputs (B, N, E) float32, 0 on padding, and the mask (B, N) of ids (B, N) int64."""
        mask = sequence_mask(id_lengths.to(ids.device, non_blocking=True), ids.shape[1])
        return self.encoder(self.embedding(ids), id_lengths, mask), mask

    def forward(self, ids: Tensor, id_lengths: Tensor, mel: Tensor, mel_lengths: Tensor,
                recurrence: PlainRecurrence = PLAIN) -> Tacotron2Output:
        """Predicts each frame of a padded batch from the true frames before it (teacher forcing).

        ids (B, N) int64; id_lengths (B,) int64, at least 1; mel (B, M, T) float32; mel_lengths (B,) int64. If the
        lengths are on the CPU, nothing waits for the device. recurrence: PLAIN or its fused counterpart.
        The prenet's dropout is on even in eval mode, from torch's random numbers.
        """
        memory, id_mask = self.encode(ids, id_lengths)
        mel_mask = sequence_mask(mel_lengths.to(mel.device, non_blocking=True), mel.shape[2])
        frames, gate_logits, alignments = self.decoder(memory, id_lengths.to(ids.device, non_blocking=True), mel,
                                                       recurrence)
        frames = frames.permute(1, 2, 0).masked_fill(~mel_mask[:, None], 0)  # (B, M, T)
        alignments = alignments.transpose(0, 1).masked_fill(~mel_mask[:, :, None], 0)  # (B, T, N)
        return Tacotron2Output(frames, frames + self.postnet(frames, mel_mask), gate_logits.t(), alignments, memory,
                               id_mask, mel_mask)

    @torch.no_grad()
    def infer(self, ids: Tensor, id_lengths: Tensor, generators: list[torch.Generator], max_steps: int = 1000,
              gate_threshold: float = 0.5) -> Tacotron2Inference:
        """Reads a batch of texts, each row until sigmoid(gate) > gate_threshold or for max_steps frames.

        ids (B, N) int64; id_lengths (B,) int64, at least 1; generators: a CPU generator for each row, for the prenet's
        dropout. A row's result is the same, up to rounding, in any batch.
        """
        assert not self.training, "call eval() first: dropout and batch norm must be in inference mode"
        assert len(generators) == len(ids) and max_steps > 0
        with torch.autocast(ids.device.type, enabled=False), torch.cuda.device_of(ids):
            memory, id_mask = self.encode(ids, id_lengths)
            result, fired = decode(self.decoder, memory, id_mask, generators, max_steps, gate_threshold)
            lengths = fired.clamp(max=max_steps)
            T = int(lengths.max())
            mask = sequence_mask(lengths, T)
            mel = result.frames[:T].permute(1, 2, 0).masked_fill(~mask[:, None], 0)  # (B, M, T)
            alignments = result.alignments[:T].transpose(0, 1).masked_fill(~mask[:, :, None], 0)  # (B, T, N)
            return Tacotron2Inference(mel + self.postnet(mel, mask), lengths, alignments, memory, fired <= max_steps)
