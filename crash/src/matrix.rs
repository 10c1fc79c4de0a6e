//! Runs the points of many scenarios, on all cores, and makes a table of them.

use crate::cases;
use crate::jobs;
use crate::rig::{Measured, Mode, Rig, Violation, believe};
use crate::scenario::{Grain, Scenario};
use crate::step::{At, Reached, Survey};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Options {
    /// Only scenarios whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
    /// Only one point of so many.
    #[arg(long, default_value_t = 1)]
    stride: usize,
    /// Only one scenario of so many.
    #[arg(long, default_value_t = 1)]
    scenarios: usize,
    /// Two victims at once, at all pairs of points.
    #[arg(long)]
    pairs: bool,
    /// Every instruction of long operations too, not one of each class.
    #[arg(long)]
    full: bool,
    /// What happens at the points; by default everything.
    #[arg(long, value_enum)]
    mode: Vec<Mode>,
    /// Processes that try points, each on a core; by default one for each core.
    #[arg(long)]
    jobs: Option<usize>,
    /// How often a point is tried that fails for want of time, as on a busy machine it may.
    #[arg(long, default_value_t = 3)]
    tries: u32,
    /// Stop after the first violation of a scenario.
    #[arg(long)]
    brief: bool,
}

/// Most violations of a scenario that are told.
const MOST_TOLD: u64 = 3;

/// A scenario in one mode.
struct Unit {
    scenario: Scenario,
    mode: Mode,
}

/// What came of it.
#[derive(Default, Clone, Copy)]
struct Tally {
    instructions: u64,
    points: u64,
    kills: u64,
    stops: u64,
    pairs: u64,
    violations: u64,
    critical: [u64; 3],
    most_work_us: u64,
    longest_wait_us: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.instructions = self.instructions.max(other.instructions);
        self.points = self.points.max(other.points);
        self.kills += other.kills;
        self.stops += other.stops;
        self.pairs += other.pairs;
        self.violations += other.violations;
        for (most, other) in self.critical.iter_mut().zip(other.critical) {
            *most = (*most).max(other);
        }
        self.most_work_us = self.most_work_us.max(other.most_work_us);
        self.longest_wait_us = self.longest_wait_us.max(other.longest_wait_us);
    }

    fn to_line(self) -> String {
        let [locked, naming, founding] = self.critical;
        [
            self.instructions,
            self.points,
            self.kills,
            self.stops,
            self.pairs,
            self.violations,
            locked,
            naming,
            founding,
            self.most_work_us,
            self.longest_wait_us,
        ]
        .map(|number| number.to_string())
        .join(" ")
    }

    fn from_line(line: &str) -> Option<Self> {
        let numbers: Vec<u64> = line
            .split(' ')
            .map_while(|word| word.parse().ok())
            .collect();
        let &[
            instructions,
            points,
            kills,
            stops,
            pairs,
            violations,
            locked,
            naming,
            founding,
            work,
            wait,
        ] = &numbers[..]
        else {
            return None;
        };
        Some(Self {
            instructions,
            points,
            kills,
            stops,
            pairs,
            violations,
            critical: [locked, naming, founding],
            most_work_us: work,
            longest_wait_us: wait,
        })
    }
}

fn scenarios(options: &Options) -> Vec<Scenario> {
    let all = if options.pairs {
        cases::pairs()
    } else {
        cases::all()
    };
    all.into_iter()
        .filter(|scenario| scenario.id().contains(&options.only))
        .step_by(options.scenarios)
        .collect()
}

/// The points of a scenario.
fn points(scenario: &Scenario, survey: &Survey, options: &Options) -> Vec<At> {
    let all: Vec<At> = if scenario.grain == Grain::Instructions || options.full {
        (0..=survey.instructions).map(At::Instruction).collect()
    } else {
        survey.events.clone()
    };
    let last = all.len().saturating_sub(1);
    let kept = |&(index, _): &(usize, &At)| index % options.stride == 0 || index == last;
    all.iter()
        .enumerate()
        .filter(kept)
        .map(|(_, &at)| at)
        .collect()
}

/// One violation, with the command that shows it again.
fn tell(scenario: &Scenario, mode: Mode, at: &[At], violation: &Violation) -> String {
    let mode = format!("{mode:?}");
    let mode = match &mode[..] {
        "StopKill" => "stop-kill".into(),
        other => other.to_lowercase(),
    };
    let at: Vec<String> = at.iter().map(At::to_string).collect();
    let command = format!(
        "scripts/crash point \"{}\" {mode} {}",
        scenario.id(),
        at.join(" ")
    );
    format!("{}\n    {command}", violation.what)
}

