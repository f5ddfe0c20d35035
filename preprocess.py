"""The teacher reads texts; what it says becomes the distilled dataset from which the student learns.

    python preprocess.py LJSpeech-1.1/metadata.csv -o distilled
    torchrun --nproc-per-node 4 preprocess.py a.txt b.csv -o distilled --samples 2
    python preprocess.py LJSpeech-1.1 -o student-mels --student lightspeech/pre_trained_model/mine.safetensors

Texts are files with a text a line, or with id|text (or LJSpeech's id|text|normalised text) a line. A run that was
stopped or killed goes on when the same command is given again; rows that are on disk are not read again. Readings that
went wrong are tried again with another seed, then listed in OUT/rejected.csv; OUT/pictures/ shows the worst alignments.

With --student the teacher listens to the recordings of a folder in place of reading, and the mels are what the student
says with their durations and, where it tells pitch, their pitch: for train.py --model waveglow --mels.
"""
import argparse
import contextlib
import csv
import datetime
import heapq
import io
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from distillation.texts import Text, read_texts
from hparams import AudioConfig
from runtime.batching import group_by_length
from runtime.console import one_line, open_closed_streams, print_notice, print_result
from runtime.errors import UserError
from runtime.files import write_text
from runtime.signals import catch_signals
from runtime.weights import identity, newest_weights

if TYPE_CHECKING:
    from distillation.dataset import DistilledWriter
    from distillation.readings import Job, Reading, Teacher
    from lightspeech import LightSpeech
    from tacotron2 import Tacotron2
    from text import Line

BATCH_SYMBOLS = {"cpu": 1600, "cuda": 24000}  # padded, in a batch; about six mel frames a symbol come of them
SHORT = 64  # symbols; shorter rows count as so many, for a batch also needs memory for its rows' frames
FLUSH_SECONDS = 60.0  # the most work that a kill can undo
PICTURES = 12  # of the worst rows, of each process
_HERE = Path(__file__).resolve().parent


class Worst:
    """Keeps the worst readings: the rejected before the kept, then those whose attention is the least focused."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._heap: list[tuple[tuple[bool, float], tuple[str, int], Reading]] = []

    def add(self, reading: "Reading") -> None:
        """Takes note of a reading."""
        focus = reading.quality.focus
        badness = (reading.reason is not None, 1.0 if math.isnan(focus) else 1.0 - focus)
        slim = reading._replace(mel=None, features=None, alignment=reading.alignment.copy())  # lets go of the batch
        heapq.heappush(self._heap, (badness, (reading.job.name, reading.job.sample), slim))
        if len(self._heap) > self.count:
            heapq.heappop(self._heap)

    def draw(self, folder: Path) -> None:
        """Writes folder/<name>-<sample>.png for each, with the path of the durations where the row was kept."""
        from audio.pictures import alignment_picture
        from text import symbols
        for _, _, reading in self._heap:
            name = f"{reading.job.name}-{reading.job.sample}"
            folder.mkdir(exist_ok=True)
            alignment_picture(folder / (re.sub(r"[^\w.-]", "_", name)[:100] + ".png"), reading.alignment,
                              [symbols[number] for number in reading.job.ids], reading.durations,
                              f"{name}: {reading.reason or f'kept, focus {reading.quality.focus:.2f}'}")


def keep(reading: "Reading", writer: "DistilledWriter") -> None:
    """Adds a reading to the dataset."""
    import torch

    from distillation.dataset import DistilledRow
    features = reading.features if writer.manifest.features else None
    writer.add(DistilledRow(reading.job.name, reading.job.sample, reading.seed, torch.tensor(reading.job.ids),
                            torch.from_numpy(reading.durations), reading.mel, features, reading.quality._asdict()))


def share(texts: list[Text], samples: int, rank: int, count: int,
          finished: set[tuple[str, int]]) -> list[tuple[Text, int]]:
    """This process's rows (text, sample): every count-th of all of them, less the finished ones.

    All rows are shared out before the finished are left out, so that processes which see different folders (one may
    have begun to write) still agree on who does what.
    """
    rows = [(text, sample) for text in texts for sample in range(samples)]
    return [(text, sample) for text, sample in rows[rank::count] if (text.name, sample) not in finished]


def make_jobs(rows: list[tuple[Text, int]], teacher: "Teacher", writer: "DistilledWriter") -> list["Job"]:
    """Turns texts into ids by the teacher's own text settings; rejects rows that cannot be read at all."""
    from distillation.readings import Job
    from text import read
    jobs, dropped = [], ""
    for text, sample in rows:
        try:
            reading = read(text.text, teacher.model.text)
        except UserError as error:
            writer.reject(text.name, sample, str(error), {})
            continue
        dropped, symbols = dropped + reading.dropped, len(reading.ids)
        if symbols > teacher.max_steps:
            writer.reject(text.name, sample, f"{symbols} symbols cannot be said in {teacher.max_steps} frames", {})
        else:
            jobs.append(Job(text.name, sample, reading.ids))
    if dropped:
        _tell(f"warning: left out of the texts what cannot be said: {' '.join(map(repr, dict.fromkeys(dropped)))}")
    return jobs


