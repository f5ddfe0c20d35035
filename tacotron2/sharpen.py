"""Builds a linear map of the mel bands into the weights of a finished teacher, to sharpen its mels."""
import torch

from audio import BandMap
from tacotron2.model import Tacotron2


@torch.no_grad()
def sharpen(model: Tacotron2, bands: BandMap) -> None:
    """Changes a model in place: its mels become `bands` of its former mels. Attention and gate stay the same.

    With A the matrix of the map, the projection to a frame is multiplied by A, and the layers that read frames, prenet
    and postnet, by the inverse of A. So everything between is unchanged, and no layer is added. The postnet's last
    layer is multiplied by A and also shifts the means. The mel before the postnet is A times the former one.
    """
    A = bands.matrix.float()
    inverse = torch.linalg.inv(bands.matrix).float()
    projection, prenet = model.decoder.linear_projection.linear_layer, model.decoder.prenet.layers[0].linear_layer
    projection.weight.copy_(A @ projection.weight)
    projection.bias.copy_(A @ projection.bias)
    prenet.weight.copy_(prenet.weight @ inverse)
    first = model.postnet.convolutions[0][0].conv
    first.weight.copy_(torch.einsum("oik,ij->ojk", first.weight, inverse))
    last, normal = model.postnet.convolutions[-1][0].conv, model.postnet.convolutions[-1][1]
    scale = normal.weight / (normal.running_var + normal.eps).sqrt()
    shift = (bands.target - bands.matrix @ bands.source).float()
    bias = A @ ((last.bias - normal.running_mean) * scale + normal.bias) + shift
    last.weight.copy_(torch.einsum("po,oik->pik", A * scale, last.weight))
    last.bias.copy_(bias)
    for name, value in (("weight", (1 + normal.eps) ** 0.5), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        getattr(normal, name).fill_(value)  # the convolution now includes it
