//! An open pool: the objects, and what this process remembers of them.

use super::layout::{Plan, PlanError, Word, init};
use super::objects::{Acquired, Objects};
use super::recent::{Recent, THREADS, thread_number};
use super::view::{PoolPass, PoolView};
use super::{Corrupt, Refusal};
use crate::error::{Error, Result};
use crate::raw::Region;
use crate::segment::Segment;
use crate::segment::fork::{self, Inherited};
use crate::structures::key::{self, NO_KEY};
use crate::structures::placed::Placed;
use crate::structures::{
    End, Extent, Handle, Standing, Structure, expect, expect_kind, validate_elements,
};
use crate::table::{Found, Key, Kind};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::ffi::{CStr, CString};

/// What a pool's creator chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Bytes of an object.
    pub elem_size: u64,
    /// Alignment of an object; 0: whatever its size and a 64-byte line give.
    pub elem_align: u64,
    /// Number of objects; to open, 0 accepts any.
    pub capacity: u64,
}

/// Names one life of an object, from its acquisition to its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Handle of the object.
    pub index: u32,
    /// How often the object had been released before.
    pub generation: u32,
}

/// What one thread remembers, on a line of its own.
#[repr(align(64))]
struct Line(Recent);

/// An open pool.
#[repr(C)]
pub struct ObjectPool {
    view: PoolView,
    name: CString,
    objects: Objects,
    /// By the number of the thread.
    recent: Box<[Line; THREADS]>,
    segment: NonNull<Segment>,
    standing: Standing,
}

// SAFETY: the segment outlives its handles (`Attachment` drops it last), and both
// are made for use by many threads.
unsafe impl Send for ObjectPool {}
// SAFETY: as above.
unsafe impl Sync for ObjectPool {}

/// The next pool's place in what threads remember: pools opened one after the other have places of
/// their own.
static NEXT_PLACE: AtomicUsize = AtomicUsize::new(0);

