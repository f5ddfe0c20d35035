// All steps of a bidirectional GRU in one launch, for four rows of a batch per block.
//
// The H units of a direction are divided into PARTS blocks, which form a cluster; each warp has 16 units. H and PARTS
// are defined by the compiler's options. A warp keeps its weights in registers, in the layout of the tensor cores, from
// the first step to the last. A state enters the products as the sum of two float16, which represents it to 22 bits, in
// two columns: the tensor cores multiply eight columns at once, so four rows cost as much as one, and precision costs
// nothing. The three sums of a unit end up in one thread. The time of a step is that of the products, of the gates
// after them, and of sending the states to all warps.

#include "half.cuh"

typedef unsigned long long Barrier;  // in shared memory; a phase ends when the expected number of bytes has arrived

constexpr int UNITS = H / PARTS;    // of a block
constexpr int THREADS = 2 * UNITS;  // 16 units a warp
constexpr int CHUNKS = H / 32;      // of 32 states, two products deep
constexpr int ROWS = 4;             // of a block
constexpr int AHEAD = 4;            // how many steps before its use a gate is fetched: memory is slower than a step
constexpr int COLUMNS = CHUNKS * ROWS * 8;  // of 16 bytes: the states of one step
constexpr int WORDS = 4 * COLUMNS;
constexpr int MAX_POLLS = 1 << 27;  // of a barrier, some seconds; a wait of microseconds is usual

enum { RESET, UPDATE, SCALED, GATES };

// sum (16, 8) += matrix (16, 16) @ columns (16, 8), distributed over the lanes as in mma.m16n8k16 of the PTX manual.
__device__ __forceinline__ void multiply(float (&sum)[4], const word *matrix, word first, word second) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(matrix[0]), "r"(matrix[1]), "r"(matrix[2]), "r"(matrix[3]), "r"(first), "r"(second));
}

__device__ __forceinline__ word shared_address(const void *pointer) {
  return static_cast<word>(__cvta_generic_to_shared(pointer));
}

// Starts to copy 8 bytes into shared memory; this thread can read them after `await_copies`.
__device__ __forceinline__ void copy(float2 *target, const float *source) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"(shared_address(target)), "l"(source));
}

__device__ __forceinline__ void end_of_copies() { asm volatile("cp.async.commit_group;"); }

// Waits for all groups of copies except the last GROUPS.
template <int GROUPS> __device__ __forceinline__ void await_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS) : "memory");
}

__device__ __forceinline__ void init(Barrier *barrier) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(barrier)) : "memory");
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ __forceinline__ void expect(Barrier *barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}

__device__ __forceinline__ bool passed(Barrier *barrier, int parity) {
  word yes;
  asm volatile("{.reg .pred p; mbarrier.test_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2; "
               "selp.u32 %0, 1, 0, p;}"
               : "=r"(yes)
               : "r"(shared_address(barrier)), "r"(parity)
               : "memory");
  return yes;
}

// Stores a word at the same address in another block of the cluster, and counts its bytes at that block's barrier.
__device__ __forceinline__ void send(word *address, word bits, Barrier *barrier, int part) {
  word remote, remote_barrier;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(shared_address(address)), "r"(part));
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote_barrier) : "r"(shared_address(barrier)), "r"(part));
  asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.u32 [%0], %1, [%2];" ::"r"(remote), "r"(bits),
               "r"(remote_barrier)
               : "memory");
}

__device__ __forceinline__ void sync_cluster() {
  asm volatile("barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;" ::: "memory");
}

__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

// Returns the next state of a thread's first unit (0) or second (1). sums: for each gate two partial sums, each with a
// column for the states' upper halves and one for their lower halves; candidate_input: the inputs' part of it.
__device__ __forceinline__ float next(const float (&sums)[GATES][2][4], int unit, float candidate_input, float state) {
  float total[GATES];
  for (int gate = 0; gate < GATES; gate++) {
    const float *even = sums[gate][0] + 2 * unit, *odd = sums[gate][1] + 2 * unit;
    total[gate] = (even[0] + odd[0]) + (even[1] + odd[1]);
  }
  float sum = candidate_input + sigmoid(total[RESET]) * total[SCALED];
  float candidate = 2.0f * sigmoid(2.0f * sum) - 1.0f;  // tanh
  return candidate + sigmoid(total[UPDATE]) * (state - candidate);
}

