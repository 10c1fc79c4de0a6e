//! What is asked of the queues wrongly is refused with a sentence that says which name, what
//! was expected and what was found, and changes nothing.

mod support;

use shmds::error::Result;
use shmds::segment::Intent;
use shmds::structures::queue::{Pinned, Queue};
use shmds::structures::spsc::SpscQueue;
use shmds::structures::{Attachment, queue, spsc};
use shmds::table::Table;
use std::sync::atomic::Ordering::SeqCst;
use support::{Name, dequeue, enqueue, error_of, fork, obtain_queue, open, open_or_create};

/// Element size, alignment and capacity.
type Asked = (u64, u64, u64);

const CREATORS: [Intent; 2] = [Intent::Create, Intent::OpenOrCreate];
const ALL: [Intent; 3] = [Intent::Create, Intent::OpenOrCreate, Intent::Open];

fn ask_queue<'a>(
    at: &'a Attachment,
    name: &str,
    intent: Intent,
    asked: Asked,
) -> Result<&'a Queue> {
    let (elem_size, elem_align, capacity) = asked;
    let params = queue::Params {
        elem_size,
        elem_align,
        capacity,
    };
    at.obtain(name.as_bytes(), intent, &params)
}

fn ask_spsc<'a>(
    at: &'a Attachment,
    name: &str,
    intent: Intent,
    asked: Asked,
) -> Result<&'a SpscQueue> {
    let (elem_size, elem_align, capacity) = asked;
    let params = spsc::Params {
        elem_size,
        elem_align,
        capacity,
    };
    at.obtain(name.as_bytes(), intent, &params)
}

/// All that a segment has given away: payload, the ends of both parts of the heap, entries.
fn given_away(at: &Attachment) -> (u64, u64, u64, u64) {
    let accounts = &at.segment().header().accounts;
    (
        at.segment().payload_used(),
        accounts.low_top.load(SeqCst),
        accounts.high_top.load(SeqCst),
        Table::of(at.segment()).expect("a table").count(),
    )
}

fn refused<T>(result: Result<T>, sentence: &str) {
    assert_eq!(error_of(result).to_string(), sentence);
}

#[test]
fn a_queue_that_cannot_be_is_refused_and_leaves_nothing_behind() {
    let name = Name::new("cannot-be");
    let at = open_or_create(&name, 1 << 12).expect("create");
    let before = given_away(&at);
    let alignment = |found: u64| {
        format!(
            "\"q\": alignment {found}; expected a power of two, at most 4096, that divides the \
             element size"
        )
    };
    let full = |needed: u64| {
        let segment = &name.0;
        format!("\"q\" needs {needed} bytes; segment \"{segment}\" has 4096 left")
    };
    let whatever_exists = [
        (
            (0, 0, 4),
            "\"q\": element size 0; expected at least 1".into(),
        ),
        ((8, 3, 4), alignment(3)),
        ((8, 16, 4), alignment(16)),
        ((8192, 8192, 4), alignment(8192)),
        ((8, 1 << 63, 4), alignment(1 << 63)),
        (
            (8, 0, 1 << 61),
            format!(
                "\"q\": {} elements of 8 bytes overflow 64 bits",
                1_u64 << 61
            ),
        ),
        (
            (u64::MAX, 0, 2),
            format!("\"q\": 2 elements of {} bytes overflow 64 bits", u64::MAX),
        ),
    ];
    for (asked, sentence) in &whatever_exists {
        for intent in ALL {
            refused(ask_queue(&at, "q", intent, *asked), sentence);
            refused(ask_spsc(&at, "q", intent, *asked), sentence);
        }
    }
    let lanes = {
        let other = Name::new("lanes");
        let at = open_or_create(&other, 1 << 12).expect("create");
        let queue = ask_queue(&at, "q", Intent::Create, (1, 0, 4)).expect("a queue");
        queue.statistics().expect("statistics").lanes
    };
    let count =
        |found, expected| format!("\"q\": count {found}; expected {expected} to create a queue");
    let range = |found| count(found, "1 to 2^31 less the number of lanes");
    let most = (1 << 31) - lanes;
    for intent in CREATORS {
        refused(
            ask_spsc(&at, "q", intent, (8, 0, 0)),
            &count(0, "at least 1"),
        );
        refused(ask_spsc(&at, "q", intent, (8, 0, 513)), &full(4104));
        refused(
            ask_spsc(&at, "q", intent, (1, 0, u64::MAX)),
            &full(u64::MAX),
        );
        for found in [0, most + 1, 1 << 31, 1 << 40, u64::MAX] {
            refused(ask_queue(&at, "q", intent, (1, 0, found)), &range(found));
        }
        // The largest that there may be only has no room here.
        refused(ask_queue(&at, "q", intent, (1, 0, most)), &full(most));
        refused(ask_queue(&at, "q", intent, (8, 0, 513)), &full(4104));
    }
    let absent = "structure \"q\" does not exist";
    refused(ask_queue(&at, "q", Intent::Open, (8, 0, 0)), absent);
    refused(ask_spsc(&at, "q", Intent::Open, (8, 0, 0)), absent);
    assert_eq!(given_away(&at), before);
    // The name is as free as it was, and so is all of the payload.
    ask_queue(&at, "q", Intent::Create, (8, 8, 512)).expect("a queue of all the payload");
}

