"""Grapheme to phoneme: a small convolutional network for words that are in no dictionary, in NumPy.

A word of N letters becomes an embedding (N, D); each layer adds a gated convolution of it (Dauphin et al. 2017, arXiv
1612.08083); the output layer gives SLOTS distributions over the phonemes and a blank for each letter. Trained with
CTC (Graves et al. 2006) by experiments/train_g2p.py. The best symbol of each slot is taken, then repeated symbols
count once and blanks not at all.
"""
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from hparams import UserError
from runtime.files import atomic_write, check_readable
from text.g2p_symbols import LETTERS, SLOTS, pronounce
from text.symbols import symbol_to_id

WEIGHTS = Path(__file__).parent / "pre_trained_model" / "g2p.npz"
_FORMAT = 1
_ADVICE = "make it again with experiments/train_g2p.py"


class G2P:
    """The network. Its tensors, float32, with D channels, kernel size K and C = 1 + number of phonemes:

    embedding (1 + letters, D), row 0 unused; "0.weight", "1.weight", ... (K * D, 2 * D) and biases (2 * D,) of the
    convolutions, the input position-major, the gate in the second half; output.weight (D, SLOTS * C) and output.bias,
    class 0 of each slot the blank.
    """

    def __init__(self, tensors: dict[str, np.ndarray], phonemes: list[str]) -> None:
        self.phonemes = phonemes
        self.embedding = tensors["embedding"]
        count = sum(name.endswith(".weight") for name in tensors) - 1
        self.layers = [(tensors[f"{number}.weight"], tensors[f"{number}.bias"]) for number in range(count)]
        self.output = tensors["output.weight"], tensors["output.bias"]

    def logits(self, word: str) -> np.ndarray:
        """Returns (SLOTS * N, C) float32 for a word of N letters, all in LETTERS."""
        state = self.embedding[[LETTERS.index(letter) + 1 for letter in word]]  # (N, D)
        length, channels = state.shape
        for weight, bias in self.layers:
            width = weight.shape[0] // channels
            padded = np.zeros((length + width - 1, channels), np.float32)
            padded[width // 2:width // 2 + length] = state
            windows = np.concatenate([padded[shift:shift + length] for shift in range(width)], axis=1)  # (N, K * D)
            mixed = windows @ weight + bias  # (N, 2 * D)
            state = state + mixed[:, :channels] / (1 + np.exp(-mixed[:, channels:]))
        return (state @ self.output[0] + self.output[1]).reshape(SLOTS * length, -1)

    def best_classes(self, word: str) -> list[int]:
        """Returns the class with the highest logit of each slot of a word."""
        return self.logits(word).argmax(1).tolist()

    def pronounce(self, word: str) -> str | None:
        """Returns the phonemes of a word; see text.g2p_symbols.pronounce."""
        return pronounce(word, self.best_classes, self.phonemes)


@functools.cache
def guess(word: str) -> str | None:
    """Returns the phonemes of a word by the network that ships, which is read at the first use; see G2P.pronounce."""
    return load_shipped().pronounce(word)


@functools.cache
def load_shipped() -> G2P:
    """Returns the network that ships."""
    return load_g2p(WEIGHTS)


def save_g2p(path: Path, tensors: dict[str, np.ndarray], phonemes: list[str], notes: dict[str, Any]) -> None:
    """Writes a network atomically, in half precision, as NumPy's .npz with its settings as JSON in `about`.

    notes: how it was made. The zip format adds a CRC-32 of each array. Raises UserError if the file cannot be written.
    """
    about = {"format": _FORMAT, "model": "g2p", "letters": LETTERS, "slots": SLOTS, "phonemes": phonemes,
             "notes": notes}
    stored: dict[str, Any] = {name: tensor.astype(np.float16) for name, tensor in tensors.items()}
    with atomic_write(path) as file:
        np.savez(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **stored)


def load_g2p(path: Path) -> G2P:
    """Reads a network. Raises UserError for a file that is missing, damaged or of another kind."""
    check_readable(path, _ADVICE)
    try:
        with np.load(path, allow_pickle=False) as archive:
            if any(entry.compress_type for entry in archive.zip.infolist()):
                raise ValueError("compressed")
            tensors = {name: archive[name] for name in archive.files}
        about = json.loads(tensors.pop("about").tobytes())
    except Exception as error:  # zip, NumPy and JSON errors of many types all mean the same here
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:100]
        raise UserError(f"{path}: damaged, or no file of a g2p network ({reason}); {_ADVICE}") from None
    return G2P(*_checked(path, about, tensors))


def _checked(path: Path, about: Any, tensors: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Returns the tensors as float32 and the phonemes. Raises UserError for what this code cannot use."""
    found = (about.get("format"), about.get("model")) if isinstance(about, dict) else (None, None)
    if found != (_FORMAT, "g2p"):
        raise UserError(f"{path}: found {str(found[1])[:40]} of format {str(found[0])[:40]}, "
                        f"expected g2p of format {_FORMAT}; {_ADVICE}")
    phonemes = about.get("phonemes")
    if not isinstance(phonemes, list) or any(f"@{name}" not in symbol_to_id for name in phonemes):
        raise UserError(f"{path}: its phonemes are not those of text/symbols.py; {_ADVICE}")
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    is_half = all(tensor.dtype == np.float16 for tensor in tensors.values())
    if (about.get("letters"), about.get("slots")) != (LETTERS, SLOTS) or not is_half or (
            shapes != _shapes(shapes, len(phonemes))):
        raise UserError(f"{path}: made for another network than that of text/g2p.py; {_ADVICE}")
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}, phonemes


def _shapes(found: dict[str, tuple[int, ...]], phonemes: int) -> dict[str, tuple[int, ...]]:
    """Returns the shapes that tensors must have for this number of phonemes; channels and kernel sizes as found."""
    channels = (found.get("embedding") or (0,))[-1]
    shapes = {"embedding": (len(LETTERS) + 1, channels), "output.weight": (channels, SLOTS * (phonemes + 1)),
              "output.bias": (SLOTS * (phonemes + 1),)}
    for number in range((len(found) - len(shapes)) // 2):
        width = (found.get(f"{number}.weight") or (0,))[0] // max(channels, 1)
        shapes[f"{number}.weight"] = (width * channels, 2 * channels)
        shapes[f"{number}.bias"] = (2 * channels,)
    return shapes
