"""The training state on disk: written to a temporary name, then renamed; tensors and plain containers only."""
import dataclasses
import os
from pathlib import Path
from typing import Any

import torch

from runtime.errors import UserError
from runtime.files import atomic_write
from runtime.torch_files import read_torch_file

CHECKPOINT_FORMAT = 1


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes `state` so that a kill or a full disk at any moment leaves the old file or the new one, never a half.

    Raises UserError if the file cannot be written.
    """
    try:
        with atomic_write(path, sync=True, advice="free some space, then --resume") as file:
            torch.save({"format": CHECKPOINT_FORMAT, **state}, file)
    except RuntimeError:  # torch's writer turns a full disk into a RuntimeError about positions
        raise UserError(f"{path}: could not be written (is the disk full?); free some space, then --resume") from None


def load_checkpoint(path: Path, model: str) -> dict[str, Any]:
    """Reads a training state of `model` on the CPU.

    Raises UserError for a missing or truncated file, another format or another model.
    """
    if not os.path.exists(path):
        raise UserError(f"{path}: no checkpoint to resume from; start the training without --resume")
    state = read_torch_file(path, "not a complete checkpoint; another one in its folder may be whole")
    found = state.get("format") if isinstance(state, dict) else None
    if found != CHECKPOINT_FORMAT:
        raise UserError(f"{path}: checkpoint format {found}, expected {CHECKPOINT_FORMAT}; was it made by train.py?")
    if state["model"] != model:
        raise UserError(f"{path}: a checkpoint of {state['model']}, expected {model}; give the right --model or --out")
    return state


def check_same_config(path: Path, saved: dict[str, Any], config: Any) -> None:
    """Raises UserError naming the settings in which a checkpoint's config differs from today's `config`."""
    today = dataclasses.asdict(config)
    names = [name for name in sorted(saved.keys() | today.keys()) if saved.get(name) != today.get(name)]
    if names:
        found = ", ".join(f"{name} {saved.get(name)} (now {today.get(name)})" for name in names)
        raise UserError(f"{path}: made with other settings: {found}; give the same ones or start anew")


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of the random generators that training draws from."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Restores what random_state returned; a generator the saving machine did not have stays as it is."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
