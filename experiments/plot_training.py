"""Draws the losses of the trainings from their logs.

    python experiments/plot_training.py        # results/training/*.jsonl -> results/training.png

A log is a log.jsonl, which train.py writes into a run's folder.
"""
import json
from pathlib import Path

from matplotlib.figure import Figure

RESULTS = Path(__file__).resolve().parents[1] / "results"
PANELS = (("teacher", ("mel_postnet", "letters mel_postnet", "phonemes mel_postnet")),
          ("student", ("mel", "duration", "pitch", "feature")),
          ("vocoder", ("mel", "stft", "feature_matching", "student mel", "student stft")))


def read_log(path: Path) -> dict[tuple[str, str], tuple[list[int], list[float]]]:
    """Returns the curves of a log: (kind, name) -> (steps, values), where kind is "train" or "validation"."""
    curves: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        step, kind = row.pop("step"), row.pop("kind")
        for name, value in row.items():
            steps, values = curves.setdefault((kind, name), ([], []))
            steps.append(step)
            values.append(value)
    return curves


def main() -> None:
    """Draws one panel for each training, with thin lines for training batches and thick lines for held-out rows."""
    figure = Figure(figsize=(15, 4.5), layout="constrained")
    for axes, (model, names) in zip(figure.subplots(1, 3).flat, PANELS):
        for (kind, name), (steps, values) in read_log(RESULTS / "training" / f"{model}.jsonl").items():
            if name in names:
                axes.plot(steps, values, label=f"{name} ({kind})", linewidth=0.6 if kind == "train" else 2)
        axes.set(title=model, xlabel="step", yscale="log")
        axes.legend(fontsize=7)
    figure.savefig(RESULTS / "training.png", dpi=100)


if __name__ == "__main__":
    main()
