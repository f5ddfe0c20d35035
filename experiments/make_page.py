"""Writes the listening page, index.html, with audio/ and mels/ beside it; it needs no network.

    python experiments/make_samples.py experiments/page_texts.txt out/teacher --model tacotron2
    python experiments/make_samples.py experiments/page_texts.txt out/student
    python experiments/make_samples.py corpus/heldout.csv out/copy --recordings corpus
    python experiments/make_page.py experiments/page_texts.txt --voice teacher out/teacher --voice student out/student
        --copies corpus/heldout.csv out/copy --score "student" scores/student.json --ablation results/ablation.json

The folders hold <name>.wav and <name>.npy, the mel, as make_samples.py writes them. A score is a JSON file with
{"total": {"utterances": 40, "mos": 4.1, "wer": 0.05}}; the ablation is one with {"title": "...", "columns": ["...",
...], "rows": [[...], ...]}. The figures of other systems are constants of this script, with their sources.
"""
import argparse
import html
import json
import string
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import lightspeech
import waveglow
from audio import mel_spectrogram, read_wav, write_wav
from experiments.command import exit_status
from experiments.machine import describe_machine
from experiments.make_samples import default_weights
from hparams import UserError
from runtime.files import write_text
from text import Line, read_metadata

HERE = Path(__file__).resolve().parent
MAX_BYTES = 4 * 2**20  # of the page with its sounds and pictures
COPIES = 4  # held-out utterances on the page
PUBLISHED_SIZES = (  # parameters, counted in their code
    ("LightSpeech as first published (xcmyz, 2020)", "text to mel", 1_867_089),
    ("FastSpeech (xcmyz)", "text to mel", 25_367_169), ("Tacotron2 (NVIDIA)", "text to mel", 28_193_153),
    ("WaveGlow, 256 channels (NVIDIA)", "mel to sound", 87_731_816))
PUBLISHED_QUALITY = (  # MOS predicted by DistillMOS 0.9.1, mean over the sound files that the projects publish
    ("LightSpeech as first published, its own samples", 5, 2.02),
    ("FastSpeech (xcmyz) with WaveGlow, its own samples", 6, 2.88),
    ("Tacotron2 with WaveGlow (NVIDIA), its own sample", 1, 4.17),
    ("FastSpeech 2 with HiFi-GAN, its own samples", 10, 4.29), ("LJSpeech, recordings of a person", 10, 4.39))
QUALITY_NOTE = ("MOS, 1 to 5, is predicted by DistillMOS 0.9.1; the word error rate is that of Whisper base. The "
                "outside vocoder is HiFi-GAN V2 with public weights, which was not trained on this voice. Other "
                "systems are judged by the samples that they publish, of other sentences and voices, so only large "
                "differences are meaningful.")
# Pictures that other scripts draw: file, alternative text, caption.
SPECTRUM = ("vocoder_spectrum.png", "Long-term average spectrum of recordings and vocoder, and their difference",
            "Long-term average spectrum over the held-out recordings; the difference should stay within the red lines.")
TRAININGS = ("training.png", "Loss curves of teacher, student and vocoder over their training steps",
             "Losses over steps; thin lines: training batches, thick ones: held-out rows.")


class Sample(NamedTuple):
    """A wave and the mels that are drawn below it."""
    title: str
    wave: Path
    mels: dict[str, np.ndarray]  # name -> (M, T) float32, natural log


