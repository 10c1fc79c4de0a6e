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
// Puts a value in and takes one out.
std::optional<long> pass(shm_queue<long>& queue, long value);
// Whether the code in line of that unit knows the queue as the one that this thread uses often.
bool remembers(const shm_queue<long>& queue);

}  // namespace elsewhere

#endif
