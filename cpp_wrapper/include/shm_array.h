/// @file
/// A named array of fixed size in a segment.
#ifndef SHM_ARRAY_H
#define SHM_ARRAY_H

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "posix_shm.h"
#include "shm_span.h"
#include "shm_table.h"
#include "shmds.h"
#include "shmds/detail.hpp"

/// A named array: contiguous elements that every attached process reads and
/// writes as plain memory.
///
/// The object is a handle: copies refer to the same elements, and destroying it
/// leaves the array in the segment. Elements are zero when the array is created.
/// On a read-only segment the elements may only be read.
///
/// Thread safety: that of a plain array. Elements that other threads or processes
/// write need atomics or an order agreed on elsewhere.
///
/// @tparam T trivially copyable element; alignments up to 4096 are honoured
/// @tparam TableType table_type of the segment
template <shmds::trivially_copyable T, class TableType = shm_table>
class shm_array : public shm_span<T, posix_shm_impl<TableType>> {
  using span_type = shm_span<T, posix_shm_impl<TableType>>;

 public:
  using value_type = T;                                                  ///< element
  using size_type = size_t;                                              ///< counts
  using difference_type = std::ptrdiff_t;                                ///< distances
  using reference = T&;                                                  ///< element access
  using const_reference = const T&;                                      ///< element access
  using pointer = T*;                                                    ///< element address
  using const_pointer = const T*;                                        ///< element address
  using iterator = T*;                                                   ///< contiguous
  using const_iterator = const T*;                                       ///< contiguous
  using reverse_iterator = std::reverse_iterator<iterator>;              ///< backwards
  using const_reverse_iterator = std::reverse_iterator<const_iterator>;  ///< backwards

  /// Creates or opens an array.
  /// @param segment must outlive this object
  /// @param name cut at TableType::MAX_NAME_SIZE - 1 bytes
  /// @param count number of elements. Greater than 0: creates the array, or opens
  ///        one that has exactly this count. 0: opens what exists.
  /// @throws shmds::error (a std::runtime_error): absent, other count, element size
  ///         or kind than asked, segment or table full
  shm_array(posix_shm_impl<TableType>& segment, std::string_view name, size_type count = 0)
      : shm_array(segment, attach(segment, name, count)) {}
  /// Never called: a segment with another table is an error of the compiler.
  shm_array(shmds::detail::unsuitable_segment<TableType>, std::string_view, size_type = 0);

#ifdef __cpp_lib_expected
  /// Opens an array that exists, without exceptions; see the constructor.
  /// @return the array, or why there is none
  [[nodiscard]] static shmds::result<shm_array> try_open(posix_shm_impl<TableType>& segment,
                                                         std::string_view name,
                                                         size_type count = 0) noexcept {
    return attempt(shmds_array_open, segment, name, count);
  }
  /// Creates an array, without exceptions; a name that exists is an error.
  /// @return the array, or why there is none
  [[nodiscard]] static shmds::result<shm_array> try_create(posix_shm_impl<TableType>& segment,
                                                           std::string_view name,
                                                           size_type count) noexcept {
    return attempt(shmds_array_create, segment, name, count);
  }
  /// Opens an array, creating it if it does not exist, without exceptions.
  /// @return the array, or why there is none
  [[nodiscard]] static shmds::result<shm_array> try_open_or_create(
      posix_shm_impl<TableType>& segment, std::string_view name, size_type count) noexcept {
    return attempt(shmds_array_open_or_create, segment, name, count);
  }
#endif

  /// Another handle to the same array.
  shm_array(const shm_array&) noexcept = default;
  /// Makes this object a handle to the array of `other`; copies no elements.
  shm_array& operator=(const shm_array& other) noexcept {
    return shmds::detail::rebind(*this, other);
  }
  ~shm_array() = default;

  /// The element at `index`, which must be less than size(); see SHMDS_CHECKED.
  [[gnu::always_inline]] reference operator[](size_type index) noexcept {
    shmds::detail::check_index(index, size());
    return data_[index];
  }
  /// @copydoc operator[](size_type)
  [[gnu::always_inline]] const_reference operator[](size_type index) const noexcept {
    shmds::detail::check_index(index, size());
    return data_[index];
  }

  /// The element at `index`.
  /// @throws std::out_of_range if there is none
  reference at(size_type index) {
    require(index);
    return data_[index];
  }
  /// @copydoc at(size_type)
  const_reference at(size_type index) const {
    require(index);
    return data_[index];
  }

