/* SPDX-License-Identifier: MIT */
/** @file
 * The hot paths of the queue; see shmds_inline.h.
 *
 * Each thread has a lane with a spare slot, and one CAS exchanges that for the slot in a ring word;
 * see the library's own comments for why this is safe against any death.
 */
#ifndef SHMDS_INLINE_QUEUE_H
#define SHMDS_INLINE_QUEUE_H

#include "inline_common.h"
#include "inline_pursuit.h"

/** What a thread expects of a side: what it saw at the position after the one of its last operation
 * there, and what does not change within a lap. */
typedef struct shmds_queue_foresight {
  /** The position, as in a hint; `UINT64_MAX`, which none is: nothing is expected. */
  uint64_t at;
  /** The ring word there. It may have changed since, and is good for nothing but to be expected by
   * a compare-and-swap; but it names a slot of the queue, or 0, for that is what a recovery would
   * look at. */
  uint64_t word;
  /** The last position of the lap, where the exchange is made out of line. 0 where others operate
   * on the side as well, as far as known: then all exchanges are. */
  uint64_t end;
  /** The address of a position's word, less its size times the position. */
  uintptr_t words;
  /** What the side exchanges in this lap, without the number of a slot. */
  uint64_t from;
  /** What it leaves there instead, without the number of a slot. */
  uint64_t to;
} shmds_queue_foresight;

/** At a position that does not exist, what nobody exchanges. */
static const shmds_queue_foresight shmds_queue_nothing_foreseen
    __attribute__((unused)) = {UINT64_MAX, 0, 0, 0, 0, 0};

/** What the thread remembers of one queue. */
typedef struct shmds_queue_memo {
  /** Its own lane, and where the queue's parts are. */
  shmds_queue_pass pass;
  /** Of the tail, and of the head. */
  shmds_queue_foresight foreseen[2];
  /** Behind other producers, or consumers that make room; and behind other consumers, or
   * producers. */
  shmds_pursuit pursuit[2];
} shmds_queue_memo;

/** What the thread remembers of queues: all it uses, in places that the handles' addresses tell,
 * and a copy of one that it uses often. That one lies at an address of its own: an operation waits
 * for little else than one load after the other, and this way it waits for none from the handle. */
typedef struct shmds_queue_memory {
  /** Of all queues used, each in its place. */
  shmds_queue_memo all[SHMDS_QUEUE_PLACES];
  /** Operations on others than the one used often. */
  uint64_t others;
  /** Of the queue used often. */
  shmds_queue_memo often __attribute__((aligned(32)));
} shmds_queue_memory;

/** One in each shared object at least, mostly in each translation unit: all know the same lane.
 *
 * Aligned so that what it has of the queue used often is never as far into a page as the hints, nor
 * as the records of 13 lanes in 16, of a queue that begins with a page, as it does if it has
 * one of its own: processors take a load for one that depends on the store before, and let it wait,
 * where the last 12 bits of their addresses are the same. It would cost a tenth.
 *
 * And so that the key of that queue is not as far into a cache line as the key in the queue's view,
 * which begins with a line: the two are compared, and some processors (AMD's Zen 3, measured) do
 * not load both at once then, for they come from the same bank of the cache. That cost up to a
 * twentieth, with every other view. */
static SHMDS_THREAD_LOCAL shmds_queue_memory shmds_queue_thread_memory
    __attribute__((unused, aligned(1024)));
/** @cond a check, which nobody calls */
SHMDS_STATIC_ASSERT(offsetof(shmds_queue_memory, often) % 1024 >= 512 &&
                        offsetof(shmds_queue_memory, often) % 1024 + sizeof(shmds_queue_memo) <=
                            1024,
                    "what is remembered has to stay in the second half of a kilobyte");
SHMDS_STATIC_ASSERT((offsetof(shmds_queue_memory, often) + offsetof(shmds_queue_memo, pass.key)) %
                            SHMDS_QUEUE_STRIDE ==
                        SHMDS_QUEUE_STRIDE / 2,
                    "the key must not lie in its line as that of a view does");
/** @endcond */

