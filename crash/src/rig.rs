//! The processes of a run, and one point of a scenario at a time.

use crate::channel::{Cost, Process, Spare};
use crate::model::{Event, Pending, explain, waits};
use crate::op::{Code, OK, Op, Outcome, Task, Who};
use crate::scenario::{Grain, Scenario};
use crate::step::{self, At, Reached, Survey};
use crate::watch::Watch;
use std::time::{Duration, Instant};

/// What happens at a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Mode {
    /// The victim is killed there, and survivors go on.
    Kill,
    /// It is left stopped there while survivors go on, then goes on itself.
    Stop,
    /// It is left stopped there while survivors go on, then killed.
    StopKill,
}

/// A survivor that takes longer than that hangs.
const HANG: Duration = Duration::from_secs(10);
/// What openers are given to wait for a living process.
const OPEN_TIMEOUT: Duration = Duration::from_millis(5);
/// The same once nobody is in the way any more: it then is how long a count of lanes takes.
const SHORT_TIMEOUT: Duration = Duration::from_millis(1);
/// An ended process is no longer counted after that.
const REF_COUNT: Duration = Duration::from_millis(100);
/// What a batch of a survivor may take of a processor's time where it must not wait.
const MOST_WORK: Duration = Duration::from_millis(20);
/// How late a sleeper may wake up whose notifier died: a slice, and what a busy machine adds.
const LATE: Duration = Duration::from_millis(500);

/// What a busy machine can bring about as well.
const DOUBTFUL: [&str; 4] = [" waited: ", " hangs", " sleeps on ", "count of attachments"];
/// Tries a point again while what it gives is doubtful, so often in all.
pub fn believe<T>(
    tries: u32,
    mut attempt: impl FnMut() -> Result<T, Violation>,
) -> Result<T, Violation> {
    let mut result = attempt();
    for _ in 1..tries {
        if !matches!(&result, Err(violation) if violation.doubtful) {
            break;
        }
        result = attempt();
    }
    result
}

/// What was measured.
#[derive(Clone, Copy, Default, Debug)]
pub struct Measured {
    /// The most that one batch of a survivor took where it must not wait.
    pub most_work: Duration,
    /// The longest that an operation of a survivor took where it may.
    pub longest_wait: Duration,
    /// Points at which another instruction was to come than undisturbed.
    pub elsewhere: u64,
}

/// Where somebody dies before the victim comes, and what is known of the operation, to be there
/// sooner.
pub type Death<'a> = (At, Option<&'a Survey>);

/// Why a point could not be tried, or what went wrong there.
pub struct Violation {
    pub what: String,
    /// It is a matter of time, and so perhaps of the machine: to be believed if it happens again.
    pub doubtful: bool,
    pub history: Vec<String>,
}

/// The processes that outlive points: survivors, and a newcomer.
pub struct Rig {
    name: String,
    /// For a victim that a survivor forks.
    spare: Spare,
    a: Process,
    b: Process,
    newcomer: Process,
    pub measured: Measured,
    baseline: Option<(String, Vec<Outcome>)>,
}

/// One point while it is tried.
struct Trial<'a> {
    rig: &'a mut Rig,
    scenario: &'a Scenario,
    victims: Vec<(Who, Process)>,
    is_set_up: bool,
    setup: Vec<Event>,
    pending: Vec<Pending>,
    history: Vec<Event>,
}

impl Rig {
    pub fn new(name: &str) -> Self {
        step::hold_back_news();
        Self {
            name: name.to_owned(),
            spare: Spare::new(),
            a: Process::start(name, false),
            b: Process::start(name, false),
            newcomer: Process::start(name, false),
            measured: Measured::default(),
            baseline: None,
        }
    }

