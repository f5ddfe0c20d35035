// The numbers of normal_noise (noise.py) for many rows at once.

__device__ __forceinline__ unsigned int mix(unsigned int value) {
  value = (value ^ (value >> 16)) * 0x85EBCA6Bu;
  value = (value ^ (value >> 13)) * 0xC2B2AE35u;
  return value ^ (value >> 16);
}

// seeds (B,), of which the lowest 32 bits decide -> result (B, 2 * pairs) float32, from number `first` on, which is even.
// Grid (ceil(pairs / threads), B).
extern "C" __global__ void normal_noise(const long long *seeds, float2 *result, int pairs, int first) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= pairs) return;
  const unsigned int seed = static_cast<unsigned int>(seeds[blockIdx.y]), number = first + 2 * i;
  const float one = (mix(mix(number) ^ seed) >> 8) * 0x1p-24f, other = (mix(mix(number + 1) ^ seed) >> 8) * 0x1p-24f;
  float sine, cosine;
  sincospif(2.0f * other, &sine, &cosine);
  const float radius = sqrtf(-2.0f * log1pf(-one));
  result[static_cast<long long>(blockIdx.y) * pairs + i] = make_float2(radius * cosine, radius * sine);
}