/** The word at a position of the lap that is expected. */
SHMDS_INLINE uint64_t* shmds_queue_cell_inline(const shmds_queue_foresight* foreseen, uint64_t at) {
  return SHMDS_POINTER_AT(uint64_t, foreseen->words + at * sizeof(uint64_t));
}

/** What to expect at a position of which nothing was seen. It exists if it is not past the end of
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

/** The bit of a ring word that says: somebody sleeps until it is exchanged, or did. */
SHMDS_INLINE uint64_t shmds_queue_awaited_inline(const shmds_queue_parts* parts) {
  return parts->unit / 2;
}

/** The slot in a word that a side exchanges in the lap that is expected, whether somebody sleeps
 * until it does or not. If it does not exchange that word, no slot that exists. */
SHMDS_INLINE uint64_t shmds_queue_slot_inline(const shmds_queue_parts* parts,
                                              const shmds_queue_foresight* foreseen,
                                              uint64_t word) {
  return (word - foreseen->from) & ~shmds_queue_awaited_inline(parts);
}

/** Tells everybody that a side goes on at the next position; and the thread's own head, if that
 * comes to the word next that the tail has just left, what it is now. */
SHMDS_INLINE void shmds_queue_pass_on_inline(shmds_queue_memo* memo, uint64_t* hint, uint64_t side,
                                             uint64_t at, uint64_t next, uint64_t word) {
  shmds_queue_foresight* head = &memo->foreseen[1];
  /* Never ahead of the truth: the position before is passed, and all before that were. */
  __atomic_store_n(hint, next, __ATOMIC_RELEASE);
  /* The same for the tail of a full queue would cost more than it is worth. */
  if (side == 0 && head->at == at) {
    head->word = word;
  }
}

