"""The rules of the code base: which file may import which, and how long and how described a function is."""
import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODELS = {"tacotron2", "lightspeech", "waveglow"}
GROUND = {"hparams", "runtime", "text", "audio"}
MAY_IMPORT = {"hparams": set(), "runtime": {"hparams"}, "text": {"hparams", "runtime"},
              "audio": {"hparams", "runtime", "text"}, **{model: GROUND for model in MODELS},
              "distillation": GROUND | {"tacotron2", "lightspeech"}, "training": GROUND | MODELS | {"distillation"},
              "synthesis": GROUND | MODELS,
              "voice": GROUND | MODELS | {"distillation", "training", "synthesis"}}
PACKAGES = set(MAY_IMPORT) - {"hparams"}
SCRIPTS = {"preprocess", "synthesize", "train"}
MAX_FILE_LINES, MAX_FUNCTION_LINES = 350, 60
VAGUE_NAMES = {"utils", "util", "helpers", "common", "misc", "tools"}

FILES = sorted([*ROOT.glob("*.py"), *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))])
EXPERIMENTS = sorted(ROOT.glob("experiments/*.py"))  # may import anything
EXAMPLES = sorted(ROOT.glob("examples/*.py"))  # may import anything too
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
each_file_with_scripts = pytest.mark.parametrize("path", [*FILES, *EXPERIMENTS, *EXAMPLES],
                                                 ids=lambda path: str(path.relative_to(ROOT)))


def imported_names(path: Path) -> Iterator[str]:
    """Yields the dotted names that a file imports, those inside functions too; `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_packages(path: Path) -> set[str]:
    """Returns the first parts of the names that a file imports."""
    return {name.split(".")[0] for name in imported_names(path)}


def file_of(name: str) -> Path | None:
    """Returns the file of this project that an imported name is read from; None if the name is not ours."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        stem = ROOT.joinpath(*parts[:count])
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.exists():
                return path
    return None


def package_of(path: Path) -> str:
    """Returns the top-level package or module of a file, such as "audio" or "train"."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@each_file
def test_imports_point_up_the_page(path: Path) -> None:
    package = package_of(path)
    allowed = set(MAY_IMPORT) if package in SCRIPTS else MAY_IMPORT[package] | {package}
    assert imported_packages(path) & (set(MAY_IMPORT) | SCRIPTS | {"experiments", "examples", "tests"}) <= allowed


def test_no_circle_between_files() -> None:
    imports = {path: {file_of(name) for name in imported_names(path)} - {None} for path in FILES}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail("imports in a circle: " + " <- ".join(str(path.relative_to(ROOT)) for path in error.args[1]))


@each_file
def test_only_scripts_parse_a_command_line(path: Path) -> None:
    may_parse = package_of(path) in SCRIPTS or path.name == "__main__.py"
    assert may_parse or "argparse" not in imported_packages(path)


@each_file_with_scripts
def test_files_and_functions_are_short_typed_and_described(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert path.read_text().count("\n") <= MAX_FILE_LINES
    assert ast.get_docstring(tree)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in functions:
        assert function.end_lineno - function.lineno < MAX_FUNCTION_LINES, f"{function.name} is too long"
        assert function.returns is not None or is_triton_kernel(function), f"{function.name} has no return type"
    public_classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for node in [*tree.body, *(member for public_class in public_classes for member in public_class.body)]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def is_triton_kernel(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Returns whether a function is compiled by Triton, which knows no return types."""
    return any("triton" in ast.unparse(decorator) for decorator in function.decorator_list)


def test_every_package_and_script_is_checked() -> None:
    packages = {path.parent.name for path in ROOT.glob("[!.]*/*.py")} - {"tests", "experiments", "examples"}
    assert packages == PACKAGES
    assert {path.stem for path in ROOT.glob("*.py")} == SCRIPTS | {"hparams"}


def test_examples_are_short() -> None:
    assert EXAMPLES and not [path for path in EXAMPLES if path.read_text().count("\n") >= 80]


def test_results_hold_no_code_and_no_file_has_a_vague_name() -> None:
    assert not list((ROOT / "results").rglob("*.py"))
    assert not [path for path in [*FILES, *EXPERIMENTS, *EXAMPLES] if path.stem in VAGUE_NAMES]
