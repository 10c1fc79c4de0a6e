//! Segments in C.

use super::{
    Info, boundary, fill, getter, null, object, output, segment_name, shmds_status,
    status::SHMDS_OK, string,
};
use crate::error::{Error, Result};
use crate::segment::{self, Intent, Options};
use crate::structures::Attachment;
use crate::table::Table;
use core::ffi::{c_char, c_void};
use core::time::Duration;

/// An attachment to a segment: a named piece of shared memory with a table of
/// structures.
///
/// Made by `shmds_segment_create`, `_open` and `_open_or_create`; freed by
/// `shmds_segment_close`, with every handle that was opened through it. Any
/// number of threads may use it at once. A forked child goes on with what it
/// inherits, as an attachment of its own from its first change on; closing there
/// takes nothing away from the parent. A forked child of a read-only attachment is
/// not seen as a reader. Fork handlers do not run for `_Fork` or a raw `clone`: such
/// a child must not use inherited handles. No function is async-signal-safe.
pub struct shmds_segment(pub(super) Attachment);

/// Attach for reading only: find, read arrays and atomics. Takes no attachment slot.
pub const SHMDS_SEGMENT_READ_ONLY: u32 = 1;
/// At creation, commit the memory of the whole payload.
pub const SHMDS_SEGMENT_COMMIT: u32 = 2;
/// Survive that somebody truncates the segment's file. Without this, a thread that touches
/// memory that is gone gets `SIGBUS`. With it, a handler for `SIGBUS`, which passes on what it is not
/// meant for, puts zeros that nobody else sees in place of each such page; and the call that
/// touched it, and every later one on the attachment, answers `SHMDS_E_TRUNCATED`. What is compiled
/// into the program (arrays, atomics, shmds_inline.h) reads the zeros, and is told by the next
/// call. At most 64 attachments of a process can have it at once; one more is `SHMDS_E_BUSY`. A
/// handler that the program installs later takes its place.
pub const SHMDS_SEGMENT_GUARD: u32 = 4;

/// How a segment is created or opened. Zero everywhere but in `struct_size`
/// asks for the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct shmds_segment_options {
    /// `sizeof(shmds_segment_options)`.
    pub struct_size: usize,
    /// Payload in bytes: what the elements of all structures may take together.
    /// Creating needs it. Opening asks for at least as much; 0 accepts any.
    pub size: u64,
    /// Permission bits of a new segment, whatever the umask; 0: 0600.
    pub mode: u32,
    /// Bytes of a structure's name, the NUL included; 0: 32 when creating, any when
    /// opening.
    pub max_name_size: u32,
    /// Number of structures; 0: 64 when creating, any when opening.
    pub max_entries: u32,
    /// Number of attachments that a new segment can have at once, at most 4096;
    /// 0: 256.
    pub max_attachments: u32,
    /// `SHMDS_SEGMENT_...`, or-ed.
    pub flags: u32,
    /// Milliseconds to wait for a living process that is creating the segment, or,
    /// later, a structure; 0: 5000.
    pub open_timeout_ms: u32,
}

impl shmds_segment_options {
    /// The options of the core.
    fn to_core(self) -> Result<Options> {
        let known = SHMDS_SEGMENT_READ_ONLY | SHMDS_SEGMENT_COMMIT | SHMDS_SEGMENT_GUARD;
        if self.flags & !known != 0 {
            return Err(Error::argument(format!(
                "options->flags is {:#x}; expected a combination of SHMDS_SEGMENT_READ_ONLY, SHMDS_SEGMENT_COMMIT and SHMDS_SEGMENT_GUARD",
                self.flags
            )));
        }
        let defaults = Options::default();
        let or = |value: u32, default: u64| {
            if value == 0 {
                default
            } else {
                u64::from(value)
            }
        };
        let given = |value: u32| (value != 0).then_some(u64::from(value));
        Ok(Options {
            size: self.size,
            mode: or(self.mode, u64::from(defaults.mode)) as u32,
            max_name_size: given(self.max_name_size),
            max_entries: given(self.max_entries),
            max_attachments: or(self.max_attachments, defaults.max_attachments),
            commit: self.flags & SHMDS_SEGMENT_COMMIT != 0,
            read_only: self.flags & SHMDS_SEGMENT_READ_ONLY != 0,
            guard: self.flags & SHMDS_SEGMENT_GUARD != 0,
            open_timeout: match self.open_timeout_ms {
                0 => defaults.open_timeout,
                milliseconds => Duration::from_millis(u64::from(milliseconds)),
            },
        })
    }
}

