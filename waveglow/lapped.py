"""A modified discrete cosine transform (MDCT): the squeeze of the WaveGlow that works at the mel rate."""
import math

import torch
from torch import Tensor, nn


class LappedTransform(nn.Module):
    """The MDCT with a sine window of two hops, as an orthonormal change of basis (Malvar 1990; Princen, Bradley 1987).

    Frame t holds `hop` coefficients, from low to high frequency. Coefficient k belongs to the wave
    sqrt(2 / hop) sin(pi / (2 hop) (n + 1/2)) cos(pi / hop (n + 1/2 - hop / 2) (k + 1/2)) for n = 0 ... 2 hop - 1, whose
    middle is the frame's centre. It is computed in two orthonormal steps: rotations that mix each sample with its
    mirror image in the overlap of two frames, and a type-IV cosine transform of each frame. So T frames and T * hop
    samples determine each other exactly, without an FFT. It has no parameters; its matrix is not in the state_dict.
    """

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop = hop
        index = torch.arange(hop, dtype=torch.float64) + 0.5
        cosines = math.sqrt(2 / hop) * torch.cos(math.pi / hop * index[:, None] * index)  # symmetric, its own inverse
        angle = math.pi / (2 * hop) * index[:hop // 2]
        self.register_buffer("cosines", cosines.float(), persistent=False)  # (hop, hop)
        self.register_buffer("sine", angle.sin().float(), persistent=False)  # (hop / 2,): the window, rising half
        self.register_buffer("cosine", angle.cos().float(), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """wave (B, T * hop), whose first sample lies half a hop before the centre of frame 0 -> (B, T, hop)."""
        half = self.hop // 2
        inner = wave[:, half:-half].unflatten(1, (-1, self.hop))  # (B, T - 1, hop): the overlaps of frames
        left, right = inner[..., :half], inner[..., half:].flip(2)
        rising = (self.cosine * right + self.sine * left).flip(2)
        falling = self.cosine * left - self.sine * right
        rotated = torch.cat((falling, rising), 2).flatten(1)
        frames = torch.cat((wave[:, :half], rotated, wave[:, -half:]), 1).unflatten(1, (-1, self.hop))
        return frames @ self.cosines

    def inverse(self, coefficients: Tensor) -> Tensor:
        """coefficients (B, T, hop) -> wave (B, T * hop), the exact inverse of `forward`."""
        half = self.hop // 2
        rotated = (coefficients @ self.cosines).flatten(1)
        inner = rotated[:, half:-half].unflatten(1, (-1, self.hop))
        falling, rising = inner[..., :half], inner[..., half:].flip(2)
        left = self.cosine * falling + self.sine * rising
        right = (self.cosine * rising - self.sine * falling).flip(2)
        return torch.cat((rotated[:, :half], torch.cat((left, right), 2).flatten(1), rotated[:, -half:]), 1)
