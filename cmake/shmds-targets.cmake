# The targets that programs link with. The source tree and an installed package define the same ones from here:
#
#   shmds::shmds         the C library: shared, or static in a build with BUILD_SHARED_LIBS=OFF
#   shmds::shmds_static  the C library, static
#   shmds::cpp           the C++ headers over shmds::shmds
#   shmds::cpp_static    the C++ headers over shmds::shmds_static
#   posix_shm::posix_shm the name that old build files know shmds::cpp by

# shmds_define_targets([SCOPE GLOBAL] LIB_DIR dir INCLUDE_DIRS dir... VERSION x.y.z SHARED bool)
function(shmds_define_targets)
  cmake_parse_arguments(arg "" "SCOPE;LIB_DIR;VERSION;SHARED" "INCLUDE_DIRS" ${ARGN})
  if(TARGET shmds::shmds)
    return()
  endif()
  string(REGEX REPLACE "\\..*" "" major "${arg_VERSION}")

  add_library(shmds::shmds_static STATIC IMPORTED ${arg_SCOPE})
  set_target_properties(shmds::shmds_static PROPERTIES
    IMPORTED_LOCATION "${arg_LIB_DIR}/libshmds.a"
    IMPORTED_LINK_INTERFACE_LANGUAGES C
    # What `cargo rustc -- --print native-static-libs` names; the C library comes by itself.
    INTERFACE_LINK_LIBRARIES "gcc_s;util;rt;pthread;m;dl"
    INTERFACE_INCLUDE_DIRECTORIES "${arg_INCLUDE_DIRS}")

  if(arg_SHARED)
    add_library(shmds::shmds SHARED IMPORTED ${arg_SCOPE})
    set_target_properties(shmds::shmds PROPERTIES
      IMPORTED_LOCATION "${arg_LIB_DIR}/libshmds.so.${arg_VERSION}"
      IMPORTED_SONAME "libshmds.so.${major}"
      INTERFACE_INCLUDE_DIRECTORIES "${arg_INCLUDE_DIRS}")
  else()
    add_library(shmds::shmds INTERFACE IMPORTED ${arg_SCOPE})
    set_target_properties(shmds::shmds PROPERTIES INTERFACE_LINK_LIBRARIES shmds::shmds_static)
  endif()

  foreach(pair IN ITEMS "shmds::cpp shmds::shmds" "shmds::cpp_static shmds::shmds_static"
                        "posix_shm::posix_shm shmds::cpp")
    string(REPLACE " " ";" pair "${pair}")
    list(GET pair 0 name)
    list(GET pair 1 base)
    add_library(${name} INTERFACE IMPORTED ${arg_SCOPE})
    set_target_properties(${name} PROPERTIES
      INTERFACE_LINK_LIBRARIES ${base}
      INTERFACE_COMPILE_FEATURES cxx_std_23)
  endforeach()
endfunction()
