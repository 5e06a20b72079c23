// SPDX-License-Identifier: Apache-2.0
// Which of the instruction sets that kernels were compiled for this processor has: the functions by
// which Highway's headers choose one. Highway's own library has them too, but measures the
// resolution of the clock when it is loaded, which takes longer than all the rest of a short
// command.
#include <atomic>
#include <cpuid.h>
#include <hwy/targets.h>

namespace hwy {
namespace {

std::atomic<std::int64_t> disabled{0};
std::atomic<std::int64_t> chosen_for_test{0};

bool has_bit(unsigned word, unsigned bit) { return ((word >> bit) & 1U) != 0; }

// Those that compilers know no name for.
struct Cpuid {
  bool f16c = false;
  bool lzcnt = false;
  bool vaes = false;
  Cpuid() {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) != 0) f16c = has_bit(c, 29);
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) vaes = has_bit(c, 9);
    if (__get_cpuid(0x80000001U, &a, &b, &c, &d) != 0) lzcnt = has_bit(c, 5);
  }
};

// __builtin_cpu_supports: the processor has it, and the system keeps its registers.
#define DETENT_HAS(feature) (__builtin_cpu_supports(feature) != 0)

bool has_sse4() {
  return DETENT_HAS("ssse3") && DETENT_HAS("sse4.1") && DETENT_HAS("sse4.2") &&
         DETENT_HAS("pclmul") && DETENT_HAS("aes");
}

bool has_avx2(const Cpuid& cpuid) {
  return has_sse4() && DETENT_HAS("avx") && DETENT_HAS("avx2") && DETENT_HAS("fma") &&
         DETENT_HAS("bmi") && DETENT_HAS("bmi2") && cpuid.f16c && cpuid.lzcnt;
}

bool has_avx512(const Cpuid& cpuid) {
  return has_avx2(cpuid) && DETENT_HAS("avx512f") && DETENT_HAS("avx512vl") &&
         DETENT_HAS("avx512dq") && DETENT_HAS("avx512bw") && DETENT_HAS("avx512cd");
}

bool has_avx512_dl(const Cpuid& cpuid) {
  return has_avx512(cpuid) && DETENT_HAS("avx512vnni") && DETENT_HAS("vpclmulqdq") &&
         DETENT_HAS("avx512vbmi") && DETENT_HAS("avx512vbmi2") && cpuid.vaes &&
         DETENT_HAS("avx512vpopcntdq") && DETENT_HAS("avx512bitalg") && DETENT_HAS("gfni");
}

#undef DETENT_HAS

std::int64_t detect() {
  const Cpuid cpuid;
  std::int64_t targets = HWY_STATIC_TARGET | HWY_EMU128;
#ifdef HWY_SSE2
  targets |= HWY_SSE2;
#endif
  if (__builtin_cpu_supports("ssse3") != 0) targets |= HWY_SSSE3;
  if (has_sse4()) targets |= HWY_SSE4;
  if (has_avx2(cpuid)) targets |= HWY_AVX2;
  if (has_avx512(cpuid)) targets |= HWY_AVX3;
  if (has_avx512_dl(cpuid)) targets |= HWY_AVX3_DL;
  return targets;
}

}  // namespace

std::int64_t SupportedTargets() {
  static const std::int64_t detected = detect();
  const std::int64_t mocked = chosen_for_test;
  const std::int64_t targets = (mocked != 0 ? mocked : detected) & ~disabled;
  return targets != 0 ? targets : std::int64_t{HWY_STATIC_TARGET};
}

void DisableTargets(std::int64_t targets) {
  disabled = targets;
  GetChosenTarget().DeInit();
}

void SetSupportedTargetsForTest(std::int64_t targets) {
  chosen_for_test = targets;
  GetChosenTarget().DeInit();
}

ChosenTarget& GetChosenTarget() {
  static ChosenTarget chosen;
  return chosen;
}

}  // namespace hwy