// The states of this step and of the next, in the layout of the products' columns. A chunk and row have eight slots of
// 16 bytes: the upper halves of 8 states, of 8 more, and so on, then the lower halves. Their order differs from row to
// row, so that neither a warp's loads nor its stores have bank conflicts.
__shared__ uint4 columns[2][CHUNKS][ROWS][8];
__shared__ float2 fetched[AHEAD][GATES][THREADS];  // the inputs' parts of the gates, private to each thread
__shared__ Barrier arrived[2];                     // counts the bytes sent into each half of `columns`

// Returns the slot of a row's upper (part 0) or lower (1) halves of the states 8 * eighth ... 8 * eighth + 7.
__device__ __forceinline__ int slot(int row, int part, int eighth) {
  return (part * 4 + eighth) ^ ((row & 1) * 4 + (row & 2));
}

// Fetches a thread's gates into shared memory, AHEAD steps before their use.
struct Fetch {
  const float *source;
  int length, stride;  // steps of the row; floats from one step to the next

  // After a row's end the old gates are used again; the states computed from them are never stored.
  __device__ __forceinline__ void operator()(int step) {
    if (step < length) {
      for (int gate = 0; gate < GATES; gate++) copy(&fetched[step % AHEAD][gate][threadIdx.x], source + gate * H);
      source += stride;
    }
    end_of_copies();
  }
};

// Publishes a thread's two states to all warps of the direction.
struct Publish {
  word *upper, *lower;  // in the first half of `columns`

  __device__ __forceinline__ Publish(int row, int unit) {
    uint4 *slots = columns[0][unit / 32][row];
    upper = reinterpret_cast<word *>(&slots[slot(row, 0, unit % 32 / 8)]) + unit % 8 / 2;
    lower = reinterpret_cast<word *>(&slots[slot(row, 1, unit % 32 / 8)]) + unit % 8 / 2;
  }

  // Writes to the two halves of `columns` in turn. All threads have finished reading the half written to: they did
  // before they published the states of the previous step, which this thread has waited for.
  __device__ __forceinline__ void operator()(float2 state, int step) {
    const int half_of_columns = step % 2 * WORDS;
    const word high = packed(state);
    const float2 rounded = unpacked(high);
    const word low = packed(make_float2(state.x - rounded.x, state.y - rounded.y));
    if (PARTS == 1) {
      upper[half_of_columns] = high, lower[half_of_columns] = low;
      return;
    }
    for (int part = 0; part < PARTS; part++) {
      send(upper + half_of_columns, high, &arrived[step % 2], part);
      send(lower + half_of_columns, low, &arrived[step % 2], part);
    }
  }
};

// Loads the weights of two neighbouring units; a lane's columns are 8 neighbours, in the order of `columns`.
__device__ __forceinline__ void load(word (&weight)[GATES][CHUNKS][8], const half *recurrent) {
  for (int gate = 0; gate < GATES; gate++)
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
      const half *first = recurrent + gate * H * H + chunk * 32;
      const uint4 a = *reinterpret_cast<const uint4 *>(first), b = *reinterpret_cast<const uint4 *>(first + H);
      const word both[8] = {a.x, b.x, a.y, b.y, a.z, b.z, a.w, b.w};
      for (int i = 0; i < 8; i++) weight[gate][chunk][i] = both[i];
    }
}

// Waits until the states for a step are published. If they never are, which would be a fault of this file or of the
// GPU, the kernel is aborted; PyTorch raises an error at its next wait for the GPU.
__device__ __forceinline__ void await_states(int step, int sent) {
  if (PARTS == 1) {
    __syncthreads();
  } else if (step > 0) {
#pragma unroll 1
    for (int polls = 0; !passed(&arrived[step % 2], (step - 1) / 2 % 2); polls++)
      if (polls == MAX_POLLS) asm volatile("trap;");
    if (threadIdx.x == 0) expect(&arrived[step % 2], sent);  // for the step after next
  }
}