/// Numbers about a segment.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct shmds_segment_info {
    /// `sizeof(shmds_segment_info)`, set by the caller.
    pub struct_size: usize,
    /// Payload in bytes, as given at creation.
    pub size: u64,
    /// Payload in bytes that structures use; those erased count as well.
    pub payload_used: u64,
    /// Bytes of the file: address space, most of it without memory behind it.
    pub file_size: u64,
    /// Bytes of a structure's name, the NUL included.
    pub max_name_size: u32,
    /// Number of table entries.
    pub max_entries: u32,
    /// Number of table entries in use.
    pub entries_used: u32,
    /// Number of attachments that are possible at once.
    pub max_attachments: u32,
    /// Number of read-write attachments alive now.
    pub ref_count: u32,
    /// 1 if a read-only attachment is alive now, else 0.
    pub readers: u32,
}

// SAFETY: integers in descending size, `struct_size` first.
unsafe impl Info for shmds_segment_info {}

/// Reads a structure that begins with its size, whichever version of it the
/// caller knows: what the caller does not know is zero, what we do not know has
/// to be.
///
/// # Safety
///
/// `pointer` has as many readable bytes as its first word says.
unsafe fn read_options(pointer: *const shmds_segment_options) -> Result<Options> {
    let known = size_of::<shmds_segment_options>();
    // SAFETY: all integers.
    let mut options: shmds_segment_options = unsafe { core::mem::zeroed() };
    if !pointer.is_null() {
        // SAFETY: every version of the structure has its first word.
        let given = unsafe { (*pointer).struct_size };
        if !(known..=4096).contains(&given) {
            return Err(Error::argument(format!(
                "options->struct_size is {given}; expected sizeof(shmds_segment_options), {known}"
            )));
        }
        // SAFETY: at least `known` bytes are there.
        options = unsafe { *pointer };
        for offset in known..given {
            // SAFETY: below `given`.
            if unsafe { *pointer.cast::<u8>().add(offset) } != 0 {
                return Err(Error::argument(
                    "options sets something that this version of the library does not know",
                ));
            }
        }
    }
    options.to_core()
}

/// # Safety
///
/// As for the three functions that call it.
unsafe fn attach(
    name: *const c_char,
    intent: Intent,
    options: *const shmds_segment_options,
    out: *mut *mut shmds_segment,
) -> Result<shmds_status> {
    // SAFETY: as promised to us.
    let (name, options, out) = unsafe {
        (
            segment_name(name)?,
            read_options(options)?,
            output(out, "out")?,
        )
    };
    let attachment = Attachment::new(name, intent, &options)?;
    out.write(Box::into_raw(Box::new(shmds_segment(attachment))));
    Ok(SHMDS_OK)
}

/// Creates a segment and attaches to it.
///
/// `name` may begin with a slash, or not: it is the same segment. `options` may
/// not be NULL here, for creating needs `size`. On success `*out` is to be freed
/// with `shmds_segment_close`; otherwise it is untouched and nothing is left behind.
///
/// Any thread may call this at any time; of several processes that create one
/// name at once, exactly one does, and a creator that dies half-way is replaced.
///
/// @return `SHMDS_OK`; `SHMDS_E_EXISTS`; `SHMDS_TIMEOUT` if a living process has
/// been at it for too long; `SHMDS_E_ARGUMENT`, `SHMDS_E_NAME_EMPTY`,
/// `SHMDS_E_NAME_TOO_LONG`, `SHMDS_E_NAME_INVALID`; `SHMDS_E_TOO_LARGE`;
/// `SHMDS_E_NO_SPACE`; `SHMDS_E_FOREIGN` if something else has that name;
/// `SHMDS_E_VERSION`, `SHMDS_E_TRUNCATED`, `SHMDS_E_CORRUPT` about a segment that
/// exists; `SHMDS_E_PERMISSION`; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `name` is NULL or a C string, `options` NULL or valid, `out` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_create(
    name: *const c_char,
    options: *const shmds_segment_options,
    out: *mut *mut shmds_segment,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe { attach(name, Intent::Create, options, out) })
}

