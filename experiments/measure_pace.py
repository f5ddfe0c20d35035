"""How fast a student speaks, beside recordings of the same texts that it did not learn.

    python experiments/measure_pace.py --data corpus --work runs/pace

--data is a corpus in LJSpeech's layout with heldout.csv. The teacher finds the duration of each symbol in the held-out
recordings, the student predicts it. Prints, for each kind of symbol, the mean duration in both, and the factor that
train.py --export --pace takes. The last symbol of a text is not used for it: its silence depends on how the recordings
were cut.
"""
import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import lightspeech
from audio.recordings import split_lines
from distillation.dataset import DistilledDataset
from distillation.recordings import add_recordings
from experiments.command import exit_status
from hparams import DistillationConfig
from runtime.console import print_result
from runtime.weights import newest_weights
from text import symbols

ROOT = Path(__file__).resolve().parents[1]
LAST = "last"


class Pace(NamedTuple):
    """Durations in frames by kind of symbol: "sound", "space", "mark" or LAST."""
    recorded: dict[str, list[int]]
    predicted: dict[str, list[int]]


def kind_of(symbol: str, is_last: bool) -> str:
    """Returns the kind of a symbol, a key of Pace; is_last: it is the last one of its text."""
    if is_last:
        return LAST
    if symbol == " ":
        return "space"
    return "mark" if symbol in ",.;:!?-'\"()" else "sound"


def measure(aligned: DistilledDataset, student: lightspeech.LightSpeech) -> Pace:
    """Returns the durations of all symbols of the aligned recordings, and those that the student predicts for them."""
    pace = Pace(defaultdict(list), defaultdict(list))
    for row in range(len(aligned)):
        ids = aligned.ids.row(row).long()
        predicted = student.infer(ids[None], torch.tensor([len(ids)])).durations[0].tolist()
        for place, (number, *frames) in enumerate(zip(ids.tolist(), aligned.durations.row(row).tolist(), predicted)):
            kind = kind_of(symbols[number], place == len(ids) - 1)
            for durations, count in zip(pace, frames):
                durations[kind].append(count)
    return pace


def fitting_factor(pace: Pace) -> float:
    """Returns the factor with which all but the last symbols have the recordings' length: d becomes f (d + 1) - 1."""
    recorded, predicted = ([frames for kind, part in durations.items() if kind != LAST for frames in part]
                           for durations in pace)
    return (sum(recorded) + len(recorded)) / (sum(predicted) + len(predicted))


def table(pace: Pace) -> str:
    """Returns a table in Markdown: a row for each kind of symbol, for all but the last symbols, and for all."""
    lines = ["| symbols | how many | frames, recorded | frames, predicted | recorded / predicted |",
             "|---|---|---|---|---|"]
    everything = {**{kind: [kind] for kind in pace.recorded}, "all but the last": [*pace.recorded.keys() - {LAST}],
                  "all": [*pace.recorded]}
    for name, kinds in everything.items():
        count = sum(len(pace.recorded[kind]) for kind in kinds)
        totals = [sum(sum(durations[kind]) for kind in kinds) for durations in pace]
        lines.append(f"| {name} | {count:,} | {totals[0] / count:.2f} | {totals[1] / count:.2f} | "
                     f"{totals[0] / max(1, totals[1]):.3f} |")
    return "\n".join(lines)


def run(options: argparse.Namespace) -> None:
    """Aligns, measures and prints. Raises UserError for data or weights that cannot be used."""
    teacher = newest_weights(ROOT / "tacotron2" / "pre_trained_model", options.teacher, "name it with --teacher")
    student = newest_weights(ROOT / "lightspeech" / "pre_trained_model", options.weights, "name it with --weights")
    add_recordings(options.data, options.work, teacher, DistillationConfig(features=False), options.device,
                   split_lines(options.data)[1])
    pace = measure(DistilledDataset.read(options.work, with_features=False), lightspeech.load(student))
    print_result(f"{table(pace)}\n\n--pace {fitting_factor(pace):.3f}")


def get_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="corpus in LJSpeech's layout, with heldout.csv")
    parser.add_argument("--work", type=Path, required=True, help="for the aligned recordings")
    parser.add_argument("--weights", type=Path, help="the student's; default: the newest that ship")
    parser.add_argument("--teacher", type=Path, help="its weights; default: the newest that ship")
    parser.add_argument("--device", default="auto", help="of the teacher: auto, cpu, cuda or cuda:N")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    return exit_status("measure_pace.py", lambda: run(get_arguments(argv)))


if __name__ == "__main__":
    sys.exit(main())
