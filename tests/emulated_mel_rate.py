"""The kernels of waveglow/mel_rate.cu in PyTorch, so that the network around them is tested without a GPU."""
import torch
import torch.nn.functional as F
from torch import Tensor

from waveglow.fast_mel_rate import Product
from waveglow.mel_rate import EDGE, KERNEL_SIZE, LOG_SCALE_BOUND, MAX_LOG_MAGNITUDE
from waveglow.mel_rate_gpu import MelRateKernels


def product_with_gelu(x: Tensor, product: Product) -> Tensor:
    return F.gelu(product(x), approximate="tanh")


def inside(L: int, lengths: Tensor) -> Tensor:
    """(B, L, 1), False after the end of a row and its edge."""
    return (torch.arange(L) < lengths[:, None] + 2 * EDGE)[..., None]


class EmulatedKernels(MelRateKernels):
    """What each kernel computes."""

    def windows(self, mel: Tensor, lengths: Tensor) -> Tensor:
        edge = KERNEL_SIZE // 2
        scaled = (F.pad(self._with_edges(mel, lengths), (0, 0, edge, edge), value=self.silence) + 5) * 0.4
        return scaled.unfold(1, KERNEL_SIZE, 1).transpose(2, 3).flatten(2).flatten(0, 1).half()

    def block_input(self, x: Tensor, offset: Tensor, taps: Tensor | None, lengths: Tensor) -> Tensor:
        y = x.float().unflatten(0, (len(lengths), -1)) + offset
        if taps is not None:
            count, L = len(taps) - 1, y.shape[1]
            padded = F.pad(y * inside(L, lengths), (0, 0, count // 2, count // 2))
            y = sum(padded[:, tap:tap + L] * taps[tap] for tap in range(count)) + taps[count]
        return F.layer_norm(y, y.shape[2:]).flatten(0, 1).half()

    def couple(self, x: Tensor, ends: Tensor | None, sigma: float, odd: bool) -> tuple[Tensor, Tensor]:
        x = x * sigma
        changed = x[:, int(odd)::2]  # a view
        if ends is not None:
            shift, log_scale = ends.float().chunk(2, 1)
            changed.copy_((changed - shift) * torch.exp(-LOG_SCALE_BOUND * torch.tanh(log_scale / LOG_SCALE_BOUND)))
        return x, changed.half()

    def scale(self, x: Tensor, heads: Tensor, mel: Tensor, lengths: Tensor) -> Tensor:
        level = self._level(mel, lengths, *self.of_coefficients) + self.levels[1]
        factors = torch.exp((level + heads.float().view_as(level)).clamp(max=MAX_LOG_MAGNITUDE))
        return (x * (factors * inside(level.shape[1], lengths)).flatten(0, 1)).half()

    def spectrum(self, heads: Tensor, mel: Tensor, lengths: Tensor) -> Tensor:
        level = self._level(mel, lengths, *self.of_bins) + self.levels[0]
        own, phase = heads.float().unflatten(0, level.shape[:2]).chunk(2, 2)
        magnitude = torch.exp((level + own).clamp(max=MAX_LOG_MAGNITUDE))
        return torch.polar(magnitude * inside(level.shape[1], lengths), phase)

    def add_overlaps(self, frames: Tensor, rotated: Tensor | None, lengths: Tensor) -> Tensor:
        (B, L, size), hop = frames.shape, self.hop
        T, half = L - 2 * EDGE, hop // 2
        wave = torch.zeros(B, L * hop + size)
        for t in range(L):
            wave[:, t * hop:t * hop + size] += frames[:, t] * self.window
        wave = wave[:, EDGE * hop + size // 2:][:, :T * hop]
        if rotated is not None:
            overlaps = rotated.float().view(B, -1)[:, half + EDGE * hop:][:, :T * hop].unflatten(1, (T, hop))
            falling, rising = overlaps[..., :half], overlaps[..., half:].flip(2)
            left = self.cosines * falling + self.sines * rising
            right = self.cosines * rising - self.sines * falling
            wave = wave + torch.cat((left, right.flip(2)), 2).flatten(1)
        return wave * (torch.arange(T) < lengths[:, None]).repeat_interleave(hop, 1)

    def _with_edges(self, mel: Tensor, lengths: Tensor) -> Tensor:
        real = (torch.arange(mel.shape[1]) < lengths[:, None])[..., None]
        return F.pad(torch.where(real, mel, self.silence), (0, 0, EDGE, EDGE), value=self.silence)

    def _level(self, mel: Tensor, lengths: Tensor, bands: Tensor, shares: Tensor) -> Tensor:
        mel = self._with_edges(mel, lengths)
        return torch.lerp(mel[..., bands.long()], mel[..., bands.long() + 1], shares)
