// Durations of symbols and inputs of frames for the student's inference, each in one pass: see log_to_durations,
// change_speed, align_frames and position_features in durations.py, HarmonicPattern and pitch_contour in pitch.py.
//
// Defined by the compiler's options: HARMONIC_BANDS, POSITION_FEATURES, SMOOTHING frames, MAX_DURATION.
#include "half.cuh"

typedef long long Count;      // int64
constexpr word ALL = ~0u;     // lanes of a warp
constexpr int MAX_WARPS = 32;  // of a block of `durations`
constexpr int FRAMES = 8;     // of a block of `frame_inputs`
constexpr int HALO = SMOOTHING / 2;

__device__ __forceinline__ float sum_of_warp(float value) {
  for (int step = 16; step; step /= 2) value += __shfl_xor_sync(ALL, value, step);
  return value;
}

// hidden (B, N, K) float32, before its bias (K,) and ReLU; weight (outputs, K), last_bias (outputs,) float32: outputs 1,
// log(duration + 1), or 3, also the pitch at a symbol's start and end; lengths (B,) symbols -> rounded (B, N) frames, 0 in
// the padding; pitch (B, N, 2) float32, log Hz, 0 with 1 output. K is a multiple of 4. A warp for each symbol; grid
// (ceil(N / warps), B).
extern "C" __global__ void symbols(const float4 *hidden, const float4 *bias, const float4 *weight,
                                   const float *last_bias, const Count *lengths, int *rounded, float2 *pitch, int N,
                                   int K, int outputs, float default_pitch) {
  const int lane = threadIdx.x % 32, n = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (n >= N) return;
  const Count symbol = static_cast<Count>(blockIdx.y) * N + n;
  float sums[3] = {};
  for (int k = lane; k < K / 4; k += 32) {
    float4 x = hidden[symbol * (K / 4) + k];
    const float4 b = bias[k];
    x = make_float4(fmaxf(x.x + b.x, 0.0f), fmaxf(x.y + b.y, 0.0f), fmaxf(x.z + b.z, 0.0f), fmaxf(x.w + b.w, 0.0f));
    for (int i = 0; i < 3; i++) {
      if (i >= outputs) break;
      const float4 w = weight[i * (K / 4) + k];
      sums[i] += (x.x * w.x + x.y * w.y) + (x.z * w.z + x.w * w.w);
    }
  }
  for (int i = 0; i < 3; i++) sums[i] = i < outputs ? sum_of_warp(sums[i]) + last_bias[i] : 0.0f;
  if (lane) return;
  const float bounded = fminf(fmaxf(sums[0], 0.0f), logf(MAX_DURATION + 1.0f));  // NaN gives 0
  rounded[symbol] = n < lengths[blockIdx.y] ? static_cast<int>(rintf(expm1f(bounded))) : 0;
  pitch[symbol] = outputs == 3 ? make_float2(sums[1] + default_pitch, sums[2] + default_pitch) : make_float2(0, 0);
}

// Returns the sum over this thread and those before it in the block; `total` becomes that of all threads.
__device__ __forceinline__ Count running_sum(Count value, Count &total) {
  __shared__ Count totals[MAX_WARPS];
  for (int step = 1; step < 32; step *= 2) {
    const Count before = __shfl_up_sync(ALL, value, step);
    if (threadIdx.x % 32 >= step) value += before;
  }
  if (threadIdx.x % 32 == 31) totals[threadIdx.x / 32] = value;
  __syncthreads();
  total = 0;
  for (int warp = 0; warp < blockDim.x / 32; warp++) {
    if (warp == threadIdx.x / 32) value += total;
    total += totals[warp];
  }
  __syncthreads();
  return value;
}

// rounded (B, N) frames of `symbols`; pauses (B, N), not 0 where speed changes nothing -> durations and ends, their
// running sums, (B, N) int64; mel_lengths (B,), at least 1. Grid (B), a multiple of 32 threads.
extern "C" __global__ void durations(const int *rounded, const Count *pauses, Count *result, Count *ends,
                                     Count *mel_lengths, int N, double speed) {
  const Count row = static_cast<Count>(blockIdx.x) * N;
  rounded += row, pauses += row, result += row, ends += row;
  Count predicted = 0, spoken = 0, frames = 0, sum;  // of the symbols so far: all, without pauses, in the result
  for (int first = 0; first < N; first += blockDim.x) {
    const int n = first + threadIdx.x;
    running_sum(n < N ? rounded[n] : 0, sum);
    predicted += sum;
  }
  for (int first = 0; first < N; first += blockDim.x) {
    const int n = first + threadIdx.x;
    Count own = n < N ? rounded[n] : 0;
    if (n == 0 && predicted == 0) own = 1;
    const bool changes = n < N && pauses[n] == 0;
    const Count end = spoken + running_sum(changes ? own : 0, sum);
    if (changes) own = static_cast<Count>(rint(end / speed)) - static_cast<Count>(rint((end - own) / speed));
    spoken += sum;
    const Count new_end = frames + running_sum(own, sum);
    frames += sum;
    if (n < N) result[n] = own, ends[n] = new_end;
  }
  if (frames == 0) {  // the first symbol gets a frame
    for (int n = threadIdx.x; n < N; n += blockDim.x) ends[n] = 1, result[n] = n == 0;
    frames = 1;
  }
  if (threadIdx.x == 0) mel_lengths[blockIdx.x] = frames;
}

