//! Tables in C: by segment, and by address for the C++ wrapper.

use super::{
    Info, boundary, fill, getter, null, object, output, shmds_segment, shmds_status,
    status::{SHMDS_EMPTY, SHMDS_OK},
    string,
};
use crate::error::{Error, Result};
use crate::segment::layout;
use crate::table::{Fields, Found, Place, Table};
use core::ffi::{c_char, c_void};
use core::ptr::NonNull;

/// An entry that user code added.
pub const SHMDS_KIND_RAW: u32 = 0;
/// An array.
pub const SHMDS_KIND_ARRAY: u32 = 1;
/// An atomic.
pub const SHMDS_KIND_ATOMIC: u32 = 2;
/// A queue.
pub const SHMDS_KIND_QUEUE: u32 = 3;
/// A queue for one producer and one consumer.
pub const SHMDS_KIND_SPSC_QUEUE: u32 = 4;
/// An object pool.
pub const SHMDS_KIND_OBJECT_POOL: u32 = 5;
/// A ring buffer.
pub const SHMDS_KIND_RING_BUFFER: u32 = 6;

/// What a table says of one structure.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct shmds_entry_info {
    /// `sizeof(shmds_entry_info)`, set by the caller.
    pub struct_size: usize,
    /// Where it begins, in bytes from `shmds_segment_base`.
    pub offset: u64,
    /// Bytes that it takes there, control words included.
    pub size: u64,
    /// Bytes of an element.
    pub elem_size: u64,
    /// Number of elements.
    pub num_elem: u64,
    /// `SHMDS_KIND_...`.
    pub kind: u32,
    /// Changes whenever the entry is put to another use.
    pub generation: u32,
}

// SAFETY: integers in descending size, `struct_size` first.
unsafe impl Info for shmds_entry_info {}

impl shmds_entry_info {
    fn new(found: &Found) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            offset: found.offset,
            size: found.size,
            elem_size: found.elem_size,
            num_elem: found.num_elem,
            kind: found.kind as u32,
            generation: found.meta.generation(),
        }
    }
}

/// Looks a structure up by name and fills `*info` in; set `info->struct_size` first.
///
/// Takes no lock; a structure that is still being initialised is not found. Any
/// number of threads may call this at once.
///
/// @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_ARGUMENT`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string, `info` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_find(
    segment: *const shmds_segment,
    name: *const c_char,
    info: *mut shmds_entry_info,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (segment, name) = unsafe { (object(segment, "segment")?, string(name, "name")?) };
        let table = Table::of(segment.0.segment())?;
        // SAFETY: as promised to us.
        unsafe {
            fill(info, "info", || {
                Ok(shmds_entry_info::new(&find(&table, name)?))
            })
        }?;
        Ok(SHMDS_OK)
    })
}

fn find(table: &Table, name: &[u8]) -> Result<Found> {
    let key = table.key(name);
    table.find(&key).ok_or_else(|| Error::NotFound {
        what: "structure",
        name: key.text(),
        why: "",
    })
}

/// Tells what entry `index` of the table holds; for going through all of them,
/// from 0 to `max_entries - 1` of `shmds_segment_info`.
///
/// The name is copied to `name`, cut to `name_capacity` bytes with its NUL; `name`
/// may be NULL if `name_capacity` is 0. Set `info->struct_size` first. Any number
/// of threads may call this at once, also while the table changes.
///
/// @return `SHMDS_OK`; `SHMDS_EMPTY` if the entry is unused; `SHMDS_E_ARGUMENT`,
/// also for an index past the end.
///
/// # Safety
///
/// `segment` is NULL or open, `info` NULL or valid, `name` has `name_capacity`
/// bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_entry_at(
    segment: *const shmds_segment,
    index: u32,
    info: *mut shmds_entry_info,
    name: *mut c_char,
    name_capacity: usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let segment = unsafe { object(segment, "segment")? };
        if name.is_null() && name_capacity > 0 {
            return Err(null("name"));
        }
        let table = Table::of(segment.0.segment())?;
        if u64::from(index) >= table.max_entries() {
            return Err(Error::argument(format!(
                "index is {index}; expected less than {}, the number of entries",
                table.max_entries()
            )));
        }
        let Some((found, text)) = table.get(u64::from(index)) else {
            return Ok(SHMDS_EMPTY);
        };
        // SAFETY: as promised to us.
        unsafe { fill(info, "info", || Ok(shmds_entry_info::new(&found))) }?;
        if name_capacity > 0 {
            let len = text.len().min(name_capacity - 1);
            // SAFETY: `name` has `name_capacity` bytes, more than `len`.
            unsafe {
                core::ptr::copy_nonoverlapping(text.as_ptr(), name.cast(), len);
                name.add(len).write(0);
            }
        }
        Ok(SHMDS_OK)
    })
}

