// The only C++ of the project: Google Benchmark's interface in C's terms. No exception leaves this file.
#include "bench/shim.h"

#include <benchmark/benchmark.h>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

struct sb_gb_state {
  benchmark::State *state;
};

bool sb_gb_keep_running(sb_gb_state *state) { return state->state->KeepRunning(); }

void sb_gb_fail(sb_gb_state *state, const char *message) { state->state->SkipWithError(message); }

void sb_gb_processed(sb_gb_state *state, int64_t items, int64_t bytes) {
  const auto iterations = static_cast<int64_t>(state->state->iterations());
  state->state->SetItemsProcessed(items * iterations);
  state->state->SetBytesProcessed(bytes * iterations);
}

void sb_gb_rate(sb_gb_state *state, const char *name, double per_iteration) {
  state->state->counters[name] = benchmark::Counter(per_iteration, benchmark::Counter::kIsIterationInvariantRate);
}

void sb_gb_value(sb_gb_state *state, const char *name, double value) {
  state->state->counters[name] = benchmark::Counter(value);
}

namespace {
bool cpu_clock; // of the registered benchmarks: all alike
} // namespace

bool sb_gb_register(const char *name, sb_gb_body *body, void *context, bool cpu_time) try {
  auto *added = benchmark::RegisterBenchmark(name, [body, context](benchmark::State &state) {
    sb_gb_state wrapped{&state};
    body(context, &wrapped);
  });
  added->Unit(benchmark::kMillisecond);
  if (!cpu_time) added->UseRealTime();
  cpu_clock = cpu_time;
  return true;
} catch (const std::exception &) {
  return false;
}

bool sb_gb_register_timed(const char *name, sb_gb_body *body, void *context) try {
  auto *added = benchmark::RegisterBenchmark(name, [body, context](benchmark::State &state) {
    sb_gb_state wrapped{&state};
    body(context, &wrapped);
  });
  added->Unit(benchmark::kMillisecond)->UseManualTime()->Iterations(1);
  cpu_clock = false;
  return true;
} catch (const std::exception &) {
  return false;
}

void sb_gb_seconds(sb_gb_state *state, double seconds) { state->state->SetIterationTime(seconds); }

bool sb_gb_note(const char *key, const char *value) try {
  benchmark::AddCustomContext(key, value);
  return true;
} catch (const std::exception &) {
  return false;
}

namespace {

using Run = benchmark::BenchmarkReporter::Run;

double counter_of(const sb_gb_result *result, const char *name) {
  const auto &counters = static_cast<const Run *>(result->run)->counters;
  const auto found = counters.find(name);
  return found == counters.end() ? 0 : found->second.value;
}

// Hands every result to the caller and, where wanted, to Google Benchmark's own JSON reporter.
class Reporter : public benchmark::BenchmarkReporter {
public:
  explicit Reporter(const sb_gb_options *how) : options(how) {
    json.SetOutputStream(&std::cout);
    json.SetErrorStream(&std::cerr);
  }
  bool ReportContext(const Context &context) override { return !options->json || json.ReportContext(context); }
  void ReportRuns(const std::vector<Run> &runs) override {
    for (const Run &run : runs)
      if (options->on_result) report(run);
    if (options->json) json.ReportRuns(runs);
  }
  void Finalize() override {
    if (options->json) json.Finalize();
  }

private:
  void report(const Run &run) const {
    sb_gb_result result{};
    result.name = run.run_name.function_name.c_str();
    result.aggregate = run.aggregate_name.c_str();
    result.error = run.error_occurred ? run.error_message.c_str() : nullptr;
    result.seconds = (cpu_clock ? run.GetAdjustedCPUTime() : run.GetAdjustedRealTime()) /
                     benchmark::GetTimeUnitMultiplier(run.time_unit);
    result.counter = counter_of;
    result.run = &run;
    result.items_per_second = counter_of(&result, "items_per_second");
    result.bytes_per_second = counter_of(&result, "bytes_per_second");
    options->on_result(options->context, &result);
  }
  const sb_gb_options *options;
  benchmark::JSONReporter json;
};

} // namespace

int sb_gb_run(const sb_gb_options *options) try {
  char repetitions[64], seconds[64];
  std::snprintf(repetitions, sizeof repetitions, "--benchmark_repetitions=%d", options->repetitions);
  std::snprintf(seconds, sizeof seconds, "--benchmark_min_time=%.6f", options->min_seconds);
  std::string arguments[] = {"samebits bench", repetitions, seconds,
                             options->interleave ? "--benchmark_enable_random_interleaving=true"
                                                 : "--benchmark_enable_random_interleaving=false"};
  char *argv[] = {&arguments[0][0], &arguments[1][0], &arguments[2][0], &arguments[3][0], nullptr};
  int argc = 4;
  benchmark::Initialize(&argc, argv);
  if (argc != 1) return -1;
  Reporter reporter(options);
  const size_t count = benchmark::RunSpecifiedBenchmarks(&reporter);
  benchmark::ClearRegisteredBenchmarks();
  return static_cast<int>(count);
} catch (const std::exception &error) {
  std::fprintf(stderr, "samebits bench: %s\n", error.what());
  return -1;
}
