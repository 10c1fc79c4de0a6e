/// @file
/// The exception that every constructor of the wrapper throws.
#ifndef SHMDS_ERROR_HPP
#define SHMDS_ERROR_HPP

#include <stdexcept>

#include "shmds.h"

namespace shmds {

/// A segment or a structure could not be created or opened.
///
/// what() is the library's sentence: the name, what was expected and what was
/// found. Nothing was changed by the call that failed.
class error : public std::runtime_error {
 public:
  /// Takes the sentence of the calling thread's last failure.
  /// @param status the status that failure returned
  explicit error(shmds_status status) : std::runtime_error(sentence(status)), status_(status) {}

  /// One of the SHMDS_E_... constants.
  [[nodiscard]] shmds_status status() const noexcept { return status_; }

 private:
  static const char* sentence(shmds_status status) noexcept {
    const char* text = shmds_last_error();
    return text != nullptr && *text != '\0' ? text : shmds_status_str(status);
  }

  shmds_status status_;
};

}  // namespace shmds

#endif  // SHMDS_ERROR_HPP
