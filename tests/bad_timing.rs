//! Calls on queues that are closed, destroyed or read-only, and waits for times that no clock
//! can express: refused with a sentence, or waited for; nothing gets lost.

mod support;

use shmds::error::Result;
use shmds::segment::{Intent, Options};
use shmds::structures::Attachment;
use shmds::structures::queue::Queue;
use shmds::structures::spsc::{SpscQueue, SpscSide, SpscView};
use shmds::structures::wait::Deadline;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release, SeqCst};
use std::time::Duration;
use support::{
    Name, dequeue, enqueue, error_of, eventually, fork, obtain_queue, obtain_spsc, open,
    open_or_create, pop, pop_bulk, push, push_bulk, shared_words,
};

fn refused<T>(result: Result<T>, sentence: &str) {
    assert_eq!(error_of(result).to_string(), sentence);
}

/// Nanoseconds that overflow a signed number, a clock, or a sum with the time of day.
const BEYOND: [u64; 5] = [
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 999_999_999,
    u64::MAX - 1,
    u64::MAX,
];

/// Whether somebody sleeps on a queue's word, or did.
fn asleep(word: *const AtomicU32) -> bool {
    // SAFETY: a word of a queue that is open.
    unsafe { &*word }.load(Acquire) & 1 == 1
}

/// Waits until somebody sleeps on the word, and long enough that a time which wraps passes.
fn await_sleeper(is_there: impl Fn() -> bool) {
    assert!(eventually(Duration::from_secs(10), is_there));
    std::thread::sleep(Duration::from_millis(2));
}

/// What code that is compiled into the caller sees of a handle.
fn view_of(queue: &SpscQueue) -> &SpscView {
    // SAFETY: the view is what a handle begins with.
    unsafe { &*core::ptr::from_ref(queue).cast() }
}

/// Whether somebody sleeps until this side, whose role is held here, has moved on.
fn is_awaited(side: &SpscSide) -> bool {
    // SAFETY: one thread at a time changes the side; its end is mapped while the role is held.
    asleep(unsafe { &**side.own.get() }.waiters.word())
}

#[test]
fn a_queue_of_a_closed_segment_refuses_and_lost_nothing() {
    let name = Name::new("closed");
    let keeper = open_or_create(&name, 1 << 16).expect("create");
    let at = open(&name).expect("open");
    let queue: *const Queue = obtain_queue(&at, "q", Intent::Create, 8, 4).expect("a queue");
    // SAFETY: the last handles of closed segments are kept.
    let queue = unsafe { &*queue };
    (1..=3).for_each(|value| assert!(enqueue(queue, value)));
    let reserved = queue.reserve().expect("reserve");
    let taken = queue.take().expect("take").expect("an element");
    drop(at);
    let closed = "\"q\": its segment was closed in this process; expected an open one";
    let mut value = 9_u64;
    let element = (&raw mut value).cast::<u8>();
    // SAFETY: 8 bytes.
    unsafe {
        refused(queue.enqueue(element), closed);
        refused(queue.dequeue(element), closed);
        refused(queue.enqueue_bulk(element, 1), closed);
        refused(queue.dequeue_bulk(element, 1), closed);
        refused(queue.enqueue_wait(element, Deadline::never()), closed);
        refused(queue.dequeue_wait(element, Deadline::never()), closed);
    }
    refused(queue.reserve(), closed);
    refused(queue.take(), closed);
    refused(queue.publish(&reserved), closed);
    refused(queue.give_back(&reserved, false), closed);
    refused(queue.give_back(&taken, true), closed);
    refused(queue.wake(), closed);
    refused(queue.pass(), closed);
    refused(queue.statistics(), closed);
    refused(queue.len(), closed);
    refused(queue.is_empty(), closed);
    refused(queue.is_full(), closed);
    assert_eq!((value, queue.capacity(), queue.elem_size()), (9, 4, 8));
    let again = obtain_queue(&keeper, "q", Intent::Open, 8, 4).expect("the queue");
    assert_eq!(again.statistics().expect("statistics").lanes_in_use, 0);
    assert_eq!(
        (dequeue(again), dequeue(again), dequeue(again)),
        (Some(2), Some(3), None)
    );
}

