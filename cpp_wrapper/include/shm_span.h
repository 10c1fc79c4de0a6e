/// @file
/// A typed window on the memory of a segment: the base of array and queue, and
/// of structures that programs write themselves.
#ifndef SHM_SPAN_H
#define SHM_SPAN_H

#include <cstddef>

#include "shmds/detail.hpp"

/// `count` elements of type T at an offset in a segment.
///
/// Does not own the memory, takes no part in the table, and is as cheap to copy
/// as three words. The segment object must outlive it.
///
/// To write a structure of one's own: derive from it, take
/// `sizeof(table) + table->get_total_allocated_size()` as the offset, and
/// register the extent with `table->add(...)`.
///
/// Thread safety: that of a plain array. Elements that other threads or processes
/// write need atomics or an order agreed on elsewhere.
///
/// @tparam T trivially copyable element
/// @tparam ShmType a segment: anything with `void* get_base_addr() const`
template <shmds::trivially_copyable T, class ShmType>
class shm_span {
 public:
  /// Describes a window; nothing is checked or touched.
  /// @param segment must outlive this object
  /// @param byte_offset bytes from segment.get_base_addr() to the first element
  /// @param count number of elements
  shm_span(ShmType& segment, size_t byte_offset, size_t count) noexcept
      : shm(segment), offset(byte_offset), num_elem(count) {}

  /// Address of the first element.
  T* data() noexcept { return reinterpret_cast<T*>(address()); }
  /// @copydoc data()
  const T* data() const noexcept { return reinterpret_cast<const T*>(address()); }

  /// Number of elements.
  size_t size() const noexcept { return num_elem; }

  /// The element at `index`, which must be less than size(); see SHMDS_CHECKED.
  [[gnu::always_inline]] T& operator[](size_t index) noexcept {
    shmds::detail::check_index(index, num_elem);
    return data()[index];
  }
  /// @copydoc operator[](size_t)
  [[gnu::always_inline]] const T& operator[](size_t index) const noexcept {
    shmds::detail::check_index(index, num_elem);
    return data()[index];
  }

 protected:
  ShmType& shm;     ///< the segment
  size_t offset;    ///< bytes from shm.get_base_addr() to the first element
  size_t num_elem;  ///< number of elements

 private:
  std::byte* address() const noexcept {
    return static_cast<std::byte*>(shm.get_base_addr()) + offset;
  }
};

#endif  // SHM_SPAN_H
