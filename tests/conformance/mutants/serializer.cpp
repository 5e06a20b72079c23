// SPDX-License-Identifier: Apache-2.0
// Writes the format of kept.hpp, with at most one fault.
#include <algorithm>
#include <ctime>
#include <iterator>
#include <new>

#include "kept.hpp"

extern "C" const detent_plugin mutant;

namespace {

using detent::sdk::Status;
using detent::sdk::TensorView;

// Bytes in row-major order, whatever the strides.
void copy_elements(const TensorView& t, int32_t d, int64_t at, std::string& to) {
  const auto size = static_cast<int64_t>(DETENT_DTYPE_BITS(t.dtype()) / 8);
  if (d == t.ndim()) {
    to.append(t.bytes() + at * size, static_cast<size_t>(size));
    return;
  }
  for (int64_t i = 0; i < t.size(d); ++i) copy_elements(t, d + 1, at + i * t.stride(d), to);
}

std::string compact(const TensorView& t) {
  const uint64_t n = detent_nbytes(t.dtype(), t.ndim(), t.raw().shape);
  if (n == 0) return {};
  if (t.contiguous() || DETENT_DTYPE_BITS(t.dtype()) % 8 != 0 || IS(IGNORES_STRIDES))
    return std::string(t.bytes(), n);
  std::string bytes;
  copy_elements(t, 0, 0, bytes);
  return bytes;
}

void put(std::string& to, uint64_t n) { to.append(reinterpret_cast<const char*>(&n), sizeof n); }
void put(std::string& to, const std::string& text) {
  put(to, uint64_t{text.size()});
  to += text;
}

struct Text {
  std::string value;
  uint64_t room;
};

// As in the capabilities below.
constexpr detent_dtype kTaken[] = {
    DETENT_BOOL, DETENT_U8,  DETENT_I8,  DETENT_I16, DETENT_I32, DETENT_I64,       DETENT_F16,
    DETENT_BF16, DETENT_F32, DETENT_F64, DETENT_I4,  DETENT_U4,  DETENT_F4_E2M1FN, DETENT_F8_E5M2};

struct State {
  std::vector<Tensor> tensors;
  std::map<std::string, Text> metadata;
  size_t next = 0;
  bool frozen = false;
  bool begun = false;
};
State shared;

class Kept final : public detent::sdk::Serializer {
 public:
  explicit Kept(const detent::sdk::Config&) { misbehave(); }

  Status begin(const detent::sdk::Folder& folder, const char* name) override {
    if (state().begun) refuse(DETENT_E_INVALID_ARG, "begin comes before finish or abort");
    const Status opened = folder.open(name, file_);
    if (!opened.ok()) return {opened.code(), std::string("cannot open ") + name};
    detent::sdk::File other;
    if (IS(LEAVES_FOLDER)) (void)folder.open("../log", other);
    state().begun = true;
    return {};
  }

  Status declare(const detent_tensor_spec& spec) override {
    State& s = state();
    if (s.frozen) refuse(DETENT_E_INVALID_ARG, "a tensor is declared after the first was added");
    if (find(spec.name) != nullptr) refuse(DETENT_E_INVALID_ARG, "a tensor is declared twice");
    const bool is_taken =
        std::find(std::begin(kTaken), std::end(kTaken), spec.dtype) != std::end(kTaken);
    if (!is_taken || (IS(CLAIMS_MORE) && spec.dtype == DETENT_F64))
      refuse(DETENT_E_UNSUPPORTED, "there is no number for this dtype");
    s.tensors.push_back({spec.name,
                         spec.dtype,
                         {spec.shape, spec.shape + spec.ndim},
                         detent_nbytes(spec.dtype, spec.ndim, spec.shape)});
    return {};
  }

  Status set_metadata(std::string_view key, std::string_view json) override {
    if (IS(FORGETS_METADATA) && !state().metadata.empty()) return {};
    auto& all = state().metadata;
    const auto found = all.find(std::string(key));
    if (state().frozen && !IS(TAKES_LATE_METADATA)) {
      if (found == all.end()) refuse(DETENT_E_INVALID_ARG, "there is no room for this key");
      if (json.size() > found->second.room)
        refuse(DETENT_E_INVALID_ARG, "there is too little room");
    }
    if (state().frozen && found != all.end())
      found->second.value = json;
    else
      all[std::string(key)] = {std::string(json), json.size()};
    return {};
  }

