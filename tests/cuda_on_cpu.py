"""Runs the CUDA kernels of this project on the CPU, compiled by g++, so that they are tested on any machine."""
import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from runtime.cuda_kernels import Argument, typed_argument

HEADER = Path(__file__).with_suffix(".h")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def launch_on_cpu(source: Path, name: str, grid: Sequence[int], threads: int, arguments: Sequence[Argument],
                  defines: tuple[tuple[str, int], ...] = ()) -> None:
    """Does on tensors of the CPU what runtime.cuda_kernels.launch does on a GPU."""
    library = compiled(source, defines)
    library.set_grid(*grid, threads)
    values, types = zip(*map(typed_argument, arguments))
    ctypes.CFUNCTYPE(None, *types)(library.address_of(name.encode()))(*values)


@functools.cache
def compiled(source: Path, defines: tuple[tuple[str, int], ...]) -> ctypes.CDLL:
    """Compiles a file; the library's function address_of(name) returns what launches a kernel."""
    text = source.read_text()
    names = re.findall(r"(?:__global__ void |BLOCK_INPUT\()(?:__launch_bounds__\(\d+\)\s*)?([a-z]\w*)", text)
    cases = "".join(f'  if (!std::strcmp(name, "{name}")) return (void *)Launch<{name}>::run;\n' for name in names)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "half.cuh").touch()  # the header has its functions
        (Path(folder) / "kernels.cpp").write_text(
            f'{text}\nextern "C" void *address_of(const char *name) {{\n{cases}  return nullptr;\n}}\n'
            'void *used = (void *)set_grid;\n')
        subprocess.run(["g++", "-std=c++20", "-O1", "-shared", "-fPIC", "-w", "-pthread", "-include", str(HEADER),
                        *(f"-D{key}={value}" for key, value in defines), "kernels.cpp", "-o", "kernels.so"],
                       cwd=folder, check=True)
        library = ctypes.CDLL(str(Path(folder) / "kernels.so"))
    library.address_of.restype, library.address_of.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    return library
