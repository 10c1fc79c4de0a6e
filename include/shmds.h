/* SPDX-License-Identifier: MIT */
/* Generated from the Rust sources: do not edit, run `make header`. */
/** @file
 * The C interface of libshmds: lock-free data structures in POSIX shared memory.
 *
 * A segment is opened by name and has structures, which are opened by name in it. Functions that
 * can fail return a `shmds_status`, and `shmds_last_error` has a sentence about it. What holds for
 * all functions (ownership, NULL, threads, fork, versions) is in docs/conventions.md.
 */

#ifndef SHMDS_H
#define SHMDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
/** On a function whose result has to be looked at. */
#define SHMDS_MUST_USE __attribute__((warn_unused_result))
#else
#define SHMDS_MUST_USE
#endif

/**
 * The handle that no object has.
 */
#define SHMDS_INVALID_HANDLE 4294967295

/**
 * For `shmds_inline.h`: number of places in which a thread remembers pools. A pool's address
 * divided by `SHMDS_OBJECT_POOL_STRIDE`, modulo this, is its place.
 */
#define SHMDS_OBJECT_POOL_PLACES 16

/**
 * For `shmds_inline.h`: see `SHMDS_OBJECT_POOL_PLACES`.
 */
#define SHMDS_OBJECT_POOL_STRIDE 64

/**
 * For `shmds_inline.h`: number of places in which a thread remembers queues. A handle's address
 * divided by `SHMDS_QUEUE_STRIDE`, modulo this, is its place.
 */
#define SHMDS_QUEUE_PLACES 16

/**
 * For `shmds_inline.h`: see `SHMDS_QUEUE_PLACES`.
 */
#define SHMDS_QUEUE_STRIDE 64

/**
 * For `shmds_inline.h`: so many low bits of a queue's key are the number of its payload slots, or 0.
 */
#define SHMDS_QUEUE_KEY_SLOT_BITS 24

/**
 * For `shmds_inline.h`: words that others have to come further for a head start to have paid
 * (see docs/performance.md).
 */
#define SHMDS_HEAD_START_WORDS 32

/**
 * For `shmds_inline.h`: words that they have to come further for a second moment to be worth it.
 */
#define SHMDS_HEAD_START_FEW_WORDS 8

/**
 * For `shmds_inline.h`: words that they have to come further for a second moment not to be needed.
 */
#define SHMDS_HEAD_START_MANY_WORDS 64

/**
 * For `shmds_inline.h`: the smallest capacity where others can come so far before they have to
 * wait themselves.
 */
#define SHMDS_HEAD_START_LEAST_CAPACITY 64

/**
 * For `shmds_inline.h`: a moment, by the processor's time stamp counter: 0.8 us at 2.6 GHz.
 */
#define SHMDS_MOMENT_TICKS 2048

/**
 * For `shmds_inline.h`: a moment in pauses, where there is no such counter.
 */
#define SHMDS_MOMENT_PAUSES 64

/**
 * A timeout that never passes.
 */
#define SHMDS_WAIT_FOREVER UINT64_MAX

/**
 * Flag of `shmds_ring_buffer_create`: roles are held, and refused to others.
 */
#define SHMDS_RING_BUFFER_ROLES 1

/**
 * Attach for reading only: find, read arrays and atomics. Takes no attachment slot.
 */
#define SHMDS_SEGMENT_READ_ONLY 1

/**
 * At creation, commit the memory of the whole payload.
 */
#define SHMDS_SEGMENT_COMMIT 2

/**
 * Survive that somebody truncates the segment's file. Without this, a thread that touches
 * memory that is gone gets `SIGBUS`. With it, a handler for `SIGBUS`, which passes on what it is not
 * meant for, puts zeros that nobody else sees in place of each such page; and the call that
 * touched it, and every later one on the attachment, answers `SHMDS_E_TRUNCATED`. What is compiled
 * into the program (arrays, atomics, shmds_inline.h) reads the zeros, and is told by the next
 * call. At most 64 attachments of a process can have it at once; one more is `SHMDS_E_BUSY`. A
 * handler that the program installs later takes its place.
 */
#define SHMDS_SEGMENT_GUARD 4

/**
 * Major part of the version of this header.
 */
#define SHMDS_VERSION_MAJOR 0

/**
 * Minor part of the version of this header.
 */
#define SHMDS_VERSION_MINOR 1

/**
 * Patch part of the version of this header.
 */
#define SHMDS_VERSION_PATCH 0

/**
 * An entry that user code added.
 */
#define SHMDS_KIND_RAW 0

/**
 * An array.
 */
#define SHMDS_KIND_ARRAY 1

/**
 * An atomic.
 */
#define SHMDS_KIND_ATOMIC 2

/**
 * A queue.
 */
#define SHMDS_KIND_QUEUE 3

/**
 * A queue for one producer and one consumer.
 */
#define SHMDS_KIND_SPSC_QUEUE 4

/**
 * An object pool.
 */
#define SHMDS_KIND_OBJECT_POOL 5

/**
 * A ring buffer.
 */
#define SHMDS_KIND_RING_BUFFER 6

/**
 * An open array: elements side by side in a segment.
 *
 * Made by `shmds_array_create`, `_open` and `_open_or_create`: the same array
 * gives the same handle. It belongs to the segment, is never freed by the caller
 * and is valid until the segment is closed. Any number of threads may use it;
 * ordering access to the elements is their affair.
 */
typedef struct shmds_array shmds_array;

/**
 * An open atomic: one word in a segment that processes change at once.
 *
 * Made by `shmds_atomic_create`, `_open` and `_open_or_create`: the same atomic
 * gives the same handle. It belongs to the segment, is never freed by the caller
 * and is valid until the segment is closed. Any number of threads may use it at
 * once. All operations but waiting are lock-free and sequentially consistent. They take
 * words of 1, 2, 4 and 8 bytes as unsigned integers; for a word of 16 bytes there are
 * `shmds_atomic_load_wide` and `shmds_atomic_compare_exchange_wide`. Operations of the
 * compiler's own on `shmds_atomic_data` may be mixed with these.
 */
typedef struct shmds_atomic shmds_atomic;

/**
 * An open pool of objects of equal size: any process acquires one and gets its handle,
 * any process releases it.
 *
 * Made by `shmds_object_pool_create`, `_open` and `_open_or_create`: the same pool gives
 * the same pool handle. It belongs to the segment, is never freed by the caller and is
 * valid until the segment is closed; the last 64 that were closed with their segments
 * still answer, with `SHMDS_E_STATE`. Any number of threads may use it at once, and a
 * forked child may go on with it.
 *
 * The handle of an object is its index, in [0, capacity): it means the same in every
 * process, and may travel. Objects stay acquired when the process that acquired them
 * ends; see `shmds_object_pool_reclaim`. A process that is stopped or killed anywhere in
 * an operation delays nobody. The bytes of an object are zero when the pool is created,
 * and stay what they are when it is released and acquired again.
 */
typedef struct shmds_object_pool shmds_object_pool;

/**
 * An open queue, first in first out, for any number of producers and consumers
 * in any number of processes.
 *
 * Made by `shmds_queue_create`, `_open` and `_open_or_create`: the same queue
 * gives the same handle. It belongs to the segment, is never freed by the caller
 * and is valid until the segment is closed; the last 64 handles that were closed with
 * their segments still answer, with `SHMDS_E_STATE`. Any number of threads may use it at
 * once, and a forked child may go on with it. A process that is stopped or killed
 * anywhere in an operation delays nobody; at most the element that it was putting
 * in, or had just taken out, is lost with it. The exception is a queue of large
 * elements (above 1 MiB / (attachments + 64)), which has max(4, 1 MiB / elem_size)
 * lanes, but no more than attachments or four: when as many processes are stopped inside
 * operations at once, others wait.
 */
typedef struct shmds_queue shmds_queue;

/**
 * An open ring buffer: the newest elements of a stream, for one producer, one consumer
 * and any number of observers, in any processes.
 *
 * Made by `shmds_ring_buffer_create`, `_open` and `_open_or_create`: the same ring buffer
 * gives the same handle. It belongs to the segment, is never freed by the caller
 * and is valid until the segment is closed; a forked child goes on with it.
 *
 * Roles: one thread at a time, in whichever process, is the producer (push, overwrite),
 * and one is the consumer (pop, skip, clear); they may be the same. The roles may move
 * at any time, as long as the old holder's last call ends before the new one's first.
 * The program sees to it; nothing is refused. If the ring buffer was created with
 * `SHMDS_RING_BUFFER_ROLES`, the first to push becomes the producer and the first to pop
 * the consumer: while that attachment lives, others are answered `SHMDS_E_ROLE`, until
 * it gives the role up (`shmds_ring_buffer_leave`, `shmds_segment_close`); the roles
 * of the dead are taken over. Then a forked child is an attachment of its own.
 *
 * Everybody else only looks, writes nothing, and needs no role: peek, get_last_n,
 * observers and the numbers work by any thread at any time, also on a read-only
 * attachment.
 *
 * Overwriting: a producer that overwrites waits for nobody, and no element is ever
 * delivered torn: who was reading one that is overwritten meanwhile drops it. Elements
 * that were overwritten before they were consumed are *lost*, and counted. A consumer
 * that is overtaken while it copies gives up some more of the oldest ones, so as not to be
 * overtaken again at once; these count as lost, too.
 *
 * Death: a process may be killed anywhere. What it had published stays, once and in
 * order; what it was publishing is there as a whole or not at all; what it was just
 * overwriting counts as lost. What it was popping goes to the next consumer, unless
 * its call had come to the point where the elements are its own.
 *
 * Buffers that elements are copied to: what lies in them behind the elements delivered
 * is unspecified after the call, whatever it returns, for a copy that raced with the
 * producer may have touched it. They must not lie in the ring buffer, and neither must what is
 * pushed.
 *
 * shmds_inline.h has push, push_overwrite, pop and both bulks for inlining.
 */
typedef struct shmds_ring_buffer shmds_ring_buffer;

/**
 * An attachment to a segment: a named piece of shared memory with a table of
 * structures.
 *
 * Made by `shmds_segment_create`, `_open` and `_open_or_create`; freed by
 * `shmds_segment_close`, with every handle that was opened through it. Any
 * number of threads may use it at once. A forked child goes on with what it
 * inherits, as an attachment of its own from its first change on; closing there
 * takes nothing away from the parent. A forked child of a read-only attachment is
 * not seen as a reader. Fork handlers do not run for `_Fork` or a raw `clone`: such
 * a child must not use inherited handles. No function is async-signal-safe.
 */
typedef struct shmds_segment shmds_segment;

/**
 * An open queue, first in first out, for one producer and one consumer at a time,
 * in any processes: the fastest way from one to the other.
 *
 * Made by `shmds_spsc_queue_create`, `_open` and `_open_or_create`: the same queue
 * gives the same handle. It belongs to the segment, is never freed by the caller
 * and is valid until the segment is closed.
 *
 * Roles: the first push through a handle makes its attachment the producer, the
 * first pop the consumer; it may be both. While a living attachment holds a role,
 * others are answered `SHMDS_E_ROLE`. `shmds_spsc_queue_leave` and
 * `shmds_segment_close` give the roles up, and those of the dead are taken over. A
 * forked child is an attachment of its own, which holds no role at first.
 *
 * Threads: one at a time pushes through a handle, one at a time pops, and handing
 * over from one thread to another is the caller's affair. The library does not
 * notice it when several do at once, and elements are then lost or repeated. What
 * does not need a role may be called by any thread at any time.
 *
 * Death: a process may be killed anywhere. What it had published stays, once and in
 * order; what it was publishing is there as a whole or not at all. What it was
 * taking goes to the next consumer, unless its call had come to the point where the
 * element is its own: then the element is lost with it.
 *
 * shmds_inline.h has push, pop, front and release for inlining.
 */
typedef struct shmds_spsc_queue shmds_spsc_queue;

/**
 * What a function answers: 0 is success, negative is an error, positive is the
 * outcome of an operation that would have had to wait.
 */
typedef int32_t shmds_status;

/**
 * Names an object from one acquisition to its release: unlike a handle, it is worth
 * nothing once the object was released, even if it was acquired again.
 *
 * Generations are counted in 32 bits: a token that is kept over exactly 2^32 releases of
 * one object passes for a current one.
 */
typedef struct shmds_object_token {
  /**
   * Handle of the object.
   */
  uint32_t index;
  /**
   * How often the object had been released before.
   */
  uint32_t generation;
} shmds_object_token;

/**
 * The start of a pool's handle. Constant while the handle is open, but for the key.
 */
typedef struct shmds_object_pool_view {
  /**
   * What threads remember the pool by. Never used twice; all ones, if nothing may be remembered.
   */
  uint64_t key;
  /**
   * The first object.
   */
  uint8_t *objects;
  /**
   * Bytes of an object.
   */
  uint64_t elem_size;
  /**
   * Number of objects.
   */
  uint64_t capacity;
} shmds_object_pool_view;

/**
 * What a thread remembers of one pool, in private memory. Threads may share it: what
 * they find there are guesses, and a CAS proves each. For shmds_inline.h.
 *
 * A store that a CAS has to wait for costs more than all loads around it, and a load of
 * the word that the last CAS wrote costs more than either. So the generation is kept here,
 * and to acquire the top writes nothing.
 */
typedef struct shmds_object_pool_recent {
  /**
   * The top of the chain: its handle in the low half, all ones if there is none; its
   * generation, as far as known, in the high half.
   */
  uint64_t top;
  /**
   * The same as `top`: the top is known to be live, or there is none. Another value: it
   * is free, or the thread acquired it since.
   */
  uint64_t live;
  /**
   * Word of marks where a free object was found last; all ones: none was.
   */
  uint32_t found_at;
  /**
   * Zero.
   */
  uint32_t reserved[11];
} shmds_object_pool_recent;

/**
 * What a thread may remember of a pool, so that an operation need not look it up in the
 * handle first. For shmds_inline.h, which mirrors the library's hot paths.
 */
