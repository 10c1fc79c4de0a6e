/* The library twice in one program: linked statically, and loaded as a shared object. Each copy has
 * attachments, lanes and fork handlers of its own; they meet in the segment, as two processes do.
 */
#include "use.h"

static library loaded;
static shmds_queue *of_linked, *of_loaded;

static void* use_both(void* unused) {
  int round = 0;
  (void)unused;
  for (round = 0; round < 100; round++) {
    pass(&linked, of_linked, &loaded, of_loaded);
    pass(&loaded, of_loaded, &linked, of_linked);
  }
  return NULL;
}

int main(int count, char** arguments) {
  shmds_segment *mine, *theirs;
  pthread_t thread;
  pid_t child = 0;
  NEED(count == 2);
  loaded = functions_of(load(arguments[1]));
  NEED(loaded.create != linked.create);
  mine = create(&linked);
  theirs = open_again(&loaded);
  NEED(linked.unlink(segment_name()) == SHMDS_OK);
  of_linked = queue_of(&linked, mine);
  of_loaded = queue_of(&loaded, theirs);
  NEED(ref_count(&linked, mine) == 2 && ref_count(&loaded, theirs) == 2);

  /* The last error is each copy's own. */
  NEED(linked.unlink("shmds-coexist-not-there") == SHMDS_E_NOT_FOUND);
  NEED(strstr(linked.last_error(), "not-there") != NULL && loaded.last_error()[0] == '\0');

  use_both(NULL);
  NEED(pthread_create(&thread, NULL, use_both, NULL) == 0 && pthread_join(thread, NULL) == 0);
  child = fork();
  if (child == 0) {
    use_both(NULL);
    NEED(ref_count(&loaded, theirs) == 4);
    NEED(linked.close(mine) == SHMDS_OK && loaded.close(theirs) == SHMDS_OK);
    _exit(0);
  }
  wait_for(child);
  use_both(NULL);
  NEED(linked.close(mine) == SHMDS_OK);
  NEED(ref_count(&loaded, theirs) == 1);
  NEED(loaded.close(theirs) == SHMDS_OK);
  return 0;
}
