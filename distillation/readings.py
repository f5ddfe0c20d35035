"""How the teacher reads: texts by itself, or along with recordings; and how the student says these again."""
import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from audio import read_corpus
from hparams import AudioConfig
from lightspeech import LightSpeech
from lightspeech.pitch import estimate_pitch_of_rows
from runtime.batching import row_seed
from runtime.devices import available_cpus
from tacotron2 import Tacotron2
from tacotron2.alignment import Limits, Quality, durations_argmax, durations_monotonic, quality, reject_reason
from tacotron2.data import TeacherDataset, mels_from_waves
from text import Line

DURATIONS = {"monotonic": durations_monotonic, "argmax": durations_argmax}


class Job(NamedTuple):
    """A row to be made: one of the readings of a text."""
    name: str
    sample: int  # from 0
    ids: list[int]


class Reading(NamedTuple):
    """What was made of a job; arrays on the CPU, without padding."""
    job: Job
    seed: int
    mel: Tensor  # (M, T) float16
    features: Tensor  # (N, D) float16
    alignment: np.ndarray  # (T, N) float32
    quality: Quality
    reason: str | None  # why it must be rejected
    durations: np.ndarray | None  # (N,) int64 frames, summing to T; None where it must be rejected


class Teacher:
    """Tacotron2 with what decides on its readings."""

    def __init__(self, model: Tacotron2, options: argparse.Namespace, device: torch.device) -> None:
        """options: of preprocess.py."""
        self.model, self.device = model.to(device), device
        self.seed, self.max_steps = options.seed, options.max_steps
        self.limits = Limits(options.min_focus, options.min_coverage, options.max_jump, options.max_stay)
        self.durations: Callable[[np.ndarray], np.ndarray] = DURATIONS[options.durations]

    def read(self, jobs: list[Job], attempt: int) -> Iterator[Reading]:
        """Reads a batch; a row's seed, and so the row, depends on its name, sample and attempt alone."""
        seeds = [row_seed(self.seed, job.name, job.sample, attempt) for job in jobs]
        ids = pad_sequence([torch.tensor(job.ids) for job in jobs], batch_first=True).to(self.device)
        result = self.model.infer(ids, torch.tensor([len(job.ids) for job in jobs]),
                                  [torch.Generator().manual_seed(seed) for seed in seeds], self.max_steps)
        mels, features = result.mel.half().cpu(), result.encoder_outputs.half().cpu()
        alignments, stopped = result.alignments.cpu().numpy(), result.stopped.tolist()
        for row, (job, T) in enumerate(zip(jobs, result.mel_lengths.tolist())):
            yield self._judged(job, seeds[row], mels[row, :, :T], features[row, :len(job.ids)],
                               alignments[row, :T, :len(job.ids)], stopped[row])

    @torch.no_grad()
    def listen(self, dataset: TeacherDataset, rows: list[int], jobs: list[Job], attempt: int) -> list[Reading]:
        """Teacher-forced readings of recordings, each frame told from the recorded ones before it.

        jobs: those of the dataset's `rows`, in order, of one sample. The prenet's dropout is drawn for the batch as a
        whole. Recordings longer than a free run may be are rejected too.
        """
        frames, longest = int(dataset.mels.lengths[rows].max()), max(len(job.ids) for job in jobs)
        batch = dataset.collate(rows, frames, longest, float(self.model.text.phonemes), random.Random(0))
        seed = row_seed("forced", self.seed, jobs[0].sample, attempt, *batch.names)
        torch.manual_seed(seed)
        result = self.model(batch.ids, batch.id_lengths, batch.mel, batch.mel_lengths)
        mels, features = result.mel_postnet.half().cpu(), result.encoder_outputs.half().cpu()
        alignments = result.alignments.cpu().numpy()
        return [self._judged(job, seed, mels[row, :, :T], features[row, :len(job.ids)],
                             alignments[row, :T, :len(job.ids)], stopped=T <= self.max_steps)
                for row, (job, T) in enumerate(zip(jobs, batch.mel_lengths.tolist()))]

    def jobs_of(self, dataset: TeacherDataset, sample: int) -> list[Job]:
        """A job for each row of a dataset, in the phonemes that were spoken where it and the teacher have them."""
        share = float(self.model.text.phonemes)
        return [Job(line.name, sample, dataset.read_row(row, share, random.Random(0)))
                for row, line in enumerate(dataset.lines)]

    def _judged(self, job: Job, seed: int, mel: Tensor, features: Tensor, alignment: np.ndarray,
                stopped: bool) -> Reading:
        found = quality(alignment, stopped)
        reason = reject_reason(found, self.limits)
        if reason is None and not torch.isfinite(mel).all():
            reason = "mel is not finite"
        return Reading(job, seed, mel, features, alignment, found, reason,
                       None if reason else self.durations(alignment))


class Mimic(Teacher):
    """A teacher that listens to recordings, and a student that says them again, frame by frame in step with them.

    The student is given the durations of the teacher's alignment and, where it tells pitch, the pitch of the recording.
    """

    def __init__(self, model: Tacotron2, options: argparse.Namespace, device: torch.device, student: LightSpeech,
                 folder: Path, lines: list[Line]) -> None:
        """lines: those to be said, at least one, of a folder in LJSpeech's layout; raises UserError as its reading."""
        super().__init__(model, options, device)
        names = [line.name for line in lines]
        waves = read_corpus(folder, names, AudioConfig().sample_rate, available_cpus())
        self.dataset = TeacherDataset(lines, mels_from_waves(waves, device))
        self.jobs = self.jobs_of(self.dataset, 0)
        self.rows = {name: row for row, name in enumerate(names)}
        self.student = student.to(device)
        self.pitch = estimate_pitch_of_rows(self.dataset.mels, student.harmonics) if student.config.pitch else None

    def read(self, jobs: list[Job], attempt: int) -> Iterator[Reading]:
        """Listens to the recordings of a batch; a kept reading's mel is the student's, as long as the recording's."""
        rows = [self.rows[job.name] for job in jobs]
        readings = self.listen(self.dataset, rows, jobs, attempt)
        kept = [index for index, reading in enumerate(readings) if reading.reason is None]
        if kept:
            mels = self._say([rows[index] for index in kept], [readings[index] for index in kept])
            for index, mel in zip(kept, mels, strict=True):
                readings[index] = readings[index]._replace(mel=mel)
        yield from readings

    @torch.no_grad()
    def _say(self, rows: list[int], readings: list[Reading]) -> list[Tensor]:
        """What the student says of these rows: mels (M, T) float16 on the CPU."""
        ids, durations = (pad_sequence([torch.tensor(row) for row in values], batch_first=True).to(self.device)
                          for values in ([reading.job.ids for reading in readings],
                                         [reading.durations for reading in readings]))
        id_lengths = torch.tensor([len(reading.job.ids) for reading in readings], device=self.device)
        frames = self.dataset.mels.lengths[rows].tolist()
        pitch = None if self.pitch is None else self.pitch.gather(torch.tensor(rows), max(frames))[..., 0]
        mels = self.student(ids, id_lengths, durations, max(frames), pitch).mel.half().cpu()
        return [mel[:, :T] for mel, T in zip(mels, frames)]