/// Attaches to a segment that exists.
///
/// `options` may be NULL. On success `*out` is to be freed with
/// `shmds_segment_close`; otherwise it is untouched. Any thread may call this at
/// any time.
///
/// @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`, also when its creator died before it
/// was finished; `SHMDS_TIMEOUT` if a living process has been creating it for too
/// long; `SHMDS_E_SIZE` if it is smaller than `options->size`; `SHMDS_E_GEOMETRY`
/// if its table is not as asked; `SHMDS_E_ATTACHMENTS` if every slot is taken;
/// `SHMDS_E_VERSION`, `SHMDS_E_FOREIGN`, `SHMDS_E_TRUNCATED`, `SHMDS_E_CORRUPT`;
/// `SHMDS_E_ARGUMENT`, `SHMDS_E_NAME_EMPTY`, `SHMDS_E_NAME_TOO_LONG`,
/// `SHMDS_E_NAME_INVALID`; `SHMDS_E_TOO_LARGE` if it cannot be mapped;
/// `SHMDS_E_PERMISSION`; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `name` is NULL or a C string, `options` NULL or valid, `out` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_open(
    name: *const c_char,
    options: *const shmds_segment_options,
    out: *mut *mut shmds_segment,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe { attach(name, Intent::Open, options, out) })
}

/// Attaches to a segment, creating it if it does not exist.
///
/// See `shmds_segment_create` and `shmds_segment_open`, whose statuses it returns
/// but for `SHMDS_E_EXISTS` and `SHMDS_E_NOT_FOUND`. Any thread may call this at
/// any time; of any number of processes, exactly one creates.
///
/// # Safety
///
/// `name` is NULL or a C string, `options` NULL or valid, `out` NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_open_or_create(
    name: *const c_char,
    options: *const shmds_segment_options,
    out: *mut *mut shmds_segment,
) -> shmds_status {
    // SAFETY: as promised to us.
    boundary(|| unsafe { attach(name, Intent::OpenOrCreate, options, out) })
}

/// Gives an attachment up and frees every handle that was opened through it.
///
/// The segment and its contents stay until `shmds_unlink`, also when nobody is
/// attached. No other thread may use the segment or its handles during or after
/// this call.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT` for NULL.
///
/// # Safety
///
/// `segment` is NULL or came from this library and was not closed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_close(segment: *mut shmds_segment) -> shmds_status {
    boundary(|| {
        if segment.is_null() {
            return Err(null("segment"));
        }
        // SAFETY: made by `attach`, and not closed before.
        drop(unsafe { Box::from_raw(segment) });
        Ok(SHMDS_OK)
    })
}

/// Removes the name of a segment. Whoever is attached goes on; the memory is
/// freed when the last of them is gone. Any thread may call this at any time.
///
/// @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_E_ARGUMENT`,
/// `SHMDS_E_NAME_EMPTY`, `SHMDS_E_NAME_TOO_LONG`, `SHMDS_E_NAME_INVALID`;
/// `SHMDS_E_PERMISSION`; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `name` is NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_unlink(name: *const c_char) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        segment::unlink(unsafe { segment_name(name) }?)?;
        Ok(SHMDS_OK)
    })
}