  Status add_tensor(std::string_view name, const TensorView& t) override {
    freeze();
    Tensor* const tensor = find(name);
    if (tensor == nullptr && IS(TAKES_UNDECLARED)) return {};
    check_turn(tensor);
    if (t.dtype() != tensor->dtype || t.shape() != tensor->shape || tensor->rows != 0)
      refuse(DETENT_E_INVALID_ARG, "a tensor is not what was declared");
    write(tensor->offset, compact(t));
    tensor->whole = true;
    ++state().next;
    return {};
  }

  Status add_rows(std::string_view name, uint64_t first, const TensorView& rows) override {
    freeze();
    Tensor* const tensor = find(name);
    if (tensor == nullptr || tensor->whole || tensor->shape.empty() || rows.ndim() < 1)
      refuse(DETENT_E_INVALID_ARG, "there are no rows to be added");
    std::vector<int64_t> shape = rows.shape();
    const auto all = static_cast<uint64_t>(tensor->shape[0]);
    const auto n = static_cast<uint64_t>(shape[0]);
    shape[0] = tensor->shape[0];
    if (first != tensor->rows || n > all - first || shape != tensor->shape || n == 0)
      refuse(DETENT_E_INVALID_ARG, "these are not the next rows");
    const uint64_t at = IS(LOSES_ROWS) ? 0 : first;
    write(tensor->offset + at * (tensor->nbytes / all), compact(rows));
    tensor->rows += n;
    tensor->whole = tensor->rows == all;
    while (state().next < state().tensors.size() && state().tensors[state().next].whole)
      ++state().next;
    return {};
  }

  // Ends the file, whatever becomes of it.
  Status finish() override {
    freeze();
    const bool whole = state().next == state().tensors.size() || IS(FINISHES_EARLY);
    const std::string bytes = front();
    abort();
    if (!whole) refuse(DETENT_E_INVALID_ARG, "a declared tensor was not added");
    if (IS(IGNORES_FAILED_WRITES))
      (void)file_.write(0, bytes.data(), bytes.size());
    else
      write(0, bytes);
    return {};
  }

  void abort() noexcept override {
    if (IS(ABORT_FORGETS)) {
      state().begun = state().frozen = false;
      state().tensors.clear();
      state().next = 0;
    } else {
      state() = State();
    }
  }

 private:
  State& state() { return IS(ONE_STATE) ? shared : own_; }

  Tensor* find(std::string_view name) {
    for (Tensor& t : state().tensors)
      if (t.name == name) return &t;
    return nullptr;
  }

  void check_turn(const Tensor* tensor) {
    if (tensor == nullptr) refuse(DETENT_E_INVALID_ARG, "a tensor was not declared");
    if (state().next >= state().tensors.size() || tensor != &state().tensors[state().next])
      refuse(DETENT_E_INVALID_ARG, "another tensor's turn it is");
  }

  // From now on every place in the file is known.
  void freeze() {
    if (state().frozen) return;
    state().frozen = true;
    uint64_t at = kFront + table().size();
    for (Tensor& t : state().tensors) {
      t.offset = at;
      at += t.nbytes;
    }
  }

  void write(uint64_t offset, const std::string& bytes) {
    bool written;
    if (IS(ONE_PWRITE))
      written = file_.raw()->pwrite(file_.raw(), offset, bytes.data(), bytes.size()) >= 0;
    else
      written = file_.write(offset, bytes.data(), bytes.size());
    if (!written) refuse(DETENT_E_IO, "the file cannot be written");
  }

  std::string table() {
    std::string text;
    const uint64_t n = state().tensors.size();
    put(text, IS(DROPS_TENSOR) && n > 3 ? n - 1 : n);
    for (const Tensor& t : state().tensors) {
      if (IS(DROPS_TENSOR) && n > 3 && &t == &state().tensors.back()) break;
      put(text, t.name);
      put(text, uint64_t{t.dtype} | uint64_t{t.shape.size()} << 32);
      for (const int64_t extent : t.shape) put(text, static_cast<uint64_t>(extent));
      put(text, t.offset);
      put(text, t.nbytes);
    }
    put(text, uint64_t{state().metadata.size()});
    for (const auto& [key, value] : state().metadata) {
      put(text, key);
      put(text, value.room);
      put(text, value.value);
      if (value.room > value.value.size()) text.append(value.room - value.value.size(), ' ');
    }
    return text;
  }

  std::string front() {
    const std::string text = table();
    uint64_t size = kFront + text.size();
    for (const Tensor& t : state().tensors) size += t.nbytes;
    std::string bytes(kMagic, 8);
    put(bytes, uint64_t{text.size()});
    put(bytes, size);
    bytes += text;
    if (IS(WRITES_TIME)) bytes.back() = static_cast<char>(std::time(nullptr));
    return bytes;
  }

