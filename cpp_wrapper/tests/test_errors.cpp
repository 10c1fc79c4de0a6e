// Failures as values: the factories without exceptions, and what they have in common
// with the constructors.
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_object_pool.h"
#include "shm_queue.h"
#include "shm_ring_buffer.h"
#include "shm_spsc_queue.h"
#include "support.hpp"

using test::failure_of;
using test::segment_name;

TEST_CASE("an error is a runtime_error with the status and the sentence", "[errors]") {
  const segment_name name;
  try {
    posix_shm absent(name);
    FAIL("there is no such segment");
  } catch (const std::runtime_error& error) {
    CHECK_THAT(error.what(), ContainsSubstring(name.str()));
    const auto* ours = dynamic_cast<const shmds::error*>(&error);
    REQUIRE(ours != nullptr);
    CHECK(ours->status() == SHMDS_E_NOT_FOUND);
  }
}

TEST_CASE("an error code keeps its sentence when later calls fail otherwise", "[errors]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  shmds_array* none = nullptr;
  const shmds_status status =
      shmds_array_open(shm.native_handle(), "first", sizeof(int), 0, 0, &none);
  const shmds::error_code code(status);
  CHECK(failure_of([&] { shm_array<int>(shm, "second"); }).status == SHMDS_E_NOT_FOUND);
  CHECK(code == SHMDS_E_NOT_FOUND);
  CHECK(code != SHMDS_OK);
  CHECK(code.status() == SHMDS_E_NOT_FOUND);
  CHECK_THAT(code.message(), ContainsSubstring("first"));
  const shmds::error error(code);
  CHECK(error.status() == code.status());
  CHECK(error.what() == code.message());
}

#ifdef __cpp_lib_expected

static_assert(noexcept(posix_shm::try_open(std::declval<const std::string&>(), 0,
                                           std::declval<const shmds::options&>())));
static_assert(noexcept(shm_array<int>::try_create(std::declval<posix_shm&>(), "name", 1)));
static_assert(std::is_same_v<decltype(posix_shm::try_open("name")),
                             std::expected<posix_shm, shmds::error_code>>);

TEST_CASE("a segment is created and opened without exceptions", "[errors]") {
  const segment_name name;
  const auto absent = posix_shm::try_open(name);
  REQUIRE_FALSE(absent.has_value());
  CHECK(absent.error() == SHMDS_E_NOT_FOUND);
  CHECK_THAT(absent.error().message(), ContainsSubstring(name.str()));

  auto created = posix_shm::try_create(name, 1000, {.max_attachments = 4});
  REQUIRE(created.has_value());
  CHECK(created->get_total_size() == 1000);
  const auto again = posix_shm::try_create(name, 1000);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error() == SHMDS_E_EXISTS);

  const auto opened = posix_shm::try_open(name);
  REQUIRE(opened.has_value());
  CHECK(created->get_ref_count() == 2);
  const auto larger = posix_shm::try_open(name, 2000);
  REQUIRE_FALSE(larger.has_value());
  CHECK(larger.error() == SHMDS_E_SIZE);
  CHECK(posix_shm::try_open_or_create(name, 10).has_value());
  const auto other = posix_shm_large::try_open(name);
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error() == SHMDS_E_GEOMETRY);
  CHECK(created->get_ref_count() == 2);
}

TEMPLATE_TEST_CASE("structures are created and opened without exceptions", "[errors]",
                   shm_array<int>, shm_queue<int>, shm_spsc_queue<int>, shm_object_pool<int>,
                   shm_ring_buffer<int>) {
  const segment_name name;
  posix_shm shm(name, 1000);
  const auto absent = TestType::try_open(shm, "one");
  REQUIRE_FALSE(absent.has_value());
  CHECK(absent.error() == SHMDS_E_NOT_FOUND);
  CHECK_THAT(absent.error().message(), ContainsSubstring("one"));

  CHECK(TestType::try_create(shm, "one", 10).has_value());
  const auto again = TestType::try_create(shm, "one", 10);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error() == SHMDS_E_EXISTS);
  CHECK(TestType::try_open(shm, "one").has_value());
  CHECK(TestType::try_open(shm, "one", 10).has_value());
  CHECK(TestType::try_open_or_create(shm, "one", 10).has_value());
  const auto other = TestType::try_open_or_create(shm, "one", 11);
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error() == SHMDS_E_MISMATCH);
  const auto large = TestType::try_open_or_create(shm, "large", 1000);
  REQUIRE_FALSE(large.has_value());
  CHECK(large.error() == SHMDS_E_SEGMENT_FULL);
  CHECK(TestType::try_create(shm, "nothing", 0).error() == SHMDS_E_CAPACITY);
}

TEST_CASE("an atomic is created and opened without exceptions", "[errors]") {
  const segment_name name;
  posix_shm shm(name, 1000);
  CHECK(shm_atomic<int>::try_open(shm, "one").error() == SHMDS_E_NOT_FOUND);
  auto one = shm_atomic<int>::try_create(shm, "one", 5);
  REQUIRE(one.has_value());
  CHECK(one->load() == 5);
  CHECK(shm_atomic<int>::try_create(shm, "one", 6).error() == SHMDS_E_EXISTS);
  CHECK(shm_atomic<int>::try_open_or_create(shm, "one", 7)->load() == 5);
  CHECK(shm_atomic<int>::try_open(shm, "one")->load() == 5);
  CHECK(shm_atomic<char>::try_open(shm, "one").error() == SHMDS_E_MISMATCH);
  CHECK(shm_array<int>::try_open(shm, "one").error() == SHMDS_E_KIND);
}

#endif
