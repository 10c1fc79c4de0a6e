// Catch2, whichever of its versions 2 and 3 is installed.
#ifndef SHMDS_TESTS_CATCH_HPP
#define SHMDS_TESTS_CATCH_HPP

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Matchers::ContainsSubstring;
#else
#include <catch2/catch.hpp>
inline auto ContainsSubstring(const std::string& text) {
  return Catch::Matchers::Contains(text);
}
#endif

#endif