  /// The first element.
  [[gnu::always_inline]] reference front() noexcept { return (*this)[0]; }
  /// @copydoc front()
  [[gnu::always_inline]] const_reference front() const noexcept { return (*this)[0]; }
  /// The last element.
  [[gnu::always_inline]] reference back() noexcept { return (*this)[size() - 1]; }
  /// @copydoc back()
  [[gnu::always_inline]] const_reference back() const noexcept { return (*this)[size() - 1]; }

  /// Whether there are no elements.
  bool empty() const noexcept { return size() == 0; }
  /// Number of elements.
  size_type size() const noexcept { return this->num_elem; }
  /// Number of elements; an array never grows.
  size_type max_size() const noexcept { return size(); }

  /// Assigns `value` to every element.
  void fill(const T& value) { std::fill_n(data_, size(), value); }

  /// Address of the first element.
  pointer data() noexcept { return data_; }
  /// @copydoc data()
  const_pointer data() const noexcept { return data_; }

  /// The elements as a std::span.
  std::span<T> as_span() noexcept { return {data_, size()}; }
  /// @copydoc as_span()
  std::span<const T> as_span() const noexcept { return {data_, size()}; }

  /// Iterator to the first element.
  iterator begin() noexcept { return data_; }
  /// @copydoc begin()
  const_iterator begin() const noexcept { return data_; }
  /// @copydoc begin()
  const_iterator cbegin() const noexcept { return data_; }
  /// Iterator past the last element.
  iterator end() noexcept { return data_ + size(); }
  /// @copydoc end()
  const_iterator end() const noexcept { return data_ + size(); }
  /// @copydoc end()
  const_iterator cend() const noexcept { return data_ + size(); }
  /// Iterator to the last element, going backwards.
  reverse_iterator rbegin() noexcept { return reverse_iterator(end()); }
  /// @copydoc rbegin()
  const_reverse_iterator rbegin() const noexcept { return const_reverse_iterator(end()); }
  /// @copydoc rbegin()
  const_reverse_iterator crbegin() const noexcept { return rbegin(); }
  /// Iterator before the first element, going backwards.
  reverse_iterator rend() noexcept { return reverse_iterator(begin()); }
  /// @copydoc rend()
  const_reverse_iterator rend() const noexcept { return const_reverse_iterator(begin()); }
  /// @copydoc rend()
  const_reverse_iterator crend() const noexcept { return rend(); }

  /// The name as the table keeps it; valid until the segment object is destroyed.
  std::string_view name() const noexcept { return shmds_array_name(handle_); }

  /// The array for calls of the C interface; belongs to the segment.
  [[nodiscard]] shmds_array* native_handle() const noexcept { return handle_; }

 private:
  shm_array(posix_shm_impl<TableType>& segment, shmds_array* handle) noexcept
      : span_type(segment, shmds::detail::offset_in(segment, shmds_array_data(handle)),
                  shmds_array_count(handle)),
        data_(static_cast<T*>(shmds_array_data(handle))),
        handle_(handle) {}

  static shmds_array* attach(const posix_shm_impl<TableType>& segment, std::string_view name,
                             size_type count) {
    const auto call = count > 0 ? shmds_array_open_or_create : shmds_array_open;
    shmds_array* handle = nullptr;
    shmds::detail::check(call(segment.native_handle(),
                              shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
                              alignof(T), count, &handle));
    return handle;
  }

#ifdef __cpp_lib_expected
  static shmds::result<shm_array> attempt(shmds::detail::open_function<shmds_array>& call,
                                          posix_shm_impl<TableType>& segment, std::string_view name,
                                          size_type count) noexcept {
    shmds_array* handle = nullptr;
    const shmds_status status =
        call(segment.native_handle(), shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
             alignof(T), count, &handle);
    if (status != SHMDS_OK) {
      return shmds::detail::failure(status);
    }
    return shm_array(segment, handle);
  }
#endif

  void require(size_type index) const {
    if (index >= size()) {
      shmds::detail::fail_range("shm_array \"" + std::string(name()) + "\": index " +
                                std::to_string(index) + " is out of range for size " +
                                std::to_string(size()));
    }
  }

  T* data_;
  shmds_array* handle_;
};

#endif  // SHM_ARRAY_H
