//! An operation in a state, and what survivors do around it.

use crate::model::Model;
use crate::op::{Op, Task};
use crate::step::Survey;

/// At which points an operation is interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grain {
    /// At every instruction.
    Instructions,
    /// Once in each class of points between two changes of the segment or system calls.
    Events,
}

/// An operation in a state.
pub struct Scenario {
    pub structure: &'static str,
    pub operation: &'static str,
    pub state: String,
    pub path: &'static str,
    pub grain: Grain,
    /// Brings the segment into the state. A makes it; B and the victim attach.
    pub setup: Vec<Task>,
    /// Another process dies in this, at each of its points, before the victim comes.
    pub earlier: Option<Op>,
    /// What the victim does before its operation, after that death.
    pub arrival: Vec<Task>,
    /// What the victim is in the middle of.
    pub op: Op,
    /// The second victim's, for pairs.
    pub second: Option<Op>,
    /// A survivor that sleeps until there is something, all the while.
    pub sleeper: Option<Op>,
    /// What survivors do while it stands still there.
    pub stopped: Vec<Task>,
    /// What they do once it has gone on, and ended its operation.
    pub resumed: Vec<Task>,
    /// What they do once it is dead.
    pub dead: Vec<Task>,
    /// What they do with a newcomer in the dead process's slot.
    pub recovered: Vec<Task>,
    /// What has to come out the same wherever the victim died.
    pub audit: Vec<Task>,
    /// Survivors may have to wait while it stands still: it creates or opens something.
    pub may_wait: bool,
    /// Instructions that it takes if it goes the way that is meant, and not a longer one.
    pub at_most: Option<u64>,
    /// The state of the structure before `setup`.
    pub model: Box<dyn Model>,
}

impl Scenario {
    /// What an operation was surveyed to do, if it went the way that is meant.
    pub fn check_way(&self, survey: Survey) -> Result<Survey, String> {
        let taken = survey.instructions;
        match self.at_most {
            Some(most) if taken > most => Err(format!(
                "takes {taken} instructions, expected at most {most}"
            )),
            _ => Ok(survey),
        }
    }

    /// What names it on the command line.
    pub fn id(&self) -> String {
        format!(
            "{}/{}/{}/{}",
            self.structure, self.operation, self.state, self.path
        )
    }
}
