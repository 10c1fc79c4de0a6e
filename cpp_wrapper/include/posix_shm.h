/// @file
/// A shared memory segment as an object: created or attached by the
/// constructor, detached by the destructor.
#ifndef POSIX_SHM_H
#define POSIX_SHM_H

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "shm_table.h"
#include "shmds.h"
#include "shmds/detail.hpp"
#include "shmds/error.hpp"

namespace shmds {

/// How a segment is created or attached; for designated initialisers:
/// `posix_shm shm("sim", 1 << 20, {.mode = 0660, .commit = true});`
struct options {
  std::uint32_t mode = 0600;          ///< permission bits at creation
  std::uint32_t max_attachments = 0;  ///< attachments at one time, at creation; 0: 256
  bool commit = false;     ///< reserve all memory at creation, not structure by structure
  bool read_only = false;  ///< attach only, and map without the right to write
  std::chrono::milliseconds open_timeout{0};  ///< longest wait for another process that is
                                              ///< just creating the segment; 0: 5 seconds
  bool guard = false;  ///< survive that somebody truncates the file: see `SHMDS_SEGMENT_GUARD`
};

}  // namespace shmds

/// One attachment to a POSIX shared memory segment.
///
/// The segment and its contents persist until unlink(), also when nobody is
/// attached. The attachment ends with the object or with the process, however
/// the process ends. Structures opened through the object refer to it: they are
/// invalid once it is destroyed, and the references of shm_span to it once it is
/// moved from.
///
/// After fork() the child may go on with the parent's objects at once;
/// destroying them there takes nothing away from the parent.
///
/// Thread safety: const member functions, unlink() and the opening of
/// structures may run in any number of threads at once.
///
/// @tparam TableType the shm_table_impl that sets width and number of the names
template <class TableType = shm_table>
class posix_shm_impl {
  static_assert(TableType::size_bytes() == sizeof(TableType) &&
                    sizeof(TableType) ==
                        TableType::MAX_ENTRIES * ((TableType::MAX_NAME_SIZE + 7) / 8 * 8 + 40) + 8,
                "TableType must be a shm_table_impl");

 public:
  /// The table that the segment starts with.
  using table_type = TableType;

  /// What is left in a segment at one moment.
  struct capacity_info {
    size_t available_memory;   ///< bytes: the segment's size less the payload in use
    size_t available_entries;  ///< free entries of the table
    size_t max_entries;        ///< all entries of the table

    /// Whether a structure of `bytes` bytes of payload fits, as far as the
    /// table and the segment's size go.
    bool can_allocate(size_t bytes) const noexcept {
      return available_entries > 0 && bytes <= available_memory;
    }
  };

  /// Creates or attaches a segment.
  /// @param name with or without a leading '/': "sim" and "/sim" are one segment
  /// @param size bytes of payload. Greater than 0: creates the segment, or
  ///        attaches if the name exists and has at least this size. 0: attaches only.
  /// @param options see shmds::options; with read_only a size is the least that
  ///        is accepted, and nothing is created
  /// @throws shmds::error (a std::runtime_error) on failure: no such segment, no
  ///         space, no permission, other size, table or layout than expected
  // Not explicit: programs written for the original may rely on the conversion.
  posix_shm_impl(const std::string& name, size_t size = 0, const shmds::options& options = {}) {
    const shmds_segment_options wanted = to_c(size, options);
    const auto attach =
        size > 0 && !options.read_only ? shmds_segment_open_or_create : shmds_segment_open;
    shmds::detail::check(attach(name.c_str(), &wanted, &segment_));
    base_ = shmds_segment_base(segment_);
  }

#ifdef __cpp_lib_expected
  /// Attaches a segment that exists, without exceptions.
  /// @param name,size,options see the constructor
  /// @return the segment, or why there is none
  [[nodiscard]] static shmds::result<posix_shm_impl> try_open(
      const std::string& name, size_t size = 0, const shmds::options& options = {}) noexcept {
    return attempt(shmds_segment_open, name, size, options);
  }
  /// Creates a segment, without exceptions; a name that exists is an error.
  /// @copydetails try_open()
  [[nodiscard]] static shmds::result<posix_shm_impl> try_create(
      const std::string& name, size_t size, const shmds::options& options = {}) noexcept {
    return attempt(shmds_segment_create, name, size, options);
  }
  /// Attaches a segment, creating it if it does not exist, without exceptions.
  /// @copydetails try_open()
  [[nodiscard]] static shmds::result<posix_shm_impl> try_open_or_create(
      const std::string& name, size_t size, const shmds::options& options = {}) noexcept {
    return attempt(shmds_segment_open_or_create, name, size, options);
  }
#endif

  posix_shm_impl(const posix_shm_impl&) = delete;
  posix_shm_impl& operator=(const posix_shm_impl&) = delete;

  /// Takes over the attachment of `other`, which is left without one: only
  /// destruction and assignment are allowed on it.
  posix_shm_impl(posix_shm_impl&& other) noexcept
      : segment_(std::exchange(other.segment_, nullptr)),
        base_(std::exchange(other.base_, nullptr)) {}

  /// Detaches, then takes over the attachment of `other`.
  posix_shm_impl& operator=(posix_shm_impl&& other) noexcept {
    posix_shm_impl taken(std::move(other));
    std::swap(segment_, taken.segment_);
    std::swap(base_, taken.base_);
    return *this;
  }

