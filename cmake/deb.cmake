# Debian packages of the library, through `cpack`: libshmds0 to run programs, libshmds-dev to build them.
#
#   cmake -B build/deb -DSHMDS_DEB=ON -DBUILD_TESTING=OFF -DCMAKE_INSTALL_PREFIX=/usr
#   cmake --build build/deb && (cd build/deb && cpack)
#
# scripts/package/deb builds, inspects and uses them.

set(shmds_deb "${CMAKE_CURRENT_BINARY_DIR}/deb")
set(shmds_deb_revision 1)
set(shmds_deb_runtime "libshmds${PROJECT_VERSION_MAJOR}")
set(shmds_deb_development libshmds-dev)
set(shmds_deb_maintainer "libshmds contributors <maintainers@libshmds.example>"
    CACHE STRING "Who the Debian packages name as their maintainer")

# ---- what Debian wants beside the files of the library

string(TIMESTAMP shmds_deb_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(cmake/deb/changelog.in "${shmds_deb}/changelog" @ONLY)
file(READ "${PROJECT_SOURCE_DIR}/LICENSE" shmds_license)
string(REGEX REPLACE "^MIT License\n+[^\n]*\n+" "" shmds_license "${shmds_license}")
string(REGEX REPLACE "\n\n" "\n.\n" shmds_license "${shmds_license}")
string(REGEX REPLACE "\n$" "" shmds_license "${shmds_license}")
string(REGEX REPLACE "\n" "\n " shmds_license " ${shmds_license}")
configure_file(cmake/deb/copyright.in "${shmds_deb}/copyright" @ONLY)
file(WRITE "${shmds_deb}/triggers" "activate-noawait ldconfig\n")
file(WRITE "${shmds_deb}/shlibs" "libshmds ${PROJECT_VERSION_MAJOR} ${shmds_deb_runtime} (>= ${PROJECT_VERSION})\n")
foreach(pair IN ITEMS "${shmds_deb}/changelog changelog.Debian.gz" "${PROJECT_SOURCE_DIR}/CHANGELOG.md changelog.gz")
  string(REPLACE " " ";" pair "${pair}")
  list(GET pair 0 from)
  list(GET pair 1 to)
  execute_process(COMMAND gzip -9nc "${from}" OUTPUT_FILE "${shmds_deb}/${to}" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
foreach(component IN ITEMS runtime development)
  install(FILES "${shmds_deb}/copyright" "${shmds_deb}/changelog.Debian.gz" "${shmds_deb}/changelog.gz"
          DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/${shmds_deb_${component}}" COMPONENT ${component})
endforeach()

# ---- cpack

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME shmds)
set(CPACK_PACKAGE_CONTACT "${shmds_deb_maintainer}")
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${shmds_deb_revision})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME "${shmds_deb_runtime}")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA "${shmds_deb}/triggers;${shmds_deb}/shlibs")
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "lock-free data structures in POSIX shared memory
Named, typed structures in shared memory, for programs in C and C++: several
processes on one machine share state at memory speed, and any of them may be
killed at any instruction without hurting the others.
.
This package has the shared library.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME "${shmds_deb_development}")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "${shmds_deb_runtime} (= ${PROJECT_VERSION}-${shmds_deb_revision}), libc6-dev, libgcc-12-dev | libgcc-dev")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "lock-free data structures in POSIX shared memory (development files)
Named, typed structures in shared memory, for programs in C and C++: several
processes on one machine share state at memory speed, and any of them may be
killed at any instruction without hurting the others.
.
This package has the headers for C and C++, the static library, and the files
that CMake and pkg-config read.")

include(CPack)
