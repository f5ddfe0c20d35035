"""One run of the distillation: the teacher reads all texts, and their rows are added to a folder."""
import contextlib
import csv
import dataclasses
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

import tacotron2
from distillation.dataset import FolderRecords, RowKey, finished_rows, read_records
from distillation.inference import TeacherInference, Utterance
from distillation.manifest import Manifest
from distillation.pictures import WorstAlignments
from distillation.processes import Processes, barrier
from distillation.requests import Request, make_requests, share_rows
from distillation.shards import DistilledRow
from distillation.student_mels import TeacherForcedInference, load_student, recorded_lines
from distillation.texts import Text, read_texts
from distillation.writer import DistilledWriter
from hparams import AudioConfig, DistillationConfig, UserError
from lightspeech import LightSpeech
from runtime.batching import group_by_length
from runtime.devices import pick_device
from runtime.files import write_text
from runtime.locks import folder_lock
from runtime.signals import catch_signals
from runtime.weights import identity
from text import Line, symbols

BATCH_SYMBOLS = {"cpu": 1600, "cuda": 24000}  # symbols with padding in a batch; a symbol takes about six mel frames
MIN_ROW_SYMBOLS = 64  # a shorter row counts as this many, because a batch also needs memory for its rows' frames
FLUSH_SECONDS = 60.0  # the most work that a kill can undo
PICTURES = 12  # of the worst rows, for each process


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """The inputs of a run, and how to run it. `config` decides the rows."""
    texts: list[Path]  # files, or folders with a metadata.csv
    out: Path  # the dataset's folder
    weights: Path  # the teacher's
    config: DistillationConfig = DistillationConfig()
    student: Path | None = None  # a student whose mels of the recordings of `texts`, one folder, are wanted
    device: str = "auto"
    batch_symbols: int | None = None  # None: BATCH_SYMBOLS


@dataclasses.dataclass(frozen=True)
class Summary:
    """The result of a run. Only the main process counts rows; in the others the counts are 0."""
    finished: bool  # False if a signal stopped it before the last row
    is_main: bool
    seconds: float
    new_rows: int = 0  # of this run, kept and rejected
    kept: int = 0  # rows in the folder
    rejected: int = 0
    frames: int = 0  # of the kept rows


def distil(settings: RunSettings, warn: Callable[[str], None]) -> Summary:
    """Makes the rows of all texts that are not in the folder yet, and adds them.

    Every process of a torchrun calls this. warn: called with each notice, a line. Raises UserError for a mistake in
    the settings or the inputs, if the folder was made in another way, is in use or cannot be written to.
    """
    processes = Processes.from_environment()
    if not processes.is_main:
        warn = _discard  # else every notice would appear several times
    job = _load(settings, processes, warn)
    start = time.monotonic()
    lock = folder_lock(settings.out) if processes.is_main else contextlib.nullcontext()
    with lock, barrier(processes) as wait, catch_signals() as stopped:
        wait()  # no process writes before the main one has the lock
        done = finished_rows(read_records(settings.out), settings.config.limits)
        worst = WorstAlignments(PICTURES)
        finished = _add_rows(job, processes, done, worst, stopped, warn)
        wait()
        summary = Summary(finished, processes.is_main, time.monotonic() - start)
        if processes.is_main:
            summary = _summarise(job, summary, len(done), warn)
        try:
            worst.draw(settings.out / "pictures")
        except UserError as error:
            warn(f"warning: {error}")  # the rows are complete without it
    return summary


def _discard(notice: str) -> None:
    """Ignores a notice; for the processes that print nothing."""


class _Job(NamedTuple):
    """The loaded inputs of a run."""
    settings: RunSettings
    texts: list[Text]
    lines: list[Line]  # the recordings' lines; empty without --student
    model: tacotron2.Tacotron2
    student: LightSpeech | None
    device: torch.device


def _load(settings: RunSettings, processes: Processes, warn: Callable[[str], None]) -> _Job:
    """Loads texts and networks, before anything is written."""
    lines = recorded_lines(settings.texts, settings.config.samples) if settings.student else []
    texts = [Text(line.name, line.text) for line in lines] or read_texts(settings.texts, warn)
    device = pick_device(settings.device, processes.local_rank)
    model = tacotron2.load(settings.weights)
    student = load_student(settings.student, model) if settings.student else None
    return _Job(settings, texts, lines, model, student, device)


