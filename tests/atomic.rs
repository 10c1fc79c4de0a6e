//! Waiting for an atomic to change, from one process to another.

mod support;

use shmds::error::Error;
use shmds::segment::{Intent, Options};
use shmds::structures::Attachment;
use shmds::structures::atomic::{self, Atomic, Word};
use shmds::structures::wait::Deadline;
use shmds::table::Table;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};
use support::{
    Gate, Name, error_of, eventually, fork, obtain_atomic, open, open_or_create, shared_words,
};

/// Far beyond any test.
fn long() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// The word that those sleep on who wait for "a".
fn waiters(at: &Attachment) -> &AtomicU32 {
    let table = Table::of(at.segment()).expect("a table");
    let found = table.find(&table.key(b"a")).expect("the atomic");
    let offset = found.offset as usize + std::mem::offset_of!(Word, waiters);
    // SAFETY: a word in the extent, mapped as long as the attachment lives.
    unsafe { AtomicU32::from_ptr(at.segment().heap().base().as_ptr().add(offset).cast()) }
}

fn sleeps(at: &Attachment) -> bool {
    eventually(Duration::from_secs(20), || {
        waiters(at).load(SeqCst) & 1 != 0
    })
}

#[test]
fn a_waiter_sleeps_until_another_process_notifies() {
    let name = Name::new("notify");
    let at = open_or_create(&name, 64).expect("create");
    let atomic = obtain_atomic(&at, "a", Intent::Create, 0).expect("an atomic");
    let seen = shared_words(1);
    let waiter = fork(|| {
        let at = open(&name).expect("open");
        let atomic = obtain_atomic(&at, "a", Intent::Open, 0).expect("the atomic");
        for old in 0..100 {
            assert_eq!(atomic.wait(old, long()), Ok(true));
            seen[0].store(atomic.load().expect("load"), SeqCst);
        }
    });
    for new in 1..=100 {
        assert!(sleeps(&at), "nobody waits for {new}");
        let before = waiters(&at).load(SeqCst) >> 1;
        // Noticed without being told, it would be seen as well; but nobody would have been woken.
        atomic.store(new).expect("store");
        atomic.notify().expect("notify");
        let woken = waiters(&at).load(SeqCst) >> 1;
        assert_eq!(woken, before + 1, "nobody was woken");
        assert!(eventually(Duration::from_secs(20), || seen[0].load(SeqCst) == new));
    }
    waiter.join();
}

#[test]
fn everybody_wakes_and_a_notifier_wakes_nobody_for_nothing() {
    let name = Name::new("all");
    let at = open_or_create(&name, 64).expect("create");
    let atomic = obtain_atomic(&at, "a", Intent::Create, 7).expect("an atomic");
    atomic.notify().expect("notify");
    assert_eq!(waiters(&at).load(SeqCst), 0, "there was nobody to wake");
    let waiting = shared_words(1);
    let all: Vec<_> = (0..6)
        .map(|_| {
            fork(|| {
                let at = open(&name).expect("open");
                let atomic = obtain_atomic(&at, "a", Intent::Open, 0).expect("the atomic");
                waiting[0].fetch_add(1, SeqCst);
                assert_eq!(atomic.wait(7, long()), Ok(true));
            })
        })
        .collect();
    assert!(eventually(Duration::from_secs(20), || waiting[0]
        .load(SeqCst)
        == 6));
    assert!(sleeps(&at));
    atomic.store(8).expect("store");
    atomic.notify().expect("notify");
    all.into_iter().for_each(support::Child::join);
}

#[test]
fn a_wait_ends_with_its_timeout_and_not_before() {
    let name = Name::new("timeout");
    let at = open_or_create(&name, 64).expect("create");
    let atomic = obtain_atomic(&at, "a", Intent::Create, 7).expect("an atomic");
    assert_eq!(atomic.wait(7, Deadline::after_nanoseconds(0)), Ok(false));
    assert_eq!(atomic.wait(6, Deadline::after_nanoseconds(0)), Ok(true));
    for limit in [Duration::from_millis(1), Duration::from_millis(30)] {
        let start = Instant::now();
        assert_eq!(atomic.wait(7, Deadline::after(limit)), Ok(false));
        assert!(start.elapsed() >= limit, "{:?}", start.elapsed());
    }
    // Beyond what any clock can tell: no end, but the value is another one already.
    let forever = Deadline::after_nanoseconds(u64::MAX - 1);
    assert_eq!(atomic.wait(6, forever), Ok(true));
}

