"""Half precision and 8 bits in the vocoder's ONNX form: size, speed, and waves for a judge of quality.

    python experiments/onnx_variants.py sentences.txt out

Lines are name|text. Writes OUT/VARIANT/name.wav with the shipped student's mels and prints a table in Markdown: the
file's size; milliseconds for a mel of 577 frames on one thread, least of 20 runs, of CPU time, which hardly depends on
what else the machine does; and how far the noise that it adds is below the signal.
"""
import argparse
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import waveglow
from audio import write_wav
from experiments.make_samples import default_weights
from hparams import AudioConfig
from runtime.onnx_files import open_session
from runtime.onnx_graphs import serialize
from runtime.onnx_int8 import quantize_products
from synthesize import Synthesizer
from text import Line, read, read_metadata
from waveglow.mel_rate import EDGE
from waveglow.onnx_form import products_in_8_bits, trace_vocoder

FRAMES = 577
HOP = AudioConfig().hop_length
RUNS = 20


def variants(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the name and the content of each variant. folder: for files in between."""
    model = waveglow.load(default_weights("waveglow"))
    assert isinstance(model, waveglow.MelRateWaveGlow)
    network, products = trace_vocoder(model), products_in_8_bits(model.config)
    plain = network.SerializeToString()
    yield "float32", plain
    yield "half", serialize(onnx.load_from_string(plain))
    quantize_products(network, products)
    yield "int8-rows", serialize(network)
    yield "int8-dynamic", _by_onnx_runtime(plain, list(products), folder)


def _by_onnx_runtime(plain: bytes, products: list[str], folder: Path) -> bytes:
    """Returns a network whose products ONNX Runtime's quantize_dynamic has quantized, with one scale for each input."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    logging.getLogger().setLevel(logging.ERROR)  # it advises a step of preparation that changes nothing here
    source, target = folder / "float32.onnx", folder / "int8.onnx"
    source.write_bytes(plain)
    quantize_dynamic(source, target, nodes_to_quantize=products, op_types_to_quantize=["MatMul"], per_channel=True,
                     weight_type=QuantType.QInt8)
    network = onnx.load(target)
    for path in (source, target):
        path.unlink()
    return serialize(network)


def student_mels(lines: list[Line]) -> list[np.ndarray]:
    """Returns the shipped student's mel (M, T) of each line."""
    predictor = Synthesizer(vocoder="waveglow", device="cpu").mel_predictor
    assert predictor.text is not None  # weights from a file have their text settings
    return [piece.mel for piece in predictor.predict([read(line.text, predictor.text) for line in lines], 1.0)]


def _inputs(session: Any, mel: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the inputs of a vocoder's session for a mel (M, T): with a flow, noise that depends on T alone."""
    inputs = {"mel": mel}
    if "noise" in (value.name for value in session.get_inputs()):
        inputs["noise"] = np.random.default_rng(0).standard_normal((HOP, mel.shape[1] + 2 * EDGE), np.float32)
    return inputs


def main() -> None:
    """Writes the waves and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    lines = read_metadata(options.lines)
    mels, expected = student_mels(lines), []
    timed = np.tile(np.concatenate(mels, axis=1), 9)[:, :FRAMES]
    print(f"| variant | MB | ms for {FRAMES} frames, 1 thread | added noise, dB |\n|---|---|---|---|")
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in variants(options.out):
        session, spent = open_session(Path(name), content, threads=1), []
        waves = [session.run(None, _inputs(session, mel))[0] for mel in mels]
        expected = expected or waves
        for _ in range(RUNS):
            start = time.process_time()
            session.run(None, _inputs(session, timed))
            spent.append(time.process_time() - start)
        (options.out / name).mkdir(exist_ok=True)
        for line, wave in zip(lines, waves):
            write_wav(options.out / name / f"{line.name}.wav", wave)
        noise, signal = np.concatenate(waves) - np.concatenate(expected), np.concatenate(expected)
        level = f"{10 * np.log10(np.square(noise).sum() / np.square(signal).sum()):.1f}" if noise.any() else "none"
        print(f"| {name} | {len(content) / 1e6:.1f} | {1e3 * min(spent):.1f} | {level} |", flush=True)


if __name__ == "__main__":
    main()
