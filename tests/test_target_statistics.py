"""The measures behind experiments/targets.py, on numbers whose answer is known."""
import math

import numpy as np
import pytest
import torch

from audio import Ragged
from distillation.dataset import DistilledDataset, Manifest
from experiments.target_statistics import (
    band_variance,
    cepstra,
    contexts,
    explained,
    frame_ms,
    mcd_dtw,
    mel_figures,
    set_statistics,
    spread,
    symbol_frames,
    var_l,
    warping,
)
from hparams import AudioConfig, TextConfig
from text import symbols


def dataset(rows: list[tuple[str, list[int], list[int], torch.Tensor]]) -> DistilledDataset:
    """Rows (name, ids, durations, mel (T, M)) as a dataset; readings of a name are numbered as they come."""
    names = [row[0] for row in rows]
    manifest = Manifest(AudioConfig(), TextConfig(), list(symbols), "test", 1, 0, False)
    return DistilledDataset(manifest, names, [names[:n].count(name) for n, name in enumerate(names)],
                            Ragged.from_rows([torch.tensor(row[1], dtype=torch.uint8) for row in rows]),
                            Ragged.from_rows([torch.tensor(row[2], dtype=torch.int32) for row in rows]),
                            Ragged.from_rows([row[3].half() for row in rows]), None)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_classes_explain_all_or_nothing():
    classes = torch.arange(5000) % 50
    table = noise(50, 3)
    assert explained(table[classes], classes).unexplained == pytest.approx(0, abs=1e-12)
    assert explained(noise(5000, 3), classes).unexplained == pytest.approx(1, abs=0.03)
    assert explained(table[classes] + noise(5000, 3), classes).unexplained == pytest.approx(0.5, abs=0.1)


