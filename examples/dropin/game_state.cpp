// A game server: entities in a pool, events in a ring, messages in queues, the world's clock in
// atomics, all in one segment. Several threads of the server use one object at once; a
// physics process and an observer are forked without exec.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "posix_shm.h"
#include "shm_array.h"
#include "shm_atomic.h"
#include "shm_object_pool.h"
#include "shm_queue.h"
#include "shm_ring_buffer.h"
#include "worker.hpp"

namespace {

constexpr size_t max_entities = 512;
constexpr int players = 4;
constexpr int spawns_per_player = 100;
constexpr int moves_per_player = 1000;

struct Entity {
  uint32_t owner;
  uint32_t alive;
  std::array<float, 3> position;
  std::array<float, 3> velocity;
};

struct Event {
  enum Kind : uint32_t { spawned, moved } kind;
  uint32_t entity;
  uint64_t number;
};

struct Move {
  uint32_t player;
  uint32_t number;
  float dx;
};

class World {
 public:
  World(const std::string& name, size_t size)
      : shm(name, size),
        entities(shm, "entities", max_entities),
        events(shm, "events", 8192),
        scores(shm, "scores", players),
        tick(shm, "tick"),
        moves_seen(shm, "moves_seen"),
        running(shm, "running", true) {
    for (int i = 0; i < players; ++i)
      inboxes.emplace_back(shm, "inbox" + std::to_string(i), 128);
  }
  explicit World(const std::string& name) : World(name, 0, 0) {}

  posix_shm shm;
  shm_object_pool<Entity> entities;
  shm_ring_buffer<Event> events;
  shm_array<int64_t> scores;
  shm_atomic_uint64<> tick;
  shm_atomic_int<> moves_seen;
  shm_atomic_bool<> running;
  std::vector<shm_queue<Move>> inboxes;

 private:
  World(const std::string& name, int, int)
      : shm(name),
        entities(shm, "entities"),
        events(shm, "events"),
        scores(shm, "scores"),
        tick(shm, "tick"),
        moves_seen(shm, "moves_seen"),
        running(shm, "running") {
    for (int i = 0; i < players; ++i)
      inboxes.emplace_back(shm, "inbox" + std::to_string(i));
  }
};

// A thread of the server: spawns entities, and gives every second one up again.
void play(World& world, uint32_t me, std::vector<shm_object_pool<Entity>::handle_type>& kept) {
  for (int n = 0; n < spawns_per_player; ++n) {
    auto handle = world.entities.acquire();
    if (handle == world.entities.invalid_handle) std::abort();
    Entity& entity = world.entities[handle];
    entity = {me, 1, {0, 0, 0}, {1, 2, 3}};
    if (n % 2 == 0) {
      kept.push_back(handle);
    } else {
      entity.alive = 0;
      world.entities.release(handle);
    }
  }
  for (int n = 0; n < moves_per_player; ++n) {
    const Move move{me, static_cast<uint32_t>(n), 0.5F};
    while (!world.inboxes[me].enqueue(move))
      std::this_thread::yield();
  }
}

// The physics process goes on with the parent's objects. It is the one writer of the ring.
int run_physics(World& world) {
  std::array<uint32_t, players> next{};
  uint64_t number = 0;
  while (world.moves_seen < players * moves_per_player) {
    for (uint32_t i = 0; i < players; ++i) {
      Move move{};
      if (!world.inboxes[i].dequeue(move)) continue;
      if (move.player != i || move.number != next[i]++) return 1;
      world.scores[i] += move.number;
      world.tick.fetch_add(1);
      while (!world.events.push({Event::moved, i, number}))
        std::this_thread::yield();
      ++number;
      ++world.moves_seen;
    }
  }
  world.running = false;
  return 0;
}

// The observer attaches anew, looks on without consuming, then consumes in blocks.
int run_observer(const std::string& name) {
  World world(name);
  std::vector<Event> newest(16);
  std::vector<Event> block(100);
  uint64_t expected = 0;
  for (;;) {
    const bool last = !world.running.load();
    const size_t seen = world.events.get_last_n(newest.size(), newest);
    for (size_t i = 1; i < seen; ++i) {
      if (newest[i].number != newest[i - 1].number + 1) return 1;
    }
    const size_t count = world.events.pop_bulk(block);
    for (size_t i = 0; i < count; ++i) {
      if (block[i].number != expected++ || block[i].kind != Event::moved) return 2;
    }
    if (count == 0 && last) break;
    if (count == 0) std::this_thread::yield();
  }
  const auto all = static_cast<uint64_t>(players) * moves_per_player;
  return expected == all && world.events.total_read() == all ? 0 : 3;
}

}  // namespace

int main() {
  const std::string name = "/game_state_" + std::to_string(getpid());
  World world(name, 8 * 1024 * 1024);

  std::array<pid_t, 2> children{};
  children[0] = fork_worker();
  if (children[0] == 0) _exit(run_physics(world));
  children[1] = fork_worker();
  if (children[1] == 0) _exit(run_observer(name));

  std::vector<std::vector<shm_object_pool<Entity>::handle_type>> kept(players);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < players; ++i)
    threads.emplace_back([&, i] { play(world, i, kept[i]); });
  for (auto& thread : threads)
    thread.join();

  bool right = true;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    right = right && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  constexpr size_t living = players * spawns_per_player / 2;
  right = right && world.entities.num_allocated() == living &&
          world.entities.num_available() == max_entities - living;
  std::vector<uint32_t> all;
  for (uint32_t i = 0; i < players; ++i) {
    for (const auto handle : kept[i]) {
      const Entity* entity = world.entities.get(handle);
      right = right && entity != nullptr && entity->owner == i && entity->alive == 1;
      all.push_back(handle);
    }
    right = right && world.scores[i] == int64_t{moves_per_player} * (moves_per_player - 1) / 2;
  }
  std::sort(all.begin(), all.end());
  right = right && std::adjacent_find(all.begin(), all.end()) == all.end();
  world.entities.release_batch(all);
  right = right && world.entities.empty() && world.tick == players * moves_per_player &&
          world.events.empty() && world.shm.get_table()->find("entities") != nullptr;
  world.shm.unlink();
  std::printf("game state: %s\n", right ? "the world is whole" : "WRONG");
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
