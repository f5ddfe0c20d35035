// The steps of a bidirectional GRU, four rows of a batch together: one launch for a whole utterance.
//
// The H units of a direction are shared out over PARTS blocks, a cluster, whose warps have 16 units each; the compiler
// is given both. A warp keeps its weights in registers, as the tensor cores take them, from the first step to the last.
// A state is given to the products as the sum of two float16, which holds it to 22 bits, in two columns: the tensor
// cores take eight columns at once, so four rows cost what one does, and precision costs nothing. The three sums of a
// unit end up in one thread. What a step waits for: the products, the gates after them, the states' way to all warps.

typedef unsigned int word;           // also of two float16
typedef unsigned short half;         // only its bits are moved
typedef unsigned long long Barrier;  // in shared memory: lets pass once so many bytes have been sent, then begins anew

constexpr int UNITS = H / PARTS;    // of a block
constexpr int THREADS = 2 * UNITS;  // 16 units a warp
constexpr int CHUNKS = H / 32;      // of 32 states, two products deep
constexpr int ROWS = 4;             // of a block
constexpr int AHEAD = 4;            // steps whose gates are on their way: memory is further away than a step
constexpr int COLUMNS = CHUNKS * ROWS * 8;  // of 16 bytes: the states of one step
constexpr int WORDS = 4 * COLUMNS;
constexpr int MOST_LOOKS = 1 << 22;  // at barriers in all, a fraction of a second: nobody waits for ever

enum { RESET, UPDATE, SCALED, GATES };

// sum (16, 8) += matrix (16, 16) @ columns (16, 8), shared out over the lanes as mma.m16n8k16 of the PTX manual says.
__device__ __forceinline__ void multiply(float (&sum)[4], const word *matrix, word first, word second) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(matrix[0]), "r"(matrix[1]), "r"(matrix[2]), "r"(matrix[3]), "r"(first), "r"(second));
}

// Two numbers rounded to float16, the first in the low bits.
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

__device__ __forceinline__ word shared_address(const void *place) {
  return static_cast<word>(__cvta_generic_to_shared(place));
}

// Starts to copy 8 bytes into shared memory; they are there once `await_copies` says so to this thread.
__device__ __forceinline__ void copy(float2 *place, const float *source) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"(shared_address(place)), "l"(source));
}

__device__ __forceinline__ void end_of_copies() { asm volatile("cp.async.commit_group;"); }

// Waits for all groups of copies but the last GROUPS.
template <int GROUPS> __device__ __forceinline__ void await_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS) : "memory");
}

__device__ __forceinline__ void prepare(Barrier *barrier) {
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

// Stores a word at the like place of a block of the cluster and tells its like barrier.
__device__ __forceinline__ void send(word *place, word bits, Barrier *barrier, int part) {
  word there, told;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(shared_address(place)), "r"(part));
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(told) : "r"(shared_address(barrier)), "r"(part));
  asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.u32 [%0], %1, [%2];" ::"r"(there), "r"(bits),
               "r"(told)
               : "memory");
}

__device__ __forceinline__ void meet_the_cluster() {
  asm volatile("barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;" ::: "memory");
}

__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

// The next state of a thread's first unit or its second; each column of the sums but the first is of the lower halves.
__device__ __forceinline__ float next(const float (&sums)[GATES][2][4], int unit, float other, float state) {
  float total[GATES];
  for (int gate = 0; gate < GATES; gate++) {
    const float *even = sums[gate][0] + 2 * unit, *odd = sums[gate][1] + 2 * unit;
    total[gate] = (even[0] + odd[0]) + (even[1] + odd[1]);
  }
  float candidate = 2.0f * sigmoid(2.0f * (other + sigmoid(total[RESET]) * total[SCALED])) - 1.0f;  // tanh
  return candidate + sigmoid(total[UPDATE]) * (state - candidate);
}

// The states as the products' columns, of this step and of the next. A chunk and row have eight slots of 16 bytes: the
// upper halves of 8 states, of 8 more, and so on, then the lower halves. Which is where differs from row to row, so
// that neither a warp's loads nor its stores meet in a bank.
__shared__ uint4 columns[2][CHUNKS][ROWS][8];
__shared__ float2 known[AHEAD][GATES][THREADS];  // gates on their way, each thread's own
__shared__ Barrier arrived[2];                   // what the cluster sent into `columns`

__device__ __forceinline__ int slot(int row, int part, int eighth) {
  return (part * 4 + eighth) ^ ((row & 1) * 4 + (row & 2));
}

// A thread's gates, fetched AHEAD steps before their use from the places of its row in turn.
struct Fetch {
  const float *source;
  int length, apart;  // steps; floats from one to the next

  // After a row's end its gates are whatever came before; nobody sees what becomes of them.
  __device__ __forceinline__ void operator()(int step) {
    if (step < length) {
      for (int gate = 0; gate < GATES; gate++) copy(&known[step % AHEAD][gate][threadIdx.x], source + gate * H);
      source += apart;
    }
    end_of_copies();
  }
};

// Where a thread puts its two states, in the first half of `columns`.
struct Telling {
  word *upper, *lower;

  __device__ __forceinline__ Telling(int row, int unit) {
    uint4 *slots = columns[0][unit / 32][row];
    upper = reinterpret_cast<word *>(&slots[slot(row, 0, unit % 32 / 8)]) + unit % 8 / 2;
    lower = reinterpret_cast<word *>(&slots[slot(row, 1, unit % 32 / 8)]) + unit % 8 / 2;
  }

