/* SPDX-License-Identifier: MIT */
/** @file
 * The hot paths of libshmds for inlining, in C11 that is also C++.
 *
 * A call into the library costs more than the whole of such an operation. The functions here do
 * the common case themselves, on the same memory and in the same way as the library, and call it
 * for everything else: when a queue is full or empty, when a role has to be taken, in a forked
 * child, when somebody sleeps. They answer what the functions of the same name without `_inline`
 * answer, and both may be used on one queue at once, in any mixture.
 *
 * Needs the atomic builtins of gcc and clang. Link with libshmds.
 */
#ifndef SHMDS_INLINE_H
#define SHMDS_INLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "shmds.h"

/** @cond macros for this header alone */
#define SHMDS_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define SHMDS_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
/* Compilers find these functions too large to inline by themselves, which would cost a call. */
#define SHMDS_INLINE static inline __attribute__((always_inline))
/* One per translation unit, and called: what is long or rare. */
#define SHMDS_OUT_OF_LINE static __attribute__((noinline, unused))

#ifdef __cplusplus
#define SHMDS_VIEW_OF(type, handle) reinterpret_cast<type*>(handle)
#define SHMDS_BYTES_OF(type, pointer) static_cast<type*>(pointer)
#define SHMDS_ADDRESS_OF(pointer) reinterpret_cast<uintptr_t>(pointer)
#define SHMDS_POINTER_AT(type, address) reinterpret_cast<type*>(address)
#define SHMDS_SIGNED(number) static_cast<long long>(number)
#else
#define SHMDS_VIEW_OF(type, handle) ((type*)(handle))
#define SHMDS_BYTES_OF(type, pointer) ((type*)(pointer))
#define SHMDS_ADDRESS_OF(pointer) ((uintptr_t)(pointer))
#define SHMDS_POINTER_AT(type, address) ((type*)(address))
#define SHMDS_SIGNED(number) ((long long)(number))
#endif
/** @endcond */

/* An element may have words of padding, which nobody has written. */
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
/** A word, loaded by itself. What the compiler knows of it, it may use. */
SHMDS_INLINE uint64_t shmds_word_inline(const unsigned char* source) {
  uint64_t word = 0;
  memcpy(&word, source, sizeof word);
  if (!__builtin_constant_p(word)) {
    /* Keeps the compiler from making one wide load of several. */
    __asm__("" : "+r"(word));
  }
  return word;
}
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#if defined(__SSE2__)
/** Two words in one register, loaded one by one. */
SHMDS_INLINE __m128i shmds_pair_of_words_inline(const unsigned char* source) {
#if defined(__clang__)
  const void* low = source;
  const void* high = source + 8;
  __m128d pair = _mm_load_sd(SHMDS_BYTES_OF(const double, low));
  /* As in `shmds_word_inline`. */
  __asm__("" : "+x"(pair));
  return _mm_castpd_si128(_mm_loadh_pd(pair, SHMDS_BYTES_OF(const double, high)));
#else
  /* By way of integers, which GCC does not have to put into memory before, if it has them in
   * registers. */
  const uint64_t low = shmds_word_inline(source);
  const uint64_t high = shmds_word_inline(source + 8);
  return _mm_set_epi64x(SHMDS_SIGNED(high), SHMDS_SIGNED(low));
#endif
}
#endif

/** Copies a small element by loads of no more than a word. It was often built just now, field by
 * field, and a wider load would have to wait until all those stores have left the processor's store
 * buffer. */
SHMDS_INLINE void shmds_copy_in_inline(void* slot, const void* element, size_t elem_size) {
  unsigned char* target = SHMDS_BYTES_OF(unsigned char, slot);
  const unsigned char* source = SHMDS_BYTES_OF(const unsigned char, element);
  size_t offset = 0;
  if (!__builtin_constant_p(elem_size) || elem_size % 8 != 0 || elem_size == 8 || elem_size > 64) {
    memcpy(slot, element, elem_size);
    return;
  }
#if defined(__SSE2__)
#pragma GCC unroll 4
  for (; offset + 16 <= elem_size; offset += 16) {
    const __m128i words = shmds_pair_of_words_inline(source + offset);
    memcpy(target + offset, &words, sizeof words);
  }
#endif
#pragma GCC unroll 8
  for (; offset < elem_size; offset += 8) {
    const uint64_t word = shmds_word_inline(source + offset);
    memcpy(target + offset, &word, sizeof word);
  }
}

/* ---- SPSC queue. Each side knows up to which index of its lap it can go without a look at the
 * other one, and without the step into the next lap. While this process does not hold the role
 * (after a fork, too) the side is at an end of no queue, where it can neither go on nor find the
 * other side elsewhere. */

/** A slot, and the position after it. */
typedef struct shmds_spsc_queue_step {
  /** The slot's index; `UINT64_MAX`: the library has to be asked. */
  uint64_t index;
  /** The position. */
  uint64_t next;
} shmds_spsc_queue_step;

/** The step from a position in any lap, for a side that may go up to a limit; out of line. */
SHMDS_OUT_OF_LINE shmds_spsc_queue_step shmds_spsc_queue_look(const shmds_spsc_queue_view* view,
                                                              shmds_spsc_queue_side* side,
                                                              uint64_t at, uint64_t limit) {
  const uint64_t index = at & view->index_mask;
  const uint64_t lap = at - index;
  const uint64_t ready = limit - lap;
  shmds_spsc_queue_step step = {UINT64_MAX, 0};
  if (limit - at - 1 > view->index_mask || index > view->last_index) {
    return step;
  }
  side->lap = lap;
  side->ready = ready < view->last_index ? ready : view->last_index;
  step.index = index;
  step.next = index != view->last_index ? at + 1 : lap + view->lap;
  return step;
}

/** The producer's step from a position. */
SHMDS_INLINE shmds_spsc_queue_step shmds_spsc_queue_step_in_inline(
    const shmds_spsc_queue_view* view, shmds_spsc_queue_side* side, uint64_t at) {
  const shmds_spsc_queue_step step = {at - side->lap, at + 1};
  if (SHMDS_UNLIKELY(step.index >= side->ready)) {
    /* Acquire: pairs with the consumer's Release; it has read the slots before its position. */
    const uint64_t head = __atomic_load_n(&side->own[1].position, __ATOMIC_ACQUIRE);
    return shmds_spsc_queue_look(view, side, at, head + view->lap);
  }
  return step;
}

/** The consumer's step from a position. */
SHMDS_INLINE shmds_spsc_queue_step shmds_spsc_queue_step_out_inline(
    const shmds_spsc_queue_view* view, shmds_spsc_queue_side* side, uint64_t at) {
  const shmds_spsc_queue_end* own = side->own;
  const uint64_t lap = side->lap;
  const shmds_spsc_queue_step step = {at - lap, at + 1};
  /* Neither is rare: a consumer that keeps up looks each time. */
  if (step.index >= side->ready) {
    /* Acquire: pairs with the producer's Release; the slots before its position are filled. */
    const uint64_t tail = __atomic_load_n(&own[-1].position, __ATOMIC_ACQUIRE);
    const uint64_t ready = tail - lap;
    if (SHMDS_UNLIKELY(step.index >= ready) || SHMDS_UNLIKELY(ready > view->last_index)) {
      return shmds_spsc_queue_look(view, side, at, tail);
    }
    side->ready = ready;
  }
  return step;
}

