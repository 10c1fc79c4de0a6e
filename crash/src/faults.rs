//! Whether the harness finds what is wrong: faults planted in a library built for that.

use std::path::Path;
use std::process::Command;

/// A fault; the scenarios in which it has to be found, in which mode, and at one of how many points.
const FAULTS: [(&str, &str, &str, usize); 12] = [
    (
        "late-record",
        "queue/enqueue/one element, 8 bytes/library",
        "kill",
        1,
    ),
    (
        "guessed-slot",
        "queue/dequeue/one element, 8 bytes/library",
        "kill",
        1,
    ),
    (
        "early-tail",
        "spsc_queue/push/one place left, 24 bytes/library",
        "kill",
        1,
    ),
    (
        "early-head",
        "spsc_queue/pop/full, 24 bytes/library",
        "stop",
        1,
    ),
    ("counted-sleepers", "queue/dequeue_wait/empty", "kill", 1),
    (
        "early-ring-tail",
        "ring_buffer/push/at the wrap, 24 bytes/library",
        "kill",
        1,
    ),
    (
        "no-claim",
        "ring_buffer/push_overwrite/full, 24 bytes/library",
        "stop",
        1,
    ),
    ("early-magic", "segment/create/", "kill", 3),
    ("early-ready", "segment/create a queue", "kill", 3),
    (
        "late-journal",
        "segment/create an array/a new name",
        "kill",
        1,
    ),
    (
        "kept-generation",
        "segment/create an array/after a death in create",
        "stop",
        9,
    ),
    (
        "stuck-lock",
        "segment/create an array/a new name",
        "kill",
        1,
    ),
];

/// What selects a fault; in the library only if it was built with faults.
const SELECTOR: &str = "SHMDS_PLANTED_FAULT";

/// Whether a file holds the name of the selector.
fn mentions_selector(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    let mut windows = bytes.windows(SELECTOR.len());
    windows.any(|window| window == SELECTOR.as_bytes())
}

/// Runs the scenarios with the faulty library; the first violation, if there is one.
fn find(
    folder: &Path,
    fault: Option<&str>,
    (only, mode, stride): (&str, &str, usize),
) -> Result<Option<String>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args([
        "matrix", "--brief", "--tries", "1", "--only", only, "--mode", mode,
    ]);
    command.args(["--stride", &stride.to_string()]);
    command.env("LD_LIBRARY_PATH", folder);
    command.env_remove(SELECTOR);
    if let Some(fault) = fault {
        command.env(SELECTOR, fault);
    }
    let output = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let violation = text.lines().find(|line| line.starts_with("VIOLATION"));
    match (output.status.success(), violation) {
        (true, None) => Ok(None),
        (false, Some(line)) => Ok(Some(line.to_owned())),
        _ => Err(format!("no table: {text}")),
    }
}

/// Plants each fault, or those that are named; whether all were found, and nothing where
/// there was none.
pub fn run(named: &[String]) -> bool {
    let shipped = Path::new(env!("SHMDS_CRASH_LIBRARY"));
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../build/planted"));
    let faulty = folder.join("libshmds.so.0");
    let mut sound = true;
    if !mentions_selector(&faulty) || mentions_selector(&shipped.join("libshmds.so")) {
        println!(
            "expected faults in {}, and none in the shipped library",
            faulty.display()
        );
        sound = false;
    }
    let is_unknown = |name: &&String| !FAULTS.iter().any(|fault| fault.0 == name.as_str());
    if let Some(unknown) = named.iter().find(is_unknown) {
        println!("{unknown:<18} is no fault");
        sound = false;
    }
    for (fault, only, mode, stride) in FAULTS {
        if !named.is_empty() && !named.iter().any(|name| name == fault) {
            continue;
        }
        let part = (only, mode, stride);
        let (clean, planted) = (find(folder, None, part), find(folder, Some(fault), part));
        match (clean, planted) {
            (Ok(None), Ok(Some(violation))) => println!("{fault:<18} found: {violation}"),
            (Ok(None), Ok(None)) => {
                sound = false;
                println!("{fault:<18} NOT FOUND in {only}");
            }
            (Ok(Some(violation)), _) => {
                sound = false;
                println!("{fault:<18} a violation without it: {violation}");
            }
            (Err(why), _) | (_, Err(why)) => {
                sound = false;
                println!("{fault:<18} {why}");
            }
        }
    }
    sound
}
