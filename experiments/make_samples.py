"""The waves and mels behind the tables of quality: each line said by one of our networks.

    python experiments/make_samples.py sentences.txt out/student                                  # student, our vocoder
    python experiments/make_samples.py sentences.txt out/teacher --model tacotron2                # teacher, our vocoder
    python experiments/make_samples.py sentences.txt out/letters --model tacotron2 --letters      # all words in letters
    python experiments/make_samples.py corpus/heldout.csv out/copy --recordings corpus            # vocoder alone

Lines are name|text. Writes OUT/name.wav and OUT/name.npy, the mel (80, T) float32 for any other vocoder, by the
weights that ship, in float32 on the CPU; chance is seeded by the number of the line. Of a teacher's reading also
OUT/name.png, its alignment with the durations that preprocess.py takes from it.
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
from text import Line, read, read_metadata, symbols

ROOT = Path(__file__).resolve().parents[1]


def weights_of(model: str) -> Path:
    """The file that synthesize.py and preprocess.py would take for "lightspeech", "tacotron2" or "waveglow"."""
    return newest_weights(ROOT / model / "pre_trained_model", None, "train and export them first")


def reading_of(text: TextConfig, letters: bool) -> TextConfig:
    """How a network's text is read; letters: with no word given as phonemes."""
    return dataclasses.replace(text, phonemes=text.phonemes and not letters)


def said_by_student(lines: list[Line], letters: bool) -> Iterator[Tensor]:
    """Mels (1, M, T) of the lines, each said alone."""
    network = lightspeech.load(weights_of("lightspeech"))
    for line in lines:
        ids = torch.tensor([read(line.text, reading_of(network.text, letters)).ids])
        yield network.infer(ids, torch.tensor([ids.shape[1]])).mel


def said_by_teacher(lines: list[Line], letters: bool, out: Path) -> Iterator[Tensor]:
    """Mels (1, M, T) of the lines, each said alone; draws each alignment as out/name.png."""
    network = tacotron2.load(weights_of("tacotron2"))
    for number, line in enumerate(lines):
        ids = torch.tensor([read(line.text, reading_of(network.text, letters)).ids])
        said = network.infer(ids, torch.tensor([ids.shape[1]]), [torch.Generator().manual_seed(number)])
        alignment = said.alignments[0].numpy()
        alignment_picture(out / f"{line.name}.png", alignment, [symbols[number] for number in ids[0]],
                          tacotron2.durations_monotonic(alignment), line.name)
        yield said.mel


def recorded(lines: list[Line], folder: Path) -> Iterator[Tensor]:
    """Mels (1, M, T) of the lines' recordings, wavs of a folder in LJSpeech's layout."""
    for line in lines:
        yield mel_spectrogram(torch.from_numpy(read_wav(folder / "wavs" / f"{line.name}.wav"))[None])


def keep(folder: Path, name: str, mel: Tensor, vocoder: waveglow.WaveGlow, seed: int) -> np.ndarray:
    """Writes folder/name.npy and the wave that the vocoder makes of it, folder/name.wav; returns the wave.

    mel: (1, M, T) float32 on the vocoder's device. The wave is (S,) float32, S = T * hop.
    """
    wave = vocoder.infer(mel, generator=torch.Generator().manual_seed(seed))[0].cpu().numpy()
    np.save(folder / f"{name}.npy", mel[0].cpu().numpy())
    write_wav(folder / f"{name}.wav", wave)
    return wave


@torch.inference_mode()
def main() -> None:
    """Writes a wave and a mel a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", choices=("lightspeech", "tacotron2"), default="lightspeech")
    parser.add_argument("--letters", action="store_true", help="give no word as phonemes")
    parser.add_argument("--recordings", type=Path, metavar="FOLDER", help="take the mels from recordings instead")
    options = parser.parse_args()
    lines = read_metadata(options.lines)
    vocoder = waveglow.load(weights_of("waveglow"))
    options.out.mkdir(parents=True, exist_ok=True)
    if options.recordings:
        mels = recorded(lines, options.recordings)
    elif options.model == "tacotron2":
        mels = said_by_teacher(lines, options.letters, options.out)
    else:
        mels = said_by_student(lines, options.letters)
    for number, (line, mel) in enumerate(zip(lines, mels)):
        keep(options.out, line.name, mel, vocoder, number)


if __name__ == "__main__":
    main()