typedef struct shmds_object_pool_pass {
  /**
   * The rest holds for as long as this is the key in the pool's view.
   */
  uint64_t key;
  /**
   * What the thread released last.
   */
  struct shmds_object_pool_recent *recent;
  /**
   * The objects' words, in the segment.
   */
  uint64_t *words;
  /**
   * The objects' marks, in the segment.
   */
  uint64_t *marks;
  /**
   * The objects' links, in the segment.
   */
  uint32_t *links;
  /**
   * Number of objects.
   */
  uint64_t capacity;
  /**
   * Low half of the word of what this process acquires.
   */
  uint64_t claim;
} shmds_object_pool_pass;

/**
 * A slot of a queue that its holder works on in place; filled in by
 * `shmds_queue_reserve` and `shmds_queue_take`, not to be changed by the caller.
 *
 * While it is held, whatever else its thread does with the queue goes on. A held
 * slot keeps one of the queue's lanes; when its process ends, the element that it
 * had taken, or was building, is gone with it.
 */
typedef struct shmds_queue_slot {
  /**
   * Where the element lies, `elem_size` bytes, aligned as the queue's elements are.
   */
  void *element;
  /**
   * Which queue; 0 once it was published, abandoned or done.
   */
  uint64_t queue;
  /**
   * Which of all slots ever held: a copy is worth nothing once the slot was given back.
   */
  uint64_t stamp;
  /**
   * Which process, counted in forks.
   */
  uint64_t epoch;
} shmds_queue_slot;

/**
 * A word that processes sleep on.
 */
typedef uint32_t shmds_wait_word;

/**
 * What changes in a queue's header; for shmds_inline.h. The payload slots start right behind it,
 * unless they are aligned to more than the header's size.
 */
typedef struct shmds_queue_ends {
  /**
   * Hint {lap, index}: every position before it has been enqueued. May lag, never
   * leads. The lap where a ring word has it, the index below.
   */
  uint64_t tail;
  /**
   * Zero.
   */
  uint64_t reserved_tail[7];
  /**
   * Hint {lap, index}: every position before it has been dequeued. Otherwise like `tail`.
   */
  uint64_t head;
  /**
   * Zero.
   */
  uint64_t reserved_head[7];
  /**
   * Consumers that wait for an element.
   */
  shmds_wait_word items;
  /**
   * Producers that wait for room.
   */
  shmds_wait_word space;
  /**
   * Zero.
   */
  uint64_t reserved_wait[7];
} shmds_queue_ends;

/**
 * Where the parts of an open queue are mapped in this process, and its constants,
 * checked when it was opened. For shmds_inline.h, which mirrors the library's hot paths.
 */
typedef struct shmds_queue_parts {
  /**
   * The hints and wait words, in the segment.
   */
  struct shmds_queue_ends *ends;
  /**
   * Ring words, as many as the capacity.
   */
  uint64_t *words;
  /**
   * Payload slots.
   */
  uint8_t *slots;
  /**
   * Number of payload slots.
   */
  uint64_t slot_count;
  /**
   * The last index before the next lap: one less than the capacity.
   */
  uint64_t last_index;
  /**
   * The full bit of a ring word. Below it is the bit that says: somebody sleeps until the word
   * is exchanged, or did; and below that the slot number. The index in a hint has the full bit
   * and those below.
   */
  uint64_t unit;
} shmds_queue_parts;

/**
 * The start of a queue's handle. Constant while the handle is open, but for the key.
 */
typedef struct shmds_queue_view {
  /**
   * What threads remember the queue by. Never used twice, and its low 24 bits are the number of
   * payload slots; 0 if that has more bits. Or all ones: nothing may be remembered.
   */
  uint64_t key;
  /**
   * The queue's parts.
   */
  struct shmds_queue_parts parts;
} shmds_queue_view;

/**
 * Which payload slots a lane has a claim to; for shmds_inline.h.
 *
 * At rest both words name the same slot, the lane's spare. An operation stores the ring word
 * that it is going to exchange, and after the exchange the slot that it got. So each step of a
 * lane is a store of one word, and nothing has to be computed before the first one.
 */
typedef struct shmds_queue_record {
  /**
   * The slot that the lane owns, until it exchanges `intent`.
   */
  uint64_t spare;
  /**
   * The ring word that the lane is exchanging, or is about to if it still is what the lane's
   * user saw before, or the last one: its slot is what the lane owns after the exchange. Or just
   * the lane's own slot.
   */
  uint64_t intent;
} shmds_queue_record;

/**
 * What a thread may remember of a queue: its own lane there, and the queue's parts, so
 * that an operation need not look them up in the handle first.
 */
typedef struct shmds_queue_pass {
  /**
   * The lane is the thread's for as long as this is the key in the queue's view.
   */
  uint64_t key;
  /**
   * The record of the lane.
   */
  struct shmds_queue_record *record;
  /**
   * The queue's parts.
   */
  struct shmds_queue_parts parts;
} shmds_queue_pass;

/**
 * What a queue has seen; see `shmds_queue_get_stats`.
 */
typedef struct shmds_queue_stats {
  /**
   * `sizeof(shmds_queue_stats)`, set by the caller.
   */
  size_t struct_size;
  /**
   * Elements that ever went in.
   */
  uint64_t enqueued;
  /**
   * Elements that ever came out.
   */
  uint64_t dequeued;
  /**
   * Operations that found it full, or empty; waits do not count.
   */
  uint64_t refused;
  /**
   * Number of lanes: how many may be inside an operation at once.
   */
  uint64_t lanes;
  /**
   * Lanes that living processes hold.
   */
  uint64_t lanes_in_use;
} shmds_queue_stats;

/**
 * Where an observer of a ring buffer has come to: the caller's own, in private memory, for
 * `shmds_ring_buffer_observe`. All zero but for `struct_size`, it observes from the first
 * element ever written on; `shmds_ring_buffer_seek` puts it elsewhere. May be copied.
 */
typedef struct shmds_ring_buffer_observer {
  /**
   * `sizeof(shmds_ring_buffer_observer)`, set by the caller.
   */
  size_t struct_size;
  /**
   * Number, counted from the ring buffer's creation, of the element that is next.
   */
  uint64_t cursor;
  /**
   * How many elements were overwritten before this observer could read them.
   */
  uint64_t lost;
} shmds_ring_buffer_observer;

/**
 * How a segment is created or opened. Zero everywhere but in `struct_size`
 * asks for the defaults.
 */
typedef struct shmds_segment_options {
  /**
   * `sizeof(shmds_segment_options)`.
   */
  size_t struct_size;
  /**
   * Payload in bytes: what the elements of all structures may take together.
   * Creating needs it. Opening asks for at least as much; 0 accepts any.
   */
  uint64_t size;
  /**
   * Permission bits of a new segment, whatever the umask; 0: 0600.
   */
  uint32_t mode;
  /**
   * Bytes of a structure's name, the NUL included; 0: 32 when creating, any when
   * opening.
   */
  uint32_t max_name_size;
  /**
   * Number of structures; 0: 64 when creating, any when opening.
   */
  uint32_t max_entries;
  /**
   * Number of attachments that a new segment can have at once, at most 4096;
   * 0: 256.
   */
  uint32_t max_attachments;
  /**
   * `SHMDS_SEGMENT_...`, or-ed.
   */
  uint32_t flags;
  /**
   * Milliseconds to wait for a living process that is creating the segment, or,
   * later, a structure; 0: 5000.
   */
  uint32_t open_timeout_ms;
} shmds_segment_options;

/**
 * Numbers about a segment.
 */
typedef struct shmds_segment_info {
  /**
   * `sizeof(shmds_segment_info)`, set by the caller.
   */
  size_t struct_size;
  /**
   * Payload in bytes, as given at creation.
   */
  uint64_t size;
  /**
   * Payload in bytes that structures use; those erased count as well.
   */
  uint64_t payload_used;
  /**
   * Bytes of the file: address space, most of it without memory behind it.
   */
  uint64_t file_size;
  /**
   * Bytes of a structure's name, the NUL included.
   */
  uint32_t max_name_size;
  /**
   * Number of table entries.
   */
  uint32_t max_entries;
  /**
   * Number of table entries in use.
   */
  uint32_t entries_used;
  /**
   * Number of attachments that are possible at once.
   */
  uint32_t max_attachments;
  /**
   * Number of read-write attachments alive now.
   */
  uint32_t ref_count;
  /**
   * 1 if a read-only attachment is alive now, else 0.
   */
  uint32_t readers;
} shmds_segment_info;

/**
 * What a table says of one structure.
 */
typedef struct shmds_entry_info {
  /**
   * `sizeof(shmds_entry_info)`, set by the caller.
   */
  size_t struct_size;
  /**
   * Where it begins, in bytes from `shmds_segment_base`.
   */
  uint64_t offset;
  /**
   * Bytes that it takes there, control words included.
   */
  uint64_t size;
  /**
   * Bytes of an element.
   */
  uint64_t elem_size;
  /**
   * Number of elements.
   */
  uint64_t num_elem;
  /**
   * `SHMDS_KIND_...`.
   */
  uint32_t kind;
  /**
   * Changes whenever the entry is put to another use.
   */
  uint32_t generation;
} shmds_entry_info;

/**
 * One end of a queue: how far it has come, and who waits for that.
 *
 * The position is on a line of its own. The wait word is read after each operation, so
 * it lies on another one, where no operation writes.
 */
typedef struct shmds_spsc_queue_end {
  /**
   * {lap, index}: the slot that is used next, and how often all were used before. The
   * index has ceil(log2(capacity)) low bits, the lap the rest. Stored by this end's
   * side only, with Release, once the slots before it are filled, or read.
   */
  uint64_t position;
  /**
   * Zero.
   */
  uint64_t reserved[7];
  /**
   * Bit 0: the other side may be asleep until the count changes.
   */
  shmds_wait_word waiters;
  /**
   * Zero.
   */
  uint32_t reserved_waiters[15];
} shmds_spsc_queue_end;

/**
 * What a process knows as the producer, or as the consumer, of a queue. For
 * shmds_inline.h; changed by one thread at a time.
 *
 * While the role is not held, the side is at an end of no queue and blocked for good, so
 * that nothing is done without the library.
 */
typedef struct shmds_spsc_queue_side {
  /**
   * The end that this side moves. The one of the other side is its neighbour: the next
   * one for a producer, the one before for a consumer.
   */
  struct shmds_spsc_queue_end *own;
  /**
   * The position of that end. Nobody else moves it while the role is held, so it is looked
   * up here: the processor gets it sooner than by way of `own`, and nobody can damage it.
   */
  uint64_t at;
  /**
   * The address that a slot of position 0 would have if positions counted on through all
   * laps, as they do in the one that the side was in when it looked at the other one.
   */
  uint64_t slots;
  /**
   * Position before which the slots of that lap can be used without another look: never past
   * the last one, since the step from there is a longer one; and 0 where no other is known.
   */
  uint64_t stop;
  /**
   * What the other side has to be before, for code in line to go on with what it sees there
   * by itself: the position right behind the last one of the lap, or 1 where nothing is known
   * of the lap; or 0, while it pays to give the other side a head start (see [`patience`]).
   *
   * [`patience`]: crate::structures::patience
   */
  uint64_t look_limit;
  /**
   * Consumer: one more than its position when the front was looked at last; or 0.
   */
  uint64_t front;
  /**
   * Fork epoch in which this process took the role; all ones: it has not.
   */
  uint64_t epoch;
  /**
   * What the side has learned about waiting for the other one; for the library alone.
   */
  uint64_t patience;
  /**
   * Zero.
   */
  uint64_t reserved[8];
} shmds_spsc_queue_side;

/**
 * The start of every open SPSC queue, for the functions in shmds_inline.h only: a
 * `shmds_spsc_queue *` points to one. What stands before the sides never changes
 * while the queue is open.
 */
typedef struct shmds_spsc_queue_view {
  /**
   * The first slot.
   */
  uint8_t *slots;
  /**
   * Bits of a position that hold the index.
   */
  uint64_t index_mask;
  /**
   * The last index before the next lap: one less than the capacity.
   */
  uint64_t last_index;
  /**
   * What a position moves on by in a lap.
   */
  uint64_t lap;
  /**
   * Bytes of an element.
   */
  uint64_t elem_size;
  /**
   * Zero.
   */
  uint64_t reserved[11];
  /**
   * This process as the producer, on lines of its own.
   */
  struct shmds_spsc_queue_side producer;
  /**
   * This process as the consumer, on lines of its own.
   */
  struct shmds_spsc_queue_side consumer;
} shmds_spsc_queue_view;

/**
 * What the producer stores, on a line of its own. Both words only ever grow.
 */
typedef struct shmds_ring_buffer_writer {
  /**
   * Slots of positions before this may be being written; at most a lap ahead of `tail`.
   * Stored before the elements. Behind `tail` when a bulk longer than the capacity has
   * just been written.
   */
  uint64_t claim;
  /**
   * Elements written since creation. Stored after the elements, with Release.
   */
  uint64_t tail;
  /**
   * Zero.
   */
  uint64_t reserved[6];
} shmds_ring_buffer_writer;

/**
 * What the consumer stores, on a line of its own. Both words only ever grow.
 */
typedef struct shmds_ring_buffer_reader {
  /**
   * Position of the next element to consume, or one that was overwritten since. Stored
   * after an element was copied out, with Release.
   */
  uint64_t head;
  /**
   * Elements before `head` that were overwritten before they were consumed. Stored
   * after `head`: a consumer that dies in between leaves it short by its last find.
   */
  uint64_t lost;
  /**
   * Zero.
   */
  uint64_t reserved[6];
} shmds_ring_buffer_reader;

/**
 * What both sides store, each on lines of its own, and who sleeps there.
 */
typedef struct shmds_ring_buffer_ends {
  /**
   * Bit 0: somebody may be asleep until elements come.
   */
  shmds_wait_word items;
  /**
   * Bit 0: somebody may be asleep until there is room.
   */
  shmds_wait_word space;
  /**
   * Zero.
   */
  uint32_t reserved_waits[14];
  /**
   * The producer's words.
   */
  struct shmds_ring_buffer_writer writer;
  /**
   * With enforced roles, the attachment that pushes, as an owner word; 0: none.
   */
  uint64_t producer;
  /**
   * With enforced roles, the attachment that pops, as an owner word; 0: none.
   */
  uint64_t consumer;
  /**
   * Zero.
   */
  uint64_t reserved_roles[6];
  /**
   * The consumer's words.
   */
  struct shmds_ring_buffer_reader reader;
} shmds_ring_buffer_ends;

