"""One Synthesizer for many clients at once, and for texts that are still being written."""
import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from synthesis import Synthesizer
from text.sentences import split_sentences


class TurnTaker:
    """Computes the chunks of all clients in one thread, in the order in which they are requested.

    So a client with a long text does not keep the others waiting for its end, and the networks run once at a time.
    """

    def __init__(self, synthesizer: Synthesizer) -> None:
        self.synthesizer, self.sample_rate = synthesizer, synthesizer.audio.sample_rate
        self._thread = ThreadPoolExecutor(max_workers=1)

    async def start(self, text: str, speed: float = 1.0) -> AsyncIterator[np.ndarray]:
        """Returns the chunks of Synthesizer.stream, each (S,) float32. Raises the UserError that it raises."""
        stream = await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self.synthesizer.stream(text, speed))
        return self._chunks(stream.chunks)

    async def _chunks(self, chunks: Iterator[np.ndarray]) -> AsyncIterator[np.ndarray]:
        """Yields the chunks that are not empty."""
        loop = asyncio.get_running_loop()
        while (chunk := await loop.run_in_executor(self._thread, next, chunks, None)) is not None:
            if len(chunk):
                yield chunk


def split_finished(written: str) -> tuple[str, str]:
    """Splits a text that is still being written: its finished sentences, and the last one, which may go on."""
    sentences = split_sentences(written)
    end = written.rindex(sentences[-1]) if sentences else 0
    return written[:end], written[end:]