/** Moves a side on and tells the other: the linearisation point. */
SHMDS_INLINE void shmds_spsc_queue_move_inline(shmds_spsc_queue* queue, shmds_spsc_queue_end* own,
                                               uint64_t next) {
  /* Release: the slot is filled, or read, before the other side sees the position. */
  __atomic_store_n(&own->position, next, __ATOMIC_RELEASE);
  /* Not before the store, for the compiler; for the processor, whoever sleeps has seen to it. */
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  if (SHMDS_UNLIKELY((__atomic_load_n(&own->waiters, __ATOMIC_RELAXED) & 1U) != 0)) {
    (void)!shmds_spsc_queue_wake(queue);
  }
}

/**
 * What of `shmds_spsc_queue_push` can be done in line: true if the element went in. False says
 * nothing; the library has to be asked then.
 *
 * Never hands `element` on, so that a compiler may keep it in registers.
 *
 * @param queue not NULL
 * @param elem_size the queue's element size, best known to the compiler
 */
SHMDS_INLINE bool shmds_spsc_queue_try_push_inline(shmds_spsc_queue* queue, const void* element,
                                                   size_t elem_size) {
  shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
  shmds_spsc_queue_end* own = view->producer.own;
  const shmds_spsc_queue_step step = shmds_spsc_queue_step_in_inline(
      view, &view->producer, __atomic_load_n(&own->position, __ATOMIC_RELAXED));
  if (SHMDS_UNLIKELY(step.index == UINT64_MAX)) {
    return false;
  }
  shmds_copy_in_inline(view->slots + step.index * elem_size, element, elem_size);
  shmds_spsc_queue_move_inline(queue, own, step.next);
  return true;
}

/** A pop that has begun. */
typedef struct shmds_spsc_queue_popping {
  /** The oldest element. */
  const void* element;
  /** The end that is going to move, */
  shmds_spsc_queue_end* own;
  /** and where to. */
  uint64_t next;
} shmds_spsc_queue_popping;

/**
 * What of a pop can be done in line before the element is copied: true if there is one, to be taken
 * out by `shmds_spsc_queue_end_pop_inline` then. False says nothing; the library has to be asked
 * then.
 *
 * In two steps, so that C++ can copy an element as what it is, and leave out what nobody looks at.
 *
 * @param queue not NULL
 * @param elem_size the queue's element size, best known to the compiler
 * @param[out] pop not NULL
 */
SHMDS_INLINE bool shmds_spsc_queue_begin_pop_inline(shmds_spsc_queue* queue, size_t elem_size,
                                                    shmds_spsc_queue_popping* pop) {
  shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
  shmds_spsc_queue_end* own = view->consumer.own;
  const shmds_spsc_queue_step step = shmds_spsc_queue_step_out_inline(
      view, &view->consumer, __atomic_load_n(&own->position, __ATOMIC_RELAXED));
  pop->element = view->slots + step.index * elem_size;
  pop->own = own;
  pop->next = step.next;
  return SHMDS_LIKELY(step.index != UINT64_MAX);
}

/** Takes out the element that `shmds_spsc_queue_begin_pop_inline` found. */
SHMDS_INLINE void shmds_spsc_queue_end_pop_inline(shmds_spsc_queue* queue,
                                                  const shmds_spsc_queue_popping* pop) {
  shmds_spsc_queue_move_inline(queue, pop->own, pop->next);
}

/** What of `shmds_spsc_queue_pop` can be done in line; see `shmds_spsc_queue_try_push_inline`. */
SHMDS_INLINE bool shmds_spsc_queue_try_pop_inline(shmds_spsc_queue* queue, void* element,
                                                  size_t elem_size) {
  shmds_spsc_queue_popping pop;
  if (SHMDS_UNLIKELY(!shmds_spsc_queue_begin_pop_inline(queue, elem_size, &pop))) {
    return false;
  }
  memcpy(element, pop.element, elem_size);
  shmds_spsc_queue_end_pop_inline(queue, &pop);
  return true;
}

/** `shmds_spsc_queue_push`. `elem_size` is the queue's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_spsc_queue_push_inline(shmds_spsc_queue* queue, const void* element,
                                                       size_t elem_size) {
  if (SHMDS_LIKELY(queue && element) &&
      SHMDS_LIKELY(shmds_spsc_queue_try_push_inline(queue, element, elem_size))) {
    return SHMDS_OK;
  }
  return shmds_spsc_queue_push(queue, element);
}

/** `shmds_spsc_queue_pop`. `elem_size` is the queue's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_spsc_queue_pop_inline(shmds_spsc_queue* queue, void* element,
                                                      size_t elem_size) {
  if (SHMDS_LIKELY(queue && element) &&
      SHMDS_LIKELY(shmds_spsc_queue_try_pop_inline(queue, element, elem_size))) {
    return SHMDS_OK;
  }
  return shmds_spsc_queue_pop(queue, element);
}

/** `shmds_spsc_queue_front`. `elem_size` is the queue's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_spsc_queue_front_inline(shmds_spsc_queue* queue,
                                                        const void** element, size_t elem_size) {
  if (SHMDS_LIKELY(queue && element)) {
    shmds_spsc_queue_view* view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
    shmds_spsc_queue_side* side = &view->consumer;
    const uint64_t at = __atomic_load_n(&side->own->position, __ATOMIC_RELAXED);
    const shmds_spsc_queue_step step = shmds_spsc_queue_step_out_inline(view, side, at);
    if (SHMDS_LIKELY(step.index != UINT64_MAX)) {
      side->front = at + 1;
      *element = view->slots + step.index * elem_size;
      return SHMDS_OK;
    }
  }
  return shmds_spsc_queue_front(queue, element);
}

/** `shmds_spsc_queue_release`. */
SHMDS_INLINE shmds_status shmds_spsc_queue_release_inline(shmds_spsc_queue* queue) {
  if (SHMDS_LIKELY(queue)) {
    const shmds_spsc_queue_view* view = SHMDS_VIEW_OF(const shmds_spsc_queue_view, queue);
    shmds_spsc_queue_end* own = view->consumer.own;
    const uint64_t at = __atomic_load_n(&own->position, __ATOMIC_RELAXED);
    /* In the lap that the side knows, and not its last. */
    if (SHMDS_LIKELY(view->consumer.front == at + 1) &&
        SHMDS_LIKELY(at - view->consumer.lap < view->last_index)) {
      shmds_spsc_queue_move_inline(queue, own, at + 1);
      return SHMDS_OK;
    }
  }
  return shmds_spsc_queue_release(queue);
}

/* ---- Ring buffer. Positions count elements since creation. Each side remembers a multiple of the
 * capacity, from which the slot of a position is a difference; that holds whoever moves the
 * position. Where this process may not act (a read-only attachment, a role that it does not hold, a
 * closed segment) the words are those of no ring, at which nothing can be done without the library.
 */

/** The slot of a position, if it is in the lap that the side remembers, or begins the next one;
 * otherwise no slot. */
SHMDS_INLINE uint64_t shmds_ring_buffer_index_inline(uint64_t capacity,
                                                     shmds_ring_buffer_side* side, uint64_t at) {
  const uint64_t index = at - side->base;
  if (SHMDS_UNLIKELY(index == capacity)) {
    side->base = at;
    return 0;
  }
  return index;
}

