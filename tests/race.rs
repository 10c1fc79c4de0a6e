//! Many processes that want one segment and one name at the same moment, while
//! some of them are killed.

mod support;

use shmds::segment::Intent;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::{Duration, Instant};
use support::{
    Child, Gate, Name, Random, eventually, fork, obtain_array, obtain_atomic, open_or_create,
    shared_words, words,
};

const PROCESSES: u64 = 64;
const COUNT: u64 = 500;

/// Rounds of the long race; the product's promise is stated for 1,000.
fn rounds() -> u64 {
    let asked = std::env::var("SHMDS_RACE_ROUNDS").ok();
    asked.and_then(|rounds| rounds.parse().ok()).unwrap_or(150)
}

/// What one racer does, and what it must find; it says so in `done`.
fn race(name: &Name, start: Gate, end: Gate, done: &AtomicU64) {
    start.pass();
    let start = Instant::now();
    let at = open_or_create(name, 1 << 16).expect("the segment");
    // All start from zero, and each sees the others' marks or zero, nothing else.
    let array = obtain_array(&at, "numbers", Intent::OpenOrCreate, 8, COUNT).expect("the array");
    for word in words(array) {
        let found = word.load(Relaxed);
        assert!(
            found == 0 || found == 0x5eed,
            "an uninitialised byte: {found:#x}"
        );
    }
    let counter = obtain_atomic(&at, "counter", Intent::OpenOrCreate, 1_000).expect("the atomic");
    let before = counter.load().expect("its value");
    assert!(
        (1_000..1_000 + PROCESSES).contains(&before),
        "an uninitialised atomic: {before}"
    );
    counter
        .update(shmds::structures::atomic::Update::Add, 1)
        .expect("count");
    words(array)
        .iter()
        .for_each(|word| word.store(0x5eed, Relaxed));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "waited {took:?}");
    done.store(1, Release);
    // Stay attached until the end of the round.
    end.pass();
}

#[test]
fn of_64_processes_that_create_or_open_at_once_exactly_one_initialises() {
    let mut random = Random(0x1234_5678_9abc_def1);
    for round in 0..rounds() {
        let name = Name::new("race");
        let done = shared_words(PROCESSES as usize);
        let (start, end) = (Gate::new(), Gate::new());
        let racer = |done| (done, fork(|| race(&name, start, end, done)));
        let mut racers: Vec<(&AtomicU64, Child)> = done.iter().map(racer).collect();
        start.open();
        // Some are killed, early and late.
        for _ in 0..random.below(12) {
            let until = Instant::now() + Duration::from_micros(random.below(800));
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            let victim = random.below(racers.len() as u64) as usize;
            racers.swap_remove(victim).1.kill();
        }
        let living = racers.len() as u64;
        let all_done = || racers.iter().all(|(done, _)| done.load(Acquire) == 1);
        assert!(
            eventually(Duration::from_secs(10), all_done),
            "round {round}: somebody hangs"
        );

        // Now as many are attached as live, and this process.
        let at = open_or_create(&name, 1 << 16).expect("the segment");
        let exact = || u64::from(at.segment().ref_count().expect("count")) == living + 1;
        assert!(
            eventually(Duration::from_millis(100), exact),
            "round {round}: {} attached, {living} alive",
            at.segment().ref_count().expect("count")
        );
        // Exactly one initialisation: none of the additions to it was lost.
        let counter = obtain_atomic(&at, "counter", Intent::Open, 0).expect("the atomic");
        let counted = counter.load().expect("its value");
        assert!(
            (1_000 + living..=1_000 + PROCESSES).contains(&counted),
            "round {round}: {counted}"
        );
        assert_eq!(
            at.segment().payload_used(),
            COUNT * 8 + 8,
            "round {round}: leaked payload"
        );

        end.open();
        racers.into_iter().for_each(|(_, racer)| racer.join());
        let alone = || at.segment().ref_count().expect("count") == 1;
        assert!(
            eventually(Duration::from_millis(100), alone),
            "round {round}"
        );
    }
}

