#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "posix_shm.h"
#include "shm_array.h"
#include "shm_queue.h"
#include "support.hpp"

using test::failure_of;
using test::segment_name;

static_assert(std::is_same_v<posix_shm, posix_shm_impl<shm_table>>);
static_assert(std::is_same_v<posix_shm::table_type, shm_table>);
static_assert(std::is_same_v<posix_shm_small::table_type, shm_table_small>);
static_assert(std::is_same_v<posix_shm_large::table_type, shm_table_large>);
static_assert(std::is_same_v<posix_shm_huge::table_type, shm_table_huge>);
static_assert(!std::is_copy_constructible_v<posix_shm> && !std::is_copy_assignable_v<posix_shm>);
static_assert(std::is_nothrow_move_constructible_v<posix_shm>);
static_assert(std::is_nothrow_move_assignable_v<posix_shm>);
static_assert(std::is_base_of_v<std::runtime_error, shmds::error>);

namespace {

// Permission bits that files get regardless of the caller's umask.
struct open_umask {
  open_umask() : before(umask(0)) {}
  ~open_umask() { umask(before); }
  mode_t before;
};

mode_t mode_of(const segment_name& name) {
  struct stat status{};
  REQUIRE(stat(name.path().c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

// A file in the place of a segment that libshmds did not make.
void write_foreign(const segment_name& name, size_t bytes) {
  const int file = shm_open(("/" + name.str()).c_str(), O_CREAT | O_RDWR, 0600);
  REQUIRE(file >= 0);
  const std::string junk(bytes, 'x');
  REQUIRE(write(file, junk.data(), junk.size()) == static_cast<ssize_t>(junk.size()));
  close(file);
}

}  // namespace

TEMPLATE_TEST_CASE("every attacher sees the size given at creation", "[segment]", posix_shm_small,
                   posix_shm, posix_shm_large, posix_shm_huge) {
  const segment_name name;
  const size_t size = GENERATE(as<size_t>{}, 1, 1000, 4096, 1'000'003);
  TestType creator(name, size);
  TestType by_name(name);
  TestType by_size(name, 1);
  CHECK(creator.get_total_size() == size);
  CHECK(by_name.get_total_size() == size);
  CHECK(by_size.get_total_size() == size);
}

TEST_CASE("a name with a slash and without is one segment", "[segment]") {
  const segment_name name;
  posix_shm plain(name, 1024);
  posix_shm slashed("/" + name.str());
  shm_array<int> written(plain, "numbers", 4);
  written[3] = 7;
  CHECK(shm_array<int>(slashed, "numbers")[3] == 7);
  CHECK(slashed.get_ref_count() == 2);
  CHECK(slashed.unlink());
  CHECK_FALSE(plain.unlink());
}

TEST_CASE("attaching to an absent segment throws and creates nothing", "[segment]") {
  const segment_name name;
  REQUIRE_THROWS_AS(posix_shm(name), std::runtime_error);
  const auto failure = failure_of([&] { posix_shm shm(name); });
  CHECK(failure.status == SHMDS_E_NOT_FOUND);
  CHECK_THAT(failure.what, ContainsSubstring(name.str()));
  CHECK_FALSE(std::filesystem::exists(name.path()));
}

TEST_CASE("a name that cannot be one is refused", "[segment]") {
  const auto status = [](const std::string& name) {
    return failure_of([&] { posix_shm shm(name, 64); }).status;
  };
  CHECK(status("") == SHMDS_E_NAME_EMPTY);
  CHECK(status("/") == SHMDS_E_NAME_EMPTY);
  CHECK(status("a/b") == SHMDS_E_NAME_INVALID);
  CHECK(status("..") == SHMDS_E_NAME_INVALID);
  CHECK(status(std::string(300, 'n')) == SHMDS_E_NAME_TOO_LONG);
}

TEST_CASE("contents persist while nobody is attached, until the unlink", "[segment]") {
  const segment_name name;
  {
    posix_shm shm(name, 1024);
    shm_array<int>(shm, "numbers", 3).fill(5);
  }
  {
    posix_shm shm(name);
    CHECK(shm.get_ref_count() == 1);
    CHECK(shm_array<int>(shm, "numbers")[2] == 5);
    CHECK(shm.unlink());
  }
  CHECK(failure_of([&] { posix_shm shm(name); }).status == SHMDS_E_NOT_FOUND);
}

TEST_CASE("whoever is attached goes on after the unlink", "[segment]") {
  const segment_name name;
  posix_shm first(name, 1024);
  posix_shm second(name);
  shm_queue<int> queue(first, "queue", 4);
  REQUIRE(first.unlink());
  CHECK_FALSE(second.unlink());
  CHECK(queue.enqueue(1));
  CHECK(shm_queue<int>(second, "queue").dequeue() == 1);
  CHECK(shm_array<int>(second, "later", 2).size() == 2);
  CHECK(first.get_ref_count() == 2);

  posix_shm fresh(name, 64);
  CHECK(fresh.get_ref_count() == 1);
  CHECK_FALSE(shm_queue<int>::exists(fresh, "queue"));
}

TEST_CASE("two objects in one process count as two references", "[segment]") {
  const segment_name name;
  posix_shm first(name, 64);
  CHECK(first.get_ref_count() == 1);
  {
    const posix_shm second(name);
    CHECK(first.get_ref_count() == 2);
    CHECK(second.get_ref_count() == 2);
  }
  CHECK(first.get_ref_count() == 1);
}

TEST_CASE("moving an object moves its reference", "[segment]") {
  const segment_name name;
  const segment_name other_name;
  posix_shm first(name, 64);
  void* const base = first.get_base_addr();
  posix_shm moved(std::move(first));
  CHECK(moved.get_base_addr() == base);
  CHECK(moved.get_ref_count() == 1);

  posix_shm watcher(other_name, 128);
  {
    posix_shm target(other_name);
    CHECK(watcher.get_ref_count() == 2);
    target = std::move(moved);
    CHECK(watcher.get_ref_count() == 1);
    CHECK(target.get_total_size() == 64);
    posix_shm& same = target;
    target = std::move(same);
    CHECK(target.get_total_size() == 64);
    std::vector<posix_shm> kept;
    kept.push_back(std::move(target));
    kept.emplace_back(name);
    CHECK(kept.front().get_ref_count() == 2);
  }
  CHECK(posix_shm(name).get_ref_count() == 1);
}

TEST_CASE("the base address is the table's", "[segment]") {
  const segment_name name;
  posix_shm shm(name, 1024);
  const posix_shm& constant = shm;
  CHECK(shm.get_base_addr() == shm.get_table());
  CHECK(constant.get_table() == shm.get_table());
  CHECK(reinterpret_cast<std::uintptr_t>(shm.get_base_addr()) % 64 == 0);
  shm_array<double> array(shm, "array", 10);
  const auto* table = static_cast<shm_table*>(shm.get_base_addr());
  const auto* entry = table->find("array");
  REQUIRE(entry != nullptr);
  CHECK(static_cast<char*>(shm.get_base_addr()) + entry->offset ==
        reinterpret_cast<char*>(array.data()));
  CHECK(entry->active);
  CHECK(entry->elem_size == sizeof(double));
  CHECK(entry->num_elem == 10);
  CHECK(std::string(entry->name.data()) == "array");
}

TEST_CASE("capacity tells what is left", "[segment]") {
  const segment_name name;
  posix_shm_small shm(name, 1000);
  const auto before = shm.get_capacity();
  CHECK(before.available_memory == 1000);
  CHECK(before.available_entries == 16);
  CHECK(before.max_entries == 16);
  CHECK(before.can_allocate(1000));
  CHECK_FALSE(before.can_allocate(1001));

  shm_array<int, shm_table_small> numbers(shm, "numbers", 100);
  shm_queue<char, shm_table_small> letters(shm, "letters", 50);
  const auto after = shm.get_capacity();
  CHECK(after.available_memory == 550);
  CHECK(after.available_entries == 14);
  CHECK(after.max_entries == 16);

  for (int i = 0; i < 14; ++i) {
    shm_array<char, shm_table_small> one(shm, "a" + std::to_string(i), 1);
  }
  CHECK(shm.get_capacity().available_entries == 0);
  CHECK_FALSE(shm.get_capacity().can_allocate(1));
}

TEST_CASE("a segment smaller than asked is an error with both sizes", "[segment]") {
  const segment_name name;
  posix_shm shm(name, 1111);
  const auto failure = failure_of([&] { posix_shm larger(name, 2222); });
  CHECK(failure.status == SHMDS_E_SIZE);
  CHECK_THAT(failure.what, ContainsSubstring("1111"));
  CHECK_THAT(failure.what, ContainsSubstring("2222"));
  CHECK(posix_shm(name, 1000).get_total_size() == 1111);
  CHECK(shm.get_ref_count() == 1);
}

TEST_CASE("another table type is an error with both geometries", "[segment]") {
  const segment_name name;
  posix_shm_large shm(name, 1000);
  for (const size_t size : {size_t{0}, size_t{1000}}) {
    const auto failure = failure_of([&] { posix_shm_small other(name, size); });
    CHECK(failure.status == SHMDS_E_GEOMETRY);
    CHECK_THAT(failure.what, ContainsSubstring("64"));
    CHECK_THAT(failure.what, ContainsSubstring("256"));
    CHECK_THAT(failure.what, ContainsSubstring("16"));
  }
  CHECK(shm.get_ref_count() == 1);
}

TEST_CASE("what is no segment of ours is refused", "[segment]") {
  const segment_name name;
  write_foreign(name, 100'000);
  for (const size_t size : {size_t{0}, size_t{1000}}) {
    const auto failure = failure_of([&] { posix_shm shm(name, size); });
    CHECK(failure.status == SHMDS_E_FOREIGN);
    CHECK_THAT(failure.what, ContainsSubstring(name.str()));
  }
}

TEST_CASE("segments are private unless a mode is given", "[segment]") {
  const open_umask no_mask;
  const segment_name plain;
  const segment_name group;
  posix_shm by_default(plain, 64);
  posix_shm by_option(group, 64, {.mode = 0660});
  CHECK(mode_of(plain) == 0600);
  CHECK(mode_of(group) == 0660);
}

TEST_CASE("a commit takes all memory at creation", "[segment]") {
  const size_t size = 1 << 20;
  const segment_name lazy_name;
  const segment_name committed_name;
  posix_shm lazy(lazy_name, size);
  posix_shm committed(committed_name, size, {.commit = true});
  const auto allocated = [](const segment_name& name) {
    struct stat status{};
    REQUIRE(stat(name.path().c_str(), &status) == 0);
    return static_cast<size_t>(status.st_blocks) * 512;
  };
  CHECK(allocated(lazy_name) < size);
  CHECK(allocated(committed_name) >= size);
}

TEST_CASE("attachments are limited by the option", "[segment]") {
  const segment_name name;
  posix_shm first(name, 64, {.max_attachments = 2});
  {
    posix_shm second(name);
    const auto failure = failure_of([&] { posix_shm third(name); });
    CHECK(failure.status == SHMDS_E_ATTACHMENTS);
    CHECK_THAT(failure.what, ContainsSubstring("2"));
  }
  CHECK(posix_shm(name).get_ref_count() == 2);
}

TEST_CASE("a guarded attachment says that its memory is gone", "[segment]") {
  const segment_name name;
  test::child worker([&] {
    posix_shm shm(name, 1 << 16, {.guard = true});
    const shm_queue<int> queue(shm, "queue", 8);
    std::filesystem::resize_file("/dev/shm/" + std::string(name), 4096);
    // One of them touches what is gone, and all from then on say so.
    static_cast<void>(failure_of([&] { shm_queue<int>(shm, "queue", 8); }));
    const auto failure = failure_of([&] { shm_queue<int>(shm, "queue", 8); });
    return failure.status == SHMDS_E_TRUNCATED && failure.what.contains("truncated");
  });
  CHECK(worker.wait() == 0);
}

TEST_CASE("a read-only attachment reads, and neither writes nor counts", "[segment]") {
  const segment_name name;
  posix_shm shm(name, 1024);
  shm_array<int> written(shm, "numbers", 3);
  written[1] = 42;

  posix_shm reader(name, 0, {.read_only = true});
  CHECK(reader.get_ref_count() == 1);
  CHECK(shm.get_ref_count() == 1);
  const shm_array<int> seen(reader, "numbers");
  CHECK(seen[1] == 42);
  CHECK(shm_array<int>(reader, "numbers", 3)[1] == 42);
  CHECK(failure_of([&] { shm_array<int>(reader, "more", 3); }).status == SHMDS_E_READ_ONLY);
  CHECK(failure_of([&] { shm_array<int>(reader, "more"); }).status == SHMDS_E_NOT_FOUND);
  CHECK_FALSE(reader.get_table()->add("raw", 0, 0));
  CHECK_FALSE(reader.get_table()->erase("numbers"));
  CHECK(reader.get_capacity().available_entries == 63);

  CHECK(failure_of([&] { posix_shm larger(name, 1025, {.read_only = true}); }).status ==
        SHMDS_E_SIZE);
  const segment_name absent;
  CHECK(failure_of([&] { posix_shm none(absent, 64, {.read_only = true}); }).status ==
        SHMDS_E_NOT_FOUND);
}

TEST_CASE("a structure that does not fit is an error and changes nothing", "[segment]") {
  const segment_name name;
  posix_shm shm(name, 1024);
  const auto failure = failure_of([&] { shm_array<double>(shm, "big", 10'000); });
  CHECK(failure.status == SHMDS_E_SEGMENT_FULL);
  CHECK_THAT(failure.what, ContainsSubstring("big"));
  CHECK_THAT(failure.what, ContainsSubstring("80000"));
  CHECK_THAT(failure.what, ContainsSubstring("1024"));
  CHECK(failure_of([&] { shm_queue<double>(shm, "big", 10'000); }).status == SHMDS_E_SEGMENT_FULL);
  CHECK(failure_of([&] { shm_array<double>(shm, "big", SIZE_MAX / 4); }).status < 0);
  CHECK(shm.get_table()->find("big") == nullptr);
  CHECK(shm.get_table()->get_entry_count() == 0);
  CHECK(shm.get_capacity().available_memory == 1024);
  CHECK(shm_array<char>(shm, "all", 1024).size() == 1024);
}

TEST_CASE("payload fills a segment to its last byte", "[segment]") {
  const segment_name name;
  posix_shm shm(name, 1001);
  shm_array<char> first(shm, "first", 400);
  shm_queue<int> second(shm, "second", 100);
  shm_array<char> third(shm, "third", 201);
  CHECK(shm.get_capacity().available_memory == 0);
  CHECK(failure_of([&] { shm_array<char>(shm, "fourth", 1); }).status == SHMDS_E_SEGMENT_FULL);

  first.fill('1');
  third.fill('3');
  for (int i = 0; i < 100; ++i)
    CHECK(second.enqueue(i));
  CHECK(std::ranges::count(first, '1') == 400);
  CHECK(std::ranges::count(third, '3') == 201);
  for (int i = 0; i < 100; ++i)
    CHECK(second.dequeue() == i);
}

TEST_CASE("as many tiny structures fit as the table has entries", "[segment]") {
  const segment_name name;
  posix_shm shm(name, 64);
  std::vector<shm_array<char>> arrays;
  std::vector<shm_queue<unsigned char>> queues;
  for (int i = 0; i < 32; ++i) {
    arrays.emplace_back(shm, "array" + std::to_string(i), 1)[0] = static_cast<char>(i);
    CHECK(queues.emplace_back(shm, "queue" + std::to_string(i), 1)
              .enqueue(static_cast<unsigned char>(100 + i)));
  }
  for (int i = 0; i < 32; ++i) {
    const auto at = static_cast<size_t>(i);
    CHECK(arrays[at][0] == i);
    CHECK(reinterpret_cast<std::uintptr_t>(arrays[at].data()) % 64 == 0);
    CHECK(queues[at].full());
    CHECK(queues[at].dequeue() == 100 + i);
  }
  const auto failure = failure_of([&] { shm_array<char>(shm, "one more", 1); });
  CHECK((failure.status == SHMDS_E_TABLE_FULL || failure.status == SHMDS_E_SEGMENT_FULL));
}

TEST_CASE("a full table is an error that changes nothing", "[segment]") {
  const segment_name name;
  posix_shm_small shm(name, 10'000);
  for (int i = 0; i < 16; ++i) {
    shm_array<char, shm_table_small> one(shm, "a" + std::to_string(i), 1);
  }
  const auto memory = shm.get_capacity().available_memory;
  const auto failure = failure_of([&] { shm_array<int, shm_table_small>(shm, "one more", 10); });
  CHECK(failure.status == SHMDS_E_TABLE_FULL);
  CHECK_THAT(failure.what, ContainsSubstring("one more"));
  CHECK(shm.get_capacity().available_memory == memory);
  REQUIRE(shm.get_table()->erase("a3"));
  CHECK(shm_array<int, shm_table_small>(shm, "one more", 10).size() == 10);
}

TEST_CASE("a segment larger than memory is accepted, what no longer fits is not", "[segment]") {
  test::child asker([] {
    test::use_private_shm(size_t{16} << 20);
    const size_t terabyte = size_t{1} << 40;
    const segment_name name;
    posix_shm shm(name, 2 * terabyte);
    const auto failure = failure_of([&] { shm_array<char>(shm, "sea", terabyte); });
    if (shm.get_total_size() != 2 * terabyte || failure.status != SHMDS_E_NO_SPACE) return false;
    if (shm.get_table()->find("sea") != nullptr) return false;
    shm_array<char> drop(shm, "drop", 100);
    drop[99] = 'x';
    return drop[99] == 'x';
  });
  const int outcome = asker.wait();
  if (outcome == test::child::skipped) {
    WARN("no private /dev/shm on this machine: not tested");
  } else {
    CHECK(outcome == 0);
  }
}

TEST_CASE("a full /dev/shm is an error at creation, never a signal later", "[segment]") {
  test::child filler([] {
    test::use_private_shm(size_t{16} << 20);
    const size_t megabyte = size_t{1} << 20;
    const segment_name name;
    posix_shm shm(name, 64 * megabyte);
    std::vector<shm_array<char>> arrays;
    test::failure failure;
    while (failure.status == SHMDS_OK && arrays.size() < 64) {
      failure = failure_of([&] {
        arrays.emplace_back(shm, "array" + std::to_string(arrays.size()), megabyte).fill('x');
      });
    }
    if (failure.status != SHMDS_E_NO_SPACE || arrays.size() < 8) return false;
    const segment_name second;
    if (failure_of([&] { posix_shm all(second, 32 * megabyte, {.commit = true}); }).status !=
        SHMDS_E_NO_SPACE) {
      return false;
    }
    return std::ranges::all_of(arrays, [](const auto& array) {
      return std::ranges::all_of(array, [](char value) { return value == 'x'; });
    });
  });
  const int outcome = filler.wait();
  if (outcome == test::child::skipped) {
    WARN("no private /dev/shm on this machine: not tested");
  } else {
    CHECK(outcome == 0);
  }
}

TEST_CASE("a segment class derived from ours works as ours", "[segment]") {
  struct my_segment : posix_shm_large {
    using posix_shm_large::posix_shm_large;
  };
  const segment_name name;
  my_segment shm(name, 1024);
  shm_array<int, shm_table_large> array(shm, "array", 4);
  shm_queue<int, shm_table_large> queue(shm, "queue", 4);
  CHECK(array.size() == 4);
  CHECK(queue.enqueue(1));
}
