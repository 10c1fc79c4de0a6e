//! The pool in private memory: format, order, exactness, lost hints, hostile bytes.

use super::layout::{BITS, Header, INVALID, Plan, PlanError, Word, init};
use super::objects::{Objects, open};
use super::recent::Recent;
use super::{Corrupt, Refusal};
use crate::raw::Region;
use core::mem::offset_of;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::collections::HashSet;
use std::sync::Barrier;

#[repr(align(4096))]
struct Page([AtomicU64; 512]);

/// A pool of 8-byte objects in memory that held garbage before.
struct Pool {
    memory: Vec<Page>,
    plan: Plan,
    objects: Objects,
}

fn region_of(memory: &[Page], len: u64) -> Region {
    let base = NonNull::from(memory).cast();
    // SAFETY: the pages are as long, and are kept beside whatever uses the region.
    unsafe { Region::new(base, len as usize) }
}

impl Pool {
    fn new(capacity: u64) -> Self {
        let plan = Plan::new(8, 8, capacity).expect("a plan");
        let page = || Page([const { AtomicU64::new(0xa5a5_a5a5_a5a5_a5a5) }; 512]);
        let memory: Vec<_> = (0..plan.size.div_ceil(4096)).map(|_| page()).collect();
        let region = region_of(&memory, plan.size);
        init(region, &plan).expect("init");
        let objects = open(region).expect("open");
        Self {
            memory,
            plan,
            objects,
        }
    }

    fn header(&self) -> &Header {
        // SAFETY: the header lies at the start of the first page.
        unsafe { &*self.memory[0].0.as_ptr().cast() }
    }

    /// As a thread does that knows nothing of the object.
    fn acquire_other(&self, start: u64, claim: u64) -> Option<u32> {
        let acquired = self.objects.search(start, claim);
        let acquired = acquired.or_else(|| self.objects.scan(start, claim))?;
        Some(acquired.index)
    }

    fn acquire(&self, recent: &Recent) -> Option<u32> {
        if let Some(index) = recent.acquire(&self.objects, ME) {
            return Some(index);
        }
        let found = self.objects.search(0, ME);
        let acquired = found.or_else(|| self.objects.scan(0, ME))?;
        recent.begin(&self.objects, acquired);
        Some(acquired.index)
    }

    fn release(&self, recent: &Recent, index: u32) {
        let word = self.objects.release(index, None).expect("it was live");
        self.objects.mark(index);
        recent.released(&self.objects, index, word);
    }

    /// Takes every hint away.
    fn hide_all(&self) {
        for words in [&self.objects.marks, &self.objects.summary] {
            words.iter().for_each(|word| word.store(0, SeqCst));
        }
    }
}

/// Low half of the words of what this process has.
const ME: u64 = 1 | 1 << 1 | 1 << 14;
const SHE: u64 = 1 | 2 << 1 | 1 << 14;
const CAPACITIES: [u64; 12] = [1, 2, 3, 63, 64, 65, 100, 1000, 4095, 4096, 4097, 262_145];

/// Numbers from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

#[test]
fn the_header_lies_as_documented() {
    assert_eq!(size_of::<Header>(), 128);
    assert_eq!(offset_of!(Header, capacity), 16);
    assert_eq!(offset_of!(Header, objects_offset), 56);
    assert_eq!(offset_of!(Header, refused), 64);
    let plan = Plan::new(24, 8, 1000).expect("a plan");
    assert_eq!(plan.marks_offset, 128);
    assert_eq!(plan.summary_offset, 128 + 128);
    assert_eq!(plan.words_offset, 256 + 64);
    assert_eq!(plan.links_offset, 320 + 8000);
    assert_eq!(plan.objects_offset, (8320 + 4000_u64).next_multiple_of(64));
    assert_eq!(
        plan.size,
        (plan.objects_offset + 24_000).next_multiple_of(64)
    );
}

#[test]
fn what_cannot_be_is_refused() {
    assert_eq!(Plan::new(8, 8, 0), Err(PlanError::Capacity));
    assert_eq!(Plan::new(8, 8, (1 << 32) - 1), Err(PlanError::Capacity));
    assert!(Plan::new(8, 8, (1 << 32) - 2).is_ok());
    assert_eq!(Plan::new(0, 8, 1), Err(PlanError::Element));
    assert_eq!(Plan::new(12, 8, 1), Err(PlanError::Element));
    assert_eq!(Plan::new(12, 3, 1), Err(PlanError::Element));
    assert_eq!(Plan::new(1 << 62, 1, 5), Err(PlanError::Overflow));
    let page = Plan::new(4096, 4096, 3).expect("a plan");
    assert_eq!((page.align, page.objects_offset % 4096), (4096, 0));
}

