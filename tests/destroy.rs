//! Destroying a structure gives its space back: all of it, once, and never to somebody while
//! another still uses it.

mod support;

use shmds::error::Error;
use shmds::segment::{Intent, Options};
use shmds::structures::Attachment;
use shmds::structures::array::Array;
use shmds::structures::spsc::{self, SpscQueue};
use shmds::table::{Fields, Place, Table};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;
use support::{
    Gate, Name, Random, dequeue, enqueue, error_of, eventually, fork, obtain_array, obtain_atomic,
    obtain_queue, open, open_or_create, shared_words, sized, words,
};

const SIZE: u64 = 1 << 16;

/// What the heap has given away: payload, and the ends of both parts.
fn used(at: &Attachment) -> (u64, u64, u64) {
    let accounts = &at.segment().header().accounts;
    (
        at.segment().payload_used(),
        accounts.low_top.load(SeqCst),
        accounts.high_top.load(SeqCst),
    )
}

fn total(at: &Attachment) -> u64 {
    Table::of(at.segment()).expect("a table").total_allocated()
}

fn destroy(at: &Attachment, name: &str) {
    at.destroy(name.as_bytes())
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn obtain_spsc<'a>(at: &'a Attachment, name: &str, capacity: u64) -> &'a SpscQueue {
    let params = spsc::Params {
        elem_size: 8,
        elem_align: 0,
        capacity,
    };
    at.obtain(name.as_bytes(), Intent::OpenOrCreate, &params)
        .expect("an SPSC queue")
}

#[test]
fn everything_of_a_destroyed_structure_can_be_had_again() {
    let name = Name::new("again");
    let at = open_or_create(&name, SIZE).expect("create");
    let before = (used(&at), total(&at));
    for round in 0..300 {
        obtain_array(&at, "array", Intent::Create, 8, 1 + round % 50).expect("an array");
        obtain_queue(&at, "queue", Intent::Create, 8, 1 + round % 70).expect("a queue");
        obtain_atomic(&at, "atomic", Intent::Create, 7).expect("an atomic");
        obtain_spsc(&at, "spsc", 1 + round % 30);
        let mut names = ["array", "queue", "atomic", "spsc"];
        names.rotate_left(round as usize % 4);
        names.iter().for_each(|name| destroy(&at, name));
        assert_eq!((used(&at), total(&at)), before, "round {round}");
    }
    obtain_array(&at, "all", Intent::Create, 1, SIZE).expect("all of the payload");
}

#[test]
fn a_handle_to_what_was_destroyed_says_so() {
    let name = Name::new("stale");
    let at = open_or_create(&name, SIZE).expect("create");
    let queue = obtain_queue(&at, "queue", Intent::Create, 8, 4).expect("a queue");
    let spsc = obtain_spsc(&at, "spsc", 4);
    let atomic = obtain_atomic(&at, "atomic", Intent::Create, 7).expect("an atomic");
    let array = obtain_array(&at, "array", Intent::Create, 8, 4).expect("an array");
    assert!(enqueue(queue, 1));
    let mut value = 1_u64;
    let element = (&raw mut value).cast::<u8>();
    // SAFETY: 8 bytes.
    assert_eq!(unsafe { spsc.push(element) }, Ok(true));
    let stale = |name: &str| Error::Stale {
        name: name.to_owned(),
    };
    for name in ["queue", "spsc", "atomic", "array"] {
        destroy(&at, name);
        let gone = error_of(at.destroy(name.as_bytes()));
        assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
    }
    // SAFETY: 8 bytes.
    unsafe {
        assert_eq!(queue.enqueue(element), Err(stale("queue")));
        assert_eq!(queue.dequeue(element), Err(stale("queue")));
        assert_eq!(spsc.push(element), Err(stale("spsc")));
        assert_eq!(spsc.pop(element), Err(stale("spsc")));
    }
    assert_eq!(queue.len(), Err(stale("queue")));
    assert_eq!(error_of(queue.reserve()), stale("queue"));
    assert_eq!(atomic.load(), Err(stale("atomic")));
    assert_eq!(atomic.store(1), Err(stale("atomic")));
    assert_eq!(array.ensure_usable(), Err(stale("array")));
    // A new one of the same name is another one.
    let new = obtain_queue(&at, "queue", Intent::Create, 8, 4).expect("a queue");
    assert!(!std::ptr::eq(new, queue));
    assert_eq!(dequeue(new), None);
}