def read_all(jobs: list["Job"], teacher: "Teacher", writer: "DistilledWriter", worst: Worst,
             options: argparse.Namespace, bar: Any, stopped: list[int]) -> bool:
    """Reads the jobs, longest first, and those that went wrong again; returns whether it came to the end."""
    budget = options.batch_symbols or BATCH_SYMBOLS[teacher.device.type]
    flushed = time.monotonic()
    for attempt in range(options.retries + 1):
        failed = []
        for rows in reversed(group_by_length([max(len(job.ids), SHORT) for job in jobs], budget)):
            if stopped:
                return False
            for reading in teacher.read([jobs[row] for row in rows], attempt):
                if reading.reason and attempt < options.retries:
                    failed.append(reading.job)
                    continue
                worst.add(reading)
                if reading.reason:
                    writer.reject(reading.job.name, reading.job.sample, reading.reason, reading.quality._asdict())
                else:
                    keep(reading, writer)
                bar.update()
            if time.monotonic() - flushed > FLUSH_SECONDS:
                writer.close()
                flushed = time.monotonic()
        jobs = failed
    return True


class Tally(NamedTuple):
    """What a dataset's folder holds."""
    kept: int  # rows
    rejected: int
    frames: int


def write_rejected(folder: Path, texts: list[Text]) -> Tally:
    """Writes rejected.csv (name, sample, reason, quality, text) from the shards' records and counts all rows."""
    from distillation.dataset import records
    said = {text.name: text.text for text in texts}
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    figures = ("frames", "symbols", "focus", "coverage", "largest_jump", "longest_stay")
    writer.writerow(["name", "sample", "reason", *figures, "text"])
    kept = rejected = frames = 0
    for record in records(folder):
        kept, rejected, frames = kept + (not record.reason), rejected + bool(record.reason), frames + record.frames
        if record.reason:
            quality = [record.quality.get(name, "") for name in figures]
            writer.writerow([record.name, record.sample, record.reason,
                             *(f"{value:.3f}" if isinstance(value, float) else value for value in quality),
                             said.get(record.name, "")])
    write_text(folder / "rejected.csv", table.getvalue())
    return Tally(kept, rejected, frames)


@contextlib.contextmanager
def all_processes(count: int) -> Iterator[Callable[[], None]]:
    """Yields a function that waits for all processes that torchrun started; for a single one it does nothing."""
    if count == 1:
        yield lambda: None
        return
    import torch.distributed as dist
    dist.init_process_group("gloo", timeout=datetime.timedelta(days=7))  # they may end hours apart
    try:
        yield dist.barrier
    finally:
        dist.destroy_process_group()


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="preprocess.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path, nargs="*", default=[Path("LJSpeech-1.1/metadata.csv")], metavar="TEXTS",
                        help="files of texts, or folders with a metadata.csv; default: LJSpeech-1.1/metadata.csv")
    parser.add_argument("-o", "--out", type=Path, default=Path("distilled"),
                        help="the dataset's folder, default: distilled")
    parser.add_argument("--weights", type=Path, metavar="PATH", help="the teacher's; default: the newest in "
                        "tacotron2/pre_trained_model/")
    parser.add_argument("--student", type=Path, metavar="FILE", help="weights of a student that says the recordings "
                        "of TEXTS, one folder in LJSpeech's layout, held-out ones too")
    parser.add_argument("--samples", type=int, default=1, metavar="K", help="readings of each text, default 1")
    parser.add_argument("--seed", type=int, default=0, help="of the teacher's chance, default 0")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--durations", choices=("monotonic", "argmax"), default="monotonic",
                        help="from the alignment: its best monotonic path (default), or the published count of peaks")
    parser.add_argument("--no-features", action="store_true",
                        help="leave out the teacher's encoder output: half the size")
    parser.add_argument("--batch-symbols", type=int, metavar="N", help="symbols read at once, padding included; "
                        f"default {BATCH_SYMBOLS['cpu']} on the CPU, {BATCH_SYMBOLS['cuda']} on a GPU")
    group = parser.add_argument_group("what a reading must keep to, else it is tried again or rejected")
    group.add_argument("--retries", type=int, default=1, help="with other seeds, default 1")
    group.add_argument("--max-steps", type=int, default=1000,
                       help="mel frames in which it must stop by itself, default 1000")
    group.add_argument("--min-focus", type=float, default=0.4,
                       help="mean of the frames' largest attention, default 0.4")
    group.add_argument("--min-coverage", type=float, default=0.7, help="share of symbols attended to, default 0.7")
    group.add_argument("--max-jump", type=int, default=6, help="symbols that attention may jump, default 6")
    group.add_argument("--max-stay", type=int, default=80,
                       help="frames that attention may stay on a symbol, default 80")
    return parser


