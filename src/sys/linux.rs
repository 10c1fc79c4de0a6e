//! Linux: POSIX shared memory on tmpfs, OFD locks, futexes.

use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;
use core::time::Duration;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

/// Longest segment name in bytes, without the slash (`NAME_MAX`).
pub const NAME_LIMIT: usize = 255;

/// Bytes of a page, the unit of committing memory.
pub const PAGE: u64 = 4096;

/// Bytes committed in one go, small enough that a signal seldom interrupts one.
const COMMIT_STEP: u64 = 4 << 20;

/// How a shared memory object is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// An existing one, for reading.
    ReadOnly,
    /// An existing one, for reading and writing.
    ReadWrite,
    /// A new one that must not exist yet, with these permission bits.
    New(u32),
}

/// What `fstat` says of a shared memory object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileStatus {
    /// Length in bytes.
    pub size: u64,
    /// Device and inode, the identity of the file.
    pub identity: (u64, u64),
    /// False once the name was removed.
    pub linked: bool,
    /// Permission bits.
    pub mode: u32,
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Repeats a call that a signal interrupted.
fn retry(mut call: impl FnMut() -> libc::c_int) -> io::Result<libc::c_int> {
    loop {
        match check(call()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Opens a shared memory object; `name` begins with a slash.
pub fn shm_open(name: &CStr, access: Access) -> io::Result<OwnedFd> {
    let (flags, mode) = match access {
        Access::ReadOnly => (libc::O_RDONLY, 0),
        Access::ReadWrite => (libc::O_RDWR, 0),
        Access::New(mode) => (libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, mode),
    };
    // SAFETY: `name` is NUL-terminated; shm_open adds O_CLOEXEC by itself.
    let fd = retry(|| unsafe { libc::shm_open(name.as_ptr(), flags, mode as libc::mode_t) })?;
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Removes the name of a shared memory object.
pub fn shm_unlink(name: &CStr) -> io::Result<()> {
    // SAFETY: `name` is NUL-terminated.
    check(unsafe { libc::shm_unlink(name.as_ptr()) }).map(drop)
}

/// A new open file description of the same file, whether or not it still has its
/// name; where /proc is missing, only if it does.
pub fn reopen(file: &OwnedFd, name: &CStr, read_only: bool) -> io::Result<OwnedFd> {
    reopen_by_descriptor(file, read_only).or_else(|error| {
        let access = if read_only {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        };
        let by_name = shm_open(name, access).map_err(|_| error)?;
        if status(&by_name)?.identity == status(file)?.identity {
            Ok(by_name)
        } else {
            Err(io::Error::from_raw_os_error(libc::ESTALE))
        }
    })
}

fn reopen_by_descriptor(file: &OwnedFd, read_only: bool) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}\0", file.as_raw_fd());
    let access = if read_only {
        libc::O_RDONLY
    } else {
        libc::O_RDWR
    };
    // SAFETY: `path` is NUL-terminated.
    let fd = retry(|| unsafe { libc::open(path.as_ptr().cast(), access | libc::O_CLOEXEC) })?;
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Length, identity and permissions of a file.
pub fn status(file: &OwnedFd) -> io::Result<FileStatus> {
    // SAFETY: all zero is a valid `stat`.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: a valid descriptor and a valid buffer.
    check(unsafe { libc::fstat(file.as_raw_fd(), &mut stat) })?;
    Ok(FileStatus {
        size: stat.st_size as u64,
        identity: (stat.st_dev, stat.st_ino),
        linked: stat.st_nlink > 0,
        mode: stat.st_mode & 0o7777,
    })
}

/// Sets the length of a file.
pub fn set_len(file: &OwnedFd, len: u64) -> io::Result<()> {
    // SAFETY: a valid descriptor.
    retry(|| unsafe { libc::ftruncate(file.as_raw_fd(), len as libc::off_t) }).map(drop)
}

/// Sets the permission bits of a file, whatever the umask.
pub fn set_mode(file: &OwnedFd, mode: u32) -> io::Result<()> {
    // SAFETY: a valid descriptor.
    check(unsafe { libc::fchmod(file.as_raw_fd(), mode as libc::mode_t) }).map(drop)
}

/// Reads at most `buffer.len()` bytes at `offset`; returns how many there were.
pub fn read_at(file: &OwnedFd, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(&*borrow(file), buffer, offset)
}

/// Writes all of `bytes` at `offset`.
pub fn write_at(file: &OwnedFd, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(&*borrow(file), bytes, offset)
}

/// The descriptor as a `File` that does not close it.
fn borrow(file: &OwnedFd) -> core::mem::ManuallyDrop<std::fs::File> {
    // SAFETY: the descriptor outlives the borrow and is not closed by it.
    core::mem::ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(file.as_raw_fd()) })
}

fn fallocate(file: &OwnedFd, mode: libc::c_int, offset: u64, len: u64) -> io::Result<()> {
    let (offset, len) = (offset as libc::off_t, len as libc::off_t);
    // SAFETY: a valid descriptor.
    retry(|| unsafe { libc::fallocate(file.as_raw_fd(), mode, offset, len) }).map(drop)
}

/// Commits memory for the pages that hold these bytes: touching them can no
/// longer fail. Bytes that were committed before keep their value. After a
/// failure some pages may be committed; `decommit` gives them back.
pub fn commit(file: &OwnedFd, offset: u64, len: u64) -> io::Result<()> {
    if len > COMMIT_STEP && len > available(file)? {
        // Said at once, not after everything there is has been taken from everybody.
        return Err(io::Error::from_raw_os_error(libc::ENOSPC));
    }
    let end = offset + len;
    let mut next = offset / PAGE * PAGE;
    while next < end {
        let step = COMMIT_STEP.min(end - next);
        fallocate(file, 0, next, step)?;
        next += step;
    }
    Ok(())
}

/// Bytes that can be committed: what is free in the file system, and no more
/// than the machine can provide without running out of memory.
fn available(file: &OwnedFd) -> io::Result<u64> {
    // SAFETY: all zero is a valid `statvfs`.
    let mut space: libc::statvfs = unsafe { core::mem::zeroed() };
    // SAFETY: a valid descriptor and a valid buffer.
    check(unsafe { libc::fstatvfs(file.as_raw_fd(), &mut space) })?;
    let free = if space.f_blocks == 0 {
        u64::MAX // A file system without a limit.
    } else {
        space.f_bavail.saturating_mul(space.f_frsize)
    };
    Ok(free.min(available_memory().unwrap_or(u64::MAX)))
}

/// Memory that can be had without hurting other processes, and swap.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes = |field: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let sum = kilobytes("MemAvailable:")? + kilobytes("SwapFree:").unwrap_or(0);
    Some(sum * 1024)
}

