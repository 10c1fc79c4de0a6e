//! A process that dies between any two of its stores leaves something that the
//! next one finishes or undoes.
//!
//! Each operation is executed one instruction at a time. Whenever an instruction
//! has changed the segment, the segment's bytes are put aside: exactly what a
//! kill there leaves, for the kernel frees the leases of the dead. Every such
//! image is then brought back under a name of its own and used by newcomers.

mod support;

use shmds::error::Error;
use shmds::segment::layout::Geometry;
use shmds::segment::{Intent, Options};
use shmds::structures::Attachment;
use shmds::structures::array::Array;
use shmds::table::{Claim, Fields, Key, Kind, Place, Request, Table, claim};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use support::step::{Stepped, pin_to_one_core};
use support::{
    Gate, Name, dequeue, enqueue, fork, obtain_array, obtain_atomic, obtain_queue, open,
    open_or_create, sized, words,
};

/// Payload of the segments here.
const SIZE: u64 = 1 << 14;
/// More than the operations here ever touch of either part of the heap.
const WATCHED: u64 = 80 << 10;

/// What a kill at one point leaves.
struct Image {
    at_step: u64,
    len: u64,
    /// Where the watched bytes lie, and what they are.
    parts: Vec<(u64, Vec<u8>)>,
}

/// Where the two parts of the heap lie that the operations here touch.
fn watched() -> [u64; 2] {
    let geometry = Geometry::new(SIZE, Options::default().max_attachments, 32, 64, false);
    let geometry = geometry.expect("a segment as it is made here");
    [0, geometry.table_offset + geometry.high_start()]
}

/// The watched parts of a file, mapped: comparing them costs little more than the step that
/// may have changed them.
struct Watch {
    len: u64,
    parts: Vec<(u64, &'static [u8])>,
}

impl Watch {
    /// `None` while there is no such file.
    fn new(name: &Name) -> Option<Self> {
        let file = File::open(name.path()).ok()?;
        let len = file.metadata().ok()?.len();
        let parts = watched().into_iter().filter(|&offset| offset < len);
        let parts = parts.map(|offset| {
            let bytes = WATCHED.min(len - offset) as usize;
            // SAFETY: a new mapping of what the file has; it stays to the end of the test.
            let part = unsafe {
                let (read, shared) = (libc::PROT_READ, libc::MAP_SHARED);
                let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
                let base = libc::mmap(std::ptr::null_mut(), bytes, read, shared, fd, offset as i64);
                assert_ne!(base, libc::MAP_FAILED);
                std::slice::from_raw_parts(base.cast::<u8>(), bytes)
            };
            (offset, part)
        });
        Some(Self {
            len,
            parts: parts.collect(),
        })
    }

    fn image(&self, at_step: u64) -> Image {
        let parts = self.parts.iter();
        Image {
            at_step,
            len: self.len,
            parts: parts
                .map(|&(offset, part)| (offset, part.to_vec()))
                .collect(),
        }
    }

    fn shows(&self, image: &Image) -> bool {
        let parts = self.parts.iter().zip(&image.parts);
        self.len == image.len && parts.into_iter().all(|(now, then)| now.1 == &then.1[..])
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for (_, part) in &self.parts {
            // SAFETY: mapped by `new`, and nobody has the slice any more.
            unsafe { libc::munmap(part.as_ptr().cast_mut().cast(), part.len()) };
        }
    }
}

/// Executes the victim's work step by step; an image for each point where the file changed.
fn images_of(name: &Name, mut victim: Stepped) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    let mut watch = Watch::new(name);
    loop {
        if let Some(watch) = &watch
            && !images.last().is_some_and(|last| watch.shows(last))
        {
            images.push(watch.image(victim.steps));
        }
        // A system call may make the file, or change its length.
        let makes_it = victim.is_at_system_call();
        if !victim.step() {
            return images;
        }
        if makes_it {
            watch = Watch::new(name);
        }
    }
}

/// Brings an image back as a segment that nobody is attached to.
fn restore(image: &Image) -> Name {
    let name = Name::new("image");
    let file = OpenOptions::new()
        .create_new(true)
        .read(true)
        .write(true)
        .open(name.path())
        .expect("make a file");
    file.set_len(image.len).expect("set its length");
    for (offset, bytes) in &image.parts {
        file.write_all_at(bytes, *offset).expect("write it");
    }
    name
}

