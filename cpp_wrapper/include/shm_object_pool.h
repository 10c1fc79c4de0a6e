/// @file
/// A named pool of objects of equal size.
#ifndef SHM_OBJECT_POOL_H
#define SHM_OBJECT_POOL_H

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "posix_shm.h"
#include "shm_table.h"
#include "shmds.h"
#include "shmds/detail.hpp"
#include "shmds/inline_object_pool.h"

/// A named pool of objects: any process acquires one and gets its handle, any
/// process releases it.
///
/// A handle is a plain index, the same in every process, and may be passed on.
/// Acquiring and releasing are one compare-and-swap each; a thread that works
/// alone gets back first what it released last. A process that is stopped or
/// killed anywhere delays nobody.
///
/// Objects outlive their process: what it acquired stays acquired until somebody
/// releases it, or reclaim() is called. Their bytes stay what they are when they
/// are released and acquired again; at first they are zero.
///
/// The pool object is a handle itself: copies refer to the same pool, and
/// destroying it leaves the pool in the segment.
///
/// Thread safety: all members may be called by any number of threads at once. Who
/// may touch an object is agreed on by acquiring and passing on. Not
/// async-signal-safe.
///
/// @tparam T trivially copyable object; alignments up to 4096 are honoured
/// @tparam TableType table_type of the segment
template <shmds::trivially_copyable T, class TableType = shm_table>
class shm_object_pool {
 public:
  using value_type = T;          ///< object
  using size_type = size_t;      ///< counts
  using handle_type = uint32_t;  ///< index of an object, below capacity()

  /// The handle that no object has.
  static constexpr handle_type invalid_handle = std::numeric_limits<handle_type>::max();

  /// Names an object from one acquisition to its release: unlike a handle, it is
  /// worth nothing afterwards, even if the object was acquired again.
  class token {
   public:
    /// A token of no object.
    constexpr token() noexcept = default;
    /// The object's handle.
    [[nodiscard]] constexpr handle_type handle() const noexcept { return index_; }
    /// Whether both name the same object in the same life.
    friend constexpr bool operator==(const token&, const token&) noexcept = default;

   private:
    friend shm_object_pool;
    constexpr explicit token(const shmds_object_token& from) noexcept
        : index_(from.index), generation_(from.generation) {}
    [[nodiscard]] constexpr shmds_object_token to_c() const noexcept {
      return {index_, generation_};
    }

    handle_type index_ = invalid_handle;
    std::uint32_t generation_ = 0;
  };

  /// Creates or opens a pool.
  /// @param segment must outlive this object
  /// @param name cut at TableType::MAX_NAME_SIZE - 1 bytes
  /// @param capacity number of objects. Greater than 0: creates the pool, or opens
  ///        one that has exactly this capacity. 0: opens what exists.
  /// @throws shmds::error (a std::runtime_error): absent, other capacity, object
  ///         size or kind than asked, segment or table full
  shm_object_pool(posix_shm_impl<TableType>& segment, std::string_view name, size_type capacity = 0)
      : shm_object_pool(attach(segment, name, capacity)) {}
  /// Never called: a segment with another table is an error of the compiler.
  shm_object_pool(shmds::detail::unsuitable_segment<TableType>, std::string_view, size_type = 0);

#ifdef __cpp_lib_expected
  /// Opens a pool that exists, without exceptions; see the constructor.
  /// @return the pool, or why there is none
  [[nodiscard]] static shmds::result<shm_object_pool> try_open(posix_shm_impl<TableType>& segment,
                                                               std::string_view name,
                                                               size_type capacity = 0) noexcept {
    return attempt(shmds_object_pool_open, segment, name, capacity);
  }
  /// Creates a pool, without exceptions; a name that exists is an error.
  /// @return the pool, or why there is none
  [[nodiscard]] static shmds::result<shm_object_pool> try_create(posix_shm_impl<TableType>& segment,
                                                                 std::string_view name,
                                                                 size_type capacity) noexcept {
    return attempt(shmds_object_pool_create, segment, name, capacity);
  }
  /// Opens a pool, creating it if it does not exist, without exceptions.
  /// @return the pool, or why there is none
  [[nodiscard]] static shmds::result<shm_object_pool> try_open_or_create(
      posix_shm_impl<TableType>& segment, std::string_view name, size_type capacity) noexcept {
    return attempt(shmds_object_pool_open_or_create, segment, name, capacity);
  }
#endif

  /// Whether an object pool of this name exists in `segment`.
  static bool exists(const posix_shm_impl<TableType>& segment, std::string_view name) noexcept {
    shmds_entry_info info{};
    info.struct_size = sizeof(info);
    return shmds_segment_find(segment.native_handle(),
                              shmds::detail::table_name<TableType>(name).c_str(),
                              &info) == SHMDS_OK &&
           info.kind == SHMDS_KIND_OBJECT_POOL;
  }

