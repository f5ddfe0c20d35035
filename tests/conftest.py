"""Fixtures that several test files share. Without PyTorch, only the files that test speaking are collected."""
import importlib.util
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as synthesize.py: on a busy machine the tests are 4 times as fast

if importlib.util.find_spec("torch"):
    from tests.networks import full_model, onnx_voice, student, tiny_vocoder, vocoder  # noqa: F401
else:  # an environment of requirements-speak.txt
    _FOLDER = Path(__file__).parent
    _PATTERNS = ("test_speaking.py", "test_noise.py", "test_text_*.py")
    _SPOKEN = {path for pattern in _PATTERNS for path in _FOLDER.glob(pattern)
               if "\nimport torch\n" not in path.read_text(encoding="utf-8")}
    collect_ignore = sorted(path.name for path in set(_FOLDER.glob("test_*.py")) - _SPOKEN)