#[test]
fn a_header_that_does_not_describe_its_extent_is_refused() {
    let pool = Pool::new(104);
    let header = pool.header();
    for field in [
        &header.elem_size,
        &header.elem_align,
        &header.capacity,
        &header.words_offset,
        &header.marks_offset,
        &header.summary_offset,
        &header.links_offset,
        &header.objects_offset,
    ] {
        let good = field.load(Relaxed);
        for bad in [0, 1, good + 1, good * 64, u64::MAX] {
            if bad == good {
                continue;
            }
            field.store(bad, Relaxed);
            let opened = open(region_of(&pool.memory, pool.plan.size));
            // An alignment that divides everything is another sound pool.
            let sound = core::ptr::eq(field, &header.elem_align) && bad == 1;
            assert_eq!(opened.err(), (!sound).then_some(Corrupt::Geometry), "{bad}");
        }
        field.store(good, Relaxed);
    }
    assert!(open(region_of(&pool.memory, pool.plan.size)).is_ok());
    assert!(open(region_of(&pool.memory, pool.plan.size - 1)).is_err());
}

#[test]
fn every_object_is_acquired_once_and_then_the_pool_is_exhausted() {
    for capacity in CAPACITIES {
        let pool = Pool::new(capacity);
        for start in [0, pool.plan.marks() / 2, pool.plan.marks() - 1] {
            assert!(pool.objects.is_empty() && !pool.objects.is_full());
            let mut seen = HashSet::new();
            for _ in 0..capacity {
                let index = pool.acquire_other(start, ME).expect("a free one");
                assert!(u64::from(index) < capacity && seen.insert(index));
            }
            assert_eq!(pool.acquire_other(start, ME), None);
            assert!(pool.objects.is_full() && !pool.objects.is_empty());
            assert_eq!(pool.objects.count(), capacity);
            for index in 0..capacity as u32 {
                pool.objects.release(index, None).expect("live");
                pool.objects.mark(index);
            }
            assert_eq!(pool.objects.count(), 0);
        }
    }
}

#[test]
fn a_free_object_is_found_by_its_mark_whatever_is_acquired_around_it() {
    for capacity in CAPACITIES {
        let pool = Pool::new(capacity);
        while pool.acquire_other(0, ME).is_some() {}
        let mut random = Random(7);
        for _ in 0..200 {
            let index = random.below(capacity) as u32;
            pool.objects.release(index, None).expect("live");
            pool.objects.mark(index);
            let start = random.below(pool.plan.marks());
            let found = pool.objects.search(start, ME).expect("without a scan");
            assert_eq!(found.index, index);
        }
    }
}

#[test]
fn a_thread_alone_gets_back_what_it_released_last() {
    for capacity in [1, 2, 3, 5, 64, 200] {
        let pool = Pool::new(capacity);
        let recent = Recent::new();
        let mut random = Random(capacity + 1);
        // What was released and not acquired again, the last one at the end.
        let mut stack = Vec::new();
        let mut held = Vec::new();
        for _ in 0..20_000 {
            // Now mostly up, then mostly down.
            let rising = random.below(100) < if random.below(50) < 25 { 30 } else { 70 };
            if rising || held.is_empty() {
                let got = pool.acquire(&recent);
                assert_eq!(got.is_none(), held.len() as u64 == capacity);
                if let Some(index) = got {
                    if let Some(last) = stack.pop() {
                        assert_eq!(index, last, "not the last one released");
                    }
                    held.push(index);
                }
            } else {
                let at = random.below(held.len() as u64) as usize;
                let index = held.swap_remove(at);
                pool.release(&recent, index);
                stack.push(index);
            }
            assert_eq!(pool.objects.count(), held.len() as u64);
        }
    }
}

#[test]
fn a_pair_of_one_thread_writes_nothing_but_the_word() {
    let pool = Pool::new(100);
    let recent = Recent::new();
    let first = pool.acquire(&recent).expect("a free one");
    pool.release(&recent, first);
    let bytes = |at: usize| pool.memory[at / 512].0[at % 512].load(SeqCst);
    let all = || {
        (0..pool.plan.size as usize / 8)
            .map(bytes)
            .collect::<Vec<_>>()
    };
    let before = all();
    for _ in 0..10 {
        assert_eq!(pool.acquire(&recent), Some(first));
        pool.release(&recent, first);
    }
    let word = pool.plan.words_offset as usize / 8 + first as usize;
    for (at, (now, then)) in all().iter().zip(&before).enumerate() {
        let more = if at == word { 10 << 32 } else { 0 };
        assert_eq!(*now, then + more, "word {at}");
    }
}

