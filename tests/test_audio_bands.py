"""Linear maps of the bands."""
import pytest
import torch

from audio import covariance_map


@pytest.mark.parametrize("factor", [1.0, 1.3])
def test_a_covariance_map_gives_mean_and_covariance(factor: float) -> None:
    generator = torch.Generator().manual_seed(1)
    spoken = torch.randn(500, 6, generator=generator) @ torch.randn(6, 6, generator=generator) - 3
    recorded = torch.randn(400, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 1
    bands = covariance_map(spoken, recorded, factor)
    mapped = bands.target + (spoken.double() - bands.source) @ bands.matrix.t()
    torch.testing.assert_close(mapped.mean(0), recorded.double().mean(0))
    torch.testing.assert_close(torch.cov(mapped.t()), factor**2 * torch.cov(recorded.double().t()))
    torch.testing.assert_close(bands.matrix, bands.matrix.t())