// gates (B, L, 2, 3H), the inputs' parts of the gates in nn.GRU's order; recurrent (2, 3H, H), the states' weights;
// scaled_bias (2, H), the bias of the candidate's recurrent part, which the reset gate scales; lengths (B,), at least
// 1. Writes states (B, L, 2, H), those of the backward direction at their positions in the row; nothing in the padding.
// Grid (PARTS, 2, ceil(B / ROWS)).
extern "C" __global__ void __cluster_dims__(PARTS, 1, 1) __launch_bounds__(THREADS, 1)
steps(const float *gates, const half *recurrent, const float *scaled_bias, const long long *lengths, float *states,
      int B, int L) {
  const int warp = threadIdx.x / 32, group = threadIdx.x % 32 / 4, lane = threadIdx.x % 4;
  const int backward = blockIdx.y;  // 0 or 1, the direction
  const int unit = blockIdx.x * UNITS + warp * 16 + 2 * group;  // this thread's first; its second is the next one
  const int first = blockIdx.z * ROWS, row = first + lane;      // whose states it computes
  const bool used = first + group / 2 < B;                      // whether the row whose column it loads exists
  const int length = row < B ? static_cast<int>(lengths[row]) : 0;
  int longest = max(length, __shfl_xor_sync(~0u, length, 1));
  longest = max(longest, __shfl_xor_sync(~0u, longest, 2));

  word weight[GATES][CHUNKS][8];
  load(weight, recurrent + (backward * GATES * H + unit) * H + lane * 8);
  const float2 bias = *reinterpret_cast<const float2 *>(scaled_bias + backward * H + unit);
  const long long begin = (static_cast<long long>(row) * L + (backward ? length - 1 : 0)) * 2 + backward;
  Fetch fetch = {gates + begin * 3 * H + unit, length, backward ? -6 * H : 6 * H};
  for (int step = 0; step < AHEAD - 1; step++) fetch(step);
  float *target = states + begin * H + unit;
  Publish publish(lane, unit);
  const uint4 *column_of_row = &columns[0][0][group / 2][slot(group / 2, group % 2, lane)];
  for (int i = threadIdx.x; i < COLUMNS; i += THREADS)
    columns[0][i / (ROWS * 8)][i / 8 % ROWS][i % 8] = make_uint4(0, 0, 0, 0);
  const int sent = H * min(ROWS, B - first) * static_cast<int>(sizeof(word));  // bytes a step
  if (PARTS > 1) {
    if (threadIdx.x == 0)
      for (Barrier &barrier : arrived) init(&barrier), expect(&barrier, sent);
    sync_cluster();
  }

  float2 state = make_float2(0.0f, 0.0f);
  for (int step = 0; step < longest; step++) {
    await_states(step, sent);
    await_copies<AHEAD - 2>();
    const float2 *inputs = &fetched[step % AHEAD][0][threadIdx.x];
    float sums[GATES][2][4] = {};  // two of each, so that more products run at once; they begin with the inputs' parts
    sums[RESET][0][0] = inputs[0].x, sums[RESET][0][2] = inputs[0].y;
    sums[UPDATE][0][0] = inputs[THREADS].x, sums[UPDATE][0][2] = inputs[THREADS].y;
    sums[SCALED][0][0] = bias.x, sums[SCALED][0][2] = bias.y;
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
      uint4 column = make_uint4(0, 0, 0, 0);
      if (used) column = column_of_row[step % 2 * COLUMNS + chunk * ROWS * 8];
      for (int gate = 0; gate < GATES; gate++) {
        multiply(sums[gate][0], weight[gate][chunk], column.x, column.y);
        multiply(sums[gate][1], weight[gate][chunk] + 4, column.z, column.w);
      }
    }
    fetch(step + AHEAD - 1);
    state.x = next(sums, 0, inputs[2 * THREADS].x, state.x);
    state.y = next(sums, 1, inputs[2 * THREADS].y, state.y);
    if (row < B && (PARTS == 1 || step + 1 < longest)) publish(state, step + 1);  // never to a block that has ended
    if (step < length) *reinterpret_cast<float2 *>(target) = state;
    target += backward ? -2 * H : 2 * H;
  }
}
