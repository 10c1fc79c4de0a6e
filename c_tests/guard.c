/* Attachments that survive that somebody truncates the segment's file. */
#include "check.h"

#include <setjmp.h>
#include <shmds_inline.h>
#include <signal.h>
#include <sys/wait.h>

/* Runs a part in a child, since handlers of signals are the whole process's; returns how it ended,
 * as from waitpid. */
static int in_a_child(void (*part)(const char*), const char* name) {
  int status = -1;
  const pid_t child = fork();
  if (child == 0) {
    check_failures = 0;
    part(name);
    _exit(check_failures == 0 ? 0 : 1);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  return status;
}

static void holds_in_a_child(void (*part)(const char*), const char* name) {
  const int status = in_a_child(part, name);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void truncate_to(const char* name, off_t size) {
  char path[300];
  int file;
  snprintf(path, sizeof path, "/%.255s", name);
  file = shm_open(path, O_RDWR, 0);
  CHECK(file >= 0 && ftruncate(file, size) == 0 && close(file) == 0);
}

static shmds_segment* create_guarded(const char* name) {
  shmds_segment_options options = check_options(1 << 20);
  options.flags = SHMDS_SEGMENT_GUARD;
  return check_create(name, &options);
}

static int answers_truncated(shmds_status status, const char* name) {
  const int holds = status == SHMDS_E_TRUNCATED && strstr(shmds_last_error(), name) != NULL &&
                    strstr(shmds_last_error(), "truncated") != NULL;
  if (!holds) {
    fprintf(stderr, "%s: %s\n", shmds_status_str(status), shmds_last_error());
  }
  return holds;
}

static void each_call_says_so(const char* name) {
  shmds_segment* segment = create_guarded(name);
  shmds_queue *queue = NULL, *other = NULL;
  shmds_object_pool* pool = NULL;
  shmds_ring_buffer* ring = NULL;
  uint64_t value = 7;
  uint32_t handle = 0;
  size_t count = 0;
  OK(shmds_queue_create(segment, "queue", sizeof value, 0, 16, &queue));
  OK(shmds_object_pool_create(segment, "pool", sizeof value, 0, 16, &pool));
  OK(shmds_ring_buffer_create(segment, "ring", sizeof value, 0, 16, 0, &ring));
  OK(shmds_queue_enqueue(queue, &value));
  truncate_to(name, 4096);
  /* The first one touches what is gone; of the others no page may be missing any more. */
  CHECK(answers_truncated(shmds_queue_enqueue(queue, &value), name));
  CHECK(answers_truncated(shmds_queue_enqueue(queue, &value), "queue"));
  CHECK(answers_truncated(shmds_queue_dequeue(queue, &value), "queue"));
  CHECK(answers_truncated(shmds_queue_enqueue_bulk(queue, &value, 1, &count), "queue"));
  CHECK(shmds_object_pool_acquire(pool, &handle) == SHMDS_E_TRUNCATED);
  CHECK(shmds_ring_buffer_push(ring, &value) == SHMDS_E_TRUNCATED);
  CHECK(answers_truncated(shmds_queue_open(segment, "queue", sizeof value, 0, 16, &other), name));
  CHECK(answers_truncated(shmds_queue_create(segment, "more", sizeof value, 0, 16, &other), name));
  CHECK(value == 7 && count == 0 && other == NULL);
  (void)!shmds_segment_close(segment);
}

static void code_in_line_is_told_by_the_next_call(const char* name) {
  shmds_segment* segment = create_guarded(name);
  shmds_array* array = NULL;
  shmds_queue* queue = NULL;
  uint64_t value = 7;
  volatile uint64_t* elements;
  OK(shmds_array_create(segment, "array", sizeof value, 0, 4096, &array));
  OK(shmds_queue_create(segment, "queue", sizeof value, 0, 16, &queue));
  OK(shmds_queue_enqueue_inline(queue, &value, sizeof value));
  elements = (volatile uint64_t*)shmds_array_data(array);
  elements[4095] = 9;
  truncate_to(name, 4096);
  CHECK(elements[4095] == 0);
  elements[4095] = 10;
  CHECK(elements[4095] == 10);
  CHECK(answers_truncated(shmds_queue_wake(queue), ""));
  (void)!shmds_queue_enqueue_inline(queue, &value, sizeof value);
  CHECK(answers_truncated(shmds_queue_wake(queue), ""));
  CHECK(answers_truncated(shmds_queue_wake(queue), "queue"));
  (void)!shmds_segment_close(segment);
}

static void a_reader_survives_too(const char* name) {
  shmds_segment* segment = check_create_sized(name, 1 << 20);
  shmds_segment* reader = NULL;
  shmds_segment_options options = check_options(0);
  shmds_array* array = NULL;
  shmds_atomic* atomic = NULL;
  uint64_t value = 7;
  const uint64_t* elements;
  OK(shmds_array_create(segment, "array", sizeof value, 0, 4096, &array));
  OK(shmds_atomic_create(segment, "atomic", sizeof value, &value, &atomic));
  OK(shmds_segment_close(segment));
  options.flags = SHMDS_SEGMENT_READ_ONLY | SHMDS_SEGMENT_GUARD;
  OK(shmds_segment_open(name, &options, &reader));
  OK(shmds_array_open(reader, "array", sizeof value, 0, 0, &array));
  OK(shmds_atomic_open(reader, "atomic", sizeof value, 0, &atomic));
  elements = (const uint64_t*)shmds_array_data(array);
  truncate_to(name, 4096);
  CHECK(*(const volatile uint64_t*)(elements + 4000) == 0);
  CHECK(shmds_atomic_load(atomic, &value) == SHMDS_E_TRUNCATED && value == 7);
  (void)!shmds_segment_close(reader);
}

static void what_is_not_guarded_dies(const char* name) {
  shmds_segment* segment = create_guarded(check_name("beside"));
  shmds_segment* bare = check_create_sized(name, 1 << 20);
  shmds_array* array = NULL;
  OK(shmds_array_create(bare, "array", 8, 0, 4096, &array));
  shmds_unlink(check_names[check_name_count - 1]);
  truncate_to(name, 4096);
  CHECK(segment != NULL && ((volatile uint64_t*)shmds_array_data(array))[4000] == 0);
}

static void a_signal_that_was_sent_kills(const char* name) {
  create_guarded(name);
  raise(SIGBUS);
}

static void a_signal_that_was_ignored_stays_ignored(const char* name) {
  shmds_segment* segment;
  CHECK(signal(SIGBUS, SIG_IGN) != SIG_ERR);
  segment = create_guarded(name);
  CHECK(raise(SIGBUS) == 0);
  OK(shmds_segment_close(segment));
}

static sigjmp_buf before_the_fault;

static void jump_back(int signal) {
  siglongjmp(before_the_fault, signal);
}

static void jump_back_informed(int signal, siginfo_t* info, void* context) {
  siglongjmp(before_the_fault, info && context ? signal : -1);
}

static volatile char* a_page_that_is_gone(void) {
  const int file = memfd_create("gone", 0);
  char* page = (char*)mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
  CHECK(file >= 0 && page != MAP_FAILED && close(file) == 0);
  return page;
}

static void the_programs_own_handler_is_asked(const char* name) {
  struct sigaction handler;
  shmds_segment* segment;
  memset(&handler, 0, sizeof handler);
  handler.sa_handler = jump_back;
  CHECK(sigaction(SIGBUS, &handler, NULL) == 0);
  segment = create_guarded(name);
  if (sigsetjmp(before_the_fault, 1) == 0) {
    CHECK(*a_page_that_is_gone() != 0);
    CHECK(0);
  }
  OK(shmds_segment_close(segment));
}

static void the_programs_own_informed_handler_is_asked(const char* name) {
  struct sigaction handler;
  shmds_segment* segment;
  memset(&handler, 0, sizeof handler);
  handler.sa_sigaction = jump_back_informed;
  handler.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGBUS, &handler, NULL) == 0);
  segment = create_guarded(name);
  switch (sigsetjmp(before_the_fault, 1)) {
    case 0:
      CHECK(*a_page_that_is_gone() != 0);
      CHECK(0);
      break;
    case SIGBUS:
      break;
    default:
      CHECK(0);
  }
  OK(shmds_segment_close(segment));
}