/// `total_allocated` is what the structures that are there make it.
fn check_total(at: &Attachment, context: &str) {
    let segment = at.segment();
    let table = Table::of(segment).expect("a table");
    let found: Vec<_> = (0..table.max_entries())
        .filter_map(|index| table.get(index))
        .collect();
    let ends = found.iter().map(|(found, _)| found.offset + found.size);
    // The next structure of a user's own goes behind the last one in the low part, and what
    // lies in the high part counts with its payload.
    let low_end = segment.geometry().high_start();
    let low = ends.filter(|&end| end <= low_end).max();
    let low = low.map_or(0, |end| end - segment.geometry().table_size());
    let high: u64 = found
        .iter()
        .filter(|(found, _)| found.offset >= low_end)
        .map(|(found, _)| found.elem_size * found.num_elem)
        .sum();
    let total = table.total_allocated();
    assert!(
        low <= total && total < low + high + 64,
        "{context}: total_allocated is {total} with {low} and {high}"
    );
}

/// Whatever happened to the segment: what is there accounts for all of it.
fn check_accounts(at: &Attachment, context: &str) {
    check_space(at, context, |at| check_total(at, context));
}

/// Whatever happened to the segment: names, space and accounts agree, and all of
/// the payload can be had.
fn check_space(at: &Attachment, context: &str, more: impl FnOnce(&Attachment)) {
    let segment = at.segment();
    let table = Table::of(segment).expect("a table");
    // Taking the lock finishes what the dead left.
    assert!(matches!(
        Place::Segment(segment).erase(b"there is no such name"),
        Err(Error::NotFound { .. })
    ));
    let found: Vec<_> = (0..table.max_entries())
        .filter_map(|index| table.get(index))
        .collect();
    let mut extents: Vec<_> = found
        .iter()
        .map(|(found, _)| (found.offset, found.offset + found.size))
        .collect();
    extents.sort_unstable();
    assert!(
        extents.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "{context}: overlap {extents:?}"
    );
    let payload: u64 = found
        .iter()
        .map(|(found, _)| match found.kind {
            Kind::Raw => found.size,
            _ => found.elem_size * found.num_elem,
        })
        .sum();
    assert_eq!(
        segment.payload_used(),
        payload,
        "{context}: payload of {found:?}"
    );
    more(at);
    let rest = SIZE - payload;
    let array = obtain_array(at, "rest", Intent::Create, 1, rest)
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    // SAFETY: the array has `rest` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(array.data().as_ptr(), rest as usize) };
    assert!(
        bytes.iter().all(|&byte| byte == 0),
        "{context}: a new array is not zero"
    );
}

fn check_each(images: &[Image], least: usize, check: impl Fn(&Name, &str)) {
    assert!(
        images.len() >= least,
        "only {} points: nothing was watched",
        images.len()
    );
    for image in images {
        let context = format!("killed after {} instructions", image.at_step);
        let time_of_check = || {
            let name = restore(image);
            let start = Instant::now();
            check(&name, &context);
            start.elapsed()
        };
        // Nobody waits for the dead. Whoever had no processor for a second has another try.
        let times: Vec<_> = (0..3)
            .map(|_| time_of_check())
            .take_while(is_long)
            .collect();
        assert!(times.len() < 3, "{context}: {times:?}");
    }
}

fn is_long(time: &Duration) -> bool {
    *time >= Duration::from_secs(1)
}

/// A segment with something in it already, and images of what `work` does there
/// as its second attachment.
fn images_of_change(what: &str, work: impl FnOnce(Attachment)) -> Vec<Image> {
    pin_to_one_core();
    let name = Name::new(what);
    let first = open_or_create(&name, SIZE).expect("create");
    obtain_array(&first, "before", Intent::Create, 8, 100).expect("an array");
    obtain_atomic(&first, "count", Intent::Create, 7).expect("an atomic");
    let victim = Stepped::new(|| open(&name).expect("open"), work);
    images_of(&name, victim)
}

/// Two attachments: the second has the slot that the victim had.
fn newcomers(name: &Name, context: &str) -> [Attachment; 2] {
    [(); 2].map(|()| open(name).unwrap_or_else(|error| panic!("{context}: {error}")))
}

