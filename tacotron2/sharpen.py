"""Sharper mels from a finished teacher, in its weights themselves."""
import torch

from audio import BandMap
from tacotron2.model import Tacotron2


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