/// Gives the memory of the pages that lie wholly inside these bytes back. Best
/// effort: what stays committed is merely not saved.
pub fn decommit(file: &OwnedFd, offset: u64, len: u64) {
    let first = offset.div_ceil(PAGE) * PAGE;
    let end = (offset + len) / PAGE * PAGE;
    if first < end {
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let _ = fallocate(file, mode, first, end - first);
    }
}

/// The number of this thread.
pub fn thread_id() -> i32 {
    // SAFETY: no arguments; async-signal-safe.
    unsafe { libc::gettid() }
}

/// Puts a page of zeros, this process's own, at a page's address. For signal handlers.
pub fn replace_page(address: usize, writable: bool) -> bool {
    let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
    let target = core::ptr::with_exposed_provenance_mut(address);
    // SAFETY: the page is one of a mapping of ours, says the caller, and nothing is behind it.
    let page = unsafe { libc::mmap(target, PAGE as usize, protection, flags, -1, 0) };
    page == target
}

/// Who is asked about `SIGBUS`: whether it mended what is at that address.
struct BusErrors {
    mend: fn(usize) -> bool,
    before: libc::sigaction,
}

static BUS_ERRORS: OnceLock<BusErrors> = OnceLock::new();

/// Has `mend` called, in a signal handler, with the address of each `SIGBUS` of this process. When
/// it says false, what was done about the signal before is done.
pub fn handle_bus_errors(mend: fn(usize) -> bool) -> io::Result<()> {
    if BUS_ERRORS.get().is_some() {
        return Ok(());
    }
    // SAFETY: all zeros is a valid one; it is only written to.
    let mut before: libc::sigaction = unsafe { core::mem::zeroed() };
    // SAFETY: asks only.
    check(unsafe { libc::sigaction(libc::SIGBUS, core::ptr::null(), &mut before) })?;
    // Before the handler, which reads it.
    let _ = BUS_ERRORS.set(BusErrors { mend, before });
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_bus_error;
    let mut ours = before;
    ours.sa_sigaction = handler as usize;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the handler does nothing but atomic operations and system calls.
    check(unsafe { libc::sigaction(libc::SIGBUS, &ours, core::ptr::null_mut()) }).map(drop)
}

