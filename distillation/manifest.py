"""The manifest of a distilled dataset: how its rows were made. Rows made in different ways never meet in one folder."""
import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from distillation.quality import stricter_limit
from hparams import AudioConfig, ReadingLimits, TextConfig, UserError
from runtime.files import check_readable, make_folder, write_text
from runtime.settings import from_dict

FORMAT = 1
MANIFEST_NAME = "manifest.json"
_TYPES = {"symbols": list, "teacher": str, "samples": int, "seed": int, "features": bool, "fingerprint": str}


@dataclasses.dataclass(frozen=True)
class Manifest:
    """How a dataset was made. Of the last two, datasets of earlier versions have None."""
    audio: AudioConfig
    text: TextConfig  # how texts became ids; the student reads text in the same way
    symbols: list[str]
    teacher: str  # the weights that made the rows: file name and hash
    samples: int  # readings of each text
    seed: int
    features: bool = True  # whether the teacher's encoder output is kept
    durations: str | None = "monotonic"  # how durations follow from the attention: "monotonic" or "argmax"
    limits: ReadingLimits | None = ReadingLimits()  # that the rows had to meet

    def fingerprint(self) -> str:
        """Returns 16 hex digits that stand for the meaning of ids and mels: audio and text settings, symbol table."""
        meaning = [dataclasses.asdict(self.audio), dataclasses.asdict(self.text), self.symbols]
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:16]


def read_manifest(folder: Path) -> Manifest:
    """Reads a folder's manifest. Raises UserError if it is missing, damaged or of another format."""
    path = Path(folder) / MANIFEST_NAME
    check_readable(path, "a distilled dataset has this file, make one with preprocess.py")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise UserError(f"{path}: format {repr(about['format'])[:40]}, expected {FORMAT}; make it again with "
                            "preprocess.py")
        manifest = _parse(path, about)
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{path}: not the manifest of a distilled dataset ({reason}); make it again with "
                        "preprocess.py") from None
    if manifest.fingerprint() != about["fingerprint"]:
        raise UserError(f"{path}: fingerprint {about['fingerprint'][:40]}, expected {manifest.fingerprint()} for "
                        "its settings: it was changed by hand; make it again with preprocess.py")
    return manifest


def _parse(path: Path, about: dict[str, Any]) -> Manifest:
    """Returns the manifest of a file's JSON. Raises TypeError, ValueError or UserError for a wrong value."""
    for name, kind in _TYPES.items():
        if type(about[name]) is not kind:
            raise TypeError(f"{name} is no {kind.__name__}")
    if not all(isinstance(symbol, str) for symbol in about["symbols"]):
        raise TypeError("symbols are no texts")
    durations, limits = about.get("durations"), about.get("limits")
    if durations not in (None, "monotonic", "argmax"):
        raise ValueError(f"durations {repr(durations)[:40]}")
    return Manifest(from_dict(AudioConfig, about["audio"], f"{path}: audio"),
                    from_dict(TextConfig, about["text"], f"{path}: text"), about["symbols"], about["teacher"],
                    about["samples"], about["seed"], about["features"], durations,
                    None if limits is None else from_dict(ReadingLimits, limits, f"{path}: limits"))


def claim_folder(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest into a new folder, or checks that the folder's own allows more rows made under this one.

    Limits may be looser than before; the manifest is then rewritten with them. Raises UserError if anything else
    differs, or if the folder cannot be written to.
    """
    make_folder(folder)
    path = folder / MANIFEST_NAME
    if os.path.exists(path):
        before = read_manifest(folder)
        check_definition(folder, before, manifest.audio, manifest.symbols)
        for name in ("text", "teacher", "samples", "seed", "features"):
            _check_same(folder, name, getattr(before, name), getattr(manifest, name))
        _check_limits(folder, before, manifest)
        if before == manifest:
            return
    about = {"format": FORMAT, "fingerprint": manifest.fingerprint(), **dataclasses.asdict(manifest)}
    write_text(path, json.dumps(about, indent=1))


def _check_limits(folder: Path, before: Manifest, manifest: Manifest) -> None:
    """Raises UserError if new rows would have stricter limits or another kind of durations than the existing ones."""
    if before.limits is None or before.durations is None:
        raise UserError(f"{folder}: made by an earlier version, which did not store limits and kind of durations; it "
                        "can be trained on, but for more rows give another folder")
    _check_same(folder, "durations", before.durations, manifest.durations)
    assert manifest.limits, "new rows have limits"
    name = stricter_limit(manifest.limits, before.limits)
    if name:
        raise UserError(f"{folder}: made with {name} {getattr(before.limits, name)}, found the stricter "
                        f"{getattr(manifest.limits, name)}; give another folder, or limits that are no stricter")


def check_definition(folder: Path, manifest: Manifest, audio: AudioConfig, symbols: list[str]) -> None:
    """Raises UserError if a manifest has another mel definition or symbol table than these."""
    for field in dataclasses.fields(AudioConfig):
        _check_same(folder, f"mel definition {field.name}", getattr(manifest.audio, field.name),
                    getattr(audio, field.name))
    if manifest.symbols != symbols:
        raise UserError(f"{folder}: another symbol table ({len(manifest.symbols)} symbols), expected the "
                        f"{len(symbols)} of text/symbols.py; make it again with preprocess.py")


def _check_same(folder: Path, name: str, found: Any, expected: Any) -> None:
    """Raises UserError if a setting differs from that of the folder."""
    if found != expected:
        raise UserError(f"{folder}: made with {name} {found}, expected {expected}; give another folder or the same "
                        "settings")
