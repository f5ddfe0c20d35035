"""The rows of each batch, as a function of seed and step only, so that a resumed run continues exactly."""
import functools
import math

import numpy as np


class BucketSampler:
    """Batches of rows of similar length, in random order, the same number of batches for every process.

    Each epoch shuffles the rows, cuts them to a whole number of batches (too few rows are repeated), sorts them by
    length with 5 % noise, splits them into batches and shuffles these. Each process takes every count-th row of a
    batch, so all processes pad to about the same length.
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int, rank: int = 0, count: int = 1) -> None:
        """lengths: of all rows; batch_size: rows of each process; rank, count: this process and the number of them."""
        self.lengths = np.asarray(lengths)
        self.seed, self.rank, self.count = seed, rank, count
        self.rows_per_batch = batch_size * count
        self.batches_per_epoch = max(1, len(lengths) // self.rows_per_batch)
        self._epoch = functools.lru_cache(maxsize=2)(self._draw_epoch)

    def _draw_epoch(self, epoch: int) -> np.ndarray:
        """Returns the rows of all batches of an epoch (batches_per_epoch, rows_per_batch)."""
        rng = np.random.default_rng([self.seed, epoch])
        used = self.batches_per_epoch * self.rows_per_batch
        rows = np.concatenate([rng.permutation(len(self.lengths)) for _ in range(math.ceil(used / len(self.lengths)))])
        rows = rows[:used]
        noisy = self.lengths[rows] * rng.uniform(0.95, 1.05, used)
        return rng.permutation(rows[np.argsort(noisy)].reshape(self.batches_per_epoch, self.rows_per_batch))

    def rows(self, step: int) -> list[int]:
        """Returns the row numbers of this process's batch at step `step` (from 0)."""
        epoch, index = divmod(step, self.batches_per_epoch)
        return self._epoch(epoch)[index, self.rank::self.count].tolist()


def round_up(value: int, multiple: int) -> int:
    """Returns the smallest multiple of `multiple` that is at least `value`."""
    return -(-value // multiple) * multiple