/**
 * What a process knows as the producer, or as the consumer, of a ring buffer. For
 * shmds_inline.h; changed by one thread at a time.
 *
 * While the process may not act there, the ends are those of no ring, at which nothing
 * can be done without the library.
 */
typedef struct shmds_ring_buffer_side {
  /**
   * Where both sides are, in the segment.
   */
  struct shmds_ring_buffer_ends *ends;
  /**
   * A multiple of the capacity: less than a lap from there, the slot of a position is
   * the difference.
   */
  uint64_t base;
  /**
   * Producer: position up to which there is room without another look at the head.
   */
  uint64_t limit;
  /**
   * Fork epoch in which this process took the role; see the constants.
   */
  uint64_t epoch;
  /**
   * Zero.
   */
  uint64_t reserved[12];
} shmds_ring_buffer_side;

/**
 * The start of every open ring buffer, for the functions in shmds_inline.h only: a
 * `shmds_ring_buffer *` points to one. What stands before the sides never changes
 * while the ring buffer is open.
 */
typedef struct shmds_ring_buffer_view {
  /**
   * The first slot.
   */
  uint8_t *slots;
  /**
   * Number of slots.
   */
  uint64_t capacity;
  /**
   * Bytes of an element.
   */
  uint64_t elem_size;
  /**
   * Zero.
   */
  uint64_t reserved[13];
  /**
   * This process as the producer, on lines of its own.
   */
  struct shmds_ring_buffer_side producer;
  /**
   * This process as the consumer, on lines of its own.
   */
  struct shmds_ring_buffer_side consumer;
} shmds_ring_buffer_view;

/**
 * Success.
 */
#define SHMDS_OK 0

/**
 * The queue is full. Nothing was enqueued.
 */
#define SHMDS_FULL 1

/**
 * There is nothing there: the queue is empty, or the table entry is unused.
 */
#define SHMDS_EMPTY 2

/**
 * A wait for a living process ran out of time.
 */
#define SHMDS_TIMEOUT 3

/**
 * Everything is in use.
 */
#define SHMDS_EXHAUSTED 4

/**
 * An argument breaks a rule: NULL where none may be, a wrong `struct_size`, size 0
 * at creation.
 */
#define SHMDS_E_ARGUMENT -1

/**
 * A name is empty.
 */
#define SHMDS_E_NAME_EMPTY -2

/**
 * A segment name has more than 255 bytes.
 */
#define SHMDS_E_NAME_TOO_LONG -3

/**
 * A segment name with a slash that is not its first character, ".", "..", or not
 * UTF-8.
 */
#define SHMDS_E_NAME_INVALID -4

/**
 * A segment larger than this machine can address.
 */
#define SHMDS_E_TOO_LARGE -5

/**
 * Element size 0, or none that an atomic can have.
 */
#define SHMDS_E_ELEMENT_SIZE -6

/**
 * An alignment that is no power of two, above 4096, or that does not divide the
 * element size.
 */
#define SHMDS_E_ALIGNMENT -7

/**
 * A count or capacity of 0 at creation, or beyond what the structure can have.
 */
#define SHMDS_E_CAPACITY -8

/**
 * Element size times count does not fit in 64 bits.
 */
#define SHMDS_E_OVERFLOW -9

/**
 * What was to be created is there already.
 */
#define SHMDS_E_EXISTS -10

/**
 * What was to be opened, erased or unlinked is not there.
 */
#define SHMDS_E_NOT_FOUND -11

/**
 * The file system of shared memory is full.
 */
#define SHMDS_E_NO_SPACE -12

/**
 * The payload would exceed the size of the segment.
 */
#define SHMDS_E_SEGMENT_FULL -13

/**
 * Every entry of the table is in use.
 */
#define SHMDS_E_TABLE_FULL -14

/**
 * The name belongs to a structure of another kind.
 */
#define SHMDS_E_KIND -15

/**
 * Element size, alignment, count or capacity differ from what exists.
 */
#define SHMDS_E_MISMATCH -16

/**
 * The existing segment is smaller than asked.
 */
#define SHMDS_E_SIZE -17

/**
 * The existing table has another geometry.
 */
#define SHMDS_E_GEOMETRY -18

/**
 * The segment was made with another layout version or fingerprint.
 */
#define SHMDS_E_VERSION -19

/**
 * The object of that name is no segment of this library.
 */
#define SHMDS_E_FOREIGN -20

/**
 * The segment's file is shorter than its header says.
 */
#define SHMDS_E_TRUNCATED -21

/**
 * Bytes in the segment make no sense.
 */
#define SHMDS_E_CORRUPT -22

/**
 * Every attachment slot is held by a living process.
 */
#define SHMDS_E_ATTACHMENTS -23

/**
 * The attachment is read-only.
 */
#define SHMDS_E_READ_ONLY -24

/**
 * The system refused access.
 */
#define SHMDS_E_PERMISSION -25

/**
 * Another system call failed; the sentence says which and why.
 */
#define SHMDS_E_SYSTEM -26

/**
 * The structure behind the handle was removed.
 */
#define SHMDS_E_STALE -27

/**
 * No lane of the queue is free: more processes are stopped inside it than it has
 * lanes. Or: the owner of the object lives.
 */
#define SHMDS_E_BUSY -28

/**
 * A call that does not go with what was done before, such as publishing what was not reserved.
 */
#define SHMDS_E_STATE -29

/**
 * The role of producer or of consumer is held by another attachment, which lives.
 */
#define SHMDS_E_ROLE -30

/**
 * A defect of this library: a panic was caught at the boundary.
 */
#define SHMDS_E_INTERNAL -99

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Creates an array of `count` elements of `elem_size` bytes, all zero.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; of several processes that create one name at once,
 * exactly one does, and the others wait for it.
 *
 * @return `SHMDS_OK`; `SHMDS_E_EXISTS`; `SHMDS_E_SEGMENT_FULL`;
 * `SHMDS_E_TABLE_FULL`; `SHMDS_E_NO_SPACE`; `SHMDS_E_CAPACITY`,
 * `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_TIMEOUT` if a
 * living process did not leave the table, or finish initialising that name, in
 * time; `SHMDS_E_STALE` if the table was cleared meanwhile; `SHMDS_E_ATTACHMENTS`,
 * `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
 * reopen the segment; `SHMDS_E_READ_ONLY`; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_array_create(struct shmds_segment *segment,
                                const char *name,
                                size_t elem_size,
                                size_t elem_align,
                                size_t count,
                                struct shmds_array **out);

/**
 * Opens an array that exists. `count` 0 accepts any.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; it waits for a living process that is initialising the
 * structure of that name.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_KIND`; `SHMDS_E_MISMATCH`;
 * `SHMDS_TIMEOUT` if a living process did not finish initialising it in time;
 * `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_E_CORRUPT`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_array_open(struct shmds_segment *segment,
                              const char *name,
                              size_t elem_size,
                              size_t elem_align,
                              size_t count,
                              struct shmds_array **out);

/**
 * Opens an array, creating it if it does not exist.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; of several processes that create one name at once,
 * exactly one does, and the others wait for it.
 *
 * @return as `shmds_array_create` and `shmds_array_open`, but for `SHMDS_E_EXISTS`
 * and `SHMDS_E_NOT_FOUND`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_array_open_or_create(struct shmds_segment *segment,
                                        const char *name,
                                        size_t elem_size,
                                        size_t elem_align,
                                        size_t count,
                                        struct shmds_array **out);

/**
 * Address of the first element; NULL for NULL, or if the array was destroyed or its
 * segment closed. Read-only memory in a read-only attachment. Valid until the segment is
 * closed or the array destroyed through it.
 *
 * # Safety
 *
 * `array` is NULL or open.
 */
void *shmds_array_data(const struct shmds_array *array);

/**
 * Number of elements; 0 for NULL.
 *
 * # Safety
 *
 * `array` is NULL or open.
 */
size_t shmds_array_count(const struct shmds_array *array);

/**
 * Bytes of an element; 0 for NULL.
 *
 * # Safety
 *
 * `array` is NULL or open.
 */
size_t shmds_array_elem_size(const struct shmds_array *array);

/**
 * Name of the array as the table holds it; NULL for NULL. Valid until the segment
 * is closed.
 *
 * # Safety
 *
 * `array` is NULL or open.
 */
const char *shmds_array_name(const struct shmds_array *array);

/**
 * Creates an atomic of `elem_size` bytes: 1, 2, 4, 8 or 16. `initial` points at its
 * first value, or is NULL for zero.
 *
 * `name` is cut at the table's `max_name_size - 1`. `*out` is untouched on failure,
 * and then nothing has changed. Any thread may call this at any time; of several
 * processes that create one name at once, exactly one does, and the others wait for
 * it.
 *
 * @return `SHMDS_OK`; `SHMDS_E_EXISTS`; `SHMDS_E_SEGMENT_FULL`;
 * `SHMDS_E_TABLE_FULL`; `SHMDS_E_NO_SPACE`; `SHMDS_E_ELEMENT_SIZE`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_TIMEOUT` if a
 * living process did not leave the table, or finish initialising that name, in
 * time; `SHMDS_E_STALE` if the table was cleared meanwhile; `SHMDS_E_ATTACHMENTS`,
 * `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
 * reopen the segment; `SHMDS_E_READ_ONLY`; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid,
 * `initial` NULL or `elem_size` bytes.
 */
shmds_status shmds_atomic_create(struct shmds_segment *segment,
                                 const char *name,
                                 size_t elem_size,
                                 const void *initial,
                                 struct shmds_atomic **out);

/**
 * Opens an atomic that exists and leaves its value alone; `initial` is ignored.
 *
 * `name` is cut at the table's `max_name_size - 1`. `*out` is untouched on failure,
 * and then nothing has changed. Any thread may call this at any time; it waits for
 * a living process that is initialising the structure of that name.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_KIND`; `SHMDS_E_MISMATCH`;
 * `SHMDS_TIMEOUT` if a living process did not finish initialising it in time;
 * `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad
 * parameters; `SHMDS_E_CORRUPT`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid,
 * `initial` NULL or `elem_size` bytes.
 */
shmds_status shmds_atomic_open(struct shmds_segment *segment,
                               const char *name,
                               size_t elem_size,
                               const void *initial,
                               struct shmds_atomic **out);

/**
 * Opens an atomic and leaves its value alone, or creates it with the value at
 * `initial` (NULL: zero).
 *
 * `name` is cut at the table's `max_name_size - 1`. `*out` is untouched on failure,
 * and then nothing has changed. Any thread may call this at any time; of several
 * processes that create one name at once, exactly one does, and the others wait for
 * it.
 *
 * @return as `shmds_atomic_create` and `shmds_atomic_open`, but for
 * `SHMDS_E_EXISTS` and `SHMDS_E_NOT_FOUND`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid,
 * `initial` NULL or `elem_size` bytes.
 */
shmds_status shmds_atomic_open_or_create(struct shmds_segment *segment,
                                         const char *name,
                                         size_t elem_size,
                                         const void *initial,
                                         struct shmds_atomic **out);

/**
 * Address of the word, aligned to its size, for the compiler's own atomic
 * operations; NULL for NULL, or if the atomic was destroyed or its segment closed. Valid
 * until the segment is closed or the atomic destroyed through it.
 *
 * # Safety
 *
 * `atomic` is NULL or open.
 */
void *shmds_atomic_data(const struct shmds_atomic *atomic);

/**
 * Bytes of the word; 0 for NULL.
 *
 * # Safety
 *
 * `atomic` is NULL or open.
 */
size_t shmds_atomic_elem_size(const struct shmds_atomic *atomic);

/**
 * Name of the atomic as the table holds it; NULL for NULL. Valid until the segment
 * is closed.
 *
 * # Safety
 *
 * `atomic` is NULL or open.
 */
const char *shmds_atomic_name(const struct shmds_atomic *atomic);

/**
 * Reads the value, zero-extended, into `*value`.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
 * bytes.
 *
 * # Safety
 *
 * `atomic` is NULL or open, `value` NULL or valid.
 */
shmds_status shmds_atomic_load(const struct shmds_atomic *atomic, uint64_t *value);

/**
 * Sets the value to the low bytes of `value`.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
 * bytes; `SHMDS_E_READ_ONLY`.
 *
 * # Safety
 *
 * `atomic` is NULL or open.
 */
shmds_status shmds_atomic_store(struct shmds_atomic *atomic, uint64_t value);

/**
 * Sets the value to `desired` if it is `expected`; of both, only as many low bytes
 * count as the word has, and the rest is ignored. The value before, zero-extended,
 * goes to `*previous`, whether it was changed to `*exchanged`; either may be NULL.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
 * bytes; `SHMDS_E_READ_ONLY`.
 *
 * # Safety
 *
 * `atomic` is NULL or open, `previous` and `exchanged` are NULL or valid.
 */
shmds_status shmds_atomic_compare_exchange(struct shmds_atomic *atomic,
                                           uint64_t expected,
                                           uint64_t desired,
                                           uint64_t *previous,
                                           bool *exchanged);

/**
 * Sets the value to the low bytes of `operand`. The value before goes to
 * `*previous`, which may be NULL.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
 * bytes; `SHMDS_E_READ_ONLY`.
 *
 * # Safety
 *
 * `atomic` is NULL or open, `previous` is NULL or valid.
 */
shmds_status shmds_atomic_exchange(struct shmds_atomic *atomic,
                                   uint64_t operand,
                                   uint64_t *previous);

/**
 * Adds `operand` to the value, wrapping around. The value before goes to
 * `*previous`, which may be NULL.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
 * bytes; `SHMDS_E_READ_ONLY`.
 *
 * # Safety
 *
 * `atomic` is NULL or open, `previous` is NULL or valid.
 */
shmds_status shmds_atomic_fetch_add(struct shmds_atomic *atomic,
                                    uint64_t operand,
                                    uint64_t *previous);

