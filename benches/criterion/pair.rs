//! A push and a pop by one thread, the library's Rust functions beside crossbeam-queue and rtrb.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use crossbeam_queue::ArrayQueue;
use shmds::segment::{self, Intent, Options};
use shmds::structures::Attachment;
use shmds::structures::queue::{self, Queue};
use shmds::structures::spsc::{self, SpscQueue};
use shmds_bench::element::{CAPACITY, Element, broken};
use shmds_bench::pair::{Port, Rtrb, bare_cas, pairs};
use std::time::{Duration, Instant};

struct Shared<'a, S>(&'a S);

impl<const WORDS: usize> Port<WORDS> for Shared<'_, Queue> {
    fn push(&mut self, element: Element<WORDS>) -> bool {
        // SAFETY: an element of the queue's size.
        unsafe { self.0.enqueue((&raw const element).cast()) }.unwrap_or(false)
    }

    fn pop(&mut self) -> Option<Element<WORDS>> {
        let mut element = Element::default();
        // SAFETY: as above.
        let got = unsafe { self.0.dequeue((&raw mut element).cast()) };
        got.unwrap_or(false).then_some(element)
    }
}

impl<const WORDS: usize> Port<WORDS> for Shared<'_, SpscQueue> {
    fn push(&mut self, element: Element<WORDS>) -> bool {
        // SAFETY: an element of the queue's size.
        unsafe { self.0.push((&raw const element).cast()) }.unwrap_or(false)
    }

    fn pop(&mut self) -> Option<Element<WORDS>> {
        let mut element = Element::default();
        // SAFETY: as above.
        let got = unsafe { self.0.pop((&raw mut element).cast()) };
        got.unwrap_or(false).then_some(element)
    }
}

/// A segment that is gone when the benchmark is.
struct Segment(String);

impl Segment {
    fn create() -> (Self, Attachment) {
        let this = Self(format!("shmds-bench-criterion-{}", std::process::id()));
        let options = Options {
            size: 1 << 20,
            ..Options::default()
        };
        match Attachment::new(&this.0, Intent::Create, &options) {
            Ok(at) => (this, at),
            Err(error) => broken(&error.to_string()),
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let _ = segment::unlink(&self.0);
    }
}

fn timed(count: u64, work: impl FnOnce(u64)) -> Duration {
    let begin = Instant::now();
    work(count);
    begin.elapsed()
}

fn port<const WORDS: usize>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut port: impl Port<WORDS>,
) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|count| timed(count, |count| pairs(&mut port, count)));
    });
}

fn pairs_of<const WORDS: usize>(criterion: &mut Criterion) {
    let size = 8 * WORDS as u64;
    let (_segment, at) = Segment::create();
    let queue = at.obtain::<Queue>(
        b"queue",
        Intent::Create,
        &queue::Params {
            elem_size: size,
            elem_align: 8,
            capacity: CAPACITY as u64,
        },
    );
    let spsc = at.obtain::<SpscQueue>(
        b"spsc",
        Intent::Create,
        &spsc::Params {
            elem_size: size,
            elem_align: 8,
            capacity: CAPACITY as u64,
        },
    );
    let (Ok(queue), Ok(spsc)) = (queue, spsc) else {
        broken("cannot create the queues");
    };
    let mut group = criterion.benchmark_group(format!("push and pop of {size} bytes"));
    group.bench_function("bare compare-and-swap", |bencher| {
        bencher.iter_custom(|count| timed(count, bare_cas));
    });
    port::<WORDS>(&mut group, "shmds queue", Shared::<Queue>(queue));
    let array = ArrayQueue::<Element<WORDS>>::new(CAPACITY);
    port::<WORDS>(&mut group, "crossbeam ArrayQueue", &array);
    port::<WORDS>(&mut group, "shmds SPSC queue", Shared::<SpscQueue>(spsc));
    port::<WORDS>(&mut group, "rtrb", Rtrb::default());
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = pairs_of::<1>, pairs_of::<8>
}
criterion_main!(benches);
