//! Proof by death: brings real processes that use the release library to every instruction of
//! every operation, kills or stops them there, and checks what the others find.

mod campaign;
mod cases;
mod channel;
mod exits;
mod faults;
mod history;
mod jobs;
mod matrix;
mod model;
mod op;
mod rig;
mod scenario;
mod step;
mod watch;

use clap::{Parser, Subcommand};
use rig::Mode;
use step::At;

#[derive(Parser)]
#[command(about = "Kills and stops processes at every instruction of every operation of libshmds")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// All points of the scenarios, in a table; fails if there is a violation.
    Matrix(matrix::Options),
    /// One point of one scenario, as a violation names it.
    Point {
        /// structure/operation/state/path
        scenario: String,
        mode: Mode,
        /// Instructions; or system calls + changes of the segment since; or "end". For a pair, two.
        at: Vec<At>,
    },
    /// Everything at once, killed and stopped at random.
    Campaign(campaign::Options),
    /// Ends that are no kill, and what happens to the file.
    Exits,
    /// Faults planted in the library, each of which has to be found.
    Faults {
        /// Only this one; may be given several times.
        #[arg(long)]
        only: Vec<String>,
    },
    /// The names of the scenarios.
    List,
}

fn main() -> std::process::ExitCode {
    let ok = match Cli::parse().what {
        What::Matrix(options) => matrix::run(&options),
        What::Point { scenario, mode, at } => matrix::one(&scenario, mode, &at),
        What::Campaign(options) => campaign::run(&options),
        What::Exits => exits::run(),
        What::Faults { only } => faults::run(&only),
        What::List => {
            for scenario in cases::all().iter().chain(&cases::pairs()) {
                println!("{}", scenario.id());
            }
            true
        }
    };
    std::process::ExitCode::from(u8::from(!ok))
}
