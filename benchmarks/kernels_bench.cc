// Rates of the kernels at the shapes of a 0.5B model, after the same binary has checked that they
// equal the portable reference.  Weights of the forward products are read from memory: matrices
// rotate through 256 MB.  PAWL_BENCH_ISA and PAWL_BENCH_THREADS choose what is measured; results do
// not depend on either.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "base/philox.h"
#include "kernels/attention.h"
#include "kernels/linear.h"
#include "kernels/machine.h"
#include "kernels/softmax.h"
#include "kernels/swiglu.h"

namespace pawl {
namespace {

Isa ChosenIsa() {
  const char* name = std::getenv("PAWL_BENCH_ISA");
  if (name == nullptr) return BestIsa();
  const Result<Isa> isa = ParseIsa(name);
  if (isa) return *isa;
  std::fprintf(stderr, "%s\n", isa.error().message.c_str());
  std::exit(2);
}

ThreadPool& Threads() {
  static const char* count = std::getenv("PAWL_BENCH_THREADS");
  static ThreadPool pool(count == nullptr ? AvailableCpus() : std::max(1, std::atoi(count)));
  return pool;
}

const Compute& Chosen() {
  static const Compute compute(Threads(), ChosenIsa());
  return compute;
}

AlignedBuffer<float> Values(std::size_t n, float scale = 1.0f) {
  RandomStream stream({1, RandomPurpose::kTest, n, 0});
  AlignedBuffer<float> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    values[i] = scale * (static_cast<float>(stream.Next() >> 8) * 0x1p-23f - 1.0f);
  }
  return values;
}

PackedMatrix Weights(WeightType type, std::size_t n, std::size_t k) {
  const AlignedBuffer<float> values = Values(n * k, 0.05f);
  PackedMatrix w(type, n, k);
  w.SetRows(0, {values.data(), n, k});
  return w;
}

// Stops the program when the chosen kernels and the portable ones differ in a bit.
void Verify(const char* what, std::size_t floats,
            const std::function<void(const Compute&, float*)>& work) {
  AlignedBuffer<float> found(floats), expected(floats);
  work(Chosen(), found.data());
  work(Compute(Threads(), Isa::kPortable), expected.data());
  if (std::memcmp(found.data(), expected.data(), floats * sizeof(float)) == 0) return;
  std::fprintf(stderr, "%s: %s differs from portable\n", what, IsaName(Chosen().isa));
  std::exit(1);
}

void Rate(benchmark::State& state, const char* name, double amount) {
  state.counters[name] = benchmark::Counter(amount * static_cast<double>(state.iterations()),
                                            benchmark::Counter::kIsRate);
}

struct Shape {
  std::size_t n, k;
};
constexpr Shape kShapes[] = {{1152, 896}, {896, 896}, {9728, 896}, {896, 4864}};

void LinearForwardBench(benchmark::State& state, WeightType type, Shape s) {
  const auto m = static_cast<std::size_t>(state.range(0));
  std::vector<PackedMatrix> weights;
  weights.push_back(Weights(type, s.n, s.k));
  while (weights.size() * weights[0].bytes() < (std::size_t{256} << 20)) {
    weights.push_back(weights[0].Clone());
  }
  const AlignedBuffer<float> x = Values(m * s.k);
  AlignedBuffer<float> y(m * s.n);
  const std::size_t checked = std::min<std::size_t>(m, 13);
  Verify("linear forward", checked * s.n, [&](const Compute& compute, float* out) {
    LinearForward(compute, {x.data(), checked, s.k}, weights[0], {}, Output::kWrite,
                  {out, checked, s.n});
  });
  std::size_t turn = 0;
  for (auto _ : state) {
    LinearForward(Chosen(), {x.data(), m, s.k}, weights[turn++ % weights.size()], {},
                  Output::kWrite, {y.data(), m, s.n});
  }
  Rate(state, "FLOP/s", 2.0 * static_cast<double>(m * s.n * s.k));
  Rate(state, "B/s", static_cast<double>(weights[0].bytes()));
}

void LinearBackwardBench(benchmark::State& state, WeightType type, Shape s, bool of_weight) {
  const auto m = static_cast<std::size_t>(state.range(0));
  const PackedMatrix w = Weights(type, s.n, s.k);
  const AlignedBuffer<float> x = Values(m * s.k), dy = Values(m * s.n);
  AlignedBuffer<float> dx(m * s.k);
  const std::size_t checked = std::min<std::size_t>(m, 13);
  Verify("linear backward", checked * s.k, [&](const Compute& compute, float* out) {
    LinearBackwardInput(compute, {dy.data(), checked, s.n}, w, Output::kWrite, {out, checked, s.k});
  });
  PackedMatrix dw(WeightType::kF32, s.n, s.k);
  for (auto _ : state) {
    if (of_weight) {
      LinearBackwardWeight(Chosen(), {dy.data(), m, s.n}, {x.data(), m, s.k}, dw);
    } else {
      LinearBackwardInput(Chosen(), {dy.data(), m, s.n}, w, Output::kWrite, {dx.data(), m, s.k});
    }
  }
  Rate(state, "FLOP/s", 2.0 * static_cast<double>(m * s.n * s.k));
}

// `sequences` of `rows` rows each after `begin` positions: 14 heads, 2 key/value heads, width 64.
void AttentionBench(benchmark::State& state, std::size_t sequences, std::size_t begin,
                    std::size_t rows, bool backward) {
  const AttentionShape shape{14, 2, 64};
  const std::size_t total = sequences * rows, pages = (begin + rows + 63) / 64;
  std::vector<AlignedBuffer<float>> memory;
  std::vector<std::vector<float*>> pointers(sequences);
  std::vector<AttentionRows> all;
  for (std::size_t s = 0; s < sequences; ++s) {
    for (std::size_t p = 0; p < pages; ++p) {
      memory.push_back(Values(shape.page_floats()));
      pointers[s].push_back(memory.back().data());
    }
    all.push_back({s * rows, rows, begin, pointers[s]});
  }
  const AlignedBuffer<float> q = Values(total * 896), dout = Values(total * 896, 0.5f);
  AlignedBuffer<float> out(total * 896), softmax(total * 28), dq(total * 896);
  AlignedBuffer<float> dk(total * 128), dv(total * 128);
  AlignedBuffer<float> prefix_k(begin * 128 + 1), prefix_v(begin * 128 + 1);
  Verify("attention", total * 896, [&](const Compute& compute, float* to) {
    AttentionForward(compute, shape, all, {q.data(), total, 896}, {to, total, 896}, {});
  });
  AttentionForward(Chosen(), shape, all, {q.data(), total, 896}, {out.data(), total, 896},
                   {softmax.data(), total, 28});
  std::vector<AttentionGradientRows> gradients;
  for (const AttentionRows& s : all) {
    gradients.push_back({s, {prefix_k.data(), begin, 128}, {prefix_v.data(), begin, 128}});
  }
  for (auto _ : state) {
    if (backward) {
      AttentionBackward(Chosen(), shape, gradients, {q.data(), total, 896},
                        {out.data(), total, 896}, {softmax.data(), total, 28},
                        {dout.data(), total, 896}, {dq.data(), total, 896}, {dk.data(), total, 128},
                        {dv.data(), total, 128});
    } else {
      AttentionForward(Chosen(), shape, all, {q.data(), total, 896}, {out.data(), total, 896}, {});
    }
  }
  const double pairs =
      static_cast<double>(total) * (static_cast<double>(begin) + static_cast<double>(rows + 1) / 2);
  Rate(state, "FLOP/s", (backward ? 10.0 : 4.0) * 896 * pairs);
}

constexpr std::size_t kVocabulary = 151'936, kVocabularyRows = 8;

void StatisticsBench(benchmark::State& state) {
  const AlignedBuffer<float> z = Values(kVocabulary * kVocabularyRows, 10.0f);
  std::vector<RowStatistics> rows(kVocabularyRows);
  for (auto _ : state) {
    SoftmaxStatistics(Chosen(), {z.data(), kVocabularyRows, kVocabulary}, 1.0f, rows);
  }
  Rate(state, "logits/s", static_cast<double>(z.size()));
}

void SamplingBench(benchmark::State& state) {
  const AlignedBuffer<float> z = Values(kVocabulary * kVocabularyRows, 10.0f);
  std::vector<SampleAddress> addresses(kVocabularyRows);
  std::vector<std::int32_t> tokens(kVocabularyRows);
  for (auto _ : state) {
    for (SampleAddress& a : addresses) ++a.position;
    GumbelArgmaxRows(Chosen(), {z.data(), kVocabularyRows, kVocabulary}, 1.0f, addresses, tokens);
  }
  Rate(state, "logits/s", static_cast<double>(z.size()));
}

void SwigluBench(benchmark::State& state) {
  const std::size_t rows = 256, f = 4864;
  const AlignedBuffer<float> gate_up = Values(rows * 2 * f, 4.0f);
  AlignedBuffer<float> y(rows * f);
  Verify("swiglu", rows * f, [&](const Compute& compute, float* out) {
    SwigluForward(compute, {gate_up.data(), rows, 2 * f}, {out, rows, f});
  });
  for (auto _ : state) {
    SwigluForward(Chosen(), {gate_up.data(), rows, 2 * f}, {y.data(), rows, f});
  }
  Rate(state, "values/s", static_cast<double>(rows * f));
}

void Register() {
  const auto add = [](const std::string& name, auto function) {
    return benchmark::RegisterBenchmark(name.c_str(), function)
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
  };
  for (const WeightType type : {WeightType::kBf16, WeightType::kF32}) {
    const std::string storage = type == WeightType::kBf16 ? "bf16" : "f32";
    for (const Shape s : kShapes) {
      const std::string shape =
          storage + "/" + std::to_string(s.n) + "x" + std::to_string(s.k) + "/rows";
      add("forward/" + shape, [=](benchmark::State& state) { LinearForwardBench(state, type, s); })
          ->Arg(1)
          ->Arg(4)
          ->Arg(8)
          ->Arg(16)
          ->Arg(128)
          ->Arg(512);
      add("input/" + shape,
          [=](benchmark::State& state) { LinearBackwardBench(state, type, s, false); })
          ->Arg(8)
          ->Arg(128)
          ->Arg(512);
      if (type == WeightType::kF32) {
        add("weight/" + shape,
            [=](benchmark::State& state) { LinearBackwardBench(state, type, s, true); })
            ->Arg(8)
            ->Arg(128)
            ->Arg(512);
      }
    }
  }
  add("attention/decode 8 at 512",
      [](benchmark::State& state) { AttentionBench(state, 8, 511, 1, false); });
  add("attention/prefill 512",
      [](benchmark::State& state) { AttentionBench(state, 1, 0, 512, false); });
  add("attention/backward 512",
      [](benchmark::State& state) { AttentionBench(state, 1, 0, 512, true); });
  add("attention/backward 256 after 128",
      [](benchmark::State& state) { AttentionBench(state, 1, 128, 256, true); });
  add("softmax statistics", StatisticsBench);
  add("gumbel argmax", SamplingBench);
  add("swiglu", SwigluBench);
}

}  // namespace
}  // namespace pawl

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const pawl::Compute& compute = pawl::Chosen();
  const pawl::MachinePeaks peaks = pawl::MeasureMachine(compute.pool, compute.isa);
  std::printf("%s, %s, %d threads: read %.1f GB/s, fma %.0f GFLOP/s\n", peaks.cpu.c_str(),
              pawl::IsaName(compute.isa), compute.pool.size(), peaks.read_gb_per_second,
              peaks.fma_gflop_per_second);
  pawl::Register();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
