"""The vocoder's waves in onnxruntime-web and in ONNX Runtime on this CPU, by the precision of its products.

    python experiments/browser_precision.py

Needs `npm ci` in web/. Prints a table in Markdown. For a mel of 577 frames of the shipped student, on one thread: the
largest difference from the wave in float32; the largest and the RMS difference, relative to the wave's RMS, that a
change of 1e-6 in the mel makes here, and that onnxruntime-web makes; milliseconds of CPU time here, least of 20
runs, and in onnxruntime-web, least of 5. "Twice 8 bits": each input of a product is a sum of two
numbers of 8 bits, of which the second is the rest that the first leaves, and each product is the sum of two.
"""
import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnx.helper import make_node

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import waveglow
from experiments.browser import WEB
from experiments.make_samples import default_weights
from runtime.onnx_files import open_session
from runtime.onnx_graphs import serialize
from runtime.onnx_int8 import quantize_products
from synthesize import Synthesizer
from waveglow.onnx_form import products_in_8_bits, trace_vocoder

TEXT = "Hello! Dr. Brown paid $3.50 at 10:30 a.m. Then he left, and nobody had come down yet. " * 2
FRAMES, RUNS, RUNS_IN_WEB = 577, 20, 5
REST_STEPS = 254  # steps of the second number in a step of the first


def variants() -> Iterator[tuple[str, bytes]]:
    """Yields the name and the content of each variant of the shipped vocoder; of one with a flow, its mean alone."""
    model = waveglow.load(default_weights("waveglow"))
    assert isinstance(model, waveglow.MelRateWaveGlow)
    model.flows, model.config = torch.nn.ModuleList(), dataclasses.replace(model.config, n_flows=0)
    plain, products = trace_vocoder(model).SerializeToString(), products_in_8_bits(model.config)
    yield "float32", plain
    n_blocks = model.config.n_blocks
    for count in (1, 2, n_blocks // 2, n_blocks):
        network = onnx.load_from_string(plain)
        last = tuple(f"/blocks.{block}/" for block in range(n_blocks - count, n_blocks))
        quantize_products(network, {name: lowest for name, lowest in products.items() if name.startswith(last)})
        yield f"8 bits in {'all' if count == n_blocks else f'the last {count}'} blocks", serialize(network)
    network = onnx.load_from_string(plain)
    quantize_products(network, products)
    add_rests(network)
    yield "twice 8 bits in all blocks", serialize(network)


def add_rests(model: onnx.ModelProto) -> None:
    """Adds to each product of 8 bits that of the rest which rounding left of its input, in place."""
    constants = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        name = node.output[0].removesuffix(".product")
        if name == node.output[0]:
            continue
        node.output[0] = f"{name}.first"
        for key, value in (("step", constants[f"{name}.scale"] / np.float32(REST_STEPS)), ("middle", np.uint8(128))):
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), f"{name}.{key}"))
        how, rest_how = [f"{name}.scale", f"{name}.zero"], [f"{name}.step", f"{name}.middle"]
        nodes += [make_node(operation, inputs, [f"{name}.{output}"]) for operation, inputs, output in (
            ("DequantizeLinear", [f"{name}.input8", *how], "rounded"),
            ("Sub", [f"{name}.scaled", f"{name}.rounded"], "rest"),
            ("QuantizeLinear", [f"{name}.rest", *rest_how], "rest8"),
            ("DequantizeLinear", [f"{name}.rest8", *rest_how], "rest32"),
            ("DequantizeLinear", [f"{name}.weight", f"{name}.weight_scale"], "weight_again"),
            ("MatMul", [f"{name}.rest32", f"{name}.weight_again"], "second"),
            ("Add", [f"{name}.first", f"{name}.second"], "product"))]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def run_here(content: bytes, mel: np.ndarray, runs: int) -> tuple[np.ndarray, float]:
    """Returns the wave (S,) of a mel (M, T) and the milliseconds of CPU time."""
    session, spent = open_session(Path("variant"), content, threads=1), []
    for _ in range(runs):
        start = time.process_time()
        wave, = session.run(None, {"mel": mel})
        spent.append(time.process_time() - start)
    return wave, 1e3 * min(spent)


def run_in_web(content: bytes, mel: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns the wave (S,) of a mel (M, T) in onnxruntime-web and the milliseconds of CPU time."""
    with tempfile.TemporaryDirectory() as name:
        model, source, target = (Path(name) / file for file in ("vocoder.onnx", "mel", "wave"))
        model.write_bytes(content)
        source.write_bytes(mel.tobytes())
        done = subprocess.run(["node", "test/vocoder.mjs", model, source, str(mel.shape[1]), target, str(RUNS_IN_WEB)],
                              cwd=WEB, check=True, stdout=subprocess.PIPE, text=True)
        return np.fromfile(target, np.float32), float(done.stdout)


def difference(wave: np.ndarray, expected: np.ndarray) -> str:
    """Returns the largest and the RMS difference of two waves as table cells."""
    error = wave - expected
    return f"{np.abs(error).max():.1e} | {np.sqrt(np.square(error).mean() / np.square(expected).mean()):.1e}"


def main() -> None:
    """Prints the table."""
    mel = np.ascontiguousarray(Synthesizer(device="cpu").speak(TEXT).mel[:, :FRAMES])
    changed = mel + 1e-6 * np.random.default_rng(0).standard_normal(mel.shape, np.float32)
    print("| products | from float32 | mel + 1e-6: largest | RMS | onnxruntime-web: largest | RMS | ms | ms there |")
    print("|---|---|---|---|---|---|---|---|")
    in_float32 = None
    for name, content in variants():
        wave, here = run_here(content, mel, RUNS)
        in_float32 = wave if in_float32 is None else in_float32
        in_web, there = run_in_web(content, mel)
        by_change = difference(run_here(content, changed, 1)[0], wave)
        print(f"| {name} | {np.abs(wave - in_float32).max():.1e} | {by_change} | {difference(in_web, wave)} | "
              f"{here:.1f} | {there:.0f} |", flush=True)


if __name__ == "__main__":
    main()
