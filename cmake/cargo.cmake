# Builds the Rust crate with cargo and lays its libraries out as they are installed.
#
# Always a release build, whatever CMAKE_BUILD_TYPE says: the library is what a C or C++ program links,
# not what it debugs. SHMDS_CARGO_PROFILE=dev gives one with debug assertions.
#
# Reads, from the cache or from the environment when first configured: CARGO (the cargo command),
# RUSTFLAGS, CARGO_BUILD_TARGET. Where CMake compiles for another processor, that target and its linker follow
# from CMake's own. Sets SHMDS_LIB_DIR, defines the target shmds_cargo.
#
# Cargo runs in the source folder, so that a .cargo/config.toml there counts (vendored dependencies).

find_program(CARGO NAMES "$ENV{CARGO}" cargo HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" REQUIRED)
set(RUSTFLAGS "$ENV{RUSTFLAGS}" CACHE STRING "Flags that cargo gives to rustc")
set(shmds_target "$ENV{CARGO_BUILD_TARGET}")
if(CMAKE_CROSSCOMPILING AND CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT shmds_target)
  set(shmds_target "${CMAKE_SYSTEM_PROCESSOR}-unknown-linux-gnu")
endif()
set(CARGO_BUILD_TARGET "${shmds_target}" CACHE STRING "Target triple of Rust; empty: this machine's")
set(SHMDS_CARGO_PROFILE "release" CACHE STRING "Cargo profile of the library: release or dev")
set(SHMDS_CARGO_TARGET_DIR "${CMAKE_CURRENT_BINARY_DIR}/cargo" CACHE PATH "Folder of cargo's artefacts")

set(shmds_artefacts "${SHMDS_CARGO_TARGET_DIR}")
set(shmds_cargo_arguments
    rustc --locked --lib --profile "${SHMDS_CARGO_PROFILE}"
    --manifest-path "${PROJECT_SOURCE_DIR}/Cargo.toml" --target-dir "${SHMDS_CARGO_TARGET_DIR}")
if(CARGO_BUILD_TARGET)
  list(APPEND shmds_cargo_arguments --target "${CARGO_BUILD_TARGET}")
  string(APPEND shmds_artefacts "/${CARGO_BUILD_TARGET}")
endif()
if(SHMDS_CARGO_PROFILE STREQUAL "dev")
  string(APPEND shmds_artefacts "/debug")
else()
  string(APPEND shmds_artefacts "/${SHMDS_CARGO_PROFILE}")
endif()

set(SHMDS_LIB_DIR "${CMAKE_CURRENT_BINARY_DIR}/lib")
set(shmds_soname "libshmds.so.${PROJECT_VERSION_MAJOR}")
set(shmds_shared "libshmds.so.${PROJECT_VERSION}")
set(shmds_copy COMMAND "${CMAKE_COMMAND}" -E copy_if_different)
set(shmds_link COMMAND "${CMAKE_COMMAND}" -E create_symlink)

set(shmds_crate_types staticlib)
set(shmds_archive "${shmds_artefacts}/libshmds.a")
if(RUSTFLAGS MATCHES "linker-plugin-lto")
  # Bitcode: the linker that puts the program together has to see it as it is.
  set(shmds_stage ${shmds_copy} "${shmds_archive}" "${SHMDS_LIB_DIR}/libshmds.a")
else()
  set(shmds_stage
      COMMAND "${CMAKE_COMMAND}" "-DARCHIVE=${shmds_archive}" "-DOUTPUT=${SHMDS_LIB_DIR}/libshmds.a"
              "-DSYMBOLS=${PROJECT_SOURCE_DIR}/abi/symbols"
              "-DAR=${CMAKE_AR}" "-DLINKER=${CMAKE_LINKER}" "-DOBJCOPY=${CMAKE_OBJCOPY}"
              -P "${PROJECT_SOURCE_DIR}/cmake/archive.cmake")
endif()
set(shmds_libraries "${SHMDS_LIB_DIR}/libshmds.a")
if(BUILD_SHARED_LIBS)
  set(shmds_crate_types cdylib,staticlib)
  list(APPEND shmds_stage
       ${shmds_copy} "${shmds_artefacts}/libshmds.so" "${SHMDS_LIB_DIR}/${shmds_shared}"
       ${shmds_link} "${shmds_shared}" "${SHMDS_LIB_DIR}/${shmds_soname}"
       ${shmds_link} "${shmds_soname}" "${SHMDS_LIB_DIR}/libshmds.so")
  list(APPEND shmds_libraries
       "${SHMDS_LIB_DIR}/${shmds_shared}" "${SHMDS_LIB_DIR}/${shmds_soname}" "${SHMDS_LIB_DIR}/libshmds.so")
endif()

# What is called once in a while is worth its size, and no more: 25 instead of 225 keeps the library below its limit
# (scripts/package/size). The hot paths are marked for inlining in the sources.
set(shmds_rustc_arguments)
if(SHMDS_CARGO_PROFILE STREQUAL "release")
  set(shmds_rustc_arguments -- -Cllvm-args=-inline-threshold=25)
endif()

set(shmds_environment --unset=CARGO_BUILD_TARGET)
if(RUSTFLAGS)
  list(APPEND shmds_environment "RUSTFLAGS=${RUSTFLAGS}")
endif()
if(CMAKE_CROSSCOMPILING AND CARGO_BUILD_TARGET)
  string(REPLACE "-" "_" shmds_linker "CARGO_TARGET_${CARGO_BUILD_TARGET}_LINKER")
  string(TOUPPER "${shmds_linker}" shmds_linker)
  list(APPEND shmds_environment "${shmds_linker}=${CMAKE_C_COMPILER}")
endif()

# Cargo knows best what is out of date, so it runs on every build.
add_custom_target(shmds_cargo ALL
  COMMAND "${CMAKE_COMMAND}" -E make_directory "${SHMDS_LIB_DIR}"
  COMMAND "${CMAKE_COMMAND}" -E env ${shmds_environment}
          "${CARGO}" ${shmds_cargo_arguments} --crate-type "${shmds_crate_types}" ${shmds_rustc_arguments}
  ${shmds_stage}
  BYPRODUCTS ${shmds_libraries}
  WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
  COMMENT "Building libshmds with cargo"
  USES_TERMINAL VERBATIM)
