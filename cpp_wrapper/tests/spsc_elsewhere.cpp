#include "spsc_elsewhere.hpp"

bool elsewhere::push(shm_spsc_queue<long>& queue, long value) {
  return queue.push(value);
}

std::optional<long> elsewhere::pop(shm_spsc_queue<long>& queue) {
  return queue.pop();
}

long* elsewhere::front(shm_spsc_queue<long>& queue) {
  return queue.front();
}

void elsewhere::release(shm_spsc_queue<long>& queue) {
  queue.release();
}
