# cmake -DROOT=<sdk> -DOUT=<file.cpp> -DFILES=<path;...> -P embed_templates.cmake
#
# The files as one C++ source: `detent plugins new` carries them, so it needs no installed templates.
set(entries "")
foreach(path IN LISTS FILES)
  file(READ "${ROOT}/${path}" text)
  if(text MATCHES "\\)~file\"")
    message(FATAL_ERROR "${path} holds the delimiter of its own embedding")
  endif()
  string(APPEND entries "    {\"${path}\", R\"~file(${text})~file\"},\n")
endforeach()
set(source "#include \"cli/templates.hpp\"\n\nnamespace detent::cli {\n\n")
string(APPEND source "std::span<const TemplateFile> template_files() {\n")
string(APPEND source "  static constexpr TemplateFile kFiles[] = {\n${entries}  };\n  return kFiles;\n}\n\n")
string(APPEND source "}  // namespace detent::cli\n")
file(WRITE "${OUT}" "${source}")
