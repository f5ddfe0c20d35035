"""Reads texts made to be hard with the student that ships, and looks for whatever a listener would stumble over.

    python experiments/robustness.py --json results/robustness.json               # the student alone
    python experiments/robustness.py --waves out/hard                             # with waves, for a speech recogniser
    python experiments/robustness.py --learn distilled                            # learn what is normal

The student cannot repeat a word: it says the symbols in their order, each once. What could go wrong is a crash, a
length that runs away, and a symbol or word that is passed over or not audible. What is normal is learned from what the
teacher said, the extremes over all rows of a distilled dataset, widened by half, and kept in speech_ranges.json.
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
from experiments.machine import describe_machine
from runtime.errors import UserError
from runtime.files import write_text
from synthesize import SENTENCE_PAUSE, Synthesizer
from text import Line, read_metadata, symbols
from text.plan import make_plan

HERE = Path(__file__).resolve().parent
RANGES = HERE.parent / "results" / "speech_ranges.json"
WIDENED = 1.5
_SOUND = np.array([symbol.isalpha() or symbol[0] == "@" for symbol in symbols])
# What is measured of a piece of speech, and which extremes are a fault: 1 the high ones, -1 the low ones, 0 both.
MEASURES = {"frames a sound": 0, "frames a sound, slowest word": 1, "frames a sound, fastest word": -1,
            "longest sound": 1, "longest gap": 1, "quietest word": -1}


class Fault(NamedTuple):
    """Something that a listener would stumble over."""
    name: str  # of the text
    measure: str
    found: float | str
    allowed: str


def measure(ids: np.ndarray, durations: np.ndarray, mel: np.ndarray) -> dict[str, float]:
    """Returns the MEASURES of a piece of speech.

    ids: (N,) int; durations: (N,) int frames; mel: (M, T) float, natural log. Lengths are in mel frames; a sound is a
    letter or a phoneme, a gap any other symbol, a word a run of sounds; its loudness is the mean over the bands of the
    mel in its loudest frame, -inf without any frame. A piece needs at least one sound.
    """
    sound = _SOUND[ids]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], sound, [False]]).astype(np.int8)))
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


def learn(folder: Path) -> dict[str, Any]:
    """Returns the ranges of what the teacher said: {"rows": count, "ranges": {measure: [lowest, highest]}}.

    The extremes found, lengths and the amplitude of loudness widened by the factor WIDENED. Raises UserError for a
    folder that is no distilled dataset.
    """
    rows = DistilledDataset.read(folder, with_features=False)
    found = [measure(rows.ids.row(row).numpy(), rows.durations.row(row).numpy(), rows.mels.row(row).float().numpy().T)
             for row in range(len(rows)) if _SOUND[rows.ids.row(row).numpy()].any()]
    ranges = {}
    for name in MEASURES:
        values = [each[name] for each in found]
        low, high = min(values), max(values)
        widened = (low - np.log(WIDENED), high) if name == "quietest word" else (low / WIDENED, high * WIDENED)
        ranges[name] = [round(float(value), 2) for value in widened]
    return {"teacher": rows.manifest.teacher, "rows": len(found), "ranges": ranges}


def faults_of(name: str, ids: np.ndarray, durations: np.ndarray, mel: np.ndarray,
              ranges: dict[str, list[float]]) -> Iterator[Fault]:
    """Yields what is wrong with a piece of speech; arguments as `measure` takes them, ranges as `learn` gives them."""
    skipped = np.flatnonzero(_SOUND[ids] & (durations == 0))
    if len(skipped):
        yield Fault(name, "sounds without a frame", " ".join(symbols[number] for number in ids[skipped]), "none")
    if not np.isfinite(mel).all():
        yield Fault(name, "mel", "not finite", "finite")
        return
    for key, value in measure(ids, durations, mel).items():
        low, high = ranges[key]
        if MEASURES[key] <= 0 and value < low or MEASURES[key] >= 0 and value > high:
            yield Fault(name, key, round(value, 2), f"{low:g} to {high:g}")


def check(line: Line, synthesizer: Synthesizer, ranges: dict[str, list[float]]) -> tuple[list[Fault], int, int]:
    """Has a text read by the student. Returns its faults, and how many sounds and frames it has."""
    faults, sounds, frames = [], 0, 0
    for reading in make_plan(line.text, synthesizer.student.text, SENTENCE_PAUSE).readings:
        ids = torch.tensor([reading.ids], device=synthesizer.device)
        spoken = synthesizer.student.infer(ids, torch.tensor([ids.shape[1]], device=synthesizer.device))
        numbers = np.array(reading.ids)
        faults += faults_of(line.name, numbers, spoken.durations[0].numpy(), spoken.mel[0].cpu().numpy(), ranges)
        sounds, frames = sounds + int(_SOUND[numbers].sum()), frames + spoken.frames[0]
    return faults, sounds, frames


def check_all(lines: list[Line], synthesizer: Synthesizer, ranges: dict[str, list[float]],
              waves: Path | None) -> dict[str, Any]:
    """Returns the figures of all texts; writes waves/name.wav of each where a folder is given. A crash is a fault."""
    faults, sounds, frames = [], 0, 0
    for line in lines:
        try:
            found, more_sounds, more_frames = check(line, synthesizer, ranges)
            faults, sounds, frames = faults + found, sounds + more_sounds, frames + more_frames
            if waves:
                write_wav(waves / f"{line.name}.wav", synthesizer.speak(line.text).wave)
        except Exception as error:  # whatever it is, it is what this script looks for
            faults.append(Fault(line.name, "crash", f"{type(error).__name__}: {error}", "none"))
    return {"texts": len(lines), "texts with faults": len({fault.name for fault in faults}), "sounds": sounds,
            "seconds": round(frames * synthesizer.audio.hop_length / synthesizer.audio.sample_rate, 1),
            "waves": waves is not None, "faults": [fault._asdict() for fault in faults]}


def table(figures: dict[str, Any]) -> str:
    """The figures as text: a line that sums up, and a Markdown table of the faults if there are any."""
    lines = [f"{figures['texts']} texts, {figures['sounds']} letters and phonemes, {figures['seconds']} s of speech: "
             f"{figures['texts with faults']} texts with a fault"]
    if figures["faults"]:
        lines += ["", "| text | what | found | allowed |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(str(value) for value in fault.values()) + " |" for fault in figures["faults"]]
    return "\n".join(lines)


def get_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, default=HERE / "hard_texts.txt", help="lines name|text; default: "
                        "hard_texts.txt beside this script")
    parser.add_argument("--weights", type=Path, help="the student's; default: those that synthesize.py takes")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--waves", type=Path, metavar="FOLDER", help="say the texts as synthesize.py does, and keep "
                        "the waves")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    parser.add_argument("--learn", type=Path, metavar="FOLDER", help="of a distilled dataset: learn what is normal")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Does what the command line says. Raises UserError."""
    if options.learn:
        write_text(RANGES, json.dumps(learn(options.learn), indent=1) + "\n")
        return
    normal = json.loads(RANGES.read_text())
    synthesizer = Synthesizer(options.weights, "waveglow" if options.waves else "griffin-lim", device=options.device)
    if options.waves:
        options.waves.mkdir(parents=True, exist_ok=True)
    figures = check_all(read_metadata(options.texts), synthesizer, normal["ranges"], options.waves)
    print(table(figures))
    if options.json:
        everything = {**describe_machine(synthesizer.device), **normal, **figures}
        write_text(options.json, json.dumps(everything, indent=1, ensure_ascii=False) + "\n")


def main() -> int:
    """Entry point; returns the exit status, 2 after a user's mistake."""
    try:
        run(get_arguments())
    except UserError as error:
        print(f"robustness.py: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