/**
 * Subtracts `operand` from the value, wrapping around. The value before goes to
 * `*previous`, which may be NULL.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
 * bytes; `SHMDS_E_READ_ONLY`.
 *
 * # Safety
 *
 * `atomic` is NULL or open, `previous` is NULL or valid.
 */
shmds_status shmds_atomic_fetch_sub(struct shmds_atomic *atomic,
                                    uint64_t operand,
                                    uint64_t *previous);

/**
 * Combines the value with `operand` by bitwise and. The value before goes to
 * `*previous`, which may be NULL.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
 * bytes; `SHMDS_E_READ_ONLY`.
 *
 * # Safety
 *
 * `atomic` is NULL or open, `previous` is NULL or valid.
 */
shmds_status shmds_atomic_fetch_and(struct shmds_atomic *atomic,
                                    uint64_t operand,
                                    uint64_t *previous);

/**
 * Combines the value with `operand` by bitwise or. The value before goes to
 * `*previous`, which may be NULL.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
 * bytes; `SHMDS_E_READ_ONLY`.
 *
 * # Safety
 *
 * `atomic` is NULL or open, `previous` is NULL or valid.
 */
shmds_status shmds_atomic_fetch_or(struct shmds_atomic *atomic,
                                   uint64_t operand,
                                   uint64_t *previous);

/**
 * Combines the value with `operand` by bitwise exclusive or. The value before goes
 * to `*previous`, which may be NULL.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ELEMENT_SIZE` for a word of 16
 * bytes; `SHMDS_E_READ_ONLY`.
 *
 * # Safety
 *
 * `atomic` is NULL or open, `previous` is NULL or valid.
 */
shmds_status shmds_atomic_fetch_xor(struct shmds_atomic *atomic,
                                    uint64_t operand,
                                    uint64_t *previous);

/**
 * Reads a value of 16 bytes into `value`: one access, without a lock.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ELEMENT_SIZE` if the word has another size, or the processor
 * no such access; `SHMDS_E_ARGUMENT`; `SHMDS_E_STALE`; `SHMDS_E_STATE`.
 *
 * # Safety
 *
 * `atomic` is NULL or open, `value` is NULL or has 16 writable bytes.
 */
shmds_status shmds_atomic_load_wide(const struct shmds_atomic *atomic, void *value);

/**
 * Sets a value of 16 bytes to `desired` if it is `expected`. `*exchanged` says whether it
 * was, and `previous` gets the value before; both may be NULL. One access, without a lock.
 *
 * @return `SHMDS_OK`, also when nothing was exchanged; `SHMDS_E_ELEMENT_SIZE` if the word
 * has another size, or the processor no such access; `SHMDS_E_READ_ONLY`;
 * `SHMDS_E_ARGUMENT`; `SHMDS_E_STALE`; `SHMDS_E_STATE`.
 *
 * # Safety
 *
 * `atomic` is NULL or open; `expected` and `desired` are NULL or have 16 readable bytes,
 * `previous` is NULL or has 16 writable ones, `exchanged` is NULL or valid.
 */
shmds_status shmds_atomic_compare_exchange_wide(struct shmds_atomic *atomic,
                                                const void *expected,
                                                const void *desired,
                                                void *previous,
                                                bool *exchanged);

/**
 * Sleeps while the value equals the one at `old`, `elem_size` bytes, at most `timeout_ns`
 * nanoseconds: 0 only looks, `SHMDS_WAIT_FOREVER` has no end.
 *
 * Wakes when `shmds_atomic_notify` is called, in any process, after the value has changed;
 * a change that nobody tells of is noticed some milliseconds later. A value that changed
 * and changed back meanwhile may be missed. In a read-only attachment it looks again every
 * 100 microseconds instead.
 *
 * @return `SHMDS_OK` when the value is another one; `SHMDS_TIMEOUT`;
 * `SHMDS_E_ELEMENT_SIZE` for a word of 16 bytes that the processor cannot read;
 * `SHMDS_E_ARGUMENT`; `SHMDS_E_STALE`; `SHMDS_E_STATE`.
 *
 * # Safety
 *
 * `atomic` is NULL or open, `old` is NULL or has `elem_size` readable bytes.
 */
shmds_status shmds_atomic_wait(const struct shmds_atomic *atomic,
                               const void *old,
                               uint64_t timeout_ns);

/**
 * Wakes everybody, in all processes, who waits for the value to change; to be called after
 * changing it. Costs a memory barrier, and a system call only if somebody sleeps.
 *
 * @return `SHMDS_OK`; `SHMDS_E_READ_ONLY`; `SHMDS_E_ARGUMENT`; `SHMDS_E_STALE`;
 * `SHMDS_E_STATE`.
 *
 * # Safety
 *
 * `atomic` is NULL or open.
 */
shmds_status shmds_atomic_notify(struct shmds_atomic *atomic);

/**
 * Creates a pool of `capacity` objects of `elem_size` bytes, 1 to 2^32 - 2 of them.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; the first object starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; of several processes that create one name at once,
 * exactly one does, and the others wait for it.
 *
 * @return `SHMDS_OK`; `SHMDS_E_EXISTS`; `SHMDS_E_SEGMENT_FULL`;
 * `SHMDS_E_TABLE_FULL`; `SHMDS_E_NO_SPACE`; `SHMDS_E_CAPACITY`,
 * `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_TIMEOUT` if a
 * living process did not leave the table, or finish initialising that name, in
 * time; `SHMDS_E_STALE` if the table was cleared meanwhile; `SHMDS_E_ATTACHMENTS`,
 * `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
 * reopen the segment; `SHMDS_E_READ_ONLY`; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_object_pool_create(struct shmds_segment *segment,
                                      const char *name,
                                      size_t elem_size,
                                      size_t elem_align,
                                      size_t capacity,
                                      struct shmds_object_pool **out);

/**
 * Opens a pool that exists. `capacity` 0 accepts any.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; the first object starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; it waits for a living process that is initialising the
 * structure of that name. Through a read-only segment, objects can be read and counted.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_KIND`; `SHMDS_E_MISMATCH`;
 * `SHMDS_TIMEOUT` if a living process did not finish initialising it in time;
 * `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_E_CORRUPT`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_object_pool_open(struct shmds_segment *segment,
                                    const char *name,
                                    size_t elem_size,
                                    size_t elem_align,
                                    size_t capacity,
                                    struct shmds_object_pool **out);

/**
 * Opens a pool, creating it if it does not exist.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; the first object starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; of several processes that create one name at once,
 * exactly one does, and the others wait for it.
 *
 * @return as `shmds_object_pool_create` and `shmds_object_pool_open`, but for
 * `SHMDS_E_EXISTS` and `SHMDS_E_NOT_FOUND`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_object_pool_open_or_create(struct shmds_segment *segment,
                                              const char *name,
                                              size_t elem_size,
                                              size_t elem_align,
                                              size_t capacity,
                                              struct shmds_object_pool **out);

/**
 * Acquires a free object and stores its handle in `*handle`.
 *
 * A thread that works alone gets back first what it released last. Never waits, and
 * makes no system call. Takes constant time, but where the pool is nearly exhausted:
 * before the answer is `SHMDS_EXHAUSTED`, every object was looked at, and found to be
 * acquired, at some moment during the call. `*handle` is untouched unless this returns
 * `SHMDS_OK`. What the last owner wrote to the object is visible.
 *
 * @return `SHMDS_OK`; `SHMDS_EXHAUSTED`; `SHMDS_E_ARGUMENT`; `SHMDS_E_READ_ONLY`;
 * `SHMDS_E_STATE` if the segment was closed; `SHMDS_E_ATTACHMENTS`,
 * `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
 * reopen the segment; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `pool` is NULL or open, `handle` NULL or valid.
 */
shmds_status shmds_object_pool_acquire(struct shmds_object_pool *pool, uint32_t *handle);

/**
 * Releases an object, whoever acquired it, in whatever process.
 *
 * Releasing an object that is free is refused and counted
 * (`shmds_object_pool_refused`). A handle alone cannot tell that its object was released
 * and acquired again since; a token can. Never waits, and makes no system call.
 *
 * @return `SHMDS_OK`; `SHMDS_E_STATE` if the object is free, or the segment was closed;
 * `SHMDS_E_ARGUMENT` for NULL and for a handle that no object has; `SHMDS_E_READ_ONLY`;
 * `SHMDS_E_CORRUPT` if somebody changes the object's word all the time.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
shmds_status shmds_object_pool_release(struct shmds_object_pool *pool, uint32_t handle);

/**
 * Acquires a free object and stores a token for it in `*token`; `token->index` is its
 * handle. Otherwise like `shmds_object_pool_acquire`.
 *
 * @return as `shmds_object_pool_acquire`.
 *
 * # Safety
 *
 * `pool` is NULL or open, `token` NULL or valid.
 */
shmds_status shmds_object_pool_acquire_token(struct shmds_object_pool *pool,
                                             struct shmds_object_token *token);

/**
 * Releases the object of a token, unless it was released since the token was made:
 * that is refused and counted, also if somebody has acquired the object again.
 *
 * @return as `shmds_object_pool_release`; `SHMDS_E_STATE` also if the token is stale.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
shmds_status shmds_object_pool_release_token(struct shmds_object_pool *pool,
                                             struct shmds_object_token token);

/**
 * Whether the object of a token was not released since the token was made; false for
 * NULL, and for an index that no object has.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
bool shmds_object_pool_is_current(const struct shmds_object_pool *pool,
                                  struct shmds_object_token token);

/**
 * Acquires up to `count` objects, stores their handles at `handles`, and how many in
 * `*acquired`.
 *
 * One object after the other: others may acquire and release in between. `*acquired` is
 * untouched unless this returns `SHMDS_OK`. If `count` is 0, it is set to 0, and
 * `handles` may be NULL.
 *
 * @return `SHMDS_OK` if there was at least one, or `count` is 0; `SHMDS_EXHAUSTED`; and
 * the errors of `shmds_object_pool_acquire`.
 *
 * # Safety
 *
 * `pool` is NULL or open, `handles` NULL or has room for `count` handles, `acquired`
 * NULL or valid.
 */
shmds_status shmds_object_pool_acquire_batch(struct shmds_object_pool *pool,
                                             uint32_t *handles,
                                             size_t count,
                                             size_t *acquired);

/**
 * Releases the objects of `count` handles, and stores how many it released in
 * `*released`, unless `released` is NULL.
 *
 * Handles that no object has are passed over; so are free objects, which are counted
 * like releases that were refused. If `count` is 0, `handles` may be NULL.
 *
 * @return `SHMDS_OK`; and the errors of `shmds_object_pool_release` that are not about
 * one object.
 *
 * # Safety
 *
 * `pool` is NULL or open, `handles` NULL or has `count` handles, `released` NULL or
 * valid.
 */
shmds_status shmds_object_pool_release_batch(struct shmds_object_pool *pool,
                                             const uint32_t *handles,
                                             size_t count,
                                             size_t *released);

/**
 * Gives an object up for adoption: it stays acquired, and nobody owns it, so that no
 * `shmds_object_pool_reclaim` frees it. Before a handle goes to a process that is to
 * adopt the object, for example.
 *
 * @return `SHMDS_OK`; `SHMDS_E_STATE` if the object is free, or the segment was closed;
 * `SHMDS_E_BUSY` if somebody else owns it who lives; `SHMDS_E_ARGUMENT` for NULL and for
 * a handle that no object has; and the errors of `shmds_object_pool_acquire`.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
shmds_status shmds_object_pool_disown(struct shmds_object_pool *pool, uint32_t handle);

/**
 * Makes this attachment the owner of an object that is acquired, and whose owner is dead
 * or gave it up. Of several that try, exactly one succeeds. Adopting what is one's own
 * changes nothing.
 *
 * @return as `shmds_object_pool_disown`.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
shmds_status shmds_object_pool_adopt(struct shmds_object_pool *pool, uint32_t handle);

/**
 * Whether an object is acquired and its owner, an attachment, lives. False for a free
 * or disowned object, for a handle that no object has, and for NULL.
 *
 * A process counts as alive until its end is complete; see `shmds_segment_get_info`.
 * (An owner's generation is kept in 18 bits: if its attachment slot was taken again a
 * multiple of 262,144 times, a dead owner passes for the one that has the slot.)
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
bool shmds_object_pool_owner_alive(const struct shmds_object_pool *pool, uint32_t handle);

/**
 * Releases all objects whose owners are dead, and stores how many in `*count`, unless
 * `count` is NULL. Nothing else ever does: objects outlive their processes.
 *
 * Objects that are disowned, or whose owner lives, stay as they are. Whoever goes on
 * with an object that a process left behind has to adopt it, or this takes it away.
 * Any process may call this at any time, several at once; it looks at every object, and
 * asks once whether each owner lives.
 *
 * @return `SHMDS_OK`; and the errors of `shmds_object_pool_acquire`.
 *
 * # Safety
 *
 * `pool` is NULL or open, `count` NULL or valid.
 */
shmds_status shmds_object_pool_reclaim(struct shmds_object_pool *pool, size_t *count);

