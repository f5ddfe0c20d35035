"""Measures of target sets and of mels for targets.py, their tables and plots. No measure depends on what was taught.

Axes: N text symbols, T mel frames, M mel bands. Mels are (M, T), natural log; durations int64 frames, (N,).
"""
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from distillation.dataset import DistilledDataset
from experiments.target_sets import MEL_TARGETS
from hparams import AudioConfig
from runtime.errors import UserError

PLACES = 4  # relative positions looked at in a symbol
N_CEPSTRA = 13  # without the zeroth, which is loudness
SILENCE, LOUD = math.log(1e-5), 2.0  # log-mels that become 0 and 1 before the Laplacian; a ratio of two does not change


class Explained(NamedTuple):
    """What classes leave open of some values."""
    variance: float  # of the values, summed over their components
    unexplained: float  # share of it that remains inside of classes: 0 (the class tells all) to about 1 (nothing)
    entropy: float  # nats a component of a Gaussian with the covariance that remains; -inf where that is singular


def explained(values: Tensor, classes: Tensor) -> Explained:
    """How much of values (n, D) float is told by their classes (n,) int64.

    Both variances are unbiased: squares inside of classes over n less the number of classes, all squares over n - 1. A
    class of one value counts in neither part, so rare contexts are not taken for explained ones. Entropy: the
    conditional Gaussian one, (log det C + D log 2 pi e) / 2 D with C the pooled covariance inside of classes. Share
    and entropy are NaN where every class has one value.
    """
    values = values.double()
    _, index, counts = classes.unique(return_inverse=True, return_counts=True)
    D, freedom = values.shape[1], len(values) - len(counts)
    total = values.var(0).sum()
    if not freedom:
        return Explained(float(total), math.nan, math.nan)
    means = values.new_zeros(len(counts), D).index_add_(0, index, values) / counts[:, None]
    inside = values - means[index]
    covariance = inside.T @ inside / freedom
    entropy = (torch.linalg.slogdet(covariance).logabsdet / D + math.log(2 * math.pi * math.e)) / 2
    return Explained(float(total), float(covariance.trace() / total), float(entropy))


def symbol_frames(data: DistilledDataset) -> tuple[Tensor, Tensor]:
    """Returns (frames, spoken): PLACES frames of every symbol, evenly spread over its own ones, and who has any.

    frames: (symbols, PLACES, M) float32, the symbols of all rows end to end; spoken: (symbols,) bool, False for
    symbols of 0 frames, which are given frames of a neighbour. With 6 frames a symbol and PLACES 4: frames 0 2 3 5.
    """
    durations = data.durations.flat.long()
    starts = durations.cumsum(0) - durations  # rows lie end to end, and each has the frames that its durations sum to
    places = (torch.arange(PLACES, device=durations.device) + 0.5) / PLACES
    index = starts[:, None] + (durations[:, None] * places).long()
    return data.mels.flat[index.clamp(max=len(data.mels.flat) - 1)].float(), durations > 0


def contexts(data: DistilledDataset) -> Tensor:
    """(symbols,) int64: a number for each triple (previous, this, next symbol), the ends of a row as a symbol apart."""
    ids = data.ids.flat.long()
    edge, size = len(data.manifest.symbols), len(data.manifest.symbols) + 1
    before, after = ids.roll(1), ids.roll(-1)
    starts = data.ids.starts.to(ids.device)
    before[starts] = edge
    after[starts - 1] = edge  # the last symbol of the row before; of the first row's it is the very last
    return (before * size + ids) * size + after


def set_statistics(data: DistilledDataset) -> dict[str, float]:
    """What the context (previous, this, next symbol; relative position) leaves open of a target set's mels, and of its
    log durations (without the position).

    Every symbol counts once at each position, however long it is: the frames inside of a symbol resemble each other,
    and would make rare contexts look as if they told the mel.
    """
    frames, spoken = symbol_frames(data)
    context = contexts(data)
    places = torch.arange(PLACES, device=context.device)
    mel = explained(frames[spoken].flatten(0, 1), (context[spoken][:, None] * PLACES + places).flatten())
    duration = explained(data.durations.flat.float().log1p()[:, None], context)
    return {"rows": len(data), "frames": int(data.mels.lengths.sum()), "variance": mel.variance,
            "unexplained": mel.unexplained, "entropy": mel.entropy, "duration_variance": duration.variance,
            "duration_unexplained": duration.unexplained}


