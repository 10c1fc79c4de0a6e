//! What a segment promises: names, options, sizes, and errors that change nothing.

mod support;

use shmds::error::Error;
use shmds::segment::{Intent, Options};
use shmds::structures::Attachment;
use shmds::table::{Fields, Place, Table};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};
use support::step::{Stepped, pin_to_one_core};
use support::{
    Child, Name, enqueue, error_of, fork, obtain_array, obtain_atomic, obtain_queue, open,
    open_or_create, sized,
};

fn create(name: &Name, options: &Options) -> shmds::error::Result<Attachment> {
    Attachment::new(&name.0, Intent::Create, options)
}

fn edit(name: &Name, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new()
        .write(true)
        .open(name.path())
        .expect("open the file");
    file.write_all_at(bytes, offset).expect("write to it");
}

#[test]
fn the_size_is_the_payload_exactly_for_every_attacher() {
    let name = Name::new("size");
    let first = open_or_create(&name, 12_345).expect("create");
    assert_eq!(first.segment().geometry().size, 12_345);
    assert_eq!(
        open_or_create(&name, 1)
            .expect("a larger one will do")
            .segment()
            .geometry()
            .size,
        12_345
    );
    let error = error_of(open_or_create(&name, 12_346));
    let expected = Error::Size {
        name: name.0.clone(),
        expected: 12_346,
        found: 12_345,
    };
    assert_eq!(error, expected);
}

#[test]
fn what_fits_by_payload_fits_to_the_last_byte() {
    // 80,000 bytes do not go into 1,024; 1,024 do, however they are cut up.
    let name = Name::new("fits");
    let at = open_or_create(&name, 1024).expect("create");
    let too_much = error_of(obtain_array(&at, "large", Intent::Create, 8, 10_000));
    assert!(
        matches!(
            too_much,
            Error::SegmentFull {
                needed: 80_000,
                available: 1024,
                ..
            }
        ),
        "{too_much}"
    );
    let queue =
        obtain_queue(&at, "bytes", Intent::Create, 1, 961).expect("a queue of single bytes");
    for number in 0..63 {
        obtain_array(&at, &format!("tiny {number}"), Intent::Create, 1, 1).expect("a tiny array");
    }
    assert_eq!(at.segment().payload_used(), 1024);
    // SAFETY: elements of one byte.
    (0..961).for_each(|_| assert!(unsafe { queue.enqueue([7_u8].as_ptr()) }.expect("enqueue")));
    let full = error_of(obtain_array(&at, "more", Intent::Create, 1, 1));
    assert!(
        matches!(full, Error::SegmentFull { available: 0, .. }),
        "{full}"
    );
}

#[test]
fn queues_of_single_bytes_fill_segments_of_any_size() {
    for size in [1, 63, 64, 65, 4096, 1 << 16, (1 << 20) + 1] {
        let name = Name::new("bytes");
        let at = open_or_create(&name, size).expect("create");
        let queue =
            obtain_queue(&at, "q", Intent::Create, 1, size).expect("a queue that takes all");
        // SAFETY: elements of one byte.
        (0..size)
            .for_each(|_| assert!(unsafe { queue.enqueue([1_u8].as_ptr()) }.expect("enqueue")));
        assert_eq!(queue.is_full(), Ok(true));
    }
}

#[test]
fn as_many_queues_as_there_are_entries_fit() {
    let name = Name::new("many");
    let options = Options {
        max_entries: Some(256),
        max_name_size: Some(64),
        ..sized(256 * 8)
    };
    let at = create(&name, &options).expect("create");
    for number in 0..256 {
        let queue =
            obtain_queue(&at, &format!("q{number}"), Intent::Create, 8, 1).expect("a queue");
        assert!(enqueue(queue, number));
    }
    let full = error_of(obtain_queue(&at, "one more", Intent::Create, 8, 1));
    assert!(
        matches!(full, Error::SegmentFull { .. } | Error::TableFull { .. }),
        "{full}"
    );
}

#[test]
fn the_table_takes_as_many_entries_as_it_has() {
    let name = Name::new("entries");
    let options = Options {
        max_entries: Some(3),
        ..sized(1000)
    };
    let at = create(&name, &options).expect("create");
    for number in 0..3 {
        obtain_atomic(&at, &format!("a{number}"), Intent::Create, 0).expect("an atomic");
    }
    let full = error_of(obtain_atomic(&at, "a3", Intent::Create, 0));
    assert_eq!(
        full,
        Error::TableFull {
            name: "a3".to_owned(),
            entries: 3
        }
    );
    Place::Segment(at.segment()).erase(b"a1").expect("erase");
    obtain_atomic(&at, "a3", Intent::Create, 5).expect("the entry is free again");
}

