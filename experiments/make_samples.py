"""Makes the waves and mels behind the tables of quality: each line spoken by one of our networks.

    python experiments/make_samples.py sentences.txt out/student                                  # student, our vocoder
    python experiments/make_samples.py sentences.txt out/teacher --model tacotron2                # teacher, our vocoder
    python experiments/make_samples.py sentences.txt out/letters --model tacotron2 --letters      # no word as phonemes
    python experiments/make_samples.py corpus/heldout.csv out/copy --recordings corpus            # vocoder alone

Lines are name|text. Writes OUT/name.wav and OUT/name.npy, the mel (80, T) float32 for any other vocoder, with the
weights that ship, in float32 on the CPU. The random seed is the line number, counted from 0. For the teacher it also
draws OUT/name.png, its alignment with the durations that preprocess.py takes from it.
"""
import argparse
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

import lightspeech
import tacotron2
import waveglow
from audio import mel_spectrogram, read_wav, write_wav
from audio.pictures import alignment_picture
from hparams import TextConfig
from runtime.weights import newest_weights
from synthesis.limiter import limit
from text import Line, read, read_metadata, symbols

ROOT = Path(__file__).resolve().parents[1]


def default_weights(model: str) -> Path:
    """Returns the weights file that the scripts take by default for "lightspeech", "tacotron2" or "waveglow"."""
    return newest_weights(ROOT / model / "pre_trained_model", None, "train and export them first")


def text_ids(text: str, config: TextConfig | None, letters: bool) -> Tensor:
    """Returns the symbol ids (1, N) int64 of a text; letters: give no word as phonemes."""
    assert config is not None  # weights from a file have their text settings
    config = dataclasses.replace(config, phonemes=config.phonemes and not letters)
    return torch.tensor([read(text, config).ids])


def student_mels(lines: list[Line], letters: bool) -> Iterator[Tensor]:
    """Yields the student's mel (1, M, T) of each line."""
    network = lightspeech.load(default_weights("lightspeech"))
    for line in lines:
        ids = text_ids(line.text, network.text, letters)
        yield network.infer(ids, torch.tensor([ids.shape[1]])).mel


def teacher_mels(lines: list[Line], letters: bool, out: Path) -> Iterator[Tensor]:
    """Yields the teacher's mel (1, M, T) of each line, and draws its alignment as out/<name>.png."""
    network = tacotron2.load(default_weights("tacotron2"))
    for number, line in enumerate(lines):
        ids = text_ids(line.text, network.text, letters)
        result = network.infer(ids, torch.tensor([ids.shape[1]]), [torch.Generator().manual_seed(number)])
        alignment = result.alignments[0].numpy()
        alignment_picture(out / f"{line.name}.png", alignment, [symbols[index] for index in ids[0]],
                          tacotron2.durations_monotonic(alignment), line.name)
        yield result.mel


def recorded_mels(lines: list[Line], folder: Path) -> Iterator[Tensor]:
    """Yields the mel (1, M, T) of each line's recording; folder: a corpus in LJSpeech's layout."""
    for line in lines:
        yield mel_spectrogram(torch.from_numpy(read_wav(folder / "wavs" / f"{line.name}.wav"))[None])


def save_sample(folder: Path, name: str, mel: Tensor, vocoder: waveglow.WaveGlow, seed: int) -> np.ndarray:
    """Writes a mel as folder/<name>.npy and the vocoder's wave of it as folder/<name>.wav, with its peaks limited as in
    synthesis. Returns the wave as the vocoder made it.

    mel: (1, M, T) float32 on the vocoder's device; the wave is (S,) float32, S = T * hop.
    """
    wave = vocoder.infer(mel, generator=torch.Generator().manual_seed(seed))[0].cpu().numpy()
    np.save(folder / f"{name}.npy", mel[0].cpu().numpy())
    write_wav(folder / f"{name}.wav", limit(wave))
    return wave


@torch.inference_mode()
def main() -> None:
    """Writes a wave and a mel for each line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", choices=("lightspeech", "tacotron2"), default="lightspeech")
    parser.add_argument("--letters", action="store_true", help="give no word as phonemes")
    parser.add_argument("--recordings", type=Path, metavar="FOLDER", help="take the mels from recordings instead")
    options = parser.parse_args()
    lines = read_metadata(options.lines)
    vocoder = waveglow.load(default_weights("waveglow"))
    options.out.mkdir(parents=True, exist_ok=True)
    if options.recordings:
        mels = recorded_mels(lines, options.recordings)
    elif options.model == "tacotron2":
        mels = teacher_mels(lines, options.letters, options.out)
    else:
        mels = student_mels(lines, options.letters)
    for number, (line, mel) in enumerate(zip(lines, mels)):
        save_sample(options.out, line.name, mel, vocoder, number)


if __name__ == "__main__":
    main()