/**
 * Number of objects that are acquired: exact while nobody acquires or releases. Looks at
 * every object. 0 for NULL.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
size_t shmds_object_pool_num_allocated(const struct shmds_object_pool *pool);

/**
 * Whether no object is acquired; true for NULL. Looks at objects until one is.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
bool shmds_object_pool_empty(const struct shmds_object_pool *pool);

/**
 * Whether every object is acquired; false for NULL. Looks at objects until one is not.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
bool shmds_object_pool_full(const struct shmds_object_pool *pool);

/**
 * How many releases were refused since the pool was created, by all processes: the
 * object was free, or the token stale. 0 for NULL.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
uint64_t shmds_object_pool_refused(const struct shmds_object_pool *pool);

/**
 * Number of objects; 0 for NULL.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
size_t shmds_object_pool_capacity(const struct shmds_object_pool *pool);

/**
 * Bytes of an object; 0 for NULL.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
size_t shmds_object_pool_elem_size(const struct shmds_object_pool *pool);

/**
 * Where the object of a handle lies, whether it is acquired or not: `elem_size` bytes,
 * aligned as asked for. NULL for a handle that no object has, and for NULL. Valid until
 * the segment is closed.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
void *shmds_object_pool_object(const struct shmds_object_pool *pool, uint32_t handle);

/**
 * Where the first object lies; the others follow without a gap. NULL for NULL. Valid
 * until the segment is closed.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
void *shmds_object_pool_objects(const struct shmds_object_pool *pool);

/**
 * Name of the pool as the table holds it; NULL for NULL. Valid until the segment is
 * closed.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
const char *shmds_object_pool_name(const struct shmds_object_pool *pool);

/**
 * What `shmds_inline.h` needs to know of a pool. NULL for NULL. It is the start of the
 * pool handle itself: `(const shmds_object_pool_view *)pool` is the same address. Valid
 * until the segment is closed.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
const struct shmds_object_pool_view *shmds_object_pool_get_view(const struct shmds_object_pool *pool);

/**
 * What the calling thread remembers of a pool, for `shmds_inline.h`. `*pass` is the
 * thread's to use for as long as its key is the one in the pool's view; untouched if
 * operations have to go through the library.
 *
 * @return whether it was filled in; false for NULL.
 *
 * # Safety
 *
 * `pool` is NULL or open, `pass` NULL or valid.
 */
bool shmds_object_pool_own_pass(struct shmds_object_pool *pool,
                                struct shmds_object_pool_pass *pass);

/**
 * Lets searches find an object that was just released. For `shmds_inline.h`, after a
 * release that found no mark on the object. Calling it at any other time does no harm.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_READ_ONLY`; `SHMDS_E_STATE` if the
 * segment was closed.
 *
 * # Safety
 *
 * `pool` is NULL or open.
 */
shmds_status shmds_object_pool_mark(struct shmds_object_pool *pool, uint32_t handle);

/**
 * Creates a queue for `capacity` elements of `elem_size` bytes.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; of several processes that create one name at once,
 * exactly one does, and the others wait for it.
 *
 * @return `SHMDS_OK`; `SHMDS_E_EXISTS`; `SHMDS_E_SEGMENT_FULL`;
 * `SHMDS_E_TABLE_FULL`; `SHMDS_E_NO_SPACE`; `SHMDS_E_CAPACITY`,
 * `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_TIMEOUT` if a
 * living process did not leave the table, or finish initialising that name, in
 * time; `SHMDS_E_STALE` if the table was cleared meanwhile; `SHMDS_E_ATTACHMENTS`,
 * `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
 * reopen the segment; `SHMDS_E_READ_ONLY`; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_queue_create(struct shmds_segment *segment,
                                const char *name,
                                size_t elem_size,
                                size_t elem_align,
                                size_t capacity,
                                struct shmds_queue **out);

/**
 * Opens a queue that exists. `capacity` 0 accepts any.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; it waits for a living process that is initialising the
 * structure of that name.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_KIND`; `SHMDS_E_MISMATCH`;
 * `SHMDS_TIMEOUT` if a living process did not finish initialising it in time;
 * `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_E_CORRUPT`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_queue_open(struct shmds_segment *segment,
                              const char *name,
                              size_t elem_size,
                              size_t elem_align,
                              size_t capacity,
                              struct shmds_queue **out);

/**
 * Opens a queue, creating it if it does not exist.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; of several processes that create one name at once,
 * exactly one does, and the others wait for it.
 *
 * @return as `shmds_queue_create` and `shmds_queue_open`, but for `SHMDS_E_EXISTS`
 * and `SHMDS_E_NOT_FOUND`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_queue_open_or_create(struct shmds_segment *segment,
                                        const char *name,
                                        size_t elem_size,
                                        size_t elem_align,
                                        size_t capacity,
                                        struct shmds_queue **out);

/**
 * Appends a copy of the element at `element`, `elem_size` bytes.
 *
 * Never waits for another process (but see `shmds_queue` about large elements), but may
 * give others a head start of a few microseconds at most (docs/performance.md).
 * Makes no system call but the first time in a process. Linearisable: the queue
 * was full, or the element went in, at one moment during the call.
 *
 * @return `SHMDS_OK`; `SHMDS_FULL`; `SHMDS_E_ARGUMENT`; `SHMDS_E_READ_ONLY`;
 * `SHMDS_E_BUSY` if no lane came free in time; `SHMDS_E_ATTACHMENTS`,
 * `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
 * reopen the segment; `SHMDS_E_STATE` if the segment was closed in this process;
 * `SHMDS_E_STALE` if the queue was destroyed; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `element` is NULL or has `elem_size` readable bytes.
 */
shmds_status shmds_queue_enqueue(struct shmds_queue *queue, const void *element);

/**
 * Takes the oldest element out and copies it to `element`, `elem_size` bytes.
 * `*element` is untouched unless this returns `SHMDS_OK`.
 *
 * Otherwise like `shmds_queue_enqueue`.
 *
 * @return `SHMDS_OK`; `SHMDS_EMPTY`; and the errors of `shmds_queue_enqueue`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `element` is NULL or has `elem_size` writable bytes.
 */
shmds_status shmds_queue_dequeue(struct shmds_queue *queue, void *element);

/**
 * Appends copies of up to `count` elements that lie side by side at `elements`, in
 * their order; elements of others may come in between. `*enqueued` is how many there
 * was room for, or went in before an error showed, which the next call then tells.
 *
 * Otherwise like `shmds_queue_enqueue`.
 *
 * @return `SHMDS_OK` if at least one went in, or `count` is 0; `SHMDS_FULL`; and the
 * errors of `shmds_queue_enqueue`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `elements` NULL or `count * elem_size` readable bytes,
 * `enqueued` NULL or valid.
 */
shmds_status shmds_queue_enqueue_bulk(struct shmds_queue *queue,
                                      const void *elements,
                                      size_t count,
                                      size_t *enqueued);

/**
 * Takes up to `count` of the oldest elements out and copies them side by side to
 * `elements`. `*dequeued` is how many there were.
 *
 * Otherwise like `shmds_queue_dequeue`.
 *
 * @return `SHMDS_OK` if at least one came out, or `count` is 0; `SHMDS_EMPTY`; and
 * the errors of `shmds_queue_dequeue`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `elements` NULL or `count * elem_size` writable bytes,
 * `dequeued` NULL or valid.
 */
shmds_status shmds_queue_dequeue_bulk(struct shmds_queue *queue,
                                      void *elements,
                                      size_t count,
                                      size_t *dequeued);

/**
 * Appends a copy of the element at `element`, sleeping while the queue is full, at
 * most `timeout_ns` nanoseconds; `SHMDS_WAIT_FOREVER` has no end. A dequeue anywhere
 * wakes it up. Where no lane is free, that is waited for too, in the same time.
 *
 * @return `SHMDS_OK`; `SHMDS_TIMEOUT`; and the errors of `shmds_queue_enqueue` but for
 * `SHMDS_E_BUSY`.
 *
 * # Safety
 *
 * As for `shmds_queue_enqueue`.
 */
shmds_status shmds_queue_enqueue_wait(struct shmds_queue *queue,
                                      const void *element,
                                      uint64_t timeout_ns);

/**
 * Takes the oldest element out and copies it to `element`, sleeping while the queue
 * is empty, at most `timeout_ns` nanoseconds; `SHMDS_WAIT_FOREVER` has no end. An
 * enqueue anywhere wakes it up. Where no lane is free, that is waited for too, in the
 * same time.
 *
 * @return `SHMDS_OK`; `SHMDS_TIMEOUT`; and the errors of `shmds_queue_dequeue` but for
 * `SHMDS_E_BUSY`.
 *
 * # Safety
 *
 * As for `shmds_queue_dequeue`.
 */
shmds_status shmds_queue_dequeue_wait(struct shmds_queue *queue,
                                      void *element,
                                      uint64_t timeout_ns);

/**
 * Reserves a slot to build an element in, without copying it later.
 *
 * `slot->element` is the place. To be ended by `shmds_queue_publish` or
 * `shmds_queue_abandon`, by any thread of this process. Each slot holds a lane of the
 * queue, as each thread does that works on it, and one process gets 32 of the lanes
 * that are there for this: beyond, `SHMDS_E_BUSY`.
 *
 * @return `SHMDS_OK`; and the errors of `shmds_queue_enqueue`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `slot` NULL or valid.
 */
shmds_status shmds_queue_reserve(struct shmds_queue *queue, struct shmds_queue_slot *slot);

/**
 * Appends the element that was built in a reserved slot, and gives the slot up.
 *
 * @return `SHMDS_OK`; `SHMDS_FULL`, and the slot stays reserved; `SHMDS_E_STATE` if
 * it is not reserved, of another queue, or held by the parent of this process, or the
 * segment was closed; `SHMDS_E_STALE`; `SHMDS_E_ARGUMENT`; `SHMDS_E_CORRUPT`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `slot` NULL or filled in by `shmds_queue_reserve`.
 */
shmds_status shmds_queue_publish(struct shmds_queue *queue, struct shmds_queue_slot *slot);

/**
 * Gives a reserved slot up without publishing it.
 *
 * @return `SHMDS_OK`; `SHMDS_E_STATE` as for `shmds_queue_publish`; `SHMDS_E_STALE`;
 * `SHMDS_E_ARGUMENT`.
 *
 * # Safety
 *
 * As for `shmds_queue_publish`.
 */
shmds_status shmds_queue_abandon(struct shmds_queue *queue, struct shmds_queue_slot *slot);

/**
 * Takes the oldest element out, to be read where it lies.
 *
 * `slot->element` is the place; nobody else has access to it until
 * `shmds_queue_done`, by any thread of this process.
 *
 * @return `SHMDS_OK`; `SHMDS_EMPTY`; and the errors of `shmds_queue_dequeue`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `slot` NULL or valid.
 */
shmds_status shmds_queue_take(struct shmds_queue *queue, struct shmds_queue_slot *slot);

/**
 * Gives the slot of an element that was taken back.
 *
 * @return `SHMDS_OK`; `SHMDS_E_STATE` if it was not taken, was given back already,
 * is of another queue, or held by the parent of this process, or the segment was
 * closed; `SHMDS_E_STALE`; `SHMDS_E_ARGUMENT`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `slot` NULL or filled in by `shmds_queue_take`.
 */
shmds_status shmds_queue_done(struct shmds_queue *queue, struct shmds_queue_slot *slot);

/**
 * What `shmds_inline.h` needs to know of a queue. NULL for NULL. It is the start of
 * the handle itself: `(const shmds_queue_view *)queue` is the same address. Valid
 * until the segment is closed.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
const struct shmds_queue_view *shmds_queue_get_view(const struct shmds_queue *queue);

/**
 * The calling thread's own lane of a queue, for `shmds_inline.h`. `*pass` is the
 * thread's to use for as long as its key is the one in the queue's view; untouched if
 * the thread has no lane of its own now, or may not remember it, and operations have to
 * go through the library.
 *
 * @return whether there is a pass; false for NULL.
 *
 * # Safety
 *
 * `queue` is NULL or open, `pass` NULL or valid.
 */
bool shmds_queue_own_lane(struct shmds_queue *queue, struct shmds_queue_pass *pass);

/**
 * Wakes whoever sleeps in a waiting operation on the queue, to look again. For
 * `shmds_inline.h`, after an operation that found somebody asleep.
 *
 * @return `SHMDS_OK`; `SHMDS_E_READ_ONLY`; `SHMDS_E_STATE` if the segment was closed;
 * `SHMDS_E_STALE`; `SHMDS_E_ARGUMENT`.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
shmds_status shmds_queue_wake(struct shmds_queue *queue);

/**
 * Fills `*stats` in; set `stats->struct_size` first. Exact while nobody operates.
 *
 * @return `SHMDS_OK`; `SHMDS_E_STATE` if the segment was closed; `SHMDS_E_STALE`;
 * `SHMDS_E_ARGUMENT`; `SHMDS_E_CORRUPT`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `stats` NULL or valid.
 */
shmds_status shmds_queue_get_stats(const struct shmds_queue *queue,
                                   struct shmds_queue_stats *stats);

