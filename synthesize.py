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
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hparams import AudioConfig, UserError
from training.inference import by_length, newest_weights, read_lines, report, row_seed, weights_notes, write_text
from training.sounds import TAIL_FRAMES, Sounds

if TYPE_CHECKING:
    import torch

    from text import Reading
    from text.plan import Plan
    from waveglow import WaveGlow

SENTENCE_PAUSE = 0.3  # seconds
SYMBOLS_AT_ONCE = {"cpu": 1000, "cuda": 8000}  # padded, in a batch of the student
PIECES_AT_ONCE = {"cpu": 1, "cuda": 16}  # of a stream, after the first
VOCODERS = ("waveglow", "griffin-lim")
_HERE = Path(__file__).resolve().parent


class SpokenWord(NamedTuple):
    """A word as it stood in the text, and where it is in the wave."""
    text: str
    start: float  # seconds
    end: float  # seconds


class Speech(NamedTuple):
    """What Synthesizer.speak returns."""
    wave: np.ndarray  # (S,) float32 in [-1, 1]
    sample_rate: int  # Hz
    words: list[SpokenWord]
    mel: np.ndarray  # (M, T) float32, natural log; silences included, T = S / hop rounded up
    dropped: str  # characters of the text that could not be said, each once


class Stream(NamedTuple):
    """What Synthesizer.stream returns."""
    chunks: Iterator[np.ndarray]  # each (S,) float32 in [-1, 1], made when it is asked for
    dropped: str  # as in Speech


class _Voice(NamedTuple):
    """What the student made of one piece."""
    mel: "torch.Tensor"  # (M, T) float32, on the speaker's device
    on_host: "torch.Tensor"  # the same on the host, where it is once the device has been waited for
    durations: np.ndarray  # (N,) int64 frames, summing to T


