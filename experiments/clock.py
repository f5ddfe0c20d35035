"""A teacher that stops by itself without having been trained to."""
import numpy as np
import torch

from tacotron2 import Tacotron2


def add_clock(model: Tacotron2) -> None:
    """Makes the gate of a model open after some 55 frames, at a frame that depends on text and chance, in place.

    Unit 0 of the decoder LSTM becomes a clock: its cell grows by 0.02 a step, and the gate looks at it.
    """
    rnn, gate, units = model.decoder.decoder_rnn, model.decoder.gate_layer.linear_layer, model.config.decoder_rnn_dim
    with torch.no_grad():
        for matrix in (rnn.weight_ih, rnn.weight_hh):
            matrix[::units] = 0
        rnn.bias_hh[::units] = 0
        rnn.bias_ih[::units] = torch.tensor([9.0, 9.0, 0.02, 9.0])
        gate.weight.mul_(2.0)[0, 0] = 100.0
        gate.bias.fill_(-100 * np.tanh(1.1))