impl ObjectPool {
    fn text(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    /// The segment, if it still is attached.
    fn segment(&self) -> Result<&Segment> {
        self.standing.check(&self.name)?;
        // SAFETY: the segment outlives its open handles.
        Ok(unsafe { self.segment.as_ref() })
    }

    /// The segment, if it still is attached, and the pool there.
    #[inline]
    fn sound_segment(&self) -> Option<&Segment> {
        if !self.standing.is_sound() {
            return None;
        }
        // SAFETY: the segment outlives its open handles.
        Some(unsafe { self.segment.as_ref() })
    }

    /// The objects, if they still are mapped.
    fn open_objects(&self) -> Result<&Objects> {
        self.segment()?;
        Ok(&self.objects)
    }

    /// The objects, if they may be changed.
    #[inline]
    fn writable(&self) -> Result<&Objects> {
        if self.segment()?.is_read_only() {
            return Err(self.read_only());
        }
        Ok(&self.objects)
    }

    #[cold]
    fn read_only(&self) -> Error {
        Error::ReadOnly {
            name: self.text(),
            what: "an operation on an object pool",
        }
    }

    /// Low half of the words of what this process has; takes an attachment slot first in
    /// a forked child.
    #[inline]
    fn claim(&self) -> Result<u64> {
        match self.segment()?.me() {
            Ok(me) => Ok(Word::claim(me)),
            Err(Error::ReadOnly { .. }) => Err(self.read_only()),
            Err(error) => Err(error),
        }
    }

    #[inline]
    fn recent(&self) -> &Recent {
        &self.recent[thread_number() as usize % THREADS].0
    }

    /// Acquires an object: what this thread released last, if that is free, else some
    /// other; `None` if there is none.
    #[inline]
    pub fn acquire(&self) -> Result<Option<u32>> {
        let claim = self.claim()?;
        let recent = self.recent();
        let acquired = recent.acquire(&self.objects, claim);
        Ok(acquired.or_else(|| self.acquire_other(recent, claim)))
    }

    /// `acquire`, as far as it goes without an error, and without a search: `None` if nothing was
    /// done.
    #[inline(always)]
    pub fn acquire_at_once(&self) -> Option<u32> {
        let me = self.sound_segment()?.known_me()?;
        self.recent().acquire(&self.objects, Word::claim(me))
    }

    /// Acquires an object that the thread knows nothing of.
    fn acquire_other(&self, recent: &Recent, claim: u64) -> Option<u32> {
        let start = match recent.found_at.load(Relaxed) {
            super::INVALID => self.start(claim),
            found_at => u64::from(found_at) % self.objects.plan().marks(),
        };
        let objects = &self.objects;
        let acquired: Acquired = objects
            .search(start, claim)
            .or_else(|| objects.scan(start, claim))?;
        recent.found_at.store(acquired.index / 64, Relaxed);
        recent.begin(objects, acquired);
        Some(acquired.index)
    }

    /// The word of marks where a thread begins to search: far from where others do, so
    /// that they share no lines.
    fn start(&self, claim: u64) -> u64 {
        let slot = Word(claim).slot().unwrap_or(0) as u32;
        let seed = slot + thread_number() * 4099;
        // Multiples of the golden ratio spread evenly, however many there are.
        let fraction = u64::from(seed.wrapping_mul(0x9e37_79b9));
        fraction * self.objects.plan().marks() >> 32
    }

    /// Frees an object, whoever acquired it.
    #[inline]
    pub fn release(&self, index: u32) -> Result<()> {
        self.release_one(index, None)?
            .map_err(|refusal| self.refused(index, refusal))
    }

    /// `release`, as far as it goes without an error: `None` if nothing was tried. A refusal is
    /// counted, and for [`ObjectPool::refused`] to tell: by the time of another try somebody may
    /// have acquired the object.
    #[inline(always)]
    pub fn release_at_once(&self, index: u32) -> Option<core::result::Result<(), Refusal>> {
        let writable = !self.sound_segment()?.is_read_only();
        (writable && u64::from(index) < self.capacity()).then(|| self.try_release(index, None))
    }

    /// Frees an object in the life that the token names, and in no other.
    pub fn release_token(&self, token: Token) -> Result<()> {
        self.release_one(token.index, Some(token.generation))?
            .map_err(|refusal| self.refused(token.index, refusal))
    }

    #[inline]
    fn release_one(
        &self,
        index: u32,
        generation: Option<u32>,
    ) -> Result<core::result::Result<(), Refusal>> {
        self.writable()?;
        self.check_index(index)?;
        Ok(self.try_release(index, generation))
    }

    /// Frees an object and remembers it, or counts a refusal.
    #[inline]
    fn try_release(
        &self,
        index: u32,
        generation: Option<u32>,
    ) -> core::result::Result<(), Refusal> {
        let objects = &self.objects;
        let released = objects.release(index, generation);
        let word = released.inspect_err(|_| objects.count_refusal())?;
        objects.mark(index);
        self.recent().released(objects, index, word);
        Ok(())
    }

    #[inline]
    fn check_index(&self, index: u32) -> Result<()> {
        let capacity = self.capacity();
        if u64::from(index) < capacity {
            return Ok(());
        }
        Err(Error::argument(format!(
            "\"{}\": handle {index}; expected one below the capacity of {capacity}",
            self.text()
        )))
    }

    /// Why nothing was done to an object.
    #[cold]
    pub fn refused(&self, index: u32, refusal: Refusal) -> Error {
        let name = self.text();
        let rule = match refusal {
            Refusal::Free => "expected an object that is acquired; this one is free",
            Refusal::Stale => "the token is stale: its object was released since",
            Refusal::Owned => return Error::Owned { name, index },
            Refusal::Unsettled => return Error::corrupt(&name, "the word of an object"),
        };
        Error::State { name, rule }
    }

    /// Acquires an object, and names its life.
    pub fn acquire_token(&self) -> Result<Option<Token>> {
        let Some(index) = self.acquire()? else {
            return Ok(None);
        };
        // Ours: its generation stays until somebody releases it.
        let word = self.objects.word(index);
        Ok(word.map(|word| Token {
            index,
            generation: word.generation(),
        }))
    }

    /// Whether the object is live, in the life that the token names.
    pub fn is_current(&self, token: Token) -> Result<bool> {
        let word = self.open_objects()?.word(token.index);
        Ok(word.is_some_and(|word| word.is_live() && word.generation() == token.generation))
    }

    /// Acquires up to `count` objects; returns how many.
    ///
    /// # Safety
    ///
    /// `handles` has room for `count` handles.
    pub unsafe fn acquire_batch(&self, handles: *mut u32, count: usize) -> Result<usize> {
        for done in 0..count {
            match self.acquire() {
                // SAFETY: `done` is one of `count` places.
                Ok(Some(index)) => unsafe { handles.add(done).write(index) },
                Err(error) if done == 0 => return Err(error),
                _ => return Ok(done),
            }
        }
        Ok(count)
    }

    /// Frees those of `count` objects that are live; returns how many.
    ///
    /// # Safety
    ///
    /// There are `count` handles at `handles`.
    pub unsafe fn release_batch(&self, handles: *const u32, count: usize) -> Result<usize> {
        self.writable()?;
        // SAFETY: each is one of `count`.
        let handles = (0..count).map(|at| unsafe { handles.add(at).read() });
        let released = |&index: &u32| matches!(self.release_one(index, None), Ok(Ok(())));
        Ok(handles.filter(released).count())
    }

    /// Gives an object up for adoption.
    pub fn disown(&self, index: u32) -> Result<()> {
        let claim = self.claim()?;
        self.check_index(index)?;
        let disowned = self
            .objects
            .disown(index, claim, |word| self.is_dead(word, claim));
        disowned
            .map(|_| ())
            .map_err(|refusal| self.refused(index, refusal))
    }

    /// Takes an object over whose owner is dead, or gave it up.
    pub fn adopt(&self, index: u32) -> Result<()> {
        let claim = self.claim()?;
        self.check_index(index)?;
        let adopted = self
            .objects
            .adopt(index, claim, |word| self.is_dead(word, claim));
        adopted
            .map(|_| ())
            .map_err(|refusal| self.refused(index, refusal))
    }

    /// Whether an object is live and its owner lives.
    pub fn owner_alive(&self, index: u32) -> Result<bool> {
        let segment = self.segment()?;
        self.check_index(index)?;
        let word = self.objects.word(index);
        Ok(word
            .is_some_and(|word| word.is_live() && word.slot().is_some() && !is_dead(segment, word)))
    }

    /// Frees the objects of dead owners; returns how many.
    pub fn reclaim(&self) -> Result<u64> {
        let claim = self.claim()?;
        Ok(self.objects.reclaim(|word| self.is_dead(word, claim)))
    }

    fn is_dead(&self, word: Word, claim: u64) -> bool {
        word.low_half() != claim && self.segment().is_ok_and(|segment| is_dead(segment, word))
    }

    /// Makes an object that was just released findable.
    pub fn mark(&self, index: u32) -> Result<()> {
        self.writable()?.mark(index);
        Ok(())
    }

    /// The pass for this thread.
    pub fn pass(&self) -> Result<Option<PoolPass>> {
        // Before anything else: if it changes meanwhile, what the pass says is void.
        let key = self.view.key.load(Relaxed);
        if key == NO_KEY {
            return Ok(None);
        }
        let claim = self.claim()?;
        Ok(PoolPass::new(key, self.recent(), &self.objects, claim))
    }

    /// Number of live objects; exact while nobody acquires or releases.
    pub fn count(&self) -> Result<u64> {
        Ok(self.open_objects()?.count())
    }

    /// Whether no object is live.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.open_objects()?.is_empty())
    }

