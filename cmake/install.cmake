# Installs the libraries, the headers and the package files; nothing in them names the prefix.

include(CMakePackageConfigHelpers)
set(shmds_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake")

install(FILES ${shmds_libraries} DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES include/shmds.h include/shmds_inline.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(DIRECTORY cpp_wrapper/include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# find_package(shmds)
configure_package_config_file(
  cmake/shmdsConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/package/shmdsConfig.cmake"
  INSTALL_DESTINATION "${shmds_package_dir}/shmds"
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/package/shmdsConfigVersion.cmake"
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/package/shmdsConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/package/shmdsConfigVersion.cmake"
  cmake/shmds-targets.cmake
  DESTINATION "${shmds_package_dir}/shmds")

# find_package(posix_shm), for build files written for the header-only library
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/package/posix_shmConfigVersion.cmake"
  VERSION 1.1.0 COMPATIBILITY SameMajorVersion)
install(FILES
  cmake/posix_shmConfig.cmake
  "${CMAKE_CURRENT_BINARY_DIR}/package/posix_shmConfigVersion.cmake"
  DESTINATION "${shmds_package_dir}/posix_shm")

# pkg-config
set(shmds_native_libs "-lgcc_s -lutil -lrt -lpthread -lm -ldl")
if(BUILD_SHARED_LIBS)
  set(shmds_pc_private "${shmds_native_libs}")
else()
  set(shmds_pc_public " ${shmds_native_libs}")
endif()
file(RELATIVE_PATH shmds_pc_prefix
     "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
string(REGEX REPLACE "/$" "" shmds_pc_prefix "${shmds_pc_prefix}")
configure_file(cmake/shmds.pc.in "${CMAKE_CURRENT_BINARY_DIR}/package/shmds.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/package/shmds.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
