//! The object pool between processes: no object twice, none lost, whoever is stopped or
//! killed, and whatever handles travel.

mod support;

use shmds::error::Error;
use shmds::segment::Intent;
use shmds::structures::Attachment;
use shmds::structures::pool::{ObjectPool, Token};
use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::{Duration, Instant};
use support::step::{Stepped, pin_to_one_core, points_of_change};
use support::{
    Child, Gate, Name, Random, error_of, eventually, fork, obtain_pool, open, open_or_create,
    shared_words, sized,
};

/// How long a death may take to show.
const DEATH: Duration = Duration::from_secs(5);

/// Kills of the long run; the product's promise is stated for 10,000.
fn kills() -> u64 {
    let asked = std::env::var("SHMDS_POOL_KILLS").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(200)
}

fn acquire(pool: &ObjectPool) -> Option<u32> {
    pool.acquire().expect("acquire")
}

fn release(pool: &ObjectPool, index: u32) {
    pool.release(index).expect("release");
}

/// Acquires all that is free, each once, and releases it again.
fn check_complete(pool: &ObjectPool, context: &str) {
    let mut seen = HashSet::new();
    while let Some(index) = acquire(pool) {
        assert!(seen.insert(index), "{context}: {index} twice");
    }
    assert_eq!(seen.len() as u64, pool.capacity(), "{context}: lost");
    assert_eq!(pool.is_full(), Ok(true), "{context}");
    seen.into_iter().for_each(|index| release(pool, index));
    assert_eq!(pool.count(), Ok(0), "{context}");
}

/// Who has each object, as far as its holders say; and which of them have been killed.
#[derive(Clone, Copy)]
struct Ledger {
    holders: &'static [AtomicU64],
    dead: &'static [AtomicU64],
}

impl Ledger {
    fn took(self, me: u64, index: u32) {
        let before = self.holders[index as usize].swap(me, AcqRel);
        let left_behind = before != 0 && self.dead[before as usize].load(Acquire) != 0;
        assert!(
            before == 0 || left_behind,
            "{before} and {me} have {index} at once"
        );
    }

    fn gave_back(self, me: u64, index: u32) {
        let before = self.holders[index as usize].swap(0, AcqRel);
        assert_eq!(before, me, "somebody else had {index} meanwhile");
    }
}

/// Acquires and releases at random until told to end, then releases everything.
fn work(pool: &ObjectPool, ledger: Ledger, me: u64, end: &AtomicU64) {
    let mut random = Random(me * 7919 + 1);
    let mut held = Vec::new();
    let give_back = |index| {
        ledger.gave_back(me, index);
        release(pool, index);
    };
    while end.load(Relaxed) == 0 {
        if random.below(2) == 0 {
            if let Some(index) = acquire(pool) {
                ledger.took(me, index);
                held.push(index);
            }
        } else if !held.is_empty() {
            give_back(held.swap_remove(random.below(held.len() as u64) as usize));
        }
    }
    held.into_iter().for_each(give_back);
}

#[test]
fn processes_killed_at_random_lose_no_object_and_share_none() {
    const WORKERS: u64 = 8;
    let kills = kills();
    // So few objects that the pool is often exhausted, and an odd number.
    for (capacity, kills) in [(21, kills / 3), (130, kills - kills / 3)] {
        let name = Name::new("pool-kills");
        let at = open_or_create(&name, 1 << 16).expect("create");
        let pool = obtain_pool(&at, "p", Intent::Create, 8, capacity).expect("a pool");
        let ledger = Ledger {
            holders: shared_words(capacity as usize),
            dead: shared_words((WORKERS + kills + 1) as usize),
        };
        let end = &shared_words(1)[0];
        let spawn = |me: u64| {
            let worker = fork(|| {
                let at = open(&name).expect("open");
                let pool = obtain_pool(&at, "p", Intent::Open, 8, 0).expect("the pool");
                work(pool, ledger, me, end);
            });
            (me, worker)
        };
        let mut workers: Vec<(u64, Child)> = (1..=WORKERS).map(spawn).collect();
        let mut random = Random(kills + capacity);
        let mut reclaimed = 0;
        for kill in 0..kills {
            std::thread::sleep(Duration::from_micros(random.below(400)));
            let (id, victim) = workers.swap_remove(random.below(WORKERS) as usize);
            victim.kill();
            ledger.dead[id as usize].store(1, Release);
            // What is not noticed yet is reclaimed in a later round.
            reclaimed += pool.reclaim().expect("reclaim");
            workers.push(spawn(WORKERS + 1 + kill));
            if kill % 32 == 31 {
                check_standing_still(pool, &workers);
            }
        }
        end.store(1, Relaxed);
        workers.into_iter().for_each(|(_, worker)| worker.join());
        let all_free = || {
            reclaimed_by(pool);
            pool.count() == Ok(0)
        };
        assert!(
            eventually(DEATH, all_free),
            "{:?} objects are nobody's",
            pool.count()
        );
        assert!(
            reclaimed > kills / 2,
            "only {reclaimed} objects of {kills} dead"
        );
        assert_eq!(pool.refusals(), Ok(0));
        check_complete(pool, "after all");
    }
}