fn check_what_was_there(at: &Attachment, context: &str) {
    let before = obtain_array(at, "before", Intent::Open, 8, 100);
    assert!(before.is_ok(), "{context}: {:?}", before.err());
    let count = obtain_atomic(at, "count", Intent::Open, 0).expect("the atomic");
    assert_eq!(count.load().expect("its value"), 7, "{context}");
}

#[test]
fn a_creator_killed_anywhere_is_replaced_at_once() {
    pin_to_one_core();
    let name = Name::new("creation");
    let victim = Stepped::new(|| (), |()| drop(open_or_create(&name, SIZE)));
    let images = images_of(&name, victim);
    check_each(&images, 15, |name, context| {
        // To open is to find it finished or not at all, never to hang or to see it half done.
        match open(name) {
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => panic!("{context}: {error}"),
        }
        let at = open_or_create(name, SIZE).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(at.segment().ref_count().expect("count"), 1, "{context}");
        check_accounts(&at, context);
    });
}

#[test]
fn an_attacher_killed_anywhere_leaves_its_slot_free() {
    pin_to_one_core();
    let name = Name::new("attach");
    let _first = open_or_create(&name, SIZE).expect("create");
    let victim = Stepped::new(|| (), |()| drop(open(&name)));
    let images = images_of(&name, victim);
    check_each(&images, 3, |name, context| {
        let all: Vec<_> = (0..256)
            .map(|_| open(name).unwrap_or_else(|error| panic!("{context}: {error}")))
            .collect();
        assert_eq!(
            all[0].segment().ref_count().expect("count"),
            256,
            "{context}"
        );
        assert!(matches!(open(name), Err(Error::Attachments { .. })));
        check_accounts(&all[0], context);
    });
}

#[test]
fn a_structures_creator_killed_anywhere_is_undone_or_finished() {
    let images = images_of_change("create", |at| {
        obtain_queue(&at, "new", Intent::Create, 8, 16).expect("a queue");
    });
    check_each(&images, 20, |name, context| {
        let [_, at] = newcomers(name, context);
        check_what_was_there(&at, context);
        let queue = obtain_queue(&at, "new", Intent::OpenOrCreate, 8, 16)
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        for value in 0..16 {
            assert!(enqueue(queue, value), "{context}: full at {value}");
        }
        assert!(!enqueue(queue, 16), "{context}: more than the capacity");
        assert!(
            (0..16).all(|value| dequeue(queue) == Some(value)),
            "{context}: order"
        );
        check_accounts(&at, context);
    });
}

#[test]
fn an_array_that_takes_used_memory_is_zero_wherever_its_creator_died() {
    // The victim creates where a dead creator left bytes behind.
    let images = images_of_change("reuse", |at| {
        let array = obtain_array(&at, "dirty", Intent::Create, 8, 64).expect("an array");
        words(array)
            .iter()
            .for_each(|word| word.store(u64::MAX, Relaxed));
        Place::Segment(at.segment()).clear().expect("clear");
        obtain_array(&at, "clean", Intent::Create, 8, 64).expect("an array");
    });
    check_each(&images, 20, |name, context| {
        let [_, at] = newcomers(name, context);
        match obtain_array(&at, "clean", Intent::Open, 8, 64) {
            Ok(array) => {
                let zero = words(array).iter().all(|word| word.load(Relaxed) == 0);
                assert!(zero, "{context}: an uninitialised byte");
            }
            Err(Error::NotFound { .. }) => {}
            Err(error) => panic!("{context}: {error}"),
        }
        check_accounts(&at, context);
    });
}

#[test]
fn a_raw_entry_and_an_erasure_are_whole_wherever_their_author_died() {
    let images = images_of_change("raw", |at| {
        let place = Place::Segment(at.segment());
        let table = Table::of(at.segment()).expect("a table");
        let fields = Fields {
            offset: at.segment().geometry().table_size() + table.total_allocated(),
            size: 512,
            elem_size: 8,
            num_elem: 64,
        };
        place.add(b"raw", fields).expect("add");
    });
    check_each(&images, 5, |name, context| {
        let [_, at] = newcomers(name, context);
        check_what_was_there(&at, context);
        match obtain_array(&at, "raw", Intent::Open, 8, 64) {
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => panic!("{context}: {error}"),
        }
        check_accounts(&at, context);
    });
}

