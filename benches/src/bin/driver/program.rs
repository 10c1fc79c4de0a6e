//! The programs that hold the queues, each asked by one line and answering with one.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;

/// A program that runs, and waits for commands.
pub struct Program {
    /// Which compiler made it.
    pub compiler: String,
    /// All that it says of itself.
    pub about: String,
    /// Of each measurement of a single thread, the share of slices that nobody disturbed.
    undisturbed: Vec<f64>,
    path: PathBuf,
    cpus: [usize; 2],
    process: Process,
}

/// What runs it.
struct Process {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

/// Names and values, in turns.
pub struct Answer(Vec<String>);

impl Answer {
    /// The value of that name.
    pub fn get<T: FromStr>(&self, name: &str) -> Result<T, String> {
        let place = self.0.iter().step_by(2).position(|each| each == name);
        let value = place.and_then(|place| self.0.get(2 * place + 1)?.parse().ok());
        value.ok_or_else(|| format!("no {name} in the answer {:?}", self.0.join(" ")))
    }
}

impl Process {
    fn start(path: &Path, cpus: [usize; 2]) -> Result<Self, String> {
        let mut child = Command::new(path)
            .arg("commands")
            .args(cpus.map(|cpu| cpu.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", path.display()))?;
        let to = child.stdin.take();
        let from = child.stdout.take().ok_or("a program without pipes")?;
        Ok(Self {
            child,
            to,
            from: BufReader::new(from),
        })
    }

    fn ask(&mut self, command: &str) -> Result<Answer, String> {
        let mut line = String::new();
        let to = self.to.as_mut().ok_or("the program has ended")?;
        writeln!(to, "{command}")
            .and_then(|()| self.from.read_line(&mut line))
            .map_err(|error| format!("{command}: {error}"))?;
        let mut words = line.split_whitespace().map(String::from);
        match words.next().as_deref() {
            Some("ok") => Ok(Answer(words.collect())),
            Some("error") => Err(format!(
                "{command}: {}",
                words.collect::<Vec<_>>().join(" ")
            )),
            _ => Err(format!("{command}: the program ended")),
        }
    }
}

impl Program {
    /// Starts a program whose participants run on these processors.
    pub fn start(path: &Path, cpus: [usize; 2]) -> Result<Self, String> {
        let mut process = Process::start(path, cpus)?;
        let about = process.ask("about")?;
        Ok(Self {
            compiler: about.get("compiler")?,
            about: about.0.join(" "),
            undisturbed: Vec::new(),
            path: path.to_path_buf(),
            cpus,
            process,
        })
    }

    /// Goes on in a new process. The system puts its code and its memory elsewhere, which changes
    /// what operations take by some hundredths for as long as it lives.
    pub fn renew(&mut self) -> Result<(), String> {
        self.process = Process::start(&self.path, self.cpus)?;
        Ok(())
    }

    /// Has one command carried out.
    pub fn ask(&mut self, command: &str) -> Result<Answer, String> {
        self.process.ask(command)
    }

    /// The number of that name in the answer to a command.
    pub fn number(&mut self, command: &str, name: &str) -> Result<f64, String> {
        self.ask(command)?.get(name)
    }

    /// The nanoseconds that one thread took, while it had its core for itself if it ever had.
    pub fn undisturbed_ns(&mut self, command: &str) -> Result<f64, String> {
        let answer = self.ask(command)?;
        self.undisturbed.push(answer.get("undisturbed")?);
        answer.get("ns")
    }

    /// How often a slice that began undisturbed ended so, and how many measurements had none;
    /// `None`: nothing was measured.
    pub fn quietness(&self) -> Option<String> {
        if self.undisturbed.is_empty() {
            return None;
        }
        let mean = self.undisturbed.iter().sum::<f64>() / self.undisturbed.len() as f64;
        let never = self.undisturbed.iter().filter(|&&share| share == 0.0);
        Some(format!(
            "{}: {:.0} % of the slices undisturbed, none in {} of {} measurements",
            self.compiler,
            100.0 * mean,
            never.count(),
            self.undisturbed.len()
        ))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It clears up and ends at the end of its input.
        drop(self.to.take());
        let _ = self.child.wait();
    }
}
