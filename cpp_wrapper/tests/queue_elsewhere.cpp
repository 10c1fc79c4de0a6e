#include "queue_elsewhere.hpp"

#include <array>
#include <chrono>

using namespace std::chrono_literals;

bool elsewhere::enqueue(shm_queue<long>& queue, long value) {
  return queue.enqueue_for(value, 30s);
}

std::optional<long> elsewhere::dequeue(shm_queue<long>& queue) {
  return queue.dequeue_for(30s);
}

size_t elsewhere::enqueue_three(shm_queue<long>& queue, long first) {
  return queue.enqueue_bulk(std::array{first, first + 1, first + 2});
}

shm_queue<long>::reservation elsewhere::reserve(shm_queue<long>& queue, long value) {
  auto slot = queue.reserve();
  *slot = value;
  return slot;
}

void elsewhere::finish(shm_queue<long>::taken_element taken) {
  taken.done();
}

std::optional<long> elsewhere::pass(shm_queue<long>& queue, long value) {
  return queue.enqueue(value) ? queue.dequeue() : std::nullopt;
}

bool elsewhere::remembers(const shm_queue<long>& queue) {
  return shmds_queue_thread_memory.often.pass.key == shmds_queue_key_inline(queue.native_handle());
}