#[test]
fn what_another_attachment_has_open_stays_until_it_is_closed() {
    let name = Name::new("elsewhere");
    let at = open_or_create(&name, SIZE).expect("create");
    let before = used(&at);
    for dies in [false, true] {
        obtain_array(&at, "array", Intent::Create, 8, 100).expect("an array");
        obtain_queue(&at, "queue", Intent::Create, 8, 100).expect("a queue");
        let held = used(&at);
        let results = shared_words(2);
        let (ready, go) = (Gate::new(), Gate::new());
        let user = fork(|| {
            let other = open(&name).expect("open");
            let array = obtain_array(&other, "array", Intent::Open, 8, 100).expect("the array");
            let queue = obtain_queue(&other, "queue", Intent::Open, 8, 100).expect("the queue");
            assert!(enqueue(queue, 1));
            words(array).iter().for_each(|word| word.store(5, Relaxed));
            ready.open();
            go.pass();
            // Kept for us, whoever created something meanwhile.
            assert!(words(array).iter().all(|word| word.load(Relaxed) == 5));
            // SAFETY: 8 bytes.
            let refused = unsafe { queue.enqueue((&raw const held.0).cast()) };
            assert!(matches!(refused, Err(Error::Stale { .. })), "{refused:?}");
            let waited = queue.len();
            assert!(matches!(waited, Err(Error::Stale { .. })), "{waited:?}");
            results[0].store(1, SeqCst);
            if dies {
                results[1].store(1, SeqCst);
                // SAFETY: ends this process without closing anything.
                unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
            }
        });
        ready.pass();
        destroy(&at, "array");
        destroy(&at, "queue");
        assert_eq!(used(&at), held, "given back too early");
        // The names are free at once, and theirs is other space.
        let array = obtain_array(&at, "array", Intent::Create, 8, 100).expect("a new array");
        words(array).iter().for_each(|word| word.store(6, Relaxed));
        go.open();
        let mut user = user;
        assert!(user.join_within(Duration::from_secs(20)));
        assert_eq!(
            (results[0].load(SeqCst), results[1].load(SeqCst)),
            (1, u64::from(dies))
        );
        let mut now = used(&at);
        let given_back = eventually(Duration::from_secs(1), || {
            // A change of the table looks after it.
            let _ = at.destroy(b"array");
            used(&at) == before
        });
        now = if given_back { before } else { now };
        assert_eq!(now, before);
    }
}

#[test]
fn a_child_that_joined_keeps_what_it_has_open() {
    let name = Name::new("child");
    let at = open_or_create(&name, SIZE).expect("create");
    let before = used(&at);
    let queue = obtain_queue(&at, "queue", Intent::Create, 8, 4).expect("a queue");
    let (ready, go) = (Gate::new(), Gate::new());
    let child = fork(|| {
        // A queue operation makes it an attachment of its own.
        assert!(enqueue(queue, 7));
        ready.open();
        go.pass();
        // Nor can it destroy what its parent has open.
        obtain_atomic(&at, "child's", Intent::Create, 1).expect("an atomic");
    });
    ready.pass();
    let held = used(&at);
    destroy(&at, "queue");
    assert_eq!(used(&at), held, "the child has it open");
    go.open();
    child.join();
    destroy(&at, "child's");
    assert_eq!(used(&at), before);
}

#[test]
fn a_child_does_not_take_its_parents_structures_away() {
    let name = Name::new("parent");
    let at = open_or_create(&name, SIZE).expect("create");
    let array = obtain_array(&at, "array", Intent::Create, 8, 100).expect("an array");
    let held = used(&at);
    fork(|| {
        destroy(&at, "array");
        assert_eq!(used(&at), held, "the parent has it open");
    })
    .join();
    words(array).iter().for_each(|word| word.store(5, Relaxed));
    let new = obtain_array(&at, "array", Intent::Create, 8, 100).expect("a new one");
    assert!(words(new).iter().all(|word| word.load(Relaxed) == 0));
}