// What a frame is told besides its symbol's states: its pitch in log Hz and its position in its symbol.
struct Frame {
  float pitch, position, duration;
};

// Feature k of a frame, as in LightSpeech.frame_features; after them two ones, for a bias in two parts, then zeros.
// pitch is clamped to lowest ... highest; centres, quarter_widths of the harmonics' bands in Hz.
__device__ __forceinline__ float feature(int k, int n_features, Frame frame, const float *centres,
                                         const float *quarter_widths, float lowest, float highest) {
  if (k >= n_features) return k < n_features + 2 ? 1.0f : 0.0f;
  if (k < HARMONIC_BANDS) {
    const float period = 2.0f * expf(-fminf(fmaxf(frame.pitch, lowest), highest)), width = quarter_widths[k] * period;
    const float smoothed = sinpif(width) / (3.14159265f * width);
    return cospif(centres[k] * period) * smoothed * smoothed;
  }
  const float fraction = (frame.position + 0.5f) / fmaxf(frame.duration, 1.0f);
  switch (k - HARMONIC_BANDS) {
    case 0: return log1pf(frame.position) / 3.0f;
    case 1: return log1pf(frame.duration - 1.0f - frame.position) / 3.0f;
    case 2: return log1pf(frame.duration) / 3.0f;
    case 3: return fraction;
    case 4: return cospif(fraction);
    case 5: return sinpif(fraction);
    case 6: return cospif(2.0f * fraction);
    default: return sinpif(2.0f * fraction);
  }
}

// states (B, N, D) float32; result and ends of `durations`, pitch of `symbols`; n_features 0 or HARMONIC_BANDS +
// POSITION_FEATURES -> inputs (B, T, width) float16: the states of a frame's symbol and `feature`s, arbitrary after the
// end of a row; padding (B, T), true there. D and width are even. Grid (ceil(T / FRAMES), B).
extern "C" __global__ void frame_inputs(const float2 *states, const Count *durations, const Count *ends,
                                        const float2 *pitch, const float *centres, const float *quarter_widths,
                                        word *inputs, bool *padding, int N, int T, int D, int width, int n_features,
                                        float lowest, float highest) {
  __shared__ Frame frames[FRAMES + 2 * HALO];
  __shared__ int symbols[FRAMES + 2 * HALO];
  const Count row = static_cast<Count>(blockIdx.y) * N, length = ends[row + N - 1];
  const int first = blockIdx.x * FRAMES, lane = threadIdx.x % 32;
  for (int i = threadIdx.x / 32; i < FRAMES + 2 * HALO; i += blockDim.x / 32) {  // a warp for each frame
    const Count t = min(max(static_cast<Count>(first + i - HALO), 0ll), length - 1);  // the last frame is repeated
    int symbol = 0;  // how many symbols end before frame t
    for (int n = 0; n < N; n += 32) symbol += __popc(__ballot_sync(ALL, n + lane < N && ends[row + n + lane] <= t));
    if (lane) continue;
    const Count duration = durations[row + symbol];
    const float2 edges = pitch[row + symbol];
    Frame frame = {0.0f, static_cast<float>(t - (ends[row + symbol] - duration)), static_cast<float>(duration)};
    frame.pitch = edges.x + (frame.position + 0.5f) / fmaxf(frame.duration, 1.0f) * (edges.y - edges.x);
    frames[i] = frame, symbols[i] = symbol;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < FRAMES * (width / 2); i += blockDim.x) {
    const int k = i / (width / 2), column = 2 * (i % (width / 2)), t = first + k;
    if (t >= T) return;
    const Count target = static_cast<Count>(blockIdx.y) * T + t;
    if (column == 0) padding[target] = t >= length;
    float2 pair;
    if (column < D) {
      pair = states[(row + symbols[k + HALO]) * (D / 2) + column / 2];
    } else {
      Frame frame = frames[k + HALO];
      frame.pitch = 0.0f;
      for (int near = 0; near < SMOOTHING; near++) frame.pitch += frames[k + near].pitch / SMOOTHING;
      pair.x = feature(column - D, n_features, frame, centres, quarter_widths, lowest, highest);
      pair.y = feature(column - D + 1, n_features, frame, centres, quarter_widths, lowest, highest);
    }
    inputs[target * (width / 2) + column / 2] = packed(pair);
  }
}