  /// Acquires a free object.
  /// @return its handle; invalid_handle if there is none, or it may not be had
  ///         (a read-only segment, for example): shmds_last_error() tells which
  [[nodiscard, gnu::always_inline]] handle_type acquire() noexcept {
    handle_type handle;
    if (shmds_object_pool_try_acquire_inline(pool_, &handle)) [[likely]] {
      return handle;
    }
    return acquire_by_call(pool_);
  }

  /// Acquires a free object and constructs a T in it. If the constructor throws,
  /// the object is released again.
  /// @return its handle, nothing if there is none
  template <class... Args>
  [[nodiscard]] std::optional<handle_type> acquire_construct(Args&&... args) {
    const handle_type handle = acquire();
    if (handle == invalid_handle) {
      return std::nullopt;
    }
    unless_kept guard{*this, handle};
    if constexpr (std::is_constructible_v<T, Args...>) {
      std::construct_at(objects_ + handle, std::forward<Args>(args)...);
    } else {
      // An aggregate, from its members.
      ::new (static_cast<void*>(objects_ + handle)) T{std::forward<Args>(args)...};
    }
    guard.kept = true;
    return handle;
  }

  /// Releases an object, whoever acquired it, in whatever process. An invalid
  /// handle is ignored; the release of a free object is refused and counted.
  [[gnu::always_inline]] void release(handle_type handle) noexcept {
    static_cast<void>(try_release(handle));
  }

  /// Releases an object, whoever acquired it, in whatever process.
  /// @return false if it was free, which is counted, or if there is no such object
  [[gnu::always_inline]] bool try_release(handle_type handle) noexcept {
    return shmds_object_pool_try_release_inline(pool_, handle) || release_by_call(pool_, handle);
  }

  /// Acquires a free object, to be released by a token.
  /// @return the token, nothing if there is none
  [[nodiscard]] std::optional<token> acquire_token() noexcept {
    shmds_object_token got{};
    if (shmds_object_pool_acquire_token(pool_, &got) != SHMDS_OK) {
      return std::nullopt;
    }
    return token(got);
  }

  /// Releases the object of a token.
  /// @return false, with nothing changed, if it was released since the token was
  ///         made; that is counted, also if somebody has acquired it again
  bool release_token(const token& released) noexcept {
    return shmds_object_pool_release_token(pool_, released.to_c()) == SHMDS_OK;
  }

  /// Whether the object of a token was not released since the token was made.
  [[nodiscard]] bool is_current(const token& asked) const noexcept {
    return shmds_object_pool_is_current(pool_, asked.to_c());
  }

  /// Acquires up to `count` objects, one after the other.
  /// @param[out] handles room for `count` handles
  /// @return how many there were
  size_type acquire_batch(size_type count, handle_type* handles) noexcept {
    size_type acquired = 0;
    const shmds_status status = shmds_object_pool_acquire_batch(pool_, handles, count, &acquired);
    return status == SHMDS_OK ? acquired : 0;
  }

  /// Releases objects. Invalid handles are ignored, and so are free objects, which
  /// are counted.
  void release_batch(std::span<const handle_type> handles) noexcept {
    static_cast<void>(shmds_object_pool_release_batch(pool_, handles.data(), handles.size(),
                                                      nullptr) == SHMDS_OK);
  }

  /// The object of a handle, which must be below capacity(); see SHMDS_CHECKED.
  [[gnu::always_inline]] T& operator[](handle_type handle) noexcept {
    shmds::detail::check_index(handle, capacity());
    return objects_[handle];
  }
  /// @copydoc operator[](handle_type)
  [[gnu::always_inline]] const T& operator[](handle_type handle) const noexcept {
    shmds::detail::check_index(handle, capacity());
    return objects_[handle];
  }

  /// The object of a handle, null if there is no such object.
  T* get(handle_type handle) noexcept { return is_valid(handle) ? objects_ + handle : nullptr; }
  /// @copydoc get(handle_type)
  const T* get(handle_type handle) const noexcept {
    return is_valid(handle) ? objects_ + handle : nullptr;
  }

  /// Whether there is an object of that handle, acquired or not.
  bool is_valid(handle_type handle) const noexcept { return handle < capacity(); }

