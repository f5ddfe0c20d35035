"""Recordings as rows of a distilled dataset: their own mels, with the durations of the teacher's alignment."""
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tacotron2
from audio import read_corpus
from audio.recordings import split_lines
from distillation.dataset import finished_rows, read_records
from distillation.inference import TeacherInference
from distillation.manifest import Manifest
from distillation.run import FLUSH_SECONDS, add_utterance, write_rejected
from distillation.texts import Text
from distillation.writer import DistilledWriter
from hparams import AudioConfig, DistillationConfig, UserError
from runtime.batching import group_by_length
from runtime.devices import pick_device
from runtime.locks import folder_lock
from runtime.weights import identity
from tacotron2.data import TeacherDataset, mels_from_waves
from text import Line, symbols

FRAMES_PER_BATCH = {"cpu": 6000, "cuda": 100_000}  # including padding


class Aligned(NamedTuple):
    """The result of `add_recordings`: numbers of rows in the folder."""
    kept: int
    rejected: int  # whose alignment misses a limit: the text is not what is said, or the teacher has not learned it


def add_recordings(corpus: Path, out: Path, weights: Path, config: DistillationConfig, device: str,
                   lines: Sequence[Line] | None = None) -> Aligned:
    """Adds recordings of a folder in LJSpeech's layout to a distilled dataset, as sample 0 of their texts.

    Each row has the mel of the recording, and the durations and encoder features of a teacher-forced reading of it.
    Rows that are there already are not made again; rejected.csv lists those that miss a limit, as after `distil`, which
    with the same config and texts then adds the other samples.
    device: see pick_device; lines: which recordings; None: those for training. Raises UserError like `distil`.
    """
    where = pick_device(device)
    model = tacotron2.load(weights)
    manifest = Manifest(AudioConfig(), model.text, symbols, identity(weights), config.samples, config.seed,
                        config.features, config.durations, config.limits)
    with folder_lock(out):
        done = finished_rows(read_records(out), config.limits)
        wanted = split_lines(corpus)[0] if lines is None else lines
        missing = [line for line in wanted if (line.name, 0) not in done]
        with DistilledWriter(out, manifest, seconds_per_shard=FLUSH_SECONDS) as writer:
            if missing:
                teacher = TeacherInference(model, config, where)
                waves = read_corpus(corpus, [line.name for line in missing], AudioConfig().sample_rate)
                _add(TeacherDataset(missing, mels_from_waves(waves, where)), teacher, writer)
        found = read_records(out)
        write_rejected(out, found, [Text(line.name, line.text) for line in wanted])
    records = [record for record in found.rows.values() if record.sample == 0]
    rejected = sum(bool(record.reason) for record in records)
    if rejected == len(records):
        raise UserError(f"{corpus}: none of the {rejected} recordings could be aligned with its text "
                        f"({records[0].reason}); train the teacher longer or check the texts")
    return Aligned(len(records) - rejected, rejected)


def _add(dataset: TeacherDataset, teacher: TeacherInference, writer: DistilledWriter) -> None:
    """Adds a row for each recording of a dataset, or the reason why its alignment is rejected."""
    requests = teacher.recorded_requests(dataset, 0)
    for rows in group_by_length(dataset.mels.lengths.tolist(), FRAMES_PER_BATCH[teacher.device.type]):
        batch = [requests[row] for row in rows]
        for row, utterance in zip(rows, teacher.infer_teacher_forced(dataset, rows, batch, 0), strict=True):
            add_utterance(utterance._replace(mel=dataset.mels.row(row).t().half().cpu()), writer)
