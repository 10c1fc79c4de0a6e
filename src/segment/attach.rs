//! Creating and opening segments: exactly one initialiser, and a dead one replaced.
//!
//! A file passes through these states, in this order:
//! 1. *empty*: created, nothing written;
//! 2. *unborn*: the birth mark is written, the magic is not;
//! 3. *ready*: the magic is there; everything else was written before.
//!
//! Only the holder of the init lease moves a file on. If it dies, the kernel
//! frees the lease, and the next creator starts over from an empty file.

use super::Segment;
use super::fork;
use super::layout::{self, BIRTH, COMMITTED, Geometry, Header, LAYOUT_VERSION, MAGIC};
use super::lease::{INIT_BYTE, Lease};
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::raw::Region;
use crate::sys::{self, Access, Lock, Mapping};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering, fence};
use core::time::Duration;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

/// What to do about a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Intent {
    /// Make a new segment; an existing one is an error.
    Create,
    /// Attach to an existing segment; its absence is an error.
    Open,
    /// Attach to the segment, making it if need be.
    OpenOrCreate,
}

/// How a segment is created or opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Payload bytes. Creating needs it; opening asks for at least this much.
    pub size: u64,
    /// Permission bits of a new segment.
    pub mode: u32,
    /// Bytes of a name in the table; `None`: 32 for a new one, any for an existing one.
    pub max_name_size: Option<u64>,
    /// Entries of the table; `None`: 64 for a new one, any for an existing one.
    pub max_entries: Option<u64>,
    /// Attachment slots of a new segment.
    pub max_attachments: u64,
    /// Commit the memory of the whole payload at creation.
    pub commit: bool,
    /// Attach for reading only.
    pub read_only: bool,
    /// Survive that somebody truncates the file: see [`super::guard`].
    pub guard: bool,
    /// How long to wait for a living process: another creator, or the initialiser
    /// of a structure.
    pub open_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            size: 0,
            mode: 0o600,
            max_name_size: None,
            max_entries: None,
            max_attachments: 256,
            commit: false,
            read_only: false,
            guard: false,
            open_timeout: Duration::from_secs(5),
        }
    }
}

const DEFAULT_NAME_SIZE: u64 = 32;
const DEFAULT_ENTRIES: u64 = 64;

/// Longest pause between two looks at a segment that somebody initialises.
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// A segment to attach to: its name, checked and as the system wants it.
struct Name<'a> {
    plain: &'a str,
    path: CString,
    /// What this build expects of the segment's layout.
    fingerprint: u64,
}

impl<'a> Name<'a> {
    fn new(name: &'a str, formats: &[usize]) -> Result<Self> {
        let plain = name.strip_prefix('/').unwrap_or(name);
        if plain.is_empty() {
            return Err(Error::NameEmpty { what: "segment" });
        }
        if plain.len() > sys::NAME_LIMIT {
            return Err(Error::NameTooLong {
                name: plain.to_owned(),
                limit: sys::NAME_LIMIT,
            });
        }
        let invalid = || Error::NameInvalid {
            name: name.to_owned(),
        };
        if plain.contains('/') || plain == "." || plain == ".." {
            return Err(invalid());
        }
        let path = CString::new(format!("/{plain}")).map_err(|_| invalid())?;
        Ok(Self {
            plain,
            path,
            fingerprint: layout::fingerprint(formats),
        })
    }

    fn error(&self, what: &'static str, error: &io::Error) -> Error {
        Error::system(self.plain, what, error)
    }

    fn not_found(&self, why: &'static str) -> Error {
        Error::NotFound {
            what: "segment",
            name: self.plain.to_owned(),
            why,
        }
    }

    fn exists(&self) -> Error {
        Error::Exists {
            what: "segment",
            name: self.plain.to_owned(),
        }
    }
}

/// Removes a segment's name. Whoever is attached goes on.
pub fn unlink(name: &str) -> Result<()> {
    let name = Name::new(name, &[])?;
    sys::shm_unlink(&name.path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => name.not_found(""),
        _ => name.error("remove its name", &error),
    })
}

/// How far the creation of a file has come.
enum Stage {
    /// Empty, or left by a creator who has not finished.
    Unborn,
    /// Complete.
    Ready(Geometry),
}