def _tell(line: str) -> None:
    print_notice(f"preprocess.py: {one_line(line)}")


def recorded_lines(options: argparse.Namespace) -> list["Line"]:
    """The lines, held-out ones too, of the folder whose recordings --student is to say; UserError if it is none."""
    from audio.recordings import split_lines
    if len(options.texts) != 1 or not options.texts[0].is_dir():
        raise UserError(f"--student: found {' '.join(map(str, options.texts))}, expected one folder in LJSpeech's "
                        "layout; give it in place of files of texts")
    if options.samples > 1:
        raise UserError(f"--samples: found {options.samples}, expected 1 with --student, who says a recording once")
    return [line for part in split_lines(options.texts[0]) for line in part]


def load_student(path: Path, teacher: "Tacotron2") -> "LightSpeech":
    """Loads the student. Raises UserError also for one that reads text in another way than the teacher."""
    import lightspeech
    student = lightspeech.load(path)
    if student.text != teacher.text:
        raise UserError(f"{path}: reads by {student.text}, expected {teacher.text} as the teacher does; name the "
                        "teacher that it learned from with --weights")
    return student


def run(options: argparse.Namespace) -> int:
    """Does what the command line says; returns the exit status, 1 if it was stopped. Raises UserError."""
    for name, least in (("samples", 1), ("batch_symbols", 1), ("retries", 0), ("max_steps", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise UserError(f"--{name.replace('_', '-')}: found {value}, expected at least {least}")
    rank, count = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    lines = recorded_lines(options) if options.student else []
    texts = [Text(line.name, line.text) for line in lines] or read_texts(options.texts)
    from tqdm import tqdm

    import tacotron2
    from distillation.dataset import DistilledWriter, Manifest, finished_rows
    from distillation.readings import Mimic, Teacher
    from runtime.devices import pick_device
    from text import symbols
    device = pick_device(options.device, int(os.environ.get("LOCAL_RANK", "0")))
    path = newest_weights(_HERE / "tacotron2" / "pre_trained_model", options.weights,
                          "name a teacher's file with --weights, or make one with train.py --model tacotron2")
    model = tacotron2.load(path)
    student = load_student(options.student, model) if options.student else None
    makers = identity(path) + (f", {identity(options.student)}" if student else "")
    manifest = Manifest(AudioConfig(), model.text, symbols, makers, options.samples, options.seed,
                        not (options.no_features or student))
    worst, start, done = Worst(PICTURES), time.monotonic(), finished_rows(options.out)
    rows = share(texts, options.samples, rank, count, done)
    teacher = Teacher(model, options, device)
    if student and rows:
        left = {text.name for text, _ in rows}
        lines = [line for line in lines if line.name in left]
        teacher = Mimic(model, options, device, student, options.texts[0], lines)
    with all_processes(count) as wait, catch_signals() as stopped:
        with DistilledWriter(options.out, manifest, rank) as writer:
            jobs = teacher.jobs if isinstance(teacher, Mimic) else make_jobs(rows, teacher, writer)
            with tqdm(total=len(jobs), unit="row", disable=rank > 0 or None) as bar:
                finished = read_all(jobs, teacher, writer, worst, options, bar, stopped)
        worst.draw(options.out / "pictures")
        wait()
    if rank == 0:
        summarise(options.out, write_rejected(options.out, texts), len(done), time.monotonic() - start)
        if not finished:
            _tell("stopped before the last row; give the same command again to go on")
    return 0 if finished else 1


def summarise(folder: Path, tally: Tally, before: int, seconds: float) -> None:
    """Prints what the folder holds, and the pace since it held `before` rows, `seconds` ago."""
    audio, rows = AudioConfig(), tally.kept + tally.rejected
    hours = tally.frames * audio.hop_length / audio.sample_rate / 3600
    print_result(f"{folder}: {tally.kept} rows kept ({hours:.2f} h), {tally.rejected} rejected "
                 f"({tally.rejected / max(rows, 1):.1%}); this run {rows - before} rows, "
                 f"{(rows - before) / seconds:.2f} a second")


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, 1 if stopped before the last row, 2 after a user's mistake."""
    open_closed_streams()
    options = get_parser().parse_args(argv)
    try:
        return run(options)
    except UserError as error:
        _tell(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
