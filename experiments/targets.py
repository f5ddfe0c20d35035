"""Do targets from a teacher in training mode teach worse? The whole experiment over a corpus, by one command.

    python experiments/targets.py --data corpus                          # everything, into results/targets/
    python experiments/targets.py --data corpus --scores scores.json     # the tables again, with MOS and word errors
    python experiments/targets.py --data corpus --teacher mine.safetensors --cells 'f*-published' --work runs/m --out o

Students of one recipe learn from each of the target sets of target_sets.py, with and without the loss on the
teacher's encoder output, and from three of the sets also at two other sizes; each with three seeds. The recipe is the
published one: MSE on the mel, a fixed number of steps, the averaged weights of the last step. One thing differs:
training begins at the mean of the targets, as train.py always does. All students are measured on the held-out texts
with measures that do not depend on their targets (mel_measures.py), through the vocoder that ships. Finished parts
are not repeated, so the same command continues after a stop. Tables, plots and all figures are written to --out.

Word error rate and MOS need other packages: measure them on WORK/students/*/speech/*.flac, whose texts are in
WORK/lines.csv, and give them with --scores as {"<name of the folder>": {"wer": 0.05, "mos": 3.2}, ...}.

Several trainings share a GPU (--at-once). This is fastest with NVIDIA's MPS; start it with nvidia-cuda-mps-control -d.
"""
import argparse
import dataclasses
import fnmatch
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from audio.recordings import split_lines
from distillation.dataset import read_records
from experiments import target_sets, target_tables
from experiments.command import exit_status
from experiments.process_pool import Job, run_jobs
from experiments.target_experiment import CELLS, Experiment
from experiments.target_sets import MEL_TARGETS, REPEATED, SETS
from experiments.target_statistics import set_statistics, variation_between_readings
from experiments.target_students import make_reference, make_student, spoken_rows
from hparams import UserError
from runtime.console import print_result
from runtime.devices import available_cpus
from runtime.files import write_text
from runtime.weights import newest_weights

ROOT = Path(__file__).resolve().parents[1]


def remaining_error(run: Path) -> float:
    """Returns a student's final squared error on mels divided by that of always predicting the mean mel.

    run: its folder, with train.py's log.jsonl. The final error is that of the last validation, on held-out rows of its
    own target set. The error of the mean is that of the first logged steps, because training begins at the mean.
    """
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    first = next(row["mel"] for row in rows if row["kind"] == "train")
    last = next(row["mel"] for row in reversed(rows) if row["kind"] == "validation")
    return last / first


def make_statistics(experiment: Experiment, device: str) -> None:
    """Writes statistics.json: the figures of each target set, None for those that are not finite."""
    statistics = {}
    for name in SETS:
        figures = set_statistics(experiment.read("train", name).to(device))
        rows = read_records(experiment.source.folder / "train" / name).rows.values()
        focus = [row.quality["focus"] for row in rows if not row.reason]
        figures["focus"] = float(np.mean(focus))
        if name in REPEATED and experiment.repeats > 1:
            figures.update(variation_between_readings(experiment.read("repeats", name).to(device)))
        statistics[name] = {key: value if np.isfinite(value) else None for key, value in figures.items()}
    write_text(experiment.work / "statistics.json", json.dumps(statistics, indent=1))


def run(experiment: Experiment, devices: list[str], at_once: int, scores: Path | None) -> None:
    """Runs all parts that are not finished yet, and writes the tables. Raises UserError for a user's mistake."""
    statistics = experiment.work / "statistics.json"
    parts = [] if statistics.exists() else target_sets.parts(experiment.source)
    settings = recorded_settings(experiment)
    jobs: dict[str, Job] = {f"{cell.name}-{seed}": (make_student, experiment, cell, seed)
                            for cell in experiment.cells for seed in experiment.seeds}
    jobs.update({f"reference-{name}": (make_reference, experiment, name) for name in MEL_TARGETS})
    left = [job for name, job in jobs.items() if not (experiment.folder(name) / "figures.json").exists()]
    left += [] if statistics.exists() else [(make_statistics, experiment)]
    if left and settings["weights"] != experiment.weights():  # newer ones may still make the tables
        raise UserError(f"{experiment.work}: begun with {', '.join(settings['weights'])}, found "
                        f"{', '.join(experiment.weights())}; put these back or give another --work")
    if parts:
        run_jobs([(target_sets.make_part, experiment.source, *part) for part in parts], devices, at_once, "target sets")
        kept = experiment.read("heldout", "recorded").names
        texts = {line.name: line.text for line in split_lines(experiment.data)[1]}
        write_text(experiment.work / "lines.csv", "".join(
            f"{kept[row]}|{texts[kept[row]]}\n" for row in spoken_rows(len(kept), experiment.spoken)))
    run_jobs(left, devices, at_once, "students and references")
    figures = {name: json.loads((experiment.folder(name) / "figures.json").read_text()) for name in jobs}
    for name, student in figures.items():
        if student["parameters"]:
            student["left"] = remaining_error(experiment.folder(name))
    if scores:
        target_tables.merge_scores(figures, scores)
    write_report(experiment.out, list(figures.values()), json.loads(statistics.read_text()), settings)


