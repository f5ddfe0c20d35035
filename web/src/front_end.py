"""The text front end in the browser: text/ as it is, run by Pyodide, its results as JSON.

Pyodide's npm package has no NumPy, so JavaScript computes the network for unknown words (g2p.mjs). A module that asks
it stands in the place of text/g2p.py.
"""
import json
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from hparams import TextConfig, UserError
from runtime.batching import row_seed
from text.g2p_symbols import pronounce
from text.plan import read_pieces

SETTINGS = json.dumps({"text": {}, "pause": 0.0, "sample_rate": 22050})  # to begin with


class FrontEnd:
    """The pieces of one text after the other."""

    def __init__(self, network: Callable[[str], Any], phonemes: str) -> None:
        """network: returns the best classes of a word as a JavaScript array; phonemes: those of text/g2p.py as JSON."""
        self._network, self._phonemes = network, json.loads(phonemes)
        self._unknown: list[str] = []  # words of the current piece that no dictionary has
        module = types.ModuleType("text.g2p")
        module.guess = self._guess  # type: ignore[attr-defined]
        sys.modules["text.g2p"] = module
        self.begin("Ready.", SETTINGS)
        list(self._pieces)  # reads the tables and the dictionary before the first text comes

    def begin(self, text: str, settings: str) -> None:
        """Begins a text; its pieces come from `next`. settings: the JSON of the voice's voice.json."""
        self._pieces = self._read(text, json.loads(settings))

    def next(self) -> str | None:
        """Returns the next piece as JSON, None after the last.

        {"silence": samples before it, "ids", "pauses", "seed": of its noise, "words": [[text, start, stop], ...],
        "dropped": characters that cannot be said, "unknown": words that no dictionary has}; ids is null in the last
        piece, a silence alone. {"error": one line} if nothing of the text can be said.
        """
        return next(self._pieces, None)

    def _guess(self, word: str) -> str | None:
        """Takes the place of text.g2p.guess, and notes the word."""
        self._unknown.append(word)
        return pronounce(word, lambda letters: self._network(letters).to_py(), self._phonemes)

    def _read(self, text: str, voice: dict[str, Any]) -> Iterator[str]:
        """Yields the pieces of a text."""
        dropped: list[str] = []
        try:
            pieces = read_pieces(text, TextConfig(**voice["text"]), voice["pause"], dropped)
            for row, (silence, reading) in enumerate(pieces):
                yield json.dumps({
                    "silence": round(silence * voice["sample_rate"]), "ids": reading and reading.ids,
                    "pauses": reading and reading.pauses, "seed": row_seed(0, row) & 0xFFFFFFFF,
                    "words": reading.words if reading else [],
                    "dropped": "".join(dict.fromkeys("".join(dropped))), "unknown": list(dict.fromkeys(self._unknown))})
                self._unknown.clear()
        except UserError as error:
            yield json.dumps({"error": str(error)})