/// Attaches to `name`; `formats` are the layouts of the layers above.
pub(super) fn attach(
    name: &str,
    intent: Intent,
    options: &Options,
    formats: &[usize],
) -> Result<Segment> {
    let name = Name::new(name, formats)?;
    let plan = check_options(&name, intent, options)?;
    let deadline = Instant::now() + options.open_timeout;
    let mut pause = Duration::from_micros(20);
    loop {
        if let Some(segment) = try_attach(&name, intent, options, plan.as_ref())? {
            return Ok(segment);
        }
        if Instant::now() >= deadline {
            return Err(Error::Timeout {
                name: name.plain.to_owned(),
                what: "a living process to finish creating the segment",
                milliseconds: options.open_timeout.as_millis() as u64,
            });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Checks what can be checked without looking; the plan for a new segment if one may be made.
fn check_options(name: &Name, intent: Intent, options: &Options) -> Result<Option<Geometry>> {
    let about = |rule: &str| Error::argument(format!("segment \"{}\": {rule}", name.plain));
    let name_size = options.max_name_size.unwrap_or(DEFAULT_NAME_SIZE);
    let entries = options.max_entries.unwrap_or(DEFAULT_ENTRIES);
    if !(2..=layout::MAX_NAME_SIZE).contains(&name_size) {
        return Err(about(&format!(
            "max_name_size is {name_size}; expected 2 to {}",
            layout::MAX_NAME_SIZE
        )));
    }
    if !(1..=layout::MAX_ENTRIES).contains(&entries) {
        return Err(about(&format!(
            "max_entries is {entries}; expected 1 to {}",
            layout::MAX_ENTRIES
        )));
    }
    if !(1..=layout::MAX_ATTACHMENTS).contains(&options.max_attachments) {
        return Err(about(&format!(
            "max_attachments is {}; expected 1 to {}",
            options.max_attachments,
            layout::MAX_ATTACHMENTS
        )));
    }
    if options.mode & !0o777 != 0 || options.mode & 0o600 != 0o600 {
        return Err(about(&format!(
            "mode is {:#o}; expected permission bits that let the owner read and write",
            options.mode
        )));
    }
    if intent == Intent::Open {
        return Ok(None);
    }
    if options.read_only {
        return Err(about(
            "a read-only attachment cannot create; expected to open",
        ));
    }
    if options.size == 0 {
        return Err(about(
            "size is 0; creating needs the number of payload bytes",
        ));
    }
    let (size, attachments) = (options.size, options.max_attachments);
    match Geometry::new(size, attachments, name_size, entries, options.commit) {
        Some(plan) => Ok(Some(plan)),
        None => Err(Error::TooLarge {
            name: name.plain.to_owned(),
            size: options.size,
        }),
    }
}

/// One look: a segment, an error, or `None` when a living process must be waited for.
fn try_attach(
    name: &Name,
    intent: Intent,
    options: &Options,
    plan: Option<&Geometry>,
) -> Result<Option<Segment>> {
    let access = if options.read_only {
        Access::ReadOnly
    } else {
        Access::ReadWrite
    };
    let opening = "open it";
    let file = match (sys::shm_open(&name.path, access), plan) {
        (Ok(file), _) => file,
        (Err(error), Some(_)) if error.kind() == io::ErrorKind::NotFound => {
            match sys::shm_open(&name.path, Access::New(options.mode)) {
                Ok(file) => file,
                // Somebody else was first: look again.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                Err(error) => return Err(name.error("create it", &error)),
            }
        }
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => {
            return Err(name.not_found(""));
        }
        (Err(error), _) => return Err(name.error(opening, &error)),
    };
    match look(name, &file)? {
        Stage::Ready(_) if intent == Intent::Create => Err(name.exists()),
        Stage::Ready(geometry) => {
            check_match(name, &geometry, options)?;
            map(name, file, geometry, options).map(Some)
        }
        Stage::Unborn => match plan {
            Some(plan) => initialise(name, file, plan, options),
            // Nobody at work: there is no such segment (yet).
            None if !sys::is_locked(&file, INIT_BYTE)
                .map_err(|error| name.error(opening, &error))? =>
            {
                match look(name, &file)? {
                    Stage::Ready(_) => Ok(None),
                    Stage::Unborn => {
                        Err(name.not_found("its creator has not finished it, and is gone"))
                    }
                }
            }
            None => Ok(None),
        },
    }
}

/// Eight bytes from a segment.
fn word(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// How far a file has come, or why it is no segment that we can use.
fn look(name: &Name, file: &OwnedFd) -> Result<Stage> {
    let reading = "read its header";
    let read = |bytes: &mut [u8], offset: usize| {
        sys::read_at(file, bytes, offset as u64).map_err(|error| name.error(reading, &error))
    };
    let foreign = |found: String| Error::Foreign {
        name: name.plain.to_owned(),
        found,
    };
    // Magic and birth mark in one look, for a creator writes them in one.
    let mut start = [0; 16];
    match read(&mut start, 0)? {
        16 => {}
        0 => return Ok(Stage::Unborn),
        len => return Err(foreign(format!("a file of {len} bytes"))),
    }
    let (magic, birth) = (word(&start[..8]), word(&start[8..]));
    match (magic, birth) {
        (MAGIC, BIRTH) => {}
        (0, BIRTH) => return Ok(Stage::Unborn),
        _ => return Err(foreign(format!("a file that begins with {magic:#018x}"))),
    }
    // What is read after the magic is what was written before it.
    fence(Ordering::Acquire);
    let constant = |offset: usize| -> Result<u64> {
        let mut bytes = [0; 8];
        match read(&mut bytes, offset)? {
            8 => Ok(word(&bytes)),
            _ => Err(Error::corrupt(name.plain, "the segment header")),
        }
    };
    let found = (
        constant(offset_of!(Header, layout_version))?,
        constant(offset_of!(Header, fingerprint))?,
    );
    let expected = (LAYOUT_VERSION, name.fingerprint);
    if found != expected {
        return Err(Error::Version {
            name: name.plain.to_owned(),
            expected,
            found,
        });
    }
    let geometry = Geometry {
        size: constant(offset_of!(Header, size))?,
        file_size: constant(offset_of!(Header, file_size))?,
        max_attachments: constant(offset_of!(Header, max_attachments))?,
        max_name_size: constant(offset_of!(Header, max_name_size))?,
        max_entries: constant(offset_of!(Header, max_entries))?,
        members_offset: constant(offset_of!(Header, members_offset))?,
        extents_offset: constant(offset_of!(Header, extents_offset))?,
        table_offset: constant(offset_of!(Header, table_offset))?,
        committed: constant(offset_of!(Header, options))? & COMMITTED != 0,
    };
    if !geometry.is_sound() {
        return Err(Error::corrupt(
            name.plain,
            "the geometry in the segment header",
        ));
    }
    let status = sys::status(file).map_err(|error| name.error(reading, &error))?;
    let found = status.size;
    if found < geometry.file_size {
        return Err(Error::Truncated {
            name: name.plain.to_owned(),
            expected: geometry.file_size,
            found,
        });
    }
    Ok(Stage::Ready(geometry))
}

/// Whether an existing segment is what the caller asked for.
fn check_match(name: &Name, geometry: &Geometry, options: &Options) -> Result<()> {
    let expected = (
        options.max_name_size.unwrap_or(geometry.max_name_size),
        options.max_entries.unwrap_or(geometry.max_entries),
    );
    let found = (geometry.max_name_size, geometry.max_entries);
    if expected != found {
        return Err(Error::Geometry {
            name: name.plain.to_owned(),
            expected,
            found,
        });
    }
    if geometry.size < options.size {
        return Err(Error::Size {
            name: name.plain.to_owned(),
            expected: options.size,
            found: geometry.size,
        });
    }
    Ok(())
}

fn map(name: &Name, file: OwnedFd, geometry: Geometry, options: &Options) -> Result<Segment> {
    let mapping =
        Mapping::new(&file, geometry.file_size as usize, options.read_only).map_err(|error| {
            match error.raw_os_error() {
                Some(libc::ENOMEM) => Error::TooLarge {
                    name: name.plain.to_owned(),
                    size: geometry.size,
                },
                _ => name.error("map it", &error),
            }
        })?;
    Segment::assemble(
        name.plain,
        name.path.clone(),
        file,
        mapping,
        geometry,
        options,
    )
}

/// Initialises an unborn file, unless a living process is about to.
fn initialise(
    name: &Name,
    file: OwnedFd,
    plan: &Geometry,
    options: &Options,
) -> Result<Option<Segment>> {
    let locking = "take its init lock";
    let lease = {
        fork::watch_forks().map_err(|error| name.error(locking, &error))?;
        let process = fork::lock_process();
        let open = || sys::reopen(&file, &name.path, false);
        Lease::take_any(&process, open, INIT_BYTE..INIT_BYTE + 1, Lock::Exclusive)
            .map_err(|error| name.error(locking, &error))?
    };
    let Some((lease, _)) = lease else {
        return Ok(None);
    };
    let linked = sys::status(&file).map_err(|error| name.error("look at its file", &error))?;
    // Removed, or finished by somebody else, while we waited: look again.
    if !linked.linked || matches!(look(name, &file)?, Stage::Ready(_)) {
        return Ok(None);
    }
    let made = format(name, &file, plan, options).and_then(|()| map(name, file, *plan, options));
    match made {
        Ok(segment) => {
            // Release: whoever sees the magic sees all that was written before.
            segment.header().magic.store(MAGIC, Ordering::Release);
            drop(lease);
            Ok(Some(segment))
        }
        Err(error) => {
            remove_unborn(name, linked.identity);
            Err(error)
        }
    }
}

/// Writes everything but the magic.
fn format(name: &Name, file: &OwnedFd, plan: &Geometry, options: &Options) -> Result<()> {
    let space = |error: &io::Error| match error.raw_os_error() {
        Some(libc::ENOSPC | libc::ENOMEM | libc::EDQUOT | libc::EFBIG) => Error::NoSpace {
            name: name.plain.to_owned(),
            bytes: plan.committed_size(),
        },
        _ => name.error("initialise it", error),
    };
    // What a dead creator left is dropped page by page: all bytes are zero again.
    sys::set_len(file, 0).map_err(|error| space(&error))?;
    // Magic and birth mark in one write: never a byte of ours without the mark.
    let mut start = [0; 16];
    start[8..].copy_from_slice(&BIRTH.to_le_bytes());
    if Fault::EarlyMagic.is_planted() {
        start[..8].copy_from_slice(&MAGIC.to_le_bytes());
    }
    sys::write_at(file, &start, 0).map_err(|error| space(&error))?;
    if sys::status(file).map_err(|error| space(&error))?.mode != options.mode {
        sys::set_mode(file, options.mode).map_err(|error| space(&error))?;
    }
    sys::set_len(file, plan.file_size).map_err(|error| space(&error))?;
    sys::commit(file, 0, plan.committed_size()).map_err(|error| space(&error))?;

    let mapping =
        Mapping::new(file, plan.fixed_size() as usize, false).map_err(|error| space(&error))?;
    // SAFETY: the mapping outlives the region, which stays in this function.
    let region = unsafe { Region::new(mapping.base(), mapping.len()) };
    let header = region
        .at::<Header>(0)
        .ok_or_else(|| Error::corrupt(name.plain, "the segment header"))?;
    let set = |word: &AtomicU64, value: u64| word.store(value, Ordering::Relaxed);
    set(&header.layout_version, LAYOUT_VERSION);
    set(&header.fingerprint, name.fingerprint);
    set(&header.size, plan.size);
    set(&header.file_size, plan.file_size);
    set(&header.members_offset, plan.members_offset);
    set(&header.max_attachments, plan.max_attachments);
    set(&header.extents_offset, plan.extents_offset);
    set(&header.table_offset, plan.table_offset);
    set(&header.max_name_size, plan.max_name_size);
    set(&header.max_entries, plan.max_entries);
    set(&header.options, if plan.committed { COMMITTED } else { 0 });
    set(&header.accounts.low_top, plan.table_size());
    set(&header.accounts.high_top, plan.high_start());
    Ok(())
}

/// Removes a file whose creation failed, while the init lease is still held. The
/// name is another file's only if somebody removed ours and made a new one within
/// the last moment, between our look and our removal.
fn remove_unborn(name: &Name, identity: (u64, u64)) {
    let same = sys::shm_open(&name.path, Access::ReadOnly)
        .and_then(|file| sys::status(&file))
        .is_ok_and(|status| status.identity == identity);
    if same {
        // Best effort: the error that led here is what the caller hears.
        let _ = sys::shm_unlink(&name.path);
    }
}
