// Durations of symbols and inputs of frames for the student's inference, each in one pass: see log_to_durations,
// change_speed, align_frames and position_features in durations.py, HarmonicPattern and pitch_contour in pitch.py.
//
// Defined by the compiler's options: HARMONIC_BANDS, POSITION_FEATURES, SMOOTHING frames, MAX_DURATION.

constexpr unsigned int ALL = ~0u;  // lanes of a warp
constexpr int FRAMES = 32;         // of a block of `frames`
constexpr int FEATURES = HARMONIC_BANDS + POSITION_FEATURES;
typedef long long Count;  // int64

__device__ __forceinline__ float sum_of_warp(float value) {
  for (int step = 16; step; step /= 2) value += __shfl_xor_sync(ALL, value, step);
  return value;
}

// Returns the sum over this lane and all lanes before it.
__device__ __forceinline__ Count sum_up_to_lane(Count value) {
  for (int step = 1; step < 32; step *= 2) {
    const Count before = __shfl_up_sync(ALL, value, step);
    if (threadIdx.x % 32 >= step) value += before;
  }
  return value;
}

// Gives a row without frames one, at its first symbol. For one warp.
__device__ __forceinline__ void ensure_one_frame(Count *durations, int N) {
  Count total = 0;
  for (int n = threadIdx.x; n < N; n += 32) total += durations[n];
  total = __shfl_sync(ALL, sum_up_to_lane(total), 31);
  if (total == 0 && threadIdx.x == 0) durations[0] = 1;
  __syncwarp();
}

// hidden (B, N, K) float32 before its ReLU; weight (outputs, K), bias (outputs,), float32: of log(duration + 1), and with 3
// outputs of the pitch at a symbol's start and end; lengths (B,) symbols; pauses (B, N), not 0 where speed changes nothing
// -> durations and ends, their running sums, (B, N) int64; pitch (B, N, 2) float32, 0 with 1 output; mel_lengths (B,).
// Grid (B), 1024 threads. Warps take symbols in turn; then the first one turns log durations into whole frames.
extern "C" __global__ void __launch_bounds__(1024)
durations_and_pitch(const float *hidden, const float *weight, const float *bias, const Count *lengths,
                    const Count *pauses, Count *durations, Count *ends, float2 *pitch, Count *mel_lengths, int N, int K,
                    int outputs, float default_pitch, double speed) {
  const int lane = threadIdx.x % 32, length = static_cast<int>(lengths[blockIdx.x]);
  const Count row = static_cast<Count>(blockIdx.x) * N;
  durations += row, ends += row, pauses += row;
  for (int n = threadIdx.x / 32; n < N; n += blockDim.x / 32) {
    float sums[3] = {};
    for (int k = lane; k < K; k += 32) {
      const float value = fmaxf(hidden[(row + n) * K + k], 0.0f);
      for (int i = 0; i < 3; i++)
        if (i < outputs) sums[i] += value * weight[i * K + k];
    }
    for (int i = 0; i < 3; i++) sums[i] = i < outputs ? sum_of_warp(sums[i]) + bias[i] : 0.0f;
    if (lane) continue;
    const float bounded = fminf(fmaxf(sums[0], 0.0f), logf(MAX_DURATION + 1.0f));  // NaN gives 0
    durations[n] = n < length ? static_cast<Count>(rintf(expm1f(bounded))) : 0;
    pitch[row + n] = outputs == 3 ? make_float2(sums[1] + default_pitch, sums[2] + default_pitch) : make_float2(0, 0);
  }
  __syncthreads();
  if (threadIdx.x >= 32) return;
  ensure_one_frame(durations, N);
  Count spoken = 0;  // frames before these symbols, without pauses
  for (int first = 0; first < N; first += 32) {
    const int n = first + lane;
    const bool changes = n < N && pauses[n] == 0;
    const Count own = changes ? durations[n] : 0, end = spoken + sum_up_to_lane(own);
    if (changes) durations[n] = static_cast<Count>(rint(end / speed)) - static_cast<Count>(rint((end - own) / speed));
    spoken = __shfl_sync(ALL, end, 31);
  }
  __syncwarp();
  ensure_one_frame(durations, N);
  Count total = 0;
  for (int first = 0; first < N; first += 32) {
    const int n = first + lane;
    const Count end = total + sum_up_to_lane(n < N ? durations[n] : 0);
    if (n < N) ends[n] = end;
    total = __shfl_sync(ALL, end, 31);
  }
  if (lane == 0) mel_lengths[blockIdx.x] = total;
}