#[test]
fn an_spsc_queue_of_a_closed_segment_refuses_and_lost_nothing() {
    let name = Name::new("spsc-closed");
    let keeper = open_or_create(&name, 1 << 16).expect("create");
    let at = open(&name).expect("open");
    let queue: *const SpscQueue = obtain_spsc(&at, "q", Intent::Create, 8, 4).expect("a queue");
    // SAFETY: the last handles of closed segments are kept.
    let queue = unsafe { &*queue };
    assert!(push(queue, 1) && push(queue, 2));
    assert!(queue.front().expect("front").is_some());
    drop(at);
    let closed = "\"q\": its segment was closed in this process; expected an open one";
    let mut value = 9_u64;
    let element = (&raw mut value).cast::<u8>();
    refused(push_bulk(queue, &[3]), closed);
    refused(pop_bulk(queue, 1), closed);
    // SAFETY: 8 bytes; one thread pushes and pops.
    unsafe {
        refused(queue.push_wait(element, u64::MAX), closed);
        refused(queue.pop_wait(element, u64::MAX), closed);
    }
    refused(queue.front(), closed);
    refused(queue.release(), closed);
    refused(queue.wake(), closed);
    queue.leave();
    assert_eq!(
        (queue.len(), queue.is_empty(), queue.is_full()),
        (0, true, false)
    );
    assert_eq!((value, queue.capacity(), queue.elem_size()), (9, 4, 8));
    // What was looked at and not released is there, and the roles are free.
    let again = obtain_spsc(&keeper, "q", Intent::Open, 8, 4).expect("the queue");
    assert_eq!(pop_bulk(again, 4).expect("pop"), [1, 2]);
    assert!(push(again, 3) && pop(again) == Some(3));
}

#[test]
fn nothing_is_published_into_a_queue_that_another_destroyed() {
    let name = Name::new("destroyed");
    let keeper = open_or_create(&name, 1 << 16).expect("create");
    let before = keeper.segment().payload_used();
    let at = open(&name).expect("open");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 4).expect("a queue");
    let spsc = obtain_spsc(&at, "s", Intent::Create, 8, 4).expect("an SPSC queue");
    assert!(enqueue(queue, 1) && push(spsc, 1));
    let reserved = queue.reserve().expect("reserve");
    let taken = queue.take().expect("take").expect("an element");
    keeper.destroy(b"q").expect("destroy");
    keeper.destroy(b"s").expect("destroy");
    let gone = "\"q\" was removed while this handle was open";
    refused(queue.publish(&reserved), gone);
    refused(queue.give_back(&reserved, false), gone);
    refused(queue.give_back(&taken, true), gone);
    refused(spsc.front(), "\"s\" was removed while this handle was open");
    refused(
        spsc.release(),
        "\"s\" was removed while this handle was open",
    );
    drop(at);
    // Who destroys next finds it unused.
    obtain_queue(&keeper, "q", Intent::Create, 8, 4).expect("a new queue");
    keeper.destroy(b"q").expect("destroy");
    assert_eq!(keeper.segment().payload_used(), before);
}

#[test]
fn a_reader_wakes_nobody() {
    let name = Name::new("reader");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 4).expect("a queue");
    let sleeper = fork(|| {
        let mut value = 0_u64;
        // SAFETY: 8 bytes.
        let got = unsafe { queue.dequeue_wait((&raw mut value).cast(), Deadline::never()) };
        assert_eq!((got, value), (Ok(true), 5));
    });
    // SAFETY: the queue's words, mapped as long as it is open.
    let ends = unsafe { &*queue.view().parts.ends };
    await_sleeper(|| asleep(ends.items.word()));
    let child = fork(|| {
        let options = Options {
            read_only: true,
            ..Default::default()
        };
        let reader = Attachment::new(&name.0, Intent::Open, &options).expect("open");
        let seen = obtain_queue(&reader, "q", Intent::Open, 8, 4).expect("the queue");
        refused(
            seen.wake(),
            "\"q\": an operation on a queue on a read-only attachment",
        );
    });
    child.join();
    assert!(enqueue(queue, 5));
    sleeper.join();
}

