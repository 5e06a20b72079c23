// SPDX-License-Identifier: Apache-2.0
#include "plugin/fp_mode.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#else
#include <cfenv>
#endif

namespace detent {

#if defined(__x86_64__)

namespace {

constexpr unsigned kControlBits = 0xFFC0;  // of MXCSR; below them are the sticky exception flags

// The x87 unit has a control word of its own, by which the C library rounds when it prints and
// reads numbers.
std::uint16_t x87_control() {
  std::uint16_t word = 0;
  __asm__ volatile("fnstcw %0" : "=m"(word));
  return word;
}

}  // namespace

std::uint64_t FpMode::read() {
  return (_mm_getcsr() & kControlBits) | (std::uint64_t{x87_control()} << 32);
}

bool FpMode::restore() const {
  if (read() == saved_) return true;
  const auto mxcsr = static_cast<std::uint32_t>(saved_);
  const auto x87 = static_cast<std::uint16_t>(saved_ >> 32);
  _mm_setcsr((_mm_getcsr() & ~kControlBits) | mxcsr);
  __asm__ volatile("fldcw %0" : : "m"(x87));
  return false;
}

#elif defined(__aarch64__)

std::uint64_t FpMode::read() {  // FPCR has no sticky bits; those are in FPSR
  std::uint64_t value = 0;
  __asm__ volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}

bool FpMode::restore() const {
  if (read() == saved_) return true;
  __asm__ volatile("msr fpcr, %0" : : "r"(saved_));
  return false;
}

#else  // only the rounding mode is known to the standard library

std::uint64_t FpMode::read() { return static_cast<std::uint64_t>(std::fegetround()); }

bool FpMode::restore() const {
  if (read() == saved_) return true;
  std::fesetround(static_cast<int>(saved_));
  return false;
}

#endif

}  // namespace detent