#[test]
fn a_child_that_fails_to_open_does_not_give_its_parents_lock_up() {
    let name = Name::new("refused");
    let at = open_or_create(&name, SIZE).expect("create");
    let other = open(&name).expect("open");
    obtain_array(&other, "array", Intent::Create, 8, 100).expect("an array");
    let ready = Gate::new();
    let go = Gate::new();
    // The child has no attachment slot of its own, and so its parent's descriptor.
    let child = fork(|| {
        ready.open();
        go.pass();
        let refused = obtain_array(&at, "array", Intent::Open, 4, 200);
        assert!(matches!(error_of(refused), Error::Mismatch { .. }));
    });
    ready.pass();
    let array = obtain_array(&at, "array", Intent::Open, 8, 100).expect("the array");
    go.open();
    child.join();
    let held = used(&at);
    destroy(&other, "array");
    assert_eq!(used(&at), held, "taken away from us");
    assert!(words(array).iter().all(|word| word.load(Relaxed) == 0));
}

#[test]
fn what_was_erased_is_never_given_away() {
    let name = Name::new("erased");
    let at = open_or_create(&name, SIZE).expect("create");
    let mut random = Random(11);
    let mut erased: Vec<(&Array, u64)> = Vec::new();
    for round in 0..200_u64 {
        let (mine, other) = (format!("e{round}"), format!("d{round}"));
        let array =
            obtain_array(&at, &mine, Intent::Create, 8, 1 + random.below(20)).expect("an array");
        words(array)
            .iter()
            .for_each(|word| word.store(round, Relaxed));
        obtain_array(&at, &other, Intent::Create, 8, 1 + random.below(20)).expect("another");
        Place::Segment(at.segment())
            .erase(mine.as_bytes())
            .expect("erase");
        destroy(&at, &other);
        erased.push((array, round));
    }
    for (array, round) in erased {
        let intact = words(array).iter().all(|word| word.load(Relaxed) == round);
        assert!(intact, "the array of round {round}");
    }
}

#[test]
fn a_full_table_loses_no_space() {
    // Three entries: a gap often has none to describe it, and goes with its neighbour.
    let name = Name::new("narrow");
    let options = Options {
        max_entries: Some(3),
        ..sized(SIZE)
    };
    let at = Attachment::new(&name.0, Intent::Create, &options).expect("create");
    let before = (used(&at), total(&at));
    let mut random = Random(5);
    let mut there: Vec<String> = Vec::new();
    for round in 0..3000_u64 {
        if there.len() == 3 || (!there.is_empty() && random.below(2) == 0) {
            let index = random.below(there.len() as u64) as usize;
            destroy(&at, &there.swap_remove(index));
        } else {
            let name = format!("n{round}");
            if random.below(3) == 0 {
                obtain_queue(&at, &name, Intent::Create, 8, 1 + random.below(200)).expect("room");
            } else {
                let count = 1 + random.below(2000);
                obtain_array(&at, &name, Intent::Create, 8, count).expect("room");
            }
            there.push(name);
        }
        if there.is_empty() {
            assert_eq!((used(&at), total(&at)), before, "round {round}");
        }
    }
}

#[test]
fn a_raw_entry_is_erased_and_its_space_stays_taken() {
    let name = Name::new("raw");
    let at = open_or_create(&name, SIZE).expect("create");
    let ones = obtain_array(&at, "ones", Intent::Create, 8, 100).expect("an array");
    words(ones).iter().for_each(|word| word.store(1, Relaxed));
    let table = Table::of(at.segment()).expect("a table");
    let found = table.find(&table.key(b"ones")).expect("the array");
    // A view of the array, as a user may add one.
    let fields = Fields {
        offset: found.offset,
        size: found.size,
        elem_size: 8,
        num_elem: 100,
    };
    Place::Segment(at.segment())
        .add(b"view", fields)
        .expect("add");
    destroy(&at, "view");
    let new = obtain_array(&at, "new", Intent::Create, 8, 100).expect("an array");
    words(new).iter().for_each(|word| word.store(2, Relaxed));
    assert!(words(ones).iter().all(|word| word.load(Relaxed) == 1));
}

