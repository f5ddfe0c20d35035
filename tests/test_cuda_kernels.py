"""The CUDA kernels compile for a Hopper GPU, on any machine that has NVRTC; tests with a GPU run them."""
import pytest

from lightspeech import gru_gpu, prosody_gpu
from runtime.cuda_kernels import compile_kernels
from synthesis import noise_gpu
from tests.test_fast_mel_rate import network
from waveglow import mel_rate_gpu

nvrtc = pytest.importorskip("cuda.bindings.nvrtc")
try:
    nvrtc.nvrtcVersion()
except RuntimeError:  # the bindings alone, without the library
    pytest.skip("NVRTC is not installed", allow_module_level=True)


@pytest.mark.parametrize("source, defines, kernels", [
    (gru_gpu.SOURCE, (("H", 256), ("PARTS", 4)), ["steps"]),
    (prosody_gpu.SOURCE, prosody_gpu.DEFINES, ["symbols", "durations", "frame_inputs"]),
    (mel_rate_gpu.SOURCE, mel_rate_gpu.MelRateKernels(network(2)).defines,
     ["windows", "block_input", "flow_normalized", "couple", "scale", "spectrum", "add_overlaps"]),
    (noise_gpu.SOURCE, (), ["normal_noise"])])
def test_kernels_compile(source, defines, kernels) -> None:
    code = compile_kernels(source, defines, "sm_90")
    assert code[:4] == b"\x7fELF" and all(name.encode() + b"\0" in code for name in kernels)


def test_a_mistake_in_a_kernel_is_an_error(tmp_path) -> None:
    (tmp_path / "wrong.cu").write_text('extern "C" __global__ void wrong() { undeclared(); }')
    with pytest.raises(RuntimeError, match="NVRTC_ERROR_COMPILATION"):
        compile_kernels(tmp_path / "wrong.cu", (), "sm_90")
