"""Text to speech: a text becomes a plan, the student makes mels of it, and a vocoder makes the wave."""
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hparams import AudioConfig, TextConfig, UserError
from runtime.batching import row_seed
from runtime.devices import describe_device, find_device
from runtime.weights import newest_weights
from synthesis.loading import load_griffin_lim, load_student, load_vocoder
from synthesis.speech import SENTENCE_PAUSE, Speech, SpeechSettings, Stream
from synthesis.timeline import join_mels, join_waves, lay_out, time_words
from synthesis.vocoder_runner import VocoderRunner
from synthesis.voices import find_voice

if TYPE_CHECKING:
    from text import Lexicon
    from text.plan import Piece
# One core of a CPU, 100 times as fast as real time, has spoken so many before PyTorch is imported and a GPU is ready.
CPU_CHARACTERS = 5000
GPU_PIECES_PER_CHUNK = 16  # of a stream, after its first piece; one on a CPU
VOCODERS = ("waveglow", "griffin-lim")
_ROOT = Path(__file__).resolve().parents[1]


class Synthesizer:
    """Speaks with the given voice or weights, or with the newest in the packages' pre_trained_model/ folders.

    voice: a folder with the weights of student and vocoder, or a name in voices/. weights: the student's file.
    vocoder: "waveglow", or "griffin-lim", which needs no weights and sounds worse.
    vocoder_weights: WaveGlow's file. device: "cpu", "cuda", "cuda:N", or "auto": a GPU if there is one and none of the
    files is an .onnx file, which is for the CPU alone. characters: how long the text will
    be, None if unknown; for at most CPU_CHARACTERS "auto" takes the CPU if there are .onnx files beside the weights.
    generation: "old" for a WaveGlow that was published before November 2018; the file does not say so.
    Raises UserError for weights that are missing or of another kind, and for a GPU that does not exist.
    """

    def __init__(self, weights: str | Path | None = None, vocoder: str = "waveglow",
                 vocoder_weights: str | Path | None = None, device: str = "auto",
                 generation: str | None = None, voice: str | Path | None = None, characters: int | None = None) -> None:
        if vocoder not in VOCODERS:
            raise UserError(f"vocoder: found {vocoder!r}, expected one of {', '.join(VOCODERS)}")
        if voice is not None:
            if weights is not None or vocoder_weights is not None:
                raise UserError(f"voice {voice}: has weights of its own, found other weights too; leave one out")
            weights, vocoder_weights = find_voice(voice)
        self.audio = AudioConfig()
        paths = [newest_weights(_ROOT / "lightspeech" / "pre_trained_model", weights,
                                "name a student's file with --weights, or make one with train.py and its --export")]
        if vocoder == "waveglow":
            paths.append(newest_weights(
                _ROOT / "waveglow" / "pre_trained_model", vocoder_weights,
                "name WaveGlow's file with --vocoder-weights, or do without: --vocoder griffin-lim"))
        few = characters is not None and characters <= CPU_CHARACTERS and vocoder == "waveglow" and generation is None
        for_cpu = any(path.suffix == ".onnx" for path in paths) or few and _have_onnx_forms(paths)
        self.device = find_device("cpu" if device == "auto" and for_cpu else device)  # "cpu" or "cuda:N"
        self.on_gpu = self.device != "cpu"
        self.hardware = describe_device(self.device)  # such as "CPU, 2 threads"
        self.mel_predictor, notes = load_student(paths[0], self.audio, self.device)
        self.preliminary = _preliminary_notes(paths[0], notes)  # a line for each file whose weights are preliminary
        if vocoder == "griffin-lim":
            self.vocoder = VocoderRunner(load_griffin_lim(self.audio), self.audio)
            return
        network, notes = load_vocoder(paths[1], self.audio, self.device, generation)
        self.preliminary += _preliminary_notes(paths[1], notes)
        self.vocoder = VocoderRunner(network, self.audio)

    def speak(self, text: str, speed: float = 1.0, pause: float = SENTENCE_PAUSE, seed: int = 0,
              sigma: float | None = None, denoise: float = 0.0, lexicon: "Lexicon | None" = None,
              markup: str = "auto") -> Speech:
        """Returns the speech of a text of any length. The same arguments on the same device give the same wave.

        speed: 0.25 to 4, times as fast; punctuation, `pause` and pause marks keep their length. pause: seconds between
        sentences. sigma: scale of the vocoder's noise, None for the one in its config. denoise: share of the vocoder's
        constant noise that is subtracted, 0 to 1; 0.1 is strong. lexicon: pronunciations that decide before all rules,
        read from a file by text.read_lexicon. markup: what the text is written in: "plain", "markdown", "html", or
        "auto". Raises UserError for values out of range, and for a text in which nothing can be said.
        """
        from text.plan import make_plan
        settings = SpeechSettings(speed, pause, seed, sigma, denoise)
        plan = make_plan(text, self._text_settings(), pause, lexicon, markup)
        pieces = self.mel_predictor.predict(plan.readings, speed)
        timeline = lay_out(pieces, plan.silences, self.audio)
        mels = [piece.mel for piece in pieces]
        # Starts the first batch. On a GPU it runs while the times of the words are found here.
        waves = self.vocoder.synthesize(mels, _seeds(settings, 0, len(pieces)), sigma, denoise)
        words = time_words(plan.readings, pieces, timeline, self.audio)
        return Speech(join_waves(waves, timeline), self.audio.sample_rate, words, plan.dropped,
                      lambda: join_mels(self.mel_predictor.to_host(mels), timeline, self.audio))

    def stream(self, text: str, speed: float = 1.0, pause: float = SENTENCE_PAUSE, seed: int = 0,
               sigma: float | None = None, denoise: float = 0.0, lexicon: "Lexicon | None" = None,
               markup: str = "auto") -> Stream:
        """Returns the same wave as `speak`, up to rounding, in chunks that are computed when they are requested.

        See `speak` for the arguments. The first chunk takes a fraction of a second. Raises UserError at once for
        whatever `speak` refuses.
        """
        from text.plan import read_pieces
        settings, dropped = SpeechSettings(speed, pause, seed, sigma, denoise), []
        pieces = read_pieces(text, self._text_settings(), pause, dropped, lexicon, markup)
        return Stream(self._chunks(next(pieces), pieces, settings), dropped)

    def _text_settings(self) -> TextConfig:
        """Returns how texts become ids for this student."""
        assert self.mel_predictor.text is not None  # weights from a file have their text settings
        return self.mel_predictor.text

    def _chunks(self, first: "Piece", pieces: Iterator["Piece"], settings: SpeechSettings) -> Iterator[np.ndarray]:
        """Yields the silences and the pieces in order: the first piece in parts, each later one whole."""
        yield self._silence(first.silence)
        mel, = self._predict([first], settings.speed)
        seed, = _seeds(settings, 0, 1)
        yield from self.vocoder.stream(mel, seed, settings.sigma, settings.denoise)
        count, done = GPU_PIECES_PER_CHUNK if self.on_gpu else 1, 1
        while batch := list(itertools.islice(pieces, count)):
            mels = self._predict(batch, settings.speed)
            waves = dict(self.vocoder.synthesize(mels, _seeds(settings, done, len(mels)), settings.sigma,
                                                 settings.denoise))
            for row, piece in enumerate(batch):  # the last one is a silence alone
                wave = waves[row] if piece.reading else np.zeros(0, np.float32)
                yield np.concatenate((self._silence(piece.silence), wave))
            done += len(mels)

    def _predict(self, pieces: Sequence["Piece"], speed: float) -> list[Any]:
        """Returns the mel (M, T) of each piece that has a reading."""
        predicted = self.mel_predictor.predict([piece.reading for piece in pieces if piece.reading], speed)
        return [piece.mel for piece in predicted]

    def _silence(self, seconds: float) -> np.ndarray:
        """Returns zeros (S,) of this length in seconds."""
        return np.zeros(round(seconds * self.audio.sample_rate), np.float32)


def _seeds(settings: SpeechSettings, first: int, count: int) -> list[int]:
    """Returns a seed of the noise for each of `count` pieces, the first of which has this number in the text."""
    return [row_seed(settings.seed, row) for row in range(first, first + count)]


def _have_onnx_forms(paths: Sequence[Path]) -> bool:
    """Returns whether there is an ONNX form of each weights file."""
    return all(path.with_suffix(".onnx").is_file() for path in paths)


def _preliminary_notes(path: Path, notes: dict[str, Any]) -> list[str]:
    """Returns one line if the notes of a weights file call its weights preliminary, else none."""
    return [f"{path.name}: {notes['preliminary']}"] if notes.get("preliminary") else []
