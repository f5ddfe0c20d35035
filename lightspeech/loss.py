"""The student's losses. Padding never counts, whatever it holds."""
import torch
from torch import Tensor

from hparams import StudentTraining, UserError
from lightspeech.data import StudentBatch
from lightspeech.model import LightSpeechOutput
from lightspeech.pitch import pitch_loss
from lightspeech.sequences import sequence_mask


def student_loss(output: LightSpeechOutput, batch: StudentBatch, settings: StudentTraining) -> dict[str, Tensor]:
    """Returns the losses of a batch by name, unweighted float32 scalars, and their weighted sum "loss".

    "mel": mean absolute (settings.mel_loss "l1") or squared ("l2") difference over all bands and frames;
    "duration": see duration_loss;
    "pitch": see pitch_loss; only if the batch has pitch;
    "feature": mean absolute difference between `encode`'s output and the teacher's encoder output over all symbols;
    only if the batch has the teacher's and settings.feature_weight is not 0.
    Raises UserError if student and teacher features differ in width.
    """
    symbols = sequence_mask(batch.id_lengths, batch.ids.shape[1])
    frames = sequence_mask(batch.mel_lengths, batch.mel.shape[2])
    losses = {"mel": masked_mean(output.mel.transpose(1, 2), batch.mel.transpose(1, 2), frames, settings.mel_loss),
              "duration": duration_loss(output.log_durations, batch.durations, symbols)}
    weights = {"mel": 1.0, "duration": settings.duration_weight, "pitch": settings.pitch_weight,
               "feature": settings.feature_weight}
    if batch.pitch is not None:
        losses["pitch"] = pitch_loss(output.pitch, batch.pitch, frames)
    if batch.features is not None and settings.feature_weight:
        _check_widths(output.encoder_features, batch.features)
        losses["feature"] = masked_mean(output.encoder_features, batch.features, symbols)
    losses["loss"] = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
    return losses


def duration_loss(log_durations: Tensor, durations: Tensor, mask: Tensor) -> Tensor:
    """Returns the mean deviance of a gamma distribution, x / m - 1 - log(x / m), x = frames + 1, m = exp(predicted).

    log_durations: (B, N) float, predicted log(frames + 1); durations: (B, N) int64; mask: (B, N) bool. It is 0 where
    both are equal, depends on their ratio alone, and is least at the mean of all likely durations. (An absolute
    difference of logs is least at their median, with which speech comes out too short.)
    """
    log_ratio = (torch.log1p(durations.float()) - log_durations.float()).masked_fill(~mask, 0.0)
    return (log_ratio.exp() - 1 - log_ratio).sum() / mask.sum()


def masked_mean(predicted: Tensor, target: Tensor, mask: Tensor, norm: str = "l1") -> Tensor:
    """Returns the mean absolute ("l1") or squared ("l2") difference where mask (B, L) bool is True.

    predicted, target: (B, L) or (B, L, D) float. Values outside of the mask, NaN included, change neither the result
    nor its gradients: they are replaced before the absolute value or the square.
    """
    mask = mask.view(*mask.shape, *[1] * (predicted.dim() - 2))
    difference = (predicted.float() - target.float()).masked_fill(~mask, 0.0)
    distance = difference.abs() if norm == "l1" else difference.square()
    return distance.sum() / (mask.sum() * (predicted[0, 0].numel()))


def _check_widths(student: Tensor, teacher: Tensor) -> None:
    """Raises UserError if encoder features (B, N, D) of student and teacher differ in width."""
    if student.shape[2] != teacher.shape[2]:
        raise UserError(f"encoder features: the student has {student.shape[2]}, the distilled data "
                        f"{teacher.shape[2]} a symbol; set feature_weight to 0, or encoder_dim to half of that")
