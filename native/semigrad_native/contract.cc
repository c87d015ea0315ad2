// Max-product contractions for XLA on CPUs, as two FFI handlers.
//
//   strongest: out[b, k, m] = max over n of |weight[b, k, n]| * a[b, n, m], for a >= 0
//   hull:      the same of intervals: the largest and the smallest product, where a negative
//              weight exchanges an interval's ends
//
// Products that are NaN count as no path (zero times infinity, infinity being the mark of no
// path); a NaN in a row of an operand makes its results NaN, as in a matrix product.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <thread>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();

// Columns that are computed together, by one thread.
constexpr int64_t kKBlock = 64;

template <class T>
struct Problem {
  int64_t batch, m, k, n;
  const T* weight;   // [batch, k, n]
  const T* ends[2];  // [batch, n, m]: upper, and lower if there are two
  T* out[2];         // [batch, k, m]
};

namespace portable {

constexpr int kAccumulators = 8;

template <class T>
struct Vec {
  typedef T Register __attribute__((vector_size(16)));
  static constexpr int kWidth = sizeof(Register) / sizeof(T);
  Register r;
  static inline Vec Load(const T* p) {
    Vec out;
    std::memcpy(&out.r, p, sizeof(out.r));
    return out;
  }
  static inline Vec Set(T x) {
    Vec out;
    for (int i = 0; i < kWidth; ++i) out.r[i] = x;  // a sum with 0 would lose the sign of -0
    return out;
  }
  inline void Store(T* p) const { std::memcpy(p, &r, sizeof(r)); }
  static inline Vec Times(Vec a, Vec b) { return {a.r * b.r}; }
  static inline Vec Max(Vec a, Vec b) { return {a.r > b.r ? a.r : b.r}; }
  static inline Vec Min(Vec a, Vec b) { return {a.r < b.r ? a.r : b.r}; }
};

#include "contract.h"

}  // namespace portable

#if defined(__x86_64__)