#[test]
fn processes_that_create_different_names_at_once_all_get_them() {
    let name = Name::new("names");
    let start = Gate::new();
    let workers: Vec<Child> = (0..16)
        .map(|worker| {
            let name = &name;
            fork(move || {
                start.pass();
                let at = open_or_create(name, 1 << 16).expect("the segment");
                for number in 0..4 {
                    let own = format!("w{worker}-{number}");
                    let array =
                        obtain_array(&at, &own, Intent::Create, 8, 8).expect("a name of one's own");
                    words(array)
                        .iter()
                        .for_each(|word| word.store(worker * 10 + number, Relaxed));
                }
            })
        })
        .collect();
    start.open();
    workers.into_iter().for_each(Child::join);
    let at = open_or_create(&name, 1 << 16).expect("the segment");
    for worker in 0..16 {
        for number in 0..4 {
            let array = obtain_array(&at, &format!("w{worker}-{number}"), Intent::Open, 8, 8)
                .expect("a name");
            assert!(
                words(array)
                    .iter()
                    .all(|word| word.load(Relaxed) == worker * 10 + number)
            );
        }
    }
    assert_eq!(at.segment().payload_used(), 64 * 64);
}

#[test]
fn threads_that_fork_while_others_attach_leave_nothing_behind() {
    // A child forked at any moment must neither keep a lease alive nor inherit a held lock.
    let name = Name::new("forks");
    let keeper = open_or_create(&name, 1 << 12).expect("create");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    drop(open_or_create(&name, 1 << 12).expect("attach"));
                }
            });
        }
        let mut children = Vec::new();
        for _ in 0..200 {
            children.push(fork(|| {
                let at = open_or_create(&name, 1 << 12).expect("attach in the child");
                drop(at);
                // Outlive the parent's leases of this moment.
                std::thread::sleep(Duration::from_millis(100));
            }));
        }
        stop.store(true, Relaxed);
        let alone = || keeper.segment().ref_count().expect("count") == 1;
        assert!(
            eventually(Duration::from_secs(10), alone),
            "a child keeps a lease alive"
        );
        children.into_iter().for_each(Child::join);
    });
}

#[test]
fn a_segment_works_across_pid_namespaces() {
    // Children in PID namespaces of their own are process 1 there; leases do not care.
    let name = Name::new("pidns");
    let at = open_or_create(&name, 1 << 12).expect("create");
    let counter = obtain_atomic(&at, "counter", Intent::Create, 0).expect("an atomic");
    let shared = shared_words(4);
    let mut outer = Vec::new();
    for _ in 0..4 {
        outer.push(fork(|| {
            // SAFETY: affects only this process's future children.
            if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) } != 0 {
                // Root needs no user namespace; whoever may not unshare at all cannot test this.
                // SAFETY: as above.
                let result = unsafe { libc::unshare(libc::CLONE_NEWPID) };
                assert_eq!(result, 0, "unshare: {}", std::io::Error::last_os_error());
            }
            let inner = fork(|| {
                assert_eq!(std::process::id(), 1);
                let at = open_or_create(&name, 1 << 12).expect("open");
                let counter = obtain_atomic(&at, "counter", Intent::Open, 0).expect("the atomic");
                counter
                    .update(shmds::structures::atomic::Update::Add, 1)
                    .expect("count");
                shared[0].fetch_add(1, AcqRel);
                while shared[1].load(Acquire) == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            inner.join();
        }));
    }
    assert!(eventually(Duration::from_secs(10), || shared[0]
        .load(Acquire)
        == 4));
    assert_eq!(counter.load().expect("value"), 4);
    assert_eq!(at.segment().ref_count().expect("count"), 5);
    shared[1].store(1, Release);
    outer.into_iter().for_each(Child::join);
    let alone = || at.segment().ref_count().expect("count") == 1;
    assert!(eventually(Duration::from_millis(100), alone));
}
