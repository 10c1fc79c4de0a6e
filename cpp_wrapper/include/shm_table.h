/// @file
/// The table of a segment: names, and where their structures lie.
#ifndef SHM_TABLE_H
#define SHM_TABLE_H

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "shmds.h"

/// A table of names with room for a fixed number of entries.
///
/// One lies at the start of every segment, where posix_shm_impl::get_table()
/// finds it. A table may also stand anywhere else, on the stack for one, and
/// then works on its own.
///
/// A name longer than MaxNameSize - 1 bytes is cut there, on every path, so two
/// names equal up to the cut are one name.
///
/// Thread safety: on a table inside a segment every member function may run in
/// any number of threads and processes at once. A private table is an ordinary
/// object: const calls may run together, others need the table alone.
///
/// @tparam MaxNameSize bytes for a name, its terminating NUL included
/// @tparam MaxEntries number of entries
template <size_t MaxNameSize = 32, size_t MaxEntries = 64>
class shm_table_impl {
  static_assert(sizeof(size_t) == 8, "segments are laid out for 64-bit programs");
  static_assert(MaxNameSize >= 2, "a name needs at least one character and its NUL");
  static_assert(MaxEntries >= 1, "a table needs at least one entry");

 public:
  /// Bytes for a name, its terminating NUL included.
  static constexpr size_t MAX_NAME_SIZE = MaxNameSize;
  /// Number of entries.
  static constexpr size_t MAX_ENTRIES = MaxEntries;

  /// One name and its extent.
  ///
  /// Programs read these members and leave changes to add() and erase().
  /// Another process may erase the entry at any time.
  struct entry {
    std::array<char, MAX_NAME_SIZE> name{};   ///< NUL-terminated
    size_t offset = 0;                        ///< bytes from the start of the table to the data
    size_t size = 0;                          ///< bytes that it takes there
    size_t elem_size = 0;                     ///< bytes of one element
    size_t num_elem = 0;                      ///< number of elements
    bool active = false;                      ///< whether the entry is in use
    std::array<unsigned char, 7> reserved{};  ///< belongs to the library
  };

  /// An empty table: every byte is zero.
  shm_table_impl() noexcept {
    // The padding too: the library sees the table as bytes.
    std::memset(static_cast<void*>(this), 0, sizeof(*this));
  }

  /// Registers a name.
  /// @param name cut at MAX_NAME_SIZE - 1 bytes
  /// @param offset bytes from the start of the table to the data
  /// @param size bytes of data
  /// @param elem_size bytes of one element
  /// @param num_elem number of elements
  /// @return false, with nothing changed, if the name is taken or the table is full
  bool add(const char* name, size_t offset, size_t size, size_t elem_size = 0,
           size_t num_elem = 0) noexcept {
    return add(view(name), offset, size, elem_size, num_elem);
  }
  /// @copydoc add(const char*, size_t, size_t, size_t, size_t)
  bool add(std::string_view name, size_t offset, size_t size, size_t elem_size = 0,
           size_t num_elem = 0) noexcept {
    return shmds_table_add(this, MAX_NAME_SIZE, MAX_ENTRIES, name.data(), name.size(), offset, size,
                           elem_size, num_elem) == SHMDS_OK;
  }

  /// Unregisters a name. The space is not given back, and objects that are
  /// open on the structure go on working.
  /// @return false if the name is absent
  bool erase(const char* name) noexcept { return erase(view(name)); }
  /// @copydoc erase(const char*)
  bool erase(std::string_view name) noexcept {
    return shmds_table_erase(this, MAX_NAME_SIZE, MAX_ENTRIES, name.data(), name.size()) ==
           SHMDS_OK;
  }

  /// Looks a name up, without a lock.
  /// @return the entry, null if the name is absent
  entry* find(const char* name) noexcept { return find(view(name)); }
  /// @copydoc find(const char*)
  const entry* find(const char* name) const noexcept { return find(view(name)); }
  /// @copydoc find(const char*)
  entry* find(std::string_view name) noexcept { return static_cast<entry*>(lookup(name)); }
  /// @copydoc find(const char*)
  const entry* find(std::string_view name) const noexcept {
    return static_cast<const entry*>(lookup(name));
  }

  /// Largest `offset + size - sizeof(table)` ever added, in bytes, computed in
  /// size_t arithmetic that wraps. erase() leaves it, clear() zeroes it.
  /// A new structure may start at sizeof(table) + this many bytes.
  size_t get_total_allocated_size() const noexcept {
    return shmds_table_total_allocated(this, MAX_NAME_SIZE, MAX_ENTRIES);
  }

  /// Number of entries in use.
  size_t get_entry_count() const noexcept {
    return shmds_table_count(this, MAX_NAME_SIZE, MAX_ENTRIES);
  }

  /// Number of entries that are free.
  size_t get_available_entries() const noexcept { return MAX_ENTRIES - get_entry_count(); }

  /// Frees all entries and sets get_total_allocated_size() to zero. In a
  /// segment this is for a program that owns the segment alone: later
  /// structures may take the space of earlier ones.
  void clear() noexcept { shmds_table_clear(this, MAX_NAME_SIZE, MAX_ENTRIES); }

  /// Size of the table in bytes.
  static constexpr size_t size_bytes() noexcept { return sizeof(shm_table_impl); }

 private:
  static std::string_view view(const char* name) noexcept {
    return name == nullptr ? std::string_view() : std::string_view(name);
  }

  void* lookup(std::string_view name) const noexcept {
    void* found = nullptr;
    return shmds_table_find(this, MAX_NAME_SIZE, MAX_ENTRIES, name.data(), name.size(), &found) ==
                   SHMDS_OK
               ? found
               : nullptr;
  }

  std::array<entry, MAX_ENTRIES> entries_;
  size_t total_allocated_;
};

/// The default: names of up to 31 bytes, 64 entries, 4616 bytes.
using shm_table = shm_table_impl<32, 64>;
/// Names of up to 15 bytes, 16 entries, 904 bytes.
using shm_table_small = shm_table_impl<16, 16>;
/// Names of up to 63 bytes, 256 entries, 26632 bytes.
using shm_table_large = shm_table_impl<64, 256>;
/// Names of up to 255 bytes, 1024 entries, 303112 bytes.
using shm_table_huge = shm_table_impl<256, 1024>;

static_assert(sizeof(shm_table_small) == 904 && sizeof(shm_table) == 4616 &&
              sizeof(shm_table_large) == 26632 && sizeof(shm_table_huge) == 303112);
static_assert(std::is_standard_layout_v<shm_table> && std::is_trivially_copyable_v<shm_table>);
static_assert(std::is_standard_layout_v<shm_table::entry> &&
              std::is_trivially_copyable_v<shm_table::entry>);

#endif  // SHM_TABLE_H
