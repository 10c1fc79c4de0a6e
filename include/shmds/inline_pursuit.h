/* SPDX-License-Identifier: MIT */
/** @file
 * Head starts for others, by who keeps right behind them; see shmds_inline.h.
 *
 * A thread that is always right behind others works on the lines that they are about to write, and
 * each operation of either waits for such a line to come over, and for what the processor fetches
 * ahead of its own accord. After a number of operations of that kind it lets them get ahead for a
 * moment; and for another one, if they began to, but are not a few lines ahead yet. If they come
 * far enough for the pause to have paid, it does so at once again the next time. If not, twice as
 * many operations have to be of that kind first, up to a limit. The library does the like for who
 * has caught up (src/structures/patience.rs).
 */
#ifndef SHMDS_INLINE_PURSUIT_H
#define SHMDS_INLINE_PURSUIT_H

#include "inline_common.h"

/** @cond macros for the headers that use this one */
/* Operations right behind others before the first head start, and how often that doubles. */
#define SHMDS_PURSUIT_OPERATIONS 32U
#define SHMDS_PURSUIT_DOUBLINGS 7U
/** @endcond */

/** Whether a thread is always right behind others, on a side of a queue: a guide for speed alone.
 */
typedef struct shmds_pursuit {
  /** How many operations found them right ahead, since one was refused or a head start in vain. */
  uint32_t operations;
  /** How many head starts in a row were in vain. */
  uint32_t vain;
} shmds_pursuit;

/** Of a side where the thread has just begun. */
static const shmds_pursuit shmds_no_pursuit __attribute__((unused)) = {0, 0};

/** Counts an operation that finds others right ahead: true if it should give them a head start. */
SHMDS_INLINE bool shmds_pursuit_count_inline(shmds_pursuit* pursuit) {
  if (pursuit->operations >= SHMDS_PURSUIT_OPERATIONS << pursuit->vain) {
    return true;
  }
  ++pursuit->operations;
  return false;
}

/** Remembers whether a head start was good for something. */
SHMDS_INLINE void shmds_pursuit_learn_inline(shmds_pursuit* pursuit, bool paid) {
  if (paid) {
    pursuit->vain = 0;
    return;
  }
  pursuit->operations = 0;
  if (pursuit->vain < SHMDS_PURSUIT_DOUBLINGS) {
    ++pursuit->vain;
  }
}

/** Lets a moment pass. */
SHMDS_OUT_OF_LINE void shmds_let_moment_pass(void) {
#if defined(__x86_64__)
  const uint64_t begin = __builtin_ia32_rdtsc();
  do {
    SHMDS_PAUSE();
  } while (__builtin_ia32_rdtsc() - begin < SHMDS_MOMENT_TICKS);
#else
  int pauses = SHMDS_MOMENT_PAUSES;
  for (; pauses > 0; pauses--) {
    SHMDS_PAUSE();
  }
#endif
}

#endif /* SHMDS_INLINE_PURSUIT_H */
