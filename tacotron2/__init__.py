"""The teacher: NVIDIA's Tacotron 2, with its losses, training data, weights files, inference and durations."""
from tacotron2.alignment import durations_argmax, durations_monotonic
from tacotron2.model import Tacotron2, Tacotron2Inference, Tacotron2Output
from tacotron2.pretrained import load, save
from tacotron2.sharpen import sharpen

__all__ = ["Tacotron2", "Tacotron2Inference", "Tacotron2Output", "durations_argmax", "durations_monotonic", "load",
           "save", "sharpen"]
