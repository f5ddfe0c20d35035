"""Lets the student that ships read hard texts, and lists crashes, skipped or inaudible words, and unusual lengths.

    python experiments/robustness.py --json results/robustness.json               # the student alone
    python experiments/robustness.py --waves out/hard                             # with waves, for a speech recogniser
    python experiments/robustness.py --learn distilled                            # measure the normal ranges

The student cannot repeat a word: it speaks each symbol once, in order. What could go wrong is a crash, a length out of
all proportion, and a symbol or word that is skipped or not audible. The normal ranges, in results/speech_ranges.json,
are the smallest and largest values over the teacher's speech in a distilled dataset, widened by half.
"""
import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from audio import write_wav
from distillation.dataset import DistilledDataset
from experiments.command import exit_status
from experiments.machine import describe_machine
from runtime.files import write_text
from synthesize import SENTENCE_PAUSE, Synthesizer
from text import Line, read_metadata, symbols
from text.plan import make_plan

HERE = Path(__file__).resolve().parent
RANGES = HERE.parent / "results" / "speech_ranges.json"
WIDENING = 1.5  # factor
_IS_SOUND = np.array([symbol.isalpha() or symbol[0] == "@" for symbol in symbols])  # letters and phonemes
# What is measured of a sentence, and which values are a fault: 1 too high, -1 too low, 0 both.
MEASURES = {"frames a sound": 0, "frames a sound, slowest word": 1, "frames a sound, fastest word": -1,
            "longest sound": 1, "longest gap": 1, "quietest word": -1}


class Fault(NamedTuple):
    """Something in the speech that is wrong or out of its normal range."""
    name: str  # of the text
    measure: str
    found: float | str
    allowed: str


def measure(ids: np.ndarray, durations: np.ndarray, mel: np.ndarray) -> dict[str, float]:
    """Returns the MEASURES of a spoken sentence, which needs at least one sound.

    ids: (N,) int; durations: (N,) int frames; mel: (M, T) float, natural log. Lengths are in mel frames. A sound is a
    letter or a phoneme, a gap any other symbol, a word a sequence of sounds. The loudness of a word is the mean over
    the bands of the mel in its loudest frame, -inf for a word without frames.
    """
    sound = _IS_SOUND[ids]
    edges = np.flatnonzero(np.diff(sound.astype(np.int8), prepend=0, append=0))
    ends = np.concatenate([[0], np.cumsum(durations)])
    loudness = mel.mean(0)
    lengths, levels = [], []
    for start, stop in edges.reshape(-1, 2):
        frames = loudness[ends[start]:ends[stop]]
        lengths.append(len(frames) / (stop - start))
        levels.append(float(frames.max()) if len(frames) else -np.inf)
    values = (durations[sound].sum() / sound.sum(), max(lengths), min(lengths), durations[sound].max(),
              durations[~sound].max(initial=0), min(levels))
    return {name: float(value) for name, value in zip(MEASURES, values)}


def normal_ranges(folder: Path) -> dict[str, Any]:
    """Returns the ranges of a distilled dataset: {"teacher": ..., "rows": count, "ranges": {measure: [low, high]}}.

    Low and high are the extremes over all rows, widened by the factor WIDENING: lengths by division and
    multiplication, the lowest loudness by subtraction of its logarithm. Raises UserError for a folder that is no
    distilled dataset.
    """
    rows = DistilledDataset.read(folder, with_features=False)
    measured = []
    for row in range(len(rows)):
        ids, durations = rows.ids.row(row).numpy(), rows.durations.row(row).numpy()
        if _IS_SOUND[ids].any():
            measured.append(measure(ids, durations, rows.mels.row(row).float().numpy().T))
    ranges = {}
    for name in MEASURES:
        values = [figures[name] for figures in measured]
        low, high = min(values), max(values)
        widened = (low - np.log(WIDENING), high) if name == "quietest word" else (low / WIDENING, high * WIDENING)
        ranges[name] = [round(float(value), 2) for value in widened]
    return {"teacher": rows.manifest.teacher, "rows": len(measured), "ranges": ranges}


