// SPDX-License-Identifier: Apache-2.0
// What a plugin asks of the host while it is called: memory for results, and the files of the
// output that the host opened for it.
#include <algorithm>

#include "isolate/call.hpp"

namespace detent::isolate {

void Call::serve(Word word) {
  if (word == Word::more_memory) return process_.give_memory(number());
  if (remote_.folder == nullptr) process_.fail_nonsense("a question that has no place here");
  ByteWriter out;
  serve_file(word, out);
  process_.send(out.bytes());
}

const detent_file* Call::file(std::uint64_t n) {
  if (n >= remote_.files.size()) process_.fail_nonsense("a file that was never opened");
  return remote_.files[n];
}

void Call::serve_file(Word word, ByteWriter& out) {
  const detent_folder* folder = remote_.folder;
  switch (word) {
    case Word::open_file: {
      const std::string path = text();
      const detent_file* opened = nullptr;
      const std::int32_t status = folder->open(folder, path.c_str(), &opened);
      out.number(static_cast<std::uint32_t>(status));
      const auto it = std::find(remote_.files.begin(), remote_.files.end(), opened);
      out.number(static_cast<std::uint64_t>(it - remote_.files.begin()));
      if (it == remote_.files.end() && opened != nullptr) remote_.files.push_back(opened);
      return;
    }
    case Word::count_files: return out.number(folder->count(folder));
    case Word::name_file: {
      const char* name = folder->name(folder, number());
      out.number(name != nullptr ? 1 : 0);
      return out.text(name != nullptr ? name : "");
    }
    case Word::read_file:
    case Word::write_file: {
      const detent_file* f = file(number());
      const std::uint64_t offset = number();
      const std::uint64_t n = number();
      const std::uint64_t segment = number();
      std::byte* place = results(segment, number(), n);
      const std::int64_t done =
          word == Word::read_file ? f->pread(f, offset, place, n) : f->pwrite(f, offset, place, n);
      return out.number(static_cast<std::uint64_t>(done));
    }
    case Word::size_file: {
      const detent_file* f = file(number());
      return out.number(f->size(f));
    }
    default: process_.fail_nonsense("an unknown question");
  }
}

}  // namespace detent::isolate
