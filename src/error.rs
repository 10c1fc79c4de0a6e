//! The one error type of the library: each variant says which name, what was
//! expected and what was found.

use core::fmt;
use std::io;

/// What an operation answers when it cannot do what was asked.
///
/// The C ABI turns each variant into the `SHMDS_E_...` status of the same
/// meaning and keeps the sentence for `shmds_last_error()`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An argument breaks a rule that holds whatever exists.
    Argument {
        /// The argument's name and the rule, as a sentence.
        rule: String,
    },
    /// A name has no characters.
    NameEmpty {
        /// What was to be named.
        what: &'static str,
    },
    /// A segment name is longer than the system allows.
    NameTooLong {
        /// The name as given.
        name: String,
        /// Longest name allowed, in bytes.
        limit: usize,
    },
    /// A segment name that no file can have.
    NameInvalid {
        /// The name as given.
        name: String,
    },
    /// A segment larger than this machine can address.
    TooLarge {
        /// The segment.
        name: String,
        /// Payload bytes asked for.
        size: u64,
    },
    /// An element size that the structure cannot have.
    ElementSize {
        /// The structure.
        name: String,
        /// The element size given.
        found: u64,
        /// What is allowed.
        expected: &'static str,
    },
    /// An alignment that is no power of two up to 4096.
    Alignment {
        /// The structure.
        name: String,
        /// The alignment given.
        found: u64,
    },
    /// A count or capacity out of the structure's range.
    Capacity {
        /// The structure.
        name: String,
        /// The count given.
        found: u64,
        /// What is allowed.
        expected: &'static str,
    },
    /// The number of bytes does not fit in 64 bits.
    Overflow {
        /// The structure.
        name: String,
        /// Size of one element.
        elem_size: u64,
        /// Number of elements.
        count: u64,
    },
    /// What was to be created is there already.
    Exists {
        /// "segment" or "structure".
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// What was to be opened is not there.
    NotFound {
        /// "segment" or "structure".
        what: &'static str,
        /// Its name.
        name: String,
        /// More about why, or empty.
        why: &'static str,
    },
    /// The file system of shared memory is full.
    NoSpace {
        /// Segment or structure.
        name: String,
        /// Bytes that could not be committed.
        bytes: u64,
    },
    /// The segment's payload budget is used up.
    SegmentFull {
        /// The structure.
        name: String,
        /// The segment.
        segment: String,
        /// Payload bytes asked for.
        needed: u64,
        /// Payload bytes left.
        available: u64,
    },
    /// Every entry of the table is in use.
    TableFull {
        /// The structure.
        name: String,
        /// Number of entries of the table.
        entries: u64,
    },
    /// The name belongs to a structure of another kind.
    Kind {
        /// The structure.
        name: String,
        /// The kind asked for.
        expected: &'static str,
        /// The kind found.
        found: &'static str,
    },
    /// A structure exists with other parameters.
    Mismatch {
        /// The structure.
        name: String,
        /// Which parameter.
        what: &'static str,
        /// The value asked for.
        expected: u64,
        /// The value found.
        found: u64,
    },
    /// A segment exists and is smaller than asked.
    Size {
        /// The segment.
        name: String,
        /// Payload bytes asked for.
        expected: u64,
        /// Payload bytes found.
        found: u64,
    },
    /// A segment exists with a table of another geometry.
    Geometry {
        /// The segment.
        name: String,
        /// Name size and entries asked for.
        expected: (u64, u64),
        /// Name size and entries found.
        found: (u64, u64),
    },
    /// A segment was made with another layout.
    Version {
        /// The segment.
        name: String,
        /// This build's layout version and fingerprint.
        expected: (u64, u64),
        /// The segment's layout version and fingerprint.
        found: (u64, u64),
    },
    /// The object of that name is no segment of this library.
    Foreign {
        /// The segment.
        name: String,
        /// What was found instead.
        found: String,
    },
    /// The segment's file is shorter than its header says.
    Truncated {
        /// The segment.
        name: String,
        /// Bytes expected.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// Memory of the segment is gone: somebody truncated its file.
    Gone {
        /// Segment or structure.
        name: String,
    },
    /// Bytes in the segment make no sense.
    Corrupt {
        /// Segment or structure.
        name: String,
        /// Which part.
        what: &'static str,
    },
    /// Every attachment slot is held by a living process.
    Attachments {
        /// The segment.
        name: String,
        /// Number of slots.
        limit: u64,
    },
    /// The attachment may not write.
    ReadOnly {
        /// Segment or structure.
        name: String,
        /// What was tried.
        what: &'static str,
    },
    /// The system refused access.
    Permission {
        /// The segment.
        name: String,
        /// What was tried.
        what: &'static str,
    },
    /// A system call failed for another reason.
    System {
        /// The segment.
        name: String,
        /// What was tried.
        what: &'static str,
        /// The system's error number.
        errno: i32,
    },
    /// The structure behind a handle is gone.
    Stale {
        /// The structure.
        name: String,
    },
    /// No lane is free: too many processes are stopped inside the queue.
    Busy {
        /// The structure.
        name: String,
        /// Who holds the lanes.
        found: String,
    },
    /// A call that does not go with what was done before.
    State {
        /// The structure.
        name: String,
        /// What is not as it should be.
        rule: &'static str,
    },
    /// An object of a pool has an owner who lives.
    Owned {
        /// The pool.
        name: String,
        /// The object.
        index: u32,
    },
    /// A role that only one attachment can have is taken.
    Role {
        /// The structure.
        name: String,
        /// "producer" or "consumer".
        role: &'static str,
    },
    /// A wait for a living process ran out of time.
    Timeout {
        /// Segment or structure.
        name: String,
        /// What was waited for.
        what: &'static str,
        /// How long, in milliseconds.
        milliseconds: u64,
    },
}

/// `Result` with the library's [`Error`].
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// Turns a failed system call into an error about `name`.
    pub(crate) fn system(name: &str, what: &'static str, error: &io::Error) -> Self {
        let name = name.to_owned();
        match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => Self::Permission { name, what },
            errno => Self::System {
                name,
                what,
                errno: errno.unwrap_or(0),
            },
        }
    }

    /// An [`Error::Argument`] from a sentence.
    pub(crate) fn argument(rule: impl Into<String>) -> Self {
        Self::Argument { rule: rule.into() }
    }

    /// An [`Error::Corrupt`] about a part of `name`.
    pub(crate) fn corrupt(name: &str, what: &'static str) -> Self {
        Self::Corrupt {
            name: name.to_owned(),
            what,
        }
    }
}

