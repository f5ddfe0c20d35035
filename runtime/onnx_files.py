"""Networks as ONNX files, which ONNX Runtime runs without PyTorch: the one writer and the one reader.

A file is a graph of the ONNX standard, followed by one entry "lightspeech" of its metadata: JSON with the settings of
the released weights (runtime/weights.py), "source", the checksum of these weights, and "checksum", the CRC-32 of this
JSON without it and of the graph. Any other program can run the file too and read the entry.
"""
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hparams import AudioConfig, TextConfig, UserError
from runtime.devices import cpu_threads
from runtime.files import atomic_write, check_readable
from runtime.packages import require_package
from runtime.weights import check_about, parse_settings

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ENTRY = "lightspeech"  # key of the metadata
_METADATA_FIELD = 14  # metadata_props of onnx.ModelProto
_VARINT, _BYTES = 0, 2  # wire types of protocol buffers


class OnnxNetwork(NamedTuple):
    """The content of an ONNX file of this project."""
    data: bytes  # the whole file
    config: Any  # the model's dataclass
    text: TextConfig | None  # None for a vocoder
    notes: dict[str, Any]  # how the weights were made
    source: str | None  # the checksum in the .safetensors file of these weights


def write_onnx(path: Path, graph: bytes, about: dict[str, Any]) -> None:
    """Writes a file atomically. graph: a serialized onnx.ModelProto; about: the settings of `weights.release`.

    Raises UserError if the file cannot be written.
    """
    about = {"source": about["checksum"], **about}
    del about["checksum"]
    text = json.dumps({**about, "checksum": _checksum(about, graph)})
    entry = _field(1, ENTRY.encode()) + _field(2, text.encode())
    with atomic_write(path, advice="name a folder with room in it") as file:
        file.write(graph + _field(_METADATA_FIELD, entry))


def read_onnx(path: Path, model: str, audio: AudioConfig, symbols: list[str] | None = None) -> OnnxNetwork:
    """Reads a file and checks that it is whole, and of this model, mel definition and symbol table.

    Raises UserError naming what differs; also for a truncated, damaged or foreign file.
    """
    data, end, about = _split(path)
    check_about(path, about, model)
    checksum = about.pop("checksum", None)
    if checksum != _checksum(about, memoryview(data)[:end]):
        raise UserError(f"{path}: damaged (its checksum is not that of its content); copy or export it again")
    config, text = parse_settings(path, about, audio, symbols, dict)
    return OnnxNetwork(data, config, text, about["notes"], about.get("source"))


def onnx_about(path: Path) -> dict[str, Any]:
    """Returns the settings in a file, unchecked. Raises UserError for a truncated or foreign file."""
    return _split(path)[2]


def open_session(path: Path, data: bytes, threads: int | None = None) -> "InferenceSession":
    """Returns ONNX Runtime's session of a file's content on the CPU.

    threads: how many CPU threads it uses; None: all that this process may use. Raises UserError if ONNX Runtime cannot
    run the content.
    """
    require_package("onnxruntime", str(path))
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or cpu_threads()
    options.log_severity_level = 3  # errors, which are raised too; not the warnings
    # Threads that wait in a loop for the next operation are slower on a busy machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever ONNX Runtime raises for a graph that it does not know
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{path}: ONNX Runtime {onnxruntime.__version__} cannot run it ({reason}); "
                        "export it again with python -m synthesis.export") from None


def _split(path: Path) -> tuple[bytes, int, dict[str, Any]]:
    """Returns the content of a file, where its graph ends, and its settings, unchecked.

    Raises UserError for a truncated or foreign file.
    """
    check_readable(path, "give the path of an .onnx file")
    try:
        data = path.read_bytes()
        start, number, content = 0, 0, b""
        for start, number, content in _fields(data):
            pass
        fields = {inner: value for _, inner, value in _fields(content)} if number == _METADATA_FIELD else {}
        if fields.get(1) != ENTRY.encode():
            raise ValueError("no settings of this project at its end")
        about = json.loads(fields[2])
        if not isinstance(about, dict):
            raise ValueError("settings that are no dict")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); copy it again") from None
    except (ValueError, KeyError, RecursionError) as error:
        raise UserError(f"{path}: truncated or no ONNX file of this project ({error}); "
                        "export it with python -m synthesis.export") from None
    return data, start, about


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yields (start, number, content) of each field of a message; b"" for one that holds a number.

    Source: protobuf.dev/programming-guides/encoding. Raises ValueError for a field that is not well formed.
    """
    position = 0
    while position < len(data):
        start = position
        tag, position = _read_varint(data, position)
        size = 0
        if tag & 7 == _VARINT:
            _, position = _read_varint(data, position)
        elif tag & 7 == _BYTES:
            size, position = _read_varint(data, position)
        else:
            raise ValueError("a field of another type than ONNX has")
        if position + size > len(data):
            raise ValueError("a field extends beyond its end")
        yield start, tag >> 3, data[position:position + size]
        position += size


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Returns a number of 7 bits a byte, the lowest first, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError("ends within a number")
        value |= (data[position] & 127) << shift
        position += 1
        if data[position - 1] < 128:
            return value, position
    raise ValueError("a number of more than 10 bytes")


def _field(number: int, content: bytes) -> bytes:
    """Returns a field of bytes as protocol buffers write it; number: at most 15."""
    size, length = len(content), b""
    while size >= 128:
        length, size = length + struct.pack("B", size & 127 | 128), size >> 7
    return struct.pack("B", number << 3 | _BYTES) + length + struct.pack("B", size) + content


def _checksum(about: dict[str, Any], graph: bytes | memoryview) -> str:
    """Returns the CRC-32, 8 hex digits, of the settings and the graph."""
    return f"{zlib.crc32(graph, zlib.crc32(json.dumps(about, sort_keys=True).encode())):08x}"
