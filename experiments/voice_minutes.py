"""How a voice falls with less speech: voices of 5, 10, 20, 40 and 80 minutes of one corpus, by train.py --model voice.

    python experiments/voice_minutes.py --data corpus --sentences sentences.txt --work runs/minutes
    python experiments/voice_minutes.py --data corpus --sentences few.txt --work runs/few -- --student-steps 3000

What follows "--" goes to each training. WORK/<minutes>/ becomes the voice, and WORK/<minutes>/heldout/ and sentences/
hold what it says of the corpus's held-out lines and of the lines name|text of --sentences, as wavs for any judge. A
smaller amount is a part of the larger ones: sentences in random order, each with all its takes. A stopped run goes on
by the same command. A judge's figures, {"total": {"mos": 4.1, "wer": 0.05}} in WORK/<minutes>/heldout.json and
sentences.json, make the table and the plot in OUT when the command is given once more.
"""
import argparse
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from audio import write_wav
from audio.corpus import check_all_readable, read_recordings
from experiments.command import exit_status
from hparams import AudioConfig, UserError
from runtime.console import print_notice, print_result
from runtime.files import make_folder, write_text
from synthesis import Synthesizer
from text import Line, read_metadata
from voice.recordings import metadata_line, sentence_of, split_by_sentence

ROOT = Path(__file__).resolve().parents[1]
MINUTES = (5, 10, 20, 40, 80)
LISTS = ("heldout", "sentences")


def write_subsets(data: Path, work: Path, amounts: list[int]) -> dict[int, float]:
    """Writes WORK/<minutes>-data for each amount: metadata.csv, heldout.csv, and a link to the recordings.

    Returns the minutes that each really has: the whole corpus if it has less. Raises UserError for a corpus that
    cannot be read.
    """
    training, held_out = split_by_sentence(data)
    rate = AudioConfig().sample_rate
    recordings = read_recordings(data, [line.name for line in training], rate)
    check_all_readable(recordings)
    takes: dict[str, list[int]] = {}
    for row, line in enumerate(training):
        takes.setdefault(sentence_of(line), []).append(row)
    order = sorted(takes)
    random.Random(0).shuffle(order)
    found = {}
    for amount in amounts:
        rows: list[int] = []
        samples = 0
        for sentence in order:
            if samples >= 60 * amount * rate:
                break
            rows += takes[sentence]
            samples += sum(len(recordings[row].wave) for row in takes[sentence])
        folder = make_folder(work / f"{amount}-data")
        for name, lines in (("heldout.csv", held_out), ("metadata.csv", [training[row] for row in sorted(rows)])):
            write_text(folder / name, "".join(metadata_line(line.name, line) for line in lines))
        if not (folder / "wavs").exists():
            os.symlink((data / "wavs").resolve(), folder / "wavs")
        found[amount] = samples / rate / 60
    return found


def make_voice(work: Path, amount: int, more: list[str]) -> bool:
    """Trains the voice of an amount in a process of its own. Returns False if a signal stopped it."""
    command = [sys.executable, str(ROOT / "train.py"), "--model", "voice", "--data", str(work / f"{amount}-data"),
               "--out", str(work / str(amount)), *more]
    status = subprocess.run(command).returncode
    if status not in (0, 1):
        raise UserError(f"{' '.join(command)}: ended with status {status}, see above")
    return status == 0


def speak(work: Path, amount: int, lists: dict[str, list[Line]]) -> None:
    """Lets a voice say the lines of each list; wavs that are there are not made again."""
    synthesizer = Synthesizer(voice=work / str(amount), device="cpu")
    for name, lines in lists.items():
        folder = make_folder(work / str(amount) / name)
        for line in lines:
            if not (folder / f"{line.name}.wav").exists():
                write_wav(folder / f"{line.name}.wav", synthesizer.speak(line.text).wave, AudioConfig().sample_rate)


def judged(work: Path, amount: int) -> dict[str, dict[str, float]]:
    """Returns the judge's figures of each list that has been judged. Raises UserError for a file without them."""
    figures = {}
    for name in LISTS:
        path = work / str(amount) / f"{name}.json"
        if path.exists():
            try:
                total = json.loads(path.read_text(encoding="utf-8"))["total"]
                figures[name] = {"mos": float(total["mos"]), "wer": float(total["wer"])}
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"{path}: {error!r}; expected {{\"total\": {{\"mos\": 4.1, \"wer\": 0.05}}}}") from None
    return figures


def table(minutes: dict[int, float], figures: dict[int, dict[str, dict[str, float]]]) -> str:
    """Returns the table in Markdown; a dash stands for what was not judged."""
    lines = ["| minutes | held-out: MOS | word error rate | sentences: MOS | word error rate |",
             "|---|---|---|---|---|"]
    for amount, found in minutes.items():
        cells = [text for name in LISTS for text in _cells(figures[amount].get(name))]
        lines.append(f"| {found:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cells(figures: dict[str, float] | None) -> tuple[str, str]:
    """Returns the cells of a list: MOS and word error rate."""
    return (f"{figures['mos']:.2f}", f"{figures['wer']:.1%}") if figures else ("–", "–")


def draw(path: Path, minutes: dict[int, float], figures: dict[int, dict[str, dict[str, float]]]) -> None:
    """Draws MOS and word error rate over the minutes."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator, PercentFormatter
    figure = Figure(figsize=(8, 3), layout="constrained")
    both: Any = figure.subplots(1, 2)
    for axes, key, label in zip(both, ("mos", "wer"), ("predicted MOS", "word error rate")):
        for name in LISTS:
            points: list[Any] = [(minutes[amount], found[name][key]) for amount, found in figures.items()
                                 if name in found]
            axes.plot(*zip(*points) if points else ([], []), marker="o", label=name)
        axes.set(xscale="log", xlabel="minutes of speech", ylabel=label)
        axes.set_xticks(list(minutes.values()), [f"{found:.0f}" for found in minutes.values()])
        axes.xaxis.set_minor_locator(NullLocator())  # its labels would overlap the others
        axes.legend()
    both[1].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    figure.savefig(path, dpi=100)


def run(options: argparse.Namespace) -> None:
    """Makes the voices, their speech, and the table of those that were judged. Raises UserError."""
    lists = {"heldout": split_by_sentence(options.data)[1], "sentences": read_metadata(options.sentences)}
    minutes = write_subsets(options.data, make_folder(options.work), options.minutes)
    for amount, found in minutes.items():
        print_notice(f"{found:.1f} minutes: {options.work / str(amount)}")
        if not make_voice(options.work, amount, options.more):
            return
        speak(options.work, amount, lists)
    figures = {amount: judged(options.work, amount) for amount in minutes}
    if any(figures.values()):
        make_folder(options.out)
        write_text(options.out / "minutes.md", table(minutes, figures))
        draw(options.out / "minutes.png", minutes, figures)
    print_result(table(minutes, figures))


def get_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="corpus in LJSpeech's layout")
    parser.add_argument("--sentences", type=Path, required=True, help="lines name|text, outside of the corpus")
    parser.add_argument("--work", type=Path, required=True, help="for the voices; large")
    parser.add_argument("--minutes", type=int, nargs="+", default=list(MINUTES), help="default: 5 10 20 40 80")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "voices", help="default: results/voices")
    parser.add_argument("more", nargs="*", metavar="-- OPTION", help="options of train.py --model voice")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    return exit_status("voice_minutes.py", lambda: run(get_arguments(argv)))


if __name__ == "__main__":
    sys.exit(main())
