// What spsc_elsewhere.cpp, a translation unit of its own, does with an SPSC queue.
#ifndef SHMDS_TESTS_SPSC_ELSEWHERE_HPP
#define SHMDS_TESTS_SPSC_ELSEWHERE_HPP

#include <optional>

#include "shm_spsc_queue.h"

namespace elsewhere {

bool push(shm_spsc_queue<long>& queue, long value);
std::optional<long> pop(shm_spsc_queue<long>& queue);
long* front(shm_spsc_queue<long>& queue);
void release(shm_spsc_queue<long>& queue);

}  // namespace elsewhere

#endif
