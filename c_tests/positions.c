/* Positions where they are rare: in small and odd laps, at the end of 64 bits, and as garbage. By
 * the library and by the code in line, in any mixture. */
#include "check.h"

#include <shmds_inline.h>

static uint64_t state;

/* Marsaglia's xorshift64 (2003). */
static uint64_t any_below(uint64_t limit) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 11) % limit;
}

static shmds_status put(shmds_queue* queue, uint64_t value) {
  return any_below(4) == 0 ? shmds_queue_enqueue(queue, &value)
                           : shmds_queue_enqueue_inline(queue, &value, sizeof value);
}

static shmds_status get(shmds_queue* queue, uint64_t* value) {
  return any_below(4) == 0 ? shmds_queue_dequeue(queue, value)
                           : shmds_queue_dequeue_inline(queue, value, sizeof *value);
}

static const size_t capacities[] = {1, 2, 3, 4, 5, 8, 9, 63, 64, 65};

/* As if the queue had been in use for so many laps. */
static void start_queue_at(shmds_queue* queue, uint64_t lap) {
  const shmds_queue_parts* parts = &SHMDS_VIEW_OF(shmds_queue_view, queue)->parts;
  uint64_t i;
  for (i = 0; i <= parts->last_index; i++) {
    parts->words[i] = lap | (parts->words[i] & (parts->unit - 1));
  }
  parts->ends->tail = lap;
  parts->ends->head = lap;
}

/* Whether both hints are positions that exist. */
static bool hints_exist(shmds_queue* queue) {
  const shmds_queue_parts* parts = &SHMDS_VIEW_OF(shmds_queue_view, queue)->parts;
  const uint64_t index_mask = 2 * parts->unit - 1;
  return (parts->ends->tail & index_mask) <= parts->last_index &&
         (parts->ends->head & index_mask) <= parts->last_index;
}

static void a_queue_keeps_the_order_wherever_its_positions_are(void) {
  const char* name = check_name("queue");
  size_t c;
  int last;
  for (c = 0; c < LENGTH(capacities); c++) {
    for (last = 0; last < 2; last++) {
      shmds_segment* segment = check_create_sized(name, 1 << 16);
      shmds_queue* queue = NULL;
      uint64_t in = 0, out = 0, value = 0;
      int round;
      OK(shmds_queue_create(segment, "queue", sizeof value, 0, capacities[c], &queue));
      if (last) {
        const uint64_t unit = SHMDS_VIEW_OF(shmds_queue_view, queue)->parts.unit;
        start_queue_at(queue, -(4 * unit));
      }
      for (round = 0; round < 400; round++) {
        uint64_t some = 1 + any_below(capacities[c] + 1);
        for (; some > 0; some--) {
          const bool room = in - out < capacities[c];
          CHECK(put(queue, in) == (room ? SHMDS_OK : SHMDS_FULL) && hints_exist(queue));
          in += room;
        }
        for (some = 1 + any_below(capacities[c] + 1); some > 0; some--) {
          const bool item = in != out;
          CHECK(get(queue, &value) == (item ? SHMDS_OK : SHMDS_EMPTY) && hints_exist(queue));
          CHECK(!item || value == out);
          out += item;
        }
        CHECK(shmds_queue_size(queue) == in - out);
      }
      CHECK(in > 3 * capacities[c]);
      OK(shmds_segment_close(segment));
      OK(shmds_unlink(name));
    }
  }
}

static shmds_spsc_queue_end* tail_of(shmds_spsc_queue* queue) {
  return SHMDS_VIEW_OF(shmds_spsc_queue_view, queue)->producer.own;
}

/* A step of an SPSC queue's producer that holds what is in [out, in); how many went in. */
static uint64_t push_some(shmds_spsc_queue* queue, uint64_t capacity, uint64_t in, uint64_t out) {
  const uint64_t room = capacity - (in - out);
  uint64_t several[70], i;
  size_t pushed = 0;
  switch (any_below(5)) {
    case 0:
      CHECK(shmds_spsc_queue_push(queue, &in) == (room > 0 ? SHMDS_OK : SHMDS_FULL));
      return room > 0;
    case 1: {
      const uint64_t count = 1 + any_below(LENGTH(several));
      for (i = 0; i < count; i++) {
        several[i] = in + i;
      }
      CHECK(shmds_spsc_queue_push_bulk(queue, several, count, &pushed) ==
            (room > 0 ? SHMDS_OK : SHMDS_FULL));
      CHECK(pushed == (count < room ? count : room));
      return pushed;
    }
    case 2:
      /* Whoever comes back goes on where it was. */
      if (any_below(4) == 0) {
        OK(shmds_spsc_queue_leave(queue));
      }
      return 0;
    default:
      CHECK(shmds_spsc_queue_push_inline(queue, &in, sizeof in) ==
            (room > 0 ? SHMDS_OK : SHMDS_FULL));
      return room > 0;
  }
}