/// Tries all points of a unit.
fn try_unit(rig: &mut Rig, unit: &Unit, options: &Options, say: &mut dyn FnMut(&str)) -> Tally {
    let Unit { scenario, mode } = unit;
    let mut tally = Tally::default();
    rig.measured = Measured::default();
    let survey = match rig.survey(scenario, None) {
        Ok(survey) => survey,
        Err(violation) => {
            say(&tell(scenario, *mode, &[At::Instruction(0)], &violation));
            tally.violations = 1;
            return tally;
        }
    };
    tally.instructions = survey.instructions;
    tally.critical = survey.critical;
    let points = points(scenario, &survey, options);
    tally.points = points.len() as u64;
    let mut report = |tally: &mut Tally, at: &[At], result: Result<(), Violation>| {
        if let Err(violation) = result {
            tally.violations += 1;
            say(&tell(scenario, *mode, at, &violation));
        }
        tally.violations >= if options.brief { 1 } else { MOST_TOLD }
    };
    if options.pairs {
        tally.points = 0;
        try_pairs(rig, unit, options, &mut tally, &mut report);
    } else if scenario.earlier.is_some() {
        tally.points = 0;
        try_after(rig, unit, options, &points, &mut tally, &mut report);
    } else {
        for &at in &points {
            let result = believe(options.tries, || rig.point(scenario, at, *mode)).map(drop);
            tally.kills += u64::from(*mode != Mode::Stop);
            tally.stops += u64::from(*mode != Mode::Kill);
            if report(&mut tally, &[at], result) {
                break;
            }
        }
    }
    tally.most_work_us = rig.measured.most_work.as_micros() as u64;
    tally.longest_wait_us = rig.measured.longest_wait.as_micros() as u64;
    tally
}

/// All pairs of points of two victims. How many instructions the second has depends on where the
/// first stands, so its end is found by going there.
fn try_pairs(
    rig: &mut Rig,
    unit: &Unit,
    options: &Options,
    tally: &mut Tally,
    report: &mut Report<'_>,
) {
    for first in (0..=tally.instructions).step_by(options.stride) {
        for second in (0..).step_by(options.stride) {
            let at = [At::Instruction(first), At::Instruction(second)];
            let (ended, result) =
                match believe(options.tries, || rig.pair(&unit.scenario, at, unit.mode)) {
                    Ok(reached) => (reached == Reached::End, Ok(())),
                    Err(violation) => (false, Err(violation)),
                };
            tally.pairs += 1;
            tally.points += 1;
            if report(tally, &at, result) {
                return;
            }
            if ended {
                break;
            }
        }
    }
}

/// What tells about a point, and says when it is enough.
type Report<'a> = dyn FnMut(&mut Tally, &[At], Result<(), Violation>) -> bool + 'a;

/// All points of an operation that comes after a death, for each point of that one.
fn try_after(
    rig: &mut Rig,
    unit: &Unit,
    options: &Options,
    deaths: &[At],
    tally: &mut Tally,
    report: &mut Report<'_>,
) {
    for &death in deaths {
        let survey = match rig.survey(&unit.scenario, Some(death)) {
            Ok(survey) => survey,
            Err(violation) => {
                report(tally, &[death], Err(violation));
                return;
            }
        };
        tally.instructions = tally.instructions.max(survey.instructions);
        for at in points(&unit.scenario, &survey, options) {
            let result = believe(options.tries, || {
                rig.after(&unit.scenario, [death, at], unit.mode)
            })
            .map(drop);
            tally.points += 1;
            tally.kills += 1 + u64::from(unit.mode != Mode::Stop);
            tally.stops += u64::from(unit.mode != Mode::Kill);
            if report(tally, &[death, at], result) {
                return;
            }
        }
    }
}

