// See checked_mixed.cpp.
#ifndef SHMDS_TESTS_CHECKED_HPP
#define SHMDS_TESTS_CHECKED_HPP

#include <cstddef>

#include "shm_array.h"

int read_checked(const shm_array<int>& array, size_t index);
int read_unchecked(const shm_array<int>& array, size_t index);
int span_checked(const shm_span<int, posix_shm>& span, size_t index);
int span_unchecked(const shm_span<int, posix_shm>& span, size_t index);

#endif
