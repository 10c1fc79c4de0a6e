// Two translation units of one program include every header, in opposite orders.
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_object_pool.h"
#include "shm_queue.h"
#include "shm_simd_utils.h"
#include "shm_span.h"
#include "shm_spsc_queue.h"
#include "shm_table.h"

#include "header_all.hpp"

int array_through_one_unit(posix_shm& shm) {
  return shm_array<int>(shm, "array")[0];
}
