"""Pictures of the worst alignments of a run."""
import heapq
import math
import re
import zlib
from pathlib import Path

from distillation.inference import Utterance
from runtime.files import make_folder


class WorstAlignments:
    """Keeps the worst utterances: rejected ones before kept ones, then those with the least focused attention."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._heap: list[tuple[tuple[bool, float], tuple[str, int], Utterance]] = []

    def add(self, utterance: Utterance) -> None:
        """Adds an utterance and drops the best one if there are more than `count`."""
        focus = utterance.quality.focus
        badness = (utterance.reason is not None, 1.0 if math.isnan(focus) else 1.0 - focus)
        request = utterance.request
        # the copy does not keep the whole batch in memory
        slim = utterance._replace(mel=None, features=None, alignment=utterance.alignment.copy())
        heapq.heappush(self._heap, (badness, (request.name, request.sample), slim))
        if len(self._heap) > self.count:
            heapq.heappop(self._heap)

    def draw(self, folder: Path) -> None:
        """Writes folder/<name>-<sample>.png for each, with the durations as a line. Raises UserError if that fails."""
        from audio.pictures import alignment_picture
        from text import symbols
        for _, (name, sample), utterance in self._heap:
            make_folder(folder)
            reason = utterance.reason or f"kept, focus {utterance.quality.focus:.2f}"
            alignment_picture(folder / f"{picture_name(name)}-{sample}.png", utterance.alignment,
                              [symbols[number] for number in utterance.request.ids], utterance.durations,
                              f"{name}-{sample}: {reason}")


def picture_name(name: str) -> str:
    """Returns a file name for a row's name: other characters than letters, digits, dots and dashes become "_".

    A name longer than 100 bytes is cut and gets a checksum, so that two such names stay different.
    """
    safe = re.sub(r"[^\w.-]", "_", name).encode()
    if len(safe) <= 100:
        return safe.decode()
    return f"{safe[:100].decode(errors='ignore')}-{zlib.crc32(name.encode()):08x}"