def test_rare_classes_are_not_taken_for_explaining():
    found = explained(noise(4000, 2), torch.arange(4000) // 2 * torch.tensor([1, 7])[torch.arange(4000) % 2])
    assert found.unexplained == pytest.approx(1, abs=0.1)
    assert math.isnan(explained(noise(9, 2), torch.arange(9)).unexplained)


def test_entropy_of_a_known_gaussian():
    root = torch.tensor([[2.0, 0.0], [1.0, 0.5]])
    values = noise(40000, 2) @ root.T
    expected = 0.5 * (math.log(float((root @ root.T).det())) / 2 + math.log(2 * math.pi * math.e))
    assert explained(values, torch.arange(40000) % 4).entropy == pytest.approx(expected, abs=0.02)


def test_contexts_know_the_ends_of_rows():
    mel = torch.zeros(3, 80)
    found = contexts(dataset([("a", [5, 6, 5], [1, 1, 1], mel), ("b", [6, 5, 6], [1, 1, 1], mel),
                              ("c", [5, 6, 5], [1, 1, 1], mel)]))
    edge, size = len(symbols), len(symbols) + 1
    assert found[:3].tolist() == [(edge * size + 5) * size + 6, (5 * size + 6) * size + 5, (6 * size + 5) * size + edge]
    assert torch.equal(found[:3], found[6:]) and found.unique().numel() == 6


def test_frames_of_a_symbol_are_spread_over_it():
    mel = torch.arange(9.0)[:, None].expand(9, 80)
    frames, spoken = symbol_frames(dataset([("a", [1, 2, 3, 4], [6, 1, 0, 2], mel)]))
    assert frames[..., 0].tolist()[:2] == [[0, 2, 3, 5], [6, 6, 6, 6]] and frames[3, :, 0].tolist() == [7, 7, 8, 8]
    assert spoken.tolist() == [True, True, False, True]


def random_rows(noisy: float) -> list[tuple[str, list[int], list[int], torch.Tensor]]:
    """Texts of three symbols; a symbol has its own mel and duration, with noise on the mel alone."""
    rng, table = np.random.default_rng(0), noise(148, 80)
    rows = []
    for number in range(400):
        ids = rng.integers(1, 5, 4).tolist()
        mel = torch.cat([table[n].expand(n, 80) for n in ids])
        rows.append((f"text-{number // 2}", ids, ids, mel + noisy * noise(*mel.shape, seed=number)))
    return rows


def test_statistics_of_a_target_set():
    exact, noisy = (set_statistics(dataset(random_rows(level))) for level in (0.0, 1.0))
    assert exact["rows"] == 400 and exact["unexplained"] == pytest.approx(0, abs=1e-6)
    assert 0.3 < noisy["unexplained"] < 0.8 and noisy["duration_unexplained"] == pytest.approx(0, abs=1e-6)
    assert noisy["entropy"] > exact["entropy"]


def test_spread_over_readings():
    ids, mel = [1, 2, 3], noise(6, 80)
    alike = dataset([("a", ids, [1, 2, 3], mel), ("a", ids, [1, 2, 3], mel), ("alone", ids, [1, 2, 3], mel)])
    assert spread(alike) == {"spread": pytest.approx(0), "duration_spread_ms": pytest.approx(0)}
    apart = dataset([(f"{n // 2}", ids * 50, [1] * 150, noise(150, 80, seed=n)) for n in range(4)])
    assert spread(apart)["spread"] == pytest.approx(1, abs=0.02)
    paces = dataset([("a", [1, 2], [1, 5], mel), ("a", [1, 2], [5, 1], mel)])
    assert spread(paces)["duration_spread_ms"] == pytest.approx(math.sqrt(8) * frame_ms())
    assert math.isnan(spread(dataset([("a", ids, [1, 2, 3], mel)]))["spread"])


def test_var_l_of_a_known_array():
    mel = np.zeros((5, 5))
    mel[2, 2] = 1
    scale = 2.0 - math.log(1e-5)
    laplacian = np.zeros((5, 5))
    laplacian[2, 2], laplacian[1, 2], laplacian[3, 2], laplacian[2, 1], laplacian[2, 3] = 4, -1, -1, -1, -1
    assert var_l(mel) == pytest.approx((laplacian / 6 / scale).var())
    assert var_l(np.full((80, 1), -3.0)) == pytest.approx(0)
    assert var_l(3 * mel) == pytest.approx(9 * var_l(mel))


def test_cepstra_of_a_cosine():
    bands = np.arange(80) + 0.5
    mel = (7 + 0.4 * np.cos(3 * np.pi * bands / 80))[:, None]
    expected = np.zeros((1, 13))
    expected[0, 2] = 0.4
    np.testing.assert_allclose(cepstra(mel), expected, atol=1e-12)
    assert mcd_dtw(mel, np.full((80, 4), 7.0)) == pytest.approx(10 / math.log(10) * math.sqrt(2) * 0.4)


def test_mcd_does_not_mind_another_pace():
    mel = noise(80, 30).numpy()
    assert mcd_dtw(mel, mel) == 0
    assert mcd_dtw(mel, np.repeat(mel, [1 + n % 4 for n in range(30)], 1)) == pytest.approx(0, abs=1e-6)
    assert mcd_dtw(mel, noise(80, 40, seed=1).numpy()) > 1


def test_warping_is_the_path_of_least_sum():
    cost = np.abs(noise(7, 9).numpy())
    best = np.full((8, 10), np.inf)
    best[0, 0] = 0
    for t in range(7):
        for u in range(9):
            best[t + 1, u + 1] = cost[t, u] + min(best[t, u], best[t, u + 1], best[t + 1, u])
    path = warping(cost)
    assert path[0] == (6, 8) and path[-1] == (0, 0)
    assert sum(cost[place] for place in path) == pytest.approx(best[-1, -1])


def test_figures_of_mels():
    recorded = [noise(80, 30, seed=n).numpy() for n in range(2)]
    durations = [np.array([10, 20]), np.array([15, 15])]
    same = mel_figures(recorded, durations, recorded, durations)
    assert same == pytest.approx({"duration_ms": 0, "length": 1, "var_l": 1, "gv": 1, "mcd_mel": 0})
    halved = mel_figures([mel / 2 for mel in recorded], [np.array([12, 18])] * 2, recorded, durations)
    assert halved["gv"] == pytest.approx(0.25) and halved["var_l"] == pytest.approx(0.25)
    assert halved["duration_ms"] == pytest.approx(2.5 * frame_ms())
    np.testing.assert_allclose(band_variance(np.array([[1.0, 3.0], [2.0, 2.0]])), [1, 0])
