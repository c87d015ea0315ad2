// The max contraction for one instruction set. Included once per set by contract.cc, inside a
// namespace that defines Vec<T>: a vector of kWidth numbers.
//
// Rows m of the path weights lie side by side in vectors; each weight[k, n] is broadcast. Per
// weight and vector that is one product and one maximum for each end of the interval, which is
// as few as there can be. A negative weight takes the other end of the interval, so that its
// sign selects where to load from. Every accumulator sees n in ascending order: results equal
// those of the plain loop bit by bit, zeros' signs included.

template <class T>
constexpr int64_t kNBlock = 1024 / sizeof(T);  // steps of n whose path weights stay in cache

// Joins n steps into accumulators [K][ends][V * kWidth].
template <class T, int V, int K, int kEnds>
inline void Tile(const T* weight, int64_t weight_stride, int64_t n, const T* panel, T* best) {
  using Vector = Vec<T>;
  constexpr int kWidth = Vector::kWidth, kLanes = V * kWidth;
  Vector high[K][V], low[K][V];
  for (int k = 0; k < K; ++k) {
    for (int v = 0; v < V; ++v) {
      high[k][v] = Vector::Load(best + k * kEnds * kLanes + v * kWidth);
      if (kEnds == 2) low[k][v] = Vector::Load(best + (k * kEnds + 1) * kLanes + v * kWidth);
    }
  }
  for (int64_t i = 0; i < n; ++i, panel += kEnds * kLanes) {
    for (int k = 0; k < K; ++k) {
      const T given = weight[k * weight_stride + i], w = kEnds == 1 ? std::abs(given) : given;
      const Vector spread = Vector::Set(w);
      const int64_t swap = kEnds == 2 && w < 0 ? kLanes : 0;
      const T* of_high = panel + swap;
      const T* of_low = panel + (kLanes - swap);
      for (int v = 0; v < V; ++v) {
        high[k][v] = Vector::Max(Vector::Times(spread, Vector::Load(of_high + v * kWidth)), high[k][v]);
        if (kEnds == 2) {
          low[k][v] = Vector::Min(Vector::Times(spread, Vector::Load(of_low + v * kWidth)), low[k][v]);
        }
      }
    }
  }
  for (int k = 0; k < K; ++k) {
    for (int v = 0; v < V; ++v) {
      high[k][v].Store(best + k * kEnds * kLanes + v * kWidth);
      if (kEnds == 2) low[k][v].Store(best + (k * kEnds + 1) * kLanes + v * kWidth);
    }
  }
}

// One task: columns [k_begin, k_end) of V * kWidth rows from m_begin on, of one batch entry.
template <class T, int V, int kEnds>
void Block(const Problem<T>& p, int64_t b, int64_t m_begin, int64_t k_begin, int64_t k_end) {
  using Flag = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  constexpr int kWidth = Vec<T>::kWidth, kLanes = V * kWidth;
  // As many accumulators as leave room for an operand in the vector registers.
  constexpr int K = std::max(1, kAccumulators / (V * kEnds));
  const int64_t lanes = std::min<int64_t>(kLanes, p.m - m_begin);
  alignas(64) T panel[kNBlock<T> * kEnds * kLanes];
  alignas(64) T best[kKBlock * kEnds * kLanes];
  Flag path_nan[kEnds][kLanes] = {};
  Flag weight_nan[kKBlock] = {};

  for (int64_t i = 0; i < k_end - k_begin; ++i) {
    for (int e = 0; e < kEnds; ++e) {
      const T nothing = kEnds == 1 ? 0 : e == 0 ? -kInfinity<T> : kInfinity<T>;
      std::fill_n(best + (i * kEnds + e) * kLanes, kLanes, nothing);
    }
  }
  for (int64_t n_begin = 0; n_begin < p.n; n_begin += kNBlock<T>) {
    const int64_t n = std::min(kNBlock<T>, p.n - n_begin);
    for (int e = 0; e < kEnds; ++e) {
      const T* rows = p.ends[e] + (b * p.n + n_begin) * p.m + m_begin;
      for (int64_t i = 0; i < n; ++i) {
        T* to = panel + (i * kEnds + e) * kLanes;
        for (int64_t l = 0; l < lanes; ++l) to[l] = rows[i * p.m + l];
        for (int64_t l = lanes; l < kLanes; ++l) to[l] = 0;
        for (int l = 0; l < kLanes; ++l) path_nan[e][l] |= to[l] != to[l];
      }
    }
    for (int64_t k = k_begin; k < k_end;) {
      const T* weight = p.weight + (b * p.k + k) * p.n + n_begin;
      T* into = best + (k - k_begin) * kEnds * kLanes;
      const bool full = k + K <= k_end;
      for (int j = 0; j < (full ? K : 1); ++j) {
        Flag found = 0;
        for (int64_t i = 0; i < n; ++i) found |= weight[j * p.n + i] != weight[j * p.n + i];
        weight_nan[k - k_begin + j] |= found;
      }
      if (full) {
        Tile<T, V, K, kEnds>(weight, p.n, n, panel, into);
      } else {
        Tile<T, V, 1, kEnds>(weight, p.n, n, panel, into);
      }
      k += full ? K : 1;
    }
  }
  for (int64_t k = k_begin; k < k_end; ++k) {
    for (int e = 0; e < kEnds; ++e) {
      const T* from = best + ((k - k_begin) * kEnds + e) * kLanes;
      T* to = p.out[e] + (b * p.k + k) * p.m + m_begin;
      for (int64_t l = 0; l < lanes; ++l) {
        to[l] = path_nan[e][l] | weight_nan[k - k_begin] ? kNan<T> : from[l];
      }
    }
  }
}

template <class T, int kEnds>
void Rows(const Problem<T>& p, int64_t b, int64_t m_begin, int64_t m_end, int64_t k_begin,
          int64_t k_end) {
  constexpr int kWidth = Vec<T>::kWidth;
  while (m_begin < m_end) {
    const int64_t vectors = (m_end - m_begin + kWidth - 1) / kWidth;
    if (vectors >= 3) {
      Block<T, 4, kEnds>(p, b, m_begin, k_begin, k_end);
      m_begin += 4 * kWidth;
    } else if (vectors == 2) {
      Block<T, 2, kEnds>(p, b, m_begin, k_begin, k_end);
      m_begin += 2 * kWidth;
    } else {
      Block<T, 1, kEnds>(p, b, m_begin, k_begin, k_end);
      m_begin += kWidth;
    }
  }
}