/** Wakes those who sleep for what was just stored, if there are any. */
SHMDS_INLINE void shmds_ring_buffer_wake_inline(shmds_ring_buffer* ring,
                                                const shmds_wait_word* sleepers) {
  /* Not before the store, for the compiler; for the processor, whoever sleeps has seen to it. */
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  if (SHMDS_UNLIKELY((__atomic_load_n(sleepers, __ATOMIC_RELAXED) & 1U) != 0)) {
    (void)!shmds_ring_buffer_wake(ring);
  }
}

/** How many of `count` elements there is room for, as far as can be told without the library. */
SHMDS_INLINE uint64_t shmds_ring_buffer_room_inline(const shmds_ring_buffer_view* view,
                                                    shmds_ring_buffer_side* side, uint64_t tail,
                                                    uint64_t count) {
  uint64_t room = side->limit - tail;
  if (SHMDS_UNLIKELY(room - 1 >= view->capacity) || SHMDS_UNLIKELY(room < count)) {
    /* Acquire: pairs with the consumer's Release; it has read the slots before its head. */
    const uint64_t head = __atomic_load_n(&side->ends->reader.head, __ATOMIC_ACQUIRE);
    const uint64_t size = tail - head;
    if (SHMDS_UNLIKELY(size >= view->capacity)) {
      return 0;
    }
    side->limit = head + view->capacity;
    room = view->capacity - size;
  }
  return room < count ? room : count;
}

/** Writes elements, from 1 to the capacity, at the tail. False: nothing done, for somebody died in
 * a write, or the tail is in a lap that the side does not know. */
SHMDS_INLINE bool shmds_ring_buffer_write_inline(shmds_ring_buffer* ring, uint64_t tail,
                                                 const void* elements, uint64_t count,
                                                 size_t elem_size) {
  shmds_ring_buffer_view* view = SHMDS_VIEW_OF(shmds_ring_buffer_view, ring);
  shmds_ring_buffer_side* side = &view->producer;
  shmds_ring_buffer_ends* ends = side->ends;
  const uint64_t index = shmds_ring_buffer_index_inline(view->capacity, side, tail);
  if (SHMDS_UNLIKELY(index >= view->capacity) ||
      SHMDS_UNLIKELY(__atomic_load_n(&ends->writer.claim, __ATOMIC_RELAXED) != tail)) {
    return false;
  }
  __atomic_store_n(&ends->writer.claim, tail + count, __ATOMIC_RELAXED);
  /* Release: before the elements are touched, for whoever sees any byte of them. */
  __atomic_thread_fence(__ATOMIC_RELEASE);
  if (__builtin_constant_p(count) && count == 1) {
    shmds_copy_in_inline(view->slots + index * elem_size, elements, elem_size);
  } else {
    const uint64_t rest = view->capacity - index;
    const uint64_t row = count < rest ? count : rest;
    memcpy(view->slots + index * elem_size, elements, row * elem_size);
    if (SHMDS_UNLIKELY(row < count)) {
      memcpy(view->slots, SHMDS_BYTES_OF(const unsigned char, elements) + row * elem_size,
             (count - row) * elem_size);
    }
  }
  /* The linearisation point. Release: whoever sees the position sees the elements. */
  __atomic_store_n(&ends->writer.tail, tail + count, __ATOMIC_RELEASE);
  shmds_ring_buffer_wake_inline(ring, &ends->items);
  return true;
}

/**
 * What of `shmds_ring_buffer_push_bulk` can be done in line: how many elements went in. 0 says
 * nothing; the library has to be asked then.
 *
 * @param ring not NULL
 * @param elements `count` elements
 * @param count at least 1
 * @param elem_size the ring buffer's element size, best known to the compiler
 */
SHMDS_INLINE uint64_t shmds_ring_buffer_try_push_inline(shmds_ring_buffer* ring,
                                                        const void* elements, uint64_t count,
                                                        size_t elem_size) {
  shmds_ring_buffer_view* view = SHMDS_VIEW_OF(shmds_ring_buffer_view, ring);
  shmds_ring_buffer_side* side = &view->producer;
  const uint64_t tail = __atomic_load_n(&side->ends->writer.tail, __ATOMIC_RELAXED);
  const uint64_t room = shmds_ring_buffer_room_inline(view, side, tail, count);
  return room != 0 && shmds_ring_buffer_write_inline(ring, tail, elements, room, elem_size) ? room
                                                                                            : 0;
}

/** What of `shmds_ring_buffer_push_overwrite` can be done in line; see
 * `shmds_ring_buffer_try_push_inline`. */
SHMDS_INLINE bool shmds_ring_buffer_try_push_overwrite_inline(shmds_ring_buffer* ring,
                                                              const void* element,
                                                              size_t elem_size) {
  const shmds_ring_buffer_view* view = SHMDS_VIEW_OF(const shmds_ring_buffer_view, ring);
  const uint64_t tail = __atomic_load_n(&view->producer.ends->writer.tail, __ATOMIC_RELAXED);
  return shmds_ring_buffer_write_inline(ring, tail, element, 1, elem_size);
}

/**
 * What of `shmds_ring_buffer_pop_bulk` can be done in line: how many elements were taken. 0 says
 * nothing; the library has to be asked then. What lies behind those in `elements` is unspecified.
 *
 * Parameters as for `shmds_ring_buffer_try_push_inline`.
 */
SHMDS_INLINE uint64_t shmds_ring_buffer_try_pop_inline(shmds_ring_buffer* ring, void* elements,
                                                       uint64_t count, size_t elem_size) {
  shmds_ring_buffer_view* view = SHMDS_VIEW_OF(shmds_ring_buffer_view, ring);
  shmds_ring_buffer_side* side = &view->consumer;
  shmds_ring_buffer_ends* ends = side->ends;
  const uint64_t head = __atomic_load_n(&ends->reader.head, __ATOMIC_RELAXED);
  /* Acquire: pairs with the producer's Release; the elements before the tail are there. */
  const uint64_t size = __atomic_load_n(&ends->writer.tail, __ATOMIC_ACQUIRE) - head;
  const uint64_t capacity = view->capacity;
  const uint64_t index = shmds_ring_buffer_index_inline(capacity, side, head);
  /* Nothing there; or some of it overwritten. */
  if (SHMDS_UNLIKELY(size - 1 >= capacity) || SHMDS_UNLIKELY(index >= capacity)) {
    return 0;
  }
  if (__builtin_constant_p(count) && count == 1) {
    memcpy(elements, view->slots + index * elem_size, elem_size);
  } else {
    const uint64_t rest = capacity - index;
    uint64_t row = 0;
    count = count < size ? count : size;
    row = count < rest ? count : rest;
    memcpy(elements, view->slots + index * elem_size, row * elem_size);
    if (SHMDS_UNLIKELY(row < count)) {
      memcpy(SHMDS_BYTES_OF(unsigned char, elements) + row * elem_size, view->slots,
             (count - row) * elem_size);
    }
  }
  /* Acquire: a byte of a later element among these would show in the claim. */
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  if (SHMDS_UNLIKELY(__atomic_load_n(&ends->writer.claim, __ATOMIC_RELAXED) - head > capacity)) {
    return 0;
  }
  /* The linearisation point. Release: the slots are read before the producer sees the head. */
  __atomic_store_n(&ends->reader.head, head + count, __ATOMIC_RELEASE);
  shmds_ring_buffer_wake_inline(ring, &ends->space);
  return count;
}

