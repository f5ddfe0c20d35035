"""Why do targets from a teacher in training mode teach worse? One experiment over a corpus, by one command.

    python experiments/targets.py --data corpus                          # all of it, into results/targets/
    python experiments/targets.py --data corpus --scores scores.json     # the tables again, with scores from elsewhere
    python experiments/targets.py --data corpus --teacher mine.safetensors --cells 'f*-published' --work runs/m --out o

Students of one recipe learn from each of the target sets of target_sets.py, with and without the loss on the
teacher's encoder output, and from three of them also at two other sizes; each with three seeds. The recipe is the
published one where the question is about squared error: MSE on the mel, a fixed number of steps, the averaged weights
of the last; but training begins at the mean of the targets, as train.py's always does. All are judged on the held-out
texts by measures that do not depend on their targets (target_statistics.py), through the one vocoder that ships.
Whatever is done already is not done again: a command that was stopped goes on. Tables, plots and all figures go to
--out.

Scores that need other packages are measured on WORK/students/*/speech/*.flac, whose texts are in WORK/lines.csv, and
come back as {"<name of the folder>": {"wer": 0.05, "mos": 3.2}, ...}.

Several trainings share a GPU (--at-once), which gains most under NVIDIA's MPS: start nvidia-cuda-mps-control -d before.
"""
import argparse
import contextlib
import dataclasses
import fnmatch
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))

import lightspeech
import train
import waveglow
from audio import mel_spectrogram, write_wav
from audio.recordings import split_lines
from distillation.dataset import DistilledDataset, records
from experiments import target_sets
from experiments import target_statistics as measures
from experiments.processes import run_jobs
from experiments.target_sets import MEL_TARGETS, REPEATED, SETS, Source
from hparams import LightSpeechConfig
from runtime.console import print_result
from runtime.devices import available_cpus
from runtime.errors import UserError
from runtime.files import write_text
from runtime.weights import identity, newest_weights
from training.released import export

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"small": LightSpeechConfig(embedding_dim=100, encoder_dim=100, decoder_dim=50),
         "published": LightSpeechConfig(),
         "large": LightSpeechConfig(embedding_dim=536, encoder_dim=536, decoder_dim=268)}


class Cell(NamedTuple):
    """What a student is taught, and its size."""
    targets: str  # one of SETS
    size: str  # a key of Experiment.sizes
    features: bool  # whether the teacher's encoder output is taught too

    @property
    def name(self) -> str:
        """For folders and tables."""
        return f"{self.targets}-{self.size}{'-features' if self.features else ''}"


CELLS = (*(Cell(targets, "large", False) for targets in MEL_TARGETS),  # they take longest, so they come first
         *(Cell(targets, "published", features) for targets in SETS for features in (False, True)),
         *(Cell(targets, "small", False) for targets in MEL_TARGETS))


@dataclasses.dataclass(frozen=True)
class Experiment:
    """All that is fixed."""
    data: Path  # corpus in LJSpeech's layout
    work: Path  # sets, students and what they say; large
    out: Path  # tables and plots
    teacher: Path
    vocoder: Path
    steps: int = 4500
    seeds: tuple[int, ...] = (0, 1, 2)
    cells: tuple[Cell, ...] = CELLS
    sizes: dict[str, LightSpeechConfig] = dataclasses.field(default_factory=lambda: SIZES)
    spoken: int = 24  # of the held-out texts, those that are also heard
    repeats: int = 4  # readings of a text by the teacher, for the spread over them
    reading: tuple[str, ...] = ()  # options of preprocess.py
    training: tuple[str, ...] = ("--mel-loss", "l2", "--adversarial-weight", "0", "--beta1", "0.9", "--beta2",
                                 "0.999")  # options of train.py, the same for all students

    @property
    def source(self) -> Source:
        """What the target sets are made of."""
        return Source(self.data, self.work / "sets", self.teacher, self.repeats, self.reading)

    def weights(self) -> list[str]:
        """Which teacher and vocoder take part."""
        return [identity(path) for path in (self.teacher, self.vocoder)]

    def folder(self, name: str) -> Path:
        """Of a student or a reference, with what it says and figures.json."""
        return self.work / "students" / name

    def read(self, group: str, name: str) -> DistilledDataset:
        """A target set without encoder features; group: train, heldout or repeats."""
        return DistilledDataset.read(self.source.folder / group / name, with_features=False)


def train_student(experiment: Experiment, cell: Cell, seed: int, device: str) -> Path:
    """Returns the weights of a student, trained now or before; a training that was stopped goes on.

    Raises UserError where it fails or is stopped; train.log in its folder tells more.
    """
    run = experiment.folder(f"{cell.name}-{seed}")
    weights = run / "student.safetensors"
    if weights.exists():
        return weights
    sizes = dataclasses.asdict(experiment.sizes[cell.size])
    settings = {"data": experiment.source.folder / "train" / cell.targets, "out": run, "steps": experiment.steps,
                "validate_every": experiment.steps, "checkpoint_seconds": 60, "seed": seed, "device": device,
                "feature_weight": int(cell.features), **sizes}
    arguments = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    run.mkdir(parents=True, exist_ok=True)
    resume = ["--resume"] if (run / "latest.pt").exists() else []
    with open(run / "train.log", "a") as log, contextlib.redirect_stderr(log):
        status = train.main([*arguments, *experiment.training, *resume])
    if status:
        raise UserError(f"{run}: the training {'was stopped' if status == 1 else 'failed, see train.log in it'}; "
                        "the same command goes on")
    export("lightspeech", run, weights)  # of best.pt: there is one validation, at the last step
    return weights


