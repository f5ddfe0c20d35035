"""A fast implementation is used only if it can run here and computes what the plain one computes."""
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from torch import Tensor

Plain = TypeVar("Plain")
Fast = TypeVar("Fast")


def first_that_agrees(candidates: Iterable[Callable[[], Fast]], problem_of: Callable[[Fast], str], plain: Plain,
                      name: str, consequence: str) -> Fast | Plain:
    """Returns the first fast implementation that can be made and has no problem, otherwise the plain one.

    candidates: functions that make an implementation, the fastest first; whatever they raise counts as a problem.
    problem_of: compares an implementation with the plain one on small random inputs; returns "" if they agree, else
    what differs (see relative_errors). The use of `plain` is logged as the one line "NAME: PROBLEMS; CONSEQUENCE".
    """
    problems, logger = [], logging.getLogger(__name__)
    for make in candidates:
        try:
            made = make()
            problem = problem_of(made)
        except Exception as error:  # whatever a compiler, its bindings or the driver may raise
            problem = (f"{type(error).__name__}: {error}".splitlines() or [""])[0]
        if not problem:
            return made
        problems.append(problem)
        logger.info("%s: %s", name, problem)
    if problems:
        logger.warning("%s: %s; %s", name, "; ".join(problems), consequence)
    return plain


def relative_errors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, float]:
    """Returns |found - expected| / |expected| (Euclidean norms, float32 on the CPU) of each of the named tensors."""
    errors = {}
    for name, tensor in expected.items():
        true = tensor.detach().float().cpu()
        errors[name] = ((found[name].detach().float().cpu() - true).norm() / true.norm()).item()
    return errors


def disagreement(errors: Mapping[str, float], allowed: Mapping[str, float] | float) -> str:
    """Returns "" if every error is at most what is allowed, else the first that is not: "output off by 3e-1".

    A NaN is a disagreement too.
    """
    for name, error in errors.items():
        limit = allowed if isinstance(allowed, float) else allowed[name]
        if not error <= limit:
            return f"{name} off by {error:.1e}, allowed {limit:.1e}"
    return ""
