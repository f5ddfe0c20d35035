"""The text front end in the browser: text/ as it is, run by Pyodide, its results as JSON.

Pyodide's npm package has no NumPy, so the network for unknown words (text/g2p.py) cannot run. A module without a
network stands in its place: unknown words stay letters, from which the voice guesses, and the page names them.
"""
import json
import sys
import types
from collections.abc import Iterator

from hparams import TextConfig, UserError

_unknown: list[str] = []  # words of the current piece that no dictionary has


def _guess(word: str) -> None:
    """Takes the place of text.g2p.guess: notes the word and guesses nothing."""
    _unknown.append(word)


def _without_network() -> types.ModuleType:
    """Returns the module that takes the place of text.g2p."""
    module = types.ModuleType("text.g2p")
    module.guess = _guess  # type: ignore[attr-defined]
    return module


sys.modules["text.g2p"] = _without_network()


class FrontEnd:
    """The pieces of one text after the other."""

    def __init__(self, settings: str) -> None:
        """settings: the JSON of voice.json."""
        voice = json.loads(settings)
        self.text, self.pause, self.sample_rate = TextConfig(**voice["text"]), voice["pause"], voice["sample_rate"]
        self._pieces = self._read("Ready.")
        list(self._pieces)  # reads the tables and the dictionary before the first text comes

    def begin(self, text: str) -> None:
        """Begins a text; its pieces come from `next`."""
        self._pieces = self._read(text)

    def next(self) -> str | None:
        """Returns the next piece as JSON, None after the last.

        {"silence": samples before it, "ids", "pauses", "words": [[text, start, stop], ...], "dropped": characters
        that cannot be said, "unknown": words that stay letters}; ids is null in the last piece, a silence
        alone. {"error": one line} if nothing of the text can be said.
        """
        return next(self._pieces, None)

    def _read(self, text: str) -> Iterator[str]:
        """Yields the pieces of a text."""
        from text.plan import read_pieces
        dropped: list[str] = []
        try:
            for silence, reading in read_pieces(text, self.text, self.pause, dropped):
                yield json.dumps({
                    "silence": round(silence * self.sample_rate), "ids": reading and reading.ids,
                    "pauses": reading and reading.pauses, "words": reading.words if reading else [],
                    "dropped": "".join(dict.fromkeys("".join(dropped))), "unknown": list(dict.fromkeys(_unknown))})
                _unknown.clear()
        except UserError as error:
            yield json.dumps({"error": str(error)})
