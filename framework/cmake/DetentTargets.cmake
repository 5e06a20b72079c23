# detent_target(<target>): what every C++ target of this repository needs, and nothing global: no
# include_directories, no add_compile_options, no CMAKE_CXX_FLAGS.
function(detent_target target)
  target_compile_features(${target} PRIVATE cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CXX_VISIBILITY_PRESET hidden
                                             VISIBILITY_INLINES_HIDDEN ON
                                             POSITION_INDEPENDENT_CODE ON)
  # No fast-math, and no contraction: a fused multiply-add gives other bits than mul and add.
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                           -Wnon-virtual-dtor -ffp-contract=off
                                           $<$<BOOL:${DETENT_WERROR}>:-Werror>)
  # gcc 12 warns of std::string's own code at -O3 (its bug 105651); later releases do not.
  set(old_gcc $<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>)
  target_compile_options(${target} PRIVATE $<${old_gcc}:-Wno-restrict>)
endfunction()