def make_student(experiment: Experiment, cell: Cell, seed: int, device: str) -> None:
    """Trains a student, has it say the held-out texts with its own durations, and judges it."""
    model = lightspeech.load(train_student(experiment, cell, seed, device)).to(device)
    torch.set_float32_matmul_precision("highest")  # training has lowered it for this process
    texts = experiment.read("heldout", "recorded")
    results = [model.infer(ids[None].long(), torch.tensor([len(ids)], device=device))
               for ids in (texts.ids.row(row).to(device) for row in range(len(texts)))]
    mels, durations = ([getattr(result, field)[0].cpu().numpy() for result in results]
                       for field in ("mel", "durations"))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    judge(experiment, f"{cell.name}-{seed}", mels, durations, device, {**cell._asdict(), "parameters": parameters})


def make_reference(experiment: Experiment, name: str, device: str) -> None:
    """Judges the held-out mels of a target set themselves: what a perfect student of it would reach."""
    mels, durations = measures.arrays(experiment.read("heldout", name))
    about = {"targets": name, "size": "the targets themselves", "features": False, "parameters": 0}
    judge(experiment, f"reference-{name}", mels, durations, device, about)


def judge(experiment: Experiment, name: str, mels: list[np.ndarray], durations: list[np.ndarray], device: str,
          about: dict[str, Any]) -> None:
    """Writes figures.json, and some of the texts as mels and waves, into the folder of that name.

    mels (M, T) and durations (N,) of the held-out texts; about: what figures.json shall say besides.
    """
    texts = experiment.read("heldout", "recorded")
    recorded, aligned = measures.arrays(texts)
    figures = measures.mel_figures(mels, durations, recorded, aligned)
    rows = spoken_rows(len(texts), experiment.spoken)
    heard = voice(experiment, experiment.folder(name) / "speech", {texts.names[row]: mels[row] for row in rows}, device)
    pairs = zip(heard, (recorded[row] for row in rows), strict=True)
    figures["mcd"] = float(np.mean([measures.mcd_dtw(*pair) for pair in pairs]))
    write_text(experiment.folder(name) / "figures.json", json.dumps({"name": name, **about, **figures}, indent=1))


def error_left(run: Path) -> float:
    """The squared error of a student's mels that is left at the end of its training, as a share of that of the mean.

    run: its folder, with train.py's log.jsonl. At the end: on the texts of its own targets that training held out, with
    their durations. Of the mean: what it says in the first steps, from which the rate has hardly moved it yet.
    """
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    first = next(row["mel"] for row in rows if row["kind"] == "train")
    return next(row["mel"] for row in reversed(rows) if row["kind"] == "validation") / first


