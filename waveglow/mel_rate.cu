// What lies between the matrix products of the vocoder at the mel rate (mel_rate.py), each in one pass over memory.
//
// Rows are frames: B utterances of L frames, of which EDGE at each end are silence. Defined by the compiler's options:
// CHANNELS of the blocks, FLOW_CHANNELS of the coupling layers' blocks, BANDS of the mel, HOP samples of a frame, BINS of
// the inverse STFT, EDGE. Activations are float16, as the products want them; what is computed here is in float32.
#include "half.cuh"

constexpr word ALL = ~0u;            // lanes of a warp
constexpr int WARPS = 2;             // of a block of `block_input`
constexpr int FRAMES = 4;            // of a warp there: neighbours share what they read
constexpr int STFT_TAPS = 7;         // frames of the first convolution
constexpr float LARGEST_LOG = 7.0f;  // MAX_LOG_MAGNITUDE
constexpr float EPSILON = 1e-5f;     // of a layer norm

// Returns a log-mel value of frame t of an utterance with its edges; silence outside of its `length` frames.
// mel (B, T, BANDS).
__device__ __forceinline__ float mel_at(const float *mel, long long utterance, int t, int band, int T, int length,
                                        float silence) {
  const int frame = t - EDGE;
  return frame < 0 || frame >= length ? silence : mel[(utterance * T + frame) * BANDS + band];
}

// mel (B, T, BANDS), lengths (B,) -> windows (B, L, STFT_TAPS * BANDS) float16, what the first convolution sees of each
// frame, scaled as in MelRateWaveGlow.embedding. Grid (L, B).
extern "C" __global__ void windows(const float *mel, const long long *lengths, word *result, int T, int L,
                                   float silence) {
  const int t = blockIdx.x, length = static_cast<int>(lengths[blockIdx.y]);
  word *row = result + (static_cast<long long>(blockIdx.y) * L + t) * (STFT_TAPS * BANDS / 2);
  for (int i = threadIdx.x; i < STFT_TAPS * BANDS / 2; i += blockDim.x) {
    const int tap = 2 * i / BANDS, band = 2 * i % BANDS, source = t + tap - STFT_TAPS / 2;
    float2 pair;
    pair.x = (mel_at(mel, blockIdx.y, source, band, T, length, silence) + 5.0f) * 0.4f;
    pair.y = (mel_at(mel, blockIdx.y, source, band + 1, T, length, silence) + 5.0f) * 0.4f;
    row[i] = packed(pair);
  }
}

__device__ __forceinline__ float sum_of_warp(float value) {
  for (int step = 16; step; step /= 2) value += __shfl_xor_sync(ALL, value, step);
  return value;
}

// A lane's share of a frame, neighbouring channels; of C float16 or of C float32.
template <int C> struct __align__(C % 256 == 0 ? 16 : C % 128 == 0 ? 8 : 4) Share {
  word pairs[C / 64];
};
template <int C> struct __align__(C % 128 == 0 ? 16 : 8) Weights {
  float values[C / 32];
};
template <int C> __device__ __forceinline__ Weights<C> load(const float *row, int channel) {
  return *reinterpret_cast<const Weights<C> *>(row + channel);
}

