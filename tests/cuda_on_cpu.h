// What the kernels use of CUDA, for a C++ compiler: each thread of a block is a thread of the CPU, blocks run in turn.
#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

using std::max, std::min;

struct Index { int x, y, z; };
struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

struct Warp {
  std::barrier<> barrier{32};
  unsigned long long values[32];
};
inline std::vector<std::unique_ptr<Warp>> warps;
inline std::unique_ptr<std::barrier<>> block;
inline thread_local Index threadIdx, blockIdx, blockDim;

inline void __syncthreads() { block->arrive_and_wait(); }

template <class Value> Value from_lane(Value value, int lane) {
  Warp &warp = *warps[threadIdx.x / 32];
  std::memcpy(&warp.values[threadIdx.x % 32], &value, sizeof value);
  warp.barrier.arrive_and_wait();
  if (lane >= 0) std::memcpy(&value, &warp.values[lane], sizeof value);
  warp.barrier.arrive_and_wait();
  return value;
}
template <class Value> Value __shfl_xor_sync(unsigned, Value value, int lanes) {
  return from_lane(value, threadIdx.x % 32 ^ lanes);
}
template <class Value> Value __shfl_up_sync(unsigned, Value value, int lanes) {
  return from_lane(value, threadIdx.x % 32 - lanes);
}
inline unsigned __ballot_sync(unsigned, bool vote) {
  unsigned votes = 0;
  for (int lane = 0; lane < 32; lane++) votes |= unsigned(from_lane(vote, lane)) << lane;
  return votes;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }

inline float __expf(float x) { return std::exp(x); }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline float sinpif(float x) { return std::sin(M_PI * x); }
inline float cospif(float x) { return std::cos(M_PI * x); }
inline void __sincosf(float x, float *sine, float *cosine) { *sine = std::sin(x), *cosine = std::cos(x); }
inline void sincospif(float x, float *sine, float *cosine) { *sine = sinpif(x), *cosine = cospif(x); }

// runtime/half.cuh
typedef unsigned int word;
typedef unsigned short half;
inline half to_half(float value) {
  const _Float16 rounded = value;
  half bits;
  std::memcpy(&bits, &rounded, 2);
  return bits;
}
inline float to_float(half bits) {
  _Float16 value;
  std::memcpy(&value, &bits, 2);
  return value;
}
inline word packed(float2 pair) { return to_half(pair.x) | word(to_half(pair.y)) << 16; }
inline float2 unpacked(word bits) { return {to_float(bits), to_float(bits >> 16)}; }

inline Index grid;
inline int threads;
extern "C" inline void set_grid(int x, int y, int z, int threads_of_block) {
  grid = {x, y, z}, threads = threads_of_block;
}

// Launch<kernel>::run(arguments...) launches a kernel on `grid`, with `threads`, and waits for it.
template <auto KERNEL> struct Launch;
template <class... Arguments, void (*KERNEL)(Arguments...)> struct Launch<KERNEL> {
  static void run(Arguments... arguments) {
    warps.clear();
    for (int warp = 0; warp < threads / 32; warp++) warps.push_back(std::make_unique<Warp>());
    block = std::make_unique<std::barrier<>>(threads);
    std::barrier<> end_of_block(threads);
    std::vector<std::thread> running;
    for (int thread = 0; thread < threads; thread++)
      running.emplace_back([&, thread] {
        threadIdx = {thread, 0, 0}, blockDim = {threads, 1, 1};
        for (int i = 0; i < grid.x * grid.y; i++) {
          blockIdx = {i % grid.x, i / grid.x, 0};
          KERNEL(arguments...);
          end_of_block.arrive_and_wait();
        }
      });
    for (std::thread &thread : running) thread.join();
  }
};