impl fmt::Display for Error {
    #[rustfmt::skip]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument { rule } => write!(f, "{rule}"),
            Self::NameEmpty { what } => write!(f, "the {what} name is empty; expected at least one character"),
            Self::NameTooLong { name, limit } =>
                write!(f, "the segment name \"{name}\" has {} bytes; expected at most {limit}", name.len()),
            Self::NameInvalid { name } =>
                write!(f, "\"{name}\" cannot name a segment; expected UTF-8, no slash but a leading one, and not \".\" or \"..\""),
            Self::TooLarge { name, size } =>
                write!(f, "segment \"{name}\": {size} bytes are more than this machine can address"),
            Self::ElementSize { name, found, expected } =>
                write!(f, "\"{name}\": element size {found}; expected {expected}"),
            Self::Alignment { name, found } =>
                write!(f, "\"{name}\": alignment {found}; expected a power of two, at most 4096, that divides the element size"),
            Self::Capacity { name, found, expected } =>
                write!(f, "\"{name}\": count {found}; expected {expected}"),
            Self::Overflow { name, elem_size, count } =>
                write!(f, "\"{name}\": {count} elements of {elem_size} bytes overflow 64 bits"),
            Self::Exists { what, name } => write!(f, "{what} \"{name}\" exists already; expected a free name"),
            Self::NotFound { what, name, why: "" } => write!(f, "{what} \"{name}\" does not exist"),
            Self::NotFound { what, name, why } => write!(f, "{what} \"{name}\" does not exist: {why}"),
            Self::NoSpace { name, bytes } =>
                write!(f, "\"{name}\": no space left for {bytes} bytes in the file system of shared memory"),
            Self::SegmentFull { name, segment, needed, available } =>
                write!(f, "\"{name}\" needs {needed} bytes; segment \"{segment}\" has {available} left"),
            Self::TableFull { name, entries } =>
                write!(f, "no table entry left for \"{name}\"; all {entries} are in use"),
            Self::Kind { name, expected, found } => write!(f, "\"{name}\": expected {expected}, found {found}"),
            Self::Mismatch { name, what, expected, found } =>
                write!(f, "\"{name}\": expected {what} {expected}, found {found}"),
            Self::Size { name, expected, found } =>
                write!(f, "segment \"{name}\": expected at least {expected} bytes, found {found}"),
            Self::Geometry { name, expected, found } =>
                write!(f, "segment \"{name}\": expected a table of names of {} bytes and {} entries, found {} bytes and {} entries",
                       expected.0, expected.1, found.0, found.1),
            Self::Version { name, expected, found } =>
                write!(f, "segment \"{name}\": expected layout version {} with fingerprint {:016x}, found {} with {:016x}",
                       expected.0, expected.1, found.0, found.1),
            Self::Foreign { name, found } =>
                write!(f, "\"{name}\": expected a libshmds segment, found {found}"),
            Self::Truncated { name, expected, found } =>
                write!(f, "segment \"{name}\": expected a file of {expected} bytes, found {found}"),
            Self::Gone { name } =>
                write!(f, "\"{name}\": somebody truncated the segment's file; expected all of its memory, found a part of it gone"),
            Self::Corrupt { name, what } => write!(f, "\"{name}\": {what} makes no sense; the memory was damaged"),
            Self::Attachments { name, limit } =>
                write!(f, "segment \"{name}\": all {limit} attachments are taken by living processes"),
            Self::ReadOnly { name, what } => write!(f, "\"{name}\": {what} on a read-only attachment"),
            Self::Permission { name, what } => write!(f, "\"{name}\": permission denied to {what}"),
            Self::System { name, what, errno } =>
                write!(f, "\"{name}\": could not {what}: {}", io::Error::from_raw_os_error(*errno)),
            Self::Stale { name } => write!(f, "\"{name}\" was removed while this handle was open"),
            Self::Busy { name, found } =>
                write!(f, "\"{name}\": expected a free lane; {found}"),
            Self::State { name, rule } => write!(f, "\"{name}\": {rule}"),
            Self::Owned { name, index } =>
                write!(f, "\"{name}\": expected object {index} to be disowned, or its owner dead; another attachment owns it, and lives"),
            Self::Role { name, role } =>
                write!(f, "\"{name}\": expected to become the {role}; another attachment is, and lives"),
            Self::Timeout { name, what, milliseconds } =>
                write!(f, "\"{name}\": waited {milliseconds} ms for {what}"),
        }
    }
}

impl std::error::Error for Error {}