def cell(value: Any) -> str:
    """Returns a table cell in HTML: floats with two decimals, large numbers with commas, None as a dash."""
    if isinstance(value, int | float):
        return f'<td class="number">{value:{"," if isinstance(value, int) else ",.2f"}}</td>'
    return f"<td>{'–' if value is None else html.escape(str(value))}</td>"


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Returns a table in HTML; the first cell of each row is its header."""
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    body = "".join(f'<tr><th scope="row">{html.escape(str(row[0]))}</th>{"".join(map(cell, row[1:]))}</tr>\n'
                   for row in rows)
    return (f"<table><caption>{html.escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
            f"<tbody>\n{body}</tbody></table>")


def percent(share: float | None) -> str | None:
    """Returns a share as text: 0.057 as "5.7 %"; None stays None."""
    return None if share is None else f"{100 * share:.1f} %"


def size_table() -> str:
    """Returns the table of parameter counts: our networks, counted in the weights that ship, and published ones."""
    rows = [("LightSpeech, ours", "text to mel", lightspeech.load(default_weights("lightspeech"))),
            ("WaveGlow, ours", "mel to sound", waveglow.load(default_weights("waveglow")))]
    counted = [(name, task, sum(weight.numel() for weight in model.parameters())) for name, task, model in rows]
    ours = {task: count for _, task, count in counted}
    return table("Parameters, and how many times as many as ours", ("network", "task", "parameters", "times ours"),
                 [(*row, row[2] / ours[row[1]]) for row in (*counted, *PUBLISHED_SIZES)])


def quality_table(scores: list[tuple[str, Path]]) -> str:
    """Returns the table of MOS and word error rate: ours, from score files (title, path), and published systems."""
    rows: list[tuple[Any, ...]] = []
    for name, path in scores:
        total = read_json(path, "total")
        rows.append((name, int(total["utterances"]), float(total["mos"]), percent(total["wer"])))
    rows += [(*row, None) for row in PUBLISHED_QUALITY]
    return table(QUALITY_NOTE, ("voice", "utterances", "MOS", "word error rate"), rows)


def ablation_table(path: Path | None) -> str:
    """Returns the table of an ablation file; "" without a file."""
    if path is None:
        return ""
    title, columns, rows = (read_json(path, key) for key in ("title", "columns", "rows"))
    return f'<div class="scroll">{table(title, columns, rows)}</div>'


def read_json(path: Path, key: str) -> Any:
    """Returns the value of a key in a JSON file. Raises UserError if there is no such file or key."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: {error!r}; expected a JSON file with {key!r}") from None


def read_mel(folder: Path, name: str) -> np.ndarray:
    """Reads the mel (M, T) float32 that make_samples.py wrote. Raises UserError if there is none."""
    path = folder / f"{name}.npy"
    if not path.is_file():
        raise UserError(f"{path}: no such file; make it with make_samples.py")
    return np.load(path)


def mel_of_wave(path: Path) -> np.ndarray:
    """Returns the mel (M, T) float32 of a wave file."""
    return mel_spectrogram(torch.from_numpy(read_wav(path))[None])[0].numpy()