#[test]
fn what_exists_is_not_opened_as_something_else() {
    let name = Name::new("otherwise");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = ask_queue(&at, "q", Intent::Create, (128, 8, 4)).expect("a queue");
    let spsc = ask_spsc(&at, "s", Intent::Create, (128, 8, 4)).expect("an SPSC queue");
    let element = [7_u8; 128];
    // SAFETY: elements of 128 bytes; one thread pushes.
    unsafe {
        assert_eq!(queue.enqueue(element.as_ptr()), Ok(true));
        assert_eq!(spsc.push(element.as_ptr()), Ok(true));
    }
    let before = given_away(&at);
    // Through the attachment that has them open, and through one that does not.
    let other = open(&name).expect("open");
    for at in [&at, &other] {
        let mismatches: [(Asked, &str); 4] = [
            ((64, 8, 4), "expected element size 64, found 128"),
            ((256, 8, 4), "expected element size 256, found 128"),
            ((128, 128, 4), "expected alignment 128, found 8"),
            ((128, 8, 5), "expected capacity 5, found 4"),
        ];
        for (asked, sentence) in mismatches {
            for intent in [Intent::Open, Intent::OpenOrCreate] {
                refused(
                    ask_queue(at, "q", intent, asked),
                    &format!("\"q\": {sentence}"),
                );
                refused(
                    ask_spsc(at, "s", intent, asked),
                    &format!("\"s\": {sentence}"),
                );
            }
        }
        for intent in [Intent::Open, Intent::OpenOrCreate] {
            let kinds = (
                "\"s\": expected a queue, found an SPSC queue",
                "\"q\": expected an SPSC queue, found a queue",
            );
            refused(ask_queue(at, "s", intent, (128, 8, 4)), kinds.0);
            refused(ask_spsc(at, "q", intent, (128, 8, 4)), kinds.1);
        }
        let exists = |name| format!("structure \"{name}\" exists already; expected a free name");
        refused(
            ask_queue(at, "q", Intent::Create, (128, 8, 4)),
            &exists("q"),
        );
        refused(ask_spsc(at, "s", Intent::Create, (128, 8, 4)), &exists("s"));
        // A line of the processor has that alignment anyway.
        let same = ask_queue(at, "q", Intent::Open, (128, 64, 0)).expect("the queue");
        assert_eq!((same.capacity(), same.len()), (4, Ok(1)));
    }
    assert_eq!(given_away(&at), before);
    let mut found = [0_u8; 128];
    // SAFETY: room for 128 bytes; one thread pops.
    unsafe {
        assert_eq!(queue.dequeue(found.as_mut_ptr()), Ok(true));
        assert_eq!(found, element);
        assert_eq!(spsc.pop(found.as_mut_ptr()), Ok(true));
        assert_eq!(found, element);
    }
}

