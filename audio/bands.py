"""A linear map of the bands that gives mels the mean and covariance of others: undoes what averaging takes from them.

A network trained by absolute or squared error speaks a mean of what could be said: its mels vary too little (global
variance: Toda and Tokuda 2007, doi 10.1093/ietisy/e90-d.5.816), least where detail is finest. The networks' packages
build such a map into their weights.
"""
from typing import NamedTuple

import torch
from torch import Tensor


class BandMap(NamedTuple):
    """mel -> target + matrix @ (mel - source), for each frame."""
    matrix: Tensor  # (M, M) float64, symmetric, positive definite
    source: Tensor  # (M,) float64, mean of the mels that are mapped
    target: Tensor  # (M,) float64, mean of what they become


def covariance_map(spoken: Tensor, recorded: Tensor, factor: float = 1.0) -> BandMap:
    """The least map that gives spoken frames the mean and covariance of recorded ones, then stretched by `factor`.

    spoken, recorded: (frames, M) natural log, more frames than bands. Least in the mean square of the change (optimal
    transport between Gaussians: Olkin and Pukelsheim 1982). factor: 1 matches; above 1 exaggerates.
    """
    spoken, recorded = spoken.double(), recorded.double()
    have, wanted = torch.cov(spoken.t()), torch.cov(recorded.t())
    root, inverse_root = _power(have, 0.5), _power(have, -0.5)
    matrix = inverse_root @ _power(root @ wanted @ root, 0.5) @ inverse_root
    return BandMap(factor * matrix, spoken.mean(0), recorded.mean(0))


def _power(symmetric: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(symmetric)
    return vectors * values.clamp(min=1e-9 * values.max()) ** exponent @ vectors.t()
