"""Tables and plots of targets.py: students and references by what they were taught, and the target sets themselves."""
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.target_sets import MEL_TARGETS
from hparams import UserError

# measure -> heading, factor, digits
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
    """Adds the scores of a file {name: {"wer": 0 to 1, "mos": ...}} to the figures of the same names, in place.

    Raises UserError for a file that cannot be read or has another form, and for an unknown name.
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
    """Students that differ only in their seed, or one reference."""
    size: str
    targets: str
    features: bool
    parameters: int  # 0 for a reference
    values: dict[str, np.ndarray]  # by measure, one value for each seed


def group_by_cell(figures: list[dict[str, Any]]) -> list[Group]:
    """Groups the figures of all students and references; small students come first, references last."""
    cells: dict[tuple, list[dict[str, Any]]] = {}
    for student in figures:
        key = student["parameters"] or math.inf, list(LABELS).index(student["targets"]), student["features"]
        cells.setdefault(key, []).append(student)
    groups = []
    for _, members in sorted(cells.items(), key=lambda item: item[0]):
        values = {name: [member[name] for member in members if member.get(name) is not None] for name in MEASURES}
        about = {key: members[0][key] for key in ("size", "targets", "features", "parameters")}
        groups.append(Group(**about, values={name: np.array(some) for name, some in values.items() if some}))
    return groups


def tables(groups: list[Group], statistics: dict[str, dict[str, float | None]]) -> str:
    """Returns two tables in Markdown: students, as mean ± standard deviation over the seeds, and target sets."""
    students = [["student", "parameters", "mel targets", "durations", "features", *_headings(MEASURES)]]
    for group in groups:
        students.append([group.size, f"{group.parameters:,}" if group.parameters else "–", *LABELS[group.targets],
                         "on" if group.features else "off",
                         *(_format(group.values.get(name, []), *how) for name, (_, *how) in MEASURES.items())])
    sets = [["mel targets", "durations", *_headings(STATISTICS)]]
    for targets, found in statistics.items():
        sets.append([*LABELS[targets], *(_format([] if found.get(name) is None else [found[name]], *how)
                                         for name, (_, *how) in STATISTICS.items())])
    return f"{_markdown(students)}\n{_markdown(sets)}"


def _headings(measures: Mapping[str, tuple[str, float, int]]) -> list[str]:
    return [heading for heading, *_ in measures.values()]


def _markdown(rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:]))


def _format(values: Any, factor: float, digits: int) -> str:
    if not len(values):
        return "–"
    deviation = f" ± {factor * np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{factor * np.mean(values):.{digits}f}{deviation}"


def draw_plots(folder: Path, groups: list[Group], statistics: dict[str, dict[str, float | None]]) -> None:
    """Draws cells.png, sizes.png and variance.png, each with one panel for each measure."""
    with_mel_targets = [group for group in groups
                        if group.parameters and not group.features and group.targets in MEL_TARGETS]
    unexplained = {name: math.nan if figures["unexplained"] is None else 100 * figures["unexplained"]
                   for name, figures in statistics.items()}
    names = [name for name in MEASURES if any(name in group.values for group in with_mel_targets)]
    _draw_panels(folder / "cells.png", names, lambda axes, name: _draw_cells(axes, name, groups))
    _draw_panels(folder / "sizes.png", names, lambda axes, name: _draw_sizes(axes, name, with_mel_targets))
    _draw_panels(folder / "variance.png", names,
                 lambda axes, name: _draw_variance(axes, name, with_mel_targets, unexplained))


def _draw_cells(axes: Any, name: str, groups: list[Group]) -> None:
    """Draws a measure over the targets: dots for students of the published size, dashes for the targets themselves."""
    for group in groups:
        x = list(LABELS).index(group.targets) + 0.2 * group.features
        if not group.parameters and name in group.values:
            axes.hlines(_scaled(group, name), x - 0.2, x + 0.4, linestyle="dashed", color="grey")
        elif group.size == "published":
            label, colour = ("with features", "C1") if group.features else ("without", "C0")
            _draw_means(axes, [x], [group], name, label, colour)
    axes.set_xticks(range(len(LABELS)), [label.replace("-", "-\n") for label in LABELS], fontsize=7)


def _draw_sizes(axes: Any, name: str, groups: list[Group]) -> None:
    """Draws a measure over the number of parameters, a line for each kind of mel targets."""
    for number, targets in enumerate(MEL_TARGETS):
        members = [group for group in groups if group.targets == targets]
        _draw_means(axes, [group.parameters / 1e6 for group in members], members, name, targets, f"C{number}")
    axes.set(xscale="log", xlabel="million parameters")
    millions = [group.parameters / 1e6 for group in groups]
    axes.set_xticks(millions, [f"{number:.2g}" for number in millions])
    axes.minorticks_off()


def _draw_variance(axes: Any, name: str, groups: list[Group], unexplained: dict[str, float]) -> None:
    """Draws a measure over the unexplained variance of the targets, a line for each size of student."""
    for number, size in enumerate(dict.fromkeys(group.size for group in groups)):
        members = [group for group in groups if group.size == size]
        members.sort(key=lambda group: unexplained[group.targets])
        _draw_means(axes, [unexplained[group.targets] for group in members], members, name, size, f"C{number}")
    for group in (group for group in groups if name in group.values):
        axes.annotate(group.targets[:2], (unexplained[group.targets], _scaled(group, name).mean()), (3, 3),
                      textcoords="offset points", fontsize=7)
    axes.set(xlabel="unexplained variance of the targets, %")


def _scaled(group: Group, name: str) -> np.ndarray:
    """Returns a measure's values in the unit of its heading."""
    return MEASURES[name][1] * group.values[name]


def _draw_means(axes: Any, xs: list[float], groups: list[Group], name: str, label: str, colour: str) -> None:
    """Draws a line through the means of a measure, with error bars of a standard deviation; one label per panel."""
    points = [(x, _scaled(group, name)) for x, group in zip(xs, groups) if name in group.values]
    if points:
        axes.errorbar([x for x, _ in points], [values.mean() for _, values in points],
                      [values.std(ddof=1) if len(values) > 1 else 0 for _, values in points], marker="o", capsize=3,
                      label=None if label in axes.get_legend_handles_labels()[1] else label, color=colour)


def _draw_panels(path: Path, names: list[str], draw_panel: Callable[[Any, str], None]) -> None:
    """Draws a figure of one panel for each measure into a file."""
    from matplotlib.figure import Figure
    columns = -(-len(names) // 2)
    figure = Figure(figsize=(3.4 * columns, 6.4), layout="constrained")
    for number, name in enumerate(names):
        axes = figure.add_subplot(2, columns, number + 1)
        draw_panel(axes, name)
        axes.set_title(MEASURES[name][0], fontsize=9)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=100)
