// SPDX-License-Identifier: Apache-2.0
// Sink and Source exchange named tensors with the host; Writer and Reader are state streams.
#pragma once
#include "call.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

// Where results go. The host owns the memory; what is created is zeroed, compact and valid until
// the call into the plugin returns.
class Sink {
 public:
  explicit Sink(const detent_tensor_sink* sink) noexcept : sink_(sink) {}

  // nullptr when the host refuses (name used twice, over budget) or the tensor has no elements.
  template <class T>
  T* create(const char* name, const std::vector<int64_t>& shape) const noexcept {
    MutableTensor t;
    return create(name, detail::dtype_of<T>::value, shape, t).ok() ? t.template data<T>() : nullptr;
  }
  Status create(const char* name, detent_dtype dtype, const std::vector<int64_t>& shape,
                MutableTensor& out) const noexcept {
    const detent_tensor_spec spec{name, shape.empty() ? nullptr : shape.data(),
                                  static_cast<int32_t>(shape.size()), dtype};
    detent_tensor t{};
    const int32_t status = sink_->create(sink_, &spec, &t);
    if (status == DETENT_OK) out = MutableTensor(t);
    return Status(status);
  }
  // json is one JSON value.
  Status meta(const char* key, const char* json) const noexcept {
    return Status(sink_->set_meta(sink_, key, json));
  }
  const detent_tensor_sink* raw() const noexcept { return sink_; }

 private:
  const detent_tensor_sink* sink_;
};

// Named tensors and metadata which the host lends.
class Source {
 public:
  explicit Source(const detent_tensor_source* source) noexcept : source_(source) {}
  const detent_tensor* get(const char* name) const noexcept {
    return source_ != nullptr ? source_->get(source_, name) : nullptr;
  }
  // The tensor's elements when it is there, of T's dtype, contiguous, with at least n elements.
  template <class T>
  const T* data(const char* name, int64_t n) const noexcept {
    const detent_tensor* t = get(name);
    if (t == nullptr) return nullptr;
    const TensorView view(*t);
    const bool fits = view.contiguous() && view.numel() >= n;
    return fits ? view.data<T>() : nullptr;
  }
  // One JSON value; nullptr when there is none.
  const char* meta(const char* key) const noexcept {
    return source_ != nullptr ? source_->get_meta(source_, key) : nullptr;
  }

 private:
  const detent_tensor_source* source_;
};

class Writer {
 public:
  explicit Writer(const detent_ostream* stream) noexcept : stream_(stream) {}
  bool bytes(const void* data, uint64_t n) noexcept {
    const char* p = static_cast<const char*>(data);
    while (n != 0 && ok_) {
      const int64_t taken = stream_->write(stream_, p, n);
      if (taken <= 0 || static_cast<uint64_t>(taken) > n) {
        ok_ = false;
      } else {
        p += taken;
        n -= static_cast<uint64_t>(taken);
      }
    }
    return ok_;
  }
  template <class T>
  bool pod(const T& value) noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    return bytes(&value, sizeof value);
  }
  template <class T>
  bool vec(const std::vector<T>& values) noexcept {
    return pod(static_cast<uint64_t>(values.size())) &&
           bytes(values.data(), values.size() * sizeof(T));
  }
  bool ok() const noexcept { return ok_; }

 private:
  const detent_ostream* stream_;
  bool ok_ = true;
};

// The bytes are untrusted: check each value that is used as a size.
class Reader {
 public:
  explicit Reader(const detent_istream* stream) noexcept : stream_(stream) {}
  bool bytes(void* data, uint64_t n) noexcept {
    char* p = static_cast<char*>(data);
    while (n != 0 && ok_) {
      const int64_t got = stream_->read(stream_, p, n);
      if (got <= 0 || static_cast<uint64_t>(got) > n) {
        ok_ = false;
        failed_ = got < 0;
      } else {
        p += got;
        n -= static_cast<uint64_t>(got);
      }
    }
    return ok_;
  }
  template <class T>
  bool pod(T& value) noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    return bytes(&value, sizeof value);
  }
  // Grows with what is really there: a length that lies costs no memory.
  template <class T>
  bool vec(std::vector<T>& values, uint64_t max) {
    constexpr uint64_t kStep = 65536;
    uint64_t n = 0;
    if (!pod(n) || n > max) return ok_ = false;
    values.clear();
    for (uint64_t done = 0; done < n && ok_;) {
      const uint64_t step = n - done < kStep ? n - done : kStep;
      values.resize(done + step);
      bytes(values.data() + done, step * sizeof(T));
      done += step;
    }
    return ok_;
  }
  bool at_end() noexcept {
    char c;
    const int64_t got = ok_ ? stream_->read(stream_, &c, 1) : 1;
    failed_ = failed_ || got < 0;
    return got == 0;
  }
  bool failed() const noexcept { return failed_; }  // the stream itself, not for want of bytes

 private:
  const detent_istream* stream_;
  bool ok_ = true;
  bool failed_ = false;
};

}  // namespace DETENT_HIDDEN
}  // namespace detent
