"""Loads a vocoder from our released files or a WaveGlow from NVIDIA's published checkpoints.

Three generations of NVIDIA's network exist. "new" (since 2019-08-27) has one cond_layer in each flow. "mid" (2018-11 to
2019-08, the public waveglow_256channels files) has a list cond_layers; concatenated, it is exactly "new". "old" has
that list too, but swaps the halves in odd flows. Nothing in the file shows that, so the user has to say it.
"""
import copy
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hparams import AudioConfig, UserError, WaveGlowConfig
from runtime.files import check_readable
from runtime.networks import build_network, load_tensors
from runtime.weights import load_weights, save_weights
from waveglow.model import OLD_EARLY_EVERY, WaveGlow, channels_of_flows
from waveglow.unpickle import Record, named_tensors, read_checkpoint, rebuild_tensor
from waveglow.vocoder import Vocoder, build

GENERATIONS = ("new", "mid", "old")
NEW_STYLE = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


def load(path: Path | str, generation: str | None = None, audio: AudioConfig = AudioConfig()) -> Vocoder:
    """Returns the model of the file, on the CPU, in eval mode, weight norm folded, float32.

    path: our .safetensors, or a published file: a pickled module or a state dict, alone or under "model" or
    "state_dict", with or without weight norm and "module.". Its sizes follow from the tensors; its code never runs.
    generation: "new", "mid" or "old" of a published file; None means "mid" for a file with cond_layers.
    Raises UserError naming the file if it is missing, damaged, or not a vocoder of this generation.
    """
    path = Path(path)
    if generation not in (None, *GENERATIONS):
        raise UserError(f"generation: found {generation!r}, expected one of {', '.join(GENERATIONS)}")
    check_readable(path)
    if path.suffix != ".safetensors":
        tensors, config = _published(path, generation)
    else:
        weights = load_weights(path, "waveglow", audio, upgrade=lambda settings: _upgrade(path, settings))
        tensors, config = weights.tensors, weights.config
        if generation not in (None, config.generation):
            raise UserError(f"{path}: generation {config.generation}, found {generation!r} asked for; leave it out")
    return _build(path, tensors, config, audio)


def save(path: Path | str, model: Vocoder, notes: dict[str, Any] | None = None,
         audio: AudioConfig = AudioConfig()) -> None:
    """Writes a released file (.safetensors, half precision, weight norm folded). The model is not changed.

    notes: how the weights were made. Raises UserError if the file cannot be written.
    """
    folded = copy.deepcopy(model)
    if isinstance(folded, WaveGlow):
        folded.fold_weight_norm()
    save_weights(Path(path), "waveglow", folded.state_dict(), model.config, audio, notes=notes)


