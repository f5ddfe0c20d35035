"""How rows are grouped into batches, and the random seed of each row."""
import hashlib
from collections.abc import Sequence


def group_by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Returns groups of row numbers such that rows of similar length are together, shortest first.

    A group padded to its longest row has at most `budget` elements; a row longer than that forms its own group.
    """
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: (lengths[row], row)):
        if groups and (len(groups[-1]) + 1) * lengths[row] <= budget:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def row_seed(*names: str | int) -> int:
    """Returns a seed in [0, 2^63) that depends on the names alone, so that a row is the same in every batch."""
    return int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:8], "little") >> 1
