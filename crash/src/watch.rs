//! The bytes of a segment, watched from outside.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Read even where nothing was ever stored: the header, the table.
const LOW: usize = 8 << 10;
/// Most that is read of the rest, where structures are.
const MOST: usize = 256 << 10;
/// Where the table lock lies, the table, and in it the state of an entry.
const LOCK: usize = 128;
const TABLE: usize = 4096;
const ENTRY: usize = 56;
const STATE: usize = 16 + 32 + 2;
const ENTRIES: usize = 8;
/// The lock byte of who initialises the segment.
const INIT_BYTE: libc::off_t = (1 << 40) - 2;

/// A segment's file, as it was at the last look.
pub struct Watch {
    path: PathBuf,
    file: Option<File>,
    bytes: Vec<u8>,
    before: Vec<u8>,
}

impl Watch {
    pub fn new(name: &str) -> Self {
        Self {
            path: PathBuf::from("/dev/shm").join(name),
            file: None,
            bytes: vec![0; LOW],
            before: Vec::new(),
        }
    }

    /// Whether it has changed since the last look. By reading, not by mapping: that leaves
    /// alone what has no memory yet.
    pub fn look(&mut self) -> bool {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &self.file else {
            return false;
        };
        std::mem::swap(&mut self.bytes, &mut self.before);
        self.bytes.clear();
        self.bytes.resize(LOW, 0);
        let mut have = file.read_at(&mut self.bytes, 0).unwrap_or_default();
        // A file that grows has changed.
        self.bytes.extend_from_slice(&have.to_le_bytes());
        let mut at = LOW as libc::off_t;
        while let Some((start, end)) = next_data(file, at).filter(|_| self.bytes.len() < MOST) {
            self.bytes.extend_from_slice(&start.to_le_bytes());
            have = self.bytes.len();
            let most = (end - start).min(MOST as libc::off_t) as usize;
            self.bytes.resize(have + most, 0);
            let _ = file.read_at(&mut self.bytes[have..], start as u64);
            at = end;
        }
        self.bytes != self.before
    }

    /// Whether, at the last look, the table was locked, a name was being initialised, and the
    /// segment was.
    pub fn critical(&self) -> [bool; 3] {
        let locked = self.bytes[LOCK..LOCK + 8].iter().any(|&byte| byte != 0);
        let state = |entry| self.bytes[TABLE + ENTRY * entry + STATE];
        let naming = (0..ENTRIES).any(|entry| state(entry) == 1);
        [locked, naming, self.is_initialised_by_somebody()]
    }

    fn is_initialised_by_somebody(&self) -> bool {
        let Some(file) = &self.file else {
            return false;
        };
        // SAFETY: all zero is a valid `flock`; a valid descriptor.
        unsafe {
            let mut request: libc::flock = std::mem::zeroed();
            request.l_type = libc::F_RDLCK as libc::c_short;
            request.l_whence = libc::SEEK_SET as libc::c_short;
            request.l_start = INIT_BYTE;
            request.l_len = 1;
            libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut request) == 0
                && request.l_type != libc::F_UNLCK as libc::c_short
        }
    }
}

/// The next range of a file from an offset on that has memory.
fn next_data(file: &File, from: libc::off_t) -> Option<(libc::off_t, libc::off_t)> {
    // SAFETY: a valid descriptor.
    let seek = |at, whence| unsafe { libc::lseek(file.as_raw_fd(), at, whence) };
    let start = seek(from, libc::SEEK_DATA);
    let end = seek(start.max(0), libc::SEEK_HOLE);
    (start >= 0 && end > start).then_some((start, end))
}