#[test]
fn releasing_what_is_free_or_does_not_exist_is_refused() {
    let pool = Pool::new(3);
    assert_eq!(pool.objects.release(0, None), Err(Refusal::Free));
    assert_eq!(pool.objects.release(3, None), Err(Refusal::Free));
    assert_eq!(pool.objects.release(INVALID, None), Err(Refusal::Free));
    let index = pool.acquire_other(0, ME).expect("a free one");
    assert!(pool.objects.release(index, None).is_ok());
    assert_eq!(pool.objects.release(index, None), Err(Refusal::Free));
    assert_eq!(pool.objects.count(), 0);
}

#[test]
fn a_stale_token_is_refused_even_when_the_object_is_live_again() {
    let pool = Pool::new(1);
    for life in 0..5 {
        assert_eq!(pool.acquire_other(0, ME), Some(0));
        assert_eq!(pool.objects.word(0).map(Word::generation), Some(life));
        for other in [life + 1, life.wrapping_sub(1)] {
            assert_eq!(pool.objects.release(0, Some(other)), Err(Refusal::Stale));
        }
        assert!(pool.objects.release(0, Some(life)).is_ok());
        assert!(pool.objects.release(0, Some(life)).is_err());
        pool.objects.mark(0);
    }
}

#[test]
fn a_generation_wraps_without_touching_the_rest_of_the_word() {
    let pool = Pool::new(1);
    let cell = pool.objects.words.get(0).expect("a word");
    cell.store(u64::MAX << 32, SeqCst);
    assert_eq!(pool.acquire_other(0, ME), Some(0));
    assert_eq!(cell.load(SeqCst), u64::MAX << 32 | ME);
    assert_eq!(pool.objects.release(0, None), Ok(Word(0)));
}

#[test]
fn lost_hints_hide_nothing_and_one_acquisition_marks_its_neighbours() {
    for capacity in [1, 63, 64, 65, 1000, 4097] {
        let pool = Pool::new(capacity);
        pool.hide_all();
        let mut seen = HashSet::new();
        let mut scans = 0;
        for _ in 0..capacity {
            let index = pool.objects.search(0, ME).or_else(|| {
                scans += 1;
                pool.objects.scan(0, ME)
            });
            assert!(seen.insert(index.expect("a free one").index));
        }
        assert_eq!(pool.acquire_other(0, ME), None);
        assert!(scans <= capacity.div_ceil(BITS) + 1, "{scans} scans");
    }
}

#[test]
fn a_summary_bit_that_was_lost_comes_back_with_the_next_release() {
    let pool = Pool::new(64);
    while pool.acquire_other(0, ME).is_some() {}
    pool.objects.release(3, None).expect("live");
    pool.objects.mark(3);
    // As if killed after clearing the summary bit, before looking again.
    pool.objects
        .summary
        .get(0)
        .expect("a word")
        .store(0, SeqCst);
    pool.objects.release(5, None).expect("live");
    pool.objects.mark(5);
    let mut found: Vec<_> = (0..2)
        .map(|_| pool.objects.search(0, ME).expect("by its mark").index)
        .collect();
    found.sort_unstable();
    assert_eq!(found, [3, 5]);
}

#[test]
fn reclaiming_frees_what_the_dead_had_and_asks_about_each_once() {
    let pool = Pool::new(300);
    for index in 0..300 {
        let claim = if index % 3 == 0 { SHE } else { ME };
        pool.objects.acquire(index, claim).expect("free");
    }
    pool.objects.disown(6, SHE, |_| false).expect("hers");
    pool.objects.release(9, None).expect("live");
    pool.hide_all();
    let asked = std::cell::RefCell::new(Vec::new());
    let freed = pool.objects.reclaim(|word| {
        asked.borrow_mut().push(word.low_half());
        word.low_half() == SHE
    });
    assert_eq!(freed, 98);
    let mut asked = asked.into_inner();
    asked.sort_unstable();
    assert_eq!(asked, [ME, SHE]);
    for index in 0..300 {
        let word = pool.objects.word(index).expect("a word");
        assert_eq!(word.is_live(), index % 3 != 0 || index == 6, "{index}");
    }
    // All that is free can be found by its mark, hidden before or not.
    for _ in 0..99 {
        assert!(pool.objects.search(0, ME).is_some());
    }
    assert_eq!(pool.objects.reclaim(|_| true), 299, "all but the disowned");
}

