# Installs the libraries, the headers and the package files; nothing in them names the prefix.

include(CMakePackageConfigHelpers)
set(shmds_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake")

set(shmds_development ${shmds_libraries})
set(shmds_runtime ${shmds_libraries})
list(FILTER shmds_runtime INCLUDE REGEX "\\.so\\.")
list(FILTER shmds_development EXCLUDE REGEX "\\.so\\.")
install(FILES ${shmds_runtime} DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime)
if(BUILD_SHARED_LIBS)
  # `cmake --install --strip` and cpack strip targets; this library is a file to them.
  install(CODE "
    if(CMAKE_INSTALL_DO_STRIP)
      cmake_path(APPEND CMAKE_INSTALL_PREFIX \"${CMAKE_INSTALL_LIBDIR}\" \"${shmds_shared}\" OUTPUT_VARIABLE file)
      execute_process(COMMAND \"${CMAKE_STRIP}\" --strip-unneeded --remove-section=.comment \"\$ENV{DESTDIR}\${file}\" COMMAND_ERROR_IS_FATAL ANY)
    endif()" COMPONENT runtime)
endif()
install(FILES ${shmds_development} DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development)
install(DIRECTORY include/ cpp_wrapper/include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT development
        FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
if(NOT SHMDS_DEB)
  install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT runtime)
endif()

# find_package(shmds). Before 1.0 a minor version may break what the one before had.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(shmds_compatibility SameMinorVersion)
else()
  set(shmds_compatibility SameMajorVersion)
endif()
configure_package_config_file(
  cmake/shmdsConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/package/shmdsConfig.cmake"
  INSTALL_DESTINATION "${shmds_package_dir}/shmds"
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/package/shmdsConfigVersion.cmake"
  VERSION ${PROJECT_VERSION} COMPATIBILITY ${shmds_compatibility})
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/package/shmdsConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/package/shmdsConfigVersion.cmake"
  cmake/shmds-targets.cmake
  DESTINATION "${shmds_package_dir}/shmds" COMPONENT development)

# find_package(posix_shm), for build files written for the header-only library
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/package/posix_shmConfigVersion.cmake"
  VERSION 1.1.0 COMPATIBILITY SameMajorVersion)
install(FILES
  cmake/posix_shmConfig.cmake
  "${CMAKE_CURRENT_BINARY_DIR}/package/posix_shmConfigVersion.cmake"
  DESTINATION "${shmds_package_dir}/posix_shm" COMPONENT development)

# pkg-config. Paths count from the .pc file, so that the whole can be moved.
set(shmds_native_libs "-lgcc_s -lutil -lrt -lpthread -lm -ldl")
if(BUILD_SHARED_LIBS)
  set(shmds_pc_private "${shmds_native_libs}")
else()
  set(shmds_pc_public " ${shmds_native_libs}")
endif()
foreach(dir IN ITEMS LIBDIR INCLUDEDIR)
  set(shmds_pc_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
    set(shmds_pc_${dir} "${CMAKE_INSTALL_${dir}}")
  endif()
endforeach()
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(shmds_pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH shmds_pc_prefix "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
  string(REGEX REPLACE "/$" "" shmds_pc_prefix "\${pcfiledir}/${shmds_pc_prefix}")
endif()
configure_file(cmake/shmds.pc.in "${CMAKE_CURRENT_BINARY_DIR}/package/shmds.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/package/shmds.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT development)
