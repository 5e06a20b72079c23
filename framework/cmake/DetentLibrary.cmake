# libdetent: the framework for programs that embed it; once installed it is called detent::framework.
#
# Shared, and exports the API alone. What it is made of (Boost.JSON, fmt, OpenSSL, zlib) is nothing a
# program that uses it has to find, and meets no other copy of it in that program; and the library
# knows where it lies, so the plugins beside it are found after the installation was moved.
add_library(detent_library SHARED $<TARGET_OBJECTS:detent_framework>)
detent_target(detent_library)
target_include_directories(detent_library INTERFACE $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
                                                    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(detent_library INTERFACE cxx_std_20)
target_link_libraries(
  detent_library
  PUBLIC detent_sdk
  PRIVATE detent::kernels fmt::fmt Threads::Threads Boost::json OpenSSL::Crypto ZLIB::ZLIB ${CMAKE_DL_LIBS})
# While the major is 0, a minor may break.
set_target_properties(
  detent_library
  PROPERTIES OUTPUT_NAME detent
             EXPORT_NAME framework
             VERSION ${PROJECT_VERSION}
             SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
             LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

install(TARGETS detent_library EXPORT detentFrameworkTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT framework NAMELINK_COMPONENT framework)
install(EXPORT detentFrameworkTargets NAMESPACE detent::
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/detent COMPONENT framework)
install(FILES ${CMAKE_CURRENT_SOURCE_DIR}/include/detent/detent.hpp
              ${CMAKE_CURRENT_SOURCE_DIR}/include/detent/error.hpp
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/detent COMPONENT framework)
if(DETENT_WITH_TORCH) # it needs detent/torch.hpp
  install(FILES ${CMAKE_CURRENT_SOURCE_DIR}/include/detent/torch_module.hpp
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/detent COMPONENT framework)
endif()
