// Pairs of float16 for kernels that NVRTC compiles without the headers of a CUDA toolkit.

typedef unsigned int word;    // holds two float16, the first in the low bits
typedef unsigned short half;  // only copied, never computed with

// Two numbers rounded to float16.
__device__ __forceinline__ word packed(float2 pair) {
  word bits;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(pair.y), "f"(pair.x));
  return bits;
}

__device__ __forceinline__ float2 unpacked(word bits) {
  float2 pair;
  asm("{.reg .b16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high;}"
      : "=f"(pair.x), "=f"(pair.y)
      : "r"(bits));
  return pair;
}

__device__ __forceinline__ float to_float(half bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

__device__ __forceinline__ half to_half(float value) {
  half bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