#[test]
fn modes_are_what_was_asked_whatever_the_umask() {
    for (asked, expected) in [(None, 0o600), (Some(0o640), 0o640), (Some(0o666), 0o666)] {
        let name = Name::new("mode");
        let mut options = sized(64);
        options.mode = asked.unwrap_or(options.mode);
        create(&name, &options).expect("create");
        let mode = fs::metadata(name.path())
            .expect("the file")
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, expected);
    }
}

#[test]
fn something_else_of_that_name_is_refused_and_left_alone() {
    let texts: [&[u8]; 4] = [
        b"x",
        b"not a segment at all, but quite long",
        &[0; 8],
        &[0; 100_000],
    ];
    for text in texts {
        let name = Name::new("foreign");
        fs::write(name.path(), text).expect("a file");
        for result in [
            open(&name),
            open_or_create(&name, 64),
            create(&name, &sized(64)),
        ] {
            assert!(matches!(error_of(result), Error::Foreign { .. }));
        }
        assert_eq!(fs::read(name.path()).expect("the file"), text);
    }
}

#[test]
fn an_empty_file_is_taken_over_by_a_creator_and_absent_for_an_opener() {
    let name = Name::new("empty");
    File::create_new(name.path()).expect("a file");
    assert!(matches!(error_of(open(&name)), Error::NotFound { .. }));
    open_or_create(&name, 64).expect("create");
}

#[test]
fn a_truncated_segment_is_refused_with_both_sizes() {
    let name = Name::new("short");
    let size = open_or_create(&name, 64)
        .expect("create")
        .segment()
        .geometry()
        .file_size;
    let file = OpenOptions::new()
        .write(true)
        .open(name.path())
        .expect("open");
    file.set_len(size - 1).expect("cut");
    let error = error_of(open_or_create(&name, 64));
    assert!(
        matches!(error, Error::Truncated { expected, found, .. } if expected == size && found == size - 1),
        "{error}"
    );
}

