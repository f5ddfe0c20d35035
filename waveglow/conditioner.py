"""From a mel to the conditioning of the flows."""
from torch import Tensor, nn


class SampleConditioner(nn.ConvTranspose1d):
    """A transposed convolution to the sample rate; each group of samples becomes the channels of one step."""

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
