//! The structures that live in a segment, and how a name becomes a handle to one.
//!
//! Every structure implements [`Structure`]; [`Attachment::obtain`] does what is
//! common to all: create or open by name, exactly one initialiser, one handle per
//! structure and attachment.

pub mod array;
pub mod atomic;
pub mod key;
pub mod patience;
pub mod placed;
pub mod pool;
pub mod queue;
pub mod ring;
mod role;
pub mod spsc;
mod standing;
pub mod wait;
mod wide;

pub use standing::{End, Standing};

use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::raw::Region;
use crate::segment::{Intent, Options, Segment, fork};
use crate::table::{self, Claim, Found, Key, Kind, Request, Table};
use array::Array;
use atomic::Atomic;
use core::cell::UnsafeCell;
use placed::Placed;
use pool::ObjectPool;
use queue::Queue;
use ring::RingBuffer;
use spsc::SpscQueue;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::ffi::CString;
use std::sync::Arc;

/// Sizes of the structures' control blocks, and what else their formats are: part of a segment's
/// fingerprint, so that builds with other layouts refuse each other.
const FORMATS: [usize; 7] = [
    size_of::<atomic::Word>(),
    size_of::<queue::Header>(),
    size_of::<queue::Lane>(),
    queue::FORMAT,
    size_of::<spsc::Header>(),
    size_of::<pool::Header>(),
    size_of::<ring::Header>(),
];

/// What a structure needs of the heap.
pub struct Extent {
    /// Bytes of an element.
    pub elem_size: u64,
    /// Number of elements that count as payload.
    pub num_elem: u64,
    /// Bytes in all, control words included.
    pub size: u64,
    /// Alignment of the start.
    pub align: u64,
}

/// A kind of structure: how it is laid out, initialised and opened.
pub trait Structure: Sized {
    /// What its creator chooses.
    type Params;

    /// Checks the rules that hold whatever exists.
    fn validate(name: &Key, params: &Self::Params) -> Result<()>;

    /// What a new one takes.
    fn plan(segment: &Segment, name: &Key, params: &Self::Params) -> Result<Extent>;

    /// The kind that the table records.
    const KIND: Kind;

    /// Initialises a new one in memory that nobody else looks at yet.
    fn init(segment: &Segment, name: &Key, region: Region, params: &Self::Params) -> Result<()>;

    /// Opens what the table found, checking it against `params` and against its extent.
    fn open(segment: &Segment, name: &Key, found: &Found, params: &Self::Params) -> Result<Self>;

    /// Tells handles apart that one entry can have at once.
    fn variant(_: &Found, _: &Self::Params) -> u64 {
        0
    }

    /// Checks that an open handle is what `params` ask for.
    fn check(&self, name: &Key, params: &Self::Params) -> Result<()>;

    /// Puts a handle among the attachment's.
    fn into_handle(self) -> Handle;

    /// The handle, if it is one of this kind.
    fn from_handle(handle: &Handle) -> Option<&Self>;
}

/// An open structure, on the heap, so that its address stays what it is.
pub enum Handle {
    /// See [`Array`].
    Array(Arc<Array>),
    /// See [`Atomic`].
    Atomic(Arc<Atomic>),
    /// See [`Queue`].
    Queue(Placed<Queue>),
    /// See [`SpscQueue`].
    SpscQueue(Arc<SpscQueue>),
    /// See [`ObjectPool`].
    ObjectPool(Placed<ObjectPool>),
    /// See [`RingBuffer`].
    RingBuffer(Placed<RingBuffer>),
}

impl Handle {
    /// Closes the handle. It can still be asked, and refuses.
    fn retire(&self, end: End) {
        match self {
            Self::Array(array) => array.close(end),
            Self::Atomic(atomic) => atomic.close(end),
            Self::Queue(queue) => queue.close(end),
            Self::SpscQueue(queue) => queue.close(end),
            Self::ObjectPool(pool) => pool.close(end),
            Self::RingBuffer(ring) => ring.close(end),
        }
    }
}

/// Which handle: by entry and generation, never by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Id {
    index: u64,
    generation: u32,
    /// See [`Structure::variant`].
    variant: u64,
}

/// A segment attached, and the structures opened through it.
///
/// Any number of threads may use it and its handles at once. A forked child goes
/// on with what it inherits.
pub struct Attachment {
    /// Changed under the process lock; dropped before the segment that the handles point into.
    handles: UnsafeCell<HashMap<Id, Handle>>,
    segment: Arc<Segment>,
    name: CString,
}

