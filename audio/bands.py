"""A linear map of the mel bands that gives frames the mean and the covariance of other frames.

A network trained by absolute or squared error predicts an average of the possible mels. Its output varies too little
(global variance: Toda and Tokuda 2007, doi 10.1093/ietisy/e90-d.5.816), most of all in fine detail. The map restores
the variance; the packages of the networks multiply it into their last layer.
"""
from typing import NamedTuple

import torch
from torch import Tensor


class BandMap(NamedTuple):
    """mel -> target + matrix @ (mel - source), for each frame."""
    matrix: Tensor  # (M, M) float64, symmetric, positive definite
    source: Tensor  # (M,) float64, mean of the input
    target: Tensor  # (M,) float64, mean of the output


def covariance_map(spoken: Tensor, recorded: Tensor, factor: float = 1.0) -> BandMap:
    """Returns the map that gives predicted frames the mean and covariance of recorded ones, scaled by `factor`.

    spoken, recorded: (frames, M) natural log of magnitude, more frames than bands. Of all such maps it changes the
    frames least in the mean square (optimal transport between Gaussians: Olkin and Pukelsheim 1982).
    factor: 1 matches the covariance, larger values exaggerate it.
    """
    spoken, recorded = spoken.double(), recorded.double()
    have, wanted = torch.cov(spoken.t()), torch.cov(recorded.t())
    root, inverse_root = _power(have, 0.5), _power(have, -0.5)
    matrix = inverse_root @ _power(root @ wanted @ root, 0.5) @ inverse_root
    return BandMap(factor * matrix, spoken.mean(0), recorded.mean(0))


def _power(symmetric: Tensor, exponent: float) -> Tensor:
    """Returns a power of a symmetric positive semidefinite matrix; tiny eigenvalues are raised first."""
    values, vectors = torch.linalg.eigh(symmetric)
    return vectors * values.clamp(min=1e-9 * values.max()) ** exponent @ vectors.t()
