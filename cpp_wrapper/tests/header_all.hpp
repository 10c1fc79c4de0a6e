#ifndef SHMDS_TESTS_HEADER_ALL_HPP
#define SHMDS_TESTS_HEADER_ALL_HPP

#include "posix_shm.h"

// The first element of the array "array", read by header_all_forward.cpp.
int array_through_one_unit(posix_shm& shm);

#endif