    /// Whether every object is live.
    pub fn is_full(&self) -> Result<bool> {
        Ok(self.open_objects()?.is_full())
    }

    /// How many releases were refused, because the object was free or the token stale.
    pub fn refusals(&self) -> Result<u64> {
        Ok(self.open_objects()?.refused())
    }

    /// Number of objects.
    pub fn capacity(&self) -> u64 {
        self.objects.plan().capacity
    }

    /// Bytes of an object.
    pub fn elem_size(&self) -> u64 {
        self.objects.plan().elem_size
    }

    /// Where an object lies.
    pub fn address(&self, index: u32) -> Option<NonNull<u8>> {
        self.objects.address(index)
    }

    /// What inline code needs to know of it: the start of this very handle.
    pub fn view(&self) -> &PoolView {
        &self.view
    }

    /// The pool's name, cut to what the table holds.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// Refuses calls from now on. No thread is inside. Objects stay as they are.
    pub fn close(&self, end: End) {
        if !self.standing.end(end) {
            return;
        }
        let process = fork::lock_process();
        fork::unwatch(&process, NonNull::from(self as &dyn Inherited));
        drop(process);
        // Whatever threads remember of it is void.
        self.forget();
    }
}

/// Whether the owner in the word of a live object is gone. Errs towards "still alive".
fn is_dead(segment: &Segment, word: Word) -> bool {
    let holder = word.slot().and_then(|slot| segment.last_holder(slot));
    holder.is_none_or(|holder| {
        // Somebody else took the slot since; or it is the holder's, as far as the word tells.
        Word::claim(holder) != word.low_half() || segment.is_dead(holder)
    })
}

