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

#include "shmds/inline_object_pool.h"
#include "shmds/inline_queue.h"
#include "shmds/inline_ring_buffer.h"
#include "shmds/inline_spsc_queue.h"

#endif /* SHMDS_INLINE_H */
