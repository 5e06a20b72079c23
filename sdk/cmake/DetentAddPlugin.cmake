# detent_add_plugin(<name> SOURCES <file>... [LINK <target>...])
#
# A loadable module <name>.detent.so that exports detent_entry and nothing else. In-tree plugins and
# those of other people are built by this same function.
function(detent_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "detent_add_plugin(${name}): SOURCES is missing")
  endif()
  add_library(${name} MODULE ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE detent::sdk ${arg_LINK})
  set_target_properties(${name} PROPERTIES PREFIX "" C_VISIBILITY_PRESET hidden
                                           CXX_VISIBILITY_PRESET hidden
                                           VISIBILITY_INLINES_HIDDEN ON)
  if(APPLE)
    set_target_properties(${name} PROPERTIES SUFFIX ".detent.dylib")
    target_link_options(${name} PRIVATE "LINKER:-exported_symbol,_detent_entry")
  elseif(WIN32)
    set_target_properties(${name} PROPERTIES SUFFIX ".detent.dll")
  else()
    set_target_properties(${name} PROPERTIES SUFFIX ".detent.so")
    target_link_libraries(${name} PRIVATE m) # detent/c.h rounds; in C++ it comes by itself
    # -fvisibility=hidden does not hide instantiations of std:: templates, and a host's copy of one
    # would be executed instead of the plugin's; the version script hides them.
    set(map "${CMAKE_CURRENT_BINARY_DIR}/${name}.map")
    file(WRITE "${map}" "{ global: detent_entry; local: *; };\n")
    target_link_options(${name} PRIVATE "LINKER:--version-script=${map}" "LINKER:-z,now")
    if(NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize" AND NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
      target_link_options(${name} PRIVATE "LINKER:-z,defs") # a sanitizer's symbols come from the host
    endif()
  endif()
  # At link time gcc < 13 adds crtfastmath.o for it: dlopen then flushes denormals of the whole thread.
  if("${CMAKE_CXX_FLAGS} ${CMAKE_C_FLAGS}" MATCHES "-ffast-math|-Ofast")
    message(WARNING "detent_add_plugin(${name}): -ffast-math changes the arithmetic of the host that "
                    "loads the plugin; use -fno-math-errno -fno-trapping-math instead")
  endif()
endfunction()