def draw_mels(path: Path, mels: dict[str, np.ndarray]) -> None:
    """Draws mels (M, T) one above the other, on the same scales of time and colour."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(8, 1.3 * len(mels) + 0.1), layout="constrained")
    longest = max(mel.shape[1] for mel in mels.values())
    for axes, (name, mel) in zip(np.atleast_1d(figure.subplots(len(mels), sharex=True)), mels.items()):
        axes.imshow(mel, origin="lower", aspect="auto", vmin=-11.5, vmax=1.0, interpolation="nearest")
        axes.set(ylabel=name, xticks=[], yticks=[], xlim=(0, longest))
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})


def article(name: str, text: str, samples: list[Sample], folder: Path) -> str:
    """Returns the HTML of a sentence: a player for each wave and a picture of all mels; writes their files."""
    players, mels = [], {}
    for index, sample in enumerate(samples, 1):
        file = f"audio/{name}-{index}.ogg"
        write_wav(folder / file, read_wav(sample.wave))
        label = html.escape(f"{sample.title}: {text}", quote=True)
        players.append(f'<div><h3>{html.escape(sample.title)}</h3>\n'
                       f'<audio controls preload="metadata" src="{file}" aria-label="{label}"></audio></div>')
        mels |= sample.mels
    draw_mels(folder / f"mels/{name}.png", mels)
    alt = html.escape(f"Mel spectrograms, from above: {', '.join(mels)}", quote=True)
    return (f'<article>\n<blockquote>{html.escape(text)}</blockquote>\n'
            f'<div class="voices">\n{"".join(players)}\n</div>\n'
            f'<figure><img src="mels/{name}.png" alt="{alt}" loading="lazy"></figure>\n</article>')


def sentences(lines: list[Line], voices: list[tuple[str, Path]], folder: Path) -> str:
    """Returns the HTML of all lines, each spoken by every voice (title, folder of samples)."""
    return "\n".join(article(f"sentence-{number:02d}", line.text,
                             [Sample(title, source / f"{line.name}.wav", {title: read_mel(source, line.name)})
                              for title, source in voices], folder)
                     for number, line in enumerate(lines, 1))


def copies(lines: list[Line], source: Path, folder: Path) -> str:
    """Returns the HTML of the first COPIES held-out lines: the vocoder's wave, its mel and the recording's mel."""
    articles = []
    for number, line in enumerate(lines[:COPIES], 1):
        wave = source / f"{line.name}.wav"
        mels = {"recording": read_mel(source, line.name), "vocoder": mel_of_wave(wave)}
        sample = Sample("vocoder, from a recording's mel", wave, mels)
        articles.append(article(f"copy-{number:02d}", line.text, [sample], folder))
    return "\n".join(articles)


def picture(folder: Path, name: str, alt: str, caption: str) -> str:
    """Returns the HTML of a picture that another script drew into the folder; "" if it is not there."""
    if not (folder / name).exists():
        return ""
    return (f'<figure><img src="{name}" alt="{html.escape(alt, quote=True)}" loading="lazy">\n'
            f'<figcaption>{html.escape(caption)}</figcaption></figure>')


def clear_folder(folder: Path) -> None:
    """Makes audio/ and mels/ in the folder and removes the files of an earlier page from them."""
    for name, ending in (("audio", "*.ogg"), ("mels", "*.png")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for old in (folder / name).glob(ending):
            old.unlink()


def check_size(folder: Path) -> int:
    """Returns the size of the page with its sounds and pictures in bytes. Raises UserError above MAX_BYTES."""
    files = [folder / "index.html", *folder.glob("audio/*.ogg"), *folder.glob("mels/*.png"), *folder.glob("*.png")]
    size = sum(path.stat().st_size for path in files)
    if size > MAX_BYTES:
        raise UserError(f"{folder}: the page has {size / 2**20:.1f} MiB, expected at most {MAX_BYTES / 2**20:g}; "
                        "show fewer or shorter texts")
    return size


def get_arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path, help="lines name|text: the sentences on the page")
    parser.add_argument("--voice", nargs=2, action="append", required=True, metavar=("TITLE", "FOLDER"),
                        help="of its samples; may be given several times")
    parser.add_argument("--copies", nargs=2, type=Path, required=True, metavar=("LINES", "FOLDER"),
                        help="held-out lines, and the vocoder's samples of their recordings' mels")
    parser.add_argument("--score", nargs=2, action="append", default=[], metavar=("TITLE", "JSON"),
                        help="of one of our voices; may be given several times")
    parser.add_argument("--ablation", type=Path, metavar="JSON")
    parser.add_argument("--out", type=Path, default=HERE.parent / "results", metavar="FOLDER", help="default: results/")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Writes the page that the command line asks for. Raises UserError for a user's mistake."""
    voices = [(title, Path(folder)) for title, folder in options.voice]
    lines, heldout = read_metadata(options.lines), read_metadata(options.copies[0])
    tables = {"parameters": size_table(), "ablation": ablation_table(options.ablation),
              "quality": quality_table([(title, Path(path)) for title, path in options.score])}
    clear_folder(options.out)
    page = string.Template((HERE / "page_template.html").read_text(encoding="utf-8")).substitute(
        tables, voices=html.escape("said by " + " and ".join(f"the {title}" for title, _ in voices)),
        samples=sentences(lines, voices, options.out), copies=copies(heldout, options.copies[1], options.out),
        spectrum=picture(options.out, *SPECTRUM), trainings=picture(options.out, *TRAININGS),
        weights=", ".join(default_weights(model).name for model in ("lightspeech", "tacotron2", "waveglow")),
        commit=describe_machine(torch.device("cpu"))["commit"][:10])
    write_text(options.out / "index.html", page)
    print(f"{options.out / 'index.html'}: {check_size(options.out) / 2**20:.2f} MiB in all")


def main() -> int:
    """Entry point; returns the exit status."""
    return exit_status("make_page.py", lambda: run(get_arguments()))


if __name__ == "__main__":
    sys.exit(main())