/**
 * Number of elements: exact while nobody operates, never above the capacity; 0 for
 * NULL.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
size_t shmds_queue_size(const struct shmds_queue *queue);

/**
 * Number of elements that the queue holds when full; 0 for NULL.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
size_t shmds_queue_capacity(const struct shmds_queue *queue);

/**
 * Bytes of an element; 0 for NULL.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
size_t shmds_queue_elem_size(const struct shmds_queue *queue);

/**
 * Whether a dequeue would have found nothing at one moment during the call; true
 * for NULL.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
bool shmds_queue_empty(const struct shmds_queue *queue);

/**
 * Whether an enqueue would have found no room at one moment during the call; false
 * for NULL.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
bool shmds_queue_full(const struct shmds_queue *queue);

/**
 * Address of the payload slots, for inspection: which of them are in the queue, and
 * in which order, is not told. NULL for NULL. Valid until the segment is closed.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
void *shmds_queue_slots(const struct shmds_queue *queue);

/**
 * Name of the queue as the table holds it; NULL for NULL. Valid until the segment
 * is closed.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
const char *shmds_queue_name(const struct shmds_queue *queue);

/**
 * Creates a ring buffer for `capacity` elements of `elem_size` bytes.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway. `flags`
 * is 0 or `SHMDS_RING_BUFFER_ROLES`.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; of several processes that create one name at once,
 * exactly one does, and the others wait for it.
 *
 * @return `SHMDS_OK`; `SHMDS_E_EXISTS`; `SHMDS_E_SEGMENT_FULL`;
 * `SHMDS_E_TABLE_FULL`; `SHMDS_E_NO_SPACE`; `SHMDS_E_CAPACITY`,
 * `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_TIMEOUT` if a
 * living process did not leave the table, or finish initialising that name, in
 * time; `SHMDS_E_STALE` if the table was cleared meanwhile; `SHMDS_E_ATTACHMENTS`,
 * `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
 * reopen the segment; `SHMDS_E_READ_ONLY`; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_ring_buffer_create(struct shmds_segment *segment,
                                      const char *name,
                                      size_t elem_size,
                                      size_t elem_align,
                                      size_t capacity,
                                      uint32_t flags,
                                      struct shmds_ring_buffer **out);

/**
 * Opens a ring buffer that exists. `capacity` 0 accepts any. Takes no role.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; it waits for a living process that is initialising the
 * structure of that name.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_KIND`; `SHMDS_E_MISMATCH`;
 * `SHMDS_TIMEOUT` if a living process did not finish initialising it in time;
 * `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_E_CORRUPT`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_ring_buffer_open(struct shmds_segment *segment,
                                    const char *name,
                                    size_t elem_size,
                                    size_t elem_align,
                                    size_t capacity,
                                    struct shmds_ring_buffer **out);

/**
 * Opens a ring buffer, creating it if it does not exist. `flags` are those of a new one;
 * one that exists keeps its own.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; of several processes that create one name at once,
 * exactly one does, and the others wait for it.
 *
 * @return as `shmds_ring_buffer_create` and `shmds_ring_buffer_open`, but for
 * `SHMDS_E_EXISTS` and `SHMDS_E_NOT_FOUND`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_ring_buffer_open_or_create(struct shmds_segment *segment,
                                              const char *name,
                                              size_t elem_size,
                                              size_t elem_align,
                                              size_t capacity,
                                              uint32_t flags,
                                              struct shmds_ring_buffer **out);

/**
 * Appends a copy of the element at `element`, `elem_size` bytes, as the producer, if
 * there is room.
 *
 * Never waits. Makes no system call unless somebody is asleep here, or this call takes
 * the role. One store publishes the element: a process killed before it has appended
 * nothing, and one killed after it everything.
 *
 * @return `SHMDS_OK`; `SHMDS_FULL`; `SHMDS_E_ARGUMENT`; `SHMDS_E_READ_ONLY`;
 * `SHMDS_E_STATE` if the segment was closed in this process; `SHMDS_E_CORRUPT`; with
 * enforced roles also `SHMDS_E_ROLE` if a living attachment is the producer, and
 * `SHMDS_E_ATTACHMENTS`, `SHMDS_E_PERMISSION`, `SHMDS_E_SYSTEM` in a forked child that
 * finds no attachment slot, or may not reopen the segment.
 *
 * # Safety
 *
 * `ring` is NULL or open, `element` is NULL or has `elem_size` readable bytes.
 */
shmds_status shmds_ring_buffer_push(struct shmds_ring_buffer *ring, const void *element);

/**
 * Appends copies of as many of the `count` elements at `elements` as there is room for, the
 * first ones, and stores how many in `*pushed`. They are published at once: a process
 * that is killed has appended all of them or none.
 *
 * `*pushed` is untouched unless this returns `SHMDS_OK`. If `count` is 0, it is set to 0,
 * and `elements` may be NULL. `count` may exceed the capacity. Otherwise like
 * `shmds_ring_buffer_push`.
 *
 * @return `SHMDS_OK` if at least one went in, or `count` is 0; `SHMDS_FULL`; and the
 * errors of `shmds_ring_buffer_push`.
 *
 * # Safety
 *
 * `ring` is NULL or open, `elements` is NULL or has `count` elements, `pushed` NULL or
 * valid.
 */
shmds_status shmds_ring_buffer_push_bulk(struct shmds_ring_buffer *ring,
                                         const void *elements,
                                         size_t count,
                                         size_t *pushed);

/**
 * Appends a copy of the element at `element`, as the producer; when there is no room, over
 * the oldest element, which is lost. Waits for nobody, whoever is reading. Otherwise
 * like `shmds_ring_buffer_push`.
 *
 * @return `SHMDS_OK`; and the errors of `shmds_ring_buffer_push`.
 *
 * # Safety
 *
 * As for `shmds_ring_buffer_push`.
 */
shmds_status shmds_ring_buffer_push_overwrite(struct shmds_ring_buffer *ring, const void *element);

/**
 * Appends copies of the `count` elements at `elements`, as the producer, over the oldest
 * ones where there is no room. They are published at once. Of more than the capacity,
 * the newest are kept, and all are counted as written. If `count` is 0, `elements` may be NULL.
 * Otherwise like `shmds_ring_buffer_push_overwrite`.
 *
 * @return `SHMDS_OK`; and the errors of `shmds_ring_buffer_push`.
 *
 * # Safety
 *
 * `ring` is NULL or open, `elements` is NULL or has `count` elements.
 */
shmds_status shmds_ring_buffer_overwrite_bulk(struct shmds_ring_buffer *ring,
                                              const void *elements,
                                              size_t count);

/**
 * Takes the oldest element out and copies it to `element`, `elem_size` bytes, as the
 * consumer.
 *
 * Never waits. Makes no system call unless somebody is asleep here, or this call takes
 * the role. The element is copied, then one store takes it: if the process is killed
 * before that store, the next consumer gets the element, which this call never returned;
 * if after it, the element is gone. So no element is ever returned twice.
 *
 * While the producer overwrites faster than this can copy, it tries again with newer
 * elements, a limited number of times.
 *
 * @return `SHMDS_OK`; `SHMDS_EMPTY` if there was nothing, or nothing that stayed long
 * enough; `SHMDS_E_ROLE` if roles are enforced and a living attachment is the consumer;
 * and the other errors of `shmds_ring_buffer_push`.
 *
 * # Safety
 *
 * `ring` is NULL or open, `element` is NULL or has `elem_size` writable bytes.
 */
shmds_status shmds_ring_buffer_pop(struct shmds_ring_buffer *ring, void *element);

/**
 * Takes up to `count` of the oldest elements out, copies them to `elements` in order, and
 * stores how many in `*popped`. They are taken at once: if the process is killed before,
 * the next consumer gets all of them.
 *
 * `*popped` is untouched unless this returns `SHMDS_OK`. If `count` is 0, it is set to 0,
 * and `elements` may be NULL. `count` may exceed the capacity. Otherwise like
 * `shmds_ring_buffer_pop`.
 *
 * @return `SHMDS_OK` if there was at least one, or `count` is 0; `SHMDS_EMPTY`; and the
 * errors of `shmds_ring_buffer_pop`.
 *
 * # Safety
 *
 * `ring` is NULL or open, `elements` is NULL or has room for `count` elements, `popped`
 * NULL or valid.
 */
shmds_status shmds_ring_buffer_pop_bulk(struct shmds_ring_buffer *ring,
                                        void *elements,
                                        size_t count,
                                        size_t *popped);

/**
 * Drops up to `count` of the oldest elements, as the consumer, and stores how many there
 * were in `*skipped`, which may be NULL and is untouched on failure. Those count as
 * read, not as lost.
 *
 * @return `SHMDS_OK`; and the errors of `shmds_ring_buffer_pop`.
 *
 * # Safety
 *
 * `ring` is NULL or open, `skipped` NULL or valid.
 */
shmds_status shmds_ring_buffer_skip(struct shmds_ring_buffer *ring, size_t count, size_t *skipped);

/**
 * Drops all elements that are there at one moment, as the consumer.
 *
 * @return `SHMDS_OK`; and the errors of `shmds_ring_buffer_pop`.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
shmds_status shmds_ring_buffer_clear(struct shmds_ring_buffer *ring);

/**
 * Copies up to `count` elements to `elements` in order, from the one `offset` behind the
 * oldest on, and stores how many in `*peeked`. Takes nothing out, and writes nothing.
 *
 * If the producer overwrites some of them meanwhile, those are left out, and what
 * follows them is delivered. `*peeked` is 0 if there are no more than `offset` elements, or `count`
 * is 0, when `elements` may be NULL; untouched on failure.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_STATE` if the segment was closed in
 * this process; `SHMDS_E_CORRUPT`.
 *
 * # Safety
 *
 * `ring` is NULL or open, `elements` is NULL or has room for `count` elements, `peeked`
 * NULL or valid.
 */
shmds_status shmds_ring_buffer_peek_bulk(const struct shmds_ring_buffer *ring,
                                         size_t offset,
                                         void *elements,
                                         size_t count,
                                         size_t *peeked);

/**
 * Copies the newest `count` elements, of those that are not consumed, to `elements`,
 * oldest first, and stores how many in `*copied`: fewer if there are fewer. Takes
 * nothing out, and writes nothing.
 *
 * If the producer overwrites some of them meanwhile, those are left out: what is
 * delivered is whole, in order and without a gap. `*copied` is 0 if `count` is 0, when
 * `elements` may be NULL; untouched on failure.
 *
 * @return as `shmds_ring_buffer_peek_bulk`.
 *
 * # Safety
 *
 * `ring` is NULL or open, `elements` is NULL or has room for `count` elements, `copied`
 * NULL or valid.
 */
shmds_status shmds_ring_buffer_get_last_n(const struct shmds_ring_buffer *ring,
                                          void *elements,
                                          size_t count,
                                          size_t *copied);

/**
 * Copies up to `count` elements to `elements` in order, from the observer's cursor on, and
 * moves the cursor behind them: each element once, consumed or not, as long as it is not
 * overwritten. Stores how many in `*seen`, and adds to `observer->lost` how many were
 * overwritten before this observer could read them. Writes nothing to the segment.
 *
 * `*seen` and `*observer` are untouched unless this returns `SHMDS_OK`. If `count` is 0,
 * only what was lost is counted, and `elements` may be NULL.
 *
 * Threads: an observer is a plain variable, used by one thread at a time. Any number of
 * them, each with its own, may observe one ring buffer.
 *
 * @return `SHMDS_OK` if there was at least one, or `count` is 0; `SHMDS_EMPTY` if there was
 * nothing new, or nothing that stayed long enough; `SHMDS_E_STATE` if the observer is
 * ahead of this ring buffer, and so belongs to another one, or if the segment was closed in this
 * process; `SHMDS_E_ARGUMENT`; `SHMDS_E_CORRUPT`.
 *
 * # Safety
 *
 * `ring` is NULL or open, `observer` NULL or valid, `elements` is NULL or has room for
 * `count` elements, `seen` NULL or valid.
 */
shmds_status shmds_ring_buffer_observe(const struct shmds_ring_buffer *ring,
                                       struct shmds_ring_buffer_observer *observer,
                                       void *elements,
                                       size_t count,
                                       size_t *seen);

/**
 * Puts the observer's cursor `behind` elements behind the newest: 0 is for what is
 * written from now on, and a number beyond the capacity for the oldest element that is
 * there. What it jumps over does not count as lost, and `observer->lost` stays.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_STATE` if the segment was closed in this
 * process.
 *
 * # Safety
 *
 * `ring` is NULL or open, `observer` NULL or valid.
 */
shmds_status shmds_ring_buffer_seek(const struct shmds_ring_buffer *ring,
                                    struct shmds_ring_buffer_observer *observer,
                                    size_t behind);

/**
 * How many elements were written since the one at the observer's cursor, whether they are
 * still there or not; 0 for NULL.
 *
 * # Safety
 *
 * `ring` is NULL or open, `observer` NULL or valid.
 */
uint64_t shmds_ring_buffer_lag(const struct shmds_ring_buffer *ring,
                               const struct shmds_ring_buffer_observer *observer);

/**
 * Appends a copy of the element at `element`, waiting for room for at most `timeout_ns`
 * nanoseconds: 0 does not wait, `SHMDS_WAIT_FOREVER` has no end.
 *
 * Sleeps in the kernel, after a short while of looking. A consumer that is killed delays
 * this by a hundredth of a second at most when another one goes on in its place.
 * Otherwise like `shmds_ring_buffer_push`.
 *
 * @return `SHMDS_OK`; `SHMDS_TIMEOUT` if there was no room in time; and the errors of
 * `shmds_ring_buffer_push`.
 *
 * # Safety
 *
 * As for `shmds_ring_buffer_push`.
 */
shmds_status shmds_ring_buffer_push_wait(struct shmds_ring_buffer *ring,
                                         const void *element,
                                         uint64_t timeout_ns);

/**
 * Takes the oldest element out and copies it to `element`, waiting for one for at most
 * `timeout_ns` nanoseconds: 0 does not wait, `SHMDS_WAIT_FOREVER` has no end.
 *
 * Sleeps in the kernel, after a short while of looking. A producer that is killed delays
 * this by a hundredth of a second at most when another one goes on in its place.
 * Otherwise like `shmds_ring_buffer_pop`.
 *
 * @return `SHMDS_OK`; `SHMDS_TIMEOUT` if there was nothing in time; and the errors of
 * `shmds_ring_buffer_pop`.
 *
 * # Safety
 *
 * As for `shmds_ring_buffer_pop`.
 */
shmds_status shmds_ring_buffer_pop_wait(struct shmds_ring_buffer *ring,
                                        void *element,
                                        uint64_t timeout_ns);

/**
 * Waits until there are at least `count` elements to pop, for at most `timeout_ns`
 * nanoseconds: 0 only looks, `SHMDS_WAIT_FOREVER` has no end. Takes no role, and by
 * the time it returns another one may have consumed them.
 *
 * Sleeps in the kernel, after a short while of looking; needs an attachment that may
 * write, to say that it sleeps.
 *
 * @return `SHMDS_OK`; `SHMDS_TIMEOUT` if there were fewer all the time;
 * `SHMDS_E_CAPACITY` if `count` exceeds the capacity; `SHMDS_E_READ_ONLY`; `SHMDS_E_STATE`
 * if the segment was closed in this process; `SHMDS_E_ARGUMENT`.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
shmds_status shmds_ring_buffer_wait(struct shmds_ring_buffer *ring,
                                    size_t count,
                                    uint64_t timeout_ns);

/**
 * Waits until there is room for at least `count` elements; otherwise like
 * `shmds_ring_buffer_wait`.
 *
 * @return as `shmds_ring_buffer_wait`.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
shmds_status shmds_ring_buffer_wait_space(struct shmds_ring_buffer *ring,
                                          size_t count,
                                          uint64_t timeout_ns);

/**
 * Gives up the roles that this attachment holds, where they are enforced, so that others
 * can take them at once; its next push or pop takes them again. The elements stay.
 *
 * `shmds_segment_close` does the same. In a forked child, the roles of the parent stay
 * the parent's.
 *
 * @return `SHMDS_OK`, also if there was none; `SHMDS_E_ARGUMENT`.
 *
 * # Safety
 *
 * `ring` is NULL or open. No other thread pushes or pops meanwhile.
 */