  /// Number of objects.
  size_type capacity() const noexcept {
    // The view is the start of the handle.
    return reinterpret_cast<const shmds_object_pool_view*>(pool_)->capacity;
  }
  /// Number of objects that are acquired: exact while nobody acquires or releases.
  /// Looks at every object.
  size_type num_allocated() const noexcept { return shmds_object_pool_num_allocated(pool_); }
  /// Number of objects that are free; like num_allocated().
  size_type num_available() const noexcept { return capacity() - num_allocated(); }
  /// Whether no object is acquired. Looks at objects until one is.
  bool empty() const noexcept { return shmds_object_pool_empty(pool_); }
  /// Whether every object is acquired. Looks at objects until one is not.
  bool full() const noexcept { return shmds_object_pool_full(pool_); }
  /// How many releases were refused since the pool was created, by all processes.
  [[nodiscard]] std::uint64_t num_refused() const noexcept {
    return shmds_object_pool_refused(pool_);
  }

  /// Whether an object is acquired, and its owner lives: the segment object, in one
  /// process, through which it was acquired or adopted. False for a disowned object.
  [[nodiscard]] bool owner_alive(handle_type handle) const noexcept {
    return shmds_object_pool_owner_alive(pool_, handle);
  }

  /// Releases all objects whose owners are dead. Whoever goes on with an object that
  /// a process left behind has to adopt it first.
  /// @return how many
  size_type reclaim() noexcept {
    size_type count = 0;
    return shmds_object_pool_reclaim(pool_, &count) == SHMDS_OK ? count : 0;
  }

  /// Becomes the owner of an object that is acquired, and whose owner is dead or
  /// gave it up. Of several that try, exactly one succeeds.
  /// @return false, with nothing changed, if it is free, or its owner lives
  bool adopt(handle_type handle) noexcept {
    return shmds_object_pool_adopt(pool_, handle) == SHMDS_OK;
  }

  /// Gives an object up for adoption: it stays acquired, and no reclaim() frees it.
  /// @return false, with nothing changed, if it is free, or somebody else's who lives
  bool disown(handle_type handle) noexcept {
    return shmds_object_pool_disown(pool_, handle) == SHMDS_OK;
  }

  /// All objects, acquired or not, in the order of their handles.
  std::span<T> unsafe_all_objects() noexcept { return {objects_, capacity()}; }
  /// @copydoc unsafe_all_objects()
  std::span<const T> unsafe_all_objects() const noexcept { return {objects_, capacity()}; }

  /// The name as the table keeps it; valid until the segment object is destroyed.
  std::string_view name() const noexcept { return shmds_object_pool_name(pool_); }

  /// The pool for calls of the C interface; belongs to the segment.
  [[nodiscard]] shmds_object_pool* native_handle() const noexcept { return pool_; }

 private:
  explicit shm_object_pool(shmds_object_pool* pool) noexcept
      : pool_(pool), objects_(static_cast<T*>(shmds_object_pool_objects(pool))) {}

  static shmds_object_pool* attach(const posix_shm_impl<TableType>& segment, std::string_view name,
                                   size_type capacity) {
    const auto call = capacity > 0 ? shmds_object_pool_open_or_create : shmds_object_pool_open;
    shmds_object_pool* pool = nullptr;
    shmds::detail::check(call(segment.native_handle(),
                              shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
                              alignof(T), capacity, &pool));
    return pool;
  }

#ifdef __cpp_lib_expected
  static shmds::result<shm_object_pool> attempt(
      shmds::detail::open_function<shmds_object_pool>& call, posix_shm_impl<TableType>& segment,
      std::string_view name, size_type capacity) noexcept {
    shmds_object_pool* pool = nullptr;
    const shmds_status status =
        call(segment.native_handle(), shmds::detail::table_name<TableType>(name).c_str(), sizeof(T),
             alignof(T), capacity, &pool);
    if (status != SHMDS_OK) {
      return shmds::detail::failure(status);
    }
    return shm_object_pool(pool);
  }
#endif

  /// Releases an object at the end of a scope, unless it is kept.
  struct unless_kept {
    shm_object_pool& pool;
    handle_type handle;
    bool kept = false;
    ~unless_kept() {
      if (!kept) {
        pool.release(handle);
      }
    }
  };

  // What cannot be done in line.
  [[gnu::noinline]] static handle_type acquire_by_call(shmds_object_pool* pool) noexcept {
    handle_type handle = invalid_handle;
    return shmds_object_pool_acquire_otherwise(pool, &handle) == SHMDS_OK ? handle : invalid_handle;
  }
  [[gnu::noinline]] static bool release_by_call(shmds_object_pool* pool,
                                                handle_type handle) noexcept {
    return handle != invalid_handle &&
           shmds_object_pool_release_otherwise(pool, handle) == SHMDS_OK;
  }

  shmds_object_pool* pool_;
  T* objects_;
};

#endif  // SHM_OBJECT_POOL_H