    /// Steps through a scenario's operation undisturbed; `earlier`: where somebody else died
    /// before, or nobody has yet, and it is that operation that counts.
    pub fn survey(
        &mut self,
        scenario: &Scenario,
        earlier: Option<Death>,
    ) -> Result<Survey, Violation> {
        let mut watch = Watch::new(&self.name);
        let thorough = scenario.grain == Grain::Events;
        let mut trial = Trial::new(self, scenario);
        let (who, op) = match (scenario.earlier, earlier) {
            (Some(op), None) => (Who::Second, op),
            _ => (Who::Victim, scenario.op),
        };
        let mut result = Ok(());
        if let Some(death) = earlier {
            result = trial.die_earlier(death);
        }
        let result = result.and_then(|()| trial.prepare(who, &op));
        let survey = result.map(|()| step::survey(trial.process(who), &mut watch, thorough));
        let survey = survey.and_then(|survey| scenario.check_way(survey));
        let survey = survey.map_err(|what| trial.violation(what));
        trial.end();
        survey
    }

    /// Tries one point.
    pub fn point(
        &mut self,
        scenario: &Scenario,
        survey: Option<&Survey>,
        at: At,
        mode: Mode,
    ) -> Result<Reached, Violation> {
        self.learn_baseline(scenario)?;
        let victims = [(Who::Victim, scenario.op, at)];
        self.attempt(scenario, survey, &victims, mode)
    }

    /// Tries one pair of points: the second victim acts while the first stands still.
    pub fn pair(
        &mut self,
        scenario: &Scenario,
        at: [At; 2],
        mode: Mode,
    ) -> Result<Reached, Violation> {
        self.learn_baseline(scenario)?;
        let second = scenario.second.unwrap_or(scenario.op);
        let victims = [
            (Who::Victim, scenario.op, at[0]),
            (Who::Second, second, at[1]),
        ];
        self.attempt(scenario, None, &victims, mode)
    }

    /// What the audit gives when nobody was disturbed.
    fn learn_baseline(&mut self, scenario: &Scenario) -> Result<(), Violation> {
        let id = scenario.id();
        if self.baseline.as_ref().is_some_and(|known| known.0 == id) {
            return Ok(());
        }
        self.baseline = None;
        let mut trial = Trial::new(self, scenario);
        let outcomes = trial.undisturbed();
        let result = outcomes.map_err(|what| trial.violation(format!("undisturbed: {what}")));
        trial.end();
        self.baseline = Some((id, result?));
        Ok(())
    }

    /// Tries one point of a process that comes after another one's death.
    pub fn after(
        &mut self,
        scenario: &Scenario,
        survey: Option<&Survey>,
        death: Death,
        at: At,
        mode: Mode,
    ) -> Result<Reached, Violation> {
        // Where the other one died makes a difference to nothing that is audited.
        self.learn_baseline(scenario)?;
        let mut trial = Trial::new(self, scenario);
        let result = trial
            .die_earlier(death)
            .and_then(|()| trial.run(survey, &[(Who::Victim, scenario.op, at)], mode));
        let result = result.map_err(|what| trial.violation(what));
        trial.end();
        result
    }

    fn attempt(
        &mut self,
        scenario: &Scenario,
        survey: Option<&Survey>,
        victims: &[(Who, Op, At)],
        mode: Mode,
    ) -> Result<Reached, Violation> {
        let mut trial = Trial::new(self, scenario);
        let result = trial.run(survey, victims, mode);
        let result = result.map_err(|what| trial.violation(what));
        trial.end();
        result
    }

