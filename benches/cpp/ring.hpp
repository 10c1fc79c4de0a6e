// The ring buffer: blocks of elements beside memcpy, and a producer that overwrites beside readers.
#ifndef SHMDS_BENCH_RING_HPP
#define SHMDS_BENCH_RING_HPP

#include <shm_ring_buffer.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "control.hpp"
#include "ports.hpp"
#include "stage.hpp"

// ---- Blocks.

struct BlockTimes {
  double ring_ns;
  double memcpy_ns;
};

// Nanoseconds to put a block in and take it out again, through a ring of eight blocks and a little
// more; and to copy it to memory of the same size and back, at the same places.
inline BlockTimes blocks(size_t block_bytes, std::uint64_t total_bytes) {
  using Word = std::uint64_t;
  const size_t block = block_bytes / sizeof(Word);
  const size_t slots = 8 * block + 64 / sizeof(Word);
  const SegmentName name;
  posix_shm shm(name.str(), slots * sizeof(Word));
  shm_ring_buffer<Word> ring(shm, "ring", slots);
  std::vector<Word> source(block);
  std::vector<Word> target(block);
  // On the same place in its pages as the ring's slots: what a copy costs depends on that.
  constexpr size_t page = 4096;
  const auto* view = reinterpret_cast<const shmds_ring_buffer_view*>(ring.native_handle());
  std::vector<Word> pages(slots + block + 2 * page / sizeof(Word));
  const size_t wanted = reinterpret_cast<std::uintptr_t>(view->slots) % page;
  const size_t found = reinterpret_cast<std::uintptr_t>(pages.data()) % page;
  Word* memory = pages.data() + (wanted + page - found) % page / sizeof(Word);
  const std::uint64_t count = std::max<std::uint64_t>(total_bytes / block_bytes, 4);
  BlockTimes best{1e300, 1e300};
  // In turns, so that both meet the same moods; the first turn warms up.
  for (unsigned turn = 0; turn < 5; turn++) {
    std::uint64_t begin = now_ns();
    for (std::uint64_t i = 0; i < count; i++) {
      source[i % block] = i;
      if (ring.push_bulk(source) != block || ring.pop_bulk(target) != block) broken("no room");
      if (target[i % block] != i) broken("another block came out");
    }
    const double ring_ns = static_cast<double>(now_ns() - begin);
    size_t place = 0;
    begin = now_ns();
    for (std::uint64_t i = 0; i < count; i++) {
      source[i % block] = i;
      std::memcpy(memory + place, source.data(), block_bytes);
      // Both copies are to happen.
      __asm__ volatile("" ::: "memory");
      std::memcpy(target.data(), memory + place, block_bytes);
      __asm__ volatile("" ::: "memory");
      if (target[i % block] != i) broken("another block came out");
      place = (place + block) % slots;
    }
    const double memcpy_ns = static_cast<double>(now_ns() - begin);
    if (turn > 0) {
      best.ring_ns = std::min(best.ring_ns, ring_ns / static_cast<double>(count));
      best.memcpy_ns = std::min(best.memcpy_ns, memcpy_ns / static_cast<double>(count));
    }
  }
  return best;
}

// ---- A producer that overwrites, and somebody who reads the newest.

// What a reader takes at a time.
inline constexpr size_t newest = 100;
// Between two reads of one that takes its time.
inline constexpr std::uint64_t pace_ns = 50'000;

// Reads the newest elements of the ring, or as many of its own, until the time is up.
template <class E>
void read_newest(const std::string& segment, Control& control, bool of_ring, bool paced) {
  Participant& me = control.participants[0];
  posix_shm shm(segment, 0, {.read_only = true});
  std::vector<E> own(capacity);
  std::vector<E> values(newest);
  shm_ring_buffer<E> ring(shm, "ring");
  std::uint64_t reads = 0;
  control.start(me);
  std::uint64_t next = now_ns();
  while (control.stop.load(std::memory_order_relaxed) == 0) {
    if (paced) {
      while (now_ns() < next)
        pause_once();
      next += pace_ns;
    }
    if (of_ring) {
      const size_t got = ring.get_last_n(newest, values);
      for (size_t i = 0; i < got; i++) {
        if (!values[i].whole() || values[i].value() != values[0].value() + i) {
          broken("a torn element, or a gap");
        }
      }
    } else {
      std::memcpy(static_cast<void*>(values.data()), &own[reads % (capacity - newest)],
                  newest * sizeof(E));
      __asm__ volatile("" ::: "memory");
    }
    reads++;
  }
  me.end_ns = now_ns();
  me.received.store(reads, std::memory_order_relaxed);
}

struct Overwritten {
  double per_us;        // elements written, per microsecond
  double reads_per_us;  // by the reader
};

// Overwrites for that long, beside a reader in another process.
template <class E>
Overwritten overwrite(const std::string& reader, std::uint64_t milliseconds,
                      std::array<int, 2> cpus) {
  const SegmentName name;
  Segment segment(name.str());
  shm_ring_buffer<E> ring(segment.shm, "ring", capacity);
  SharedControl control;
  control->begin_round(1);
  Crew crew(control);
  crew.add({"read", reader, std::to_string(sizeof(E)), name.str(), std::to_string(control.fd()),
            std::to_string(cpus[1])});
  E element{};
  std::uint64_t number = 0;
  const auto write = [&](std::uint64_t nanoseconds) {
    const std::uint64_t begin = now_ns();
    std::uint64_t passed = 0;
    do {
      for (unsigned i = 0; i < 256; i++) {
        element.set(number++);
        ring.push_overwrite(element);
      }
      passed = now_ns() - begin;
    } while (passed < nanoseconds);
    return passed;
  };
  crew.start();
  write(milliseconds * 100'000);
  const std::uint64_t before = number;
  const std::uint64_t passed = write(milliseconds * 1'000'000);
  const std::uint64_t written = number - before;
  control->stop.store(1, std::memory_order_relaxed);
  crew.join();
  const Participant& me = control->participants[0];
  return {
      static_cast<double>(written) * 1e3 / static_cast<double>(passed),
      static_cast<double>(me.received.load()) * 1e3 / static_cast<double>(me.end_ns - me.begin_ns)};
}

// READER BYTES SEGMENT CONTROL_FD CPU; a reader is "private" or "ring", and "paced" or "busy".
inline void take_part_as_reader(const std::vector<std::string>& arguments) {
  pin(std::stoi(arguments[4]));
  Control& control = *SharedControl::map(std::stoi(arguments[3]));
  const bool of_ring = arguments[0].starts_with("ring");
  const bool paced = arguments[0].ends_with("paced");
  if (arguments[1] == "8") return read_newest<Element<8>>(arguments[2], control, of_ring, paced);
  return read_newest<Element<64>>(arguments[2], control, of_ring, paced);
}

#endif