/// Takes a structure out of the table. Its memory stays taken, and handles to it
/// go on working; the name is free for another structure.
///
/// Any thread may call this at any time. Waits while a living process changes
/// the table.
///
/// @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_TIMEOUT` if a living process
/// did not leave the table in time; `SHMDS_E_READ_ONLY`; `SHMDS_E_ARGUMENT`;
/// `SHMDS_E_ATTACHMENTS`, `SHMDS_E_PERMISSION` in a forked child that finds no
/// attachment slot, or may not reopen the segment; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_erase(
    segment: *mut shmds_segment,
    name: *const c_char,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (segment, name) = unsafe {
            (
                object(segment.cast_const(), "segment")?,
                string(name, "name")?,
            )
        };
        Place::Segment(segment.0.segment()).erase(name)?;
        Ok(SHMDS_OK)
    })
}

/// The table at an address from C.
///
/// # Safety
///
/// As for the functions that call it.
unsafe fn place<'a>(
    table: *const c_void,
    max_name_size: usize,
    max_entries: usize,
) -> Result<Place<'a>> {
    let table = NonNull::new(table.cast_mut().cast::<u8>()).ok_or_else(|| null("table"))?;
    let (max_name_size, max_entries) = (max_name_size as u64, max_entries as u64);
    if !(1..=layout::MAX_NAME_SIZE).contains(&max_name_size) {
        return Err(Error::argument(format!(
            "max_name_size is {max_name_size}; expected 1 to {}",
            layout::MAX_NAME_SIZE
        )));
    }
    if !(1..=layout::MAX_ENTRIES).contains(&max_entries) {
        return Err(Error::argument(format!(
            "max_entries is {max_entries}; expected 1 to {}",
            layout::MAX_ENTRIES
        )));
    }
    // SAFETY: as promised to us.
    unsafe { Place::at(table, max_name_size, max_entries) }
}

/// The characters of a name that need not end with a NUL.
///
/// # Safety
///
/// `name` is NULL or has `length` bytes.
unsafe fn characters<'a>(name: *const c_char, length: usize) -> Result<&'a [u8]> {
    if name.is_null() {
        return Err(null("name"));
    }
    if length > isize::MAX as usize {
        return Err(Error::argument(format!(
            "name_length is {length}; expected the length of a name"
        )));
    }
    // SAFETY: as promised to us.
    Ok(unsafe { core::slice::from_raw_parts(name.cast(), length) })
}

/// Adds an entry to any table: that of an attached segment, which is then changed
/// as by `shmds_..._create`, or a private one that no other process sees.
///
/// A table is `max_entries` times { name of `max_name_size` bytes, rounded up to
/// 8; offset; size; elem_size; num_elem; meta }, each 64 bits, and total_allocated;
/// all zero is a valid empty one. `meta` has 1 in its lowest byte while the entry
/// is in use. The entry is taken as it is, whatever lies there; the part of the
/// segment that it describes is committed. A name is cut at `max_name_size - 1`.
///
/// Any thread may call this at any time.
///
/// @return `SHMDS_OK`; `SHMDS_E_EXISTS` if the name is taken; `SHMDS_E_TABLE_FULL`;
/// `SHMDS_E_GEOMETRY` if the table's segment has another; `SHMDS_E_NO_SPACE`;
/// `SHMDS_TIMEOUT`; `SHMDS_E_READ_ONLY`; `SHMDS_E_ARGUMENT`; for the table of a
/// segment also `SHMDS_E_SYSTEM`, and `SHMDS_E_ATTACHMENTS`, `SHMDS_E_PERMISSION`
/// in a forked child that finds no attachment slot, or may not reopen the segment.
///
/// # Safety
///
/// `table` is NULL or a table of that geometry, aligned to 8; `name` is NULL or
/// has `name_length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_table_add(
    table: *mut c_void,
    max_name_size: usize,
    max_entries: usize,
    name: *const c_char,
    name_length: usize,
    offset: u64,
    size: u64,
    elem_size: u64,
    num_elem: u64,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (place, name) = unsafe {
            (
                place(table, max_name_size, max_entries)?,
                characters(name, name_length)?,
            )
        };
        let fields = Fields {
            offset,
            size,
            elem_size,
            num_elem,
        };
        place.add(name, fields)?;
        Ok(SHMDS_OK)
    })
}

