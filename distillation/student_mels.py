"""The student's mels of recordings, frame by frame in step with them, for the vocoder's training."""
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from audio import read_corpus
from audio.recordings import split_lines
from distillation.inference import TeacherInference, Utterance
from distillation.requests import Request
from hparams import AudioConfig, DistillationConfig, UserError
from lightspeech import LightSpeech, load
from lightspeech.pitch import estimate_pitch_of_rows
from tacotron2 import Tacotron2
from tacotron2.data import TeacherDataset, mels_from_waves
from text import Line


def load_student(path: Path, teacher: Tacotron2) -> LightSpeech:
    """Loads the student. Raises UserError also if it reads text in another way than the teacher."""
    student = load(path)
    if student.text != teacher.text:
        raise UserError(f"{path}: reads by {student.text}, expected {teacher.text} as the teacher does; name the "
                        "teacher that it learned from with --weights")
    return student


def recorded_lines(texts: list[Path], samples: int) -> list[Line]:
    """Returns the lines, held-out ones too, of the folder of recordings that --student needs.

    Raises UserError if `texts` is not one folder in LJSpeech's layout, or samples is not 1.
    """
    if len(texts) != 1 or not os.path.isdir(texts[0]):
        raise UserError(f"--student: found {' '.join(map(str, texts))}, expected one folder in LJSpeech's layout; give "
                        "it in place of files of texts")
    if samples > 1:
        raise UserError(f"--samples: found {samples}, expected 1 with --student, which makes one mel of a recording")
    return [line for part in split_lines(texts[0]) for line in part]


class TeacherForcedInference(TeacherInference):
    """Teacher-forced readings of recordings whose mels are replaced by the student's.

    The student gets the durations of the teacher's alignment and, if it has a pitch input, the recording's pitch.
    """

    def __init__(self, model: Tacotron2, config: DistillationConfig, device: torch.device, student: LightSpeech,
                 folder: Path, lines: list[Line]) -> None:
        """lines: at least one, of a folder in LJSpeech's layout. Raises UserError if a recording cannot be read."""
        super().__init__(model, config, device)
        names = [line.name for line in lines]
        waves = read_corpus(folder, names, AudioConfig().sample_rate)
        self.dataset = TeacherDataset(lines, mels_from_waves(waves, device))
        self.requests = self.recorded_requests(self.dataset, 0)
        self.rows = {name: row for row, name in enumerate(names)}
        self.student = student.to(device)
        self.pitch = estimate_pitch_of_rows(self.dataset.mels, student.harmonics) if student.config.pitch else None

    def infer(self, requests: list[Request], attempt: int) -> Iterator[Utterance]:
        """Yields an utterance for each request; the mel is the student's, as long as the recording's."""
        rows = [self.rows[request.name] for request in requests]
        utterances = self.infer_teacher_forced(self.dataset, rows, requests, attempt)
        kept = [index for index, utterance in enumerate(utterances) if utterance.reason is None]
        if kept:
            mels = self._student_mels([rows[index] for index in kept], [utterances[index] for index in kept])
            for index, mel in zip(kept, mels, strict=True):
                utterances[index] = utterances[index]._replace(mel=mel)
        yield from utterances

    @torch.no_grad()
    def _student_mels(self, rows: list[int], utterances: list[Utterance]) -> list[Tensor]:
        """Returns the student's mel (M, T) float16 on the CPU for each of these rows of the dataset."""
        ids, durations = (pad_sequence([torch.tensor(row) for row in values], batch_first=True).to(self.device)
                          for values in ([utterance.request.ids for utterance in utterances],
                                         [utterance.durations for utterance in utterances]))
        id_lengths = torch.tensor([len(utterance.request.ids) for utterance in utterances], device=self.device)
        frames = self.dataset.mels.lengths[rows].tolist()
        pitch = None if self.pitch is None else self.pitch.gather(torch.tensor(rows), max(frames))[..., 0]
        mels = self.student(ids, id_lengths, durations, max(frames), pitch).mel.half().cpu()
        return [mel[:, :T] for mel, T in zip(mels, frames)]
