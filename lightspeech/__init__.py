"""The student: a 1.87 M-parameter recurrent network that turns symbols into a mel spectrogram."""
from lightspeech.fast import FastLightSpeech, fastest
from lightspeech.model import LightSpeech, LightSpeechInference, LightSpeechOutput, Prosody
from lightspeech.pretrained import load, save
from lightspeech.sharpen import sharpen

__all__ = ["FastLightSpeech", "LightSpeech", "LightSpeechInference", "LightSpeechOutput", "Prosody", "fastest", "load",
           "save", "sharpen"]