/** `shmds_ring_buffer_push`. `elem_size` is the ring buffer's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_ring_buffer_push_inline(shmds_ring_buffer* ring,
                                                        const void* element, size_t elem_size) {
  if (SHMDS_LIKELY(ring && element) &&
      SHMDS_LIKELY(shmds_ring_buffer_try_push_inline(ring, element, 1, elem_size) != 0)) {
    return SHMDS_OK;
  }
  return shmds_ring_buffer_push(ring, element);
}

/** `shmds_ring_buffer_push_overwrite`. `elem_size` is the ring buffer's, best known to the
 * compiler. */
SHMDS_INLINE shmds_status shmds_ring_buffer_push_overwrite_inline(shmds_ring_buffer* ring,
                                                                  const void* element,
                                                                  size_t elem_size) {
  if (SHMDS_LIKELY(ring && element) &&
      SHMDS_LIKELY(shmds_ring_buffer_try_push_overwrite_inline(ring, element, elem_size))) {
    return SHMDS_OK;
  }
  return shmds_ring_buffer_push_overwrite(ring, element);
}

/** `shmds_ring_buffer_pop`. `elem_size` is the ring buffer's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_ring_buffer_pop_inline(shmds_ring_buffer* ring, void* element,
                                                       size_t elem_size) {
  if (SHMDS_LIKELY(ring && element) &&
      SHMDS_LIKELY(shmds_ring_buffer_try_pop_inline(ring, element, 1, elem_size) != 0)) {
    return SHMDS_OK;
  }
  return shmds_ring_buffer_pop(ring, element);
}

/** `shmds_ring_buffer_push_bulk`. `elem_size` is the ring buffer's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_ring_buffer_push_bulk_inline(shmds_ring_buffer* ring,
                                                             const void* elements, size_t count,
                                                             size_t elem_size, size_t* pushed) {
  if (SHMDS_LIKELY(ring && elements && count > 0 && pushed)) {
    const uint64_t number = shmds_ring_buffer_try_push_inline(ring, elements, count, elem_size);
    if (SHMDS_LIKELY(number != 0)) {
      *pushed = number;
      return SHMDS_OK;
    }
  }
  return shmds_ring_buffer_push_bulk(ring, elements, count, pushed);
}

/** `shmds_ring_buffer_pop_bulk`. `elem_size` is the ring buffer's, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_ring_buffer_pop_bulk_inline(shmds_ring_buffer* ring, void* elements,
                                                            size_t count, size_t elem_size,
                                                            size_t* popped) {
  if (SHMDS_LIKELY(ring && elements && count > 0 && popped)) {
    const uint64_t number = shmds_ring_buffer_try_pop_inline(ring, elements, count, elem_size);
    if (SHMDS_LIKELY(number != 0)) {
      *popped = number;
      return SHMDS_OK;
    }
  }
  return shmds_ring_buffer_pop_bulk(ring, elements, count, popped);
}

/* ---- Queue. Each thread has a lane with a spare slot, and one CAS exchanges that for the slot
 * in a ring word; see the library's own comments for why this is safe against any death. */

/** @cond macros for this header alone */
#ifdef __cplusplus
#define SHMDS_THREAD_LOCAL thread_local
#else
#define SHMDS_THREAD_LOCAL _Thread_local
#endif
/** @endcond */

/** What a thread expects of a side: what it saw at the position behind the one of its last
 * operation there, and what does not change within a lap. */
typedef struct shmds_queue_foresight {
  /** The position, as in a hint; `UINT64_MAX`, which none is: nothing is expected. */
  uint64_t at;
  /** The ring word there. It may have changed since, and is good for nothing but to be expected by
   * a compare-and-swap. */
  uint64_t word;
  /** The last position of the lap. The step from there to the next lap is made out of line. */
  uint64_t end;
  /** The address of a position's word, less its size times the position. */
  uintptr_t words;
  /** What the side exchanges in this lap, less the number of a slot; */
  uint64_t from;
  /** and what it leaves behind. */
  uint64_t to;
} shmds_queue_foresight;

/** What the thread remembers of one queue. */
typedef struct shmds_queue_memo {
  /** Its own lane, and where the queue's parts are. */
  shmds_queue_pass pass;
  /** Of the tail, and of the head. */
  shmds_queue_foresight foreseen[2];
} shmds_queue_memo;

/** What the thread remembers of queues: all it uses, in places that the handles' addresses tell,
 * and a copy of one that it uses often. That one lies at an address of its own: an operation waits
 * for little else than one load after the other, and this way it waits for none from the handle. */
typedef struct shmds_queue_memory {
  /** Of the queue used often. */
  shmds_queue_memo often;
  /** Of all queues used, each in its place. */
  shmds_queue_memo all[SHMDS_QUEUE_PLACES];
  /** Operations on others than the one used often. */
  uint64_t others;
} shmds_queue_memory;

/** One in each shared object at least, mostly in each translation unit: all know the same lane. */
static SHMDS_THREAD_LOCAL shmds_queue_memory shmds_queue_thread_memory
    __attribute__((unused, aligned(SHMDS_QUEUE_STRIDE)));

/** The word at a position of the lap that is expected. */
SHMDS_INLINE uint64_t* shmds_queue_cell_inline(const shmds_queue_foresight* foreseen, uint64_t at) {
  return SHMDS_POINTER_AT(uint64_t, foreseen->words + at * sizeof(uint64_t));
}

/** What to expect at a position of which nothing was seen. It exists if it is not behind the end of
 * its lap. */
SHMDS_INLINE shmds_queue_foresight shmds_queue_expect_inline(const shmds_queue_parts* parts,
                                                             uint64_t side, uint64_t at) {
  const uint64_t unit = parts->unit;
  const uint64_t lap = at & ~(2 * unit - 1);
  const uint64_t from = lap + (side != 0 ? unit : 0);
  const shmds_queue_foresight expected = {at,
                                          0,
                                          lap + parts->last_index,
                                          SHMDS_ADDRESS_OF(parts->words) - lap * sizeof(uint64_t),
                                          from,
                                          from + unit};
  return expected;
}

/** Tells everybody that a side goes on at the next position; and the thread's other side, which
 * exchanges the word left behind when it comes to this one, what that is now. */
SHMDS_INLINE void shmds_queue_pass_on_inline(shmds_queue_memo* memo, uint64_t* hint, uint64_t side,
                                             uint64_t at, uint64_t next, uint64_t word) {
  shmds_queue_foresight* other = &memo->foreseen[1 - side];
  /* Never ahead of the truth: the position before is passed, and all before that were. */
  __atomic_store_n(hint, next, __ATOMIC_RELEASE);
  /* The head comes to it in the same lap, the tail in the next one. */
  if (other->at == (side != 0 ? at + 2 * memo->pass.parts.unit : at)) {
    other->word = word;
  }
}

