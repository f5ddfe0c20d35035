// Returns a wav file (16 bits, mono) of waves, each a Float32Array in [-1, 1], as a Blob.
export function wavFile(waves, sampleRate) {
  const count = waves.reduce((sum, wave) => sum + wave.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const name = (at, letters) => [...letters].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  name(0, "RIFF");
  view.setUint32(4, 36 + 2 * count, true);
  name(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the format
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true); // bytes a second
  view.setUint16(32, 2, true); // bytes of all channels
  view.setUint16(34, 16, true); // bits
  name(36, "data");
  view.setUint32(40, 2 * count, true);
  let at = 44;
  for (const wave of waves) {
    for (const sample of wave) {
      view.setInt16(at, Math.round(sample * 32767), true);
      at += 2;
    }
  }
  return new Blob([view.buffer], { type: "audio/wav" });
}
