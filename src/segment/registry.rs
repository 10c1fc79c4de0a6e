//! The segments that this process has attached, by address: tells whether a
//! table object lies inside one of them.

use super::{Segment, fork};
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering;

/// Changed and read under the process lock only.
struct Attached(UnsafeCell<Vec<Entry>>);

struct Entry {
    table: usize,
    segment: *const Segment,
}

// SAFETY: every access holds the process lock.
unsafe impl Sync for Attached {}

static ATTACHED: Attached = Attached(UnsafeCell::new(Vec::new()));

fn with<R>(use_list: impl FnOnce(&mut Vec<Entry>) -> R) -> R {
    let _process = fork::lock_process();
    // SAFETY: the process lock makes this the only reference.
    use_list(unsafe { &mut *ATTACHED.0.get() })
}

/// Makes a segment known. It must stay at its address until [`leave`].
pub fn enter(segment: &Segment) {
    let table = segment.heap().base().as_ptr() as usize;
    with(|list| list.push(Entry { table, segment }));
}

/// Forgets a segment.
pub fn leave(segment: &Segment) {
    with(|list| list.retain(|entry| !core::ptr::eq(entry.segment, segment)));
}

/// The name of a segment of which memory is gone.
pub fn name_of_cut() -> String {
    with(|list| {
        // SAFETY: registered segments are alive.
        let mut segments = list.iter().map(|entry| unsafe { &*entry.segment });
        // Relaxed: as where it is stored.
        let cut = segments.find(|segment| segment.cut().load(Ordering::Relaxed));
        cut.map_or("a segment", Segment::name).to_owned()
    })
}

/// The attached segment whose table is at this address, if any.
///
/// # Safety
///
/// The caller does not use the result after the segment was closed; in C terms,
/// no table function runs while its segment is being closed.
pub unsafe fn find_table<'a>(table: *const u8) -> Option<&'a Segment> {
    let segment = with(|list| {
        list.iter()
            .find(|entry| entry.table == table as usize)
            .map(|entry| entry.segment)
    })?;
    // SAFETY: registered segments are alive; the caller keeps them so.
    Some(unsafe { &*segment })
}
