"""Tacotron2's readings of texts, free-running or teacher-forced, each judged by its attention."""
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from distillation.quality import AlignmentQuality, measure_quality, reject_reason
from distillation.requests import Request
from hparams import DistillationConfig
from runtime.batching import row_seed
from tacotron2 import Tacotron2
from tacotron2.alignment import durations_argmax, durations_monotonic
from tacotron2.data import TeacherDataset

DURATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"monotonic": durations_monotonic,
                                                            "argmax": durations_argmax}


class Utterance(NamedTuple):
    """The result of a request; arrays on the CPU, without padding."""
    request: Request
    seed: int
    mel: Tensor  # (M, T) float16
    features: Tensor  # (N, D) float16, the encoder output
    alignment: np.ndarray  # (T, N) float32
    quality: AlignmentQuality
    reason: str | None  # why it must be rejected
    durations: np.ndarray | None  # (N,) int64 frames, summing to T; None if it must be rejected


class TeacherInference:
    """Tacotron2 with the seed, the limits and the kind of durations of a dataset."""

    def __init__(self, model: Tacotron2, config: DistillationConfig, device: torch.device) -> None:
        self.model, self.config, self.device = model.to(device), config, device

    def infer(self, requests: list[Request], attempt: int) -> Iterator[Utterance]:
        """Reads a batch of texts, free-running. Yields an utterance for each request, in order.

        The seed of a row depends only on its name, its sample and the attempt. So does the row, but for rounding, which
        the other rows of the batch may change.
        """
        seeds = [row_seed(self.config.seed, request.name, request.sample, attempt) for request in requests]
        ids = pad_sequence([torch.tensor(request.ids) for request in requests], batch_first=True).to(self.device)
        result = self.model.infer(ids, torch.tensor([len(request.ids) for request in requests]),
                                  [torch.Generator().manual_seed(seed) for seed in seeds],
                                  self.config.limits.max_steps)
        mels, features = result.mel.half().cpu(), result.encoder_outputs.half().cpu()
        alignments, stopped = result.alignments.cpu().numpy(), result.stopped.tolist()
        for row, (request, T) in enumerate(zip(requests, result.mel_lengths.tolist())):
            yield self._utterance(request, seeds[row], mels[row, :, :T], features[row, :len(request.ids)],
                                  alignments[row, :T, :len(request.ids)], stopped[row])

    @torch.no_grad()
    def infer_teacher_forced(self, dataset: TeacherDataset, rows: list[int], requests: list[Request],
                             attempt: int) -> list[Utterance]:
        """Reads recordings, teacher-forced: each frame is predicted from the recorded frames before it.

        requests: those of the dataset's `rows`, in order, all of one sample. The prenet's dropout is drawn for the
        batch as a whole. A recording longer than max_steps frames is rejected.
        """
        frames, longest = int(dataset.mels.lengths[rows].max()), max(len(request.ids) for request in requests)
        batch = dataset.collate(rows, frames, longest, float(self.model.text.phonemes), random.Random(0))
        seed = row_seed("forced", self.config.seed, requests[0].sample, attempt, *batch.names)
        torch.manual_seed(seed)
        result = self.model(batch.ids, batch.id_lengths, batch.mel, batch.mel_lengths)
        mels, features = result.mel_postnet.half().cpu(), result.encoder_outputs.half().cpu()
        alignments = result.alignments.cpu().numpy()
        return [self._utterance(request, seed, mels[row, :, :T], features[row, :len(request.ids)],
                                alignments[row, :T, :len(request.ids)], stopped=T <= self.config.limits.max_steps)
                for row, (request, T) in enumerate(zip(requests, batch.mel_lengths.tolist()))]

    def recorded_requests(self, dataset: TeacherDataset, sample: int) -> list[Request]:
        """Returns a request for each row of a dataset, as the phonemes that were spoken if both have phonemes."""
        share = float(self.model.text.phonemes)
        return [Request(line.name, sample, dataset.read_row(row, share, random.Random(0)))
                for row, line in enumerate(dataset.lines)]

    def _utterance(self, request: Request, seed: int, mel: Tensor, features: Tensor, alignment: np.ndarray,
                   stopped: bool) -> Utterance:
        """Returns the utterance with its quality, and its durations if it meets the limits."""
        quality = measure_quality(alignment, stopped)
        reason = reject_reason(quality, self.config.limits)
        if reason is None and not torch.isfinite(mel).all():
            reason = "mel is not finite"
        durations = None if reason else DURATIONS[self.config.durations](alignment)
        return Utterance(request, seed, mel, features, alignment, quality, reason, durations)
