"""The waves and mels behind the tables of quality: each line said by one of our networks.

    python results/make_samples.py sentences.txt out/student                                  # student, our vocoder
    python results/make_samples.py sentences.txt out/teacher --model tacotron2                # teacher, our vocoder
    python results/make_samples.py sentences.txt out/letters --model tacotron2 --letters      # all words in letters
    python results/make_samples.py corpus/heldout.csv out/copy --recordings corpus            # vocoder alone

Lines are name|text. Writes OUT/name.wav and OUT/name.npy, the mel (80, T) float32 for any other vocoder, by the
weights that ship, in float32 on the CPU; chance is seeded by the number of the line.
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
from text import Line, read, read_metadata
from training.inference import newest_weights

ROOT = Path(__file__).resolve().parents[1]


def weights_of(model: str) -> Path:
    """The file that synthesize.py and preprocess.py would take for "lightspeech", "tacotron2" or "waveglow"."""
    return newest_weights(ROOT / model / "pre_trained_model", None, "train and export them first")


def spoken(lines: list[Line], model: str, letters: bool) -> Iterator[Tensor]:
    """Mels (1, M, T) of the lines, each said alone by the student ("lightspeech") or the teacher ("tacotron2")."""
    network = {"lightspeech": lightspeech, "tacotron2": tacotron2}[model].load(weights_of(model))
    text = dataclasses.replace(network.text, phonemes=False) if letters else network.text
    for number, line in enumerate(lines):
        ids = torch.tensor([read(line.text, text).ids])
        length = torch.tensor([ids.shape[1]])
        if model == "tacotron2":
            yield network.infer(ids, length, [torch.Generator().manual_seed(number)]).mel
        else:
            yield network.infer(ids, length).mel


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
    mels = (recorded(lines, options.recordings) if options.recordings
            else spoken(lines, options.model, options.letters))
    for number, (line, mel) in enumerate(zip(lines, mels)):
        keep(options.out, line.name, mel, vocoder, number)


if __name__ == "__main__":
    main()