// See `block_input`. A warp computes FRAMES neighbouring frames.
template <int C, int TAPS>
__device__ __forceinline__ void convolve_and_normalize(const half *x, const float *offset, const float *taps,
                                                       const long long *lengths, half *result, int L, int stride) {
  constexpr int OWN = C / 32, HALO = TAPS / 2;
  const int lane = threadIdx.x % 32, channel = lane * OWN;
  const int first = (blockIdx.x * WARPS + threadIdx.x / 32) * FRAMES;
  const int end = min(L, static_cast<int>(lengths[blockIdx.y]) + 2 * EDGE);
  if (first >= L) return;
  const long long row = static_cast<long long>(blockIdx.y) * L;
  float sums[FRAMES][OWN];
  Weights<C> weight[TAPS], bias = {};
  const Weights<C> shift = load<C>(offset, channel);
  if (TAPS > 1) {
    bias = load<C>(taps + TAPS * C, channel);
#pragma unroll
    for (int tap = 0; tap < TAPS; tap++) weight[tap] = load<C>(taps + tap * C, channel);
  }
#pragma unroll
  for (int f = 0; f < FRAMES; f++)
#pragma unroll
    for (int i = 0; i < OWN; i++) sums[f][i] = bias.values[i];
  Share<C> shares[FRAMES + TAPS - 1];
#pragma unroll
  for (int k = 0; k < FRAMES + TAPS - 1; k++) {
    const int t = min(max(first + k - HALO, 0), L - 1);
    shares[k] = *reinterpret_cast<const Share<C> *>(x + (row + t) * stride + channel);
  }
#pragma unroll
  for (int k = 0; k < FRAMES + TAPS - 1; k++) {
    const int t = first + k - HALO;
    if (TAPS > 1 && (t < 0 || t >= end)) continue;
#pragma unroll
    for (int i = 0; i < OWN; i += 2) {
      const float2 pair = unpacked(shares[k].pairs[i / 2]);
      const float left = pair.x + shift.values[i], right = pair.y + shift.values[i + 1];
#pragma unroll
      for (int f = 0; f < FRAMES; f++) {
        const int tap = k - f;
        if (tap < 0 || tap >= TAPS) continue;
        sums[f][i] += TAPS > 1 ? weight[tap].values[i] * left : left;
        sums[f][i + 1] += TAPS > 1 ? weight[tap].values[i + 1] * right : right;
      }
    }
  }
#pragma unroll
  for (int f = 0; f < FRAMES; f++) {
    float total = 0.0f, squares = 0.0f;
#pragma unroll
    for (int i = 0; i < OWN; i++) total += sums[f][i];
    const float mean = sum_of_warp(total) / C;
#pragma unroll
    for (int i = 0; i < OWN; i++) sums[f][i] -= mean, squares += sums[f][i] * sums[f][i];
    const float scale = rsqrtf(sum_of_warp(squares) / C + EPSILON);
    Share<C> share;
#pragma unroll
    for (int i = 0; i < OWN; i += 2)
      share.pairs[i / 2] = packed(make_float2(sums[f][i] * scale, sums[f][i + 1] * scale));
    if (first + f < L) *reinterpret_cast<Share<C> *>(result + (row + first + f) * C + channel) = share;
  }
}

// x: rows of `stride` float16, of which the first C are channels; offset (C,), added to them; taps (TAPS + 1, C), the
// weights of a depthwise convolution over frames and its bias; lengths (B,): frames after length + 2 EDGE count as zero
// there. -> result (B, L, C) float16, each frame normalized to mean 0 and variance 1. With TAPS = 1 there is no
// convolution and taps is null. Grid (ceil(L / (WARPS * FRAMES)), B).
#define BLOCK_INPUT(NAME, C, TAPS)                                                                                     \
  extern "C" __global__ void __launch_bounds__(WARPS * 32)                                                             \
      NAME(const half *x, const float *offset, const float *taps, const long long *lengths, half *result, int L,       \
           int stride) {                                                                                               \
    convolve_and_normalize<C, TAPS>(x, offset, taps, lengths, result, L, stride);                                      \
  }
BLOCK_INPUT(block_input, CHANNELS, 7)
BLOCK_INPUT(normalized, CHANNELS, 1)
BLOCK_INPUT(flow_block_input, FLOW_CHANNELS, 5)
BLOCK_INPUT(flow_normalized, FLOW_CHANNELS, 1)

// A coupling layer's inverse. x (rows, HOP) float32, times `sigma`; ends (rows, HOP) float16, shifts and then log scales
// of the coefficients that change, every second one from the first (`odd` 0) or second (1) on; null: none changes.
// -> result (rows, HOP) float32, and those of its coefficients that x changes there as float16 (rows, HOP / 2), which the
// next layer keeps. Grid (rows), HOP / 2 threads.
extern "C" __global__ void couple(const float2 *x, const half *ends, float2 *result, half *kept, float sigma,
                                  int odd) {
  constexpr float BOUND = 3.0f;  // LOG_SCALE_BOUND
  const long long i = static_cast<long long>(blockIdx.x) * (HOP / 2) + threadIdx.x;
  float2 pair = x[i];
  pair.x *= sigma, pair.y *= sigma;
  float &changed = odd ? pair.y : pair.x;
  if (ends) {
    const half *row = ends + static_cast<long long>(blockIdx.x) * HOP + threadIdx.x;
    const float log_scale = to_float(row[HOP / 2]) / BOUND;
    const float tanh = 1.0f - 2.0f / (1.0f + __expf(2.0f * log_scale));
    changed = (changed - to_float(row[0])) * __expf(-BOUND * tanh);
  }
  result[i] = pair;
  kept[i] = to_half(changed);
}

// Returns a log-mel interpolated over the bands. band: the lower of two neighbours; share: of the upper one.
__device__ __forceinline__ float level_at(const float *mel, long long utterance, int t, int band, float share, int T,
                                          int length, float silence) {
  const float low = mel_at(mel, utterance, t, band, T, length, silence);
  return low + share * (mel_at(mel, utterance, t, band + 1, T, length, silence) - low);
}

