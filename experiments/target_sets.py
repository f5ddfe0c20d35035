"""The target sets of targets.py: what the teacher makes of a corpus, in five ways, as distilled datasets.

    set                mels                                durations
    recorded           of the recordings                   alignment of the teacher-forced reading
    recorded-training  of the recordings                   alignment of a teacher-forced reading in training mode
    forced             of the teacher-forced reading       the same alignment
    free               of the free-running reading         alignment of that very run
    free-scaled        of the free-running reading         those of the forced reading, brought to the free run's length

Recorded and teacher-forced mels share their frames, so for both "the same run" is the teacher-forced one. A free run
has a length of its own, and durations must sum to it: the forced reading's ends of symbols are divided by the ratio of
the two lengths and rounded. So the pace of the whole text is right and only the timing inside of it is another run's;
what this costs is a lower bound of what foreign durations cost.

In training mode all of the teacher's dropout is on and its batch norm takes the statistics of the batch; in the other
readings of all dropout only the prenet's is on. Each set has the encoder features of its own reading. Texts are read by
the phonemes that were spoken, where the corpus and the teacher have them, so ids fit the recordings and all sets alike.
A text of which one reading is rejected by the limits of preprocess.py is left out of all sets.
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
MEL_TARGETS = ("recorded", "forced", "free")  # each with the durations of its own run
REPEATED = ("forced", "free")  # what another run of the teacher makes differently
GROUPS = ("train", "heldout")  # in the order of split_lines
PART = 256  # lines made by one call: some seconds of a GPU, and what a kill can undo
FRAMES_AT_ONCE = {"cpu": 6000, "cuda": 100_000}  # padded, in a batch


class Source(NamedTuple):
    """What target sets are made of, and where they go."""
    data: Path  # a corpus in LJSpeech's layout
    folder: Path  # gets train/<set>, heldout/<set> and repeats/<set>
    weights: Path  # the teacher's
    repeats: int  # readings of each text of the first part, to see how far they spread
    reading: tuple[str, ...] = ()  # options of preprocess.py that differ from its defaults


def parts(source: Source) -> list[tuple[str, int]]:
    """All (group, part) that make_part has to be called with, in any order."""
    return [(group, part) for group, lines in zip(GROUPS, split_lines(source.data)) for part in range(_count(lines))]


def make_part(source: Source, group: str, part: int, device: str) -> None:
    """Writes one part's rows into all sets, a shard each; those that are there already stay as they are.

    A part is every so-many-th line, so each is a fair sample; the first of "train" also writes the repeated readings.
    Its rows are the same whatever else was made before. Raises UserError as the reading of a corpus does.
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
    takes = [take for sample in range(repeated) for take in all_readings(teacher, dataset, sample)]
    for name, folder in missing.items():
        samples = repeated if name.startswith("repeats") else 1
        manifest = Manifest(AudioConfig(), teacher.model.text, symbols, identity(source.weights), samples, config.seed,
                            not name.startswith("repeats"), config.durations, config.limits)
        with DistilledWriter(folder, manifest, part, rows_per_shard=len(takes) + 1) as writer:
            for take in takes[:samples * len(lines)]:
                _write(writer, take, name.removeprefix("repeats "))


def _count(lines: list) -> int:
    return -(-len(lines) // PART)


class Take(NamedTuple):
    """A text as it was recorded and as the teacher read it."""
    recorded: Tensor  # mel (M, T) float16
    readings: dict[str, Utterance]  # by the set they belong to
    durations: dict[str, Tensor]  # likewise, (N,) int64 frames; none where the text is left out
    reason: str | None  # why it is


def all_readings(teacher: TeacherInference, dataset: TeacherDataset, sample: int) -> list[Take]:
    """The forced and free readings of every row, in order; sample: the number of the run, another chance each."""
    training = copy.copy(teacher)
    training.model = copy.deepcopy(teacher.model).train()  # a copy: it takes note of the batches' statistics
    requests = teacher.recorded_requests(dataset, sample)
    takes: dict[int, Take] = {}
    for rows in group_by_length(dataset.mels.lengths.tolist(), FRAMES_AT_ONCE[teacher.device.type]):
        batch = [requests[row] for row in rows]
        forced, trained = (one.infer_teacher_forced(dataset, rows, batch, 0) for one in (teacher, training))
        for row, *own in zip(rows, forced, trained, forced, teacher.infer(batch, 0), strict=True):
            readings = dict(zip(SETS, (*own, own[-1]), strict=True))
            reason = next((reading.reason for reading in own if reading.reason), None)
            takes[row] = Take(dataset.mels.row(row).t().half().cpu(), readings,
                              {} if reason else durations_of(readings), reason)
    return [takes[row] for row in range(len(dataset))]


def durations_of(readings: dict[str, Utterance]) -> dict[str, Tensor]:
    """The durations (N,) int64 of all sets, from those of a text's readings."""
    own = {name: torch.from_numpy(reading.durations) for name, reading in readings.items()}
    return {**own, "free-scaled": rescaled(own["forced"], int(own["free"].sum()))}


def rescaled(durations: Tensor, frames: int) -> Tensor:
    """Durations (N,) int64 brought to a sum of `frames`, every end moved in proportion: 3 3 3 3 to 6 is 2 1 1 2."""
    return change_speed(durations[None], float(durations.sum()) / frames)[0]


def _write(writer: DistilledWriter, take: Take, name: str) -> None:
    """Adds what belongs into the set called `name`, or the reason why this text is in none."""
    reading = take.readings[name]
    request, known = reading.request, reading.quality._asdict()
    if take.reason:
        writer.reject(request.name, request.sample, take.reason, known)
        return
    mel = take.recorded if name.startswith("recorded") else reading.mel
    features = reading.features if writer.manifest.features else None
    writer.add(DistilledRow(request.name, request.sample, reading.seed, torch.tensor(request.ids),
                            take.durations[name], mel, features, known))