def _add_rows(job: _Job, processes: Processes, done: set[RowKey], worst: WorstAlignments, stopped: list[int],
              warn: Callable[[str], None]) -> bool:
    """Makes this process's rows. Returns False if a signal ended it early."""
    settings, config = job.settings, job.settings.config
    rows = share_rows(job.texts, config.samples, processes, done)
    names = {text.name for text, _ in rows}
    teacher: TeacherInference
    with DistilledWriter(settings.out, _make_manifest(job), processes.rank,
                         seconds_per_shard=FLUSH_SECONDS) as writer:
        if job.student and rows:
            lines = [line for line in job.lines if line.name in names]
            forced = TeacherForcedInference(job.model, config, job.device, job.student, settings.texts[0], lines)
            teacher, requests = forced, forced.requests
        else:
            teacher = TeacherInference(job.model, config, job.device)
            requests = make_requests(rows, job.model.text, config.limits.max_steps, writer, warn)
        budget = settings.batch_symbols or BATCH_SYMBOLS[job.device.type]
        utterances = final_utterances(requests, teacher, budget, stopped)
        bar = tqdm(utterances, total=len(requests), unit="row", disable=None if processes.is_main else True)
        count = 0
        for count, utterance in enumerate(bar, 1):
            worst.add(utterance)
            add_utterance(utterance, writer)
    return count == len(requests)


def _make_manifest(job: _Job) -> Manifest:
    """Returns the manifest of the rows that a job will make."""
    settings, config = job.settings, job.settings.config
    makers = ", ".join(identity(path) for path in (settings.weights, settings.student) if path)
    return Manifest(AudioConfig(), job.model.text, symbols, makers, config.samples, config.seed,
                    config.features and not job.student, config.durations, config.limits)


def _summarise(job: _Job, summary: Summary, rows_before: int, warn: Callable[[str], None]) -> Summary:
    """Writes rejected.csv and returns the summary with the counts of the folder's rows."""
    folder = job.settings.out
    found = read_records(folder)
    write_rejected(folder, found, job.texts)
    if found.doubled:
        name, sample = found.doubled[0]
        warn(f"warning: {folder}: {len(found.doubled)} rows are there twice, such as {name}/{sample}, because two runs "
             "once wrote there; each is read once")
    rejected = sum(bool(record.reason) for record in found.rows.values())
    return dataclasses.replace(summary, new_rows=len(found.rows) - rows_before, kept=len(found.rows) - rejected,
                               rejected=rejected, frames=sum(record.frames for record in found.rows.values()))


def final_utterances(requests: list[Request], teacher: TeacherInference, budget: int,
                     stopped: list[int]) -> Iterator[Utterance]:
    """Yields an utterance for each request: the first that meets the limits, else the last that was tried.

    The longest texts come first; each batch has at most `budget` symbols. Ends early when `stopped` is not empty.
    """
    retries = teacher.config.limits.retries
    for attempt in range(retries + 1):
        failed = []
        lengths = [max(len(request.ids), MIN_ROW_SYMBOLS) for request in requests]
        for rows in reversed(group_by_length(lengths, budget)):
            if stopped:
                return
            for utterance in teacher.infer([requests[row] for row in rows], attempt):
                if utterance.reason and attempt < retries:
                    failed.append(utterance.request)
                else:
                    yield utterance
        requests = failed


def add_utterance(utterance: Utterance, writer: DistilledWriter) -> None:
    """Adds an utterance to the dataset, as a row or as a rejected one."""
    name, sample, ids = utterance.request
    quality = utterance.quality._asdict()
    if utterance.reason:
        writer.reject(name, sample, utterance.reason, quality)
        return
    features = utterance.features if writer.manifest.features else None
    writer.add(DistilledRow(name, sample, utterance.seed, torch.tensor(ids), torch.from_numpy(utterance.durations),
                            utterance.mel, features, quality))


def write_rejected(folder: Path, records: FolderRecords, texts: list[Text]) -> None:
    """Writes rejected.csv: name, sample, reason, quality and text of each rejected row."""
    text_of = {text.name: text.text for text in texts}
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    measures = ("frames", "symbols", "focus", "coverage", "largest_jump", "longest_stay")
    writer.writerow(["name", "sample", "reason", *measures, "text"])
    for record in records.rows.values():
        if record.reason:
            values = [record.quality.get(name, "") for name in measures]
            writer.writerow([record.name, record.sample, record.reason,
                             *(f"{value:.3f}" if isinstance(value, float) else value for value in values),
                             text_of.get(record.name, "")])
    write_text(folder / "rejected.csv", table.getvalue())