def spread(data: DistilledDataset) -> dict[str, float]:
    """How far several readings of the same texts lie apart, symbol by symbol; texts with fewer than the others are
    left out.

    spread: variance over the readings at the same position of the same symbol, as a share of the variance of all;
    duration_spread_ms: mean over symbols of the standard deviation over the readings. NaN for single readings.
    """
    frames, _ = symbol_frames(data)
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(data.names):
        rows.setdefault(name, []).append(row)
    most = max(map(len, rows.values()))
    starts, lengths = data.ids.starts.tolist(), data.ids.lengths.tolist()
    whole = [[torch.arange(starts[row], starts[row] + lengths[row]) for row in own]
             for own in rows.values() if len(own) == most]
    index = torch.cat([torch.stack(own) for own in whole], 1).to(frames.device)  # (readings, symbols)
    if most == 1:
        return {"spread": math.nan, "duration_spread_ms": math.nan}
    mels, durations = frames[index], data.durations.flat[index].float()
    return {"spread": float(mels.var(0).mean(dim=(0, 1)).sum() / mels.flatten(0, 2).var(0).sum()),
            "duration_spread_ms": float(durations.std(0).mean()) * frame_ms()}


def frame_ms() -> float:
    """Milliseconds a mel frame."""
    return 1000 * AudioConfig().hop_length / AudioConfig().sample_rate


def var_l(mel: np.ndarray) -> float:
    """Variance of the Laplacian of a mel (M, T) scaled to [0, 1], kernel [[0, -1, 0], [-1, 4, -1], [0, -1, 0]] / 6,
    borders repeated: how sharp it is (Ren et al. 2022, arXiv 2202.13066)."""
    x = np.pad((mel.astype(np.float64) - SILENCE) / (LOUD - SILENCE), 1, mode="edge")
    around = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]
    return float(((4 * x[1:-1, 1:-1] - around) / 6).var())


def band_variance(mel: np.ndarray) -> np.ndarray:
    """Variance over time of each band of a mel (M, T): (M,), the global variance of Toda and Tokuda 2007."""
    return mel.astype(np.float64).var(1)


def cepstra(mel: np.ndarray) -> np.ndarray:
    """Mel cepstra 1 to N_CEPSTRA of a log-mel (M, T): (T, N_CEPSTRA), c_k = 2 / M sum over bands b of
    mel_b cos(pi k (b + 1/2) / M), so that mel_b = c_0 + sum of c_k cos(...)."""
    M = len(mel)
    angles = np.pi / M * np.outer(np.arange(1, N_CEPSTRA + 1), np.arange(M) + 0.5)
    return (2 / M * np.cos(angles) @ mel.astype(np.float64)).T


def mcd_dtw(mel: np.ndarray, other: np.ndarray) -> float:
    """Mel cepstral distortion in dB of two log-mels (M, T) of any lengths, mean along the best time warping.

    10 / ln 10 sqrt(2 sum of squared differences of cepstra) (Kubichek 1993), which is the root mean square difference
    of the two smoothed spectra. The path goes on by a frame in the one, in the other or in both, and is the one with
    the least sum.
    """
    a, b = cepstra(mel), cepstra(other)
    cost = 10 / math.log(10) * np.sqrt(2 * np.square(a[:, None] - b[None]).sum(2))
    return float(np.mean([cost[place] for place in warping(cost)]))


def warping(cost: np.ndarray) -> list[tuple[int, int]]:
    """The path of least sum through cost (T, T'), from corner to corner, as places, last first."""
    best = np.full((len(cost) + 1, cost.shape[1] + 1), np.inf)
    best[0, 0] = 0
    for t, row in enumerate(cost):
        entry = np.minimum(best[t, 1:], best[t, :-1])  # from the row before, straight or aslant
        ahead = row.cumsum()
        # best[j] = row[j] + min(entry[j], best[j - 1]) for all j at once: who enters at k pays row[k] ... row[j]
        best[t + 1, 1:] = ahead + np.minimum.accumulate(entry - (ahead - row))
    t, u = cost.shape
    path = []
    while t and u:
        path.append((t - 1, u - 1))
        t, u = min(((t - 1, u - 1), (t - 1, u), (t, u - 1)), key=lambda place: best[place])
    return path


