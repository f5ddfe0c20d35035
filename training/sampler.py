"""Which rows make the batch of a step: a function of seed and step alone, so that a resumed run goes on exactly."""
import functools
import math

import numpy as np


class BucketSampler:
    """Batches of rows of like length, in random order, equally many for every process.

    An epoch: rows are shuffled, cut to a whole number of batches (the cut differs from epoch to epoch; too few rows
    are repeated), sorted by length with 5 % noise, split into batches over all processes, and the batches shuffled.
    Every process takes every count-th row of a batch, so all of them pad to about the same length.
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int, rank: int = 0, count: int = 1) -> None:
        self.lengths = np.asarray(lengths)
        self.whole = batch_size * count
        self.seed, self.rank, self.count = seed, rank, count
        self.batches_an_epoch = max(1, len(lengths) // self.whole)
        self._epoch = functools.lru_cache(maxsize=2)(self._shuffled)

    def _shuffled(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, epoch])
        used = self.batches_an_epoch * self.whole
        rows = np.concatenate([rng.permutation(len(self.lengths)) for _ in range(math.ceil(used / len(self.lengths)))])
        rows = rows[:used]
        noisy = self.lengths[rows] * rng.uniform(0.95, 1.05, used)
        return rng.permutation(rows[np.argsort(noisy)].reshape(self.batches_an_epoch, self.whole))

    def rows(self, step: int) -> list[int]:
        """Row numbers of this process's batch at `step` (from 0)."""
        epoch, index = divmod(step, self.batches_an_epoch)
        return self._epoch(epoch)[index, self.rank::self.count].tolist()


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is at least `value`."""
    return -(-value // multiple) * multiple