#[test]
fn a_refused_opening_keeps_nothing_in_use() {
    let name = Name::new("unused");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let before = given_away(&at);
    let other = open(&name).expect("open");
    ask_queue(&at, "q", Intent::Create, (8, 0, 4)).expect("a queue");
    ask_spsc(&at, "s", Intent::Create, (8, 0, 4)).expect("an SPSC queue");
    assert!(ask_queue(&other, "q", Intent::Open, (8, 0, 5)).is_err());
    assert!(ask_spsc(&other, "s", Intent::Open, (8, 0, 5)).is_err());
    assert!(ask_spsc(&other, "q", Intent::Open, (8, 0, 4)).is_err());
    at.destroy(b"q").expect("destroy");
    at.destroy(b"s").expect("destroy");
    assert_eq!(given_away(&at), before, "somebody seems to have it open");
}

#[test]
fn a_slot_is_ended_once_by_its_own_queue_and_as_what_it_is() {
    let name = Name::new("slots");
    let at = open_or_create(&name, 1 << 16).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 4).expect("a queue");
    let other = obtain_queue(&at, "other", Intent::Create, 8, 4).expect("another");
    (1..=3).for_each(|value| assert!(enqueue(queue, value)));
    let reserved = queue.reserve().expect("reserve");
    let taken = queue.take().expect("take").expect("an element");
    let second = queue.take().expect("take").expect("another element");
    assert_ne!(taken.address, second.address);
    let before = (queue.len(), queue.statistics());
    refused(
        queue.publish(&taken),
        "\"q\": the slot was taken, not reserved",
    );
    refused(
        queue.give_back(&second, false),
        "\"q\": the slot was taken, not reserved",
    );
    refused(
        queue.give_back(&reserved, true),
        "\"q\": the slot was reserved, not taken",
    );
    let foreign = "\"other\": the slot is another queue's";
    refused(other.publish(&reserved), foreign);
    refused(other.give_back(&reserved, false), foreign);
    refused(other.give_back(&taken, true), foreign);
    // Never reserved at all.
    let twice = "\"q\": the slot was given back already";
    let none = "\"q\": the slot was given back already, or never was one";
    let made_up = |queue, stamp| Pinned {
        queue,
        stamp,
        ..reserved
    };
    for (slot, sentence) in [
        (made_up(reserved.queue, 0), twice),
        (made_up(reserved.queue, u64::MAX), twice),
        (made_up(0, reserved.stamp), none),
    ] {
        refused(queue.publish(&slot), sentence);
        refused(queue.give_back(&slot, false), sentence);
        refused(queue.give_back(&slot, true), sentence);
    }
    let child = fork(|| {
        let parents = "\"q\": the slot is held by the process that this one was forked from";
        refused(queue.publish(&reserved), parents);
        refused(queue.give_back(&reserved, false), parents);
        refused(queue.give_back(&taken, true), parents);
        let own = queue.reserve().expect("reserve");
        assert!(own.address != reserved.address && own.address != taken.address);
        queue.give_back(&own, false).expect("abandon");
    });
    child.join();
    assert_eq!(
        (queue.len(), queue.statistics()),
        before,
        "lanes of the dead are not in use"
    );
    // SAFETY: the slots are ours, 8 bytes each.
    unsafe {
        assert_eq!(taken.address.cast::<u64>().read(), 1);
        assert_eq!(second.address.cast::<u64>().read(), 2);
        reserved.address.cast::<u64>().write(4);
    }
    assert_eq!(queue.publish(&reserved), Ok(true));
    queue.give_back(&taken, true).expect("done");
    queue.give_back(&second, true).expect("done");
    refused(queue.publish(&reserved), twice);
    refused(queue.give_back(&reserved, false), twice);
    refused(queue.give_back(&taken, true), twice);
    assert_eq!((dequeue(queue), dequeue(queue)), (Some(3), Some(4)));
    assert_eq!((dequeue(queue), queue.len()), (None, Ok(0)));
}
