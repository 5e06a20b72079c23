// SPDX-License-Identifier: Apache-2.0
#include "support/mini_host.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <dlfcn.h>
#include <new>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

namespace detent::test {

// ---- Call
// ----------------------------------------------------------------------------------------

Call::Call(Order order) : order_(order) {
  raw_.struct_size = sizeof raw_;
  raw_.ctx = this;
  raw_.fail = [](const detent_call* c, std::int32_t, const char* text, std::uint64_t n) {
    self(c).error_.assign(text, n);
  };
  raw_.cancelled = [](const detent_call* c) { return self(c).cancelled_ ? 1 : 0; };
  raw_.progress = [](const detent_call*, std::uint64_t, std::uint64_t) {};
  raw_.scratch = &scratch;
  raw_.parallel_for = &parallel_for;
}

Call::~Call() {
  for (const auto& [p, align] : scratch_) ::operator delete (p, std::align_val_t{align});
}

void* Call::scratch(const detent_call* call, std::uint64_t size, std::uint64_t align) {
  void* const p = ::operator new (size, std::align_val_t{align}, std::nothrow);
  if (p != nullptr) self(call).scratch_.emplace_back(p, align);
  return p;
}

void Call::parallel_for(const detent_call* call, std::uint64_t n, void (*fn)(void*, std::uint64_t),
                        void* arg) {
  switch (self(call).order_) {
    case Order::forward:
      for (std::uint64_t i = 0; i < n; ++i) fn(arg, i);
      return;
    case Order::reversed:
      for (std::uint64_t i = n; i-- > 0;) fn(arg, i);
      return;
    case Order::threads:
    case Order::two_threads: {
      std::atomic<std::uint64_t> next{0};
      std::vector<std::thread> threads;
      for (int t = self(call).order_ == Order::threads ? 4 : 2; t > 0; --t)
        threads.emplace_back([&] {
          for (std::uint64_t i = next++; i < n; i = next++) fn(arg, i);
        });
      for (std::thread& thread : threads) thread.join();
    }
  }
}

// ---- Params
// --------------------------------------------------------------------------------------

const Params::Value* Params::find(const char* pointer) const {
  const auto at = values_.find(pointer);
  return at == values_.end() ? nullptr : &at->second;
}

template <class T, class Out>
std::int32_t Params::get(const detent_params* params, const char* pointer, Out* out) {
  const Value* const value = static_cast<const Params*>(params->ctx)->find(pointer);
  if (value == nullptr) return DETENT_E_NOT_FOUND;
  const T* const held = std::get_if<T>(value);
  if (held == nullptr) return DETENT_E_PARAMS;
  *out = static_cast<Out>(*held);
  return DETENT_OK;
}

std::int32_t Params::get_f64(const detent_params* params, const char* pointer, double* out) {
  const std::int32_t status = get<double>(params, pointer, out);
  return status == DETENT_E_PARAMS ? get<std::int64_t>(params, pointer, out) : status;
}

std::int32_t Params::get_str(const detent_params* params, const char* pointer, const char** out,
                             std::uint64_t* length) {
  const Value* const value = static_cast<const Params*>(params->ctx)->find(pointer);
  if (value == nullptr) return DETENT_E_NOT_FOUND;
  const auto* const text = std::get_if<std::string>(value);
  if (text == nullptr) return DETENT_E_PARAMS;
  *out = text->c_str();
  *length = text->size();
  return DETENT_OK;
}

Params::Params(std::initializer_list<Entry> entries) {
  for (const Entry& entry : entries) values_[entry.pointer] = entry.value;
  raw_.struct_size = sizeof raw_;
  raw_.ctx = this;
  raw_.get_i64 = &get<std::int64_t, std::int64_t>;
  raw_.get_f64 = &get_f64;
  raw_.get_bool = &get<bool, std::uint32_t>;
  raw_.get_str = &get_str;
  raw_.array_size = [](const detent_params*, const char*, std::uint64_t*) {
    return std::int32_t{DETENT_E_NOT_FOUND};
  };
}

// ---- Results
// -------------------------------------------------------------------------------------

Results::Results() {
  sink_ = {sizeof sink_, this, &create,
           [](const detent_tensor_sink* s, const char* key, const char* json) {
             static_cast<Results*>(s->ctx)->meta[key] = json;
             return std::int32_t{DETENT_OK};
           }};
  source_ = {sizeof source_, this,
             [](const detent_tensor_source* s, const char* name) -> const detent_tensor* {
               const auto& tensors = static_cast<Results*>(s->ctx)->tensors_;
               const auto at = tensors.find(name);
               return at == tensors.end() ? nullptr : &at->second->view;
             },
             [](const detent_tensor_source* s, const char* key) -> const char* {
               const auto& entries = static_cast<Results*>(s->ctx)->meta;
               const auto at = entries.find(key);
               return at == entries.end() ? nullptr : at->second.c_str();
             }};
}

Results::Results(Results&& other) noexcept : Results() { *this = std::move(other); }

Results& Results::operator=(Results&& other) noexcept {
  tensors_ = std::move(other.tensors_);
  meta = std::move(other.meta);
  return *this;
}

void Results::put(const std::string& name, Tensor tensor) {
  auto held = std::make_unique<Held>(Held{std::move(tensor), {}});
  held->view = held->tensor.view();
  tensors_[name] = std::move(held);
}

std::int32_t Results::create(const detent_tensor_sink* sink, const detent_tensor_spec* spec,
                             detent_tensor* out) {
  auto& results = *static_cast<Results*>(sink->ctx);
  if (results.has(spec->name)) return DETENT_E_INVALID_ARG;
  results.put(spec->name, Tensor(*spec));
  *out = results.tensors_[spec->name]->view;
  return DETENT_OK;
}

const Tensor& Results::tensor(const std::string& name) const {
  const auto at = tensors_.find(name);
  if (at == tensors_.end()) throw std::out_of_range("no result named " + name);
  return at->second->tensor;
}

// ---- Library, targets
// ----------------------------------------------------------------------------

Library Library::built_in(const std::string& name) {
  return Library(DETENT_TEST_PLUGINS "/" + name + ".detent.so");
}

Library::Library(const std::string& path) {
  void* const loaded = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (loaded == nullptr) throw std::runtime_error(dlerror());
  const auto entry = reinterpret_cast<detent_entry_fn>(dlsym(loaded, DETENT_ENTRY_SYMBOL));
  library_ = entry != nullptr ? entry(DETENT_ABI_MAJOR) : nullptr;
  if (library_ == nullptr) throw std::runtime_error(path + " is no Detent plugin");
  Call call;
  if (library_->init(host(), call.raw()) != DETENT_OK) throw std::runtime_error(call.error());
}

const detent_plugin& Library::plugin(const std::string& id) const {
  for (std::uint64_t i = 0; i < library_->plugin_count(); ++i)
    if (library_->plugin_at(i)->id == id) return *library_->plugin_at(i);
  throw std::runtime_error("the library has no plugin " + id);
}

detent_qspec qspec(std::int64_t qmin, std::int64_t qmax, bool symmetric) {
  const detent_dtype dtype = qmin < 0 ? DETENT_I8 : DETENT_U8;
  return {sizeof(detent_qspec),
          dtype,
          DETENT_F32,
          dtype,
          symmetric ? 1U : 0U,
          DETENT_PER_TENSOR,
          0,
          0,
          0,
          qmin,
          qmax,
          "detent.affine/1",
          0,
          0};
}

detent_qspec per_channel(detent_qspec spec, std::int32_t axis) {
  spec.granularity = DETENT_PER_CHANNEL;
  spec.axis = axis;
  return spec;
}

detent_qspec per_group(detent_qspec spec, std::int64_t group_size) {
  spec.granularity = DETENT_PER_GROUP;
  spec.group_size = group_size;
  return spec;
}

detent_config config_of(const Params& params, const detent_qspec* spec, std::uint32_t role) {
  return {sizeof(detent_config), params.raw(), "{}", 2, "test.weight", spec, role, 0};
}

const detent_host* host() {
  static const detent_host the_host{
      sizeof(detent_host),
      DETENT_ABI_MAJOR,
      DETENT_ABI_MINOR,
      "mini host",
      "0",
      nullptr,
      [](const detent_host*, std::int32_t, const char*, std::uint64_t) {},
      [](const detent_host*, std::uint64_t size, std::uint64_t align) {
        return ::operator new (size, std::align_val_t{align}, std::nothrow);
      },
      [](const detent_host*, void* p, std::uint64_t, std::uint64_t align) {
        ::operator delete (p, std::align_val_t{align});
      },
      [](const detent_host*, const char*) -> const void* { return nullptr; }};
  return &the_host;
}

// ---- Observer
// ------------------------------------------------------------------------------------

namespace {
// Streams that take and give a few bytes at a time, as hosts may.
constexpr std::uint64_t kChunk = 7;

std::int64_t append_some(const detent_ostream* stream, const void* data, std::uint64_t n) {
  const std::uint64_t taken = std::min(n, kChunk);
  static_cast<std::string*>(stream->ctx)->append(static_cast<const char*>(data), taken);
  return static_cast<std::int64_t>(taken);
}

std::int64_t read_some(const detent_istream* stream, void* out, std::uint64_t n) {
  std::string_view& rest = *static_cast<std::string_view*>(stream->ctx);
  const std::uint64_t given = std::min({n, kChunk, static_cast<std::uint64_t>(rest.size())});
  std::memcpy(out, rest.data(), given);
  rest.remove_prefix(given);
  return static_cast<std::int64_t>(given);
}
}  // namespace

Observer::Observer(const detent_plugin& plugin, const Params& params, const detent_qspec& spec,
                   Order order, std::uint32_t role)
    : vtbl_(static_cast<const detent_observer_vtbl*>(plugin.vtbl)), spec_(spec), order_(order) {
  Call call(order_);
  const detent_config config = config_of(params, &spec_, role);
  must(note(call, vtbl_->create(host(), call.raw(), &config, &self_)));
}

Observer::Observer(Observer&& other) noexcept
    : vtbl_(other.vtbl_),
      self_(std::exchange(other.self_, nullptr)),
      spec_(other.spec_),
      order_(other.order_) {}

Observer::~Observer() { vtbl_->destroy(self_); }

std::int32_t Observer::note(const Call& call, std::int32_t status) const {
  error_ = call.error();
  return status;
}

void Observer::must(std::int32_t status) const {
  if (status != DETENT_OK)
    throw std::runtime_error("status " + std::to_string(status) + ": " + error_);
}

std::int32_t Observer::try_observe(const detent_tensor& x) {
  Call call(order_);
  return note(call, vtbl_->observe(self_, call.raw(), &x));
}
void Observer::observe(const Tensor& x) { must(try_observe(x.view())); }

bool Observer::takes_importance() const { return vtbl_->observe_weighted != nullptr; }

std::int32_t Observer::try_observe_weighted(const detent_tensor& x,
                                            const detent_tensor& importance) {
  Call call(order_);
  return note(call, vtbl_->observe_weighted(self_, call.raw(), &x, &importance));
}
void Observer::observe_weighted(const Tensor& x, const Tensor& importance) {
  must(try_observe_weighted(x.view(), importance.view()));
}

void Observer::reset() {
  Call call;
  must(note(call, vtbl_->reset(self_, call.raw())));
}

bool Observer::can_merge() const { return vtbl_->merge != nullptr; }

std::int32_t Observer::try_merge(const Observer& other) {
  Call call(order_);
  return note(call, vtbl_->merge(self_, call.raw(), other.self_));
}
void Observer::merge(const Observer& other) { must(try_merge(other)); }

std::string Observer::save() const {
  std::string bytes;
  const detent_ostream stream{&bytes, &append_some};
  Call call;
  must(note(call, vtbl_->save_state(self_, call.raw(), &stream)));
  return bytes;
}

std::int32_t Observer::try_load(const std::string& bytes) {
  std::string_view rest = bytes;
  const detent_istream stream{&rest, &read_some};
  Call call;
  return note(call, vtbl_->load_state(self_, call.raw(), &stream));
}
void Observer::load(const std::string& bytes) { must(try_load(bytes)); }

std::int32_t Observer::try_qparams(const detent_qspec& spec, Results& out) const {
  Call call(order_);
  return note(call, vtbl_->compute_qparams(self_, call.raw(), &spec, out.sink()));
}

Results Observer::qparams() const {
  Results out;
  must(try_qparams(spec_, out));
  return out;
}

std::int32_t Observer::try_stat(const char* id, Results& out) const {
  Call call(order_);
  return note(call, vtbl_->compute_stat(self_, call.raw(), id, out.sink()));
}

Results Observer::stat(const char* id) const {
  Results out;
  must(try_stat(id, out));
  return out;
}

}  // namespace detent::test