class Synthesizer:
    """Speaks with the weights given, or with the newest that lie in the packages' pre_trained_model/ folders.

    weights: the student's file; vocoder: "waveglow", or "griffin-lim", which needs no weights and sounds worse;
    vocoder_weights: WaveGlow's file; device: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N"; generation:
    "old" for a WaveGlow published before November 2018, which its file does not tell.
    Raises UserError for weights that are missing or of another kind, and for a GPU that is not there.
    """

    def __init__(self, weights: str | Path | None = None, vocoder: str = "waveglow",
                 vocoder_weights: str | Path | None = None, device: str = "auto",
                 generation: str | None = None) -> None:
        import lightspeech
        from training.distributed import pick_device
        from training.graphs import Replay
        if vocoder not in VOCODERS:
            raise UserError(f"vocoder: found {vocoder!r}, expected one of {', '.join(VOCODERS)}")
        self.audio = AudioConfig()
        self.device = pick_device(device)
        self.hardware = _hardware(self.device)  # in words
        path = newest_weights(_HERE / "lightspeech" / "pre_trained_model", weights,
                              "name a student's file with --weights, or make one with train.py and its --export")
        self.student = lightspeech.load(path).to(self.device)
        self.fast = lightspeech.fastest(self.student, Replay)
        self.preliminary = _preliminary(path)  # lines that tell what the weights lack
        own = self._load_vocoder(vocoder_weights, generation) if vocoder == "waveglow" else None
        self.sounds = Sounds(own, self.audio, self.device)

    def _load_vocoder(self, weights: str | Path | None, generation: str | None) -> "WaveGlow":
        import waveglow
        path = newest_weights(_HERE / "waveglow" / "pre_trained_model", weights,
                              "name WaveGlow's file with --vocoder-weights, or do without: --vocoder griffin-lim")
        self.preliminary += _preliminary(path)
        return waveglow.load(path, generation).to(self.device)

    def speak(self, text: str, speed: float = 1.0, pause: float = SENTENCE_PAUSE, seed: int = 0,
              sigma: float | None = None, denoise: float = 0.0) -> Speech:
        """Says a text of any length; the same arguments on the same device give the same wave.

        speed: 0.25 to 4, times as fast; the silences of punctuation, `pause` and pause marks keep their length.
        pause: seconds between sentences. sigma: scale of WaveGlow's noise, None for what it was trained with; denoise:
        how much of WaveGlow's constant noise is taken away, 0 none, 0.1 much. Raises UserError for values out of range
        and a text that leaves nothing to say.
        """
        plan = self._plan(text, speed, pause, sigma, denoise)
        voices = self._voices(plan.readings, speed)
        starts, length = self._layout(voices, plan.silences)
        seeds = [row_seed(seed, row) for row in range(len(voices))]
        sounds = self.sounds.whole([voice.mel for voice in voices], seeds, sigma, denoise)
        words, wave = self._words(plan, voices, starts), np.zeros(length, np.float32)
        for row, sound in sounds:
            np.clip(sound, -1.0, 1.0, out=wave[starts[row]:starts[row] + len(sound)])
        return Speech(wave, self.audio.sample_rate, words, self._mel(voices, starts, length), plan.dropped)

    def stream(self, text: str, speed: float = 1.0, pause: float = SENTENCE_PAUSE, seed: int = 0,
               sigma: float | None = None, denoise: float = 0.0) -> Stream:
        """As `speak`, which says what goes in; the wave comes in chunks, the first of them a fraction of a second.

        Together they are the wave of `speak`, to rounding. Raises UserError at once for what `speak` refuses.
        """
        plan = self._plan(text, speed, pause, sigma, denoise)
        return Stream(self._chunks(plan, speed, seed, sigma, denoise), plan.dropped)

    def _chunks(self, plan: "Plan", speed: float, seed: int, sigma: float | None,
                denoise: float) -> Iterator[np.ndarray]:
        """The silences and the pieces in order: the first piece in parts, the later ones whole."""
        yield self._silence(plan.silences[0])
        voice, = self._voices(plan.readings[:1], speed)
        for part in self.sounds.parts(voice.mel, row_seed(seed, 0), sigma, denoise):
            yield np.clip(part, -1.0, 1.0)
        for first in range(1, len(plan.readings), PIECES_AT_ONCE[self.device.type]):
            voices = self._voices(plan.readings[first:first + PIECES_AT_ONCE[self.device.type]], speed)
            seeds = [row_seed(seed, row) for row in range(first, first + len(voices))]
            sounds = dict(self.sounds.whole([voice.mel for voice in voices], seeds, sigma, denoise))
            for number in range(len(voices)):
                yield np.concatenate((self._silence(plan.silences[first + number]), np.clip(sounds[number], -1.0, 1.0)))
        yield self._silence(plan.silences[-1])

    def _silence(self, seconds: float) -> np.ndarray:
        return np.zeros(round(seconds * self.audio.sample_rate), np.float32)

    def _plan(self, text: str, speed: float, pause: float, sigma: float | None, denoise: float) -> "Plan":
        from text.plan import LONGEST_PAUSE, make_plan
        for name, value, low, high in (("speed", speed, 0.25, 4.0), ("pause", pause, 0.0, LONGEST_PAUSE),
                                       ("sigma", sigma or 0.0, 0.0, 2.0), ("denoise", denoise, 0.0, 1.0)):
            if not low <= value <= high:
                raise UserError(f"{name}: found {value:g}, expected {low:g} to {high:g}")
        return make_plan(text, self.student.text, pause)

    def _voices(self, readings: list["Reading"], speed: float) -> list[_Voice]:
        """The student's mels and durations, in the order of the readings."""
        import torch
        from torch.nn.utils.rnn import pad_sequence
        voices: dict[int, _Voice] = {}
        for rows in by_length([len(reading.ids) for reading in readings], SYMBOLS_AT_ONCE[self.device.type]):
            chosen = [readings[row] for row in rows]
            ids = pad_sequence([torch.tensor(reading.ids) for reading in chosen], batch_first=True)
            pauses = pad_sequence([torch.tensor(reading.pauses) for reading in chosen], batch_first=True)
            lengths = torch.tensor([len(reading.ids) for reading in chosen])
            ids, pauses, lengths = (tensor.to(self.device, non_blocking=True) for tensor in (ids, pauses, lengths))
            result = self.fast.infer(ids, lengths, speed, pauses)
            on_host = result.mel.to("cpu", non_blocking=True)
            for place, row in enumerate(rows):
                mel, same = (mels[place, :, :result.frames[place]] for mels in (result.mel, on_host))
                voices[row] = _Voice(mel, same, result.durations[place, :len(readings[row].ids)].numpy())
        return [voices[row] for row in range(len(readings))]

    def _layout(self, voices: list[_Voice], silences: list[float]) -> tuple[list[int], int]:
        """Where each piece starts in the wave, in samples, and how long the wave is."""
        starts, end = [], 0
        for voice, silence in zip(voices, silences):
            starts.append(end + round(silence * self.audio.sample_rate))
            end = starts[-1] + (voice.mel.shape[1] + TAIL_FRAMES) * self.audio.hop_length
        return starts, end + round(silences[-1] * self.audio.sample_rate)

    def _words(self, plan: "Plan", voices: list[_Voice], starts: list[int]) -> list[SpokenWord]:
        words = []
        for reading, voice, start in zip(plan.readings, voices, starts):
            edges = np.concatenate([[0], np.cumsum(voice.durations)]) * self.audio.hop_length + start
            seconds = (edges / self.audio.sample_rate).tolist()
            words += [SpokenWord(word.text, seconds[word.start], seconds[word.stop]) for word in reading.words]
        return words

    def _mel(self, voices: list[_Voice], starts: list[int], length: int) -> np.ndarray:
        """The pieces' mels at their places in the wave, to the nearest frame, and silence between them."""
        hop = self.audio.hop_length
        mel = np.full((self.audio.n_mels, -(-length // hop)), np.log(self.audio.log_floor), np.float32)
        for voice, start in zip(voices, starts):
            first = round(start / hop)
            mel[:, first:first + voice.mel.shape[1]] = voice.on_host.numpy()
        return mel


def _hardware(device: "torch.device") -> str:
    import torch
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def _preliminary(path: Path) -> list[str]:
    """What the notes of a weights file say of its being preliminary, as a list of no or one line."""
    note = weights_notes(path).get("preliminary")
    return [f"{path.name}: {note}"] if note else []


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
    print(f"synthesize.py: {line}", file=sys.stderr, flush=True)


def _write(speech: Speech, out: Path | None, timestamps: Path | None, picture: Path | None, raw: bool) -> None:
    from audio import write_stream, write_wav
    if out is not None:
        write_wav(out, speech.wave, speech.sample_rate)
    else:
        write_stream([speech.wave], sys.stdout.fileno(), speech.sample_rate, raw)
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
        count, first = write_stream(speech.chunks, sys.stdout.fileno(), rate, options.raw)
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
        report(told, sys.stdout if out else sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, 2 after a user's mistake, as of a signal 130 (interrupted) and 141 (the
    reader of standard output went away)."""
    options = get_parser().parse_args(argv)
    # Read when PyTorch is imported. Threads that spin while they wait made this ten times slower on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        run(options)
    except UserError as error:
        _tell("error: " + " ".join(str(error).split()))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    return 0


if __name__ == "__main__":
    sys.exit(main())