extern "C" fn on_bus_error(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let Some(BusErrors { mend, before }) = BUS_ERRORS.get() else {
        return;
    };
    // SAFETY: the kernel's, and the address is set for this code.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    // SAFETY: this thread's errno.
    let errno = unsafe { *libc::__errno_location() };
    let mended = code == libc::BUS_ADRERR && mend(address);
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    if mended {
        return;
    }
    match before.sa_sigaction {
        // Sent by somebody, not raised by an instruction.
        libc::SIG_IGN if code <= 0 => {}
        // The same instruction raises it again, and this time nobody handles it.
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: as it was before.
            unsafe {
                libc::signal(libc::SIGBUS, libc::SIG_DFL);
                if code != libc::BUS_ADRERR {
                    libc::raise(libc::SIGBUS);
                }
            }
        }
        handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
            type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            // SAFETY: installed as one of this kind.
            let handler: Handler = unsafe { core::mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: installed as one of this kind.
            let handler: extern "C" fn(libc::c_int) = unsafe { core::mem::transmute(handler) };
            handler(signal);
        }
    }
}

/// Shared mapping of a file from its start; unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping is an address range; what is done with it is the user's care.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes.
    ///
    /// Under `mlockall(MCL_FUTURE)` the kernel would at once provide memory for all
    /// of an accessible mapping, most of which is address space for what may never
    /// be; so the mapping is made inaccessible, exempted, and only then opened up.
    pub fn new(file: &OwnedFd, len: usize, read_only: bool) -> io::Result<Self> {
        let protection = if read_only {
            libc::PROT_READ
        } else {
            libc::PROT_READ | libc::PROT_WRITE
        };
        let mapping = Self::map(file.as_raw_fd(), len, libc::PROT_NONE)?;
        let address = mapping.base.as_ptr().cast();
        // SAFETY: the range was just mapped.
        check(unsafe { libc::munlock(address, len) })?;
        // SAFETY: as above.
        check(unsafe { libc::mprotect(address, len, protection) })?;
        Ok(mapping)
    }

    /// Maps one inaccessible page that a forked child does not inherit. It keeps
    /// the open file description, and so its locks, alive after the descriptor
    /// is closed.
    pub fn anchor(file: &OwnedFd) -> io::Result<Self> {
        let anchor = Self::map(file.as_raw_fd(), PAGE as usize, libc::PROT_NONE)?;
        // SAFETY: the page was just mapped.
        check(unsafe {
            libc::madvise(anchor.base.as_ptr().cast(), anchor.len, libc::MADV_DONTFORK)
        })?;
        Ok(anchor)
    }

    fn map(fd: RawFd, len: usize, protection: libc::c_int) -> io::Result<Self> {
        let flags = libc::MAP_SHARED | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { libc::mmap(core::ptr::null_mut(), len, protection, flags, fd, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        match NonNull::new(base.cast()) {
            Some(base) => Ok(Self { base, len }),
            None => Err(io::Error::from_raw_os_error(libc::ENOMEM)),
        }
    }

    /// Address of the first byte.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this mapping owns the range.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// A lock on one byte of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    /// Held by one open file description.
    Exclusive,
    /// Held by any number of them.
    Shared,
}

fn lock_request(byte: u64, kind: libc::c_int) -> libc::flock {
    // SAFETY: all zero is a valid `flock`; OFD locks need `l_pid` to be zero.
    let mut request: libc::flock = unsafe { core::mem::zeroed() };
    request.l_type = kind as libc::c_short;
    request.l_whence = libc::SEEK_SET as libc::c_short;
    request.l_start = byte as libc::off_t;
    request.l_len = 1;
    request
}

/// Takes a lock for the open file description of `file`; false when another one holds it.
pub fn try_lock(file: &OwnedFd, byte: u64, lock: Lock) -> io::Result<bool> {
    let kind = match lock {
        Lock::Exclusive => libc::F_WRLCK,
        Lock::Shared => libc::F_RDLCK,
    };
    let request = lock_request(byte, kind);
    // SAFETY: a valid descriptor and a valid request.
    match retry(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &request) }) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Gives up a lock of the open file description of `file`.