// SAFETY: stores to atomics of the item's own only.
unsafe impl Inherited for ObjectPool {
    fn forget(&self) {
        // What threads of the parent remember, the child's one included, is void here.
        key::renew(&self.view.key);
        self.recent.iter().for_each(|line| line.0.forget());
    }
}

impl Drop for ObjectPool {
    fn drop(&mut self) {
        self.close(End::Closed);
    }
}

fn damaged(name: &str, corrupt: Corrupt) -> Error {
    let what = match corrupt {
        Corrupt::Geometry => "the pool's header",
        Corrupt::Word => "the word of an object",
    };
    Error::corrupt(name, what)
}

/// The layout of a pool with these parameters.
fn plan(segment: &Segment, name: &Key, params: &Params) -> Result<Plan> {
    Plan::new(params.elem_size, params.elem_align.max(1), params.capacity).map_err(|error| {
        match error {
            PlanError::Capacity => Error::Capacity {
                name: name.text(),
                found: params.capacity,
                expected: "1 to 2^32 - 2 to create an object pool",
            },
            PlanError::Element => Error::Alignment {
                name: name.text(),
                found: params.elem_align,
            },
            // The objects alone do not overflow (see `validate`), but no segment has that much.
            PlanError::Overflow => Error::SegmentFull {
                name: name.text(),
                segment: segment.name().to_owned(),
                needed: params.elem_size.saturating_mul(params.capacity),
                available: segment.geometry().size,
            },
        }
    })
}

impl Structure for ObjectPool {
    type Params = Params;
    const KIND: Kind = Kind::ObjectPool;

    fn validate(name: &Key, params: &Params) -> Result<()> {
        validate_elements(name, params.elem_size, params.elem_align, params.capacity)?;
        if params.elem_size % params.elem_align.max(1) != 0 {
            return Err(Error::Alignment {
                name: name.text(),
                found: params.elem_align,
            });
        }
        Ok(())
    }

    fn plan(segment: &Segment, name: &Key, params: &Params) -> Result<Extent> {
        let plan = plan(segment, name, params)?;
        Ok(Extent {
            elem_size: params.elem_size,
            num_elem: params.capacity,
            size: plan.size,
            align: plan.align,
        })
    }

    fn init(segment: &Segment, name: &Key, region: Region, params: &Params) -> Result<()> {
        let plan = plan(segment, name, params)?;
        init(region, &plan).map_err(|corrupt| damaged(&name.text(), corrupt))
    }

    fn open(segment: &Segment, name: &Key, found: &Found, params: &Params) -> Result<Self> {
        expect_kind(name, Kind::ObjectPool, found.kind)?;
        let extent = segment.heap().part(found.offset, found.size);
        let extent =
            extent.ok_or_else(|| Error::corrupt(&name.text(), "the extent in the table"))?;
        let objects = super::open(extent).map_err(|corrupt| damaged(&name.text(), corrupt))?;
        let view = PoolView::new(&objects);
        let pool = Self {
            view: view.ok_or_else(|| damaged(&name.text(), Corrupt::Geometry))?,
            name: name.to_c(),
            objects,
            recent: Box::new([const { Line(Recent::new()) }; THREADS]),
            segment: NonNull::from(segment),
            standing: Standing::new(segment, found),
        };
        pool.check(name, params)?;
        Ok(pool)
    }

    fn check(&self, name: &Key, params: &Params) -> Result<()> {
        let plan = self.objects.plan();
        expect(name, "element size", params.elem_size, plan.elem_size)?;
        if params.elem_align > plan.align {
            expect(name, "alignment", params.elem_align, plan.elem_align)?;
        }
        if params.capacity == 0 {
            return Ok(());
        }
        expect(name, "capacity", params.capacity, plan.capacity)
    }

    fn into_handle(self) -> Handle {
        // Relaxed: only its spreading matters.
        let place = NEXT_PLACE.fetch_add(1, Relaxed);
        let pool = Placed::new(self, place);
        let process = fork::lock_process();
        // SAFETY: never moved; `drop` ends it.
        unsafe { fork::watch(&process, NonNull::from(&*pool as &dyn Inherited)) };
        drop(process);
        Handle::ObjectPool(pool)
    }

    fn from_handle(handle: &Handle) -> Option<&Self> {
        match handle {
            Handle::ObjectPool(pool) => Some(pool),
            _ => None,
        }
    }
}