// SAFETY: `handles` is touched under the process lock only, and the handles in it are Sync.
unsafe impl Sync for Attachment {}
// SAFETY: as above; nothing belongs to a thread.
unsafe impl Send for Attachment {}

impl Attachment {
    /// Creates a segment, opens it, or does whichever is possible.
    pub fn new(name: &str, intent: Intent, options: &Options) -> Result<Self> {
        let segment = Segment::attach(name, intent, options, &FORMATS)?;
        if !segment.is_read_only() {
            // Where it fails, those who wait for plain stores look again more often.
            crate::sys::join_barriers();
            table::tidy(&segment)?;
        }
        Ok(Self {
            handles: UnsafeCell::new(HashMap::new()),
            name: CString::new(segment.name()).unwrap_or_default(),
            segment,
        })
    }

    /// The segment.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The segment's name for C.
    pub fn name(&self) -> &CString {
        &self.name
    }

    /// Creates or opens the structure `name`; the same one gives the same handle.
    pub fn obtain<S: Structure>(
        &self,
        name: &[u8],
        intent: Intent,
        params: &S::Params,
    ) -> Result<&S> {
        let name = &Table::of(&self.segment)?.key(name);
        if name.is_empty() {
            return Err(Error::NameEmpty { what: "structure" });
        }
        S::validate(name, params)?;
        for _ in 0..MOST_RETRIES {
            let found = self.find_or_create(
                (name, intent, S::KIND),
                &|| S::plan(&self.segment, name, params),
                &|region| S::init(&self.segment, name, region, params),
            )?;
            let id = Id {
                index: found.index,
                generation: found.meta.generation(),
                variant: S::variant(&found, params),
            };
            if let Some(handle) = self.cached::<S>(id) {
                handle.check(name, params)?;
                return Ok(handle);
            }
            // From here on it is seen to be in use, if it has not been destroyed before.
            self.segment.enter_entry(&name.text(), found.index)?;
            if table::is_still(&self.segment, &found) {
                let opened = S::open(&self.segment, name, &found, params);
                let handle = opened.and_then(|opened| self.insert(name, id, opened));
                return handle.inspect_err(|_| self.segment.leave_entry(found.index));
            }
            self.segment.leave_entry(found.index);
        }
        Err(Error::Stale { name: name.text() })
    }

    /// Takes the structure `name` out of the segment for good; see [`table::destroy`]. No
    /// thread of this process uses it meanwhile.
    pub fn destroy(&self, name: &[u8]) -> Result<()> {
        table::destroy(&self.segment, name, |index, meta| {
            let is_gone = |id: &Id| id.index == index && id.generation == meta.generation();
            let gone: Vec<Handle> = {
                let _process = fork::lock_process();
                // SAFETY: the process lock is held.
                let handles = unsafe { &mut *self.handles.get() };
                let ids: Vec<Id> = handles.keys().copied().filter(is_gone).collect();
                ids.iter().filter_map(|id| handles.remove(id)).collect()
            };
            for handle in &gone {
                handle.retire(End::Destroyed);
                self.segment.leave_entry(index);
            }
            remember(gone);
        })
    }

    /// One copy for all structures, as [`Self::keep`].
    #[inline(never)]
    fn find_or_create(
        &self,
        (name, intent, kind): (&Key, Intent, Kind),
        plan: &dyn Fn() -> Result<Extent>,
        init: &dyn Fn(Region) -> Result<()>,
    ) -> Result<Found> {
        let segment = &*self.segment;
        if intent == Intent::Open {
            return table::open(segment, name);
        }
        if segment.is_read_only() {
            return match table::open(segment, name) {
                Err(Error::NotFound { .. }) => Err(read_only(name, "creating a structure")),
                Ok(_) if intent == Intent::Create => Err(exists(name)),
                found => found,
            };
        }
        let extent = plan()?;
        let request = Request {
            key: name,
            kind,
            elem_size: extent.elem_size,
            num_elem: extent.num_elem,
            size: extent.size,
            align: extent.align,
        };
        match table::claim(segment, &request)? {
            Claim::Existing(_) if intent == Intent::Create => Err(exists(name)),
            Claim::Existing(found) => Ok(found),
            Claim::New(reservation) if Fault::EarlyReady.is_planted() => {
                let region = reservation.region()?;
                let found = reservation.publish(name)?;
                init(region)?;
                Ok(found)
            }
            Claim::New(reservation) => {
                init(reservation.region()?)?;
                reservation.publish(name)
            }
        }
    }

