"""Makes the target sets of targets.py: a corpus read by the teacher in five ways, as distilled datasets.

    set                mels                                durations
    recorded           of the recordings                   alignment of the teacher-forced reading
    recorded-training  of the recordings                   alignment of a teacher-forced reading in training mode
    forced             of the teacher-forced reading       the same alignment
    free               of the free-running reading         alignment of that reading
    free-scaled        of the free-running reading         those of the forced reading, scaled to this length

Recorded and teacher-forced mels have the same frames, so for both of them "the same run" is the teacher-forced reading.
A free-running reading has a length of its own, to which durations must sum: in free-scaled, the ends of the symbols in
the forced reading are scaled to it and rounded. So the pace of the whole text is right, only the timing within it is
that of another reading; the cost of this is a lower bound of the cost of foreign durations.

In training mode all dropout of the teacher is on and its batch norm uses the statistics of the batch; in the other
readings only the dropout of the prenet is on. Each set has the encoder features of its own reading. Texts are read from
the spoken phonemes if the corpus and the teacher have them, so that the ids fit the recordings and all sets. A text
is left out of all sets if one of its readings is rejected by the limits of preprocess.py.
"""
import copy
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

import preprocess
import tacotron2
from audio import read_corpus
from audio.recordings import split_lines
from distillation.inference import TeacherInference, Utterance
from distillation.manifest import Manifest
from distillation.shards import DistilledRow, paths
from distillation.writer import DistilledWriter
from hparams import AudioConfig
from lightspeech.durations import change_speed
from runtime.batching import group_by_length
from runtime.weights import identity
from tacotron2.data import TeacherDataset, mels_from_waves
from text import symbols

SETS = ("recorded", "recorded-training", "forced", "free", "free-scaled")
MEL_TARGETS = ("recorded", "forced", "free")  # each with the durations of its own reading
REPEATED = ("forced", "free")  # sets that differ between two runs of the teacher
GROUPS = ("train", "heldout")  # in the order of split_lines
LINES_PER_PART = 256  # made in one call: some seconds on a GPU, and what a kill can undo
FRAMES_PER_BATCH = {"cpu": 6000, "cuda": 100_000}  # including padding


class Source(NamedTuple):
    """Settings of the target sets."""
    data: Path  # a corpus in LJSpeech's layout
    folder: Path  # for train/<set>, heldout/<set> and repeats/<set>
    weights: Path  # the teacher's
    repeats: int  # readings of each text of the first part, to measure how much they differ
    reading: tuple[str, ...] = ()  # options of preprocess.py that differ from its defaults


def parts(source: Source) -> list[tuple[str, int]]:
    """Returns the (group, part) of all calls of make_part that are needed, in any order."""
    return [(group, part) for group, lines in zip(GROUPS, split_lines(source.data)) for part in range(_count(lines))]


def make_part(source: Source, group: str, part: int, device: str) -> None:
    """Writes the rows of one part into all sets, one shard in each; existing shards are left unchanged.

    Part p holds the lines p, p + n, p + 2n, ... of n parts, so each part is a fair sample. The first part of "train"
    also writes the repeated readings. The rows do not depend on which parts were made before. Raises UserError for a
    corpus that cannot be read.
    """
    repeated = source.repeats if (group, part) == ("train", 0) else 1
    folders = {name: source.folder / group / name for name in SETS}
    if repeated > 1:
        folders.update({f"repeats {name}": source.folder / "repeats" / name for name in REPEATED})
    missing = {name: folder for name, folder in folders.items() if not paths(folder, f"shard-{part:03d}-*")}
    if not missing:
        return
    config = preprocess.read_config(preprocess.get_parser().parse_args(source.reading))
    teacher = TeacherInference(tacotron2.load(source.weights), config, torch.device(device))
    lines = split_lines(source.data)[GROUPS.index(group)]
    lines = lines[part::_count(lines)]
    waves = read_corpus(source.data, [line.name for line in lines], AudioConfig().sample_rate)
    dataset = TeacherDataset(lines, mels_from_waves(waves, device))
    texts = [text for sample in range(repeated) for text in read_in_all_ways(teacher, dataset, sample)]
    for name, folder in missing.items():
        samples = repeated if name.startswith("repeats") else 1
        manifest = Manifest(AudioConfig(), teacher.model.text, symbols, identity(source.weights), samples, config.seed,
                            not name.startswith("repeats"), config.durations, config.limits)
        with DistilledWriter(folder, manifest, part, rows_per_shard=len(texts) + 1) as writer:
            for text in texts[:samples * len(lines)]:
                _write(writer, text, name.removeprefix("repeats "))


def _count(lines: list) -> int:
    """Returns the number of parts of some lines."""
    return -(-len(lines) // LINES_PER_PART)


class ReadText(NamedTuple):
    """A text with its recording and the teacher's readings."""
    recorded: Tensor  # mel (M, T) float16
    readings: dict[str, Utterance]  # by set
    durations: dict[str, Tensor]  # by set, (N,) int64 frames; empty if the text is left out
    reason: str | None  # why the text is left out


def read_in_all_ways(teacher: TeacherInference, dataset: TeacherDataset, sample: int) -> list[ReadText]:
    """Returns the teacher-forced and free-running readings of every row, in order; sample: changes the random seed."""
    training = copy.copy(teacher)
    training.model = copy.deepcopy(teacher.model).train()  # a copy, because batch norm updates its statistics
    requests = teacher.recorded_requests(dataset, sample)
    texts: dict[int, ReadText] = {}
    for rows in group_by_length(dataset.mels.lengths.tolist(), FRAMES_PER_BATCH[teacher.device.type]):
        batch = [requests[row] for row in rows]
        forced, trained = (one.infer_teacher_forced(dataset, rows, batch, 0) for one in (teacher, training))
        for row, *own in zip(rows, forced, trained, forced, teacher.infer(batch, 0), strict=True):
            readings = dict(zip(SETS, (*own, own[-1]), strict=True))
            reason = next((reading.reason for reading in own if reading.reason), None)
            texts[row] = ReadText(dataset.mels.row(row).t().half().cpu(), readings,
                                  {} if reason else durations_by_set(readings), reason)
    return [texts[row] for row in range(len(dataset))]


def durations_by_set(readings: dict[str, Utterance]) -> dict[str, Tensor]:
    """Returns the durations (N,) int64 of a text in each set."""
    own = {name: torch.from_numpy(reading.durations) for name, reading in readings.items()}
    return {**own, "free-scaled": rescale(own["forced"], int(own["free"].sum()))}


def rescale(durations: Tensor, frames: int) -> Tensor:
    """Returns durations (N,) int64 scaled to a sum of `frames`: the ends of 3 3 3 3 scaled to 6 give 2 1 1 2."""
    return change_speed(durations[None], float(durations.sum()) / frames)[0]


def _write(writer: DistilledWriter, text: ReadText, name: str) -> None:
    """Adds the row of a text to the set `name`, or the reason why the text is left out."""
    reading = text.readings[name]
    request, quality = reading.request, reading.quality._asdict()
    if text.reason:
        writer.reject(request.name, request.sample, text.reason, quality)
        return
    mel = text.recorded if name.startswith("recorded") else reading.mel
    features = reading.features if writer.manifest.features else None
    writer.add(DistilledRow(request.name, request.sample, reading.seed, torch.tensor(request.ids),
                            text.durations[name], mel, features, quality))