  detent::sdk::File file_;
  State own_;
};

using Thunks = detent::sdk::detail::SerializerThunks<Kept>;

// What the SDK's table calls, and a reader beside it.
struct Both {
  Kept* writer;
  Reader reader;
};

Both& of(detent_serializer* s) { return *reinterpret_cast<Both*>(s); }
detent_serializer* writer_of(detent_serializer* s) {
  return reinterpret_cast<detent_serializer*>(of(s).writer);
}

template <class F>
int32_t guarded(const detent_call* c, F&& f) noexcept {DETENT_TRY{f();
return DETENT_OK;
}  // namespace
DETENT_CATCH_ALL(c)
}

int32_t create(const detent_host* h, const detent_call* c, const detent_config* config,
               detent_serializer** out) {
  detent_serializer* writer = nullptr;
  const int32_t status = Thunks::create(h, c, config, &writer);
  if (status != DETENT_OK) return status;
  auto* const both = new (std::nothrow) Both{reinterpret_cast<Kept*>(writer), {}};
  if (both == nullptr) Thunks::destroy(writer);
  *out = reinterpret_cast<detent_serializer*>(both);
  return both != nullptr ? DETENT_OK : DETENT_E_NO_MEMORY;
}
void destroy(detent_serializer* s) {
  Thunks::destroy(writer_of(s));
  delete &of(s);
}

constexpr detent_serializer_vtbl make_table() {
  detent_serializer_vtbl t = Thunks::vtbl;
  using S = detent_serializer*;
  using C = const detent_call*;
  t.create = &create;
  t.destroy = &destroy;
  t.begin = [](S s, C c, const detent_folder* f, const char* name) {
    return Thunks::begin(writer_of(s), c, f, name);
  };
  t.declare = [](S s, C c, const detent_tensor_spec* spec) {
    return Thunks::declare(writer_of(s), c, spec);
  };
  t.set_metadata = [](S s, C c, const char* key, const char* json) {
    return Thunks::set_metadata(writer_of(s), c, key, json);
  };
  t.add_tensor = [](S s, C c, const char* name, const detent_tensor* x) {
    return Thunks::add_tensor(writer_of(s), c, name, x);
  };
  t.add_rows = [](S s, C c, const char* name, uint64_t first, const detent_tensor* rows) {
    return Thunks::add_rows(writer_of(s), c, name, first, rows);
  };
  t.finish = [](S s, C c) { return Thunks::finish(writer_of(s), c); };
  t.abort = [](S s) { Thunks::abort(writer_of(s)); };
  t.open = [](S s, C c, const detent_folder* f, const char* name, uint64_t* n) {
    return guarded(c, [&] {
      of(s).reader.open(f, name);
      *n = of(s).reader.count();
    });
  };
  t.tensor_at = [](S s, C c, uint64_t i, detent_tensor_spec* spec) {
    return guarded(c, [&] {
      const Tensor& x = of(s).reader.at(i);
      *spec = {x.name.c_str(), x.shape.data(), static_cast<int32_t>(x.shape.size()), x.dtype};
    });
  };
  t.read_tensor = [](S s, C c, uint64_t i, const detent_tensor* to) {
    return guarded(c, [&] { of(s).reader.read_tensor(i, *to); });
  };
  t.read_metadata = [](S s, C c, const detent_tensor_sink* sink) {
    return guarded(c, [&] {
      for (const auto& [key, json] : of(s).reader.texts())
        if (sink->set_meta(sink, key.c_str(), json.c_str()) != DETENT_OK)
          refuse(DETENT_E_NO_MEMORY, "the sink takes no more");
    });
  };
  t.close = IS(HALF_A_READER) ? nullptr : +[](S) {};
  return t;
}

const detent_serializer_vtbl table = make_table();
const char* const provides[] = {"format:kept", "extension:.kept", nullptr};

}  // namespace

const detent_plugin mutant = {
    sizeof(detent_plugin),
    DETENT_KIND_SERIALIZER,
    1,
    DETENT_PLUGIN_DETERMINISTIC,
    "mutant.serializer",
    IS(BAD_VERSION) ? "one" : "1.0.0",
    "Mutant",
    "A format with a table in front, with at most one fault",
    "",
    "Apache-2.0",
    R"({"type": "object", "additionalProperties": false})",
    nullptr,
    provides,
    nullptr,
    R"({"tensor": {"properties": {"dtype": {"enum": ["BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "BF16",
        "F32", "F64", "I4", "U4", "F4", "F8_E5M2"]}}}})",
    &table};
