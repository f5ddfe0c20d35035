"""From a run's best checkpoint to a released weights file."""
from pathlib import Path

from hparams import CONFIGS, TextConfig, UserError
from training.checkpoint import load_checkpoint


def export(model: str, run: Path, target: Path, preliminary: str | None = None) -> None:
    """Writes the averaged weights of RUN/best.pt (or latest.pt, where nothing was validated yet) to `target`.

    The file holds what synthesis needs and nothing else: see each model's pretrained.py. preliminary: why the
    weights are no more than a beginning, for their notes. Raises UserError for a run without a checkpoint of this
    model.
    """
    import lightspeech
    import tacotron2
    import waveglow
    if target.suffix != ".safetensors":
        raise UserError(f"--export: found {target.name!r}, expected a name ending in .safetensors")
    path = run / "best.pt" if (run / "best.pt").exists() else run / "latest.pt"
    saved = load_checkpoint(path, model)
    networks = {"lightspeech": lightspeech.LightSpeech, "tacotron2": tacotron2.Tacotron2,
                "waveglow": waveglow.WaveGlow}
    network = networks[model](type(CONFIGS[model]["default"][0])(**saved["model_config"]))
    network.load_state_dict(saved["average"])
    target.parent.mkdir(parents=True, exist_ok=True)
    notes = {"steps": saved["step"], "score": saved["best"], "training": saved["train_config"]}
    if preliminary:
        notes["preliminary"] = preliminary
    if model == "waveglow":
        waveglow.save(target, network, notes)
    else:
        package = {"lightspeech": lightspeech, "tacotron2": tacotron2}[model]
        package.save(target, network, TextConfig(**saved["text"]), notes)
