"""The teacher: NVIDIA's Tacotron 2, its losses, training data, weights files, free-running reading and alignments."""
from tacotron2.alignment import Limits, Quality, durations_argmax, durations_monotonic, quality, reject_reason
from tacotron2.inference import Tacotron2Inference
from tacotron2.model import Tacotron2, Tacotron2Output
from tacotron2.pretrained import load, save
from tacotron2.sharpen import sharpen

__all__ = ["Limits", "Quality", "Tacotron2", "Tacotron2Inference", "Tacotron2Output", "durations_argmax",
           "durations_monotonic", "load", "quality", "reject_reason", "save", "sharpen"]