/** The compare-and-swap of an exchange: the linearisation point. It publishes the payload. */
SHMDS_INLINE bool shmds_queue_swap_inline(const shmds_queue_foresight* here, uint64_t* seen,
                                          uint64_t desired) {
  return __atomic_compare_exchange_n(shmds_queue_cell_inline(here, here->at), seen, desired, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/** Goes on behind a position where the thread has just left a word, in the next lap if it was the
 * last one, and foresees what comes there. */
SHMDS_INLINE void shmds_queue_go_on_inline(shmds_queue_memo* memo, uint64_t* hint, uint64_t side,
                                           const shmds_queue_foresight* here, uint64_t word) {
  const shmds_queue_parts* parts = &memo->pass.parts;
  shmds_queue_foresight* own = &memo->foreseen[side];
  const uint64_t index_mask = 2 * parts->unit - 1;
  const uint64_t next = here->at != here->end ? here->at + 1 : (here->at | index_mask) + 1;
  shmds_queue_pass_on_inline(memo, hint, side, here->at, next, word);
  *own = shmds_queue_expect_inline(parts, side, next);
  /* Relaxed: a guess, which a compare-and-swap confirms. */
  own->word = __atomic_load_n(shmds_queue_cell_inline(own, next), __ATOMIC_RELAXED);
}

/** What `shmds_queue_exchange_foreseen_inline` leaves to be done at the end of a lap: the last
 * exchange in it, and the step into the next one. To no avail where others operate, for then no end
 * is known; and where somebody sleeps, whom the way through `shmds_queue_exchange_inline` wakes,
 * once per lap at least. */
SHMDS_OUT_OF_LINE uint64_t shmds_queue_exchange_last(shmds_queue_memo* memo, uint64_t* hint,
                                                     uint64_t side, uint64_t s) {
  shmds_queue_foresight* own = &memo->foreseen[side];
  const shmds_queue_foresight here = *own;
  shmds_queue_ends* ends = memo->pass.parts.ends;
  shmds_queue_record* record = memo->pass.record;
  const uint64_t j = here.word - here.from;
  uint64_t seen = here.word;
  if (here.end == 0 || shmds_has_sleepers_inline(side == 0 ? &ends->items : &ends->space) ||
      !shmds_queue_swap_inline(&here, &seen, here.to + s)) {
    __atomic_store_n(&record->intent, s, __ATOMIC_RELEASE);
    /* Once: from now on this looks first. */
    own->word = seen;
    own->end = 0;
    return UINT64_MAX;
  }
  shmds_queue_go_on_inline(memo, hint, side, &here, here.to + s);
  __atomic_store_n(&record->spare, j, __ATOMIC_RELEASE);
  return j;
}

/**
 * Exchanges slot s for the one that was foreseen, or changes nothing: side 0 is the tail, where
 * full words come to be, side 1 the head. The word expected is the one foreseen, and j what it has
 * more than `from`: the slot, or no number of a slot. Returns the slot got for s; UINT64_MAX:
 * nothing done.
 *
 * What the thread saw in its last operation is mostly still there, so neither the word is looked at
 * again nor the hint: the processor would wait for them. The position is behind one that was passed
 * by this very memory, so all before it are passed; and since a word never comes back, the
 * compare-and-swap succeeds only if nobody has passed this one. Where others operate on the same
 * side, it would mostly be in vain; so whoever finds that they do has no foresight until it has
 * been alone there from one operation to the next.
 *
 * Nobody is woken here. Whoever sleeps has marked the word that has to be exchanged first. If that
 * happened since the word was foreseen, the compare-and-swap fails; if before, the mark makes the
 * number of the slot one that does not exist.
 *
 * A compare-and-swap waits until all stores before it have left the processor, and what follows
 * waits for it. So they come first, the rest is checked while they leave, and what is stored after
 * it is made ready before. What is longer than that is done elsewhere: the last exchange of a lap,
 * too.
 */
SHMDS_INLINE uint64_t shmds_queue_exchange_foreseen_inline(shmds_queue_memo* memo,
                                                           shmds_queue_record* record,
                                                           uint64_t* hint, uint64_t side,
                                                           uint64_t s, uint64_t expected,
                                                           uint64_t j, uint64_t slot_count) {
  shmds_queue_foresight* own = &memo->foreseen[side];
  const uint64_t at = own->at;
  const uint64_t next = at + 1;
  const uint64_t desired = own->to + s;
  uint64_t* cell = NULL;
  uint64_t ahead = 0;
  if (SHMDS_UNLIKELY(j >= slot_count)) {
    __atomic_store_n(&record->intent, s, __ATOMIC_RELEASE);
    return UINT64_MAX;
  }
  if (SHMDS_UNLIKELY(at >= own->end)) {
    return shmds_queue_exchange_last(memo, hint, side, s);
  }
  cell = shmds_queue_cell_inline(own, at);
  /* Relaxed: a guess, which the compare-and-swap of the next operation confirms. */
  ahead = __atomic_load_n(cell + 1, __ATOMIC_RELAXED);
  /* The linearisation point; it publishes the payload. */
  if (SHMDS_UNLIKELY(!__atomic_compare_exchange_n(cell, &expected, desired, false, __ATOMIC_SEQ_CST,
                                                  __ATOMIC_SEQ_CST))) {
    __atomic_store_n(&record->intent, s, __ATOMIC_RELEASE);
    /* Once: from now on this looks first. */
    own->word = expected;
    own->end = 0;
    return UINT64_MAX;
  }
  shmds_queue_pass_on_inline(memo, hint, side, at, next, desired);
  own->at = next;
  own->word = ahead;
  /* Last, so that it goes to its line together with the next intent. */
  __atomic_store_n(&record->spare, j, __ATOMIC_RELEASE);
  return j;
}

/** Whether the last one of so many words from a position on can be exchanged, or the last one of
 * the lap. */
SHMDS_INLINE bool shmds_queue_is_far_inline(const shmds_queue_parts* parts, uint64_t side,
                                            uint64_t at, uint64_t words) {
  const shmds_queue_foresight here = shmds_queue_expect_inline(parts, side, at);
  /* A position that does not exist may be in a hint that somebody damaged. */
  const uint64_t last = at <= here.end && here.end - at >= words ? at + words - 1 : here.end;
  const uint64_t word = __atomic_load_n(shmds_queue_cell_inline(&here, last), __ATOMIC_RELAXED);
  return shmds_queue_slot_inline(parts, &here, word) < parts->slot_count;
}

/** Whether others came so many words further than a position: those of this side, or if it is the
 * other one that is right ahead, those. */
SHMDS_INLINE bool shmds_queue_came_inline(const shmds_queue_parts* parts, const uint64_t* hint,
                                          uint64_t side, uint64_t at, uint64_t words, bool other) {
  return __atomic_load_n(hint, __ATOMIC_RELAXED) - at >= words ||
         (other && shmds_queue_is_far_inline(parts, side, at, words));
}

/** Gives those who are right ahead at a position a head start, if they were there often enough, and
 * the queue is long enough. */
SHMDS_OUT_OF_LINE void shmds_queue_pursue(const shmds_queue_parts* parts, const uint64_t* hint,
                                          uint64_t side, uint64_t at, shmds_pursuit* pursuit) {
  bool other = false;
  if (parts->last_index < SHMDS_HEAD_START_LEAST_CAPACITY - 1 ||
      !shmds_pursuit_count_inline(pursuit)) {
    return;
  }
  other = !shmds_queue_is_far_inline(parts, side, at, SHMDS_HEAD_START_WORDS);
  shmds_let_moment_pass();
  if (shmds_queue_came_inline(parts, hint, side, at, SHMDS_HEAD_START_FEW_WORDS, other) &&
      !shmds_queue_came_inline(parts, hint, side, at, SHMDS_HEAD_START_MANY_WORDS, other)) {
    shmds_let_moment_pass();
  }
  shmds_pursuit_learn_inline(
      pursuit, shmds_queue_came_inline(parts, hint, side, at, SHMDS_HEAD_START_WORDS, other));
}

/** Like `shmds_queue_exchange_foreseen_inline`, but looks at the word where it has to, in any lap,
 * and exchanges it although somebody sleeps until then; to be called out of line. */
SHMDS_INLINE uint64_t shmds_queue_exchange_inline(shmds_queue_memo* memo, uint64_t* hint,
                                                  uint64_t side, uint64_t s) {
  const shmds_queue_parts* parts = &memo->pass.parts;
  shmds_queue_record* record = memo->pass.record;
  shmds_queue_foresight* own = &memo->foreseen[side];
  shmds_queue_foresight here = shmds_queue_expect_inline(parts, side, own->at);
  const uint64_t index_mask = 2 * parts->unit - 1;
  /* Acquire: pairs with the Release above; the words before the hint are seen as passed. */
  uint64_t hinted = __atomic_load_n(hint, __ATOMIC_ACQUIRE);
  const bool alone = hinted == own->at && here.at <= here.end;
  uint64_t j = shmds_queue_slot_inline(parts, &here, own->word);
  uint64_t seen = 0;
  here.word = own->word;
  /* It has to be what the side exchanges in this lap, with the number of a slot that exists. */
  if (SHMDS_UNLIKELY(!alone) || SHMDS_UNLIKELY(j >= parts->slot_count)) {
    shmds_queue_pursue(parts, hint, side, hinted, &memo->pursuit[side]);
    hinted = __atomic_load_n(hint, __ATOMIC_ACQUIRE);
    /* Unless the hint was stored so late that it is a lap behind what this thread knows. When it is
     * less, others are busy here, and the way through the library leaves them a moment. */
    const bool behind = here.at - hinted - index_mask - 1 < UINT64_C(1) << 63;
    here = shmds_queue_expect_inline(parts, side, behind && here.at <= here.end ? here.at : hinted);
    if (SHMDS_UNLIKELY(here.at > here.end)) {
      return UINT64_MAX;
    }
    here.word = __atomic_load_n(shmds_queue_cell_inline(&here, here.at), __ATOMIC_SEQ_CST);
    j = shmds_queue_slot_inline(parts, &here, here.word);
    if (SHMDS_UNLIKELY(j >= parts->slot_count)) {
      return UINT64_MAX;
    }
  }
  /* Say which word is in play before the slots can change hands. */
  __atomic_store_n(&record->intent, here.word, __ATOMIC_RELEASE);
  seen = here.word;
  if (SHMDS_UNLIKELY(!shmds_queue_swap_inline(&here, &seen, here.to + s)) &&
      /* Once more where nothing but a mark has come to it; the slot in it is the same. */
      (seen != (here.word | shmds_queue_awaited_inline(parts)) ||
       !shmds_queue_swap_inline(&here, &seen, here.to + s))) {
    __atomic_store_n(&record->intent, s, __ATOMIC_RELEASE);
    return UINT64_MAX;
  }
  __atomic_store_n(&record->spare, j, __ATOMIC_RELEASE);
  shmds_queue_go_on_inline(memo, hint, side, &here, here.to + s);
  if (SHMDS_UNLIKELY(!alone)) {
    own->end = 0;
  }
  return j;
}

/** Wakes those who sleep for what was just published, if there are any. Not needed where the word
 * exchanged was not awaited; but if who was to wake them died before it did, or was stopped, they
 * sleep on meanwhile, and this finds them sooner than they find out. */
SHMDS_INLINE void shmds_queue_wake_inline(shmds_queue* queue, const shmds_wait_word* sleepers) {
#if !defined(__x86_64__)
  /* On x86 the exchange is one. */
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
  if (shmds_has_sleepers_inline(sleepers)) {
    (void)!shmds_queue_wake(queue);
  }
}

/** The largest element that is looked for behind the ends. With 64 bytes that takes a cycle less in
 * clang's code, and one more in GCC's, than to load where the slots are (Zen 3, measured). */
#if defined(__clang__)
#define SHMDS_QUEUE_LARGEST_NEAR 256
#else
#define SHMDS_QUEUE_LARGEST_NEAR 8
#endif

/** Where a slot is. Those of up to 256 bytes start right behind the ends, whose address has to be
 * loaded anyway; larger ones may be aligned to more than that. */
SHMDS_INLINE uint8_t* shmds_queue_slot_at_inline(const shmds_queue_parts* parts,
                                                 shmds_queue_ends* ends, uint64_t slot,
                                                 size_t elem_size) {
  if (elem_size <= SHMDS_QUEUE_LARGEST_NEAR) {
    return SHMDS_POINTER_AT(uint8_t, SHMDS_ADDRESS_OF(ends + 1) + slot * elem_size);
  }
  return parts->slots + slot * elem_size;
}

/** Enqueues at the word that was foreseen, if that is still there. */
SHMDS_INLINE bool shmds_queue_enqueue_foreseen_inline(shmds_queue_memo* memo, uint64_t slot_count,
                                                      const void* element, size_t elem_size) {
  shmds_queue_record* record = memo->pass.record;
  shmds_queue_ends* ends = NULL;
  const uint64_t expected = memo->foreseen[0].word;
  const uint64_t spare = __atomic_load_n(&record->spare, __ATOMIC_RELAXED);
  uint64_t j = 0;
  if (SHMDS_UNLIKELY(spare >= slot_count)) {
    return false;
  }
  /* Say which word is in play before the slots can change hands. */
  __atomic_store_n(&record->intent, expected, __ATOMIC_RELEASE);
  /* Neither before the intent, for what is stored should be on its way soon, nor after the payload.
   * No compiler has to keep this order; g++ and clang do, and on AMD's Zen 3 it takes a cycle less
   * than others (measured). */
  j = expected - memo->foreseen[0].from;
  ends = memo->pass.parts.ends;
  /* The payload, while the slot is this lane's alone. */
  shmds_copy_in_inline(shmds_queue_slot_at_inline(&memo->pass.parts, ends, spare, elem_size),
                       element, elem_size);
  return SHMDS_LIKELY(shmds_queue_exchange_foreseen_inline(memo, record, &ends->tail, 0, spare,
                                                           expected, j, slot_count) != UINT64_MAX);
}

/** Dequeues at the word that was foreseen, if that is still there. The element lies at `*taken`
 * then.
 */
SHMDS_INLINE bool shmds_queue_take_foreseen_inline(shmds_queue_memo* memo, uint64_t slot_count,
                                                   size_t elem_size, const void** taken) {
  shmds_queue_record* record = memo->pass.record;
  shmds_queue_ends* ends = NULL;
  const uint64_t expected = memo->foreseen[1].word;
  const uint64_t spare = __atomic_load_n(&record->spare, __ATOMIC_RELAXED);
  uint64_t j = 0;
  uint64_t slot = 0;
  if (SHMDS_UNLIKELY(spare >= slot_count)) {
    return false;
  }
  __atomic_store_n(&record->intent, expected, __ATOMIC_RELEASE);
  j = expected - memo->foreseen[1].from;
  ends = memo->pass.parts.ends;
  slot = shmds_queue_exchange_foreseen_inline(memo, record, &ends->head, 1, spare, expected, j,
                                              slot_count);
  if (SHMDS_UNLIKELY(slot == UINT64_MAX)) {
    return false;
  }
  /* The exchange made the slot this lane's spare: nobody writes it now. */
  *taken = shmds_queue_slot_at_inline(&memo->pass.parts, ends, slot, elem_size);
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

/** The number of payload slots of the queue whose key that is; 0 if it has too many to say. For who
 * has to look at the key anyway, this saves a load. */
SHMDS_INLINE uint64_t shmds_queue_slots_by_key_inline(uint64_t key) {
  return key & ((UINT64_C(1) << SHMDS_QUEUE_KEY_SLOT_BITS) - 1);
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
  const uint64_t key = shmds_queue_key_inline(queue);
  return SHMDS_LIKELY(often->pass.key == key) &&
         shmds_queue_enqueue_foreseen_inline(often, shmds_queue_slots_by_key_inline(key), element,
                                             elem_size);
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
  const uint64_t key = shmds_queue_key_inline(queue);
  return SHMDS_LIKELY(often->pass.key == key) &&
         shmds_queue_take_foreseen_inline(often, shmds_queue_slots_by_key_inline(key), elem_size,
                                          taken);
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

/** What the thread remembers of a queue; NULL if it has no lane of its own now, or may not remember
 * it. */
SHMDS_INLINE shmds_queue_memo* shmds_queue_memo_inline(shmds_queue* queue,
                                                       shmds_queue_memory* memory) {
  const uint64_t key = shmds_queue_key_inline(queue);
  const uintptr_t place = SHMDS_ADDRESS_OF(queue) / SHMDS_QUEUE_STRIDE % SHMDS_QUEUE_PLACES;
  shmds_queue_memo* other = &memory->all[place];
  if (memory->often.pass.key == key) {
    return &memory->often;
  }
  if (SHMDS_UNLIKELY(other->pass.key != key)) {
    other->foreseen[0] = shmds_queue_nothing_foreseen;
    other->foreseen[1] = shmds_queue_nothing_foreseen;
    other->pursuit[0] = other->pursuit[1] = shmds_no_pursuit;
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
  shmds_status status = SHMDS_OK;
  if (memo && shmds_queue_enqueue_with_inline(queue, memo, element, elem_size)) {
    return SHMDS_OK;
  }
  status = shmds_queue_enqueue(queue, element);
  if (memo && status != SHMDS_OK) {
    memo->pursuit[0].operations = 0;
  }
  return status;
}

/** Like `shmds_queue_enqueue_otherwise_inline`, for `shmds_queue_dequeue`. */
SHMDS_INLINE shmds_status shmds_queue_dequeue_otherwise_inline(shmds_queue* queue,
                                                               shmds_queue_memory* memory,
                                                               void* element, size_t elem_size) {
  shmds_queue_memo* memo = shmds_queue_memo_inline(queue, memory);
  shmds_status status = SHMDS_OK;
  if (memo && shmds_queue_dequeue_with_inline(queue, memo, element, elem_size)) {
    return SHMDS_OK;
  }
  status = shmds_queue_dequeue(queue, element);
  if (memo && status != SHMDS_OK) {
    memo->pursuit[1].operations = 0;
  }
  return status;
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

#endif /* SHMDS_INLINE_QUEUE_H */