    fn process(&mut self, who: Who) -> &mut Process {
        match who {
            Who::A => &mut self.a,
            Who::B => &mut self.b,
            _ => &mut self.newcomer,
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Removes a segment's name.
pub fn remove(name: &str) {
    let _ = std::fs::remove_file(std::path::Path::new("/dev/shm").join(name));
}

impl<'a> Trial<'a> {
    fn new(rig: &'a mut Rig, scenario: &'a Scenario) -> Self {
        remove(&rig.name);
        for who in [Who::A, Who::B] {
            rig.process(who).set_open_timeout(OPEN_TIMEOUT);
        }
        rig.newcomer.set_open_timeout(SHORT_TIMEOUT);
        rig.spare.reset();
        Self {
            rig,
            scenario,
            victims: Vec::new(),
            is_set_up: false,
            setup: Vec::new(),
            pending: Vec::new(),
            history: Vec::new(),
        }
    }

    fn violation(&self, what: String) -> Violation {
        let tell = |event: &Event| match event {
            Event::Did(who, op, outcome) => {
                format!("{who:?} {}: {outcome}", crate::model::name(op))
            }
            Event::Died(who) => format!("{who:?} killed"),
            Event::Ended(who, outcome) => format!("{who:?} went on: {outcome}"),
        };
        let history = self.history.iter().map(tell).collect();
        let doubtful = DOUBTFUL.iter().any(|word| what.contains(word));
        Violation {
            what,
            doubtful,
            history,
        }
    }

    /// Ends the segment, and whoever might still be in it.
    fn end(mut self) {
        self.victims.clear();
        for who in [Who::A, Who::B, Who::New] {
            let close = Op::new(Code::SegmentClose, 0, 0);
            let process = self.rig.process(who);
            let fine = !process.reaped && process.is_idle() && {
                process.begin(&[close, close.second()], false);
                process.finish(HANG).is_ok()
            };
            if !fine {
                let name = self.rig.name.clone();
                *self.rig.process(who) = Process::start(&name, false);
            }
        }
        remove(&self.rig.name);
    }

    /// The process of somebody.
    fn process(&mut self, who: Who) -> &mut Process {
        let at = self.victims.iter().position(|victim| victim.0 == who);
        match at {
            Some(at) => &mut self.victims[at].1,
            None => self.rig.process(who),
        }
    }

    /// Has somebody do some operations.
    fn batch(&mut self, who: Who, ops: &[Op]) -> Result<(Vec<Outcome>, Cost), String> {
        let process = self.process(who);
        process.begin(ops, false);
        process.finish(HANG).map_err(|done| {
            let op = ops.get(done as usize).map(crate::model::name);
            format!("{who:?} hangs in {}", op.unwrap_or_default())
        })
    }

    /// The operation, through the attachment of whoever does it.
    fn of(&self, (who, op): Task) -> Op {
        match op.code {
            Code::Fork => Op::new(Code::Fork, self.rig.spare.address(), 0),
            _ if who == Who::NewToo => op.second(),
            _ => op,
        }
    }

    /// Has tasks done in their order, and notes what came of them.
    fn tasks(&mut self, tasks: &[Task], must_not_wait: bool) -> Result<Vec<Event>, String> {
        let mut events = Vec::new();
        let must_not_wait = |op: &Op| must_not_wait && !(self.scenario.may_wait && waits(op.code));
        let together = |one: &Task, next: &Task| {
            place(one.0) == place(next.0) && must_not_wait(&one.1) == must_not_wait(&next.1)
        };
        for batch in tasks.chunk_by(together) {
            let ops: Vec<Op> = batch.iter().map(|&task| self.of(task)).collect();
            let who = batch[0].0;
            let (outcomes, cost) = self.batch(who, &ops)?;
            for (&(who, op), outcome) in batch.iter().zip(outcomes) {
                events.push(Event::Did(who, op, outcome));
            }
            let measured = &mut self.rig.measured;
            if must_not_wait(&batch[0].1) {
                measured.most_work = measured.most_work.max(cost.cpu);
                if cost.sleeps > 0 || cost.cpu > MOST_WORK {
                    let slept = cost.sleeps;
                    self.history.extend(events);
                    return Err(format!(
                        "{who:?} waited: slept {slept} times, {:?} of work, longest {:?}",
                        cost.cpu, cost.longest
                    ));
                }
            } else {
                measured.longest_wait = measured.longest_wait.max(cost.longest);
            }
        }
        Ok(events)
    }

    /// The same, as a part of the history.
    fn go_on(&mut self, tasks: &[Task], must_not_wait: bool) -> Result<(), String> {
        let events = self.tasks(tasks, must_not_wait)?;
        self.history.extend(events);
        Ok(())
    }

    /// Brings the segment into its state, and a victim to the start of its operation.
    fn prepare(&mut self, who: Who, op: &Op) -> Result<(), String> {
        if !self.is_set_up {
            self.is_set_up = true;
            let name = self.rig.name.clone();
            let setup = &self.scenario.setup;
            let forks = setup.iter().any(|task| task.1.code == Code::Fork);
            for who in [Who::Victim, Who::Second] {
                let comes = who == Who::Victim && !forks;
                if comes || setup.iter().any(|task| task.0 == who) {
                    self.victims.push((who, Process::start(&name, true)));
                }
            }
            let tasks: &[Task] = &self.scenario.setup;
            self.setup = self.tasks(tasks, false)?;
            explain(&*self.scenario.model, &[], &self.setup).map_err(|why| {
                self.history = self.setup.clone();
                format!("before anything happened: {why}")
            })?;
            if forks {
                self.victims.push((Who::Victim, self.rig.spare.process()));
            }
            self.put_sleeper_to_sleep()?;
        }
        if who == Who::Victim {
            self.go_on(&self.scenario.arrival, false)?;
        }
        let process = self.process(who);
        process.begin(&[*op], true);
        step::await_start(process);
        Ok(())
    }

    /// Another process dies before the victim comes.
    fn die_earlier(&mut self, (at, survey): Death) -> Result<(), String> {
        let Some(op) = self.scenario.earlier else {
            return Ok(());
        };
        self.prepare(Who::Second, &op)?;
        let reached = self.reach(Who::Second, survey, at);
        self.note_pending(Who::Second, op, reached, at);
        self.pending
            .iter_mut()
            .for_each(|pending| pending.died = true);
        self.process(Who::Second).kill();
        self.victims.retain(|victim| victim.0 != Who::Second);
        self.history.push(Event::Died(Who::Second));
        Ok(())
    }

    /// The whole scenario with a victim that nobody stops.
    fn undisturbed(&mut self) -> Result<Vec<Outcome>, String> {
        let scenario = self.scenario;
        if scenario.earlier.is_some() {
            self.die_earlier((At::End, None))?;
        }
        let mut ends = vec![(Who::Victim, scenario.op)];
        if let Some(second) = scenario.second {
            ends.push((Who::Second, second));
        }
        for &(who, op) in &ends {
            self.prepare(who, &op)?;
            self.note_pending(who, op, Reached::Inside, At::Instruction(0));
        }
        let stopped = self.tasks(&scenario.stopped, false)?;
        self.history.extend(stopped);
        for &(who, _) in &ends {
            self.resume(who)?;
        }
        self.go_on(&scenario.resumed, false)?;
        self.leave()?;
        self.recover()?;
        self.check()?;
        self.audit()
    }

    /// Brings a victim to a point of its operation.
    fn reach(&mut self, who: Who, survey: Option<&Survey>, at: At) -> Reached {
        let mut watch = Watch::new(&self.rig.name);
        let process = self.process(who);
        let Some(survey) = survey else {
            return step::reach(process, at, &mut watch);
        };
        let (reached, expected) = survey.reach(process, at, &mut watch);
        self.rig.measured.elsewhere += u64::from(!expected);
        reached
    }

    fn note_pending(&mut self, who: Who, op: Op, reached: Reached, at: At) {
        self.pending.push(Pending {
            who,
            op,
            unstarted: at == At::Instruction(0),
            returned: reached == Reached::End,
            died: false,
        });
    }

    /// `survey`: what is known of the operation, to be there sooner.
    fn run(
        &mut self,
        survey: Option<&Survey>,
        victims: &[(Who, Op, At)],
        mode: Mode,
    ) -> Result<Reached, String> {
        let scenario = self.scenario;
        let mut reached = Reached::Inside;
        for &(who, op, at) in victims {
            self.prepare(who, &op)?;
            reached = self.reach(who, survey, at);
            if reached == Reached::Asleep && mode != Mode::Kill {
                step::stop_sleeper(self.process(who));
            }
            self.note_pending(who, op, reached, at);
        }
        if mode != Mode::Kill {
            self.go_on(&scenario.stopped, true)?;
        }
        if mode == Mode::Stop {
            for &(who, ..) in victims {
                self.resume(who)?;
            }
            self.go_on(&scenario.resumed, true)?;
            self.leave()?;
        } else {
            for &(who, ..) in victims {
                self.process(who).kill();
                self.history.push(Event::Died(who));
            }
            // Who was to be the second victim and is not, in a scenario for pairs.
            self.victims.clear();
            self.go_on(&scenario.dead, true)?;
        }
        self.recover()?;
        self.check()?;
        let found = self.audit()?;
        match &self.rig.baseline {
            Some((_, expected)) if *expected != found => {
                let differs = |at: &usize| expected.get(*at) != found.get(*at);
                let at = (0..found.len()).find(differs).unwrap_or_default();
                let op = scenario
                    .audit
                    .get(at)
                    .map(|task| crate::model::name(&task.1));
                Err(format!(
                    "afterwards {}: {}; expected {}",
                    op.unwrap_or_default(),
                    found[at],
                    expected[at]
                ))
            }
            _ => Ok(reached),
        }
    }

    /// Has a survivor begin to wait, if the scenario has one.
    fn put_sleeper_to_sleep(&mut self) -> Result<(), String> {
        if let Some(op) = self.scenario.sleeper {
            self.rig.b.begin(&[op], false);
            let start = Instant::now();
            while !self.rig.b.is_asleep() {
                if start.elapsed() > HANG {
                    return Err("B does not fall asleep".into());
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        Ok(())
    }

    /// Lets a stopped victim end its operation.
    fn resume(&mut self, who: Who) -> Result<(), String> {
        let process = self.process(who);
        step::release(process);
        let (outcomes, _) = process
            .finish(HANG)
            .map_err(|_| format!("{who:?} hangs after it went on"))?;
        self.history.push(Event::Ended(who, outcomes[0]));
        Ok(())
    }

    /// Victims that live leave the segment.
    fn leave(&mut self) -> Result<(), String> {
        for index in 0..self.victims.len() {
            let who = self.victims[index].0;
            self.batch(who, &[Op::new(Code::SegmentClose, 0, 0)])?;
            self.history.push(Event::Died(who));
        }
        Ok(())
    }

    /// Lets a sleeper have what it waits for, then a newcomer take every free slot, and all work.
    fn recover(&mut self) -> Result<(), String> {
        if let Some(op) = self.scenario.sleeper {
            let (outcomes, _) =
                self.rig.b.finish(LATE).map_err(|_| {
                    format!("B sleeps on {LATE:?} after there was something for it")
                })?;
            self.history.push(Event::Did(Who::B, op, outcomes[0]));
        }
        let survivors = self.survivors();
        self.await_ref_count(survivors)?;
        let open = Op::new(Code::SegmentOpen, 0, 0);
        let (outcomes, _) = self.batch(Who::New, &[open, open.second()])?;
        if outcomes.iter().any(|outcome| outcome.status != OK) {
            return Err(format!(
                "a newcomer cannot have the slots that are free: {}, {}",
                outcomes[0], outcomes[1]
            ));
        }
        self.await_ref_count(survivors + 2)?;
        self.go_on(&self.scenario.recovered, false)
    }

    /// Attachments of survivors.
    fn survivors(&self) -> u32 {
        let attached = |who: Who| {
            self.setup
                .iter()
                .chain(&self.history)
                .any(|event| match event {
                    Event::Did(did, op, outcome) => {
                        *did == who && op.code < Code::SegmentClose && outcome.status == OK
                    }
                    _ => false,
                })
        };
        u32::from(attached(Who::A)) + u32::from(attached(Who::B))
    }

    fn await_ref_count(&mut self, expected: u32) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let (outcomes, _) = self.batch(Who::A, &[Op::new(Code::RefCount, 0, 0)])?;
            let found = outcomes[0];
            if found.status == OK && found.count == expected {
                return Ok(());
            }
            if start.elapsed() > REF_COUNT {
                return Err(format!(
                    "the count of attachments is {found}; expected {expected}"
                ));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Whether what happened can be explained.
    fn check(&self) -> Result<(), String> {
        let mut model = self.scenario.model.boxed();
        for event in &self.setup {
            if let Event::Did(who, op, seen) = event {
                model.accept(*who, op, seen)?;
            }
        }
        explain(&*model, &self.pending, &self.history)
    }

    fn audit(&mut self) -> Result<Vec<Outcome>, String> {
        let mut found = Vec::new();
        for event in self.tasks(&self.scenario.audit, false)? {
            if let Event::Did(_, _, outcome) = event {
                found.push(outcome);
            }
        }
        Ok(found)
    }
}

/// The process that does it: both attachments of the newcomer are in one.
fn place(who: Who) -> Who {
    if who == Who::NewToo { Who::New } else { who }
}