shmds_status shmds_ring_buffer_leave(struct shmds_ring_buffer *ring);

/**
 * For shmds_inline.h, which calls this after publishing when somebody may be asleep at
 * the ring buffer: wakes them, and lets them look again. Harmless at any time, by any
 * thread.
 *
 * @return `SHMDS_OK`; `SHMDS_E_READ_ONLY`; `SHMDS_E_STATE`; `SHMDS_E_ARGUMENT`.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
shmds_status shmds_ring_buffer_wake(struct shmds_ring_buffer *ring);

/**
 * Number of elements that are there to pop: exact while nobody operates, never above the
 * capacity; 0 for NULL. Any attachment may ask, a read-only one too.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
size_t shmds_ring_buffer_size(const struct shmds_ring_buffer *ring);

/**
 * Number of elements that the ring buffer holds when full; 0 for NULL.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
size_t shmds_ring_buffer_capacity(const struct shmds_ring_buffer *ring);

/**
 * Bytes of an element; 0 for NULL.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
size_t shmds_ring_buffer_elem_size(const struct shmds_ring_buffer *ring);

/**
 * Number of elements that a push would find room for: the capacity less the size; 0 for
 * NULL. Any attachment may ask, a read-only one too.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
size_t shmds_ring_buffer_available_space(const struct shmds_ring_buffer *ring);

/**
 * Whether there was nothing to pop at one moment during the call; true for NULL. Any
 * attachment may ask, a read-only one too.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
bool shmds_ring_buffer_empty(const struct shmds_ring_buffer *ring);

/**
 * Whether there was no room at one moment during the call; false for NULL. Any attachment
 * may ask, a read-only one too.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
bool shmds_ring_buffer_full(const struct shmds_ring_buffer *ring);

/**
 * How many elements were ever written, since creation; 0 for NULL. Never falls. Any attachment
 * may ask, a read-only one too.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
uint64_t shmds_ring_buffer_total_written(const struct shmds_ring_buffer *ring);

/**
 * How many elements are behind the consumer, since creation: popped, skipped or lost; 0 for
 * NULL. Never falls, also while the producer overwrites; together with the size it is
 * the number written. Any attachment may ask, a read-only one too.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
uint64_t shmds_ring_buffer_total_read(const struct shmds_ring_buffer *ring);

/**
 * How many elements were overwritten before they were consumed, since creation; 0 for NULL.
 * Exact while nobody operates; a consumer that is killed in a pop may leave its last find
 * uncounted. Any attachment may ask, a read-only one too.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
uint64_t shmds_ring_buffer_lost(const struct shmds_ring_buffer *ring);

/**
 * Name of the ring buffer as the table holds it; NULL for NULL. Valid until the segment is
 * closed.
 *
 * # Safety
 *
 * `ring` is NULL or open.
 */
const char *shmds_ring_buffer_name(const struct shmds_ring_buffer *ring);

/**
 * Creates a segment and attaches to it.
 *
 * `name` may begin with a slash, or not: it is the same segment. `options` may
 * not be NULL here, for creating needs `size`. On success `*out` is to be freed
 * with `shmds_segment_close`; otherwise it is untouched and nothing is left behind.
 *
 * Any thread may call this at any time; of several processes that create one
 * name at once, exactly one does, and a creator that dies half-way is replaced.
 *
 * @return `SHMDS_OK`; `SHMDS_E_EXISTS`; `SHMDS_TIMEOUT` if a living process has
 * been at it for too long; `SHMDS_E_ARGUMENT`, `SHMDS_E_NAME_EMPTY`,
 * `SHMDS_E_NAME_TOO_LONG`, `SHMDS_E_NAME_INVALID`; `SHMDS_E_TOO_LARGE`;
 * `SHMDS_E_NO_SPACE`; `SHMDS_E_FOREIGN` if something else has that name;
 * `SHMDS_E_VERSION`, `SHMDS_E_TRUNCATED`, `SHMDS_E_CORRUPT` about a segment that
 * exists; `SHMDS_E_PERMISSION`; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `name` is NULL or a C string, `options` NULL or valid, `out` NULL or valid.
 */
shmds_status shmds_segment_create(const char *name,
                                  const struct shmds_segment_options *options,
                                  struct shmds_segment **out);

/**
 * Attaches to a segment that exists.
 *
 * `options` may be NULL. On success `*out` is to be freed with
 * `shmds_segment_close`; otherwise it is untouched. Any thread may call this at
 * any time.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`, also when its creator died before it
 * was finished; `SHMDS_TIMEOUT` if a living process has been creating it for too
 * long; `SHMDS_E_SIZE` if it is smaller than `options->size`; `SHMDS_E_GEOMETRY`
 * if its table is not as asked; `SHMDS_E_ATTACHMENTS` if every slot is taken;
 * `SHMDS_E_VERSION`, `SHMDS_E_FOREIGN`, `SHMDS_E_TRUNCATED`, `SHMDS_E_CORRUPT`;
 * `SHMDS_E_ARGUMENT`, `SHMDS_E_NAME_EMPTY`, `SHMDS_E_NAME_TOO_LONG`,
 * `SHMDS_E_NAME_INVALID`; `SHMDS_E_TOO_LARGE` if it cannot be mapped;
 * `SHMDS_E_PERMISSION`; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `name` is NULL or a C string, `options` NULL or valid, `out` NULL or valid.
 */
shmds_status shmds_segment_open(const char *name,
                                const struct shmds_segment_options *options,
                                struct shmds_segment **out);

/**
 * Attaches to a segment, creating it if it does not exist.
 *
 * See `shmds_segment_create` and `shmds_segment_open`, whose statuses it returns
 * but for `SHMDS_E_EXISTS` and `SHMDS_E_NOT_FOUND`. Any thread may call this at
 * any time; of any number of processes, exactly one creates.
 *
 * # Safety
 *
 * `name` is NULL or a C string, `options` NULL or valid, `out` NULL or valid.
 */
shmds_status shmds_segment_open_or_create(const char *name,
                                          const struct shmds_segment_options *options,
                                          struct shmds_segment **out);

/**
 * Gives an attachment up and frees every handle that was opened through it.
 *
 * The segment and its contents stay until `shmds_unlink`, also when nobody is
 * attached. No other thread may use the segment or its handles during or after
 * this call.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT` for NULL.
 *
 * # Safety
 *
 * `segment` is NULL or came from this library and was not closed yet.
 */
shmds_status shmds_segment_close(struct shmds_segment *segment);

/**
 * Removes the name of a segment. Whoever is attached goes on; the memory is
 * freed when the last of them is gone. Any thread may call this at any time.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_ARGUMENT`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_NAME_TOO_LONG`, `SHMDS_E_NAME_INVALID`;
 * `SHMDS_E_PERMISSION`; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `name` is NULL or a C string.
 */
shmds_status shmds_unlink(const char *name);

/**
 * Takes the structure `name` out of the segment for good and gives its space back, to be
 * used by others, as soon as nobody can be using it any more.
 *
 * The name is free at once. The space follows when no attachment but this one has the
 * structure open, or ever opened it and has not closed the segment since: at once, or with
 * the first creation, erasure or attachment after the last of them is gone, however it
 * went. From now on this attachment's handles to the structure, and in other attachments
 * the functions of the library, answer `SHMDS_E_STALE`; where an address was handed out, or
 * an operation is compiled in line, other attachments go on in the space that is kept for
 * them. The last 64 handles that were destroyed or closed may still be asked; older ones
 * must not be.
 *
 * No other thread of this process uses the structure during or after this call, and no
 * child that was forked from it uses it through a handle that it inherited, unless that
 * child has an attachment slot of its own (see `shmds_segment_ref_count`): until then, child
 * and parent count as one.
 *
 * A raw entry, whose place is its author's affair, is erased: its space stays taken.
 * Waits for a living process that is changing the table, at most `open_timeout_ms`. Any
 * thread may call this at any time.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_TIMEOUT`, and then nothing has changed;
 * `SHMDS_E_READ_ONLY`; `SHMDS_E_ARGUMENT` for NULL; `SHMDS_E_ATTACHMENTS`,
 * `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not reopen
 * the segment; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string.
 */
shmds_status shmds_segment_destroy(struct shmds_segment *segment, const char *name);

/**
 * Address of the segment's table; the offset of every structure counts from
 * here. NULL for NULL. Valid until the segment is closed.
 *
 * # Safety
 *
 * `segment` is NULL or open.
 */
void *shmds_segment_base(const struct shmds_segment *segment);

/**
 * Name of the segment, without the leading slash. NULL for NULL. Valid until
 * the segment is closed.
 *
 * # Safety
 *
 * `segment` is NULL or open.
 */
const char *shmds_segment_name(const struct shmds_segment *segment);

/**
 * Payload of the segment in bytes, exactly as given at its creation. 0 for NULL.
 *
 * # Safety
 *
 * `segment` is NULL or open.
 */
uint64_t shmds_segment_size(const struct shmds_segment *segment);

/**
 * Number of read-write attachments that are alive now, this one included.
 *
 * A process that ends, however it does, is not counted any more within 100 ms
 * of its end. Costs about 0.3 microseconds per attachment slot.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ATTACHMENTS` in a forked
 * child that finds no slot; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `count` is NULL or valid.
 */
shmds_status shmds_segment_ref_count(const struct shmds_segment *segment, uint32_t *count);

/**
 * Fills `*info` in; set `info->struct_size` first.
 *
 * @return `SHMDS_OK`; `SHMDS_E_ARGUMENT` for NULL or another `struct_size`; and
 * as `shmds_segment_ref_count`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `info` is NULL or valid.
 */
shmds_status shmds_segment_get_info(const struct shmds_segment *segment,
                                    struct shmds_segment_info *info);

/**
 * Creates an SPSC queue for `capacity` elements of `elem_size` bytes.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; of several processes that create one name at once,
 * exactly one does, and the others wait for it.
 *
 * @return `SHMDS_OK`; `SHMDS_E_EXISTS`; `SHMDS_E_SEGMENT_FULL`;
 * `SHMDS_E_TABLE_FULL`; `SHMDS_E_NO_SPACE`; `SHMDS_E_CAPACITY`,
 * `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_TIMEOUT` if a
 * living process did not leave the table, or finish initialising that name, in
 * time; `SHMDS_E_STALE` if the table was cleared meanwhile; `SHMDS_E_ATTACHMENTS`,
 * `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
 * reopen the segment; `SHMDS_E_READ_ONLY`; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_spsc_queue_create(struct shmds_segment *segment,
                                     const char *name,
                                     size_t elem_size,
                                     size_t elem_align,
                                     size_t capacity,
                                     struct shmds_spsc_queue **out);

/**
 * Opens an SPSC queue that exists. `capacity` 0 accepts any. Takes no role.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; it waits for a living process that is initialising the
 * structure of that name.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_KIND`; `SHMDS_E_MISMATCH`;
 * `SHMDS_TIMEOUT` if a living process did not finish initialising it in time;
 * `SHMDS_E_ELEMENT_SIZE`, `SHMDS_E_ALIGNMENT`, `SHMDS_E_OVERFLOW`,
 * `SHMDS_E_NAME_EMPTY`, `SHMDS_E_ARGUMENT` for bad parameters; `SHMDS_E_CORRUPT`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_spsc_queue_open(struct shmds_segment *segment,
                                   const char *name,
                                   size_t elem_size,
                                   size_t elem_align,
                                   size_t capacity,
                                   struct shmds_spsc_queue **out);

/**
 * Opens an SPSC queue, creating it if it does not exist.
 *
 * `name` is cut at the table's `max_name_size - 1`. `elem_align` is a power of two
 * up to 4096, 0 for no wish; every structure starts on a 64-byte line anyway.
 * `*out` is untouched on failure, and then nothing has changed. Any thread may
 * call this at any time; of several processes that create one name at once,
 * exactly one does, and the others wait for it.
 *
 * @return as `shmds_spsc_queue_create` and `shmds_spsc_queue_open`, but for
 * `SHMDS_E_EXISTS` and `SHMDS_E_NOT_FOUND`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `out` NULL or valid.
 */
shmds_status shmds_spsc_queue_open_or_create(struct shmds_segment *segment,
                                             const char *name,
                                             size_t elem_size,
                                             size_t elem_align,
                                             size_t capacity,
                                             struct shmds_spsc_queue **out);

/**
 * Appends a copy of the element at `element`, `elem_size` bytes, as the producer.
 *
 * Never waits for another process, but may give the consumer a head start of a few
 * microseconds at most (docs/performance.md). Makes no system call unless the consumer
 * is asleep, or this call takes the role. One store publishes the element: a process killed before it has
 * appended nothing, and one killed after it everything. `element` must not lie in
 * the queue.
 *
 * @return `SHMDS_OK`; `SHMDS_FULL`; `SHMDS_E_ROLE` if a living attachment is the
 * producer; `SHMDS_E_ARGUMENT`; `SHMDS_E_READ_ONLY`; `SHMDS_E_ATTACHMENTS`,
 * `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not
 * reopen the segment; `SHMDS_E_STATE` if the segment was closed in this process;
 * `SHMDS_E_STALE` if the queue was destroyed; `SHMDS_E_CORRUPT`; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `element` is NULL or has `elem_size` readable bytes. No
 * other thread pushes meanwhile.
 */
shmds_status shmds_spsc_queue_push(struct shmds_spsc_queue *queue,
                                   const void *element);

/**
 * Takes the oldest element out and copies it to `element`, `elem_size` bytes, as the
 * consumer. `*element` is untouched unless this returns `SHMDS_OK`.
 *
 * Never waits for another process, but may give the producer a head start of a few
 * microseconds at most (docs/performance.md). Makes no system call unless the producer
 * is asleep, or this call takes the role. The element is copied, then one store takes it: if the process
 * is killed before that store, the next consumer gets the element, which this call
 * never returned; if after it, the element is gone. So no element is ever returned
 * twice.
 *
 * @return `SHMDS_OK`; `SHMDS_EMPTY`; `SHMDS_E_ROLE` if a living attachment is the
 * consumer; and the other errors of `shmds_spsc_queue_push`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `element` is NULL or has `elem_size` writable bytes. No
 * other thread pops meanwhile.
 */