/* A step of the consumer; how many came out. */
static uint64_t pop_some(shmds_spsc_queue* queue, uint64_t in, uint64_t out) {
  const uint64_t items = in - out;
  const shmds_status expected = items > 0 ? SHMDS_OK : SHMDS_EMPTY;
  uint64_t several[70], value = 0, i;
  size_t popped = 0;
  const void* front = NULL;
  switch (any_below(6)) {
    case 0:
      CHECK(shmds_spsc_queue_pop(queue, &value) == expected && (items == 0 || value == out));
      return items > 0;
    case 1: {
      const uint64_t count = 1 + any_below(LENGTH(several));
      CHECK(shmds_spsc_queue_pop_bulk(queue, several, count, &popped) == expected);
      CHECK(popped == (count < items ? count : items));
      for (i = 0; i < popped; i++) {
        CHECK(several[i] == out + i);
      }
      return popped;
    }
    case 2:
    case 3: {
      const bool in_line = any_below(3) > 0;
      CHECK((in_line ? shmds_spsc_queue_front_inline(queue, &front, sizeof value)
                     : shmds_spsc_queue_front(queue, &front)) == expected);
      if (items == 0 || any_below(4) == 0) {
        return 0;
      }
      memcpy(&value, front, sizeof value);
      CHECK(value == out);
      OK(any_below(3) > 0 ? shmds_spsc_queue_release_inline(queue)
                          : shmds_spsc_queue_release(queue));
      return 1;
    }
    default:
      CHECK(shmds_spsc_queue_pop_inline(queue, &value, sizeof value) == expected);
      CHECK(items == 0 || value == out);
      return items > 0;
  }
}

static void an_spsc_queue_keeps_the_order_wherever_its_positions_are(void) {
  const char* name = check_name("spsc");
  size_t c;
  int last;
  for (c = 0; c < LENGTH(capacities); c++) {
    for (last = 0; last < 2; last++) {
      shmds_segment* segment = check_create_sized(name, 1 << 16);
      shmds_spsc_queue* queue = NULL;
      uint64_t in = 0, out = 0;
      int round;
      OK(shmds_spsc_queue_create(segment, "queue", sizeof in, 0, capacities[c], &queue));
      if (last) {
        /* Both ends are known once somebody has pushed; whoever takes a role looks anew. */
        const uint64_t start = -(2 * SHMDS_VIEW_OF(shmds_spsc_queue_view, queue)->lap);
        OK(shmds_spsc_queue_push(queue, &in));
        OK(shmds_spsc_queue_pop(queue, &in));
        tail_of(queue)[1].position = start;
        tail_of(queue)[0].position = start;
        OK(shmds_spsc_queue_leave(queue));
      }
      for (round = 0; round < 3000; round++) {
        const int times = 1 + (int)any_below(5);
        int i;
        for (i = 0; i < times; i++) {
          in += push_some(queue, capacities[c], in, out);
        }
        for (i = 0; i < 6 - times; i++) {
          out += pop_some(queue, in, out);
        }
        CHECK(shmds_spsc_queue_size(queue) == in - out);
      }
      CHECK(in > 10 * capacities[c]);
      OK(shmds_segment_close(segment));
      OK(shmds_unlink(name));
    }
  }
}

/* Memory around a queue, which nobody but this test writes: the same word again and again. */
typedef struct {
  uint64_t* words[2];
  size_t count;
  uint64_t word;
} surroundings;

static void surround(shmds_segment* segment, surroundings* around, int which, const char* name) {
  shmds_array* array = NULL;
  OK(shmds_array_create(segment, name, sizeof around->word, 0, around->count, &array));
  around->words[which] = SHMDS_BYTES_OF(uint64_t, shmds_array_data(array));
}

static void fill_surroundings(surroundings* around, uint64_t word) {
  size_t i;
  around->word = word;
  for (i = 0; i < around->count; i++) {
    around->words[0][i] = around->words[1][i] = word;
  }
}

static void check_surroundings(const surroundings* around) {
  size_t i;
  for (i = 0; i < around->count; i++) {
    if (!CHECK(around->words[0][i] == around->word && around->words[1][i] == around->word)) {
      return;
    }
  }
}

/* What somebody may write to a word in the segment: near what is there, near a lap, anything. */
static uint64_t garbage(uint64_t sound, uint64_t lap) {
  switch (any_below(5)) {
    case 0:
      return sound + any_below(9) - 4;
    case 1:
      return sound + (any_below(5) - 2) * lap;
    case 2:
      return UINT64_MAX - any_below(2 * lap);
    case 3:
      return any_below(2 * lap);
    default:
      return any_below(UINT64_MAX) << any_below(40);
  }
}

