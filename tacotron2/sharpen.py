"""Undoes what averaging takes from a mel's liveliness and sharpness, in the weights themselves.

A network trained by squared error speaks the mean of what could be said: its mels vary too little (global variance:
Toda and Tokuda 2007, doi 10.1093/ietisy/e90-d.5.816), least where detail is finest. A linear map of the bands gives its
mels the covariance of recordings.
"""
from typing import NamedTuple

import torch
from torch import Tensor

from tacotron2.model import Tacotron2


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


@torch.no_grad()
def sharpen(model: Tacotron2, bands: BandMap) -> None:
    """Changes a model in place so that what it speaks is `bands` of what it spoke; all else stays: attention, gate.

    With A the map's matrix, the projection to a frame becomes A times it, and what reads frames, prenet and postnet,
    first undoes A; so all between is as before, and no layer is added. The postnet's last layer becomes A times it, and
    brings the means into place. Only mel_postnet is as told: the mel before the postnet is A times what it was.
    """
    A = bands.matrix.float()
    undo = torch.linalg.inv(bands.matrix).float()
    projection, prenet = model.decoder.linear_projection.linear_layer, model.decoder.prenet.layers[0].linear_layer
    projection.weight.copy_(A @ projection.weight)
    projection.bias.copy_(A @ projection.bias)
    prenet.weight.copy_(prenet.weight @ undo)
    first = model.postnet.convolutions[0][0].conv
    first.weight.copy_(torch.einsum("oik,ij->ojk", first.weight, undo))
    last, normal = model.postnet.convolutions[-1][0].conv, model.postnet.convolutions[-1][1]
    scale = normal.weight / (normal.running_var + normal.eps).sqrt()
    shift = (bands.target - bands.matrix @ bands.source).float()
    bias = A @ ((last.bias - normal.running_mean) * scale + normal.bias) + shift
    last.weight.copy_(torch.einsum("po,oik->pik", A * scale, last.weight))
    last.bias.copy_(bias)
    for name, value in (("weight", (1 + normal.eps) ** 0.5), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        getattr(normal, name).fill_(value)  # its work is in the convolution now
