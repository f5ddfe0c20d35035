"""From a mel to the conditioning (B, K, D) of the flows: NVIDIA's network, and a small one."""
import torch.nn.functional as F
from torch import Tensor, nn

STEPS_PER_FRAME = 4  # 345 Hz at a hop of 256 samples and 22,050 Hz
HIDDEN = 128
SLOPE = 0.1  # of the leaky ReLUs


class SampleConditioner(nn.ConvTranspose1d):
    """NVIDIA's: a transposed convolution to the sample rate; each group of samples becomes the channels of one step."""

    def __init__(self, n_mels: int, n_fft: int, hop_length: int, n_group: int) -> None:
        super().__init__(n_mels, n_mels, n_fft, stride=hop_length)
        self.n_group = n_group
        self.context = n_fft // hop_length - 1  # earlier frames that a sample depends on

    def forward(self, mel: Tensor, crop: int, n_samples: int) -> Tensor:
        """mel (B, M, T + 2 crop) -> (B, n_samples / n_group, M * n_group); T * hop must reach n_samples."""
        first = crop * self.stride[0]
        samples = super().forward(mel)[:, :, first:first + n_samples]
        assert samples.shape[2] == n_samples
        return samples.unflatten(2, (-1, self.n_group)).transpose(1, 2).flatten(2)


class FrameConditioner(nn.Module):
    """A small network at the mel rate and one transposed convolution to STEPS_PER_FRAME steps a frame.

    No convolution pads: beyond its ends the mel goes on as `silence`, so a segment cut with `context` frames at each
    side gives exactly what the whole utterance gives there.
    """
    context = 5  # frames at each side that reach a step

    def __init__(self, n_mels: int, n_out: int, silence: float) -> None:
        super().__init__()
        self.silence = silence  # log-mel value
        self.wide = nn.Conv1d(n_mels, HIDDEN, 5)
        self.residual = nn.Sequential(nn.Conv1d(HIDDEN, HIDDEN, 3), nn.LeakyReLU(SLOPE), nn.Conv1d(HIDDEN, HIDDEN, 3))
        self.up = nn.ConvTranspose1d(HIDDEN, n_out, 2 * STEPS_PER_FRAME, stride=STEPS_PER_FRAME,
                                     padding=STEPS_PER_FRAME * 3 // 2)  # keeps the steps of the inner frames only

    def forward(self, mel: Tensor, crop: int, n_samples: int) -> Tensor:
        """mel (B, M, T + 2 crop), crop at most `context` -> (B, T * STEPS_PER_FRAME, n_out)."""
        missing = self.context - crop
        assert missing >= 0
        hidden = (F.pad(mel, (missing, missing), value=self.silence) + 5) * 0.4  # about unit scale for speech
        hidden = F.leaky_relu(self.wide(hidden), SLOPE)
        hidden = F.leaky_relu(hidden[:, :, 2:-2] + self.residual(hidden), SLOPE)
        return F.leaky_relu(self.up(hidden), SLOPE).transpose(1, 2)
