// What the promises in test_surface.cpp are made of.
#ifndef SHMDS_TESTS_SURFACE_HPP
#define SHMDS_TESTS_SURFACE_HPP

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace surface {

template <class T>
T& an() noexcept;  // an object, in unevaluated operands

template <class T>
inline constexpr bool copyable_and_movable =
    std::is_copy_constructible_v<T> && std::is_copy_assignable_v<T> &&
    std::is_move_constructible_v<T> && std::is_move_assignable_v<T>;

template <class T>
inline constexpr std::size_t words = (sizeof(T) + sizeof(void*) - 1) / sizeof(void*);

}  // namespace surface

// PROMISE(type, expression): the expression has exactly that type.
#define PROMISE(type, ...) static_assert(std::same_as<type, decltype(__VA_ARGS__)>)
// PROMISE_NX(type, expression): and it is noexcept.
#define PROMISE_NX(type, ...) \
  PROMISE(type, __VA_ARGS__); \
  static_assert(noexcept(__VA_ARGS__))

#endif