#[test]
fn clearing_is_all_or_nothing_wherever_its_author_died() {
    let images = images_of_change("clear", |at| {
        Place::Segment(at.segment()).clear().expect("clear");
    });
    check_each(&images, 4, |name, context| {
        let [_, at] = newcomers(name, context);
        check_accounts(&at, context);
    });
}

#[test]
fn a_destruction_killed_anywhere_is_whole_and_the_space_comes_back() {
    // Between two others, so that gaps on both sides become one; and a queue, in the other part.
    pin_to_one_core();
    let name = Name::new("destroy");
    let first = open_or_create(&name, SIZE).expect("create");
    obtain_array(&first, "before", Intent::Create, 8, 100).expect("an array");
    let victim = Stepped::new(
        || {
            let at = open(&name).expect("open");
            for name in ["left", "middle", "right"] {
                obtain_array(&at, name, Intent::Create, 8, 20).expect("an array");
            }
            obtain_queue(&at, "queue", Intent::Create, 8, 4).expect("a queue");
            at
        },
        |at| {
            for name in ["left", "right", "middle", "queue", "before"] {
                at.destroy(name.as_bytes()).expect("destroy");
            }
        },
    );
    let images = images_of(&name, victim);
    check_each(&images, 40, |name, context| {
        let [_, at] = newcomers(name, context);
        for name in ["before", "left", "middle", "right"] {
            match obtain_array(&at, name, Intent::Open, 8, 0) {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => panic!("{context}: {error}"),
            }
        }
        check_space(&at, context, |_| {});
        for name in ["before", "left", "middle", "right", "queue", "rest"] {
            let _ = at.destroy(name.as_bytes());
        }
        let (accounts, geometry) = (&at.segment().header().accounts, at.segment().geometry());
        let tops = [&accounts.low_top, &accounts.high_top].map(|top| top.load(Relaxed));
        assert_eq!(
            tops,
            [geometry.table_size(), geometry.high_start()],
            "{context}: space is lost"
        );
        let table = Table::of(at.segment()).expect("a table");
        assert_eq!(table.total_allocated(), 0, "{context}");
    });
}

/// A segment of three entries: a gap that a creator gave up, and two arrays of ones.
fn segment_with_a_gap(name: &Name) -> Attachment {
    let options = Options {
        max_entries: Some(3),
        ..sized(2 * SIZE)
    };
    let at = Attachment::new(&name.0, Intent::Create, &options).expect("create");
    let key = Table::of(at.segment()).expect("a table").key(b"given up");
    let reservation = claim(at.segment(), &request(&key, 5000)).expect("claim");
    for name in ["ones", "more ones"] {
        let array = obtain_array(&at, name, Intent::Create, 8, 625).expect("an array");
        words(array).iter().for_each(|word| word.store(1, Relaxed));
    }
    drop(reservation);
    at
}

fn request(key: &Key, size: u64) -> Request<'_> {
    Request {
        key,
        kind: Kind::Array,
        elem_size: 8,
        num_elem: size / 8,
        size,
        align: 8,
    }
}

/// Whoever takes the gap, what lies beside it stays as it is.
fn check_gap(name: &Name, context: &str) {
    let at = open(name).unwrap_or_else(|error| panic!("{context}: {error}"));
    let place = Place::Segment(at.segment());
    for name in ["raw", "new"] {
        let _ = place.erase(name.as_bytes());
    }
    let first = obtain_array(&at, "probe", Intent::Create, 8, 600);
    let first = first.unwrap_or_else(|error| panic!("{context}: {error}"));
    words(first).iter().for_each(|word| word.store(2, Relaxed));
    for name in ["ones", "more ones"] {
        let array = obtain_array(&at, name, Intent::Open, 8, 625).expect("an array");
        let intact = words(array).iter().all(|word| word.load(Relaxed) == 1);
        assert!(intact, "{context}: two structures share memory");
    }
}

