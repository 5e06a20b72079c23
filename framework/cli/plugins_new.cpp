// SPDX-License-Identifier: Apache-2.0
// `detent plugins new`: a project for a plugin of one's own, out of templates that the program
// carries.
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>
#include <system_error>

#include "base/file.hpp"
#include "base/text.hpp"
#include "base/version.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/templates.hpp"

namespace detent::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostName = 64;
constexpr std::size_t kMostText = 200;

struct Language {
  std::string_view id;      // as --lang names it, and the folder of its templates
  std::string_view name;    // as people say it
  std::string_view source;  // of the plugin, in the project
  std::string_view needs;
  std::string_view beside;  // what the build file does, for the README
  std::vector<std::string> kinds;
};

const std::vector<std::string>& all_kinds() {
  static const std::vector<std::string> kinds = {"observer", "quantizer", "serializer",
                                                 "validator"};
  return kinds;
}

const std::vector<Language>& languages() {
  static constexpr std::string_view kBuilds =
      "builds `@NAME@.detent.so`, which exports one function";
  static const std::vector<Language> list = {
      {"c++", "C++17", "src/@NAME@.cpp", "a C++17 compiler, CMake and the installed Detent SDK",
       kBuilds, all_kinds()},
      {"c", "C11", "src/@NAME@.c",
       "a C11 compiler (C++17 for the test), CMake and the installed Detent SDK", kBuilds,
       all_kinds()},
      {"rust",
       "Rust",
       "src/lib.rs",
       "Rust 1.63 or later (and a C++17 compiler for the test), CMake and the installed Detent SDK",
       "has cargo build the library, and names it `@NAME@.detent.so`; the SDK's layer for Rust is "
       "a "
       "copy in `detent/`",
       {"observer", "quantizer"}}};
  return list;
}

template <class Names>
[[noreturn]] void refuse_word(std::string_view what, const std::string& word, const Names& known) {
  const std::string near = nearest_name(word, known);
  throw Error(ErrorCode::config, fmt::format("there is no {} \"{}\"", what, word),
              (near.empty() ? "" : fmt::format("did you mean \"{}\"? ", near)) +
                  "known: " + join_words(known));
}