#[test]
fn a_time_that_no_clock_can_express_does_not_pass() {
    let name = Name::new("times");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 1).expect("a queue");
    let deadlines = || {
        let far = [Duration::MAX, Duration::from_secs(u64::MAX)].map(Deadline::after);
        BEYOND
            .map(Deadline::after_nanoseconds)
            .into_iter()
            .chain(far)
    };
    let ended = &shared_words(1)[0];
    let others = fork(|| {
        for deadline in deadlines() {
            let mut value = 0_u64;
            // SAFETY: 8 bytes.
            let got = unsafe { queue.dequeue_wait((&raw mut value).cast(), deadline) };
            assert_eq!((got, value), (Ok(true), 5));
            ended.fetch_add(1, SeqCst);
            assert!(eventually(Duration::from_secs(10), || queue.is_full() == Ok(true)));
            // SAFETY: as above.
            let put = unsafe { queue.enqueue_wait((&raw const value).cast(), deadline) };
            assert_eq!(put, Ok(true));
            ended.fetch_add(1, SeqCst);
            assert!(eventually(Duration::from_secs(10), || queue.is_empty() == Ok(true)));
        }
    });
    // SAFETY: the queue's words, mapped as long as it is open.
    let ends = unsafe { &*queue.view().parts.ends };
    for round in 0..deadlines().count() as u64 {
        await_sleeper(|| asleep(ends.items.word()));
        assert_eq!(ended.load(SeqCst), 2 * round, "a consumer gave up");
        // Two, so that the other waits for room in its turn.
        assert!(enqueue(queue, 5));
        assert!(eventually(Duration::from_secs(10), || enqueue(queue, 6)));
        await_sleeper(|| asleep(ends.space.word()));
        assert_eq!(ended.load(SeqCst), 2 * round + 1, "a producer gave up");
        assert_eq!(dequeue(queue), Some(6));
        assert!(eventually(Duration::from_secs(10), || dequeue(queue) == Some(5)));
    }
    others.join();
}

#[test]
fn an_spsc_wait_of_a_time_that_no_clock_can_express_does_not_end() {
    let name = Name::new("spsc-times");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_spsc(&at, "q", Intent::Create, 8, 1).expect("a queue");
    let view = view_of(queue);
    let popped = &shared_words(1)[0];
    for (round, timeout) in (1..).zip(BEYOND) {
        assert!(push(queue, 1) && pop(queue) == Some(1)); // Both roles are ours.
        queue.leave();
        let child = fork(|| {
            let mut value = 0_u64;
            // SAFETY: 8 bytes; one thread pops, and one pushes.
            unsafe {
                assert_eq!(queue.pop_wait((&raw mut value).cast(), timeout), Ok(true));
                assert_eq!(value, 5);
                queue.leave();
                popped.store(round, Release);
                assert!(eventually(Duration::from_secs(10), || queue.is_full()));
                while push_bulk(queue, &[]).is_err() {}
                assert_eq!(
                    queue.push_wait((&raw const value).cast(), timeout),
                    Ok(true)
                );
            }
        });
        assert_eq!(push_bulk(queue, &[]), Ok(0));
        await_sleeper(|| is_awaited(&view.producer));
        assert!(push(queue, 5));
        assert!(eventually(Duration::from_secs(10), || popped.load(Acquire) == round));
        assert!(push(queue, 6));
        queue.leave();
        assert!(queue.front().expect("front").is_some());
        await_sleeper(|| is_awaited(&view.consumer));
        assert_eq!(pop(queue), Some(6));
        child.join();
        assert_eq!(pop(queue), Some(5));
        queue.leave();
    }
}
