// What the programs here fork.
#ifndef DROPIN_WORKER_HPP
#define DROPIN_WORKER_HPP

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

// A child that ends when this process does, however that ends.
inline pid_t fork_worker() {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
  }
  return pid;
}

#endif
