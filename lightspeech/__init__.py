"""The student: a 1.87 M-parameter recurrent network that turns symbols into a mel spectrogram."""
from lightspeech.model import LightSpeech, LightSpeechInference, LightSpeechOutput
from lightspeech.pretrained import load, save

__all__ = ["LightSpeech", "LightSpeechInference", "LightSpeechOutput", "load", "save"]
