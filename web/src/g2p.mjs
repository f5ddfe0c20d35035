// The network for unknown words, computed as in text/g2p.py: the browser's Python has no NumPy.

// Returns a function from a word to the best class of each of its slots. about: {letters, channels, kernel_sizes,
// outputs, classes}; file: ArrayBuffer, in half precision, of the tensors of text.g2p.G2P in the order embedding, weight
// and bias of each layer, weight and bias of the output.
export function createNetwork({ letters, channels, kernel_sizes: kernelSizes, outputs, classes }, file) {
  const weights = fromHalf(new Uint16Array(file));
  let at = 0;
  const take = (count) => weights.subarray(at, at += count);
  const convolution = (size, width) => ({ size, weight: take(size * channels * width), bias: take(width) });
  const embedding = take((letters.length + 1) * channels);
  const layers = kernelSizes.map((size) => convolution(size, 2 * channels));
  const output = convolution(1, outputs);
  return (word) => {
    const state = new Float32Array(word.length * channels);
    [...word].forEach((letter, place) => {
      const row = letters.indexOf(letter) + 1;
      state.set(embedding.subarray(row * channels, (row + 1) * channels), place * channels);
    });
    for (const layer of layers) addGated(state, convolve(state, channels, layer), channels);
    return bestClasses(convolve(state, channels, output), classes);
  };
}

// Returns numbers of half precision as Float32Array. Their exponents count from -15, those of float32 from -127.
function fromHalf(halves) {
  const bits = Uint32Array.from(halves, (half) => ((half & 0x8000) << 16) | ((half & 0x7fff) << 13));
  return new Float32Array(bits.buffer).map((value) => value * 2 ** (127 - 15));
}

// Returns a convolution over the letters, (N, outputs), of a state (N, channels) with zeros at its ends.
function convolve(state, channels, { size, weight, bias }) {
  const [count, outputs] = [state.length / channels, bias.length];
  const mixed = new Float32Array(count * outputs);
  for (let place = 0; place < count; place++) {
    const sums = mixed.subarray(place * outputs, (place + 1) * outputs);
    sums.set(bias);
    const first = place - (size >> 1);
    for (let input = Math.max(0, first); input < Math.min(count, first + size); input++) {
      for (let channel = 0; channel < channels; channel++) {
        const value = state[input * channels + channel];
        const row = ((input - first) * channels + channel) * outputs;
        for (let index = 0; index < outputs; index++) sums[index] += value * weight[row + index];
      }
    }
  }
  return mixed;
}

// Adds the first half of mixed (N, 2 * channels) to a state (N, channels), each value times the sigmoid of its gate.
function addGated(state, mixed, channels) {
  for (let index = 0; index < state.length; index++) {
    const at = index + Math.floor(index / channels) * channels;
    state[index] += mixed[at] / (1 + Math.exp(-mixed[at + channels]));
  }
}

// Returns the index of the highest of each `classes` logits.
function bestClasses(logits, classes) {
  return Array.from({ length: logits.length / classes }, (_, slot) => {
    const row = logits.subarray(slot * classes, (slot + 1) * classes);
    return row.indexOf(Math.max(...row));
  });
}
