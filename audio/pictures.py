"""Pictures of mels and alignments as PNG files. matplotlib is imported only when something is drawn."""
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_INCHES = 30.0  # 3,000 pixels: the picture of a long text is compressed, not cut


def mel_picture(path: str | Path, mel: np.ndarray, seconds: float) -> None:
    """Draws a log-mel: time from left to right, bands upwards.

    mel: (M, T) float, natural log of magnitude; seconds: the length of the T frames. Raises UserError if the file
    cannot be written.
    """
    figure, axes = _canvas(width=max(6.0, 1.5 * seconds), height=3.5)
    image = axes.imshow(_at_most(mel), origin="lower", aspect="auto", interpolation="nearest",
                        extent=(0.0, seconds, -0.5, len(mel) - 0.5))
    axes.set(xlabel="seconds", ylabel="mel band")
    figure.colorbar(image, label="natural log of magnitude")
    _save(figure, path)


def alignment_picture(path: str | Path, alignment: np.ndarray, symbols: Sequence[str],
                      durations: np.ndarray | None = None, title: str = "") -> None:
    """Draws attention: time from left to right, symbols upwards, brighter where the weight is larger.

    alignment: (T, N) weights in [0, 1]; symbols: the N labels of the left axis; durations: (N,) int64 frames of each
    symbol, summing to T, drawn as a line over it, or None. Raises UserError as mel_picture does.
    """
    frames, count = alignment.shape
    figure, axes = _canvas(width=max(6.0, frames / 60), height=max(4.0, count / 9))
    axes.imshow(alignment.T, origin="lower", aspect="auto", interpolation="nearest", vmin=0.0, vmax=1.0)
    if durations is not None:
        edges = np.concatenate([[0], np.cumsum(durations)]) - 0.5
        axes.stairs(np.arange(count), edges, baseline=None, color="red", linewidth=0.8)
    axes.set(xlabel="mel frame")
    axes.set_title(title, parse_math=False)  # a "$" is a dollar, not the start of a formula
    axes.set_yticks(range(count), labels=list(symbols), fontsize=6, parse_math=False)
    _save(figure, path)


def _canvas(width: float, height: float) -> tuple["Figure", "Axes"]:
    """Returns a figure and its axes, without pyplot, which keeps all figures in a global list and may need a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure(figsize=(min(width, _MOST_INCHES), min(height, _MOST_INCHES)), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _at_most(mel: np.ndarray, columns: int = 20000) -> np.ndarray:
    """Returns a mel with at most `columns` frames by skipping frames: the picture has fewer pixels."""
    return mel[:, ::-(-mel.shape[1] // columns)]


def _save(figure: "Figure", path: str | Path) -> None:
    """Writes a figure as a PNG file, atomically."""
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=100)
