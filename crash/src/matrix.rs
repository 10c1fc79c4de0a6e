//! Runs the points of many scenarios, on all cores, and makes a table of them.

use crate::cases;
use crate::jobs;
use crate::rig::{Measured, Mode, Rig, Violation, believe};
use crate::scenario::{Grain, Scenario};
use crate::step::{At, Reached, Survey};
use std::collections::BTreeMap;
use std::fmt::Display;
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
    /// Processes that try points, each on a core; by default two for each core.
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

/// What came of a scenario.
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
    elsewhere: u64,
    milliseconds: u64,
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
        self.elsewhere += other.elsewhere;
        self.milliseconds += other.milliseconds;
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
            self.elsewhere,
            self.milliseconds,
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
            elsewhere,
            milliseconds,
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
            elsewhere,
            milliseconds,
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

/// The points of a scenario, at such a grain; of an instruction that is repeated, so many.
fn points(grain: Grain, most: u32, survey: &Survey, options: &Options) -> Vec<At> {
    let all: Vec<At> = match grain {
        Grain::Instructions => survey.each(most),
        Grain::Events => survey.events.clone(),
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

/// A scenario while its points are tried.
struct Course<'a> {
    rig: &'a mut Rig,
    scenario: &'a Scenario,
    modes: &'a [Mode],
    options: &'a Options,
    tally: Tally,
    say: &'a mut dyn FnMut(&str),
}

impl Course<'_> {
    /// Tries all points, in all modes.
    fn run(mut self) -> Tally {
        let start = Instant::now();
        self.rig.measured = Measured::default();
        match self.rig.survey(self.scenario, None) {
            Ok(survey) => self.try_points(&survey),
            Err(violation) => {
                self.note(self.modes[0], &[At::Instruction(0)], Err(violation));
            }
        }
        let measured = self.rig.measured;
        self.tally.most_work_us = measured.most_work.as_micros() as u64;
        self.tally.longest_wait_us = measured.longest_wait.as_micros() as u64;
        self.tally.elsewhere = measured.elsewhere;
        self.tally.milliseconds = start.elapsed().as_millis() as u64;
        self.tally
    }

    /// How often an instruction is interrupted that is repeated.
    fn most(&self) -> u32 {
        match self.scenario.grain {
            Grain::Instructions => 32,
            Grain::Events => 4,
        }
    }

    fn try_points(&mut self, survey: &Survey) {
        self.tally.instructions = survey.instructions;
        self.tally.critical = survey.critical;
        // Of a death before the victim comes one in each class: each is followed by many points.
        let grain = match self.scenario.earlier {
            None if self.options.full => Grain::Instructions,
            _ => self.scenario.grain,
        };
        let points = points(grain, self.most(), survey, self.options);
        if self.options.pairs {
            self.try_pairs();
        } else if self.scenario.earlier.is_some() {
            self.try_after(&points, survey);
        } else {
            self.try_each(None, &points, |rig, scenario, at, mode| {
                rig.point(scenario, Some(survey), at, mode)
            });
        }
    }

    /// Takes note of what came of a point; whether that is enough of violations.
    fn note(&mut self, mode: Mode, at: &[At], result: Result<(), Violation>) -> bool {
        if let Err(violation) = result {
            self.tally.violations += 1;
            (self.say)(&tell(self.scenario, mode, at, &violation));
        }
        self.tally.violations >= if self.options.brief { 1 } else { MOST_TOLD }
    }

    /// Tries each of some points in each mode, after a death where there is one; whether there were
    /// enough violations.
    fn try_each(
        &mut self,
        death: Option<At>,
        points: &[At],
        attempt: impl Fn(&mut Rig, &Scenario, At, Mode) -> Result<Reached, Violation>,
    ) -> bool {
        self.tally.points += points.len() as u64;
        for &mode in self.modes {
            for &at in points {
                let attempt = || attempt(self.rig, self.scenario, at, mode);
                let result = believe(self.options.tries, attempt).map(drop);
                self.tally.kills += u64::from(mode != Mode::Stop);
                self.tally.stops += u64::from(mode != Mode::Kill);
                let at: Vec<At> = death.into_iter().chain([at]).collect();
                if self.note(mode, &at, result) {
                    return true;
                }
            }
        }
        false
    }

    /// All pairs of points of two victims. How many instructions the second has depends on where
    /// the first stands, so its end is found by going there.
    fn try_pairs(&mut self) {
        let stride = self.options.stride;
        for (turn, &mode) in self.modes.iter().enumerate() {
            for first in (0..=self.tally.instructions).step_by(stride) {
                for second in (0..).step_by(stride) {
                    let at = [At::Instruction(first), At::Instruction(second)];
                    let attempt = || self.rig.pair(self.scenario, at, mode);
                    let (ended, result) = match believe(self.options.tries, attempt) {
                        Ok(reached) => (reached == Reached::End, Ok(())),
                        Err(violation) => (false, Err(violation)),
                    };
                    self.tally.pairs += 1;
                    self.tally.points += u64::from(turn == 0);
                    if self.note(mode, &at, result) {
                        return;
                    }
                    if ended {
                        break;
                    }
                }
            }
        }
    }

    /// All points of an operation that comes after a death, for each point of that one. Of those
    /// that only a full run tries, each after one of the deaths, in turn.
    fn try_after(&mut self, deaths: &[At], of_death: &Survey) {
        let grain = self.scenario.grain;
        for (turn, &death) in deaths.iter().enumerate() {
            let death = (death, Some(of_death));
            let survey = match self.rig.survey(self.scenario, Some(death)) {
                Ok(survey) => survey,
                Err(violation) => {
                    self.note(self.modes[0], &[death.0], Err(violation));
                    return;
                }
            };
            self.tally.instructions = self.tally.instructions.max(survey.instructions);
            let mut all = points(grain, self.most(), &survey, self.options);
            if self.options.full && grain == Grain::Events {
                let more = points(Grain::Instructions, self.most(), &survey, self.options);
                all.extend(more.iter().skip(turn).step_by(deaths.len()));
            }
            self.tally.kills += (all.len() * self.modes.len()) as u64;
            let enough = self.try_each(Some(death.0), &all, |rig, scenario, at, mode| {
                rig.after(scenario, Some(&survey), death, at, mode)
            });
            if enough {
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
    let scenarios = scenarios(options);
    if scenarios.is_empty() {
        println!("no scenario has {:?} in its name", options.only);
        return false;
    }
    let start = Instant::now();
    let mut rows: BTreeMap<usize, Tally> = BTreeMap::new();
    print_heads();
    let work = |job: usize, next: &dyn Fn() -> usize, say: &mut dyn FnMut(&str)| {
        let mut rig = Rig::new(&jobs::segment_name(job));
        loop {
            let index = next();
            let Some(scenario) = scenarios.get(index) else {
                return;
            };
            let course = Course {
                rig: &mut rig,
                scenario,
                modes: &modes,
                options,
                tally: Tally::default(),
                say: &mut |what| {
                    say(&format!("violation {index} {}", what.replace('\n', "\x01")));
                },
            };
            let tally = course.run();
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
                    print_row(&scenarios[index], &tally);
                    rows.insert(index, tally);
                }
            }
            (Some("violation"), Some(rest)) => {
                let id = scenarios[index].id();
                println!("VIOLATION {id}: {}", rest.replace('\x01', "\n"));
            }
            _ => println!("{line}"),
        }
    };
    let sound = jobs::run(options.jobs, work, hear);
    let done: Vec<(&Scenario, &Tally)> = rows
        .iter()
        .map(|(&index, row)| (&scenarios[index], row))
        .collect();
    print_sum(&done, start.elapsed());
    let fine = done.iter().all(|(_, row)| row.violations == 0);
    sound && fine && done.len() == scenarios.len() && !done.is_empty()
}

/// A line of the table.
fn print_cells(names: [&str; 4], numbers: [&dyn Display; 7]) {
    let [structure, operation, state, path] = names;
    print!("{structure:<11} {operation:<26} {state:<30} {path:<8}");
    for number in numbers {
        print!(" {number:>10}");
    }
    println!();
}

fn print_heads() {
    print_cells(
        ["structure", "operation", "state", "path"],
        [
            &"instr.",
            &"points",
            &"kills",
            &"stops",
            &"pairs",
            &"violations",
            &"seconds",
        ],
    );
}

fn print_row(scenario: &Scenario, row: &Tally) {
    print_cells(
        [
            scenario.structure,
            scenario.operation,
            &scenario.state,
            scenario.path,
        ],
        [
            &row.instructions,
            &row.points,
            &row.kills,
            &row.stops,
            &row.pairs,
            &row.violations,
            &format!("{:.1}", row.milliseconds as f64 / 1000.0),
        ],
    );
}

/// What follows the table, of rows that are complete.
fn print_sum(rows: &[(&Scenario, &Tally)], took: Duration) {
    let mut total = Tally::default();
    rows.iter().for_each(|(_, row)| total.add(row));
    let distinct: u64 = rows.iter().map(|(_, row)| row.points).sum();
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
    if total.elsewhere > 0 {
        println!(
            "{} times another instruction came at a point than undisturbed",
            total.elsewhere
        );
    }
    let critical: Vec<String> = rows
        .iter()
        .filter(|(scenario, row)| scenario.may_wait && row.critical != [0; 3])
        .map(|(scenario, row)| {
            let [locked, naming, founding] = row.critical;
            let (operation, state) = (scenario.operation, &scenario.state);
            format!("  {operation:<26} {state:<24} {locked:>7} {naming:>7} {founding:>7}")
        })
        .collect();
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
        [at] => rig.point(&scenario, None, at, mode),
        [first, second] if scenario.earlier.is_some() => {
            rig.after(&scenario, None, (first, None), second, mode)
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
