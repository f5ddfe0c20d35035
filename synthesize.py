"""Text to speech: LightSpeech makes the mel, WaveGlow the sound.

    python synthesize.py "It speaks." -o it.flac
    python synthesize.py --file lines.txt -o talk.wav     # a text a line: talk-001.wav, talk-002.wav, ...
    echo "It speaks." | python synthesize.py --file - -o - | aplay     # a pipe gets each part as soon as it is made

Long texts are split into sentences. "[pause 500ms]" or "[pause 1.5s]" in a text is a silence of that very length;
{R EH1 D} gives the pronunciation of a word, and --lexicon a file of such words. Other Python code uses the class
Synthesizer, which does all the work.
"""
import argparse
import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hparams import UserError
from runtime.console import one_line, open_closed_streams, print_notice, print_result, stdout_descriptor
from runtime.files import read_lines
from runtime.packages import require_package
from synthesis import CPU_CHARACTERS, SENTENCE_PAUSE, VOCODERS, Synthesizer
from synthesis.outputs import Outputs, write_speech

if TYPE_CHECKING:
    from text import Lexicon

MARKUP = ("auto", "plain", "markdown", "html")


def get_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
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
    parser.add_argument("--markup", choices=MARKUP, default="auto", help="what the text is written in; default: auto, "
                        "which leaves out what is clearly markup")
    parser.add_argument("--lexicon", metavar="PATH", help="a file of lines `word  ARPAbet`, as in `nguyen  W IH1 N`: "
                        "how you want these words said")
    parser.add_argument("--vocoder", choices=VOCODERS, default="waveglow", help="default: waveglow")
    parser.add_argument("--sigma", type=float, help="scale of WaveGlow's noise; default: that of its training, 0.6 "
                        "for a published file")
    parser.add_argument("--denoise", type=float, default=0.0, metavar="STRENGTH",
                        help="take away WaveGlow's constant noise, 0 (default) to 1; 0.01 to 0.1 is usual")
    parser.add_argument("--seed", type=int, default=0, help="of the vocoder's noise; a vocoder without a flow has none")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto (default): a GPU if there is "
                        f"one, but the CPU for up to {CPU_CHARACTERS:,} characters, which it has spoken before PyTorch "
                        "is loaded, and for -o -, where its sound begins at once")
    parser.add_argument("--voice", metavar="NAME", help="a folder made by train.py --model voice, or the name of one "
                        "in voices/; default: the voice of the two packages' weights")
    parser.add_argument("--weights", metavar="PATH", help="the student's; default: the newest in "
                        "lightspeech/pre_trained_model/")
    parser.add_argument("--vocoder-weights", metavar="PATH", help="WaveGlow's; default: the newest in "
                        "waveglow/pre_trained_model/")
    parser.add_argument("--vocoder-generation", choices=("new", "mid", "old"), help="of a published WaveGlow file; "
                        "only 'old' (before November 2018) cannot be seen from the file")
    parser.add_argument("--timestamps", metavar="PATH.json", help="write the words with their start and end in seconds")
    parser.add_argument("--picture", metavar="PATH.png", help="write a picture of the mel")
    return parser


def _notify(line: object) -> None:
    """Prints a line on standard error, after the script's name."""
    print_notice(f"synthesize.py: {one_line(line)}")


