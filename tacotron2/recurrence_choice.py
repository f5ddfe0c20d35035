"""The choice between the plain and the fused recurrence: the fused one only if it works here and agrees."""
import torch
from torch import Tensor

from hparams import Tacotron2Config
from runtime.fast_path import disagreement, first_that_agrees, relative_errors
from tacotron2.fused import CHUNK_FRAMES, SYMBOL_STEP, FusedRecurrence
from tacotron2.recurrence import PLAIN, PlainRecurrence

ERROR_FACTOR = 2.0  # error allowed to the fused recurrence, as a multiple of the plain one's own rounding error
ERROR_FLOOR = 3e-3  # relative error that is always allowed: the kernels use TF32 products


def best_recurrence(device: torch.device | str, config: Tacotron2Config,
                    dtype: torch.dtype = torch.bfloat16) -> PlainRecurrence | FusedRecurrence:
    """Returns the fused recurrence if it works on this device and agrees with the plain one, else the plain one.

    On a GPU, the use of the plain one is logged in one line. dtype: of the gates in training.
    """
    if torch.device(device).type != "cuda":
        return PLAIN
    return first_that_agrees([FusedRecurrence], lambda fused: discrepancy(fused, device, config, dtype), PLAIN,
                             "fused recurrence", "training by the plain one, many times slower")


def discrepancy(fused: PlainRecurrence | FusedRecurrence, device: torch.device | str, config: Tacotron2Config,
                dtype: torch.dtype) -> str:
    """Compares the outputs and gradients of a recurrence on random input. Returns "" if they agree, else what differs.

    The reference is the plain recurrence in float32 on the CPU. The relative error of a tensor may be ERROR_FACTOR
    times that of the plain recurrence in the same dtype on the same device, or ERROR_FLOOR.
    """
    true = _run_on_random_input(PLAIN, config, dtype, torch.float32, "cpu")
    plain = relative_errors(_run_on_random_input(PLAIN, config, dtype, dtype, device), true)
    allowed = {name: max(ERROR_FACTOR * error, ERROR_FLOOR) for name, error in plain.items()}
    return disagreement(relative_errors(_run_on_random_input(fused, config, dtype, dtype, device), true), allowed)


def _run_on_random_input(recurrence: PlainRecurrence | FusedRecurrence, config: Tacotron2Config, rounding: torch.dtype,
                         dtype: torch.dtype, device: torch.device | str) -> dict[str, Tensor]:
    """Runs both methods forward and backward on fixed random numbers. Returns outputs and gradients by name.

    The inputs are rounded to `rounding` and passed as `dtype`, weights as float32. Energies have a spread of about 1:
    random attention that is sharper amplifies rounding without bound.
    """
    B, N, T, H, D = 4, SYMBOL_STEP + 6, CHUNK_FRAMES + 8, config.attention_rnn_dim, config.decoder_rnn_dim
    E, A, taps = config.encoder_dim, config.attention_dim, 2 * config.location_kernel_size
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int, scale: float = 1.0) -> Tensor:
        """Returns normal random numbers, rounded as the recurrence gets them."""
        return (torch.randn(shape, generator=generator) * scale).to(rounding).float()

    streams = {"gates": normal(T, B, 4 * H), "memory": normal(B, N, E), "processed_memory": normal(B, N, A, scale=0.5)}
    weights = {"weight": normal(4 * H, E + H, scale=(E + H) ** -0.5), "query_weight": normal(A, H, scale=H ** -0.5),
               "location_weight": normal(taps, A, scale=0.1), "v": normal(A, scale=1.5 * A ** -0.5)}
    lstm = {"lstm_gates": normal(T, B, 4 * D), "lstm_weight": normal(4 * D, D, scale=D ** -0.5)}
    outer = {"states": normal(T, B, E + H), "alignments": normal(T, B, N), "hidden": normal(T, B, D)}
    keep, lstm_keep = ((torch.rand(T, B, size, generator=generator) < 0.9).to(device, torch.uint8) for size in (H, D))
    lengths = torch.linspace(1, N, B).long().to(device)
    inputs = {name: tensor.to(device, torch.float32 if "weight" in name or name == "v" else dtype).requires_grad_()
             for name, tensor in {**streams, **weights, **lstm}.items()}
    states, alignments = recurrence.attention(**{name: inputs[name] for name in (*streams, *weights)},
                                              lengths=lengths, keep=keep, keep_probability=0.9)
    hidden = recurrence.lstm(inputs["lstm_gates"], inputs["lstm_weight"], lstm_keep, 0.9)
    outputs = {"states": states, "alignments": alignments, "hidden": hidden}
    sum((outputs[name].float() * outer[name].to(device)).sum() for name in outer).backward()
    results = {**outputs, **{f"gradient of {name}": tensor.grad for name, tensor in inputs.items()}}
    return {name: tensor.detach().float().cpu() for name, tensor in results.items()}
