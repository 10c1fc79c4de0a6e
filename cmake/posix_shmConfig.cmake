include(CMakeFindDependencyMacro)
find_dependency(shmds CONFIG PATHS "${CMAKE_CURRENT_LIST_DIR}/../shmds" NO_DEFAULT_PATH)
