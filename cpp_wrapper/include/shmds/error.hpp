/// @file
/// How the wrapper reports failures: an exception, or a value for programs that
/// have none.
#ifndef SHMDS_ERROR_HPP
#define SHMDS_ERROR_HPP

#include <stdexcept>
#include <string>
#include <utility>
#include <version>

#ifdef __cpp_lib_expected
#include <expected>
#endif

#include "shmds.h"

namespace shmds {

/// Why a call failed, as a value: the status and the library's sentence.
class error_code {
 public:
  /// Takes the sentence of the calling thread's last failure.
  /// @param status the status that failure returned
  explicit error_code(shmds_status status) : message_(sentence(status)), status_(status) {}

  /// One of the SHMDS_E_... constants, or SHMDS_TIMEOUT.
  [[nodiscard]] shmds_status status() const noexcept { return status_; }

  /// The name, what was expected and what was found.
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

  /// Whether the failure is the one that `status` stands for.
  friend bool operator==(const error_code& code, shmds_status status) noexcept {
    return code.status_ == status;
  }

 private:
  static const char* sentence(shmds_status status) noexcept {
    const char* text = shmds_last_error();
    return text != nullptr && *text != '\0' ? text : shmds_status_str(status);
  }

  std::string message_;
  shmds_status status_;
};

/// A segment or a structure could not be created or opened, or an operation met
/// an error.
///
/// what() is the library's sentence: the name, what was expected and what was
/// found. Nothing was changed by the call that failed.
class error : public std::runtime_error {
 public:
  /// Takes the sentence of the calling thread's last failure.
  /// @param status the status that failure returned
  explicit error(shmds_status status) : error(error_code(status)) {}
  /// The same failure as an exception.
  explicit error(const error_code& code)
      : std::runtime_error(code.message()), status_(code.status()) {}

  /// One of the SHMDS_E_... constants, or SHMDS_TIMEOUT.
  [[nodiscard]] shmds_status status() const noexcept { return status_; }

 private:
  shmds_status status_;
};

#ifdef __cpp_lib_expected
/// What the factories without exceptions return: `try_open`, `try_create` and
/// `try_open_or_create` of the segment and of every structure. They are there
/// where the standard library has std::expected (not with clang 16 over the
/// library of GCC 12).
template <class T>
using result = std::expected<T, error_code>;
#endif

}  // namespace shmds

#endif  // SHMDS_ERROR_HPP
