// SPDX-License-Identifier: Apache-2.0
// Serializer: derive, implement, and name the class in DETENT_LIBRARY. A format that can
// be read back derives from ModelReader (model_reader.hpp) too, one that writes a model which runs
// from ProgramWriter (program.hpp).
#pragma once
#include "model_reader.hpp"
#include "plugin_info.hpp"
#include "program.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

// The contract of each method, and their order, are in abi/serializer.h.
class Serializer : public PluginInfo {
 public:
  virtual ~Serializer() = default;
  virtual Status begin(const Folder& folder, const char* name) = 0;
  virtual Status declare(const detent_tensor_spec& spec) = 0;
  virtual Status set_metadata(std::string_view key, std::string_view value_json) = 0;
  virtual Status add_tensor(std::string_view name, const TensorView& tensor) = 0;
  virtual Status finish() = 0;
  virtual void abort() noexcept = 0;
  // For formats in which a tensor can have several names; others leave it as it is.
  virtual Status declare_alias(std::string_view alias, std::string_view name) {
    return {DETENT_E_UNSUPPORTED, "\"" + std::string(alias) + "\" and \"" + std::string(name) +
                                      "\" are one tensor, and this format has one name for each"};
  }
  // For formats into which a tensor can be written piece by piece.
  virtual Status add_rows(std::string_view name, uint64_t first_row, const TensorView& rows) {
    (void)rows;
    return {DETENT_E_UNSUPPORTED, "row " + std::to_string(first_row) + " of \"" +
                                      std::string(name) + "\" comes before the tensor is whole"};
  }
};

namespace detail {
// The C table has no declare_alias, and no add_rows, when the class does not override it.
template <class T>
constexpr bool has_aliases() noexcept {
  return !std::is_same_v<decltype(&T::declare_alias), decltype(&Serializer::declare_alias)>;
}

template <class T>
constexpr bool has_rows() noexcept {
  return !std::is_same_v<decltype(&T::add_rows), decltype(&Serializer::add_rows)>;
}

template <class T>
struct SerializerThunks {
  static T* self(detent_serializer* s) noexcept { return reinterpret_cast<T*>(s); }

  static int32_t DETENT_CALL create(const detent_host*, const detent_call* c,
                                    const detent_config* config, detent_serializer** out) noexcept {
    return detail::create<T>(c, config, out);
  }
  static void DETENT_CALL destroy(detent_serializer* s) noexcept { delete self(s); }
  static int32_t DETENT_CALL begin(detent_serializer* s, const detent_call* c,
                                   const detent_folder* f, const char* name) noexcept {
    DETENT_TRY { return detail::finish(c, self(s)->begin(Folder(f), name)); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL declare(detent_serializer* s, const detent_call* c,
                                     const detent_tensor_spec* spec) noexcept {
    DETENT_TRY { return detail::finish(c, self(s)->declare(*spec)); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL set_metadata(detent_serializer* s, const detent_call* c,
                                          const char* key, const char* value) noexcept {
    DETENT_TRY { return detail::finish(c, self(s)->set_metadata(key, value)); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL add_tensor(detent_serializer* s, const detent_call* c,
                                        const char* name, const detent_tensor* t) noexcept {
    DETENT_TRY { return detail::finish(c, self(s)->add_tensor(name, TensorView(*t))); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL finish(detent_serializer* s, const detent_call* c) noexcept {
    DETENT_TRY { return detail::finish(c, self(s)->finish()); }
    DETENT_CATCH_ALL(c)
  }
  static void DETENT_CALL abort(detent_serializer* s) noexcept { self(s)->abort(); }

  static int32_t DETENT_CALL declare_alias(detent_serializer* s, const detent_call* c,
                                           const char* alias, const char* name) noexcept {
    DETENT_TRY { return detail::finish(c, self(s)->declare_alias(alias, name)); }
    DETENT_CATCH_ALL(c)
  }

  static int32_t DETENT_CALL add_rows(detent_serializer* s, const detent_call* c, const char* name,
                                      uint64_t first_row, const detent_tensor* rows) noexcept {
    DETENT_TRY { return detail::finish(c, self(s)->add_rows(name, first_row, TensorView(*rows))); }
    DETENT_CATCH_ALL(c)
  }

  using Extension = const void*(DETENT_CALL*)(const detent_serializer*, const char*);
  static constexpr Extension extension() noexcept {
    if constexpr (std::is_base_of_v<ProgramWriter, T>) {
      return &ProgramThunks<T>::extension;
    } else {
      return nullptr;
    }
  }

  // The five functions that read, or none.
  struct Reading {
    decltype(detent_serializer_vtbl::open) open = nullptr;
    decltype(detent_serializer_vtbl::tensor_at) tensor_at = nullptr;
    decltype(detent_serializer_vtbl::read_tensor) read_tensor = nullptr;
    decltype(detent_serializer_vtbl::read_metadata) read_metadata = nullptr;
    decltype(detent_serializer_vtbl::close) close = nullptr;
  };
  static constexpr Reading reading() noexcept {
    if constexpr (std::is_base_of_v<ModelReader, T>) {
      using R = ReaderThunks<T>;
      return {&R::open, &R::tensor_at, &R::read_tensor, &R::read_metadata, &R::close};
    } else {
      return {};
    }
  }

  static constexpr uint32_t kind = DETENT_KIND_SERIALIZER;
  static constexpr detent_serializer_vtbl vtbl{sizeof(detent_serializer_vtbl),
                                               &create,
                                               &destroy,
                                               &begin,
                                               &declare,
                                               &set_metadata,
                                               &add_tensor,
                                               &finish,
                                               &abort,
                                               reading().open,
                                               reading().tensor_at,
                                               reading().read_tensor,
                                               reading().read_metadata,
                                               reading().close,
                                               extension(),
                                               has_aliases<T>() ? &declare_alias : nullptr,
                                               has_rows<T>() ? &add_rows : nullptr};
};
template <class T>
struct thunks_of<T, std::enable_if_t<std::is_base_of_v<Serializer, T>>> {
  using type = SerializerThunks<T>;
};
}  // namespace detail

}  // namespace DETENT_HIDDEN
}  // namespace detent