/// Takes an entry out of any table; see `shmds_table_add`. Its space stays taken.
///
/// @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_GEOMETRY`; `SHMDS_TIMEOUT`;
/// `SHMDS_E_READ_ONLY`; `SHMDS_E_ARGUMENT`; and `SHMDS_E_ATTACHMENTS`,
/// `SHMDS_E_PERMISSION`, `SHMDS_E_SYSTEM` as `shmds_table_add`.
///
/// # Safety
///
/// As for `shmds_table_add`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_table_erase(
    table: *mut c_void,
    max_name_size: usize,
    max_entries: usize,
    name: *const c_char,
    name_length: usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (place, name) = unsafe {
            (
                place(table, max_name_size, max_entries)?,
                characters(name, name_length)?,
            )
        };
        place.erase(name)?;
        Ok(SHMDS_OK)
    })
}

/// Finds an entry of any table; see `shmds_table_add`. Takes no lock. `*entry` is
/// the address of the entry's name, valid as long as the table is.
///
/// @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_GEOMETRY`; `SHMDS_E_ARGUMENT`.
///
/// # Safety
///
/// As for `shmds_table_add`; `entry` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_table_find(
    table: *const c_void,
    max_name_size: usize,
    max_entries: usize,
    name: *const c_char,
    name_length: usize,
    entry: *mut *mut c_void,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (place, name, entry) = unsafe {
            (
                place(table, max_name_size, max_entries)?,
                characters(name, name_length)?,
                output(entry, "entry")?,
            )
        };
        let table = place.table()?;
        let found = find(&table, name)?;
        entry.write(table.address_of(found.index)?.as_ptr().cast());
        Ok(SHMDS_OK)
    })
}

/// Takes all entries out of any table and forgets what was allocated; see
/// `shmds_table_add`. For when nobody uses the structures any more: new ones take
/// the same memory.
///
/// @return `SHMDS_OK`; `SHMDS_E_GEOMETRY`; `SHMDS_TIMEOUT`; `SHMDS_E_READ_ONLY`;
/// `SHMDS_E_ARGUMENT`; and `SHMDS_E_ATTACHMENTS`, `SHMDS_E_PERMISSION`,
/// `SHMDS_E_SYSTEM` as `shmds_table_add`.
///
/// # Safety
///
/// As for `shmds_table_add`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_table_clear(
    table: *mut c_void,
    max_name_size: usize,
    max_entries: usize,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        unsafe { place(table, max_name_size, max_entries) }?.clear()?;
        Ok(SHMDS_OK)
    })
}

/// Number of entries in use in any table; see `shmds_table_add`. 0 for NULL.
///
/// # Safety
///
/// As for `shmds_table_add`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_table_count(
    table: *const c_void,
    max_name_size: usize,
    max_entries: usize,
) -> usize {
    getter(0, || {
        // SAFETY: as promised to us.
        let place = unsafe { place(table, max_name_size, max_entries) }.ok()?;
        Some(place.table().ok()?.count() as usize)
    })
}

/// Largest offset + size - size of the table that was ever added to any table;
/// see `shmds_table_add`. In arithmetic that wraps. 0 for NULL.
///
/// # Safety
///
/// As for `shmds_table_add`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_table_total_allocated(
    table: *const c_void,
    max_name_size: usize,
    max_entries: usize,
) -> u64 {
    getter(0, || {
        // SAFETY: as promised to us.
        let place = unsafe { place(table, max_name_size, max_entries) }.ok()?;
        Some(place.table().ok()?.total_allocated())
    })
}