  // Tells them to the cluster for a step, in turn by one half of `columns` and the other. All threads have read that
  // half: they did before they told the states of the step before, without which nobody comes here.
  __device__ __forceinline__ void operator()(float2 state, int step) {
    const int turn = step % 2;
    const word high = packed(state);
    const float2 told = unpacked(high);
    const word low = packed(make_float2(state.x - told.x, state.y - told.y));
    if (PARTS == 1) {
      upper[turn * WORDS] = high, lower[turn * WORDS] = low;
      return;
    }
    for (int part = 0; part < PARTS; part++) {
      send(upper + turn * WORDS, high, &arrived[turn], part);
      send(lower + turn * WORDS, low, &arrived[turn], part);
    }
  }
};

// Weights of two neighbouring units, from hidden on: a lane's columns are 8 neighbours, in the order of `columns`.
__device__ __forceinline__ void load(word (&weight)[GATES][CHUNKS][8], const half *hidden) {
  for (int gate = 0; gate < GATES; gate++)
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
      const half *first = hidden + gate * H * H + chunk * 32;
      const uint4 a = *reinterpret_cast<const uint4 *>(first), b = *reinterpret_cast<const uint4 *>(first + H);
      const word both[8] = {a.x, b.x, a.y, b.y, a.z, b.z, a.w, b.w};
      for (int i = 0; i < 8; i++) weight[gate][chunk][i] = both[i];
    }
}

// Waits until the states for a step are told; looks: at barriers, so far.
__device__ __forceinline__ void await_states(int step, int sent, int &looks) {
  if (PARTS == 1) {
    __syncthreads();
  } else if (step > 0) {
#pragma unroll 1
    while (!passed(&arrived[step % 2], (step - 1) / 2 % 2) && looks < MOST_LOOKS) looks++;
    if (threadIdx.x == 0) expect(&arrived[step % 2], sent);  // for the step after the next
  }
}

// gates (B, L, 2, 3H), what nn.GRU knows of a step's gates before; hidden (2, 3H, H), the states' weights; scaled_bias
// (2, H), what joins the part that the reset gate scales; lengths (B,), at least 1; states (B, L, 2, H): each at its
// place, also of the direction that begins at a row's end; not written after the end. Grid (PARTS, 2, ceil(B / ROWS)).
extern "C" __global__ void __cluster_dims__(PARTS, 1, 1) __launch_bounds__(THREADS, 1)
steps(const float *gates, const half *hidden, const float *scaled_bias, const long long *lengths, float *states, int B,
      int L) {
  const int warp = threadIdx.x / 32, group = threadIdx.x % 32 / 4, place = threadIdx.x % 4, way = blockIdx.y;
  const int unit = blockIdx.x * UNITS + warp * 16 + 2 * group;  // this thread's first; the other one is beside it
  const int first = blockIdx.z * ROWS, row = first + place;     // whose states it computes
  const bool used = first + group / 2 < B;                      // is the row whose column it gives to the products
  const int length = row < B ? static_cast<int>(lengths[row]) : 0;
  int longest = max(length, __shfl_xor_sync(~0u, length, 1));
  longest = max(longest, __shfl_xor_sync(~0u, longest, 2));

  word weight[GATES][CHUNKS][8];
  load(weight, hidden + (way * GATES * H + unit) * H + place * 8);
  const float2 bias = *reinterpret_cast<const float2 *>(scaled_bias + way * H + unit);
  const long long begin = (static_cast<long long>(row) * L + (way ? length - 1 : 0)) * 2 + way;
  Fetch fetch = {gates + begin * 3 * H + unit, length, way ? -6 * H : 6 * H};
  for (int step = 0; step < AHEAD - 1; step++) fetch(step);
  float *target = states + begin * H + unit;
  Telling tell(place, unit);
  const uint4 *taken = &columns[0][0][group / 2][slot(group / 2, group % 2, place)];
  for (int i = threadIdx.x; i < COLUMNS; i += THREADS)
    columns[0][i / (ROWS * 8)][i / 8 % ROWS][i % 8] = make_uint4(0, 0, 0, 0);
  const int sent = H * min(ROWS, B - first) * static_cast<int>(sizeof(word));  // bytes a step
  if (PARTS > 1) {
    if (threadIdx.x == 0)
      for (Barrier &barrier : arrived) prepare(&barrier), expect(&barrier, sent);
    meet_the_cluster();
  }

  float2 state = make_float2(0.0f, 0.0f);
  for (int step = 0, looks = 0; step < longest; step++) {
    await_states(step, sent, looks);
    await_copies<AHEAD - 2>();
    const float2 *own = &known[step % AHEAD][0][threadIdx.x];
    float sums[GATES][2][4] = {};  // two of each, for more products at once; they begin with what is known
    sums[RESET][0][0] = own[0].x, sums[RESET][0][2] = own[0].y;
    sums[UPDATE][0][0] = own[THREADS].x, sums[UPDATE][0][2] = own[THREADS].y;
    sums[SCALED][0][0] = bias.x, sums[SCALED][0][2] = bias.y;
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
      uint4 column = make_uint4(0, 0, 0, 0);
      if (used) column = taken[step % 2 * COLUMNS + chunk * ROWS * 8];
      for (int gate = 0; gate < GATES; gate++) {
        multiply(sums[gate][0], weight[gate][chunk], column.x, column.y);
        multiply(sums[gate][1], weight[gate][chunk] + 4, column.z, column.w);
      }
    }
    fetch(step + AHEAD - 1);
    state.x = next(sums, 0, own[2 * THREADS].x, state.x);
    state.y = next(sums, 1, own[2 * THREADS].y, state.y);
    if (row < B && (PARTS == 1 || step + 1 < longest)) tell(state, step + 1);  // none to a block that is gone
    if (step < length) *reinterpret_cast<float2 *>(target) = state;
    target += way ? -2 * H : 2 * H;
  }
}