#[test]
fn a_gap_stays_what_it_is_wherever_its_next_user_died() {
    pin_to_one_core();
    let name = Name::new("gap");
    drop(segment_with_a_gap(&name));
    // The gap's entry is put to another use: with an extent of the user's own choice.
    let victim = Stepped::new(
        || open(&name).expect("open"),
        |at| {
            let table = Table::of(at.segment()).expect("a table");
            let ones = table.find(&table.key(b"ones")).expect("the array");
            let fields = Fields {
                offset: ones.offset,
                size: ones.size,
                elem_size: 8,
                num_elem: 625,
            };
            Place::Segment(at.segment())
                .add(b"raw", fields)
                .expect("add");
        },
    );
    check_each(&images_of(&name, victim), 5, check_gap);
}

#[test]
fn a_structure_in_a_gap_is_whole_wherever_its_creator_died() {
    pin_to_one_core();
    let name = Name::new("gap");
    drop(segment_with_a_gap(&name));
    let victim = Stepped::new(
        || open(&name).expect("open"),
        |at| {
            let params = shmds::structures::array::Params {
                elem_size: 8,
                elem_align: 512,
                count: 400,
            };
            let array: &Array = at
                .obtain(b"new", Intent::Create, &params)
                .expect("an array");
            words(array).iter().for_each(|word| word.store(3, Relaxed));
        },
    );
    check_each(&images_of(&name, victim), 20, check_gap);
}

#[test]
fn what_was_published_stays_although_its_owner_died_while_others_looked() {
    // Somebody holds the table lock and has seen the entry being initialised; then its
    // owner publishes and dies. At whichever instruction, the name stays.
    pin_to_one_core();
    let name = Name::new("published");
    let first = open_or_create(&name, SIZE).expect("create");
    let victim = || {
        let erase = |at: Attachment| drop(Place::Segment(at.segment()).erase(b"no such name"));
        Stepped::new(|| open(&name).expect("open"), erase)
    };
    let table_lock = &first.segment().header().table_lock;
    // Before and after each system call while it holds the lock: those ask who lives.
    let mut steps = Vec::new();
    for round in 0_u64.. {
        let (ready, go) = (Gate::new(), Gate::new());
        let entry = format!("entry {round}");
        let owner = fork(|| {
            let at = open(&name).expect("open");
            let key = Table::of(at.segment())
                .expect("a table")
                .key(entry.as_bytes());
            let Ok(Claim::New(reservation)) = claim(at.segment(), &request(&key, 64)) else {
                panic!("no reservation");
            };
            ready.open();
            go.pass();
            reservation.publish(&key).expect("publish");
        });
        ready.pass();
        let mut looker = victim();
        if steps.is_empty() {
            loop {
                if table_lock.load(Relaxed) != 0 && looker.is_at_system_call() {
                    steps.extend([looker.steps, looker.steps + 1]);
                }
                if !looker.step() {
                    break;
                }
            }
            go.open();
            owner.join();
        } else {
            looker.step_to(steps[round as usize - 1]);
            go.open();
            owner.join();
            looker.resume().join();
            let found = obtain_array(&first, &entry, Intent::Open, 8, 8);
            assert!(
                found.is_ok(),
                "after {} instructions: {:?}",
                steps[round as usize - 1],
                found.err()
            );
        }
        Place::Segment(first.segment()).clear().expect("clear");
        if round as usize == steps.len() {
            break;
        }
    }
    assert!(steps.len() >= 2, "nothing was watched");
}

/// A queue with three of its four places taken, and a victim at it.
fn images_of_queue(what: &str, work: impl FnOnce(&shmds::structures::queue::Queue)) -> Vec<Image> {
    pin_to_one_core();
    let name = Name::new(what);
    let first = open_or_create(&name, SIZE).expect("create");
    let queue = obtain_queue(&first, "q", Intent::Create, 8, 4).expect("a queue");
    (1..=3).for_each(|value| assert!(enqueue(queue, value)));
    let victim = Stepped::new(
        || {
            let at = Box::leak(Box::new(open(&name).expect("open")));
            obtain_queue(at, "q", Intent::Open, 8, 0).expect("the queue")
        },
        work,
    );
    images_of(&name, victim)
}

