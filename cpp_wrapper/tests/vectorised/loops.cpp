// Loops over a shm_array and the same over plain memory: `check` compares what the compiler
// makes of them.
#include <cstddef>
#include <cstdint>

#include "shm_array.h"

extern "C" {

std::int64_t plain_sum(const std::int64_t* data, size_t size);
std::int64_t ours_sum(const shm_array<std::int64_t>& array);
std::int64_t ours_sum_range(const shm_array<std::int64_t>& array);
void plain_map(double* data, size_t size);
void ours_map(shm_array<double>& array);
void ours_map_range(shm_array<double>& array);
void plain_add(float* to, const float* from, size_t size);
void ours_add(shm_array<float>& to, const shm_array<float>& from);

std::int64_t plain_sum(const std::int64_t* data, size_t size) {
  std::int64_t sum = 0;
  for (size_t i = 0; i < size; ++i)
    sum += data[i];
  return sum;
}
std::int64_t ours_sum(const shm_array<std::int64_t>& array) {
  std::int64_t sum = 0;
  for (size_t i = 0; i < array.size(); ++i)
    sum += array[i];
  return sum;
}
std::int64_t ours_sum_range(const shm_array<std::int64_t>& array) {
  std::int64_t sum = 0;
  for (const std::int64_t value : array)
    sum += value;
  return sum;
}

void plain_map(double* data, size_t size) {
  for (size_t i = 0; i < size; ++i)
    data[i] = data[i] * 1.5 + 2.0;
}
void ours_map(shm_array<double>& array) {
  for (size_t i = 0; i < array.size(); ++i)
    array[i] = array[i] * 1.5 + 2.0;
}
void ours_map_range(shm_array<double>& array) {
  for (double& value : array)
    value = value * 1.5 + 2.0;
}

void plain_add(float* to, const float* from, size_t size) {
  for (size_t i = 0; i < size; ++i)
    to[i] += from[i];
}
void ours_add(shm_array<float>& to, const shm_array<float>& from) {
  for (size_t i = 0; i < to.size(); ++i)
    to[i] += from[i];
}
}