/**
 * Exchanges slot s for the one that was foreseen, or changes nothing: side 0 is the tail, where
 * full words come to be, side 1 the head. Returns the slot got for s; UINT64_MAX: nothing done.
 *
 * What the thread saw in its last operation is mostly still there: where the hint says that nobody
 * was here since, the word is not looked at again. The processor would wait for it, as it waits for
 * the hint, and the compare-and-swap looks anyway.
 *
 * A compare-and-swap waits until all stores before it have left the processor, and what follows
 * waits for it. So they come first, the rest is checked while they leave, and what is stored after
 * it is made ready before. What is longer than that is done elsewhere: the step into the next lap,
 * too.
 */
SHMDS_INLINE uint64_t shmds_queue_exchange_foreseen_inline(shmds_queue_memo* memo,
                                                           shmds_queue_record* record,
                                                           uint64_t* hint, uint64_t side,
                                                           uint64_t s, uint64_t expected) {
  const shmds_queue_parts* parts = &memo->pass.parts;
  shmds_queue_foresight* own = &memo->foreseen[side];
  const uint64_t at = own->at;
  const uint64_t j = expected - own->from;
  const uint64_t next = at + 1;
  const uint64_t desired = own->to + s;
  uint64_t* cell = NULL;
  uint64_t ahead = 0;
  /* Acquire: pairs with the Release above; the words before the hint are seen as passed. */
  if (SHMDS_UNLIKELY(j >= parts->slot_count) ||
      SHMDS_UNLIKELY(__atomic_load_n(hint, __ATOMIC_ACQUIRE) != at) ||
      SHMDS_UNLIKELY(at >= own->end)) {
    __atomic_store_n(&record->intent, s, __ATOMIC_RELEASE);
    return UINT64_MAX;
  }
  cell = shmds_queue_cell_inline(own, at);
  /* Relaxed: a guess, which the compare-and-swap of the next operation confirms. */
  ahead = __atomic_load_n(cell + 1, __ATOMIC_RELAXED);
  /* The linearisation point; it publishes the payload. */
  if (SHMDS_UNLIKELY(!__atomic_compare_exchange_n(cell, &expected, desired, false, __ATOMIC_SEQ_CST,
                                                  __ATOMIC_SEQ_CST))) {
    __atomic_store_n(&record->intent, s, __ATOMIC_RELEASE);
    own->at = UINT64_MAX;
    return UINT64_MAX;
  }
  __atomic_store_n(&record->spare, j, __ATOMIC_RELEASE);
  shmds_queue_pass_on_inline(memo, hint, side, at, next, desired);
  own->at = next;
  own->word = ahead;
  return j;
}

/** Like `shmds_queue_exchange_foreseen_inline`, but looks at the word where it has to, in any lap;
 * to be called out of line. */
SHMDS_INLINE uint64_t shmds_queue_exchange_inline(shmds_queue_memo* memo, uint64_t* hint,
                                                  uint64_t side, uint64_t s) {
  const shmds_queue_parts* parts = &memo->pass.parts;
  shmds_queue_record* record = memo->pass.record;
  shmds_queue_foresight* own = &memo->foreseen[side];
  shmds_queue_foresight here = *own;
  const uint64_t hinted = __atomic_load_n(hint, __ATOMIC_ACQUIRE);
  const uint64_t index_mask = 2 * parts->unit - 1;
  uint64_t next = 0;
  /* The word has to be this lap, what the side exchanges, and the number of a slot that exists. */
  uint64_t j = here.word - here.from;
  if (SHMDS_UNLIKELY(hinted != here.at) || SHMDS_UNLIKELY(j >= parts->slot_count) ||
      SHMDS_UNLIKELY(here.at > here.end)) {
    /* Unless the hint was stored so late that it is a lap behind what this thread knows. When it is
     * less, others are busy here, and the way through the library leaves them a moment. */
    const bool behind = here.at - hinted - index_mask - 1 < UINT64_C(1) << 63;
    here = shmds_queue_expect_inline(parts, side, behind && here.at <= here.end ? here.at : hinted);
    if (SHMDS_UNLIKELY(here.at > here.end)) {
      return UINT64_MAX;
    }
    here.word = __atomic_load_n(shmds_queue_cell_inline(&here, here.at), __ATOMIC_SEQ_CST);
    j = here.word - here.from;
    if (SHMDS_UNLIKELY(j >= parts->slot_count)) {
      return UINT64_MAX;
    }
  }
  /* Say which word is in play before the slots can change hands. */
  __atomic_store_n(&record->intent, here.word, __ATOMIC_RELEASE);
  if (SHMDS_UNLIKELY(!__atomic_compare_exchange_n(shmds_queue_cell_inline(&here, here.at),
                                                  &here.word, here.to + s, false, __ATOMIC_SEQ_CST,
                                                  __ATOMIC_SEQ_CST))) {
    __atomic_store_n(&record->intent, s, __ATOMIC_RELEASE);
    return UINT64_MAX;
  }
  __atomic_store_n(&record->spare, j, __ATOMIC_RELEASE);
  next = SHMDS_LIKELY(here.at != here.end) ? here.at + 1 : (here.at | index_mask) + 1;
  shmds_queue_pass_on_inline(memo, hint, side, here.at, next, here.to + s);
  *own = shmds_queue_expect_inline(parts, side, next);
  own->word = __atomic_load_n(shmds_queue_cell_inline(own, next), __ATOMIC_RELAXED);
  return j;
}

/** Wakes those who sleep for what was just published, if there are any. */
SHMDS_INLINE void shmds_queue_wake_inline(shmds_queue* queue, const shmds_wait_word* sleepers) {
#if !defined(__x86_64__)
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
  if (SHMDS_UNLIKELY((__atomic_load_n(sleepers, __ATOMIC_RELAXED) & 1U) != 0)) {
    (void)!shmds_queue_wake(queue);
  }
}

/** Enqueues at the word that was foreseen, if that is still there. */
SHMDS_INLINE bool shmds_queue_enqueue_foreseen_inline(shmds_queue* queue, shmds_queue_memo* memo,
                                                      const void* element, size_t elem_size) {
  const shmds_queue_parts* parts = &memo->pass.parts;
  shmds_queue_ends* ends = parts->ends;
  shmds_queue_record* record = memo->pass.record;
  const uint64_t expected = memo->foreseen[0].word;
  const uint64_t spare = __atomic_load_n(&record->spare, __ATOMIC_RELAXED);
  if (SHMDS_UNLIKELY(spare >= parts->slot_count)) {
    return false;
  }
  /* Say which word is in play before the slots can change hands. */
  __atomic_store_n(&record->intent, expected, __ATOMIC_RELEASE);
  /* The payload, while the slot is this lane's alone. */
  shmds_copy_in_inline(parts->slots + spare * elem_size, element, elem_size);
  if (SHMDS_UNLIKELY(shmds_queue_exchange_foreseen_inline(memo, record, &ends->tail, 0, spare,
                                                          expected) == UINT64_MAX)) {
    return false;
  }
  shmds_queue_wake_inline(queue, &ends->items);
  return true;
}

/** Dequeues at the word that was foreseen, if that is still there. The element lies at `*taken`
 * then.
 */