#[test]
fn an_object_is_adopted_from_the_dead_and_from_nobody_but_not_from_the_living() {
    let pool = Pool::new(2);
    let owner = |index| pool.objects.word(index).map(Word::low_half);
    assert_eq!(pool.objects.adopt(0, ME, |_| true), Err(Refusal::Free));
    assert_eq!(pool.objects.disown(0, ME, |_| true), Err(Refusal::Free));
    pool.objects.acquire(0, SHE).expect("free");
    assert_eq!(pool.objects.adopt(0, ME, |_| false), Err(Refusal::Owned));
    assert_eq!(pool.objects.disown(0, ME, |_| false), Err(Refusal::Owned));
    assert!(
        pool.objects
            .adopt(0, ME, |word| word.low_half() == SHE)
            .is_ok()
    );
    assert_eq!(owner(0), Some(ME));
    assert!(pool.objects.adopt(0, ME, |_| false).is_ok(), "one's own");
    assert!(pool.objects.disown(0, ME, |_| false).is_ok());
    assert_eq!(owner(0), Some(1));
    assert!(pool.objects.disown(0, SHE, |_| false).is_ok());
    assert!(pool.objects.adopt(0, SHE, |_| false).is_ok());
    assert_eq!(owner(0), Some(SHE));
    assert!(
        pool.objects.release(0, Some(0)).is_ok(),
        "the same life all the time"
    );
}

#[test]
fn a_chain_that_another_thread_has_changed_leads_to_free_objects_or_nowhere() {
    // Two threads' chains run through the same objects, round and round.
    let pool = Pool::new(40);
    let (mine, hers) = (Recent::new(), Recent::new());
    let mut random = Random(3);
    let mut held = Vec::new();
    for _ in 0..100_000 {
        let recent = if random.below(2) == 0 { &mine } else { &hers };
        if random.below(2) == 0 {
            let got = pool.acquire(recent);
            assert_eq!(got.is_none(), held.len() == 40);
            held.extend(got);
        } else if !held.is_empty() {
            let at = random.below(held.len() as u64) as usize;
            pool.release(recent, held.swap_remove(at));
        }
    }
    assert_eq!(pool.objects.count(), held.len() as u64);
}

#[test]
fn threads_never_have_one_object_at_once_and_lose_none() {
    for (capacity, threads) in [(1, 4), (3, 8), (64, 4), (70, 8), (1000, 8)] {
        let pool = Pool::new(capacity);
        let users: Vec<_> = (0..capacity).map(|_| AtomicU32::new(0)).collect();
        let barrier = Barrier::new(threads);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (pool, users, barrier) = (&pool, &users, &barrier);
                scope.spawn(move || {
                    let recent = Recent::new();
                    let mut random = Random(thread as u64 + 1);
                    let mut held = Vec::new();
                    barrier.wait();
                    for _ in 0..20_000 {
                        if random.below(2) == 0 {
                            if let Some(index) = pool.acquire(&recent) {
                                let before = users[index as usize].fetch_add(1, Relaxed);
                                assert_eq!(before, 0, "two have object {index}");
                                held.push(index);
                            }
                        } else if !held.is_empty() {
                            let index = held.swap_remove(random.below(held.len() as u64) as usize);
                            users[index as usize].fetch_sub(1, Relaxed);
                            pool.release(&recent, index);
                        }
                    }
                    for index in held {
                        users[index as usize].fetch_sub(1, Relaxed);
                        pool.release(&recent, index);
                    }
                });
            }
        });
        assert_eq!(pool.objects.count(), 0);
        // Nobody was killed: no free object is without its mark.
        for _ in 0..capacity {
            assert!(pool.objects.search(0, ME).is_some(), "hidden");
        }
    }
}

#[test]
fn whatever_the_bytes_are_every_operation_ends() {
    let mut random = Random(11);
    for capacity in [1, 3, 64, 65, 1000] {
        for _ in 0..200 {
            let pool = Pool::new(capacity);
            let objects = &pool.objects;
            for words in [&objects.words, &objects.marks, &objects.summary] {
                for word in words.iter() {
                    word.store(random.below(u64::MAX), SeqCst);
                }
            }
            for link in objects.links.iter() {
                let wild = [random.below(capacity), random.below(1 << 32)];
                link.store(wild[random.below(2) as usize] as u32, SeqCst);
            }
            let recent = Recent::new();
            recent.top.store(random.below(u64::MAX), SeqCst);
            recent.live.store(random.below(u64::MAX), SeqCst);
            let live = objects.count();
            let mut seen = HashSet::new();
            while let Some(index) = pool.acquire(&recent) {
                assert!(u64::from(index) < capacity && seen.insert(index));
            }
            assert_eq!(seen.len() as u64, capacity - live);
            assert!(objects.is_full());
            objects.reclaim(|word| word.0 & 2 != 0);
            for index in 0..capacity as u32 {
                let _ = objects.adopt(index, ME, |_| true);
                let _ = objects.release(index, None);
            }
            assert!(objects.is_empty());
        }
    }
}