  /// Detaches: one reference less. The segment persists.
  ~posix_shm_impl() {
    if (segment_ != nullptr) {
      shmds_segment_close(segment_);
    }
  }

  /// Address of the table in this process; every entry's offset counts from here.
  void* get_base_addr() const noexcept { return base_; }

  /// Bytes of payload, exactly as given at creation. Header, table and what
  /// structures need beyond their payload come on top of it.
  size_t get_total_size() const noexcept { return shmds_segment_size(segment_); }

  /// The table inside the segment.
  TableType* get_table() noexcept { return static_cast<TableType*>(base_); }
  /// @copydoc get_table()
  const TableType* get_table() const noexcept { return static_cast<const TableType*>(base_); }

  /// Attachments alive now, in all processes; two objects in one process count
  /// as two, read-only ones do not count.
  /// @throws shmds::error if the system refuses to tell
  int get_ref_count() const {
    std::uint32_t count = 0;
    shmds::detail::check(shmds_segment_ref_count(segment_, &count));
    return static_cast<int>(count);
  }

  /// Removes the name. Whoever is attached goes on.
  /// @return whether the name was there and could be removed
  bool unlink() noexcept { return shmds_unlink(shmds_segment_name(segment_)) == SHMDS_OK; }

  /// Takes a structure out of the segment for good and gives its space back, as soon
  /// as nobody else has it open. Objects of this program that refer to it must not be
  /// used any more; see shmds_segment_destroy().
  /// @param name cut at TableType::MAX_NAME_SIZE - 1 bytes
  /// @return false if there is no such structure
  /// @throws shmds::error if the table could not be changed
  bool destroy(std::string_view name) {
    return shmds::detail::check_or(
        shmds_segment_destroy(segment_, shmds::detail::table_name<TableType>(name).c_str()),
        SHMDS_E_NOT_FOUND);
  }

  /// What is left now. Other processes may change it at any time.
  /// @throws shmds::error if the segment is damaged
  capacity_info get_capacity() const {
    shmds_segment_info info{};
    info.struct_size = sizeof(info);
    shmds::detail::check(shmds_segment_get_info(segment_, &info));
    return {info.size - std::min(info.size, info.payload_used),
            info.max_entries - std::min(info.max_entries, info.entries_used), info.max_entries};
  }

  /// The segment for calls of the C interface; owned by this object.
  [[nodiscard]] shmds_segment* native_handle() const noexcept { return segment_; }

 private:
  explicit posix_shm_impl(shmds_segment* segment) noexcept
      : segment_(segment), base_(shmds_segment_base(segment)) {}

#ifdef __cpp_lib_expected
  static shmds::result<posix_shm_impl> attempt(decltype(shmds_segment_open)& call,
                                               const std::string& name, size_t size,
                                               const shmds::options& options) noexcept {
    const shmds_segment_options wanted = to_c(size, options);
    shmds_segment* segment = nullptr;
    const shmds_status status = call(name.c_str(), &wanted, &segment);
    if (status != SHMDS_OK) {
      return shmds::detail::failure(status);
    }
    return posix_shm_impl(segment);
  }
#endif

  static shmds_segment_options to_c(size_t size, const shmds::options& options) noexcept {
    using timeout_ms = decltype(shmds_segment_options::open_timeout_ms);
    shmds_segment_options wanted{};
    wanted.struct_size = sizeof(wanted);
    wanted.size = size;
    wanted.mode = options.mode;
    wanted.max_name_size = TableType::MAX_NAME_SIZE;
    wanted.max_entries = TableType::MAX_ENTRIES;
    wanted.max_attachments = options.max_attachments;
    wanted.flags = (options.read_only ? SHMDS_SEGMENT_READ_ONLY : 0U) |
                   (options.commit ? SHMDS_SEGMENT_COMMIT : 0U) |
                   (options.guard ? SHMDS_SEGMENT_GUARD : 0U);
    wanted.open_timeout_ms = static_cast<timeout_ms>(
        std::clamp<std::chrono::milliseconds::rep>(options.open_timeout.count(), 0, UINT32_MAX));
    return wanted;
  }

  shmds_segment* segment_ = nullptr;
  void* base_ = nullptr;
};

/// A segment with the default table.
using posix_shm = posix_shm_impl<shm_table>;
/// A segment with the small table.
using posix_shm_small = posix_shm_impl<shm_table_small>;
/// A segment with the large table.
using posix_shm_large = posix_shm_impl<shm_table_large>;
/// A segment with the huge table.
using posix_shm_huge = posix_shm_impl<shm_table_huge>;

namespace shmds::detail {

/// What a segment converts to when it does not suit a structure over TableType.
/// The conversion ranks behind the one to posix_shm_impl<TableType>&, so it is
/// considered only to say what is wrong.
template <class TableType>
struct unsuitable_segment {
  template <class ShmType>
  unsuitable_segment(ShmType&) noexcept {
    static_assert(std::is_same_v<typename ShmType::table_type, TableType>,
                  "this structure has another TableType than the segment: name the segment's "
                  "table_type as the last template argument of the structure");
    static_assert(!std::is_const_v<ShmType>, "structures need a segment that is not const");
  }
};

/// Distance from the table of `segment` to `data`, in bytes.
template <class TableType>
size_t offset_in(const posix_shm_impl<TableType>& segment, const void* data) noexcept {
  return static_cast<size_t>(static_cast<const std::byte*>(data) -
                             static_cast<const std::byte*>(segment.get_base_addr()));
}

}  // namespace shmds::detail

#endif  // POSIX_SHM_H
