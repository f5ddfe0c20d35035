"""The student: a recurrent network of 1.87 million parameters, from symbols to a mel spectrogram."""
from lightspeech.inference import FastLightSpeech, fastest
from lightspeech.model import LightSpeech, LightSpeechInference, LightSpeechOutput, ProsodyPrediction
from lightspeech.onnx_form import save_onnx
from lightspeech.pretrained import load, save
from lightspeech.sharpen import sharpen

__all__ = ["FastLightSpeech", "LightSpeech", "LightSpeechInference", "LightSpeechOutput", "ProsodyPrediction",
           "fastest", "load", "save", "save_onnx", "sharpen"]
