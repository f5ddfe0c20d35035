"""Text to speech: LightSpeech makes the mel, WaveGlow the sound.

    python synthesize.py "It speaks." -o it.flac
    python synthesize.py --file lines.txt -o talk.wav     # a text a line: talk-001.wav, talk-002.wav, ...
    echo "It speaks." | python synthesize.py --file - -o - | aplay     # a pipe gets each part as soon as it is made

Long texts are split into sentences. "[pause 500ms]" or "[pause 1.5s]" in a text is a silence of that very length;
{R EH1 D} says how a word sounds. Other Python code uses the class Synthesizer, which does all the work.
"""
import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.console import one_line, open_closed_streams, print_notice, print_result, stdout_descriptor
from runtime.errors import UserError
from runtime.files import read_lines, write_text
from synthesis.synthesizer import SENTENCE_PAUSE, VOCODERS, Speech, Synthesizer

if TYPE_CHECKING:

    pass


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="synthesize.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("text", nargs="?", help="what to say")
    what.add_argument("--file", metavar="PATH", help="say each line of this text file, or of standard input for '-'; "
                      "several outputs are numbered: out-001.wav, out-002.wav, ...")
    parser.add_argument("-o", "--out", default="out.wav", metavar="PATH", help="a name ending in .wav, .flac or .ogg, "
                        "or '-' for a wav on standard output; default: out.wav, an older file of the name is replaced")
    parser.add_argument("--raw", action="store_true", help="with -o -: the samples alone, 16 bits, little-endian")
    parser.add_argument("--speed", type=float, default=1.0, help="0.25 to 4, times as fast; pauses keep their length")
    parser.add_argument("--pause", type=float, default=SENTENCE_PAUSE, metavar="SECONDS",
                        help=f"silence between sentences, default {SENTENCE_PAUSE}")
    parser.add_argument("--vocoder", choices=VOCODERS, default="waveglow", help="default: waveglow")
    parser.add_argument("--sigma", type=float, help="scale of WaveGlow's noise; default: that of its training, 0.6 "
                        "for a published file")
    parser.add_argument("--denoise", type=float, default=0.0, metavar="STRENGTH",
                        help="take away WaveGlow's constant noise, 0 (default) to 1; 0.01 to 0.1 is usual")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives slightly another sound")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--weights", metavar="PATH", help="the student's; default: the newest in "
                        "lightspeech/pre_trained_model/")
    parser.add_argument("--vocoder-weights", metavar="PATH", help="WaveGlow's; default: the newest in "
                        "waveglow/pre_trained_model/")
    parser.add_argument("--vocoder-generation", choices=("new", "mid", "old"), help="of a published WaveGlow file; "
                        "only 'old' (before November 2018) cannot be seen from the file")
    parser.add_argument("--timestamps", metavar="PATH.json", help="write the words with their start and end in seconds")
    parser.add_argument("--picture", metavar="PATH.png", help="write a picture of the mel")
    return parser


def _tell(line: str) -> None:
    print_notice(f"synthesize.py: {one_line(line)}")


def _write(speech: Speech, out: Path | None, timestamps: Path | None, picture: Path | None, raw: bool) -> None:
    from audio import write_stream, write_wav
    if out is not None:
        write_wav(out, speech.wave, speech.sample_rate)
    else:
        write_stream([speech.wave], stdout_descriptor(), speech.sample_rate, raw)
    seconds = len(speech.wave) / speech.sample_rate
    if timestamps is not None:
        words = [{"word": word.text, "start": round(word.start, 4), "end": round(word.end, 4)} for word in speech.words]
        write_text(timestamps, json.dumps({"seconds": round(seconds, 4), "words": words}, indent=1))
    if picture is not None:
        from audio.pictures import mel_picture
        mel_picture(picture, speech.mel, seconds)


def _checked(option: str, name: str | None, endings: Iterable[str]) -> Path | None:
    """The path of an output, before any work is done for it; UserError for a wrong ending or a folder not there."""
    if name is None or name == "-" and option == "-o":
        return None
    path = Path(name)
    if path.suffix.lower() not in endings:
        raise UserError(f"{option} {name}: expected a name that ends in {' or '.join(endings)}")
    if not path.parent.is_dir():
        raise UserError(f"{option} {name}: there is no folder {path.parent}; make it first")
    return path


def _numbered(path: Path | None, number: int, count: int) -> Path | None:
    """The name for one of `count` outputs: itself for the only one, else talk.wav -> talk-001.wav and so on."""
    return path.with_stem(f"{path.stem}-{number:03d}") if path and count > 1 else path


def _say(synthesizer: Synthesizer, text: str, options: argparse.Namespace, where: str,
         files: list[Path | None]) -> str:
    """Speaks one text into files (sound, timestamps, picture); returns what there is to tell of it."""
    from audio import write_stream
    start, first = time.perf_counter(), None
    settings = (options.speed, options.pause, options.seed, options.sigma, options.denoise)
    rate = synthesizer.audio.sample_rate
    if files == [None] * 3:
        speech = synthesizer.stream(text, *settings)
        count, first = write_stream(speech.chunks, stdout_descriptor(), rate, options.raw)
    else:
        speech = synthesizer.speak(text, *settings)
        count = len(speech.wave)
    spent = time.perf_counter() - start
    if speech.dropped:
        _tell(f"warning: {where}left out what cannot be said: {' '.join(map(repr, speech.dropped))}")
    if first is None:
        _write(speech, *files, options.raw)
    seconds = count / rate
    begun = f", its first sound after {first - start:.2f} s" if first else ""
    return (f"{files[0] or 'standard output'}: {seconds:.2f} s of speech made in {spent:.2f} s{begun} "
            f"(real-time factor {spent / seconds:.3f}, {synthesizer.hardware})")


def run(options: argparse.Namespace) -> None:
    """Does what the command line says. Raises UserError, and BrokenPipeError if nobody reads standard output."""
    from audio.files import FORMATS
    texts = [options.text] if options.file is None else [line for line in read_lines(options.file) if line]
    if options.out == "-" and len(texts) > 1:
        raise UserError(f"-o -: {len(texts)} texts cannot share standard output; name a file")
    if options.raw and options.out != "-":
        raise UserError(f"--raw: goes to standard output alone, found -o {options.out}; give -o -")
    out = _checked("-o", options.out, FORMATS)
    timestamps = _checked("--timestamps", options.timestamps, (".json",))
    picture = _checked("--picture", options.picture, (".png",))
    synthesizer = Synthesizer(options.weights, options.vocoder, options.vocoder_weights, options.device,
                              options.vocoder_generation)
    for line in synthesizer.preliminary:
        _tell(f"preliminary weights: {line}")
    for number, text in enumerate(texts, 1):
        where = f"text {number}: " if options.file is not None else ""
        files = [_numbered(path, number, len(texts)) for path in (out, timestamps, picture)]
        try:
            told = _say(synthesizer, text, options, where, files)
        except UserError as error:
            raise UserError(f"{where}{error}") from None
        (print_result if out else print_notice)(told)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, 2 after a user's mistake, as of a signal 130 (interrupted) and 141 (the
    reader of standard output went away)."""
    open_closed_streams()
    options = get_parser().parse_args(argv)
    # Read when PyTorch is imported. Threads that spin while they wait made this ten times slower on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        run(options)
    except UserError as error:
        _tell(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    return 0


if __name__ == "__main__":
    sys.exit(main())