def arrays(data: DistilledDataset) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Mels (M, T) float32 and durations (N,) int32 of all rows."""
    return ([data.mels.row(row).t().float().numpy() for row in range(len(data))],
            [data.durations.row(row).numpy() for row in range(len(data))])


def mel_figures(mels: list[np.ndarray], durations: list[np.ndarray], recorded: list[np.ndarray],
                aligned: list[np.ndarray]) -> dict[str, float]:
    """Judges mels (M, T) and durations (N,) of some texts by their recordings' mels and aligned durations.

    duration_ms: mean absolute error a symbol; length: frames over the recordings' frames; var_l and gv: means over
    the texts over the same of the recordings, of gv the mean ratio of the bands (1: as lively); mcd_mel: dB, straight
    from the mels.
    """
    errors = np.concatenate([np.abs(own - other) for own, other in zip(durations, aligned, strict=True)])
    ratio = np.mean([band_variance(mel) for mel in mels], 0) / np.mean([band_variance(mel) for mel in recorded], 0)
    return {"duration_ms": float(errors.mean()) * frame_ms(),
            "length": sum(mel.shape[1] for mel in mels) / sum(mel.shape[1] for mel in recorded),
            "var_l": float(np.mean([var_l(mel) for mel in mels]) / np.mean([var_l(mel) for mel in recorded])),
            "gv": float(ratio.mean()),
            "mcd_mel": float(np.mean([mcd_dtw(*pair) for pair in zip(mels, recorded, strict=True)]))}


# How it is told: measure -> heading, factor, digits
MEASURES = {"wer": ("WER, %", 100, 1), "mos": ("MOS", 1, 2), "mcd": ("MCD through the vocoder, dB", 1, 2),
            "mcd_mel": ("MCD of the mels, dB", 1, 2), "duration_ms": ("duration error, ms", 1, 1),
            "length": ("length", 1, 3), "var_l": ("Var_L", 1, 2), "gv": ("global variance", 1, 2),
            "left": ("squared error left, %", 100, 1)}
STATISTICS = {"rows": ("texts", 1, 0), "variance": ("mels: variance", 1, 1),
              "unexplained": ("mels: unexplained, %", 100, 1), "entropy": ("mels: entropy, nats a band", 1, 3),
              "spread": ("mels: spread over runs, %", 100, 1),
              "duration_unexplained": ("log durations: unexplained, %", 100, 1),
              "duration_spread_ms": ("durations: spread over runs, ms", 1, 1), "focus": ("focus", 1, 3)}
LABELS = {"recorded": ("recorded", "forced reading = same run"),
          "recorded-training": ("recorded", "forced reading in training mode"),
          "forced": ("teacher-forced", "same run"), "free": ("free-running", "same run"),
          "free-scaled": ("free-running", "forced reading, rescaled")}


def merge_scores(figures: dict[str, dict[str, Any]], path: Path) -> None:
    """Adds "wer" (0 to 1) and "mos" of a file {name: {"wer": ..., "mos": ...}} to the figures of those names, in place.

    Raises UserError for a file that cannot be read or is not of this form, and for a name that is none of them.
    """
    try:
        for name, score in json.loads(path.read_text()).items():
            figures[name].update({key: float(score[key]) for key in ("wer", "mos") if key in score})
    except OSError as error:
        raise UserError(f"--scores {path}: cannot be read ({error.strerror}); name a JSON file") from None
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f'--scores {path}: expected {{"name": {{"wer": 0.05, "mos": 3.2}}}} ({error})') from None
    except KeyError as error:
        raise UserError(f"--scores {path}: {error} is no student or reference; expected one of {', '.join(figures)}"
                        ) from None


class Group(NamedTuple):
    """Students that differ by their seed alone, or one reference."""
    size: str
    targets: str
    features: bool
    parameters: int  # 0 for a reference
    values: dict[str, np.ndarray]  # of each measure that is there, one a seed


def grouped(figures: list[dict[str, Any]]) -> list[Group]:
    """Brings figures.json of all students and references together, small students first, references last."""
    found: dict[tuple, list[dict[str, Any]]] = {}
    for one in figures:
        found.setdefault((one["parameters"] or math.inf, list(LABELS).index(one["targets"]), one["features"]),
                         []).append(one)
    groups = []
    for _, own in sorted(found.items(), key=lambda item: item[0]):
        values = {name: np.array([one[name] for one in own if one.get(name) is not None]) for name in MEASURES}
        groups.append(Group(own[0]["size"], own[0]["targets"], own[0]["features"], own[0]["parameters"],
                            {name: some for name, some in values.items() if len(some)}))
    return groups


def tables(groups: list[Group], statistics: dict[str, dict[str, float | None]]) -> str:
    """Both tables in Markdown: students with mean ± standard deviation over the seeds, and target sets."""
    students = [["student", "parameters", "mel targets", "durations", "features", *_headings(MEASURES)]]
    for group in groups:
        students.append([group.size, f"{group.parameters:,}" if group.parameters else "–", *LABELS[group.targets],
                         "on" if group.features else "off",
                         *(_told(group.values.get(name, []), *how) for name, (_, *how) in MEASURES.items())])
    sets = [["mel targets", "durations", *_headings(STATISTICS)]]
    for targets, found in statistics.items():
        sets.append([*LABELS[targets], *(_told([] if found.get(name) is None else [found[name]], *how)
                                         for name, (_, *how) in STATISTICS.items())])
    return f"{_markdown(students)}\n{_markdown(sets)}"


def _headings(measures: dict[str, tuple[str, float, int]]) -> list[str]:
    return [heading for heading, *_ in measures.values()]


def _markdown(rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:]))


def _told(values: Sequence[float], factor: float, digits: int) -> str:
    if not len(values):
        return "–"
    deviation = f" ± {factor * np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{factor * np.mean(values):.{digits}f}{deviation}"


def draw(folder: Path, groups: list[Group], statistics: dict[str, dict[str, float | None]]) -> None:
    """Writes three pictures, a panel a measure.

    cells.png: students of the published size, and the targets themselves as dashes; sizes.png: mel targets by the
    student's size; variance.png: students by what context leaves open of their targets, which two letters name.
    """
    plain = [group for group in groups if group.parameters and not group.features and group.targets in MEL_TARGETS]
    by_targets = {name: [group for group in plain if group.targets == name] for name in MEL_TARGETS}
    left_open = {name: math.nan if found["unexplained"] is None else 100 * found["unexplained"]
                 for name, found in statistics.items()}
    by_size = {size: [group for group in plain if group.size == size] for size in {group.size: 0 for group in plain}}

    def cells(axes: Any, name: str) -> None:
        """A dot a cell, by its targets."""
        for group in groups:
            place = list(LABELS).index(group.targets) + 0.2 * group.features
            if not group.parameters and name in group.values:
                axes.hlines(_scaled(group, name), place - 0.2, place + 0.4, linestyle="dashed", color="grey")
            elif group.size == "published":
                _dots(axes, [place], [group], name, "with features" if group.features else "without",
                      "C1" if group.features else "C0")
        axes.set_xticks(range(len(LABELS)), [name.replace("-", "-\n") for name in LABELS], fontsize=7)

    def sizes(axes: Any, name: str) -> None:
        """A line a target, by the number of parameters."""
        for number, (targets, own) in enumerate(by_targets.items()):
            _dots(axes, [group.parameters / 1e6 for group in own], own, name, targets, f"C{number}")
        axes.set(xscale="log", xlabel="million parameters")
        millions = [group.parameters / 1e6 for group in plain]
        axes.set_xticks(millions, [f"{number:.2g}" for number in millions])
        axes.minorticks_off()

    def variance(axes: Any, name: str) -> None:
        """A line a size, by what context leaves open of the targets."""
        for number, (size, own) in enumerate(by_size.items()):
            own = sorted(own, key=lambda group: left_open[group.targets])
            _dots(axes, [left_open[group.targets] for group in own], own, name, size, f"C{number}")
        for group in (group for group in plain if name in group.values):
            axes.annotate(group.targets[:2], (left_open[group.targets], _scaled(group, name).mean()), (3, 3),
                          textcoords="offset points", fontsize=7)
        axes.set(xlabel="unexplained variance of the targets, %")

    for path, panel in (("cells.png", cells), ("sizes.png", sizes), ("variance.png", variance)):
        _panels(folder / path, panel, [name for name in MEASURES if any(name in group.values for group in plain)])


def _scaled(group: Group, name: str) -> np.ndarray:
    """A measure's values in the unit of its heading."""
    return MEASURES[name][1] * group.values[name]


def _dots(axes: Any, places: list[float], groups: list[Group], name: str, label: str, colour: str) -> None:
    """A line through the means of a measure, with the standard deviations, labelled once a panel."""
    there = [(place, _scaled(group, name)) for place, group in zip(places, groups) if name in group.values]
    if there:
        label = label if label not in axes.get_legend_handles_labels()[1] else None
        axes.errorbar([place for place, _ in there], [values.mean() for _, values in there],
                      [values.std(ddof=1) if len(values) > 1 else 0 for _, values in there],
                      marker="o", capsize=3, label=label, color=colour)


def _panels(path: Path, panel: Callable[[Any, str], None], names: list[str]) -> None:
    from matplotlib.figure import Figure
    columns = -(-len(names) // 2)
    figure = Figure(figsize=(3.4 * columns, 6.4), layout="constrained")
    for number, name in enumerate(names):
        axes = figure.add_subplot(2, columns, number + 1)
        panel(axes, name)
        axes.set_title(MEASURES[name][0], fontsize=9)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)  # hides no dot
    figure.savefig(path, dpi=100)