def find_faults(name: str, ids: np.ndarray, durations: np.ndarray, mel: np.ndarray,
                ranges: dict[str, list[float]]) -> Iterator[Fault]:
    """Yields the faults of a spoken sentence.

    ids, durations and mel as for `measure`; ranges: (low, high) by measure, as `normal_ranges` returns them.
    """
    skipped = ids[_IS_SOUND[ids] & (durations == 0)]
    if len(skipped):
        yield Fault(name, "sounds without a frame", " ".join(symbols[index] for index in skipped), "none")
    if not np.isfinite(mel).all():
        yield Fault(name, "mel", "not finite", "finite")
        return
    for key, value in measure(ids, durations, mel).items():
        low, high = ranges[key]
        if MEASURES[key] <= 0 and value < low or MEASURES[key] >= 0 and value > high:
            yield Fault(name, key, round(value, 2), f"{low:g} to {high:g}")


def check_text(line: Line, synthesizer: Synthesizer, ranges: dict[str, list[float]]) -> tuple[list[Fault], int, int]:
    """Lets the student speak a text. Returns the faults, the number of sounds and the number of frames."""
    faults, sounds, frames = [], 0, 0
    settings = synthesizer.mel_predictor.text
    assert settings is not None  # weights from a file have their text settings
    for reading in make_plan(line.text, settings, SENTENCE_PAUSE).readings:
        spoken, = synthesizer.mel_predictor.predict([reading], 1.0)
        numbers, mel = np.array(reading.ids), synthesizer.mel_predictor.to_host([spoken.mel])[0]
        faults += find_faults(line.name, numbers, spoken.durations, mel, ranges)
        sounds, frames = sounds + int(_IS_SOUND[numbers].sum()), frames + mel.shape[1]
    return faults, sounds, frames


def check_all(lines: list[Line], synthesizer: Synthesizer, ranges: dict[str, list[float]],
              waves: Path | None) -> dict[str, Any]:
    """Returns the figures of all texts; an exception counts as a fault.

    waves: folder for the wave of each text, or None.
    """
    faults, sounds, frames = [], 0, 0
    for line in lines:
        try:
            new_faults, more_sounds, more_frames = check_text(line, synthesizer, ranges)
            faults, sounds, frames = faults + new_faults, sounds + more_sounds, frames + more_frames
            if waves:
                write_wav(waves / f"{line.name}.wav", synthesizer.speak(line.text).wave)
        except Exception as error:  # whatever it is, it is a fault
            faults.append(Fault(line.name, "crash", f"{type(error).__name__}: {error}", "none"))
    return {"texts": len(lines), "texts with faults": len({fault.name for fault in faults}), "sounds": sounds,
            "seconds": round(frames * synthesizer.audio.hop_length / synthesizer.audio.sample_rate, 1),
            "waves": waves is not None, "faults": [fault._asdict() for fault in faults]}


def table(figures: dict[str, Any]) -> str:
    """Returns the figures as text: a summary in one line, and a table of the faults in Markdown, if there are any."""
    lines = [f"{figures['texts']} texts, {figures['sounds']} letters and phonemes, {figures['seconds']} s of speech: "
             f"{figures['texts with faults']} texts with a fault"]
    if figures["faults"]:
        lines += ["", "| text | what | found | allowed |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(str(value) for value in fault.values()) + " |" for fault in figures["faults"]]
    return "\n".join(lines)


def get_arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, default=HERE / "hard_texts.txt", help="lines name|text; default: "
                        "hard_texts.txt beside this script")
    parser.add_argument("--weights", type=Path, help="the student's; default: those that synthesize.py takes")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--waves", type=Path, metavar="FOLDER", help="write the waves that synthesize.py makes of "
                        "the texts")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures to this file too")
    parser.add_argument("--learn", type=Path, metavar="FOLDER", help="measure the normal ranges of a distilled dataset")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Runs what the command line asks for. Raises UserError for a user's mistake."""
    if options.learn:
        write_text(RANGES, json.dumps(normal_ranges(options.learn), indent=1) + "\n")
        return
    ranges = json.loads(RANGES.read_text())
    synthesizer = Synthesizer(options.weights, "waveglow" if options.waves else "griffin-lim", device=options.device)
    if options.waves:
        options.waves.mkdir(parents=True, exist_ok=True)
    figures = check_all(read_metadata(options.texts), synthesizer, ranges["ranges"], options.waves)
    print(table(figures))
    if options.json:
        everything = {**describe_machine(torch.device(synthesizer.device)), **ranges, **figures}
        write_text(options.json, json.dumps(everything, indent=1, ensure_ascii=False) + "\n")


def main() -> int:
    """Entry point; returns the exit status."""
    return exit_status("robustness.py", lambda: run(get_arguments()))


if __name__ == "__main__":
    sys.exit(main())
