// The public surface of the original library: a line for each promise. What a name does
// is tested elsewhere; here it must be there, with its types, marks and sizes.
//
// That values must not be ignored, where the original said so, is tested in rejected/.
#include <array>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_queue.h"
#include "shm_simd_utils.h"
#include "shm_span.h"
#include "shm_table.h"
#include "surface.hpp"

using surface::an;

namespace {

using text = std::string_view;

// ---- shm_table.h

static_assert(std::same_as<shm_table, shm_table_impl<32, 64>>);
static_assert(std::same_as<shm_table, shm_table_impl<>>);
static_assert(std::same_as<shm_table_small, shm_table_impl<16, 16>>);
static_assert(std::same_as<shm_table_large, shm_table_impl<64, 256>>);
static_assert(std::same_as<shm_table_huge, shm_table_impl<256, 1024>>);
static_assert(sizeof(shm_table_small) == 904);
static_assert(sizeof(shm_table) == 4616);
static_assert(sizeof(shm_table_large) == 26'632);
static_assert(sizeof(shm_table_huge) == 303'112);
template <size_t Name, size_t Entries>
inline constexpr bool size_as_promised =
    sizeof(shm_table_impl<Name, Entries>) == Entries * ((Name + 7) / 8 * 8 + 40) + 8 &&
    shm_table_impl<Name, Entries>::size_bytes() == sizeof(shm_table_impl<Name, Entries>);
static_assert(size_as_promised<48, 128> && size_as_promised<33, 1> && size_as_promised<2, 3> &&
              size_as_promised<255, 1000> && size_as_promised<32, 64>);
static_assert(shm_table::MAX_NAME_SIZE == 32 && shm_table::MAX_ENTRIES == 64);
PROMISE(const size_t, shm_table::MAX_NAME_SIZE);
PROMISE(const size_t, shm_table::MAX_ENTRIES);
static_assert(std::default_initializable<shm_table>);

using entry = shm_table::entry;
static_assert(std::same_as<decltype(entry::name), std::array<char, shm_table::MAX_NAME_SIZE>>);
static_assert(std::same_as<decltype(entry::offset), size_t>);
static_assert(std::same_as<decltype(entry::size), size_t>);
static_assert(std::same_as<decltype(entry::elem_size), size_t>);
static_assert(std::same_as<decltype(entry::num_elem), size_t>);
static_assert(std::same_as<decltype(entry::active), bool>);

PROMISE(bool, an<shm_table>().add("name", size_t{1}, size_t{2}));
PROMISE(bool, an<shm_table>().add("name", size_t{1}, size_t{2}, size_t{3}));
PROMISE(bool, an<shm_table>().add("name", size_t{1}, size_t{2}, size_t{3}, size_t{4}));
PROMISE(bool, an<shm_table>().add(text("name"), size_t{1}, size_t{2}, size_t{3}, size_t{4}));
PROMISE(bool, an<shm_table>().add(an<std::string>(), size_t{1}, size_t{2}));
PROMISE(bool, an<shm_table>().erase("name"));
PROMISE(bool, an<shm_table>().erase(text("name")));
PROMISE(bool, an<shm_table>().erase(an<std::string>()));
PROMISE(entry*, an<shm_table>().find("name"));
PROMISE(entry*, an<shm_table>().find(text("name")));
PROMISE(entry*, an<shm_table>().find(an<std::string>()));
PROMISE(const entry*, an<const shm_table>().find("name"));
PROMISE(const entry*, an<const shm_table>().find(text("name")));
PROMISE(size_t, an<const shm_table>().get_total_allocated_size());
PROMISE(size_t, an<const shm_table>().get_entry_count());
PROMISE(size_t, an<const shm_table>().get_available_entries());
PROMISE(void, an<shm_table>().clear());
static_assert(std::bool_constant<(shm_table::size_bytes() == sizeof(shm_table))>::value);

// ---- posix_shm.h

static_assert(std::same_as<posix_shm, posix_shm_impl<shm_table>>);
static_assert(std::same_as<posix_shm, posix_shm_impl<>>);
static_assert(std::same_as<posix_shm_small, posix_shm_impl<shm_table_small>>);
static_assert(std::same_as<posix_shm_large, posix_shm_impl<shm_table_large>>);
static_assert(std::same_as<posix_shm_huge, posix_shm_impl<shm_table_huge>>);
static_assert(std::same_as<posix_shm::table_type, shm_table>);
static_assert(std::constructible_from<posix_shm, const std::string&>);
static_assert(std::constructible_from<posix_shm, const std::string&, size_t>);
static_assert(std::constructible_from<posix_shm, const char*, int>);
static_assert(std::convertible_to<const std::string&, posix_shm>);
static_assert(!std::copy_constructible<posix_shm> && !std::is_copy_assignable_v<posix_shm>);
static_assert(std::movable<posix_shm>);  // more than the original
static_assert(surface::words<posix_shm> <= 2);
PROMISE(void*, an<const posix_shm>().get_base_addr());
PROMISE(size_t, an<const posix_shm>().get_total_size());
PROMISE(shm_table*, an<posix_shm>().get_table());
PROMISE(const shm_table*, an<const posix_shm>().get_table());
PROMISE(int, an<const posix_shm>().get_ref_count());
PROMISE(bool, an<posix_shm>().unlink());
using capacity = decltype(an<const posix_shm>().get_capacity());
static_assert(std::same_as<decltype(capacity::available_memory), size_t>);
static_assert(std::same_as<decltype(capacity::available_entries), size_t>);
static_assert(std::same_as<decltype(capacity::max_entries), size_t>);
PROMISE(bool, an<const capacity>().can_allocate(size_t{1}));

// ---- shm_span.h

using span = shm_span<int, posix_shm>;
static_assert(std::constructible_from<span, posix_shm&, size_t, size_t>);
static_assert(std::copy_constructible<span> && std::move_constructible<span>);
static_assert(surface::words<span> == 3);
PROMISE(int*, an<span>().data());
PROMISE(const int*, an<const span>().data());
PROMISE(size_t, an<const span>().size());
PROMISE(int&, an<span>()[0]);
PROMISE(const int&, an<const span>()[0]);

struct heir : span {
  using span::span;
  static_assert(std::same_as<decltype(heir::shm), posix_shm&>);
  static_assert(std::same_as<decltype(heir::offset), size_t>);
  static_assert(std::same_as<decltype(heir::num_elem), size_t>);
};
// They are protected: seen by heirs alone.
template <class T>
concept shows_its_parts = requires(T& object) { object.offset; };
static_assert(!shows_its_parts<span> && !shows_its_parts<shm_array<int>>);

// ---- shm_array.h

using array = shm_array<int>;
static_assert(std::same_as<array, shm_array<int, shm_table>>);
static_assert(std::derived_from<array, span>);
static_assert(std::constructible_from<array, posix_shm&, text>);
static_assert(std::constructible_from<array, posix_shm&, const char*, int>);
static_assert(std::constructible_from<array, posix_shm&, const std::string&, size_t>);
static_assert(surface::copyable_and_movable<array>);
static_assert(surface::words<array> <= 5);
static_assert(std::same_as<array::value_type, int>);
static_assert(std::same_as<array::size_type, size_t>);
static_assert(std::same_as<array::difference_type, std::ptrdiff_t>);
static_assert(std::same_as<array::reference, int&>);
static_assert(std::same_as<array::const_reference, const int&>);
static_assert(std::same_as<array::pointer, int*>);
static_assert(std::same_as<array::const_pointer, const int*>);
static_assert(std::same_as<array::iterator, int*>);
static_assert(std::same_as<array::const_iterator, const int*>);
static_assert(std::same_as<array::reverse_iterator, std::reverse_iterator<int*>>);
static_assert(std::same_as<array::const_reverse_iterator, std::reverse_iterator<const int*>>);
PROMISE(int&, an<array>()[0]);
PROMISE(const int&, an<const array>()[0]);
PROMISE(int&, an<array>().at(0));
PROMISE(const int&, an<const array>().at(0));
static_assert(!noexcept(an<array>().at(0)));
PROMISE(int&, an<array>().front());
PROMISE(const int&, an<const array>().front());
PROMISE(int&, an<array>().back());
PROMISE(const int&, an<const array>().back());
PROMISE_NX(bool, an<const array>().empty());
PROMISE_NX(size_t, an<const array>().size());
PROMISE_NX(size_t, an<const array>().max_size());
PROMISE(void, an<array>().fill(1));
PROMISE_NX(int*, an<array>().data());
PROMISE_NX(const int*, an<const array>().data());
PROMISE_NX(std::span<int>, an<array>().as_span());
PROMISE_NX(std::span<const int>, an<const array>().as_span());
PROMISE_NX(int*, an<array>().begin());
PROMISE_NX(const int*, an<const array>().begin());
PROMISE_NX(const int*, an<const array>().cbegin());
PROMISE_NX(int*, an<array>().end());
PROMISE_NX(const int*, an<const array>().end());
PROMISE_NX(const int*, an<const array>().cend());
PROMISE_NX(std::reverse_iterator<int*>, an<array>().rbegin());
PROMISE_NX(std::reverse_iterator<const int*>, an<const array>().rbegin());
PROMISE_NX(std::reverse_iterator<const int*>, an<const array>().crbegin());
PROMISE_NX(std::reverse_iterator<int*>, an<array>().rend());
PROMISE_NX(std::reverse_iterator<const int*>, an<const array>().rend());
PROMISE_NX(std::reverse_iterator<const int*>, an<const array>().crend());
PROMISE_NX(text, an<const array>().name());
static_assert(std::ranges::contiguous_range<array> && std::ranges::contiguous_range<const array>);
static_assert(std::ranges::sized_range<array> && std::ranges::common_range<array>);

// ---- shm_queue.h

using queue = shm_queue<int>;
static_assert(std::same_as<queue, shm_queue<int, shm_table>>);
static_assert(std::derived_from<queue, span>);
static_assert(std::constructible_from<queue, posix_shm&, text>);
static_assert(std::constructible_from<queue, posix_shm&, const char*, int>);
static_assert(surface::copyable_and_movable<queue> &&
              surface::copyable_and_movable<std::vector<queue>>);
static_assert(surface::words<queue> <= 5);
PROMISE_NX(bool, an<queue>().enqueue(1));
PROMISE_NX(std::optional<int>, an<queue>().dequeue());
PROMISE_NX(bool, an<queue>().dequeue(an<int>()));
PROMISE_NX(bool, an<const queue>().empty());
PROMISE_NX(bool, an<const queue>().full());
PROMISE_NX(size_t, an<const queue>().size());
PROMISE_NX(size_t, an<const queue>().capacity());
PROMISE_NX(text, an<const queue>().name());
PROMISE(bool, queue::exists(an<posix_shm>(), text("name")));
PROMISE(bool, queue::exists(an<posix_shm>(), "name"));

// ---- shm_atomic.h

using atomic = shm_atomic<int>;
static_assert(std::same_as<atomic, shm_atomic<int, shm_table>>);
static_assert(std::constructible_from<atomic, posix_shm&, text>);
static_assert(std::constructible_from<atomic, posix_shm&, const char*, int>);
static_assert(std::copy_constructible<atomic>);
static_assert(surface::words<atomic> <= 2);
static_assert(std::same_as<atomic::value_type, int>);
static_assert(atomic::is_always_lock_free);
PROMISE(bool, an<const atomic>().is_lock_free());
PROMISE(int, an<const atomic>().load());
PROMISE(int, an<const atomic>().load(std::memory_order_acquire));
PROMISE(void, an<atomic>().store(1));
PROMISE(void, an<atomic>().store(1, std::memory_order_release));
PROMISE(int, an<atomic>().exchange(1));
PROMISE(int, an<atomic>().exchange(1, std::memory_order_relaxed));
PROMISE(bool, an<atomic>().compare_exchange_weak(an<int>(), 1));
PROMISE(bool, an<atomic>().compare_exchange_weak(an<int>(), 1, std::memory_order_relaxed));
PROMISE(bool, an<atomic>().compare_exchange_weak(an<int>(), 1, std::memory_order_acq_rel,
                                                 std::memory_order_acquire));
PROMISE(bool, an<atomic>().compare_exchange_strong(an<int>(), 1));
PROMISE(bool, an<atomic>().compare_exchange_strong(an<int>(), 1, std::memory_order_relaxed));
PROMISE(bool, an<atomic>().compare_exchange_strong(an<int>(), 1, std::memory_order_acq_rel,
                                                   std::memory_order_acquire));
PROMISE(int, an<atomic>() = 1);
PROMISE(text, an<const atomic>().name());
static_assert(std::convertible_to<const atomic&, int>);
static_assert(!std::is_copy_assignable_v<atomic>);  // as std::atomic: which value would be meant?

template <class T>
concept adds = requires(shm_atomic<T>& a) {
  { a.fetch_add(T{1}) } -> std::same_as<T>;
  { a.fetch_add(T{1}, std::memory_order_relaxed) } -> std::same_as<T>;
  { a.fetch_sub(T{1}) } -> std::same_as<T>;
  { a.fetch_sub(T{1}, std::memory_order_relaxed) } -> std::same_as<T>;
  { a += T{1} } -> std::same_as<T>;
  { a -= T{1} } -> std::same_as<T>;
};
template <class T>
concept combines = requires(shm_atomic<T>& a) {
  { a.fetch_and(T{1}) } -> std::same_as<T>;
  { a.fetch_or(T{1}) } -> std::same_as<T>;
  { a.fetch_xor(T{1}, std::memory_order_relaxed) } -> std::same_as<T>;
  { a &= T{1} } -> std::same_as<T>;
  { a |= T{1} } -> std::same_as<T>;
  { a ^= T{1} } -> std::same_as<T>;
  { ++a } -> std::same_as<T>;
  { --a } -> std::same_as<T>;
  { a++ } -> std::same_as<T>;
  { a-- } -> std::same_as<T>;
};
enum class color { red };
static_assert(adds<int> && adds<char> && adds<std::uint64_t> && adds<float> && adds<double>);
static_assert(combines<int> && combines<unsigned char> && combines<long long>);
static_assert(!combines<float> && !combines<bool> && !combines<color>);
static_assert(!adds<bool> && !adds<color>);

static_assert(std::same_as<shm_atomic_bool<>, shm_atomic<bool>>);
static_assert(std::same_as<shm_atomic_int<>, shm_atomic<int>>);
static_assert(std::same_as<shm_atomic_uint<>, shm_atomic<unsigned>>);
static_assert(std::same_as<shm_atomic_int32<>, shm_atomic<std::int32_t>>);
static_assert(std::same_as<shm_atomic_uint32<>, shm_atomic<std::uint32_t>>);
static_assert(std::same_as<shm_atomic_int64<>, shm_atomic<std::int64_t>>);
static_assert(std::same_as<shm_atomic_uint64<>, shm_atomic<std::uint64_t>>);
static_assert(std::same_as<shm_atomic_size_t<>, shm_atomic<size_t>>);
static_assert(std::same_as<shm_atomic_int<shm_table_large>, shm_atomic<int, shm_table_large>>);
// Without <>: deduction for alias templates, which clang has since version 19.
#if __cpp_deduction_guides >= 201907L
static_assert(std::same_as<decltype(shm_atomic_bool(an<posix_shm>(), "b")), shm_atomic<bool>>);
static_assert(std::same_as<decltype(shm_atomic_int(an<posix_shm>(), "n")), shm_atomic<int>>);
static_assert(std::same_as<decltype(shm_atomic_int(an<posix_shm>(), "n", 5)), shm_atomic<int>>);
static_assert(std::same_as<decltype(shm_atomic_uint64(an<posix_shm_large>(), "n")),
                           shm_atomic<std::uint64_t, shm_table_large>>);
static_assert(std::same_as<decltype(shm_atomic_size_t(an<posix_shm>(), "n")), shm_atomic<size_t>>);
#endif

// ---- shm_simd_utils.h

PROMISE(bool, shm_simd::is_aligned(an<const void* const>(), 32));
PROMISE(float, shm_simd::sum_floats(an<const float* const>(), size_t{1}));
PROMISE(float, shm_simd::dot_product(an<const float*>(), an<const float*>(), size_t{1}));
PROMISE(void, shm_simd::scale_floats(an<float*>(), 2.0F, size_t{1}));
PROMISE(void, shm_simd::scale_floats(an<float*>(), size_t{1}, 2.0F));
PROMISE(void, shm_simd::scale_floats(an<float*>(), 2, 1));
PROMISE(void, shm_simd::fma_floats(an<const float*>(), an<const float*>(), an<const float*>(),
                                   an<float*>(), size_t{1}));
PROMISE(float, shm_simd::min_float(an<const float*>(), size_t{1}));
PROMISE(float, shm_simd::max_float(an<const float*>(), size_t{1}));
PROMISE(void, shm_simd::prefetch_read<64>(an<const float*>()));
PROMISE(void, shm_simd::prefetch_read(an<const float*>()));
PROMISE(void, shm_simd::prefetch_write(an<float*>()));
PROMISE(void, shm_simd::stream_store_floats(an<float*>(), an<const float*>(), size_t{1}));
using simd = decltype(shm_simd::SimdArray(an<shm_array<float>>()));
using simd_const = decltype(shm_simd::SimdArray(an<const shm_array<float>>()));
PROMISE(float, an<simd>().sum());
PROMISE(float, an<simd_const>().sum());
PROMISE(float, an<simd>().min());
PROMISE(float, an<simd>().max());
PROMISE(void, an<simd>().scale(2.0F));
PROMISE(float, an<simd>().dot(an<simd>()));
PROMISE(float, an<simd>().dot(an<const shm_array<float>>()));

// ---- any table, named last

using tiny = shm_table_impl<48, 128>;
static_assert(std::constructible_from<shm_array<int, tiny>, posix_shm_impl<tiny>&, text, size_t>);
static_assert(std::constructible_from<shm_queue<int, tiny>, posix_shm_impl<tiny>&, text, size_t>);
static_assert(std::constructible_from<shm_atomic<int, tiny>, posix_shm_impl<tiny>&, text, int>);

}  // namespace
