"""The recurrence of a finished BidirectionalGRU on an NVIDIA GPU, by the kernel of cuda.py."""
from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor, nn

from lightspeech.gru_cpu import InferenceGRU
from lightspeech.sequences import sequence_mask

# gates (B, L, 2, 3H), hidden (2, 3H, H) float16, scaled_bias (2, H), lengths (B,) int64, at least 1
# -> states (B, L, 2, H), float32, each at its place, also of the direction that begins at a row's end; anything in the
# padding. Never waits for the GPU.
GpuSteps = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


class GpuRecurrence(InferenceGRU):
    """As InferenceGRU, with fewer launches: its kernels find their way through a row themselves, from both ends.

    Its gates are (B, N, 6H), as nn.GRU knows them, ahead first. steps: what goes through the steps.
    """

    def __init__(self, ahead: nn.GRU, back: nn.GRU, late: int = 0, *, steps: GpuSteps) -> None:
        super().__init__(ahead, back, late)
        self.gpu_steps = steps
        self.half = torch.stack([way.weight_hh_l0.detach() for way in (ahead, back)]).half()  # (2, 3H, H)
        late_inputs = slice(ahead.input_size - late, None)
        self.late_weight = torch.cat([way.weight_ih_l0.detach()[:, late_inputs].t() for way in (ahead, back)], 1)

    def project_inputs(self, inputs: Tensor) -> Tensor:
        """inputs: (B, N, D - late), or what an absorbed layer takes -> gates (B, N, 6H)."""
        return torch.addmm(self.bias, inputs.flatten(0, 1), self.weight.t()).unflatten(0, inputs.shape[:2])

    def run(self, gates: Tensor, lengths: Tensor, source: Tensor, late: Tensor | None = None) -> Tensor:
        """As InferenceGRU.run, with the gates of this class's `project`."""
        (B, L), (own, N, width) = source.shape, gates.shape
        if own > 1:
            source = source + torch.arange(0, B * N, N, device=gates.device)[:, None]
        taken = gates.flatten(0, 1).index_select(0, source.flatten())  # (B * L, 6H)
        if late is not None and late.shape[2]:
            taken.addmm_(late.flatten(0, 1), self.late_weight)
        return self.gpu_steps(taken.view(B, L, 2, width // 2), self.half, self.scaled_bias, lengths).flatten(2)


def problem(way: ModuleType, H: int, device: torch.device) -> str:
    """Why a recurrence of H units cannot run by this module's steps on this GPU; "" if it can."""
    if not way.suits(H, device):
        return f"{way.__name__} is not made for this GPU or {H} units"
    error = discrepancy(way.steps, H, device)
    return "" if error <= way.ALLOWED else f"{way.__name__} is off by {error:.1e} with {H} units"


@torch.no_grad()
def discrepancy(steps: GpuSteps, H: int, device: torch.device) -> float:
    """The largest difference of a GpuRecurrence from the plain one on the CPU, for 1 and for 17 rows; NaN if any is."""
    largest = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ways, inputs = [nn.GRU(8, H) for _ in range(2)], torch.randn(17, 9, 8)
    plain, found = InferenceGRU(*ways), GpuRecurrence(*[way.to(device) for way in ways], steps=steps)
    for B in (1, 17):
        lengths, source = 9 - torch.arange(B) % 9, torch.arange(9).expand(B, -1)
        expected = plain.run(plain.project_inputs(inputs[:B]), lengths, source)
        states = found.run(found.project_inputs(inputs[:B].to(device)), lengths.to(device), source.to(device)).cpu()
        largest.append((states - expected)[sequence_mask(lengths, 9)].abs().max())
    return torch.stack(largest).max().item()
