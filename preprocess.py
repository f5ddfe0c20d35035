"""The teacher reads texts. Its mels and durations become the distilled dataset from which the student learns.

    python preprocess.py LJSpeech-1.1/metadata.csv -o distilled
    torchrun --nproc-per-node 4 preprocess.py a.txt b.csv -o distilled --samples 2
    python preprocess.py LJSpeech-1.1 -o student-mels --student lightspeech/pre_trained_model/mine.safetensors

Texts are files with a text a line, or with id|text (or LJSpeech's id|text|normalised text) a line; rows that a
heldout.csv beside them names are left out. A run that was stopped or killed continues when the same command is given
again: rows on disk are not made again. Failed readings are tried again with another seed, then listed in
OUT/rejected.csv; under looser limits they are tried again. OUT/pictures/ shows the worst alignments.

With --student the teacher listens to the recordings of a folder in place of reading, and the mels are the student's,
with the recordings' durations and, if it has a pitch input, their pitch: for train.py --model waveglow --mels.
"""
import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hparams import AudioConfig, DistillationConfig, ReadingLimits, UserError
from runtime.console import one_line, open_closed_streams, print_notice, print_result
from runtime.weights import newest_weights

if TYPE_CHECKING:
    from distillation.run import RunSettings, Summary

_HERE = Path(__file__).resolve().parent
_LIMITS = ReadingLimits()


def get_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(prog="preprocess.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path, nargs="*", default=[Path("LJSpeech-1.1/metadata.csv")], metavar="TEXTS",
                        help="files of texts, or folders with a metadata.csv; default: LJSpeech-1.1/metadata.csv")
    parser.add_argument("-o", "--out", type=Path, default=Path("distilled"),
                        help="the dataset's folder, default: distilled")
    parser.add_argument("--weights", type=Path, metavar="PATH", help="the teacher's; default: the newest in "
                        "tacotron2/pre_trained_model/")
    parser.add_argument("--student", type=Path, metavar="FILE", help="weights of a student whose mels of the "
                        "recordings are wanted; TEXTS is one folder in LJSpeech's layout, held-out rows too")
    parser.add_argument("--samples", type=int, default=1, metavar="K", help="readings of each text, default 1")
    parser.add_argument("--seed", type=int, default=0, help="of the teacher's random numbers, default 0")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--durations", choices=("monotonic", "argmax"), default="monotonic",
                        help="from the alignment: its best monotonic path (default), or the published count of peaks")
    parser.add_argument("--no-features", action="store_true",
                        help="leave out the teacher's encoder output: half the size")
    parser.add_argument("--batch-symbols", type=int, metavar="N", help="symbols read at once, padding included; "
                        "default 1600 on the CPU, 24000 on a GPU")
    group = parser.add_argument_group("limits of a reading: one that misses a limit is tried again, then rejected")
    group.add_argument("--retries", type=int, default=_LIMITS.retries, help="with other seeds, default %(default)s")
    group.add_argument("--max-steps", type=int, default=_LIMITS.max_steps,
                       help="mel frames in which it must stop by itself, default %(default)s")
    group.add_argument("--min-focus", type=float, default=_LIMITS.min_focus,
                       help="mean of the frames' largest attention, default %(default)s")
    group.add_argument("--min-coverage", type=float, default=_LIMITS.min_coverage,
                       help="share of symbols attended to, default %(default)s")
    group.add_argument("--max-jump", type=int, default=_LIMITS.max_jump,
                       help="symbols that attention may jump, default %(default)s")
    group.add_argument("--max-stay", type=int, default=_LIMITS.max_stay,
                       help="frames that attention may stay on a symbol, default %(default)s")
    return parser


def read_config(options: argparse.Namespace) -> DistillationConfig:
    """Returns the settings that decide the rows. Raises UserError for an option out of range."""
    try:
        limits = ReadingLimits(options.retries, options.max_steps, options.min_focus, options.min_coverage,
                               options.max_jump, options.max_stay)
        return DistillationConfig(options.samples, options.seed, not options.no_features, options.durations, limits)
    except ValueError as error:
        name, _, rest = str(error).partition(":")
        raise UserError(f"--{name.replace('_', '-')}:{rest}") from None


def read_settings(options: argparse.Namespace) -> "RunSettings":
    """Returns the settings of the run. Raises UserError for an option out of range, and if there are no weights."""
    config = read_config(options)
    if options.batch_symbols is not None and options.batch_symbols < 1:
        raise UserError(f"--batch-symbols: found {options.batch_symbols}, expected at least 1")
    from distillation.run import RunSettings
    weights = newest_weights(_HERE / "tacotron2" / "pre_trained_model", options.weights,
                             "name a teacher's file with --weights, or make one with train.py --model tacotron2")
    return RunSettings(options.texts, options.out, weights, config, options.student, options.device,
                       options.batch_symbols)


def report(folder: Path, summary: "Summary") -> None:
    """Prints the result of a run."""
    audio, rows = AudioConfig(), summary.kept + summary.rejected
    hours = summary.frames * audio.hop_length / audio.sample_rate / 3600
    print_result(f"{folder}: {summary.kept} rows kept ({hours:.2f} h), {summary.rejected} rejected "
                 f"({summary.rejected / max(rows, 1):.1%}); this run {summary.new_rows} rows, "
                 f"{summary.new_rows / summary.seconds:.2f} a second")


def _warn(line: str) -> None:
    """Prints a line on standard error, after the script's name."""
    print_notice(f"preprocess.py: {one_line(line)}")


def run(options: argparse.Namespace) -> int:
    """Distils and reports. Returns the exit status, 1 if it was stopped. Raises UserError."""
    settings = read_settings(options)
    from distillation.run import distil
    summary = distil(settings, _warn)
    if summary.is_main:
        report(options.out, summary)
        if not summary.finished:
            _warn("stopped before the last row; give the same command again to go on")
    return 0 if summary.finished else 1


def main(argv: list[str] | None = None) -> int:
    """Runs the command line. Returns the exit status: 0, 1 if stopped before the last row, 2 for a user's mistake."""
    open_closed_streams()
    options = get_parser().parse_args(argv)
    try:
        return run(options)
    except UserError as error:
        _warn(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