def _upgrade(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Removes the settings of the small WaveGlow. Raises UserError for its own files, whose network is gone."""
    if settings.get("conditioning") == "frame" and settings.get("squeeze", "samples") == "samples":
        raise UserError(f"{path}: the small WaveGlow of an older version, which is no longer supported; "
                        "give the weights of a newer version")
    return {name: value for name, value in settings.items() if name not in ("conditioning", "cond_channels")}


def _build(path: Path, tensors: dict[str, Tensor], config: WaveGlowConfig, audio: AudioConfig) -> Vocoder:
    """Returns the network of these tensors in eval mode, its weight norm folded."""
    # Not on the meta device: its imports take seconds, more than the random weights.
    model = build_network(path, config, lambda config: build(config, audio), tensors)
    if isinstance(model, WaveGlow) and any(name.endswith("weight") and ".start." in name for name in tensors):
        model.fold_weight_norm()
    load_tensors(path, model, {name: tensor.float() for name, tensor in tensors.items()}, "WaveGlow", assign=True)
    if isinstance(model, WaveGlow):
        model.fold_weight_norm()
    return model.eval()


def _published(path: Path, generation: str | None) -> tuple[dict[str, Tensor], WaveGlowConfig]:
    """Returns the tensors of a published file under today's names, and the sizes that follow from them."""
    content = read_checkpoint(path)
    try:
        return _interpret(path, _state_dict(content), generation)
    except UserError:
        raise
    except Exception as error:  # a forged tensor can fail in any way
        raise UserError(f"{path}: its tensors cannot be rebuilt ({type(error).__name__}: "
                        f"{' '.join(str(error).split())[:100]}); download it again") from None


def _interpret(path: Path, tensors: dict[str, Tensor], generation: str | None
               ) -> tuple[dict[str, Tensor], WaveGlowConfig]:
    """Returns the tensors of a published file under the names of generation "new" or "old", and their settings."""
    if "convinv.0.conv.weight" not in tensors or "upsample.weight" not in tensors:
        raise UserError(f"{path}: found {len(tensors)} tensors, none of a published WaveGlow; expected "
                        "convinv.0.conv.weight among them; give NVIDIA's file, or our own as .safetensors")
    listed = any(".cond_layers." in name for name in tensors)
    if generation is not None and listed != (generation != "new"):
        raise UserError(f"{path}: has {'cond_layers' if listed else 'cond_layer'}, so it is not of generation "
                        f"{generation!r}; leave the generation out")
    tensors = _join_conditions(tensors) if listed else tensors
    return tensors, _config(path, tensors, "old" if generation == "old" else "new")


def _state_dict(content: Any) -> dict[str, Tensor]:
    """Returns the tensors of a published checkpoint's content by NVIDIA's names; {} if it holds none.

    Raises ValueError if they have more elements than the file (strides of 0): memory would be taken for them later.
    """
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and key in content:
            content = content[key]
    if isinstance(content, Record):
        tensors = dict(named_tensors(content))
    elif isinstance(content, dict):
        rebuilt = {name: rebuild_tensor(value) for name, value in content.items()}
        tensors = {name: tensor for name, tensor in rebuilt.items() if tensor is not None}
    else:
        return {}
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors.values()}
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > sum(storages.values()):
        raise ValueError("the tensors are larger than the file")
    return {_plain_name(str(name)): tensor for name, tensor in tensors.items()}


def _plain_name(name: str) -> str:
    """Returns a parameter's name without "module." and in the older spelling of weight norm."""
    name = name.removeprefix("module.")
    for ending, old in NEW_STYLE.items():
        name = name.replace(ending, old)
    return name


def _join_conditions(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the tensors with each flow's cond_layers.0, .1, ... concatenated to its cond_layer."""
    joined, parts = {}, {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"(WN\.\d+)\.cond_layers\.(\d+)\.(\w+)", name)
        if match:
            parts.setdefault(f"{match[1]}.cond_layer.{match[3]}", {})[int(match[2])] = tensor
        else:
            joined[name] = tensor
    for name, rows in parts.items():
        joined[name] = torch.cat([rows[i] for i in sorted(rows)])
    return joined


def _config(path: Path, tensors: dict[str, Tensor], generation: str) -> WaveGlowConfig:
    """Returns the sizes that follow from the tensors. Raises ValueError if no WaveGlow has such sizes."""
    def count(pattern: str) -> int:
        return sum(re.fullmatch(pattern, name) is not None for name in tensors)

    n_flows = count(r"convinv\.\d+\.conv\.weight")
    in_layer = tensors.get("WN.0.in_layers.0.weight", tensors.get("WN.0.in_layers.0.weight_v"))
    sizes = [len(tensors[name]) for name in (f"convinv.{k}.conv.weight" for k in range(n_flows)) if name in tensors]
    early = next((k for k, size in enumerate(sizes) if size < sizes[0]), 0)
    if in_layer is None or in_layer.dim() != 3 or len(sizes) != n_flows:
        raise UserError(f"{path}: parts of a WaveGlow are missing (WN.0.in_layers, convinv); download it again")
    every = early or (OLD_EARLY_EVERY if generation == "old" else n_flows)
    config = WaveGlowConfig(
        n_mels=len(tensors["upsample.weight"]), n_flows=n_flows, n_group=sizes[0], n_early_every=every,
        n_early_size=sizes[0] - sizes[early] or 2, n_layers=count(r"WN\.0\.in_layers\.\d+\.bias"),
        n_channels=in_layer.shape[1], kernel_size=in_layer.shape[2], generation=generation)
    if channels_of_flows(config) != sizes or (generation == "old" and every != OLD_EARLY_EVERY):
        raise UserError(f"{path}: flows of {sizes} channels, expected an early output at every "
                        f"{OLD_EARLY_EVERY if generation == 'old' else every}th; not a WaveGlow of this generation")
    return config
