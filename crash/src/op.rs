//! What an actor can be told to do, and what it answers: as in actor/actor.hpp.

/// An operation, by number.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
#[allow(dead_code)] // Some are for a few scenarios only.
pub enum Code {
    SegmentCreate,
    SegmentOpen,
    SegmentOpenOrCreate,
    SegmentOpenReadOnly,
    SegmentClose,
    RefCount,
    Info,
    Find,
    ArrayCreate,
    ArrayOpenOrCreate,
    ArrayOpen,
    ArrayFill,
    ArrayCheck,
    Erase,
    Clear,
    AddRaw,
    Destroy,
    QueueOpenOrCreate,
    Enqueue,
    Dequeue,
    EnqueueBulk,
    DequeueBulk,
    Publish,
    Abandon,
    Take,
    EnqueueWait,
    DequeueWait,
    QueueSize,
    QueueStaleHints,
    QueueLanes,
    QueueSlots,
    QueueSleepers,
    SpscOpenOrCreate,
    Push,
    Pop,
    PushBulk,
    PopBulk,
    FrontRelease,
    PushWait,
    PopWait,
    Leave,
    SpscSize,
    SpscSleepers,
    AtomicOpenOrCreate,
    AtomicLoad,
    AtomicStore,
    AtomicExchange,
    AtomicCompareExchange,
    AtomicFetchAdd,
    AtomicWait,
    AtomicNotify,
    WideOpenOrCreate,
    WideLoad,
    WideCompareExchange,
    PoolOpenOrCreate,
    Acquire,
    Release,
    AcquireBatch,
    ReleaseBatch,
    Reclaim,
    Disown,
    Adopt,
    NumAllocated,
    AcquireToken,
    ReleaseToken,
    ReleaseAt,
    RingOpenOrCreate,
    RingPush,
    RingPop,
    RingPushBulk,
    RingPopBulk,
    RingOverwrite,
    RingOverwriteBulk,
    RingLast,
    RingObserve,
    RingSkip,
    RingClear,
    RingPushWait,
    RingPopWait,
    RingSize,
    RingRolesOpenOrCreate,
    RingLeave,
    Fork,
    Exit,
}

/// Most elements that one operation moves.
pub const MOST_VALUES: usize = 6;

/// An operation with its operands.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Op {
    pub code: Code,
    how: u32,
    pub a: u64,
    pub b: u64,
}

impl Op {
    pub const fn new(code: Code, a: u64, b: u64) -> Self {
        Self { code, how: 0, a, b }
    }

    /// The same through the path compiled into the caller.
    pub const fn inline(self) -> Self {
        Self {
            how: self.how | 1,
            ..self
        }
    }

    /// The same through the process's second attachment.
    pub const fn second(self) -> Self {
        Self {
            how: self.how | 2,
            ..self
        }
    }
}

/// What came of an operation.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    pub status: i32,
    pub count: u32,
    pub values: [u64; MOST_VALUES],
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let last = self.values.iter().rposition(|&value| value != 0);
        let values = &self.values[..last.map_or(0, |last| last + 1)];
        write!(f, "status {}", self.status)?;
        if self.count != 0 {
            write!(f, ", count {}", self.count)?;
        }
        if !values.is_empty() {
            write!(f, ", {values:?}")?;
        }
        Ok(())
    }
}

/// Statuses of the C ABI.
pub const OK: i32 = 0;
pub const FULL: i32 = 1;
pub const EMPTY: i32 = 2;
pub const TIMEOUT: i32 = 3;
pub const EXHAUSTED: i32 = 4;
pub const E_ARGUMENT: i32 = -1;
pub const E_EXISTS: i32 = -10;
pub const E_NOT_FOUND: i32 = -11;
pub const E_BUSY: i32 = -28;
pub const E_STATE: i32 = -29;
pub const E_ROLE: i32 = -30;

/// Who does something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Who {
    /// A survivor, who made the segment.
    A,
    /// Another survivor.
    B,
    /// The victim.
    Victim,
    /// The second victim, of a pair.
    Second,
    /// A newcomer after the death.
    New,
    /// The newcomer's second attachment.
    NewToo,
}

/// Something for somebody to do.
pub type Task = (Who, Op);
