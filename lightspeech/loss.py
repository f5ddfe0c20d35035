"""The student's losses. Padding never counts, whatever it holds."""
import torch
from torch import Tensor

from hparams import StudentTraining
from lightspeech.data import StudentBatch
from lightspeech.durations import real, to_log
from lightspeech.model import LightSpeechOutput
from lightspeech.pitch import pitch_loss
from runtime.errors import UserError


def student_loss(output: LightSpeechOutput, batch: StudentBatch, settings: StudentTraining) -> dict[str, Tensor]:
    """Returns the losses of a batch as float32 scalars, by name, before weighting, and their weighted sum "loss".

    "mel": mean absolute (settings.mel_loss "l1") or squared ("l2") difference over all bands of all real frames;
    "duration": mean absolute difference of log(frames + 1) over all real symbols;
    "pitch": see pitch_loss; there only where the batch has the mel's;
    "feature": mean absolute difference of `encode`'s output and the teacher's encoder output over all real symbols;
    there only where the batch has the teacher's and settings.feature_weight is not 0.
    Raises UserError where the two features have different widths.
    """
    symbols, frames = (real(lengths, width) for lengths, width in
                       ((batch.id_lengths, batch.ids.shape[1]), (batch.mel_lengths, batch.mel.shape[2])))
    losses = {"mel": masked_mean(output.mel.transpose(1, 2), batch.mel.transpose(1, 2), frames, settings.mel_loss),
              "duration": masked_mean(output.log_durations, to_log(batch.durations), symbols)}
    weights = {"mel": 1.0, "duration": settings.duration_weight, "pitch": settings.pitch_weight,
               "feature": settings.feature_weight}
    if batch.pitch is not None:
        losses["pitch"] = pitch_loss(output.pitch, batch.pitch, frames)
    if batch.features is not None and settings.feature_weight:
        _check_widths(output.encoder_features, batch.features)
        losses["feature"] = masked_mean(output.encoder_features, batch.features, symbols)
    losses["loss"] = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
    return losses


def masked_mean(found: Tensor, expected: Tensor, mask: Tensor, norm: str = "l1") -> Tensor:
    """Mean absolute ("l1") or squared ("l2") difference over the places where mask (B, L) bool is True.

    found, expected: (B, L) or (B, L, D) float. What stands elsewhere, NaN included, changes neither the result nor
    its gradients: it is replaced before the absolute value or the square.
    """
    mask = mask.view(*mask.shape, *[1] * (found.dim() - 2))
    difference = (found.float() - expected.float()).masked_fill(~mask, 0.0)
    distance = difference.abs() if norm == "l1" else difference.square()
    return distance.sum() / (mask.sum() * (found[0, 0].numel()))


def _check_widths(student: Tensor, teacher: Tensor) -> None:
    if student.shape[2] != teacher.shape[2]:
        raise UserError(f"encoder features: the student has {student.shape[2]}, the distilled data "
                        f"{teacher.shape[2]} a symbol; set feature_weight to 0, or encoder_dim to half of that")
