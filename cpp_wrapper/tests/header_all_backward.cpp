// See header_all_forward.cpp.
// clang-format off
#include "shm_table.h"
#include "shm_spsc_queue.h"
#include "shm_span.h"
#include "shm_simd_utils.h"
#include "shm_queue.h"
#include "shm_object_pool.h"
#include "shm_atomic.h"
#include "shm_array.h"
#include "posix_shm.h"
// clang-format on

#include "catch.hpp"
#include "header_all.hpp"
#include "support.hpp"

TEST_CASE("two translation units share one definition of everything", "[headers]") {
  const test::segment_name name;
  posix_shm shm(name, 1000);
  shm_array<int> array(shm, "array", 1);
  array[0] = 5;
  CHECK(array_through_one_unit(shm) == 5);
}
