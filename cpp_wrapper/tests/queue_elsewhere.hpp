// What queue_elsewhere.cpp, a translation unit of its own, does with a queue.
#ifndef SHMDS_TESTS_QUEUE_ELSEWHERE_HPP
#define SHMDS_TESTS_QUEUE_ELSEWHERE_HPP

#include <cstddef>
#include <optional>

#include "shm_queue.h"

namespace elsewhere {

bool enqueue(shm_queue<long>& queue, long value);
std::optional<long> dequeue(shm_queue<long>& queue);
size_t enqueue_three(shm_queue<long>& queue, long first);
shm_queue<long>::reservation reserve(shm_queue<long>& queue, long value);
void finish(shm_queue<long>::taken_element taken);

}  // namespace elsewhere

#endif
