// Returns the `count` normal numbers of a seed that synthesis/noise.py draws, as Float32Array. seed: 32 bits.
export function normalNoise(count, seed) {
  const noise = new Float32Array(count);
  const uniform = (index) => (mix(mix(index) ^ seed) >>> 8) * 2 ** -24;
  for (let index = 0; index < count; index += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform(index)));
    const angle = 2 * Math.PI * uniform(index + 1);
    noise[index] = radius * Math.cos(angle);
    noise[index + 1] = radius * Math.sin(angle);
  }
  return noise;
}

function mix(value) {
  const first = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35);
  return second ^ (second >>> 16);
}