// x (B, L, HOP) float32, what the flow made of the noise; own: rows of `stride` float16, of which HOP are added to the
// log scale that the mel says; bands, shares (HOP,): see `level_at` -> coefficients (B, L, HOP) float16 of the MDCT, zero
// after the end. Grid (L, B), HOP / 2 threads.
extern "C" __global__ void scale(const float2 *x, const half *own, const float *mel, const long long *lengths,
                                 const int *bands, const float *shares, word *coefficients, int T, int L, int stride,
                                 float silence, float level) {
  const int t = blockIdx.x, length = static_cast<int>(lengths[blockIdx.y]), k = 2 * threadIdx.x;
  const long long row = static_cast<long long>(blockIdx.y) * L + t;
  float2 pair = x[row * (HOP / 2) + threadIdx.x];
  float factors[2];
  for (int i = 0; i < 2; i++) {
    const float from_mel = level_at(mel, blockIdx.y, t, bands[k + i], shares[k + i], T, length, silence) + level;
    factors[i] = t < length + 2 * EDGE ? __expf(fminf(from_mel + to_float(own[row * stride + k + i]), LARGEST_LOG)) : 0;
  }
  pair.x *= factors[0], pair.y *= factors[1];
  coefficients[row * (HOP / 2) + threadIdx.x] = packed(pair);
}

// own: rows of `stride` float16, BINS log magnitudes, added to those that the mel says, and BINS phases; bands, shares
// (BINS,): see `level_at` -> spectrum (B, L, BINS) complex of float32, zero after the end. Grid (L, B).
extern "C" __global__ void spectrum(const half *own, const float *mel, const long long *lengths, const int *bands,
                                    const float *shares, float2 *result, int T, int L, int stride, float silence,
                                    float level) {
  const int t = blockIdx.x, length = static_cast<int>(lengths[blockIdx.y]);
  const long long row = static_cast<long long>(blockIdx.y) * L + t;
  for (int bin = threadIdx.x; bin < BINS; bin += blockDim.x) {
    const float from_mel = level_at(mel, blockIdx.y, t, bands[bin], shares[bin], T, length, silence) + level;
    float magnitude = __expf(fminf(from_mel + to_float(own[row * stride + bin]), LARGEST_LOG));
    if (t >= length + 2 * EDGE) magnitude = 0.0f;
    float sine, cosine;
    __sincosf(to_float(own[row * stride + BINS + bin]), &sine, &cosine);
    result[row * BINS + bin] = make_float2(magnitude * cosine, magnitude * sine);
  }
}

// frames (B, L, OVERLAPS * HOP) float32, of the inverse STFT, and window (OVERLAPS * HOP,), which they are multiplied by;
// rotated (B, L, HOP) float16, what LappedTransform.inverse calls so, or null; sines and cosines (HOP / 2,) of it
// -> wave (B, T * HOP) float32, the overlapping sums without the edges, zero after each end. Grid (T, B), HOP / 2 threads.
extern "C" __global__ void add_overlaps(const float *frames, const float *window, const half *rotated,
                                        const float *sines, const float *cosines, const long long *lengths, float *wave,
                                        int T, int L) {
  constexpr int OVERLAPS = 2 * (BINS - 1) / HOP;
  const int t = blockIdx.x, r = threadIdx.x, mirrored = HOP - 1 - r;
  const long long row = static_cast<long long>(blockIdx.y) * L + t + EDGE;
  float2 pair = make_float2(0.0f, 0.0f);  // samples r and mirrored
  if (t < lengths[blockIdx.y]) {
    for (int k = 0; k < OVERLAPS; k++) {
      const float *frame = frames + (row + OVERLAPS / 2 - k) * (OVERLAPS * HOP) + k * HOP;
      pair.x += frame[r] * window[k * HOP + r];
      pair.y += frame[mirrored] * window[k * HOP + mirrored];
    }
    if (rotated) {
      const float falling = to_float(rotated[row * HOP + HOP / 2 + r]);
      const float rising = to_float(rotated[(row + 1) * HOP + HOP / 2 - 1 - r]);
      pair.x += cosines[r] * falling + sines[r] * rising;
      pair.y += cosines[r] * rising - sines[r] * falling;
    }
  }
  float *target = wave + (static_cast<long long>(blockIdx.y) * T + t) * HOP;
  target[r] = pair.x, target[mirrored] = pair.y;
}