const Language& choose_language(const std::string& id, const std::string& kind) {
  std::vector<std::string> ids;
  for (const Language& l : languages()) ids.emplace_back(l.id);
  const auto found = std::ranges::find(languages(), id, &Language::id);
  if (found == languages().end()) refuse_word("language", id, ids);
  if (std::ranges::find(found->kinds, kind) != found->kinds.end()) return *found;
  throw Error(ErrorCode::config,
              fmt::format("there is no template of a {} in {}", kind, found->name),
              fmt::format("use --lang c++ or --lang c; in {} there are: {}", found->name,
                          join_words(found->kinds)));
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The name of a target of CMake, of files, and the last part of the id.
void check_name(const std::string& name) {
  static constexpr std::array kTaken = {"all",  "check",   "clean",   "detent",        "edit_cache",
                                        "help", "install", "package", "rebuild_cache", "test"};
  const bool spelled =
      !name.empty() && name.size() <= kMostName && is_lower(name[0]) &&
      std::ranges::all_of(name, [](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
  if (!spelled)
    throw Error(
        ErrorCode::config, fmt::format("\"{}\" cannot be the name of a plugin", name),
        fmt::format("use at most {} of a-z, 0-9 and _, beginning with a letter", kMostName));
  if (std::ranges::find(kTaken, name) != kTaken.end())
    throw Error(ErrorCode::config,
                fmt::format("\"{}\" is a name that build systems keep for themselves", name),
                fmt::format("use another one: my_{}", name));
}

void check_id(const std::string& id) {
  const bool spelled = std::ranges::all_of(
      id, [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '.' || c == '-'; });
  const bool domain = id.find('.') != std::string::npos && id.find("..") == std::string::npos &&
                      id.front() != '.' && id.back() != '.';
  if (id.size() > kMostText || !spelled || !domain)
    throw Error(ErrorCode::config, fmt::format("\"{}\" cannot be the id of a plugin", id),
                "use a-z, 0-9, _, - and dots, with a domain of yours in front: com.acme.NAME");
}

// It stands in string literals of three languages.
void check_vendor(const std::string& vendor) {
  const bool plain = printable(vendor) == vendor && vendor.size() <= kMostText &&
                     vendor.find_first_of("\"\\@") == std::string::npos;
  if (!plain)
    throw Error(ErrorCode::config, fmt::format("\"{}\" cannot be the name of a vendor", vendor),
                fmt::format("use at most {} characters, and no quote, backslash or @", kMostText));
}

// ---- the files of a project ------------------------------------------------------

using Words = std::map<std::string, std::string, std::less<>>;

Words words_of(const NewOptions& options, const Language& language) {
  const std::string version = kVersion;
  return {{"NAME", options.name},
          {"ID", options.id},
          {"VENDOR", options.vendor},
          {"KIND", options.kind},
          {"LANGUAGE", std::string(language.name)},
          {"NEEDS", std::string(language.needs)},
          {"DETENT", version.substr(0, version.rfind('.'))}};
}

// @WORD@ of every known word; everything else stays.
std::string fill(std::string_view text, const Words& words) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('@');
    const std::size_t close = open == text.npos ? text.npos : text.find('@', open + 1);
    if (close == text.npos) break;
    const auto word = words.find(text.substr(open + 1, close - open - 1));
    const bool known = word != words.end();
    out += text.substr(0, known ? open : close);
    if (known) out += word->second;
    text.remove_prefix(known ? close + 1 : close);
  }
  return out += text;
}

std::string_view template_text(const std::string& path) {
  for (const TemplateFile& f : template_files())
    if (f.path == path) return f.text;
  throw Error(ErrorCode::unexpected, fmt::format("the program carries no template {}", path));
}

struct NewFile {
  std::string path;  // below the project's folder
  std::string text;
};

using Pieces = std::vector<std::pair<std::string, std::string>>;  // template, path in the project

Pieces pieces_of(const NewOptions& options, const Language& language, const std::string& source) {
  const std::string own = fmt::format("template/{}/", language.id);
  Pieces pieces = {{"template/common/gitignore", ".gitignore"},
                   {own + "CMakeLists.txt", "CMakeLists.txt"},
                   {"template/common/README.md", "README.md"},
                   {fmt::format("template/pipeline/{}.json", options.kind), "pipeline.json"},
                   {own + options.kind + fs::path(source).extension().string(), source},
                   {fmt::format("template/test/{}.cpp", options.kind),
                    fmt::format("test/{}_test.cpp", options.name)}};
  const std::string beside = own + options.kind + "_";  // observer_x.h becomes src/x.h
  for (const TemplateFile& f : template_files())
    if (f.path.starts_with(beside))
      pieces.emplace_back(f.path, "src/" + std::string(f.path.substr(beside.size())));
  if (language.id != "rust") return pieces;
  pieces.emplace_back(own + "Cargo.toml", "Cargo.toml");
  constexpr std::string_view layer = "rust/";  // the SDK's layer for Rust goes with the project
  for (const TemplateFile& f : template_files())
    if (f.path.starts_with(layer))
      pieces.emplace_back(f.path, "detent/" + std::string(f.path.substr(layer.size())));
  return pieces;
}

std::vector<NewFile> files_of(const NewOptions& options, const Language& language) {
  Words words = words_of(options, language);
  const std::string source = fill(language.source, words);
  words["SOURCE"] = source;
  words["BESIDE"] = fill(language.beside, words);
  std::vector<NewFile> files;
  for (const auto& [from, to] : pieces_of(options, language, source)) {
    const bool is_layer = from.starts_with("rust/");
    const std::string_view text = template_text(from);
    files.push_back({to, is_layer ? std::string(text) : fill(text, words)});
  }
  return files;
}

// ---- writing them ------------------------------------------------------------------

[[noreturn]] void refuse_folder(const fs::path& folder, const std::string& why) {
  throw Error(ErrorCode::io, fmt::format("{}: {}", folder.string(), why),
              "name another folder with --folder, or make room there", {.file = folder.string()});
}

void require_empty(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found) return;
  if (status.type() != fs::file_type::directory) refuse_folder(folder, "it is not a folder");
  const bool empty = fs::is_empty(folder, error);
  if (error) refuse_folder(folder, error.message());
  if (!empty) refuse_folder(folder, "it is not empty, and nothing in it is overwritten");
}

void write(const fs::path& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) refuse_folder(path.parent_path(), error.message());
  File file = File::create(path);
  file.write_at(0, std::as_bytes(std::span(text)));
  file.close();
}

std::vector<std::string> next_commands(const NewOptions& options) {
  const std::string folder = options.folder.string();
  return {fmt::format("cmake -S {0} -B {0}/build", folder),
          fmt::format("cmake --build {}/build", folder),
          fmt::format("ctest --test-dir {}/build --output-on-failure", folder),
          fmt::format("detent plugins show {} --plugin-path {}/build", options.id, folder)};
}

}  // namespace

int plugins_new(const Globals& globals, NewOptions options) {
  if (std::ranges::find(all_kinds(), options.kind) == all_kinds().end())
    refuse_word("kind of plugin", options.kind, all_kinds());
  const Language& language = choose_language(options.lang, options.kind);
  check_name(options.name);
  if (options.id.empty()) options.id = "org.example." + options.name;
  check_id(options.id);
  check_vendor(options.vendor);
  if (options.folder.empty()) options.folder = options.name;
  require_empty(options.folder);

  json::Array written;
  std::string text;
  for (const NewFile& f : files_of(options, language)) {
    write(options.folder / f.path, f.text);
    written.emplace_back(f.path);
    text += fmt::format("  {}\n", f.path);
  }
  json::Array next;
  std::string commands;
  for (const std::string& command : next_commands(options)) {
    next.emplace_back(command);
    commands += fmt::format("  {}\n", command);
  }
  if (globals.json) {
    print_json(json::Object{{"folder", options.folder.string()},
                            {"kind", options.kind},
                            {"lang", options.lang},
                            {"id", options.id},
                            {"files", std::move(written)},
                            {"next", std::move(next)}});
  } else if (!globals.quiet) {
    print_text(fmt::format("{} {} in {}/\n{}next\n{}", options.kind, options.id,
                           printable(options.folder.string()), text, commands));
  }
  return 0;
}

}  // namespace detent::cli