pub fn unlock(file: &OwnedFd, byte: u64) -> io::Result<()> {
    let request = lock_request(byte, libc::F_UNLCK);
    // SAFETY: a valid descriptor and a valid request.
    retry(|| unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &request) }).map(drop)
}

/// Puts another open file description behind the number of `file`, in this process alone.
pub fn replace(file: &OwnedFd, by: &OwnedFd) -> io::Result<()> {
    // SAFETY: two valid descriptors, which stay valid.
    retry(|| unsafe { libc::dup3(by.as_raw_fd(), file.as_raw_fd(), libc::O_CLOEXEC) }).map(drop)
}

/// Whether an open file description other than that of `file` holds a lock on the byte.
pub fn is_locked(file: &OwnedFd, byte: u64) -> io::Result<bool> {
    let mut request = lock_request(byte, libc::F_WRLCK);
    // SAFETY: a valid descriptor and a valid request.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut request) })?;
    Ok(libc::c_int::from(request.l_type) != libc::F_UNLCK)
}

/// Sleeps while `*word == expected`, until woken or `timeout` has passed.
/// Wakes up early at any time.
pub fn futex_wait(word: &AtomicU32, expected: u32, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().min(i64::MAX as u64) as libc::time_t,
        tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
    };
    // SAFETY: a valid word and a valid timeout; FUTEX_WAIT without PRIVATE, for shared memory.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            &timeout,
        )
    };
}

/// Wakes everybody who sleeps on `word`.
pub fn futex_wake_all(word: &AtomicU32) {
    // SAFETY: a valid word.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE,
            libc::c_int::MAX,
        )
    };
}

/// Registers this process for [`barrier_everywhere`], for itself and for children
/// it forks; false where the kernel does not have it.
pub fn join_barriers() -> bool {
    membarrier(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
}

/// A full memory barrier on every thread of every registered process, as if each
/// had executed one between two of its instructions; false where that is not to be had.
pub fn barrier_everywhere() -> bool {
    membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: takes no pointer.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Has `prepare` called before a fork, `parent` and `child` after it.
pub fn at_fork(
    prepare: extern "C" fn(),
    parent: extern "C" fn(),
    child: extern "C" fn(),
) -> io::Result<()> {
    // SAFETY: the handlers are static functions.
    match unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// This process's number and the time it started in clock ticks since boot
/// (zero when /proc is not there). For people to read, never as proof of life.
pub fn process_identity() -> (u32, u64) {
    let start = std::fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| {
            let after_name = stat.rsplit_once(") ")?.1;
            after_name.split(' ').nth(19)?.parse().ok()
        });
    (std::process::id(), start.unwrap_or(0))
}