fn reclaimed_by(pool: &ObjectPool) -> u64 {
    pool.reclaim().expect("reclaim")
}

/// With everybody stopped, every object is free or a living worker's once the dead are
/// reclaimed.
fn check_standing_still(pool: &ObjectPool, workers: &[(u64, Child)]) {
    for (_, worker) in workers {
        worker.stop();
    }
    let orphans = || {
        reclaimed_by(pool);
        let live = (0..pool.capacity() as u32).filter(|&index| {
            // Its owner is the parent's to see: nobody else changes the words now.
            pool.owner_alive(index) == Ok(true)
        });
        pool.count() != Ok(live.count() as u64)
    };
    assert!(eventually(DEATH, || !orphans()), "an object of the dead");
    // Nobody moves, so what is free can be had to the last one, though the stopped hide some.
    let free = pool.capacity() - pool.count().expect("count");
    let mut got: Vec<u32> = std::iter::from_fn(|| acquire(pool)).collect();
    assert_eq!(got.len() as u64, free, "stopped processes hide objects");
    got.drain(..).for_each(|index| release(pool, index));
    for (_, worker) in workers {
        worker.signal(libc::SIGCONT);
    }
}

#[test]
fn stopped_processes_delay_nobody() {
    let name = Name::new("pool-stopped");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let pool = obtain_pool(&at, "p", Intent::Create, 8, 70).expect("a pool");
    let victims: Vec<Child> = (0..4)
        .map(|_| {
            fork(|| {
                let at = open(&name).expect("open");
                let pool = obtain_pool(&at, "p", Intent::Open, 8, 0).expect("the pool");
                loop {
                    let held: Vec<u32> = (0..5).filter_map(|_| acquire(pool)).collect();
                    held.into_iter().for_each(|index| release(pool, index));
                }
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for round in 0..200 {
        std::thread::sleep(Duration::from_micros(100 + round * 7));
        victims.iter().for_each(Child::stop);
        let start = Instant::now();
        for _ in 0..20 {
            let held: Vec<u32> = std::iter::from_fn(|| acquire(pool)).collect();
            assert!(held.len() >= 50, "four processes have at most five each");
            held.into_iter().for_each(|index| release(pool, index));
        }
        slowest = slowest.max(start.elapsed());
        victims
            .iter()
            .for_each(|victim| victim.signal(libc::SIGCONT));
    }
    // 2,800 operations took less than a scheduler's slice or two.
    assert!(slowest < Duration::from_millis(100), "waited {slowest:?}");
    victims.into_iter().for_each(Child::kill);
    assert!(eventually(DEATH, || {
        reclaimed_by(pool);
        pool.count() == Ok(0)
    }));
    check_complete(pool, "after all");
}

/// A hash of where the pool lies: it is all that the high part of the heap has.
fn heap_hash(at: &Attachment) -> u64 {
    let start = at.segment().geometry().high_start() as usize / 8;
    let base = at.segment().heap().base().cast::<u64>();
    // SAFETY: mapped, and aligned: the high part starts on a page.
    let words = (start..start + 512).map(|at| unsafe { base.add(at).read_volatile() });
    words.fold(0, |hash, word| {
        (hash ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(31)
    })
}

#[test]
fn operations_killed_after_any_instruction_leave_a_whole_pool() {
    pin_to_one_core();
    let name = Name::new("pool-steps");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let pool = obtain_pool(&at, "p", Intent::Create, 8, 3).expect("a pool");
    let survivor = open(&name).expect("open");
    let other = obtain_pool(&survivor, "p", Intent::Open, 8, 0).expect("the pool");
    let held = acquire(pool).expect("a free one");
    let victim = || {
        Stepped::new(
            || {
                let at = Box::leak(Box::new(open(&name).expect("open")));
                let pool = obtain_pool(at, "p", Intent::Open, 8, 0).expect("the pool");
                (pool, acquire(pool).expect("a free one"))
            },
            |(pool, first)| {
                // A search, what it does when there is nothing left, and the way back.
                let second = acquire(pool).expect("a free one");
                assert_eq!(acquire(pool), None);
                release(pool, first);
                assert_eq!(acquire(pool), Some(first));
                pool.disown(second).expect("disown");
                pool.adopt(second).expect("adopt");
                release(pool, first);
                release(pool, second);
            },
        )
    };
    // Between two changes of the memory, all kills leave the same.
    let changes = points_of_change(victim(), || heap_hash(&at));
    assert!(changes.len() >= 12, "only {changes:?}");
    let last = changes[changes.len() - 1];
    let points = match std::env::var_os("SHMDS_POOL_EVERY_STEP") {
        Some(_) => (0..=last).collect(),
        None => changes,
    };
    for steps in points {
        let mut victim = victim();
        assert!(victim.step_to(steps));
        let context = format!("killed after {steps} instructions");
        // Standing still, it hides nothing from anybody.
        let live = pool.count().expect("count");
        let rest: Vec<u32> = std::iter::from_fn(|| acquire(other)).collect();
        assert_eq!(rest.len() as u64, 3 - live, "{context}");
        rest.iter().for_each(|&index| release(other, index));
        victim.kill();
        let gone = || {
            reclaimed_by(other);
            let up_for_adoption = |&index: &u32| index != held && other.adopt(index).is_ok();
            for index in (0..3).filter(up_for_adoption) {
                release(other, index);
            }
            pool.count() == Ok(1)
        };
        assert!(eventually(DEATH, gone), "{context}");
        assert_eq!(pool.owner_alive(held), Ok(true), "{context}");
        let mut all: Vec<u32> = [other, pool]
            .into_iter()
            .map(|pool| acquire(pool).unwrap_or_else(|| panic!("{context}: lost")))
            .collect();
        assert_eq!(acquire(other), None, "{context}");
        all.push(held);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2], "{context}");
        all.retain(|&index| index != held);
        all.iter().for_each(|&index| release(pool, index));
    }
    release(pool, held);
    assert_eq!(pool.refusals(), Ok(0));
}

#[test]
fn a_handle_means_the_same_object_everywhere_and_anybody_may_release_it() {
    let name = Name::new("pool-travel");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let pool = obtain_pool(&at, "p", Intent::Create, 8, 4).expect("a pool");
    let index = acquire(pool).expect("a free one");
    let object = pool.address(index).expect("the object").cast::<u64>();
    // SAFETY: ours, 8 bytes, aligned.
    unsafe { object.write(42) };
    fork(|| {
        let at = open(&name).expect("open");
        let pool = obtain_pool(&at, "p", Intent::Open, 8, 0).expect("the pool");
        assert_eq!(pool.owner_alive(index), Ok(true));
        let object = pool.address(index).expect("the object").cast::<u64>();
        // SAFETY: 8 bytes, aligned, and nobody writes now.
        assert_eq!(unsafe { object.read() }, 42);
        release(pool, index);
        assert!(matches!(pool.release(index), Err(Error::State { .. })));
    })
    .join();
    assert_eq!((pool.count(), pool.refusals()), (Ok(0), Ok(1)));
    assert_eq!(
        acquire(pool),
        Some(index),
        "the thread still knows it, and it is free"
    );
}

#[test]
fn tokens_name_one_life_of_an_object_in_every_process() {
    let name = Name::new("pool-tokens");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let pool = obtain_pool(&at, "p", Intent::Create, 8, 1).expect("a pool");
    let stale = pool.acquire_token().expect("acquire").expect("a free one");
    fork(|| {
        let at = open(&name).expect("open");
        let pool = obtain_pool(&at, "p", Intent::Open, 8, 0).expect("the pool");
        pool.release_token(stale).expect("release");
        assert_eq!(acquire(pool), Some(0));
    })
    .join();
    assert_eq!(pool.is_current(stale), Ok(false));
    assert!(matches!(
        pool.release_token(stale),
        Err(Error::State { .. })
    ));
    assert_eq!(pool.count(), Ok(1));
    let nowhere = Token { index: 1, ..stale };
    assert!(matches!(
        pool.release_token(nowhere),
        Err(Error::Argument { .. })
    ));
    assert_eq!(pool.refusals(), Ok(1));
}

#[test]
fn of_many_who_adopt_what_the_dead_left_exactly_one_succeeds() {
    let name = Name::new("pool-adopt");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let pool = obtain_pool(&at, "p", Intent::Create, 8, 100).expect("a pool");
    fork(|| {
        let at = open(&name).expect("open");
        let pool = obtain_pool(&at, "p", Intent::Open, 8, 0).expect("the pool");
        let all: Vec<u32> = std::iter::from_fn(|| acquire(pool)).collect();
        assert_eq!(all.len(), 100);
        // Half of them are disowned, half are the dead one's. No destructor runs.
        (0..50).for_each(|index| pool.disown(index).expect("disown"));
        // SAFETY: ends this process.
        unsafe { libc::_exit(0) };
    })
    .join();
    let dead = || pool.owner_alive(99) == Ok(false);
    assert!(eventually(DEATH, dead));
    let (counts, tried) = (shared_words(100), &shared_words(1)[0]);
    let (gate, done) = (Gate::new(), Gate::new());
    let adopters: Vec<Child> = (0..4)
        .map(|_| {
            fork(|| {
                let at = open(&name).expect("open");
                let pool = obtain_pool(&at, "p", Intent::Open, 8, 0).expect("the pool");
                gate.pass();
                for index in 0..100 {
                    match pool.adopt(index) {
                        Ok(()) => {
                            counts[index as usize].fetch_add(1, Relaxed);
                        }
                        Err(Error::Owned { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                tried.fetch_add(1, Release);
                done.pass();
            })
        })
        .collect();
    gate.open();
    assert!(eventually(DEATH, || tried.load(Acquire) == 4));
    assert!(counts.iter().all(|count| count.load(Relaxed) == 1));
    assert_eq!(reclaimed_by(pool), 0, "all have owners who live");
    done.open();
    adopters.into_iter().for_each(Child::join);
    assert!(eventually(DEATH, || {
        reclaimed_by(pool);
        pool.count() == Ok(0)
    }));
}

#[test]
fn reclaiming_leaves_alone_what_the_living_have_and_what_is_up_for_adoption() {
    let name = Name::new("pool-reclaim");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let pool = obtain_pool(&at, "p", Intent::Create, 8, 10).expect("a pool");
    let mine = acquire(pool).expect("a free one");
    let (ready, go) = (Gate::new(), Gate::new());
    let living = fork(|| {
        acquire(pool).expect("a free one");
        ready.open();
        go.pass();
    });
    ready.pass();
    let orphan = &shared_words(1)[0];
    fork(|| {
        assert!((0..3).all(|_| acquire(pool).is_some()));
        let disowned = acquire(pool).expect("a free one");
        pool.disown(disowned).expect("disown");
        assert!(matches!(pool.disown(mine), Err(Error::Owned { .. })));
        orphan.store(disowned.into(), Relaxed);
    })
    .join();
    assert_eq!(pool.count(), Ok(6));
    assert!(eventually(DEATH, || {
        reclaimed_by(pool);
        pool.count() == Ok(3)
    }));
    assert_eq!(pool.owner_alive(mine), Ok(true));
    let orphan = orphan.load(Relaxed) as u32;
    assert_eq!(pool.owner_alive(orphan), Ok(false));
    pool.adopt(orphan).expect("adopt");
    assert_eq!(pool.owner_alive(orphan), Ok(true));
    go.open();
    living.join();
    assert!(eventually(DEATH, || {
        reclaimed_by(pool);
        pool.count() == Ok(2)
    }));
}

#[test]
fn the_slot_of_the_dead_taken_by_another_does_not_pass_for_its_owner() {
    let name = Name::new("pool-slot");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let pool = obtain_pool(&at, "p", Intent::Create, 8, 10).expect("a pool");
    let handle = fork_and_leave(&name);
    assert!(eventually(DEATH, || at.segment().ref_count() == Ok(1)));
    let newcomer = open(&name).expect("open");
    let same = newcomer.segment().me().expect("an owner word").slot();
    assert_eq!(same, Some(1), "the slot of the dead");
    let theirs = obtain_pool(&newcomer, "p", Intent::Open, 8, 0).expect("the pool");
    assert_eq!(pool.owner_alive(handle), Ok(false));
    assert_eq!(theirs.owner_alive(handle), Ok(false));
    assert_eq!(reclaimed_by(theirs), 1);
}

/// An object that a process acquired which has ended.
fn fork_and_leave(name: &Name) -> u32 {
    let index = &shared_words(1)[0];
    fork(|| {
        let at = open(name).expect("open");
        let pool = obtain_pool(&at, "p", Intent::Open, 8, 0).expect("the pool");
        index.store(acquire(pool).expect("a free one").into(), Relaxed);
    })
    .join();
    index.load(Relaxed) as u32
}

#[test]
fn two_attachments_of_one_process_are_two_owners() {
    let name = Name::new("pool-two");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let pool = obtain_pool(&at, "p", Intent::Create, 8, 10).expect("a pool");
    let second = open(&name).expect("open");
    let other = obtain_pool(&second, "p", Intent::Open, 8, 0).expect("the pool");
    let (mine, theirs) = (acquire(pool).expect("one"), acquire(other).expect("one"));
    assert!(matches!(pool.adopt(theirs), Err(Error::Owned { .. })));
    drop(second);
    assert!(eventually(DEATH, || pool.owner_alive(theirs) == Ok(false)));
    pool.adopt(theirs).expect("adopt");
    assert_eq!(reclaimed_by(pool), 0);
    release(pool, mine);
    release(pool, theirs);
}

#[test]
fn threads_that_come_and_go_by_the_thousand_get_objects_and_lose_none() {
    let name = Name::new("pool-threads");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let pool = obtain_pool(&at, "p", Intent::Create, 8, 100).expect("a pool");
    for _ in 0..500 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let [first, second] = [(); 2].map(|()| acquire(pool).expect("one"));
                    release(pool, first);
                    assert_eq!(acquire(pool), Some(first));
                    release(pool, second);
                    release(pool, first);
                });
            }
        });
    }
    assert_eq!((pool.count(), pool.refusals()), (Ok(0), Ok(0)));
    check_complete(pool, "after all");
}

#[test]
fn more_threads_than_are_told_apart_share_no_object() {
    let name = Name::new("pool-crowd");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let pool = obtain_pool(&at, "p", Intent::Create, 8, 150).expect("a pool");
    let users: Vec<_> = (0..150).map(|_| AtomicU64::new(0)).collect();
    let barrier = std::sync::Barrier::new(150);
    std::thread::scope(|scope| {
        for _ in 0..150 {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..200 {
                    let index = acquire(pool).expect("one for each thread");
                    assert_eq!(users[index as usize].fetch_add(1, AcqRel), 0);
                    std::thread::yield_now();
                    assert_eq!(users[index as usize].fetch_sub(1, AcqRel), 1);
                    release(pool, index);
                }
            });
        }
    });
    check_complete(pool, "after all");
}

