// SPDX-License-Identifier: Apache-2.0
// The templates of `detent plugins new`, as files of the SDK; their source is generated.
#pragma once
#include <span>
#include <string_view>

namespace detent::cli {

struct TemplateFile {
  std::string_view path;  // below sdk/: "template/c++/observer.cpp"
  std::string_view text;
};
std::span<const TemplateFile> template_files();

}  // namespace detent::cli