static void garbage_in_an_spsc_queues_positions_leads_nowhere_else(void) {
  const char* name = check_name("garbage");
  size_t c;
  for (c = 0; c < LENGTH(capacities); c++) {
    shmds_segment* segment = check_create_sized(name, 1 << 17);
    shmds_spsc_queue* queue = NULL;
    surroundings around = {{NULL, NULL}, 512, 0};
    shmds_spsc_queue_view* view = NULL;
    shmds_spsc_queue_end* ends = NULL;
    uint64_t lap = 0, value = 0;
    int round;
    surround(segment, &around, 0, "before");
    OK(shmds_spsc_queue_create(segment, "queue", sizeof value, 0, capacities[c], &queue));
    surround(segment, &around, 1, "behind");
    fill_surroundings(&around, 0x5a5a5a5a5a5a5a5a);
    view = SHMDS_VIEW_OF(shmds_spsc_queue_view, queue);
    lap = view->lap;
    OK(shmds_spsc_queue_push(queue, &value));
    OK(shmds_spsc_queue_pop(queue, &value));
    ends = tail_of(queue);
    for (round = 0; round < 20000; round++) {
      uint64_t* position = &ends[any_below(2)].position;
      const void* front = NULL;
      if (any_below(3) == 0) {
        *position = garbage(*position, lap);
      }
      if (any_below(50) == 0) {
        view->consumer.look_limit = view->producer.look_limit = 0;
      }
      switch (any_below(7)) {
        case 0:
          /* Whoever takes a role believes what it finds, or refuses it. */
          (void)!shmds_spsc_queue_leave(queue);
          break;
        case 6:
          (void)!shmds_spsc_queue_pop(queue, &value);
          break;
        case 1:
          (void)!shmds_spsc_queue_push(queue, &value);
          break;
        case 2:
          if (shmds_spsc_queue_front_inline(queue, &front, sizeof value) == SHMDS_OK) {
            const uintptr_t slots = SHMDS_ADDRESS_OF(view->slots);
            CHECK(SHMDS_ADDRESS_OF(front) - slots < capacities[c] * sizeof value);
          }
          break;
        case 3:
          (void)!shmds_spsc_queue_release_inline(queue);
          break;
        case 4:
          (void)!shmds_spsc_queue_pop_inline(queue, &value, sizeof value);
          break;
        default:
          (void)!shmds_spsc_queue_push_inline(queue, &value, sizeof value);
      }
    }
    check_surroundings(&around);
    OK(shmds_segment_close(segment));
    OK(shmds_unlink(name));
  }
}

static void garbage_in_a_queues_words_and_hints_leads_nowhere_else(void) {
  const char* name = check_name("words");
  size_t c;
  for (c = 0; c < LENGTH(capacities); c++) {
    shmds_segment* segment = check_create_sized(name, 1 << 17);
    shmds_queue* queue = NULL;
    surroundings around = {{NULL, NULL}, 512, 0};
    const shmds_queue_parts* parts = NULL;
    uint64_t value = 0;
    int round;
    surround(segment, &around, 0, "before");
    OK(shmds_queue_create(segment, "queue", sizeof value, 0, capacities[c], &queue));
    surround(segment, &around, 1, "behind");
    parts = &SHMDS_VIEW_OF(shmds_queue_view, queue)->parts;
    for (round = 0; round < 20000; round++) {
      uint64_t* words[3];
      words[0] = &parts->ends->tail;
      words[1] = &parts->ends->head;
      words[2] = &parts->words[any_below(capacities[c])];
      if (round % 1000 == 0) {
        /* In one lap after the other, what a producer or a consumer exchanges there. */
        const uint64_t stage = (uint64_t)(round / 1000) * parts->unit;
        check_surroundings(&around);
        fill_surroundings(&around, stage | 1);
      }
      switch (any_below(8)) {
        case 0: {
          uint64_t* word = words[any_below(LENGTH(words))];
          *word = any_below(3) == 0 ? *words[any_below(2)] : garbage(*word, parts->unit);
          break;
        }
        case 1:
          /* Positions that do not exist, in the lap of the words around. */
          *words[any_below(2)] =
              (around.word & ~(2 * parts->unit - 1)) | any_below(2 * parts->unit);
          break;
        default:
          break;
      }
      (void)!(any_below(2) == 0 ? put(queue, around.word) : get(queue, &value));
    }
    check_surroundings(&around);
    OK(shmds_segment_close(segment));
    OK(shmds_unlink(name));
  }
}

int main(void) {
  state = 88172645463325252;
  RUN(a_queue_keeps_the_order_wherever_its_positions_are);
  RUN(an_spsc_queue_keeps_the_order_wherever_its_positions_are);
  RUN(garbage_in_an_spsc_queues_positions_leads_nowhere_else);
  RUN(garbage_in_a_queues_words_and_hints_leads_nowhere_else);
  return check_result("positions");
}