def _decode_argument(text: str) -> str:
    """Returns an argument decoded as UTF-8 if the locale (LC_ALL=C) made Python keep some bytes as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        with contextlib.suppress(UnicodeEncodeError):  # surrogates that stand for no byte
            return os.fsencode(text).decode("utf-8", "replace")
    return text


def _check_output(option: str, name: str | None, endings: Iterable[str]) -> Path | None:
    """Returns the path of an output before any work is done for it; None if there is none.

    Raises UserError for a wrong ending, a folder that does not exist, and a path that the system refuses.
    """
    if name is None or name == "-" and option == "-o":
        return None
    path = Path(name)
    if path.suffix.lower() not in endings:
        raise UserError(f"{option} {name}: expected a name that ends in {' or '.join(endings)}")
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            raise UserError(f"{option} {name}: a folder has this name; choose another")
    except FileNotFoundError:
        if not os.path.isdir(path.parent):
            raise UserError(f"{option} {name}: there is no folder {path.parent}; make it first") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{option} {name}: cannot be written ({reason}); choose another name") from None
    return path


def _speak(synthesizer: Synthesizer, text: str, lexicon: "Lexicon | None", options: argparse.Namespace, where: str,
           outputs: Outputs) -> str:
    """Speaks one text into its outputs. Returns a line that reports the result."""
    from audio import write_stream
    start, first = time.perf_counter(), None
    settings = (options.speed, options.pause, options.seed, options.sigma, options.denoise, lexicon, options.markup)
    rate = synthesizer.audio.sample_rate
    if outputs == (None, None, None):
        stream = synthesizer.stream(text, *settings)
        samples, first = write_stream(stream.chunks, stdout_descriptor(), rate, options.raw)
        spent, dropped = time.perf_counter() - start, stream.dropped
    else:
        speech = synthesizer.speak(text, *settings)
        samples, spent, dropped = len(speech.wave), time.perf_counter() - start, speech.dropped
        if outputs.sound is None:
            write_stream([speech.wave], stdout_descriptor(), rate, options.raw)
        write_speech(speech, outputs)
    if dropped:
        _notify(f"warning: {where}left out what cannot be said: {' '.join(map(repr, dropped))}")
    seconds = samples / rate
    delay = f", its first sound after {first - start:.2f} s" if first else ""
    return (f"{outputs.sound or 'standard output'}: {seconds:.2f} s of speech made in {spent:.2f} s{delay} "
            f"(real-time factor {spent / seconds:.3f}, {synthesizer.hardware})")


def run(options: argparse.Namespace) -> None:
    """Executes the command line. Raises UserError, and BrokenPipeError if nobody reads standard output any more."""
    from audio.files import FORMATS
    from text import read_lexicon
    texts = [_decode_argument(options.text)] if options.file is None else [line for line in read_lines(options.file)
                                                                           if line]
    if options.out == "-":
        if len(texts) > 1:
            raise UserError(f"-o -: {len(texts)} texts cannot share standard output; name a file")
        stdout_descriptor()  # refuses a closed one before any work is done
    elif options.raw:
        raise UserError(f"--raw: goes to standard output alone, found -o {options.out}; give -o -")
    outputs = Outputs(_check_output("-o", options.out, FORMATS),
                      _check_output("--timestamps", options.timestamps, (".json",)),
                      _check_output("--picture", options.picture, (".png",)))
    if outputs.picture:
        require_package("matplotlib", "--picture")
    lexicon = read_lexicon(options.lexicon) if options.lexicon is not None else None
    characters = 0 if options.out == "-" else sum(map(len, texts))  # a pipe wants its first sound soon
    synthesizer = Synthesizer(options.weights, options.vocoder, options.vocoder_weights, options.device,
                              options.vocoder_generation, options.voice, characters)
    for line in synthesizer.preliminary:
        _notify(f"preliminary weights: {line}")
    for number, text in enumerate(texts, 1):
        where = f"text {number}: " if options.file is not None else ""
        try:
            line = _speak(synthesizer, text, lexicon, options, where, outputs.numbered(number, len(texts)))
        except UserError as error:
            raise UserError(f"{where}{error}") from None
        (print_notice if outputs.sound is None else print_result)(line)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status: 0; 2 after a user's mistake; 130 if interrupted; 141 if the reader of a pipe is gone."""
    open_closed_streams()
    options = get_parser().parse_args(argv)
    # PyTorch reads this when it is imported. Threads that wait in a loop are ten times slower on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        run(options)
    except UserError as error:
        _notify(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    return 0


if __name__ == "__main__":
    sys.exit(main())
