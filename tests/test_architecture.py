"""Imports flow one way, and the code keeps its house rules; by walking the syntax trees."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODELS = {"tacotron2", "lightspeech", "waveglow"}
GROUND = {"hparams", "runtime", "text", "audio"}
MAY_IMPORT = {"hparams": set(), "runtime": {"hparams"}, "text": {"hparams", "runtime"},
              "audio": {"hparams", "runtime", "text"}, **{model: GROUND for model in MODELS},
              "distillation": {*GROUND, "tacotron2", "lightspeech"}, "training": {*GROUND, *MODELS, "distillation"},
              "synthesis": {*GROUND, *MODELS}}
SCRIPTS = {"preprocess", "synthesize", "train"}
OURS = set(MAY_IMPORT) | SCRIPTS
FILES = sorted([*ROOT.glob("*.py"), *(path for name in MAY_IMPORT for path in (ROOT / name).glob("*.py"))])
EXPERIMENTS = sorted(ROOT.glob("experiments/*.py"))  # may import anything


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_flow_one_way(path):
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    allowed = OURS - SCRIPTS if part in SCRIPTS else MAY_IMPORT[part] | {part}
    assert imported(ast.parse(path.read_text())) & OURS <= allowed


@pytest.mark.parametrize("path", [*FILES, *EXPERIMENTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short_typed_and_described(path):
    tree = ast.parse(path.read_text())
    assert path.read_text().count("\n") <= 350
    assert ast.get_docstring(tree)
    nodes = list(ast.walk(tree))
    on_device = [node for node in nodes if isinstance(node, ast.FunctionDef) and "triton" in decorators(node)]
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, node.name
            assert node.returns is not None or node in on_device, f"{node.name} has no return type"
    open_classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for node in [*tree.body, *(part for open_class in open_classes for part in open_class.body)]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def decorators(node: ast.FunctionDef) -> str:
    return " ".join(ast.unparse(decorator) for decorator in node.decorator_list)


def test_every_package_was_looked_at():
    ours = {path.parent.name for path in ROOT.glob("[!.]*/*.py")} - {"tests", "experiments"}
    assert ours == set(MAY_IMPORT) - {"hparams"}
    assert {path.stem for path in ROOT.glob("*.py")} == SCRIPTS | {"hparams"}