SHMDS_INLINE bool shmds_queue_take_foreseen_inline(shmds_queue* queue, shmds_queue_memo* memo,
                                                   size_t elem_size, const void** taken) {
  const shmds_queue_parts* parts = &memo->pass.parts;
  shmds_queue_ends* ends = parts->ends;
  shmds_queue_record* record = memo->pass.record;
  const uint64_t expected = memo->foreseen[1].word;
  const uint64_t spare = __atomic_load_n(&record->spare, __ATOMIC_RELAXED);
  uint64_t slot = 0;
  if (SHMDS_UNLIKELY(spare >= parts->slot_count)) {
    return false;
  }
  __atomic_store_n(&record->intent, expected, __ATOMIC_RELEASE);
  slot = shmds_queue_exchange_foreseen_inline(memo, record, &ends->head, 1, spare, expected);
  if (SHMDS_UNLIKELY(slot == UINT64_MAX)) {
    return false;
  }
  shmds_queue_wake_inline(queue, &ends->space);
  /* The exchange made the slot this lane's spare: nobody writes it now. */
  *taken = parts->slots + slot * elem_size;
  return true;
}

/** Enqueues with a pass that stands, if that can be done without the library. */
SHMDS_INLINE bool shmds_queue_enqueue_with_inline(shmds_queue* queue, shmds_queue_memo* memo,
                                                  const void* element, size_t elem_size) {
  const shmds_queue_parts* parts = &memo->pass.parts;
  const uint64_t spare = __atomic_load_n(&memo->pass.record->spare, __ATOMIC_RELAXED);
  if (SHMDS_UNLIKELY(spare >= parts->slot_count)) {
    return false;
  }
  shmds_copy_in_inline(parts->slots + spare * elem_size, element, elem_size);
  if (SHMDS_UNLIKELY(shmds_queue_exchange_inline(memo, &parts->ends->tail, 0, spare) ==
                     UINT64_MAX)) {
    return false;
  }
  shmds_queue_wake_inline(queue, &parts->ends->items);
  return true;
}

/** Dequeues with a pass that stands, if that can be done without the library. */
SHMDS_INLINE bool shmds_queue_dequeue_with_inline(shmds_queue* queue, shmds_queue_memo* memo,
                                                  void* element, size_t elem_size) {
  const shmds_queue_parts* parts = &memo->pass.parts;
  const uint64_t spare = __atomic_load_n(&memo->pass.record->spare, __ATOMIC_RELAXED);
  uint64_t slot = 0;
  if (SHMDS_UNLIKELY(spare >= parts->slot_count)) {
    return false;
  }
  slot = shmds_queue_exchange_inline(memo, &parts->ends->head, 1, spare);
  if (SHMDS_UNLIKELY(slot == UINT64_MAX)) {
    return false;
  }
  memcpy(element, parts->slots + slot * elem_size, elem_size);
  shmds_queue_wake_inline(queue, &parts->ends->space);
  return true;
}

/** The key by which a thread knows the queue. Another one than before: another queue, a forked
 * child, a thread that is ending. */
SHMDS_INLINE uint64_t shmds_queue_key_inline(const shmds_queue* queue) {
  const shmds_queue_view* view = SHMDS_VIEW_OF(const shmds_queue_view, queue);
  return __atomic_load_n(&view->key, __ATOMIC_RELAXED);
}

/**
 * What of `shmds_queue_enqueue` can be done in line, on the queue that the thread uses often: true
 * if the element went in. False says nothing; `shmds_queue_enqueue_otherwise_inline` is next.
 *
 * Never hands `element` on, so that a compiler may keep it in registers.
 *
 * @param queue not NULL
 * @param elem_size the queue's element size, best known to the compiler
 */
SHMDS_INLINE bool shmds_queue_try_enqueue_inline(shmds_queue* queue, const void* element,
                                                 size_t elem_size) {
  shmds_queue_memo* often = &shmds_queue_thread_memory.often;
  return SHMDS_LIKELY(often->pass.key == shmds_queue_key_inline(queue)) &&
         shmds_queue_enqueue_foreseen_inline(queue, often, element, elem_size);
}

/**
 * Like `shmds_queue_try_enqueue_inline`, for `shmds_queue_dequeue`, but leaves the element where it
 * lies: in `*taken`, for the thread to copy before its next operation on the queue.
 *
 * So that C++ can copy an element as what it is, and leave out what nobody looks at.
 */
SHMDS_INLINE bool shmds_queue_try_take_inline(shmds_queue* queue, size_t elem_size,
                                              const void** taken) {
  shmds_queue_memo* often = &shmds_queue_thread_memory.often;
  return SHMDS_LIKELY(often->pass.key == shmds_queue_key_inline(queue)) &&
         shmds_queue_take_foreseen_inline(queue, often, elem_size, taken);
}
/** Like `shmds_queue_try_enqueue_inline`, for `shmds_queue_dequeue`. */
SHMDS_INLINE bool shmds_queue_try_dequeue_inline(shmds_queue* queue, void* element,
                                                 size_t elem_size) {
  const void* taken = NULL;
  if (SHMDS_UNLIKELY(!shmds_queue_try_take_inline(queue, elem_size, &taken))) {
    return false;
  }
  memcpy(element, taken, elem_size);
  return true;
}

/** What the thread remembers of a queue; NULL if it has no lane of its own now. */
SHMDS_INLINE shmds_queue_memo* shmds_queue_memo_inline(shmds_queue* queue,
                                                       shmds_queue_memory* memory) {
  const uint64_t key = shmds_queue_key_inline(queue);
  const uintptr_t place = SHMDS_ADDRESS_OF(queue) / SHMDS_QUEUE_STRIDE % SHMDS_QUEUE_PLACES;
  shmds_queue_memo* other = &memory->all[place];
  if (memory->often.pass.key == key) {
    return &memory->often;
  }
  if (SHMDS_UNLIKELY(other->pass.key != key)) {
    other->foreseen[0].at = UINT64_MAX;
    other->foreseen[1].at = UINT64_MAX;
    if (!shmds_queue_own_lane(queue, &other->pass)) {
      return NULL;
    }
  }
  /* Now and then: whichever comes then is probably used often. */
  if (SHMDS_UNLIKELY(memory->others++ % 32 == 0)) {
    memory->often = *other;
  }
  return other;
}

/**
 * `shmds_queue_enqueue`, after `shmds_queue_try_enqueue_inline` said nothing. To be called out of
 * line: it is as long as that.
 *
 * @param memory `shmds_queue_thread_memory` of who calls: a function out of line may be one for
 *        several translation units
 */
SHMDS_INLINE shmds_status shmds_queue_enqueue_otherwise_inline(shmds_queue* queue,
                                                               shmds_queue_memory* memory,
                                                               const void* element,
                                                               size_t elem_size) {
  shmds_queue_memo* memo = shmds_queue_memo_inline(queue, memory);
  if (memo && shmds_queue_enqueue_with_inline(queue, memo, element, elem_size)) {
    return SHMDS_OK;
  }
  return shmds_queue_enqueue(queue, element);
}

/** Like `shmds_queue_enqueue_otherwise_inline`, for `shmds_queue_dequeue`. */
SHMDS_INLINE shmds_status shmds_queue_dequeue_otherwise_inline(shmds_queue* queue,
                                                               shmds_queue_memory* memory,
                                                               void* element, size_t elem_size) {
  shmds_queue_memo* memo = shmds_queue_memo_inline(queue, memory);
  if (memo && shmds_queue_dequeue_with_inline(queue, memo, element, elem_size)) {
    return SHMDS_OK;
  }
  return shmds_queue_dequeue(queue, element);
}

