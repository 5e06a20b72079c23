// SPDX-License-Identifier: Apache-2.0
// Prints the texts that the torchscript serializer defines, for test_torchscript_sources.py.
#include <cstdio>
#include <string>

#include "torchscript/sources.hpp"

namespace ts = detent::torchscript;

namespace {

void print(const std::string& name, const std::string& text) {
  std::printf("==== %s\n%s\n", name.c_str(), text.c_str());
}

}  // namespace

int main() {
  for (const ts::Source* source :
       {&ts::kAffine, &ts::kCast, &ts::kActivation, &ts::kFastInt8, &ts::kFastInt4})
    print(source->name, source->text);
  std::string int4 = ts::kInt4.text;
  for (std::size_t dimensions = 1; dimensions <= 5; ++dimensions)
    for (const bool zero : {false, true}) int4 += ts::int4_text(dimensions, zero);
  print(ts::kInt4.name, int4);
  return 0;
}