// What the hardware calls max(a, b) is `a > b ? a : b`, NaN and equal zeros included.
#define SEMIGRAD_VEC(T, REGISTER, PREFIX, SUFFIX)                                               \
  template <>                                                                                   \
  struct Vec<T> {                                                                               \
    static constexpr int kWidth = sizeof(REGISTER) / sizeof(T);                                 \
    REGISTER r;                                                                                 \
    static inline Vec Load(const T* p) { return {PREFIX##_loadu_##SUFFIX(p)}; }                 \
    static inline Vec Set(T x) { return {PREFIX##_set1_##SUFFIX(x)}; }                          \
    inline void Store(T* p) const { PREFIX##_storeu_##SUFFIX(p, r); }                           \
    static inline Vec Times(Vec a, Vec b) { return {PREFIX##_mul_##SUFFIX(a.r, b.r)}; }         \
    static inline Vec Max(Vec a, Vec b) { return {PREFIX##_max_##SUFFIX(a.r, b.r)}; }           \
    static inline Vec Min(Vec a, Vec b) { return {PREFIX##_min_##SUFFIX(a.r, b.r)}; }           \
  }

#pragma GCC push_options
#pragma GCC target("avx2")
namespace avx2 {
constexpr int kAccumulators = 12;
template <class T>
struct Vec;
SEMIGRAD_VEC(float, __m256, _mm256, ps);
SEMIGRAD_VEC(double, __m256d, _mm256, pd);
#include "contract.h"
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f")
namespace avx512 {
constexpr int kAccumulators = 24;
template <class T>
struct Vec;
SEMIGRAD_VEC(float, __m512, _mm512, ps);
SEMIGRAD_VEC(double, __m512d, _mm512, pd);
#include "contract.h"
}  // namespace avx512
#pragma GCC pop_options

#endif  // __x86_64__

// The instruction sets, widest last.
enum InstructionSet { kPortable = 0, kAvx2 = 1, kAvx512 = 2 };

InstructionSet Widest() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return kAvx512;
  if (__builtin_cpu_supports("avx2")) return kAvx2;
#endif
  return kPortable;
}

std::atomic<int> chosen{Widest()};

template <class T, int kEnds>
using RowsFunction = void (*)(const Problem<T>&, int64_t, int64_t, int64_t, int64_t, int64_t);

template <class T, int kEnds>
struct Kernel {
  RowsFunction<T, kEnds> rows;
  int64_t tile;  // rows that are computed together
};

template <class T, int kEnds>
Kernel<T, kEnds> Choose() {
#if defined(__x86_64__)
  if (chosen == kAvx512) return {avx512::Rows<T, kEnds>, 4 * avx512::Vec<T>::kWidth};
  if (chosen == kAvx2) return {avx2::Rows<T, kEnds>, 4 * avx2::Vec<T>::kWidth};
#endif
  return {portable::Rows<T, kEnds>, 4 * portable::Vec<T>::kWidth};
}

// How a thread treats numbers too small to be normal; threads of a pool may differ.
struct FloatingPointMode {
#if defined(__x86_64__)
  unsigned mode = _mm_getcsr();
  void Set() const { _mm_setcsr(mode); }
#else
  void Set() const {}
#endif
};

// Runs tasks 0 .. count - 1 on this thread and on those of the pool that are free.
//
// It waits only for tasks that have begun, never for a thread to become free, so that it may run
// on a thread of the pool itself.
void RunTasks(ffi::ThreadPool& pool, int64_t count, const std::function<void(int64_t)>& task) {
  struct State {
    std::atomic<int64_t> next{0}, done{0};
  };
  auto state = std::make_shared<State>();
  const FloatingPointMode mode;
  auto work = [state, count, &task, mode] {
    const FloatingPointMode before;
    mode.Set();
    for (int64_t i; (i = state->next.fetch_add(1)) < count;) {
      task(i);
      state->done.fetch_add(1, std::memory_order_release);
    }
    before.Set();
  };
  const int64_t helpers = std::min(pool.num_threads(), count) - 1;
  for (int64_t i = 0; i < helpers; ++i) pool.Schedule(std::function<void()>(work));
  work();
  while (state->done.load(std::memory_order_acquire) < count) std::this_thread::yield();
}

// Products below which waking other threads takes longer than it saves.
constexpr int64_t kSmall = 1 << 18;

template <class T, int kEnds>
void Solve(ffi::ThreadPool& pool, const Problem<T>& p) {
  const Kernel<T, kEnds> kernel = Choose<T, kEnds>();
  const int64_t m_tiles = (p.m + kernel.tile - 1) / kernel.tile;
  const int64_t k_blocks = (p.k + kKBlock - 1) / kKBlock;
  auto task = [&](int64_t id) {
    const int64_t m_begin = id % m_tiles * kernel.tile, k_begin = id / m_tiles % k_blocks * kKBlock;
    kernel.rows(p, id / m_tiles / k_blocks, m_begin, std::min(m_begin + kernel.tile, p.m), k_begin,
                std::min(k_begin + kKBlock, p.k));
  };
  const int64_t count = p.batch * k_blocks * m_tiles;
  if (p.batch * p.m * p.k * p.n < kSmall) {
    for (int64_t id = 0; id < count; ++id) task(id);
  } else {
    RunTasks(pool, count, task);
  }
}

template <class T, int kEnds>
ffi::Error Call(ffi::ThreadPool& pool, ffi::AnyBuffer weight, const ffi::AnyBuffer* ends,
                ffi::Result<ffi::AnyBuffer>* outs) {
  const auto of_weight = weight.dimensions(), of_ends = ends[0].dimensions();
  Problem<T> p{of_weight[0], of_ends[2], of_weight[1], of_weight[2], weight.typed_data<T>(), {}, {}};
  for (int e = 0; e < kEnds; ++e) {
    p.ends[e] = ends[e].typed_data<T>();
    p.out[e] = outs[e]->typed_data<T>();
  }
  Solve<T, kEnds>(pool, p);
  return ffi::Error::Success();
}

template <int kEnds>
ffi::Error Dispatch(ffi::ThreadPool& pool, ffi::AnyBuffer weight, const ffi::AnyBuffer* ends,
                    ffi::Result<ffi::AnyBuffer>* outs) {
  const auto of_weight = weight.dimensions();
  bool matches = of_weight.size() == 3;
  for (int e = 0; e < kEnds && matches; ++e) {
    const auto in = ends[e].dimensions(), out = outs[e]->dimensions();
    matches = in.size() == 3 && out.size() == 3 && in[0] == of_weight[0] &&
              in[1] == of_weight[2] && in[2] == ends[0].dimensions()[2] &&
              out[0] == of_weight[0] && out[1] == of_weight[1] && out[2] == in[2] &&
              ends[e].element_type() == weight.element_type() &&
              outs[e]->element_type() == weight.element_type();
  }
  if (!matches) {
    return ffi::Error::InvalidArgument(
        "operands are weight [b, k, n] and ends [b, n, m], results [b, k, m], of one dtype");
  }
  switch (weight.element_type()) {
    case ffi::F32:
      return Call<float, kEnds>(pool, weight, ends, outs);
    case ffi::F64:
      return Call<double, kEnds>(pool, weight, ends, outs);
    default:
      return ffi::Error::InvalidArgument("the dtype is float32 or float64");
  }
}

ffi::Error Strongest(ffi::ThreadPool pool, ffi::AnyBuffer weight, ffi::AnyBuffer a,
                     ffi::Result<ffi::AnyBuffer> out) {
  return Dispatch<1>(pool, weight, &a, &out);
}

ffi::Error Hull(ffi::ThreadPool pool, ffi::AnyBuffer weight, ffi::AnyBuffer high,
                ffi::AnyBuffer low, ffi::Result<ffi::AnyBuffer> out_high,
                ffi::Result<ffi::AnyBuffer> out_low) {
  const ffi::AnyBuffer ends[] = {high, low};
  ffi::Result<ffi::AnyBuffer> outs[] = {out_high, out_low};
  return Dispatch<2>(pool, weight, ends, outs);
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(semigrad_strongest, Strongest,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(semigrad_hull, Hull,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>());

// The widest instruction set that this processor has.
extern "C" int semigrad_widest() { return Widest(); }

// Uses an instruction set no wider than the processor's; returns the one that is now in use.
extern "C" int semigrad_use(int instruction_set) {
  chosen = std::min(std::max(instruction_set, 0), static_cast<int>(Widest()));
  return chosen;
}
