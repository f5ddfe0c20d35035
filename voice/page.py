"""The finished voice: its weights, a page to listen to, and a report."""
import datetime
import html
import json
from pathlib import Path
from typing import Any

from audio import read_wav, write_wav
from audio.recordings import split_lines
from hparams import AudioConfig, UserError
from runtime.console import one_line, print_notice
from runtime.files import copy_file, make_folder, write_text
from runtime.weights import weights_notes
from synthesis import Synthesizer
from synthesis.export import export
from text import Line
from training.export import export as release
from voice.stage import Job

SENTENCES = 12  # on the page
LICENCES = ("LICENSE*", "LICENCE*", "COPYING*")
STYLE = ("body{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
         "audio{width:100%}td{vertical-align:top;padding:.3rem}")


def write_voice(job: Job, weights: dict[str, Path]) -> bool:
    """Writes the voice into job.out: weights, index.html with samples/, README.md; and licences of the recordings.

    The weights' ONNX forms come last. weights: model -> the finished file. Returns True.
    """
    files = {model: job.out / f"{model}.safetensors" for model in weights}
    release("lightspeech", weights["lightspeech"], files["lightspeech"], contrast=(job.distilled, job.config.contrast))
    copy_file(weights["waveglow"], files["waveglow"])
    held_out = split_lines(job.recordings)[1]
    shown = held_out[::max(1, len(held_out) // SENTENCES)][:SENTENCES]
    synthesizer = Synthesizer(files["lightspeech"], vocoder_weights=files["waveglow"], device="cpu")
    samples = make_folder(job.out / "samples")
    rate = AudioConfig().sample_rate
    for number, line in enumerate(shown, 1):
        write_wav(samples / f"{number:02d}-voice.ogg", synthesizer.speak(line.text).wave, rate)
        write_wav(samples / f"{number:02d}-recording.ogg", read_wav(job.recordings / "wavs" / f"{line.name}.wav"), rate)
    write_text(job.out / "index.html", _page(job.out.name, shown))
    licences = [_copy(path, job.out / path.name) for pattern in LICENCES for path in sorted(job.data.glob(pattern))
                if path.is_file()]
    write_text(job.out / "README.md", _report(job, files, licences))
    for path in files.values():
        _write_onnx(path)
    return True


def _copy(source: Path, target: Path) -> Path:
    """Copies a file and returns its new path."""
    copy_file(source, target)
    return target


def _write_onnx(path: Path) -> None:
    """Writes the ONNX form of weights beside them, if the network has one and ONNX is installed; else says why not."""
    try:
        export(path)
    except (UserError, ImportError) as error:
        print_notice(f"{path.name}: no ONNX form ({one_line(error)}); python -m synthesis.export makes it later")


def _page(name: str, lines: list[Line]) -> str:
    """Returns the listening page."""
    rows = "\n".join(
        f"<h3>{html.escape(line.text)}</h3><table><tr>" + "".join(
            f'<td>{what}<br><audio controls preload="none" src="samples/{number:02d}-{what}.ogg" '
            f'aria-label="{html.escape(f"{what}: {line.text}", quote=True)}"></audio></td>'
            for what in ("recording", "voice")) + "</tr></table>" for number, line in enumerate(lines, 1))
    title = html.escape(name)
    return (f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>\n'
            f"<h1>{title}</h1>\n<p>Sentences that were not trained on: the recording, at the voice's level, and the "
            f"voice.</p>\n{rows}\n</html>\n")


def _report(job: Job, files: dict[str, Path], licences: list[Path]) -> str:
    """Returns the report in Markdown."""
    training, held_out = split_lines(job.recordings)
    sizes = ", ".join(f"`{path.name}` ({path.stat().st_size / 2**20:.1f} MiB)" for path in files.values())
    state = json.loads((job.work / "voice.json").read_text(encoding="utf-8"))
    lines = [f"# {job.out.name}", "",
             f'    python synthesize.py --voice {job.out} "Hello."', "",
             f"A voice of LightSpeech, made on {datetime.date.today()} of {len(training)} recordings; {len(held_out)} "
             "more were held out, and [index.html](index.html) has some of them beside the voice. "
             f"{_licence(licences)}", "",
             f"Its files: {sizes}. `work/` has what it was made of, and may be deleted.", "",
             "| stage | seconds |", "|---|---|",
             *(f"| {name} | {seconds:.0f} |" for name, seconds in state["finished"].items()), "",
             "| training | step of the weights | figures of the last validation |", "|---|---|---|"]
    trained = {stage: job.weights(stage) for stage in ("teacher", "student", "vocoder")}
    if job.joint_weights.exists():
        trained["joint"] = job.joint_weights / "waveglow.safetensors"
    for stage, path in trained.items():
        lines.append(f"| {stage} | {weights_notes(path).get('steps')} | {_last_figures(job, stage)} |")
    init = [f"{model}: {name}" for model, name in state["settings"]["init"].items()] or ["nothing"]
    return "\n".join([*lines, "", f"Started from {', '.join(init)}. Settings: "
                      f"`{json.dumps(state['settings']['config'])}`", ""])


def _licence(licences: list[Path]) -> str:
    """Returns a sentence on the licence of the recordings."""
    if licences:
        return f"The licence of the recordings: {', '.join(f'[{path.name}]({path.name})' for path in licences)}."
    return "The folder of the recordings has no licence file: say here who may use the voice before you pass it on."


def _last_figures(job: Job, stage: str) -> str:
    """Returns the figures of a training's last validation."""
    figures: dict[str, Any] = {}
    for line in (job.work / stage / "log.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        figures = entry if entry.get("kind") == "validation" else figures
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items()
                     if isinstance(value, float) and name != "score")