/// All slots are there, once each: many laps by every lane that could have been hurt.
fn check_queue(name: &Name, context: &str, expected: &[&[u64]]) {
    let attached: Vec<_> = (0..3)
        .map(|_| open(name).unwrap_or_else(|error| panic!("{context}: {error}")))
        .collect();
    let queues: Vec<_> = attached
        .iter()
        .map(|at| {
            obtain_queue(at, "q", Intent::Open, 8, 4)
                .unwrap_or_else(|error| panic!("{context}: {error}"))
        })
        .collect();
    let mut found = Vec::new();
    while let Some(value) = dequeue(queues[1]) {
        found.push(value);
    }
    assert!(expected.contains(&&found[..]), "{context}: found {found:?}");
    for lap in 0..100_u64 {
        let (producer, consumer) = (queues[lap as usize % 3], queues[(lap / 3) as usize % 3]);
        for value in 0..4 {
            assert!(
                enqueue(producer, lap * 4 + value),
                "{context}: full at {value}"
            );
        }
        assert!(!enqueue(producer, 0), "{context}: a place too many");
        for value in 0..4 {
            assert_eq!(dequeue(consumer), Some(lap * 4 + value), "{context}");
        }
        assert_eq!(dequeue(consumer), None, "{context}: an element too many");
    }
}

#[test]
fn a_producer_killed_anywhere_loses_at_most_its_own_element() {
    let images = images_of_queue("producer", |queue| assert!(enqueue(queue, 9)));
    check_each(&images, 4, |name, context| {
        check_queue(name, context, &[&[1, 2, 3], &[1, 2, 3, 9]]);
    });
}

#[test]
fn a_consumer_killed_anywhere_loses_at_most_what_it_had_taken() {
    let images = images_of_queue("consumer", |queue| assert_eq!(dequeue(queue), Some(1)));
    check_each(&images, 4, |name, context| {
        check_queue(name, context, &[&[1, 2, 3], &[2, 3]]);
    });
}

#[test]
fn a_producer_that_fills_the_last_place_and_meets_a_full_queue_may_die_anywhere() {
    let images = images_of_queue("full", |queue| {
        assert!(enqueue(queue, 9));
        assert!(!enqueue(queue, 10));
        assert_eq!(dequeue(queue), Some(1));
        assert!(enqueue(queue, 11));
    });
    check_each(&images, 12, |name, context| {
        let expected: [&[u64]; 4] = [&[1, 2, 3], &[1, 2, 3, 9], &[2, 3, 9], &[2, 3, 9, 11]];
        check_queue(name, context, &expected);
    });
}

#[test]
fn a_slot_whose_holder_was_killed_is_taken_over_while_others_live() {
    // Real kills at some of the points, with a survivor attached all the while.
    pin_to_one_core();
    for steps in [1, 40, 90, 150, 220, 300, 400] {
        let name = Name::new("survivor");
        let survivor = open_or_create(&name, SIZE).expect("create");
        let queue = obtain_queue(&survivor, "q", Intent::Create, 8, 4).expect("a queue");
        (1..=3).for_each(|value| assert!(enqueue(queue, value)));
        let mut victim = Stepped::new(
            || {
                let at = Box::leak(Box::new(open(&name).expect("open")));
                obtain_queue(at, "q", Intent::Open, 8, 0).expect("the queue")
            },
            |queue| {
                assert!(enqueue(queue, 9));
                dequeue(queue);
            },
        );
        victim.step_to(steps);
        // Stopped, it delays nobody.
        let start = Instant::now();
        assert_eq!(dequeue(queue), Some(1));
        assert!(enqueue(queue, 5));
        assert!(
            start.elapsed() < Duration::from_millis(50),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(survivor.segment().ref_count().expect("count"), 2);
        victim.kill();
        let exact = || survivor.segment().ref_count().expect("count") == 1;
        assert!(
            support::eventually(Duration::from_millis(100), exact),
            "killed after {steps}"
        );
        let newcomer = open(&name).expect("the dead process's slot");
        let other = obtain_queue(&newcomer, "q", Intent::Open, 8, 4).expect("the queue");
        while dequeue(other).is_some() {}
        for lap in 0..50 {
            (0..4).for_each(|value| assert!(enqueue([queue, other][lap % 2], value)));
            assert!(!enqueue(other, 9));
            (0..4).for_each(|value| assert_eq!(dequeue([other, queue][lap % 2]), Some(value)));
        }
    }
}