/** `shmds_queue_enqueue_otherwise_inline` out of line, for elements of any size. */
SHMDS_OUT_OF_LINE shmds_status shmds_queue_enqueue_otherwise(shmds_queue* queue,
                                                             const void* element,
                                                             size_t elem_size) {
  return shmds_queue_enqueue_otherwise_inline(queue, &shmds_queue_thread_memory, element,
                                              elem_size);
}
/** Like `shmds_queue_enqueue_otherwise`, for `shmds_queue_dequeue`. */
SHMDS_OUT_OF_LINE shmds_status shmds_queue_dequeue_otherwise(shmds_queue* queue, void* element,
                                                             size_t elem_size) {
  return shmds_queue_dequeue_otherwise_inline(queue, &shmds_queue_thread_memory, element,
                                              elem_size);
}

/** `shmds_queue_enqueue`. `elem_size` is the queue's element size, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_queue_enqueue_inline(shmds_queue* queue, const void* element,
                                                     size_t elem_size) {
  if (SHMDS_UNLIKELY(!queue || !element)) {
    return shmds_queue_enqueue(queue, element);
  }
  return SHMDS_LIKELY(shmds_queue_try_enqueue_inline(queue, element, elem_size))
             ? SHMDS_OK
             : shmds_queue_enqueue_otherwise(queue, element, elem_size);
}

/** `shmds_queue_dequeue`. `elem_size` is the queue's element size, best known to the compiler. */
SHMDS_INLINE shmds_status shmds_queue_dequeue_inline(shmds_queue* queue, void* element,
                                                     size_t elem_size) {
  if (SHMDS_UNLIKELY(!queue || !element)) {
    return shmds_queue_dequeue(queue, element);
  }
  return SHMDS_LIKELY(shmds_queue_try_dequeue_inline(queue, element, elem_size))
             ? SHMDS_OK
             : shmds_queue_dequeue_otherwise(queue, element, elem_size);
}

/* ---- Object pool. What a thread released last it gets back first, without a search, and without a
 * load of the object's word: the processor could not serve that before the compare-and-swap is over
 * that wrote it. Its generation is remembered instead. */

/** What the thread remembers of pools: all it uses, in places that the handles' addresses tell, and
 * a copy of one that it uses often, at an address of its own. */
typedef struct shmds_object_pool_memory {
  /** Of the pool used often. */
  shmds_object_pool_pass often;
  /** Of all pools used, each in its place. */
  shmds_object_pool_pass all[SHMDS_OBJECT_POOL_PLACES];
  /** Operations on others than the one used often. */
  uint64_t others;
} shmds_object_pool_memory;

/** One in each shared object at least, mostly in each translation unit: all lead to what the
 * library keeps for the thread. */
static SHMDS_THREAD_LOCAL shmds_object_pool_memory shmds_object_pool_thread_memory
    __attribute__((unused, aligned(SHMDS_OBJECT_POOL_STRIDE)));

/** @cond macros for this header alone */
/* An object's word: bit 0 says that it is live, the high half counts its releases. */
#define SHMDS_OBJECT_LIVE UINT64_C(1)
#define SHMDS_OBJECT_RELEASE (UINT64_C(1) << 32)
#define SHMDS_OBJECT_GENERATION (UINT64_MAX << 32)
#define SHMDS_OBJECT_INDEX UINT64_C(0xffffffff)
/** @endcond */

/** The linearisation point of every operation; it publishes what the owner wrote, and shows what
 * the last one did. */
SHMDS_INLINE bool shmds_object_pool_change_inline(const shmds_object_pool_pass* pass,
                                                  uint32_t handle, uint64_t from, uint64_t to) {
  return __atomic_compare_exchange_n(pass->words + handle, &from, to, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED);
}

/** Acquires the object that the thread released last, if that can be done in line. Writes nothing
 * else: the thread will find out that its top is live. */
SHMDS_INLINE bool shmds_object_pool_acquire_top_inline(const shmds_object_pool_pass* pass,
                                                       uint32_t* handle) {
  const shmds_object_pool_recent* recent = pass->recent;
  const uint64_t top = __atomic_load_n(&recent->top, __ATOMIC_RELAXED);
  const uint32_t index = top & SHMDS_OBJECT_INDEX;
  /* A word as a release leaves it: the generation, and nothing else. */
  const uint64_t word = top - index;
  if (SHMDS_UNLIKELY(__atomic_load_n(&recent->live, __ATOMIC_RELAXED) == top) ||
      SHMDS_UNLIKELY(!shmds_object_pool_change_inline(pass, index, word, word + pass->claim))) {
    return false;
  }
  *handle = index;
  return true;
}

/** Lets searches find an object that was just released. The word first, then its mark: whoever
 * cleared that in between finds the object free. */
SHMDS_INLINE void shmds_object_pool_mark_inline(shmds_object_pool* pool,
                                                const shmds_object_pool_pass* pass,
                                                uint32_t handle) {
  const uint64_t marks = __atomic_load_n(pass->marks + handle / 64, __ATOMIC_SEQ_CST);
  if (SHMDS_UNLIKELY((marks >> handle % 64 & 1U) == 0)) {
    (void)!shmds_object_pool_mark(pool, handle);
  }
}

/** Releases the object that is the top of what the thread remembers, if it is live, and its own. */
SHMDS_INLINE bool shmds_object_pool_release_top_inline(shmds_object_pool* pool,
                                                       const shmds_object_pool_pass* pass,
                                                       uint32_t handle) {
  shmds_object_pool_recent* recent = pass->recent;
  const uint64_t top = __atomic_load_n(&recent->top, __ATOMIC_RELAXED);
  const uint64_t word = top - handle;
  /* Without a top, its handle is the invalid one. */
  if (SHMDS_UNLIKELY((top & SHMDS_OBJECT_INDEX) != handle) ||
      SHMDS_UNLIKELY(handle == SHMDS_INVALID_HANDLE) ||
      SHMDS_UNLIKELY(!shmds_object_pool_change_inline(pass, handle, word + pass->claim,
                                                      word + SHMDS_OBJECT_RELEASE))) {
    return false;
  }
  /* From now on another one than that known to be live. */
  __atomic_store_n(&recent->top, top + SHMDS_OBJECT_RELEASE, __ATOMIC_RELAXED);
  shmds_object_pool_mark_inline(pool, pass, handle);
  return true;
}

/** The key by which a thread knows the pool. Another one than before: another pool, a forked child.
 */
SHMDS_INLINE uint64_t shmds_object_pool_key_inline(const shmds_object_pool* pool) {
  const shmds_object_pool_view* view = SHMDS_VIEW_OF(const shmds_object_pool_view, pool);
  return __atomic_load_n(&view->key, __ATOMIC_RELAXED);
}

/**
 * What of `shmds_object_pool_acquire` can be done in line, on the pool that the thread uses often:
 * true if `*handle` was acquired. False says nothing; `shmds_object_pool_acquire_otherwise` is
 * next.
 *
 * @param pool not NULL
 * @param handle not NULL
 */
SHMDS_INLINE bool shmds_object_pool_try_acquire_inline(shmds_object_pool* pool, uint32_t* handle) {
  const shmds_object_pool_pass* pass = &shmds_object_pool_thread_memory.often;
  return SHMDS_LIKELY(pass->key == shmds_object_pool_key_inline(pool)) &&
         SHMDS_LIKELY(shmds_object_pool_acquire_top_inline(pass, handle));
}