// Feature k of a frame: the harmonics of a pitch in log Hz, then the position in a symbol of `duration` frames.
__device__ __forceinline__ float feature(int k, float pitch, float position, float duration, const float *centres,
                                         const float *quarter_widths, float lowest, float highest) {
  if (k < HARMONIC_BANDS) {
    const float period = 2.0f * expf(-fminf(fmaxf(pitch, lowest), highest)), width = quarter_widths[k] * period;
    const float smoothed = sinpif(width) / (3.14159265f * width);
    return cospif(centres[k] * period) * smoothed * smoothed;
  }
  const float fraction = (position + 0.5f) / fmaxf(duration, 1.0f);
  switch (k - HARMONIC_BANDS) {
    case 0: return log1pf(position) / 3.0f;
    case 1: return log1pf(duration - 1.0f - position) / 3.0f;
    case 2: return log1pf(duration) / 3.0f;
    case 3: return fraction;
    case 4: return cospif(fraction);
    case 5: return sinpif(fraction);
    case 6: return cospif(2.0f * fraction);
    default: return sinpif(2.0f * fraction);
  }
}

// durations, ends (B, N) and pitch (B, N, 2) of `durations_and_pitch`; centres, quarter_widths (HARMONIC_BANDS,) Hz;
// lowest, highest: bounds of the pitch, log Hz -> of each of T frames its symbol (B, T) int64, whether it is padding
// (B, T), and features (B, T, FEATURES) float32, 0 in the padding; null: none. Grid (ceil(T / FRAMES), B).
extern "C" __global__ void frames(const Count *durations, const Count *ends, const float2 *pitch, const float *centres,
                                  const float *quarter_widths, Count *symbols, bool *padding, float *features, int N,
                                  int T, float lowest, float highest) {
  constexpr int HALO = SMOOTHING / 2;
  __shared__ float path[FRAMES + 2 * HALO], positions[FRAMES + 2 * HALO], lasting[FRAMES + 2 * HALO];
  const Count row = static_cast<Count>(blockIdx.y) * N, length = ends[row + N - 1];
  const int first = blockIdx.x * FRAMES;
  const Count begin = static_cast<Count>(blockIdx.y) * T + first;
  for (int i = threadIdx.x; i < FRAMES + 2 * HALO; i += blockDim.x) {
    const Count t = min(max(static_cast<Count>(first + i - HALO), 0ll), length - 1);  // the last frame is repeated
    int low = 0, high = N - 1;  // the first symbol whose end is above t is between them
    while (low < high) {
      const int middle = (low + high) / 2;
      if (ends[row + middle] > t) high = middle;
      else low = middle + 1;
    }
    const float duration = static_cast<float>(durations[row + low]);
    const float position = static_cast<float>(t - (ends[row + low] - durations[row + low]));
    const float2 edges = pitch[row + low];
    path[i] = edges.x + (position + 0.5f) / fmaxf(duration, 1.0f) * (edges.y - edges.x);
    positions[i] = position, lasting[i] = duration;
    if (i < HALO || i >= FRAMES + HALO || first + i - HALO >= T) continue;
    symbols[begin + i - HALO] = low;
    padding[begin + i - HALO] = first + i - HALO >= length;
  }
  __syncthreads();
  if (!features) return;
  for (int i = threadIdx.x; i < FRAMES * FEATURES; i += blockDim.x) {
    const int frame = i / FEATURES;
    if (first + frame >= T) return;
    float smoothed = 0.0f;
    for (int k = 0; k < SMOOTHING; k++) smoothed += path[frame + k] / SMOOTHING;
    features[begin * FEATURES + i] = first + frame >= length ? 0.0f
        : feature(i % FEATURES, smoothed, positions[frame + HALO], lasting[frame + HALO], centres, quarter_widths,
                  lowest, highest);
  }
}