#[test]
fn the_dead_leave_nothing_behind_that_keeps_others_from_waking() {
    let name = Name::new("dead");
    let at = open_or_create(&name, 64).expect("create");
    let atomic = obtain_atomic(&at, "a", Intent::Create, 0).expect("an atomic");
    let wait = |name: &Name, old: u128| {
        let at = open(name).expect("open");
        let atomic = obtain_atomic(&at, "a", Intent::Open, 0).expect("the atomic");
        assert_eq!(atomic.wait(old, long()), Ok(true));
    };
    // A sleeper dies, its flag up.
    let victim = fork(|| wait(&name, 0));
    assert!(sleeps(&at));
    victim.kill();
    atomic.notify().expect("notify");
    assert_eq!(
        waiters(&at).load(SeqCst) & 1,
        0,
        "the flag stays up for ever"
    );
    // A notifier dies between the change and telling of it: the sleeper looks by itself.
    let survivor = fork(|| wait(&name, 0));
    assert!(sleeps(&at));
    fork(|| {
        let at = open(&name).expect("open");
        let atomic = obtain_atomic(&at, "a", Intent::Open, 0).expect("the atomic");
        atomic.store(1).expect("store");
        // SAFETY: ends this process right here.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    })
    .join_within(Duration::from_secs(20));
    survivor.join();
}

#[test]
fn a_reader_without_the_right_to_write_waits_too() {
    let name = Name::new("reader");
    let at = open_or_create(&name, 64).expect("create");
    let atomic = obtain_atomic(&at, "a", Intent::Create, 0).expect("an atomic");
    let gate = Gate::new();
    let reader = fork(|| {
        let options = Options {
            read_only: true,
            ..Options::default()
        };
        let at = Attachment::new(&name.0, Intent::Open, &options).expect("open");
        let atomic = obtain_atomic(&at, "a", Intent::Open, 0).expect("the atomic");
        assert_eq!(atomic.wait(0, Deadline::after_nanoseconds(1)), Ok(false));
        assert!(matches!(error_of(atomic.notify()), Error::ReadOnly { .. }));
        gate.open();
        assert_eq!(atomic.wait(0, long()), Ok(true));
    });
    gate.pass();
    atomic.store(1).expect("store");
    reader.join();
}

#[test]
fn sixteen_bytes_are_waited_for_and_changed_as_one() {
    let name = Name::new("wide");
    let at = open_or_create(&name, 64).expect("create");
    let params = atomic::Params {
        elem_size: 16,
        initial: 5 << 64 | 6,
    };
    let atomic: &Atomic = at.obtain(b"a", Intent::Create, &params).expect("an atomic");
    let Ok(before) = atomic.load_wide() else {
        return; // Not on this processor.
    };
    assert_eq!(before, 5 << 64 | 6);
    assert_eq!(atomic.compare_exchange_wide(1, 2), Ok((before, false)));
    assert_eq!(
        atomic.wait(before, Deadline::after_nanoseconds(1)),
        Ok(false)
    );
    let waiter = fork(|| {
        let at = open(&name).expect("open");
        let atomic: &Atomic = at.obtain(b"a", Intent::Open, &params).expect("the atomic");
        assert_eq!(atomic.wait(before, long()), Ok(true));
        assert_eq!(atomic.load_wide(), Ok(7 << 64 | 6));
    });
    assert!(sleeps(&at));
    assert_eq!(
        atomic.compare_exchange_wide(before, 7 << 64 | 6),
        Ok((before, true))
    );
    atomic.notify().expect("notify");
    waiter.join();
    assert!(matches!(error_of(atomic.load()), Error::ElementSize { .. }));
    let narrow = obtain_atomic(&at, "n", Intent::Create, 0).expect("an atomic");
    assert!(matches!(
        error_of(narrow.load_wide()),
        Error::ElementSize { .. }
    ));
}
