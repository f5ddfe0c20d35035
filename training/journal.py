"""What a run tells: a line every few seconds, a progress bar on a terminal, TensorBoard files in the run's folder."""
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch


class Journal:
    """Writes the course of a training to OUT/log.jsonl, TensorBoard and the terminal; silent where not `active`."""

    def __init__(self, folder: Path, active: bool, start: int, steps: int) -> None:
        self.active = active
        if not active:
            return
        from torch.utils.tensorboard import SummaryWriter
        from tqdm import tqdm
        self.log = open(folder / "log.jsonl", "a", encoding="utf-8")
        self.board = SummaryWriter(str(folder), purge_step=start)
        self.bar = tqdm(total=steps, initial=start, unit="step", disable=not sys.stderr.isatty())
        self.printed = time.monotonic() - 10.0

    def scalars(self, step: int, values: dict[str, float], kind: str = "train") -> None:
        """Notes named numbers at a step; prints them at most every 5 seconds, validations always."""
        if not self.active:
            return
        self.log.write(json.dumps({"step": step, "kind": kind, **values}) + "\n")
        self.log.flush()
        for name, value in values.items():
            self.board.add_scalar(f"{kind}/{name}", value, step)
        self.bar.update(step - self.bar.n)
        if kind != "train" or time.monotonic() - self.printed >= 5.0:
            self.say(f"{kind} step {step}: " + "  ".join(f"{name} {value:.4g}" for name, value in values.items()))
            self.printed = time.monotonic()

    def say(self, line: str) -> None:
        """Prints a line without breaking the progress bar."""
        if self.active:
            self.bar.write(line, file=sys.stderr)
            sys.stderr.flush()

    def picture(self, step: int, name: str, array: np.ndarray) -> None:
        """Draws an array (rows, columns), row 0 at the bottom, from black (its least value) to white."""
        if self.active:
            low, high = float(array.min()), float(array.max())
            scaled = (array[::-1] - low) / max(high - low, 1e-9)
            self.board.add_image(name, scaled[None].astype(np.float32), step)

    def sound(self, step: int, name: str, wave: torch.Tensor, rate: int) -> None:
        """Keeps a wave (S,) in [-1, 1] to listen to."""
        if self.active:
            self.board.add_audio(name, wave.detach().float().cpu()[None].clamp(-1, 1), step, sample_rate=rate)

    def close(self) -> None:
        """Flushes and closes the files."""
        if self.active:
            self.bar.close()
            self.board.close()
            self.log.close()