def spoken_rows(count: int, spoken: int) -> list[int]:
    """`spoken` of `count` rows, evenly spread (all, if there are no more)."""
    return sorted({index * count // spoken for index in range(spoken)})


@torch.inference_mode()
def voice(experiment: Experiment, folder: Path, mels: dict[str, np.ndarray], device: str) -> list[np.ndarray]:
    """Writes each mel (M, T) as folder/<name>.npy (float16) and, by the vocoder, .flac; returns the waves' mels."""
    folder.mkdir(parents=True, exist_ok=True)
    vocoder, heard = waveglow.load(experiment.vocoder).to(device), []
    for number, (name, mel) in enumerate(mels.items()):
        np.save(folder / f"{name}.npy", mel.astype(np.float16))
        generator = torch.Generator().manual_seed(number)
        wave = vocoder.infer(torch.from_numpy(mel)[None].to(device), generator=generator).cpu()
        write_wav(folder / f"{name}.flac", wave[0].numpy())
        wave = F.pad(wave, (0, max(0, 1024 - wave.shape[1])))  # a window at least
        heard.append(mel_spectrogram(wave)[0].numpy())
    return heard


def make_statistics(experiment: Experiment, device: str) -> None:
    """Writes statistics.json: what is measured of each target set."""
    found = {}
    for name in SETS:
        found[name] = measures.set_statistics(experiment.read("train", name).to(device))
        quality = [row.quality["focus"] for row in records(experiment.source.folder / "train" / name) if not row.reason]
        found[name]["focus"] = float(np.mean(quality))
        if name in REPEATED and experiment.repeats > 1:
            found[name].update(measures.spread(experiment.read("repeats", name).to(device)))
    plain = {name: {key: value if np.isfinite(value) else None for key, value in figures.items()}
             for name, figures in found.items()}
    write_text(experiment.work / "statistics.json", json.dumps(plain, indent=1))


def run(experiment: Experiment, devices: list[str], at_once: int, scores: Path | None) -> None:
    """Does all that is not done yet. Raises UserError for a user's mistake."""
    statistics = experiment.work / "statistics.json"
    parts = [] if statistics.exists() else target_sets.parts(experiment.source)
    about = claim(experiment)
    jobs = {f"{cell.name}-{seed}": (make_student, experiment, cell, seed)
            for cell in experiment.cells for seed in experiment.seeds}
    jobs.update({f"reference-{name}": (make_reference, experiment, name) for name in MEL_TARGETS})
    left = [job for name, job in jobs.items() if not (experiment.folder(name) / "figures.json").exists()]
    left += [] if statistics.exists() else [(make_statistics, experiment)]
    if left and about["weights"] != experiment.weights():  # the tables alone may be made when newer weights ship
        raise UserError(f"{experiment.work}: begun with {', '.join(about['weights'])}, found "
                        f"{', '.join(experiment.weights())}; put these back or give another --work")
    if parts:
        run_jobs([(target_sets.make_part, experiment.source, *part) for part in parts], devices, at_once, "target sets")
        kept = experiment.read("heldout", "recorded").names
        texts = {line.name: line.text for line in split_lines(experiment.data)[1]}
        write_text(experiment.work / "lines.csv", "".join(
            f"{kept[row]}|{texts[kept[row]]}\n" for row in spoken_rows(len(kept), experiment.spoken)))
    run_jobs(left, devices, at_once, "students and references")
    figures = {name: json.loads((experiment.folder(name) / "figures.json").read_text()) for name in jobs}
    for name, one in figures.items():
        if one["parameters"]:
            one["left"] = error_left(experiment.folder(name))
    if scores:
        measures.merge_scores(figures, scores)
    tell(experiment.out, list(figures.values()), json.loads(statistics.read_text()), about)


def claim(experiment: Experiment) -> dict[str, Any]:
    """Returns how the work folder was begun, after noting it there if it is new.

    Raises UserError where it was begun with another number of steps.
    """
    path = experiment.work / "experiment.json"
    if not path.exists():
        experiment.work.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({
            "steps": experiment.steps, "training": experiment.training, "reading": experiment.reading,
            "repeats": experiment.repeats, "spoken": experiment.spoken, "weights": experiment.weights(),
            "sizes": {name: dataclasses.asdict(config) for name, config in experiment.sizes.items()}}, indent=1))
    about = json.loads(path.read_text())
    if about["steps"] != experiment.steps:
        raise UserError(f"{experiment.work}: begun with {about['steps']} steps, expected {experiment.steps}; give "
                        "another --work")
    return about


def tell(folder: Path, figures: list[dict[str, Any]], statistics: dict[str, dict[str, float | None]],
         about: dict[str, Any]) -> None:
    """Writes tables.md, figures.json and the plots into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = measures.grouped(figures)
    write_text(folder / "figures.json", json.dumps({"about": about, "sets": statistics, "judged": figures}, indent=1))
    write_text(folder / "tables.md", measures.tables(groups, statistics))
    measures.draw(folder, groups, statistics)
    print_result(measures.tables(groups, statistics))


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="corpus in LJSpeech's layout")
    parser.add_argument("--teacher", type=Path, metavar="PATH", help="its weights; default: the newest in "
                        "tacotron2/pre_trained_model/")
    parser.add_argument("--cells", default="*", metavar="PATTERN", help="only students of such names, TARGETS-SIZE or "
                        "TARGETS-SIZE-features; * stands for anything; default: all")
    parser.add_argument("--work", type=Path, default=Path("runs/targets"), help="large; default: %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "targets", help="for tables and plots; default: "
                        "results/targets")
    parser.add_argument("--steps", type=int, default=Experiment.steps, help="of each training; default: %(default)s")
    parser.add_argument("--at-once", type=int, default=4, help="processes a GPU; default: %(default)s")
    parser.add_argument("--scores", type=Path, help="word error rates and MOS that were measured elsewhere")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = get_parser().parse_args(argv)
    devices = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    at_once = options.at_once if devices else 1
    cores = available_cpus() // max(1, len(devices) * at_once)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores)))  # for the processes: else each takes all cores
    advice = "train and export them first"
    try:
        for name in ("steps", "at_once"):
            if getattr(options, name) < 1:
                raise UserError(f"--{name.replace('_', '-')}: found {getattr(options, name)}, expected at least 1")
        cells = tuple(cell for cell in CELLS if fnmatch.fnmatchcase(cell.name, options.cells))
        if not cells:
            raise UserError(f"--cells: {options.cells!r} fits none of {', '.join(cell.name for cell in CELLS)}")
        experiment = Experiment(options.data, options.work, options.out,
                                newest_weights(ROOT / "tacotron2" / "pre_trained_model", options.teacher, advice),
                                newest_weights(ROOT / "waveglow" / "pre_trained_model", None, advice), options.steps,
                                cells=cells)
        run(experiment, devices or ["cpu"], at_once, options.scores)
        return 0
    except UserError as error:
        print("targets.py: error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
