// See checked_mixed.cpp.
#define SHMDS_CHECKED 1
#include "checked.hpp"

int read_checked(const shm_array<int>& array, size_t index) {
  return array[index];
}
int span_checked(const shm_span<int, posix_shm>& span, size_t index) {
  return span[index];
}