#[test]
fn what_is_done_with_a_pool_of_a_closed_segment_is_refused() {
    let name = Name::new("pool-closed");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let pool: *const ObjectPool = obtain_pool(&at, "p", Intent::Create, 8, 10).expect("a pool");
    // SAFETY: the last handles of closed segments are kept.
    let pool = unsafe { &*pool };
    let index = acquire(pool).expect("one");
    drop(at);
    let refused = |result| matches!(result, Err(Error::State { .. }));
    assert!(refused(pool.acquire().map(|_| ())));
    assert!(refused(pool.release(index)));
    assert!(refused(pool.adopt(index)));
    assert!(refused(pool.disown(index)));
    assert!(refused(pool.reclaim().map(|_| ())));
    assert!(refused(pool.count().map(|_| ())));
    assert!(refused(pool.owner_alive(index).map(|_| ())));
    assert!(refused(pool.pass().map(|_| ())));
}

#[test]
fn a_child_that_finds_no_attachment_slot_may_still_release() {
    let name = Name::new("pool-slots");
    let options = shmds::segment::Options {
        max_attachments: 1,
        ..sized(1 << 12)
    };
    let at = Attachment::new(&name.0, Intent::Create, &options).expect("create");
    let pool = obtain_pool(&at, "p", Intent::Create, 8, 10).expect("a pool");
    let index = acquire(pool).expect("one");
    fork(|| {
        let refused = error_of(pool.acquire());
        assert!(matches!(refused, Error::Attachments { .. }), "{refused}");
        assert!(pool.reclaim().is_err() && pool.adopt(index).is_err());
        release(pool, index);
    })
    .join();
    assert_eq!(pool.count(), Ok(0));
}