shmds_status shmds_spsc_queue_pop(struct shmds_spsc_queue *queue,
                                  void *element);

/**
 * Stores the address of the oldest element in `*element`, as the consumer: to be
 * read where it lies, then given back by `shmds_spsc_queue_release`.
 *
 * The address is valid until the element is released or popped, or the role given
 * up. Called again before that, this gives the same element. An element is handled
 * at least once this way: if the process is killed before it is released, the next
 * consumer finds it at the front again. `*element` is untouched unless this returns
 * `SHMDS_OK`. Otherwise like `shmds_spsc_queue_pop`.
 *
 * @return `SHMDS_OK`; `SHMDS_EMPTY`; and the errors of `shmds_spsc_queue_pop`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `element` NULL or valid. No other thread pops meanwhile.
 */
shmds_status shmds_spsc_queue_front(struct shmds_spsc_queue *queue, const void **element);

/**
 * Takes the element out that `shmds_spsc_queue_front` gave; its address is no longer
 * valid. Like the end of `shmds_spsc_queue_pop`.
 *
 * @return `SHMDS_OK`; `SHMDS_E_STATE` if nothing is at the front: the queue is
 * empty, `shmds_spsc_queue_front` was not called, or its element was popped or
 * released, or the role given up, since, or the segment was closed; `SHMDS_E_STALE` if
 * that is so because the queue was destroyed; `SHMDS_E_ARGUMENT`.
 *
 * # Safety
 *
 * `queue` is NULL or open. No other thread pops meanwhile.
 */
shmds_status shmds_spsc_queue_release(struct shmds_spsc_queue *queue);

/**
 * Appends copies of as many of the `count` elements at `elements` as there is room
 * for, the first ones, and stores how many in `*pushed`. They are published at
 * once: a process that is killed has appended all of them or none.
 *
 * `*pushed` is untouched unless this returns `SHMDS_OK`. If `count` is 0, it is set
 * to 0, `elements` may be NULL, and no role is taken. Otherwise like
 * `shmds_spsc_queue_push`.
 *
 * @return `SHMDS_OK` if at least one went in, or `count` is 0; `SHMDS_FULL`; and the
 * errors of `shmds_spsc_queue_push`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `elements` is NULL or has `count` elements, `pushed` NULL
 * or valid. No other thread pushes meanwhile.
 */
shmds_status shmds_spsc_queue_push_bulk(struct shmds_spsc_queue *queue,
                                        const void *elements,
                                        size_t count,
                                        size_t *pushed);

/**
 * Takes up to `count` of the oldest elements out, copies them to `elements` in
 * order, and stores how many in `*popped`. They are taken at once: if the process
 * is killed before, the next consumer gets all of them.
 *
 * `*popped` and `*elements` are untouched unless this returns `SHMDS_OK`. If `count`
 * is 0, `*popped` is set to 0, `elements` may be NULL, and no role is taken.
 * Otherwise like `shmds_spsc_queue_pop`.
 *
 * @return `SHMDS_OK` if there was at least one, or `count` is 0; `SHMDS_EMPTY`; and
 * the errors of `shmds_spsc_queue_pop`.
 *
 * # Safety
 *
 * `queue` is NULL or open, `elements` is NULL or has room for `count` elements,
 * `popped` NULL or valid. No other thread pops meanwhile.
 */
shmds_status shmds_spsc_queue_pop_bulk(struct shmds_spsc_queue *queue,
                                       void *elements,
                                       size_t count,
                                       size_t *popped);

/**
 * Appends a copy of the element at `element`, waiting for room for at most
 * `timeout_ns` nanoseconds: 0 does not wait, `SHMDS_WAIT_FOREVER` has no end.
 *
 * Sleeps in the kernel, after a short while of looking. A consumer that is killed
 * delays this by a hundredth of a second at most when another one goes on in its
 * place. Otherwise like `shmds_spsc_queue_push`.
 *
 * @return `SHMDS_OK`; `SHMDS_TIMEOUT` if there was no room in time; and the errors of
 * `shmds_spsc_queue_push`.
 *
 * # Safety
 *
 * As for `shmds_spsc_queue_push`.
 */
shmds_status shmds_spsc_queue_push_wait(struct shmds_spsc_queue *queue,
                                        const void *element,
                                        uint64_t timeout_ns);

/**
 * Takes the oldest element out and copies it to `element`, waiting for one for at
 * most `timeout_ns` nanoseconds: 0 does not wait, `SHMDS_WAIT_FOREVER` has no end.
 *
 * Sleeps in the kernel, after a short while of looking. A producer that is killed
 * delays this by a hundredth of a second at most when another one goes on in its
 * place. Otherwise like `shmds_spsc_queue_pop`.
 *
 * @return `SHMDS_OK`; `SHMDS_TIMEOUT` if there was nothing in time; and the errors of
 * `shmds_spsc_queue_pop`.
 *
 * # Safety
 *
 * As for `shmds_spsc_queue_pop`.
 */
shmds_status shmds_spsc_queue_pop_wait(struct shmds_spsc_queue *queue,
                                       void *element,
                                       uint64_t timeout_ns);

/**
 * Gives up the roles that this attachment holds, so that others can take them at
 * once; its next push or pop takes them again. The elements stay. What was at the
 * front and not released is at the front for the next consumer.
 *
 * `shmds_segment_close` does the same. In a forked child, the roles of the parent
 * stay the parent's.
 *
 * @return `SHMDS_OK`, also if there was none; `SHMDS_E_ARGUMENT`.
 *
 * # Safety
 *
 * `queue` is NULL or open. No other thread pushes or pops meanwhile.
 */
shmds_status shmds_spsc_queue_leave(struct shmds_spsc_queue *queue);

/**
 * For shmds_inline.h, which calls this after publishing when somebody may be asleep
 * at the queue: wakes them, and lets them look again. Harmless at any time, by any
 * thread.
 *
 * @return `SHMDS_OK`; `SHMDS_E_READ_ONLY`; `SHMDS_E_STATE` if the segment was closed;
 * `SHMDS_E_STALE`; `SHMDS_E_ARGUMENT`.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
shmds_status shmds_spsc_queue_wake(struct shmds_spsc_queue *queue);

/**
 * Number of elements: exact while nobody operates, never above the capacity; 0 for
 * NULL. Any attachment may ask, a read-only one too.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
size_t shmds_spsc_queue_size(const struct shmds_spsc_queue *queue);

/**
 * Number of elements that the queue holds when full; 0 for NULL.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
size_t shmds_spsc_queue_capacity(const struct shmds_spsc_queue *queue);

/**
 * Bytes of an element; 0 for NULL.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
size_t shmds_spsc_queue_elem_size(const struct shmds_spsc_queue *queue);

/**
 * Whether a pop would have found nothing at one moment during the call; true for
 * NULL. Any attachment may ask, a read-only one too.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
bool shmds_spsc_queue_empty(const struct shmds_spsc_queue *queue);

/**
 * Whether a push would have found no room at one moment during the call; false for
 * NULL. Any attachment may ask, a read-only one too.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
bool shmds_spsc_queue_full(const struct shmds_spsc_queue *queue);

/**
 * Name of the queue as the table holds it; NULL for NULL. Valid until the segment
 * is closed.
 *
 * # Safety
 *
 * `queue` is NULL or open.
 */
const char *shmds_spsc_queue_name(const struct shmds_spsc_queue *queue);

/**
 * The name of a status, such as "SHMDS_E_NOT_FOUND".
 *
 * Never NULL; for a number that is no status: "unknown status". The string is
 * static. Any thread may call this at any time.
 */
const char *shmds_status_str(shmds_status status);

/**
 * A sentence about the last error or timeout that this thread met: which name,
 * what was expected, what was found.
 *
 * Never NULL; empty if there was none. Success leaves it as it is. The string
 * belongs to the library and is valid until this thread's next failing call.
 */
const char *shmds_last_error(void);

/**
 * Version of the library that is loaded: major * 1000000 + minor * 1000 + patch.
 *
 * Any thread may call this at any time.
 */
uint32_t shmds_version(void);

/**
 * Looks a structure up by name and fills `*info` in; set `info->struct_size` first.
 *
 * Takes no lock; a structure that is still being initialised is not found. Any
 * number of threads may call this at once.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_ARGUMENT`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string, `info` NULL or valid.
 */
shmds_status shmds_segment_find(const struct shmds_segment *segment,
                                const char *name,
                                struct shmds_entry_info *info);

/**
 * Tells what entry `index` of the table holds; for going through all of them,
 * from 0 to `max_entries - 1` of `shmds_segment_info`.
 *
 * The name is copied to `name`, cut to `name_capacity` bytes with its NUL; `name`
 * may be NULL if `name_capacity` is 0. Set `info->struct_size` first. Any number
 * of threads may call this at once, also while the table changes.
 *
 * @return `SHMDS_OK`; `SHMDS_EMPTY` if the entry is unused; `SHMDS_E_ARGUMENT`,
 * also for an index past the end.
 *
 * # Safety
 *
 * `segment` is NULL or open, `info` NULL or valid, `name` has `name_capacity`
 * bytes.
 */
shmds_status shmds_segment_entry_at(const struct shmds_segment *segment,
                                    uint32_t index,
                                    struct shmds_entry_info *info,
                                    char *name,
                                    size_t name_capacity);

/**
 * Takes a structure out of the table. Its memory stays taken, and handles to it
 * go on working; the name is free for another structure.
 *
 * Any thread may call this at any time. Waits while a living process changes
 * the table.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_TIMEOUT` if a living process
 * did not leave the table in time; `SHMDS_E_READ_ONLY`; `SHMDS_E_ARGUMENT`;
 * `SHMDS_E_ATTACHMENTS`, `SHMDS_E_PERMISSION` in a forked child that finds no
 * attachment slot, or may not reopen the segment; `SHMDS_E_SYSTEM`.
 *
 * # Safety
 *
 * `segment` is NULL or open, `name` NULL or a C string.
 */
shmds_status shmds_segment_erase(struct shmds_segment *segment, const char *name);

/**
 * Adds an entry to any table: that of an attached segment, which is then changed
 * as by `shmds_..._create`, or a private one that no other process sees.
 *
 * A table is `max_entries` times { name of `max_name_size` bytes, rounded up to
 * 8; offset; size; elem_size; num_elem; meta }, each 64 bits, and total_allocated;
 * all zero is a valid empty one. `meta` has 1 in its lowest byte while the entry
 * is in use. The entry is taken as it is, whatever lies there; the part of the
 * segment that it describes is committed. A name is cut at `max_name_size - 1`.
 *
 * Any thread may call this at any time.
 *
 * @return `SHMDS_OK`; `SHMDS_E_EXISTS` if the name is taken; `SHMDS_E_TABLE_FULL`;
 * `SHMDS_E_GEOMETRY` if the table's segment has another; `SHMDS_E_NO_SPACE`;
 * `SHMDS_TIMEOUT`; `SHMDS_E_READ_ONLY`; `SHMDS_E_ARGUMENT`; for the table of a
 * segment also `SHMDS_E_SYSTEM`, and `SHMDS_E_ATTACHMENTS`, `SHMDS_E_PERMISSION`
 * in a forked child that finds no attachment slot, or may not reopen the segment.
 *
 * # Safety
 *
 * `table` is NULL or a table of that geometry, aligned to 8; `name` is NULL or
 * has `name_length` bytes.
 */
shmds_status shmds_table_add(void *table,
                             size_t max_name_size,
                             size_t max_entries,
                             const char *name,
                             size_t name_length,
                             uint64_t offset,
                             uint64_t size,
                             uint64_t elem_size,
                             uint64_t num_elem);

/**
 * Takes an entry out of any table; see `shmds_table_add`. Its space stays taken.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_GEOMETRY`; `SHMDS_TIMEOUT`;
 * `SHMDS_E_READ_ONLY`; `SHMDS_E_ARGUMENT`; and `SHMDS_E_ATTACHMENTS`,
 * `SHMDS_E_PERMISSION`, `SHMDS_E_SYSTEM` as `shmds_table_add`.
 *
 * # Safety
 *
 * As for `shmds_table_add`.
 */
shmds_status shmds_table_erase(void *table,
                               size_t max_name_size,
                               size_t max_entries,
                               const char *name,
                               size_t name_length);

/**
 * Finds an entry of any table; see `shmds_table_add`. Takes no lock. `*entry` is
 * the address of the entry's name, valid as long as the table is.
 *
 * @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_GEOMETRY`; `SHMDS_E_ARGUMENT`.
 *
 * # Safety
 *
 * As for `shmds_table_add`; `entry` is NULL or valid.
 */
shmds_status shmds_table_find(const void *table,
                              size_t max_name_size,
                              size_t max_entries,
                              const char *name,
                              size_t name_length,
                              void **entry);

/**
 * Takes all entries out of any table and forgets what was allocated; see
 * `shmds_table_add`. For when nobody uses the structures any more: new ones take
 * the same memory.
 *
 * @return `SHMDS_OK`; `SHMDS_E_GEOMETRY`; `SHMDS_TIMEOUT`; `SHMDS_E_READ_ONLY`;
 * `SHMDS_E_ARGUMENT`; and `SHMDS_E_ATTACHMENTS`, `SHMDS_E_PERMISSION`,
 * `SHMDS_E_SYSTEM` as `shmds_table_add`.
 *
 * # Safety
 *
 * As for `shmds_table_add`.
 */
shmds_status shmds_table_clear(void *table, size_t max_name_size, size_t max_entries);

/**
 * Number of entries in use in any table; see `shmds_table_add`. 0 for NULL.
 *
 * # Safety
 *
 * As for `shmds_table_add`.
 */
size_t shmds_table_count(const void *table, size_t max_name_size, size_t max_entries);

/**
 * Largest offset + size - size of the table that was ever added to any table;
 * see `shmds_table_add`. In arithmetic that wraps. 0 for NULL.
 *
 * # Safety
 *
 * As for `shmds_table_add`.
 */
uint64_t shmds_table_total_allocated(const void *table, size_t max_name_size, size_t max_entries);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SHMDS_H */
