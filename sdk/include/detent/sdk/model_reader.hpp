// SPDX-License-Identifier: Apache-2.0
// ModelReader: a serializer that reads its own format back. Derive from it beside Serializer; the
// contract of each function, and the order of the calls, are in abi/serializer.h.
#pragma once
#include "exchange.hpp"
#include "file.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

// The file is untrusted: every size and offset in it is checked before it is used.
class ModelReader {
 public:
  virtual ~ModelReader() = default;
  virtual Status open(const Folder& folder, const char* name, uint64_t& n_tensors) = 0;
  // What spec points to lives until close. i is below n_tensors, or it is an error.
  virtual Status tensor_at(uint64_t i, detent_tensor_spec& spec) = 0;
  virtual Status read_tensor(uint64_t i, const MutableTensor& out) = 0;
  virtual Status read_metadata(const Sink& out) = 0;
  virtual void close() noexcept = 0;
};

namespace detail {
template <class T>
struct ReaderThunks {
  static T* self(detent_serializer* s) noexcept { return reinterpret_cast<T*>(s); }

  static int32_t DETENT_CALL open(detent_serializer* s, const detent_call* c,
                                  const detent_folder* folder, const char* name,
                                  uint64_t* n) noexcept {
    DETENT_TRY {
      uint64_t found = 0;
      const Status status = self(s)->open(Folder(folder), name, found);
      if (status.ok()) *n = found;
      return detail::finish(c, status);
    }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL tensor_at(detent_serializer* s, const detent_call* c, uint64_t i,
                                       detent_tensor_spec* spec) noexcept {
    DETENT_TRY { return detail::finish(c, self(s)->tensor_at(i, *spec)); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL read_tensor(detent_serializer* s, const detent_call* c, uint64_t i,
                                         const detent_tensor* out) noexcept {
    DETENT_TRY { return detail::finish(c, self(s)->read_tensor(i, MutableTensor(*out))); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL read_metadata(detent_serializer* s, const detent_call* c,
                                           const detent_tensor_sink* out) noexcept {
    DETENT_TRY { return detail::finish(c, self(s)->read_metadata(Sink(out))); }
    DETENT_CATCH_ALL(c)
  }
  static void DETENT_CALL close(detent_serializer* s) noexcept { self(s)->close(); }
};
}  // namespace detail

}  // namespace DETENT_HIDDEN
}  // namespace detent