#[test]
fn programs_that_divide_the_segment_up_by_total_allocated_find_the_room() {
    let name = Name::new("room");
    let at = open_or_create(&name, 4096).expect("create");
    obtain_queue(&at, "queue", Intent::Create, 8, 100).expect("a queue");
    obtain_atomic(&at, "atomic", Intent::Create, 1).expect("an atomic");
    obtain_spsc(&at, "spsc", 50);
    obtain_array(&at, "array", Intent::Create, 8, 50).expect("an array");
    let taken = (100 + 1 + 50 + 50) * 8;
    // One line at the most for the alignment of the array.
    assert!((taken..taken + 64).contains(&total(&at)), "{}", total(&at));
    // A structure of the user's own takes the rest, as the original's would have.
    let place = Place::Segment(at.segment());
    let rest = at.segment().geometry().size - total(&at);
    let fields = Fields {
        offset: at.segment().geometry().table_size() + total(&at),
        size: rest,
        elem_size: 1,
        num_elem: rest,
    };
    place.add(b"own", fields).expect("add");
    assert_eq!(total(&at), 4096);
    let own = obtain_array(&at, "own", Intent::Open, 1, rest).expect("the user's own");
    // SAFETY: the array has `rest` bytes.
    unsafe { own.data().as_ptr().write_bytes(7, rest as usize) };
    let array = obtain_array(&at, "array", Intent::Open, 8, 50).expect("the array");
    assert!(words(array).iter().all(|word| word.load(Relaxed) == 0));
}

/// Creates and destroys structures of its own, and checks that nobody else is in them.
fn worker(name: &Name, number: u64, cycles: u64) {
    let at = open(name).expect("open");
    let mut random = Random(number * 7919 + 1);
    let mut there: Vec<(String, u64, bool)> = Vec::new();
    for cycle in 0..cycles {
        let pattern = number << 32 | cycle;
        if there.len() == 6 || (!there.is_empty() && random.below(2) == 0) {
            let index = random.below(there.len() as u64) as usize;
            let (mine, pattern, is_queue) = there.swap_remove(index);
            if is_queue {
                let queue = obtain_queue(&at, &mine, Intent::Open, 8, 0).expect("my queue");
                while let Some(value) = dequeue(queue) {
                    assert_eq!(value, pattern, "somebody else's element");
                }
            } else {
                let array = obtain_array(&at, &mine, Intent::Open, 8, 0).expect("my array");
                let intact = words(array)
                    .iter()
                    .all(|word| word.load(Relaxed) == pattern);
                assert!(intact, "somebody else was here");
            }
            destroy(&at, &mine);
            continue;
        }
        let mine = format!("{number}-{cycle}");
        let is_queue = random.below(4) == 0;
        if is_queue {
            let capacity = 1 + random.below(64);
            let queue = obtain_queue(&at, &mine, Intent::Create, 8, capacity).expect("a queue");
            assert_eq!(queue.len(), Ok(0), "not new");
            (0..capacity / 2).for_each(|_| assert!(enqueue(queue, pattern)));
        } else {
            let count = 1 + random.below(500);
            let array = obtain_array(&at, &mine, Intent::Create, 8, count).expect("an array");
            assert!(
                words(array).iter().all(|word| word.load(Relaxed) == 0),
                "not zero"
            );
            words(array)
                .iter()
                .for_each(|word| word.store(pattern, Relaxed));
        }
        there.push((mine, pattern, is_queue));
    }
    there.iter().for_each(|(mine, ..)| destroy(&at, mine));
}

#[test]
fn four_processes_create_and_destroy_at_random_and_nothing_leaks_or_overlaps() {
    // A million for the full proof: SHMDS_DESTROY_CYCLES=1000000.
    let cycles = std::env::var("SHMDS_DESTROY_CYCLES");
    let cycles: u64 = cycles
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(8000);
    let name = Name::new("cycles");
    let at = open_or_create(&name, 1 << 20).expect("create");
    let before = (used(&at), total(&at));
    let workers: Vec<_> = (0..4)
        .map(|number| {
            let name = &name;
            fork(move || worker(name, number, cycles / 4))
        })
        .collect();
    workers.into_iter().for_each(support::Child::join);
    // A change of the table looks after what was left in use.
    assert!(matches!(
        error_of(at.destroy(b"none")),
        Error::NotFound { .. }
    ));
    assert_eq!((used(&at), total(&at)), before);
    let file = std::fs::metadata(name.path()).expect("the file");
    let committed = std::os::unix::fs::MetadataExt::blocks(&file) * 512;
    assert!(committed < 1 << 20, "{committed} bytes are still committed");
}