static void a_forked_child_is_guarded_as_well(const char* name) {
  shmds_segment* segment = create_guarded(name);
  shmds_queue* queue = NULL;
  uint64_t value = 7;
  pid_t child;
  OK(shmds_queue_create(segment, "queue", sizeof value, 0, 16, &queue));
  truncate_to(name, 4096);
  child = fork();
  if (child == 0) {
    _exit(shmds_queue_enqueue(queue, &value) == SHMDS_E_TRUNCATED ? 0 : 1);
  }
  CHECK(check_exit_code(child) == 0);
  CHECK(shmds_queue_enqueue(queue, &value) == SHMDS_E_TRUNCATED);
  (void)!shmds_segment_close(segment);
}

static void no_more_than_64_are_guarded(const char* name) {
  shmds_segment_options options = check_options(1 << 12);
  shmds_segment *all[64], *more = NULL;
  size_t i;
  options.flags = SHMDS_SEGMENT_GUARD;
  for (i = 0; i < LENGTH(all); i++) {
    all[i] = NULL;
    OK(shmds_segment_open_or_create(name, &options, &all[i]));
  }
  FAILS(SHMDS_E_BUSY, name, shmds_segment_open(name, &options, &more));
  CHECK(more == NULL);
  OK(shmds_segment_close(all[10]));
  OK(shmds_segment_open(name, &options, &all[10]));
  for (i = 0; i < LENGTH(all); i++) {
    OK(shmds_segment_close(all[i]));
  }
}

static void a_guarded_attachment_says_what_is_gone(void) {
  holds_in_a_child(each_call_says_so, check_name("calls"));
  holds_in_a_child(code_in_line_is_told_by_the_next_call, check_name("inline"));
  holds_in_a_child(a_reader_survives_too, check_name("reader"));
  holds_in_a_child(a_forked_child_is_guarded_as_well, check_name("forked"));
  holds_in_a_child(no_more_than_64_are_guarded, check_name("many"));
}

static void other_signals_go_their_way(void) {
  int status = in_a_child(what_is_not_guarded_dies, check_name("bare"));
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
  status = in_a_child(a_signal_that_was_sent_kills, check_name("sent"));
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
  holds_in_a_child(a_signal_that_was_ignored_stays_ignored, check_name("ignored"));
  holds_in_a_child(the_programs_own_handler_is_asked, check_name("handler"));
  holds_in_a_child(the_programs_own_informed_handler_is_asked, check_name("informed"));
}

int main(void) {
  RUN(a_guarded_attachment_says_what_is_gone);
  RUN(other_signals_go_their_way);
  return check_result("guard");
}
