//! Faults planted on purpose, one at a time, for the crash tests to find.
//!
//! Nothing of it is in a library that ships: without the feature `planted-faults` no fault
//! is planted, which the compiler knows.

/// A fault that costs something only if a process dies, or is stopped, at the wrong moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(not(feature = "planted-faults"), allow(dead_code))]
pub enum Fault {
    /// Queue: a lane says which slots it exchanges only after it has.
    LateRecord,
    /// Queue: recovery takes for granted that the exchange did not happen.
    GuessedSlot,
    /// SPSC queue: an element is published before it is there.
    EarlyTail,
    /// SPSC queue: a slot is given back before it was read.
    EarlyHead,
    /// Waiting: sleepers are counted, up and down, instead of a flag being raised.
    CountedSleepers,
    /// Ring buffer: an element is published before it is there.
    EarlyRingTail,
    /// Ring buffer: what is being overwritten is not claimed before.
    NoClaim,
    /// Segment: the magic is written first.
    EarlyMagic,
    /// Table: a name is ready before its structure is initialised.
    EarlyReady,
    /// Table: a change is committed to the journal after it was made.
    LateJournal,
    /// Members: who takes a slot has the generation of its last holder.
    KeptGeneration,
    /// Table: a dead holder's lock is nobody's to take.
    StuckLock,
}

impl Fault {
    /// Whether this one is planted.
    #[cfg(not(feature = "planted-faults"))]
    #[inline(always)]
    pub const fn is_planted(self) -> bool {
        false
    }

    /// Whether this one is planted: the one that the environment names.
    #[cfg(feature = "planted-faults")]
    pub fn is_planted(self) -> bool {
        use std::sync::OnceLock;
        static PLANTED: OnceLock<Option<String>> = OnceLock::new();
        let planted = PLANTED.get_or_init(|| std::env::var("SHMDS_PLANTED_FAULT").ok());
        planted.as_deref() == Some(self.name())
    }

    #[cfg(feature = "planted-faults")]
    const fn name(self) -> &'static str {
        match self {
            Self::LateRecord => "late-record",
            Self::GuessedSlot => "guessed-slot",
            Self::EarlyTail => "early-tail",
            Self::EarlyHead => "early-head",
            Self::CountedSleepers => "counted-sleepers",
            Self::EarlyRingTail => "early-ring-tail",
            Self::NoClaim => "no-claim",
            Self::EarlyMagic => "early-magic",
            Self::EarlyReady => "early-ready",
            Self::LateJournal => "late-journal",
            Self::KeptGeneration => "kept-generation",
            Self::StuckLock => "stuck-lock",
        }
    }
}
