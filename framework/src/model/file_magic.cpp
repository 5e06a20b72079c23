// SPDX-License-Identifier: Apache-2.0
#include "model/file_magic.hpp"

#include <array>

namespace detent {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view bytes;
  std::string_view meaning;
};

constexpr std::array kMagics = {
    Magic{"PK\x03\x04"sv, "a zip archive, as PyTorch's .pt, .pth and .bin files are"sv},
    Magic{"\x80\x02"sv, "a Python pickle, as old PyTorch files are"sv},
    Magic{"\x80\x03"sv, "a Python pickle"sv},
    Magic{"\x80\x04"sv, "a Python pickle"sv},
    Magic{"\x80\x05"sv, "a Python pickle"sv},
    Magic{"GGUF"sv, "a GGUF file"sv},
    Magic{"\x89HDF\r\n"sv, "an HDF5 file"sv},
    Magic{"\x93NUMPY"sv, "a NumPy array"sv},
    Magic{"version https://git-lfs"sv, "a Git LFS pointer: \"git lfs pull\" fetches the file"sv},
    Magic{"<!DOCTYPE"sv, "a web page: the download went wrong"sv},
    Magic{"<!doctype"sv, "a web page: the download went wrong"sv},
    Magic{"<html"sv, "a web page: the download went wrong"sv},
    Magic{"<?xml"sv, "an XML file"sv},
    Magic{"{"sv, "a JSON file"sv},
    Magic{"\x1f\x8b"sv, "a gzip archive"sv},
    Magic{"\x28\xb5\x2f\xfd"sv, "a zstd archive"sv},
    Magic{"\x7f"
          "ELF"sv,
          "a program or shared library"sv},
};

}  // namespace

std::string_view looks_like(std::string_view first_bytes) {
  for (const Magic& magic : kMagics)
    if (first_bytes.starts_with(magic.bytes)) return magic.meaning;
  if (first_bytes.size() >= 16 && first_bytes.find_first_not_of('\0') == first_bytes.npos)
    return "zero bytes: an interrupted download or a file system error";
  return {};
}

}  // namespace detent