/// Runs the matrix; whether there was no violation.
pub fn run(options: &Options) -> bool {
    let modes = match &options.mode[..] {
        [] if options.pairs => vec![Mode::Kill, Mode::Stop],
        [] => vec![Mode::Kill, Mode::Stop, Mode::StopKill],
        given => given.to_vec(),
    };
    let mut units = Vec::new();
    for &mode in &modes {
        for scenario in scenarios(options) {
            units.push(Unit { scenario, mode });
        }
    }
    let start = Instant::now();
    let mut rows: BTreeMap<usize, Tally> = BTreeMap::new();
    let count = units.len() / modes.len().max(1);
    let work = |job: usize, next: &dyn Fn() -> usize, say: &mut dyn FnMut(&str)| {
        let mut rig = Rig::new(&jobs::segment_name(job));
        loop {
            let index = next();
            let Some(unit) = units.get(index) else {
                return;
            };
            let mut violations = Vec::new();
            let tally = try_unit(&mut rig, unit, options, &mut |what| {
                violations.push(what.replace('\n', "\x01"));
            });
            for what in violations {
                say(&format!("violation {index} {what}"));
            }
            say(&format!("tally {index} {}", tally.to_line()));
        }
    };
    let hear = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (kind, index, rest) = (words.next(), words.next(), words.next());
        let index: usize = index.and_then(|word| word.parse().ok()).unwrap_or_default();
        match (kind, rest) {
            (Some("tally"), Some(rest)) => {
                if let Some(tally) = Tally::from_line(rest) {
                    rows.entry(index % count).or_default().add(&tally);
                }
            }
            (Some("violation"), Some(rest)) => {
                let id = units[index].scenario.id();
                println!("VIOLATION {id}: {}", rest.replace('\x01', "\n"));
            }
            _ => println!("{line}"),
        }
    };
    let sound = jobs::run(options.jobs, work, hear);
    table(&units, &rows, start.elapsed());
    sound && rows.values().all(|row| row.violations == 0) && rows.len() == count && count > 0
}

fn table(units: &[Unit], rows: &BTreeMap<usize, Tally>, took: Duration) {
    println!(
        "{:<11} {:<26} {:<24} {:<8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>10}",
        "structure",
        "operation",
        "state",
        "path",
        "instr.",
        "points",
        "kills",
        "stops",
        "pairs",
        "violations"
    );
    let mut total = Tally::default();
    let mut distinct = 0;
    let mut critical = Vec::new();
    for (&index, row) in rows {
        let scenario = &units[index].scenario;
        println!(
            "{:<11} {:<26} {:<24} {:<8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>10}",
            scenario.structure,
            scenario.operation,
            scenario.state,
            scenario.path,
            row.instructions,
            row.points,
            row.kills,
            row.stops,
            row.pairs,
            row.violations
        );
        total.add(row);
        distinct += row.points;
        let [locked, naming, founding] = row.critical;
        if scenario.may_wait && locked + naming + founding > 0 {
            critical.push(format!(
                "  {:<26} {:<24} {locked:>7} {naming:>7} {founding:>7}",
                scenario.operation, scenario.state
            ));
        }
    }
    println!(
        "{} scenarios, {distinct} distinct points, {} kills, {} stops, {} pairs, {} violations, {} s",
        rows.len(),
        total.kills,
        total.stops,
        total.pairs,
        total.violations,
        took.as_secs()
    );
    println!(
        "beside a stopped or dead process no survivor slept where it must not; at most {} us of work in a batch; \
         where it may wait, at most {} us for one operation",
        total.most_work_us, total.longest_wait_us
    );
    if !critical.is_empty() {
        println!(
            "instructions in which a stopped process may be waited for: in the table, at a name, at the segment"
        );
        critical.iter().for_each(|line| println!("{line}"));
    }
}

/// One point, with its history.
pub fn one(id: &str, mode: Mode, at: &[At]) -> bool {
    let both = cases::all().into_iter().chain(cases::pairs());
    let Some(scenario) = both.into_iter().find(|scenario| scenario.id() == id) else {
        println!("no scenario \"{id}\"; `list` names them");
        return false;
    };
    jobs::pin_here();
    let mut rig = Rig::new(&jobs::segment_name(0));
    let result = match *at {
        [at] => rig.point(&scenario, at, mode),
        [first, second] if scenario.earlier.is_some() => {
            rig.after(&scenario, [first, second], mode)
        }
        [first, second] => rig.pair(&scenario, [first, second], mode),
        _ => {
            println!("expected a point, or two");
            return false;
        }
    };
    match result {
        Ok(reached) => {
            println!("{id}: fine (reached: {reached:?})");
            true
        }
        Err(violation) => {
            violation
                .history
                .iter()
                .for_each(|line| println!("  {line}"));
            println!("VIOLATION {id}: {}", violation.what);
            false
        }
    }
}