#[test]
fn another_layout_is_refused_and_both_are_named() {
    for (offset, value) in [(16, 2_u64), (24, 0xdead)] {
        let name = Name::new("version");
        drop(open_or_create(&name, 64).expect("create"));
        edit(&name, offset, &value.to_le_bytes());
        let error = error_of(open(&name));
        assert!(matches!(error, Error::Version { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("version 1") && text.contains(&format!("{value:x}")),
            "{text}"
        );
    }
}

#[test]
fn geometry_that_makes_no_sense_is_corrupt_whatever_it_says() {
    // Each constant of the header, with each of these values.
    for offset in (32..104).step_by(8) {
        for value in [0, 1, 7, 1 << 20, 1 << 46, u64::MAX / 2, u64::MAX] {
            let name = Name::new("geometry");
            drop(open_or_create(&name, 64).expect("create"));
            edit(&name, offset, &value.to_le_bytes());
            match open(&name) {
                Err(Error::Corrupt { .. } | Error::Truncated { .. } | Error::TooLarge { .. }) => {}
                Ok(at) => {
                    // A value that hurts nobody: it must still be usable.
                    let _ = at.segment().ref_count();
                    let _ = obtain_array(&at, "a", Intent::Create, 1, 1);
                }
                Err(error) => panic!("word at {offset} = {value:#x}: {error}"),
            }
        }
    }
}

#[test]
fn a_table_of_another_geometry_is_refused_and_both_are_named() {
    let name = Name::new("table");
    drop(open_or_create(&name, 64).expect("create"));
    let options = Options {
        max_name_size: Some(64),
        max_entries: Some(256),
        ..sized(64)
    };
    let error = error_of(Attachment::new(&name.0, Intent::OpenOrCreate, &options));
    assert!(
        matches!(
            error,
            Error::Geometry {
                expected: (64, 256),
                found: (32, 64),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn waiting_for_a_stopped_creator_ends_with_a_timeout() {
    pin_to_one_core();
    let name = Name::new("stopped");
    let mut victim = Stepped::new(|| (), |()| drop(open_or_create(&name, 64)));
    // Up to where the birth mark is written: from there on the init lease is held.
    while fs::metadata(name.path()).map_or(0, |file| file.len()) == 0 {
        assert!(victim.step());
    }
    let options = Options {
        open_timeout: Duration::from_millis(50),
        ..sized(64)
    };
    for intent in [Intent::Create, Intent::Open, Intent::OpenOrCreate] {
        let start = Instant::now();
        let error = error_of(Attachment::new(&name.0, intent, &options));
        assert!(
            matches!(
                error,
                Error::Timeout {
                    milliseconds: 50,
                    ..
                }
            ),
            "{error}"
        );
        assert!(start.elapsed() < Duration::from_millis(500));
    }
    // Dead, it is replaced at once.
    victim.kill();
    let start = Instant::now();
    open_or_create(&name, 64).expect("create");
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn waiting_for_a_stopped_initialiser_of_a_name_ends_with_a_timeout() {
    pin_to_one_core();
    let name = Name::new("init");
    let options = Options {
        open_timeout: Duration::from_millis(50),
        ..sized(1 << 16)
    };
    let at = create(&name, &options).expect("create");
    let mut victim = Stepped::new(
        || open(&name).expect("open"),
        |at| drop(obtain_array(&at, "slow", Intent::Create, 1, 100)),
    );
    // Until the reservation is made and the table is free again: it initialises now.
    let table_lock = &at.segment().header().table_lock;
    while at.segment().payload_used() == 0 || table_lock.load(Acquire) != 0 {
        assert!(victim.step());
    }
    let error = error_of(obtain_array(&at, "slow", Intent::OpenOrCreate, 1, 100));
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    // Other names are found all the same.
    let start = Instant::now();
    assert!(matches!(
        error_of(obtain_array(&at, "none", Intent::Open, 1, 1)),
        Error::NotFound { .. }
    ));
    assert!(start.elapsed() < Duration::from_millis(20));
    victim.kill();
    obtain_array(&at, "slow", Intent::OpenOrCreate, 1, 100).expect("the dead one's name");
    assert_eq!(at.segment().payload_used(), 100);
}

/// Runs `work` in a child whose /dev/shm is a private file system of `bytes`.
fn in_small_memory(bytes: u64, work: impl FnOnce()) {
    let child = fork(|| {
        // SAFETY: affects this process alone.
        let alone = unsafe {
            libc::unshare(libc::CLONE_NEWNS) == 0
                || libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) == 0
        };
        assert!(alone, "unshare: {}", std::io::Error::last_os_error());
        let options = format!("size={bytes}\0");
        // SAFETY: C strings; the mounts are this process's own.
        unsafe {
            let none = std::ptr::null();
            let private = libc::MS_REC | libc::MS_PRIVATE;
            assert_eq!(
                libc::mount(none, c"/".as_ptr(), none, private, none.cast()),
                0
            );
            let kind = c"tmpfs".as_ptr();
            let result = libc::mount(kind, c"/dev/shm".as_ptr(), kind, 0, options.as_ptr().cast());
            assert_eq!(result, 0, "mount: {}", std::io::Error::last_os_error());
        }
        work();
        let left = fs::read_dir("/dev/shm").expect("list").count();
        assert_eq!(left, 0, "a name was left behind");
    });
    Child::join(child);
}

#[test]
fn a_full_file_system_is_an_error_at_the_moment_of_asking_and_leaves_nothing() {
    in_small_memory(1 << 20, || {
        // No room for the header: no segment, and no name.
        let ballast = "/dev/shm/ballast";
        fs::write(ballast, vec![1; (1 << 20) - 8192]).expect("ballast");
        let name = Name::new("full");
        let error = error_of(open_or_create(&name, 1 << 10));
        assert!(matches!(error, Error::NoSpace { .. }), "{error}");
        assert!(!name.path().exists());
        fs::remove_file(ballast).expect("remove");

        // Larger than memory: accepted, until something in it does not fit.
        let at = open_or_create(&name, 1 << 30).expect("create");
        let used = at.segment().payload_used();
        let error = error_of(obtain_array(&at, "large", Intent::Create, 1, 100 << 20));
        assert!(matches!(error, Error::NoSpace { .. }), "{error}");
        assert_eq!(at.segment().payload_used(), used);
        for _ in 0..100 {
            let error = error_of(obtain_array(&at, "medium", Intent::Create, 1, 2 << 20));
            assert!(matches!(error, Error::NoSpace { .. }), "{error}");
        }
        obtain_array(&at, "small", Intent::Create, 1, 500 << 10).expect("half of it is left");
        drop(at);
        drop(name);

        // All at once: what could not be used later is refused now, and left is nothing.
        let name = Name::new("commit");
        let commit = Options {
            commit: true,
            ..sized(2 << 20)
        };
        assert!(matches!(
            error_of(create(&name, &commit)),
            Error::NoSpace { .. }
        ));
        assert!(!name.path().exists());
        let commit = Options {
            commit: true,
            ..sized(700 << 10)
        };
        let at = create(&name, &commit).expect("create");
        // The whole payload is there, whoever else fills the file system.
        let _ = fs::write(ballast, vec![1; 1 << 20]);
        obtain_array(&at, "all", Intent::Create, 1, 700 << 10).expect("committed before");
        fs::remove_file(ballast).expect("remove");
    });
}

#[test]
fn a_read_only_attachment_reads_and_changes_nothing() {
    let name = Name::new("reader");
    let writer = open_or_create(&name, 1 << 12).expect("create");
    let array = obtain_array(&writer, "numbers", Intent::Create, 8, 4).expect("an array");
    support::words(array)[2].store(42, std::sync::atomic::Ordering::Relaxed);
    obtain_queue(&writer, "q", Intent::Create, 8, 4).expect("a queue");
    obtain_atomic(&writer, "a", Intent::Create, 9).expect("an atomic");
    let options = Options {
        read_only: true,
        ..Options::default()
    };
    let reader = Attachment::new(&name.0, Intent::Open, &options).expect("attach");
    assert_eq!(writer.segment().ref_count(), Ok(1));
    assert_eq!(writer.segment().has_readers(), Ok(true));
    let array = obtain_array(&reader, "numbers", Intent::Open, 8, 4).expect("the array");
    assert_eq!(
        support::words(array)[2].load(std::sync::atomic::Ordering::Relaxed),
        42
    );
    let atomic = obtain_atomic(&reader, "a", Intent::OpenOrCreate, 0).expect("the atomic");
    assert_eq!(atomic.load(), Ok(9));
    assert!(matches!(error_of(atomic.store(1)), Error::ReadOnly { .. }));
    let queue = obtain_queue(&reader, "q", Intent::Open, 8, 4).expect("the queue");
    assert_eq!(queue.len(), Ok(0));
    let place = Place::Segment(reader.segment());
    assert!(matches!(
        error_of(place.erase(b"a")),
        Error::ReadOnly { .. }
    ));
    assert!(matches!(
        error_of(place.add(b"r", Fields::default())),
        Error::ReadOnly { .. }
    ));
    assert!(matches!(
        error_of(obtain_atomic(&reader, "new", Intent::Create, 0)),
        Error::ReadOnly { .. }
    ));
    drop(reader);
    assert_eq!(writer.segment().has_readers(), Ok(false));
}

#[test]
fn attaching_and_failing_to_leaks_neither_descriptors_nor_mappings() {
    let count = || {
        let descriptors = fs::read_dir("/proc/self/fd").expect("list").count();
        let maps = fs::read_to_string("/proc/self/maps").expect("maps");
        (
            descriptors,
            maps.lines()
                .filter(|line| line.contains("shmds-test-leak"))
                .count(),
        )
    };
    let child = fork(|| {
        let name = Name::new("leak");
        let keeper = open_or_create(&name, 1 << 12).expect("create");
        let options = Options {
            max_entries: Some(7),
            ..sized(64)
        };
        let before = count();
        for _ in 0..100 {
            drop(open(&name).expect("open"));
            assert!(
                error_of(open_or_create(&name, 1 << 13))
                    .to_string()
                    .contains(&name.0)
            );
            assert!(Attachment::new(&name.0, Intent::OpenOrCreate, &options).is_err());
            assert!(create(&name, &sized(1)).is_err());
            assert!(open(&Name::new("absent")).is_err());
        }
        assert_eq!(count(), before);
        assert_eq!(keeper.segment().ref_count(), Ok(1));
    });
    child.join();
}

#[test]
fn a_program_that_closes_descriptors_it_does_not_know_stays_attached_and_hurts_nobody() {
    let name = Name::new("closed");
    let child = fork(|| {
        let at = open_or_create(&name, 1 << 12).expect("create");
        let array = obtain_array(&at, "a", Intent::Create, 1, 100).expect("an array");
        // SAFETY: what a daemon does; the test's own descriptors are not used any more.
        unsafe { libc::close_range(3, u32::MAX, 0) };
        let mine =
            File::create("/dev/shm/".to_owned() + &name.0 + "-other").expect("a file of its own");
        let error = error_of(obtain_array(&at, "b", Intent::Create, 1, 100));
        assert!(matches!(error, Error::System { .. }), "{error}");
        // What is open goes on, and closing closes nothing of the program's.
        assert_eq!(array.count(), 100);
        let other = open(&name).expect("another attachment");
        assert_eq!(
            other.segment().ref_count(),
            Ok(2),
            "the lease does not hang on a descriptor"
        );
        drop(at);
        mine.set_len(1).expect("still open");
        fs::remove_file("/dev/shm/".to_owned() + &name.0 + "-other").expect("remove");
    });
    child.join();
}

#[test]
fn an_unlinked_segment_goes_on_for_those_attached_also_across_a_fork() {
    let name = Name::new("unlinked");
    let at = open_or_create(&name, 1 << 12).expect("create");
    let queue = obtain_queue(&at, "q", Intent::Create, 8, 8).expect("a queue");
    shmds::segment::unlink(&name.0).expect("unlink");
    assert!(matches!(error_of(open(&name)), Error::NotFound { .. }));
    let child = fork(|| {
        assert!(enqueue(queue, 5));
        obtain_atomic(&at, "late", Intent::Create, 3).expect("a structure in an unlinked segment");
        assert_eq!(at.segment().ref_count(), Ok(2));
    });
    child.join();
    assert_eq!(support::dequeue(queue), Some(5));
    assert_eq!(
        obtain_atomic(&at, "late", Intent::Open, 0)
            .expect("it")
            .load(),
        Ok(3)
    );
    let again = open_or_create(&name, 64).expect("a new one of the same name");
    assert_eq!(again.segment().ref_count(), Ok(1));
}

#[test]
fn raw_entries_open_as_arrays_and_no_entry_reaches_outside() {
    let name = Name::new("raw");
    let at = open_or_create(&name, 1 << 12).expect("create");
    let place = Place::Segment(at.segment());
    let table = Table::of(at.segment()).expect("the table");
    let start = at.segment().geometry().table_size() + table.total_allocated();
    let fields = Fields {
        offset: start,
        size: 80,
        elem_size: 8,
        num_elem: 10,
    };
    place.add(b"raw", fields).expect("add");
    assert_eq!(
        table.total_allocated(),
        start + 80 - at.segment().geometry().table_size()
    );
    assert_eq!(
        obtain_array(&at, "raw", Intent::Open, 8, 10)
            .expect("an array")
            .count(),
        10
    );
    assert!(matches!(
        error_of(obtain_array(&at, "raw", Intent::Open, 4, 0)),
        Error::Mismatch { .. }
    ));
    assert!(matches!(
        error_of(obtain_queue(&at, "raw", Intent::Open, 8, 10)),
        Error::Kind { .. }
    ));
    // Ours do not run into it.
    let array = obtain_array(&at, "ours", Intent::Create, 8, 10).expect("an array");
    let ours = array.data().as_ptr() as u64 - shmds_base(&at);
    assert!(ours >= start + 80);
    // Numbers from somewhere else do not become addresses.
    let wild = [
        (u64::MAX, 8),
        (0, u64::MAX),
        (1 << 40, 8),
        (start, 1 << 40),
        (8, u64::MAX - 4),
    ];
    for (number, (offset, size)) in wild.into_iter().enumerate() {
        let fields = Fields {
            offset,
            size,
            elem_size: 8,
            num_elem: size / 8,
        };
        let text = format!("wild {number}");
        place.add(text.as_bytes(), fields).expect("add");
        let error = error_of(obtain_array(&at, &text, Intent::Open, 8, 0));
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }
    obtain_array(&at, "after", Intent::Create, 8, 10).expect("there is room all the same");
}

fn shmds_base(at: &Attachment) -> u64 {
    // SAFETY: the attachment is open; the opaque type stands for it.
    let base = unsafe { shmds::ffi::shmds_segment_base(std::ptr::from_ref(at).cast()) };
    base as u64
}

#[test]
fn an_entry_that_user_code_deactivates_is_free_and_wedges_nobody() {
    let name = Name::new("inactive");
    let options = Options {
        open_timeout: Duration::from_millis(200),
        ..sized(1 << 12)
    };
    let at = create(&name, &options).expect("create");
    obtain_array(&at, "a", Intent::Create, 8, 4).expect("an array");
    let geometry = *at.segment().geometry();
    // The first entry's active byte: behind the name and four numbers.
    let active = geometry.table_offset + geometry.max_name_size + 32;
    edit(&name, active, &[0]);
    assert!(matches!(
        error_of(obtain_array(&at, "a", Intent::Open, 8, 4)),
        Error::NotFound { .. }
    ));
    obtain_array(&at, "a", Intent::OpenOrCreate, 8, 4).expect("created anew");
}