    fn cached<S: Structure>(&self, id: Id) -> Option<&S> {
        let mut found = None;
        self.see(id, &mut |handle| {
            found = S::from_handle(handle).map(core::ptr::from_ref)
        });
        // SAFETY: counted, and alive until `self` is dropped.
        found.map(|structure| unsafe { &*structure })
    }

    fn insert<S: Structure>(&self, name: &Key, id: Id, opened: S) -> Result<&S> {
        let handle = opened.into_handle();
        let mut kept = None;
        self.keep(id, handle, &mut |handle| {
            kept = S::from_handle(handle).map(core::ptr::from_ref);
        });
        match kept {
            // SAFETY: counted, and alive until `self` is dropped.
            Some(structure) => Ok(unsafe { &*structure }),
            None => Err(Error::corrupt(&name.text(), "the table entry")),
        }
    }

    /// Shows a handle that is open. One copy for all structures, as [`Self::keep`].
    #[inline(never)]
    fn see(&self, id: Id, show: &mut dyn FnMut(&Handle)) {
        let _process = fork::lock_process();
        // SAFETY: the process lock is held.
        let handles: &HashMap<_, _> = unsafe { &*self.handles.get() };
        if let Some(handle) = handles.get(&id) {
            show(handle);
        }
    }

    /// Keeps a handle, and shows the one that is kept: if another thread was first, its own,
    /// and this one is dropped once the lock is free again.
    #[inline(never)]
    fn keep(&self, id: Id, handle: Handle, show: &mut dyn FnMut(&Handle)) {
        let mut late = None;
        {
            let _process = fork::lock_process();
            // SAFETY: the process lock is held.
            let handles = unsafe { &mut *self.handles.get() };
            show(match handles.entry(id) {
                Entry::Occupied(first) => {
                    late = Some(handle);
                    first.into_mut()
                }
                Entry::Vacant(free) => free.insert(handle),
            });
        }
        if late.is_some() {
            self.segment.leave_entry(id.index);
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let handles = self.handles.get_mut().drain().map(|(_, handle)| handle);
        let retired: Vec<_> = handles.collect();
        for handle in &retired {
            handle.retire(End::Closed);
        }
        remember(retired);
    }
}

/// How often a name may be destroyed while it is being opened, before that is given up.
const MOST_RETRIES: u32 = 100;

/// Handles of closed segments and destroyed structures, the last ones: what a program does
/// with them is refused instead of undefined.
struct Retired(UnsafeCell<VecDeque<Handle>>);

// SAFETY: touched under the process lock only, and handles are `Send`.
unsafe impl Sync for Retired {}

static RETIRED: Retired = Retired(UnsafeCell::new(VecDeque::new()));

/// How many of those are remembered.
const MOST_RETIRED: usize = 64;

/// Keeps retired handles where they are, until that many came after them.
fn remember(handles: Vec<Handle>) {
    let forgotten: Vec<_> = {
        let _process = fork::lock_process();
        // SAFETY: the process lock is held.
        let retired = unsafe { &mut *RETIRED.0.get() };
        retired.extend(handles);
        let surplus = retired.len().saturating_sub(MOST_RETIRED);
        retired.drain(..surplus).collect()
    };
    // Without the lock, which a handle's end may need.
    drop(forgotten);
}

/// An [`Error::ReadOnly`] about a structure.
fn read_only(name: &Key, what: &'static str) -> Error {
    Error::ReadOnly {
        name: name.text(),
        what,
    }
}

fn exists(name: &Key) -> Error {
    Error::Exists {
        what: "structure",
        name: name.text(),
    }
}

/// Checks the element size, alignment and count that every sequence of elements has.
fn validate_elements(name: &Key, elem_size: u64, elem_align: u64, count: u64) -> Result<()> {
    let text = || name.text();
    if elem_size == 0 {
        return Err(Error::ElementSize {
            name: text(),
            found: 0,
            expected: "at least 1",
        });
    }
    if elem_align != 0 && (!elem_align.is_power_of_two() || elem_align > crate::sys::PAGE) {
        return Err(Error::Alignment {
            name: text(),
            found: elem_align,
        });
    }
    if elem_size.checked_mul(count).is_none() {
        return Err(Error::Overflow {
            name: text(),
            elem_size,
            count,
        });
    }
    Ok(())
}

/// Checks a number of an existing structure against the one asked for.
fn expect(name: &Key, what: &'static str, expected: u64, found: u64) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Mismatch {
        name: name.text(),
        what,
        expected,
        found,
    })
}

/// Checks the kind of an existing structure.
fn expect_kind(name: &Key, expected: Kind, found: Kind) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Kind {
        name: name.text(),
        expected: expected.name(),
        found: found.name(),
    })
}