def recorded_settings(experiment: Experiment) -> dict[str, Any]:
    """Returns the settings recorded in the work folder; a new folder records the present ones.

    Raises UserError if another number of steps is recorded.
    """
    path = experiment.work / "experiment.json"
    if not path.exists():
        experiment.work.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({
            "steps": experiment.steps, "training": experiment.training, "reading": experiment.reading,
            "repeats": experiment.repeats, "spoken": experiment.spoken, "weights": experiment.weights(),
            "sizes": {name: dataclasses.asdict(config) for name, config in experiment.sizes.items()}}, indent=1))
    settings = json.loads(path.read_text())
    if settings["steps"] != experiment.steps:
        raise UserError(f"{experiment.work}: begun with {settings['steps']} steps, expected {experiment.steps}; give "
                        "another --work")
    return settings


def write_report(folder: Path, figures: list[dict[str, Any]], statistics: dict[str, dict[str, float | None]],
                 settings: dict[str, Any]) -> None:
    """Writes tables.md, figures.json and the plots into a folder, and prints the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = target_tables.group_by_cell(figures)
    everything = {"about": settings, "sets": statistics, "judged": figures}
    write_text(folder / "figures.json", json.dumps(everything, indent=1))
    write_text(folder / "tables.md", target_tables.tables(groups, statistics))
    target_tables.draw_plots(folder, groups, statistics)
    print_result(target_tables.tables(groups, statistics))


def get_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="corpus in LJSpeech's layout")
    parser.add_argument("--teacher", type=Path, metavar="PATH", help="its weights; default: the newest in "
                        "tacotron2/pre_trained_model/")
    parser.add_argument("--cells", default="*", metavar="PATTERN", help="train only students of matching names, "
                        "TARGETS-SIZE or TARGETS-SIZE-features; * stands for anything; default: all")
    parser.add_argument("--work", type=Path, default=Path("runs/targets"), help="large; default: %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "targets", help="for tables and plots; default: "
                        "results/targets")
    parser.add_argument("--steps", type=int, default=Experiment.steps, help="of each training; default: %(default)s")
    parser.add_argument("--at-once", type=int, default=4, help="processes a GPU; default: %(default)s")
    parser.add_argument("--scores", type=Path, help="word error rates and MOS, measured with other packages")
    return parser


def run_command(argv: list[str] | None) -> None:
    """Runs the experiment that the command line describes. Raises UserError for a user's mistake."""
    options = get_parser().parse_args(argv)
    devices = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    at_once = options.at_once if devices else 1
    for name in ("steps", "at_once"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name.replace('_', '-')}: found {getattr(options, name)}, expected at least 1")
    cells = tuple(cell for cell in CELLS if fnmatch.fnmatchcase(cell.name, options.cells))
    if not cells:
        raise UserError(f"--cells: {options.cells!r} fits none of {', '.join(cell.name for cell in CELLS)}")
    threads = available_cpus() // max(1, len(devices) * at_once)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, threads)))  # else each process would use all cores
    advice = "train and export them first"
    teacher = newest_weights(ROOT / "tacotron2" / "pre_trained_model", options.teacher, advice)
    vocoder = newest_weights(ROOT / "waveglow" / "pre_trained_model", None, advice)
    experiment = Experiment(options.data, options.work, options.out, teacher, vocoder, options.steps, cells=cells)
    run(experiment, devices or ["cpu"], at_once, options.scores)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    return exit_status("targets.py", lambda: run_command(argv))


if __name__ == "__main__":
    sys.exit(main())
