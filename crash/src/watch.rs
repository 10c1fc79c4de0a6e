//! The bytes of a segment, watched from outside.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// As far as the structures of the scenarios reach.
const BYTES: usize = 20 << 10;
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
    before: u64,
}

impl Watch {
    pub fn new(name: &str) -> Self {
        Self {
            path: PathBuf::from("/dev/shm").join(name),
            file: None,
            bytes: vec![0; BYTES],
            before: 0,
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
        self.bytes.fill(0);
        let mut have = 0;
        while let Ok(count @ 1..) = file.read_at(&mut self.bytes[have..], have as u64) {
            have += count;
        }
        let mut now = have as u64;
        for chunk in self.bytes.chunks_exact(8) {
            let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
            now = (now ^ word)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29);
        }
        let changed = now != self.before;
        self.before = now;
        changed
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
