// SPDX-License-Identifier: Apache-2.0
// SingleFile: what serializers of one file have in common; Layout is what they know of that file.
#pragma once
#include <memory>
#include <string>

#include <detent/sdk/serializer.hpp>

namespace detent::serializers {

template <class Layout>
class SingleFile : public sdk::Serializer {
 public:
  static constexpr const char* version = "0.1.0";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC;

  sdk::Status begin(const sdk::Folder& folder, const char* file_name) override {
    if (layout_ != nullptr) return {DETENT_E_INVALID_ARG, "begin before finish or abort"};
    if (const sdk::Status opened = folder.open(file_name, file_); !opened.ok())
      return {opened.code(), "cannot open \"" + std::string(file_name) + "\" for writing"};
    layout_ = std::make_unique<Layout>();
    return {};
  }
  void abort() noexcept override { layout_.reset(); }

 protected:
  Layout& layout() {
    if (layout_ == nullptr) throw sdk::Error(DETENT_E_INVALID_ARG, "no file: begin comes first");
    return *layout_;
  }
  const sdk::File& file() const { return file_; }

  // The end of the file, whatever becomes of it: after finish, good or bad, begin may follow.
  class End {
   public:
    explicit End(SingleFile& owner) : owner_(owner) {}
    ~End() { owner_.abort(); }
    End(const End&) = delete;
    End& operator=(const End&) = delete;

   private:
    SingleFile& owner_;
  };

 private:
  sdk::File file_;
  std::unique_ptr<Layout> layout_;  // from begin to finish or abort
};

}  // namespace detent::serializers