/** Like `shmds_object_pool_try_acquire_inline`, for `shmds_object_pool_release`: true if done. */
SHMDS_INLINE bool shmds_object_pool_try_release_inline(shmds_object_pool* pool, uint32_t handle) {
  const shmds_object_pool_pass* pass = &shmds_object_pool_thread_memory.often;
  return SHMDS_LIKELY(pass->key == shmds_object_pool_key_inline(pool)) &&
         shmds_object_pool_release_top_inline(pool, pass, handle);
}

/** The thread's pass for any pool; NULL if there is none to be had. */
SHMDS_INLINE const shmds_object_pool_pass* shmds_object_pool_pass_inline(shmds_object_pool* pool) {
  shmds_object_pool_memory* memory = &shmds_object_pool_thread_memory;
  const uint64_t key = shmds_object_pool_key_inline(pool);
  const uintptr_t place =
      SHMDS_ADDRESS_OF(pool) / SHMDS_OBJECT_POOL_STRIDE % SHMDS_OBJECT_POOL_PLACES;
  shmds_object_pool_pass* pass = &memory->all[place];
  if (SHMDS_LIKELY(memory->often.key == key)) {
    return &memory->often;
  }
  if (SHMDS_UNLIKELY(pass->key != key) && !shmds_object_pool_own_pass(pool, pass)) {
    return NULL;
  }
  /* Now and then: whichever comes then is probably used often. */
  if (SHMDS_UNLIKELY(memory->others++ % 32 == 0)) {
    memory->often = *pass;
  }
  return pass;
}

/** Acquires what the thread remembers below its top, which is live. */
SHMDS_INLINE bool shmds_object_pool_acquire_below_inline(const shmds_object_pool_pass* pass,
                                                         uint32_t* handle) {
  shmds_object_pool_recent* recent = pass->recent;
  const uint32_t top = __atomic_load_n(&recent->top, __ATOMIC_RELAXED) & SHMDS_OBJECT_INDEX;
  uint32_t below = SHMDS_INVALID_HANDLE;
  uint64_t word = 0;
  uint64_t known = 0;
  if (SHMDS_UNLIKELY(top >= pass->capacity)) {
    return false;
  }
  below = __atomic_load_n(pass->links + top, __ATOMIC_RELAXED);
  if (SHMDS_UNLIKELY(below >= pass->capacity)) {
    return false;
  }
  word = __atomic_load_n(pass->words + below, __ATOMIC_SEQ_CST);
  known = word & SHMDS_OBJECT_GENERATION;
  if (SHMDS_UNLIKELY((word & SHMDS_OBJECT_LIVE) != 0) ||
      SHMDS_UNLIKELY(!shmds_object_pool_change_inline(pass, below, word, known + pass->claim))) {
    return false;
  }
  __atomic_store_n(&recent->top, known | below, __ATOMIC_RELAXED);
  __atomic_store_n(&recent->live, known | below, __ATOMIC_RELAXED);
  *handle = below;
  return true;
}

/** Releases an object that is not the top of what the thread remembers, and makes it that. */
SHMDS_INLINE bool shmds_object_pool_release_other_inline(shmds_object_pool* pool,
                                                         const shmds_object_pool_pass* pass,
                                                         uint32_t handle) {
  shmds_object_pool_recent* recent = pass->recent;
  const uint64_t known = __atomic_load_n(&recent->top, __ATOMIC_RELAXED);
  const uint32_t top = known & SHMDS_OBJECT_INDEX;
  uint32_t below = top;
  uint64_t word = 0;
  uint64_t released = 0;
  if (SHMDS_UNLIKELY(handle >= pass->capacity) || SHMDS_UNLIKELY(top == handle)) {
    return false;
  }
  word = __atomic_load_n(pass->words + handle, __ATOMIC_SEQ_CST);
  released = (word & SHMDS_OBJECT_GENERATION) + SHMDS_OBJECT_RELEASE;
  if (SHMDS_UNLIKELY((word & SHMDS_OBJECT_LIVE) == 0) ||
      SHMDS_UNLIKELY(!shmds_object_pool_change_inline(pass, handle, word, released))) {
    return false;
  }
  shmds_object_pool_mark_inline(pool, pass, handle);
  /* A top that is live leaves what is remembered; what is below it stays. */
  if (top < pass->capacity &&
      (__atomic_load_n(&recent->live, __ATOMIC_RELAXED) == known ||
       (__atomic_load_n(pass->words + top, __ATOMIC_RELAXED) & SHMDS_OBJECT_LIVE) != 0)) {
    below = __atomic_load_n(pass->links + top, __ATOMIC_RELAXED);
  }
  if (__atomic_load_n(pass->links + handle, __ATOMIC_RELAXED) != below) {
    __atomic_store_n(pass->links + handle, below, __ATOMIC_RELAXED);
  }
  __atomic_store_n(&recent->top, released | handle, __ATOMIC_RELAXED);
  __atomic_store_n(&recent->live, ~(released | handle), __ATOMIC_RELAXED);
  return true;
}

/** The rest of `shmds_object_pool_acquire_inline`. */
SHMDS_OUT_OF_LINE shmds_status shmds_object_pool_acquire_otherwise(shmds_object_pool* pool,
                                                                   uint32_t* handle) {
  const shmds_object_pool_pass* pass = shmds_object_pool_pass_inline(pool);
  return pass && ((pass != &shmds_object_pool_thread_memory.often &&
                   shmds_object_pool_acquire_top_inline(pass, handle)) ||
                  shmds_object_pool_acquire_below_inline(pass, handle))
             ? SHMDS_OK
             : shmds_object_pool_acquire(pool, handle);
}

/** The rest of `shmds_object_pool_release_inline`. */
SHMDS_OUT_OF_LINE shmds_status shmds_object_pool_release_otherwise(shmds_object_pool* pool,
                                                                   uint32_t handle) {
  const shmds_object_pool_pass* pass = shmds_object_pool_pass_inline(pool);
  return pass && (shmds_object_pool_release_other_inline(pool, pass, handle) ||
                  (pass != &shmds_object_pool_thread_memory.often &&
                   shmds_object_pool_release_top_inline(pool, pass, handle)))
             ? SHMDS_OK
             : shmds_object_pool_release(pool, handle);
}

/** `shmds_object_pool_acquire`. */
SHMDS_INLINE shmds_status shmds_object_pool_acquire_inline(shmds_object_pool* pool,
                                                           uint32_t* handle) {
  if (SHMDS_UNLIKELY(!pool || !handle)) {
    return shmds_object_pool_acquire(pool, handle);
  }
  return SHMDS_LIKELY(shmds_object_pool_try_acquire_inline(pool, handle))
             ? SHMDS_OK
             : shmds_object_pool_acquire_otherwise(pool, handle);
}

/** `shmds_object_pool_release`. */
SHMDS_INLINE shmds_status shmds_object_pool_release_inline(shmds_object_pool* pool,
                                                           uint32_t handle) {
  if (SHMDS_UNLIKELY(!pool)) {
    return shmds_object_pool_release(pool, handle);
  }
  return SHMDS_LIKELY(shmds_object_pool_try_release_inline(pool, handle))
             ? SHMDS_OK
             : shmds_object_pool_release_otherwise(pool, handle);
}

#endif /* SHMDS_INLINE_H */