/// Takes the structure `name` out of the segment for good and gives its space back, to be
/// used by others, as soon as nobody can be using it any more.
///
/// The name is free at once. The space follows when no attachment but this one has the
/// structure open, or ever opened it and has not closed the segment since: at once, or with
/// the first creation, erasure or attachment after the last of them is gone, however it
/// went. From now on this attachment's handles to the structure, and in other attachments
/// the functions of the library, answer `SHMDS_E_STALE`; where an address was handed out, or
/// an operation is compiled in line, other attachments go on in the space that is kept for
/// them. The last 64 handles that were destroyed or closed may still be asked; older ones
/// must not be.
///
/// No other thread of this process uses the structure during or after this call, and no
/// child that was forked from it uses it through a handle that it inherited, unless that
/// child has an attachment slot of its own (see `shmds_segment_ref_count`): until then, child
/// and parent count as one.
///
/// A raw entry, whose place is its author's affair, is erased: its space stays taken.
/// Waits for a living process that is changing the table, at most `open_timeout_ms`. Any
/// thread may call this at any time.
///
/// @return `SHMDS_OK`; `SHMDS_E_NOT_FOUND`; `SHMDS_TIMEOUT`, and then nothing has changed;
/// `SHMDS_E_READ_ONLY`; `SHMDS_E_ARGUMENT` for NULL; `SHMDS_E_ATTACHMENTS`,
/// `SHMDS_E_PERMISSION` in a forked child that finds no attachment slot, or may not reopen
/// the segment; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `segment` is NULL or open, `name` NULL or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_destroy(
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
        segment.0.destroy(name)?;
        Ok(SHMDS_OK)
    })
}

/// Address of the segment's table; the offset of every structure counts from
/// here. NULL for NULL. Valid until the segment is closed.
///
/// # Safety
///
/// `segment` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_base(segment: *const shmds_segment) -> *mut c_void {
    getter(core::ptr::null_mut(), || {
        // SAFETY: as promised to us.
        let segment = unsafe { segment.as_ref() }?;
        Some(segment.0.segment().heap().base().as_ptr().cast())
    })
}

/// Name of the segment, without the leading slash. NULL for NULL. Valid until
/// the segment is closed.
///
/// # Safety
///
/// `segment` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_name(segment: *const shmds_segment) -> *const c_char {
    getter(core::ptr::null(), || {
        // SAFETY: as promised to us.
        Some(unsafe { segment.as_ref() }?.0.name().as_ptr())
    })
}

/// Payload of the segment in bytes, exactly as given at its creation. 0 for NULL.
///
/// # Safety
///
/// `segment` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_size(segment: *const shmds_segment) -> u64 {
    getter(0, || {
        // SAFETY: as promised to us.
        Some(unsafe { segment.as_ref() }?.0.segment().geometry().size)
    })
}

/// Number of read-write attachments that are alive now, this one included.
///
/// A process that ends, however it does, is not counted any more within 100 ms
/// of its end. Costs about 0.3 microseconds per attachment slot.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT`; `SHMDS_E_ATTACHMENTS` in a forked
/// child that finds no slot; `SHMDS_E_SYSTEM`.
///
/// # Safety
///
/// `segment` is NULL or open, `count` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_ref_count(
    segment: *const shmds_segment,
    count: *mut u32,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let (segment, count) = unsafe { (object(segment, "segment")?, output(count, "count")?) };
        count.write(segment.0.segment().ref_count()?);
        Ok(SHMDS_OK)
    })
}

/// Fills `*info` in; set `info->struct_size` first.
///
/// @return `SHMDS_OK`; `SHMDS_E_ARGUMENT` for NULL or another `struct_size`; and
/// as `shmds_segment_ref_count`.
///
/// # Safety
///
/// `segment` is NULL or open, `info` is NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmds_segment_get_info(
    segment: *const shmds_segment,
    info: *mut shmds_segment_info,
) -> shmds_status {
    boundary(|| {
        // SAFETY: as promised to us.
        let segment = unsafe { object(segment, "segment")? }.0.segment();
        let geometry = segment.geometry();
        let numbers = || {
            Ok(shmds_segment_info {
                struct_size: size_of::<shmds_segment_info>(),
                size: geometry.size,
                payload_used: segment.payload_used(),
                file_size: geometry.file_size,
                max_name_size: geometry.max_name_size as u32,
                max_entries: geometry.max_entries as u32,
                entries_used: Table::of(segment)?.count() as u32,
                max_attachments: geometry.max_attachments as u32,
                ref_count: segment.ref_count()?,
                readers: u32::from(segment.has_readers()?),
            })
        };
        // SAFETY: as promised to us.
        unsafe { fill(info, "info", numbers) }?;
        Ok(SHMDS_OK)
    })
}
