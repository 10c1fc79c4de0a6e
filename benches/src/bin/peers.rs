//! Measures the queues that libshmds is compared with. Takes one command a line and answers each
//! with one line, `ok ...` or `error ...`; the same commands as the C++ program's.

use crossbeam_queue::ArrayQueue;
use shmds_bench::arena::{self, Allocator};
use shmds_bench::element::{CAPACITY, Element, pin};
use shmds_bench::flow::{Control, Crowd, Transfer};
use shmds_bench::pair::{Rtrb, bare_cas, pairs};
use shmds_bench::process::Child;
use shmds_bench::quiet::{Core, Timed};
use std::io::{BufRead, Write};
use std::str::{FromStr, SplitWhitespace};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// One queue, from `open` to `close`.
trait Stage {
    fn pair(&mut self, core: &mut Core, count: u64) -> Timed;
    fn flow(&mut self, crowd: &Crowd) -> Result<Transfer, String>;
    fn victim(&mut self, operation: &str) -> Result<libc::pid_t, String>;
    fn resume(&mut self, pid: libc::pid_t) -> Result<(), String>;
    fn size(&self) -> usize;
    fn close(&mut self) -> Result<(), String>;
}

struct ArrayStage<const WORDS: usize> {
    /// In memory shared with forked processes, until the next one is opened.
    queue: &'static ArrayQueue<Element<WORDS>>,
    /// In memory of this process, as programs use it.
    own: ArrayQueue<Element<WORDS>>,
    victims: Vec<Child>,
    control: &'static Control,
    cpus: [usize; 2],
    stuck: bool,
}

impl<const WORDS: usize> ArrayStage<WORDS> {
    fn open(control: &'static Control, cpus: [usize; 2]) -> Result<Self, String> {
        let shared = arena::in_shared_memory(|| ArrayQueue::new(CAPACITY));
        Ok(Self {
            queue: Box::leak(shared.ok_or("no shared memory")?),
            own: ArrayQueue::new(CAPACITY),
            victims: Vec::new(),
            control,
            cpus,
            stuck: false,
        })
    }
}

impl<const WORDS: usize> Stage for ArrayStage<WORDS> {
    fn pair(&mut self, core: &mut Core, count: u64) -> Timed {
        core.time(count, |count| pairs(&mut &self.own, count))
    }

    fn flow(&mut self, crowd: &Crowd) -> Result<Transfer, String> {
        let queue = if crowd.processes {
            self.queue
        } else {
            &self.own
        };
        let done = self.control.flow(crowd, self.cpus, |_| Ok(queue))?;
        self.stuck |= done.stuck;
        Ok(done)
    }

    fn victim(&mut self, operation: &str) -> Result<libc::pid_t, String> {
        let number = self.victims.len();
        let child = self
            .control
            .victim(self.queue, number, operation, self.cpus[0])?;
        let pid = child.pid();
        self.victims.push(child);
        Ok(pid)
    }

    fn resume(&mut self, pid: libc::pid_t) -> Result<(), String> {
        let victim = self.victims.iter_mut().find(|child| child.pid() == pid);
        let victim = victim.ok_or("no such victim")?;
        victim.signal(libc::SIGCONT);
        victim.wait()
    }

    fn size(&self) -> usize {
        self.queue.len()
    }

    fn close(&mut self) -> Result<(), String> {
        // Whoever was killed in the middle of an operation leaves a queue that cannot be emptied.
        if self.stuck {
            return Ok(());
        }
        for victim in &mut self.victims {
            victim.signal(libc::SIGCONT);
            victim.wait()?;
        }
        while let Some(left) = self.own.pop() {
            let _ = self.queue.push(left);
        }
        self.control.check(&mut &*self.queue)
    }
}

struct RtrbStage<const WORDS: usize> {
    ring: Rtrb<WORDS>,
    control: &'static Control,
    cpus: [usize; 2],
}

const NOT_BETWEEN_PROCESSES: &str = "not between processes";

impl<const WORDS: usize> Stage for RtrbStage<WORDS> {
    fn pair(&mut self, core: &mut Core, count: u64) -> Timed {
        core.time(count, |count| pairs(&mut self.ring, count))
    }

    fn flow(&mut self, crowd: &Crowd) -> Result<Transfer, String> {
        if crowd.processes || crowd.producers != 1 || crowd.consumers != 1 {
            return Err("only between two threads".into());
        }
        // Each participant gets one end, and keeps it.
        let mut ring = std::mem::take(&mut self.ring);
        self.control.flow(crowd, self.cpus, |index| {
            let producer = ring.producer.take_if(|_| index == 0);
            let consumer = ring.consumer.take_if(|_| index == 1);
            Ok(Rtrb { producer, consumer })
        })
    }

    fn victim(&mut self, _: &str) -> Result<libc::pid_t, String> {
        Err(NOT_BETWEEN_PROCESSES.into())
    }

    fn resume(&mut self, _: libc::pid_t) -> Result<(), String> {
        Err(NOT_BETWEEN_PROCESSES.into())
    }

    fn size(&self) -> usize {
        self.ring.consumer.as_ref().map_or(0, rtrb::Consumer::slots)
    }

    fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}

const NO_STAGE: &str = "no queue is open";

struct Commands {
    core: Core,
    control: &'static Control,
    cpus: [usize; 2],
    stage: Option<Box<dyn Stage>>,
}

fn next<T: FromStr>(words: &mut SplitWhitespace<'_>) -> Result<T, String> {
    let word = words.next().and_then(|word| word.parse().ok());
    word.ok_or_else(|| "the command is not complete".into())
}

impl Commands {
    fn stage(&mut self) -> Result<&mut dyn Stage, String> {
        Ok(&mut **self.stage.as_mut().ok_or(NO_STAGE)?)
    }

    fn open<const WORDS: usize>(&mut self, kind: &str) -> Result<(), String> {
        self.stage = None;
        self.control.reset();
        let (control, cpus) = (self.control, self.cpus);
        self.stage = Some(match kind {
            "array-queue" => Box::new(ArrayStage::<WORDS>::open(control, cpus)?),
            "rtrb" => Box::new(RtrbStage::<WORDS> {
                ring: Rtrb::default(),
                control,
                cpus,
            }),
            _ => return Err("no such queue".into()),
        });
        Ok(())
    }

    fn run(&mut self, line: &str) -> Result<String, String> {
        let words = &mut line.split_whitespace();
        let answer = match next::<String>(words)?.as_str() {
            "about" => format!("compiler rustc-{}", env!("BENCH_RUSTC_VERSION")),
            "cas" => self.core.time(next(words)?, bare_cas).to_string(),
            "open" => {
                let kind = next::<String>(words)?;
                match next::<u32>(words)? {
                    8 => self.open::<1>(&kind)?,
                    64 => self.open::<8>(&kind)?,
                    _ => return Err("elements are of 8 or 64 bytes".into()),
                }
                String::new()
            }
            "pair" => {
                let stage = self.stage.as_mut().ok_or(NO_STAGE)?;
                stage.pair(&mut self.core, next(words)?).to_string()
            }
            "flow" => {
                let crowd = Crowd {
                    producers: next(words)?,
                    consumers: next(words)?,
                    processes: next::<String>(words)? == "processes",
                    yields: next::<String>(words)? == "yield",
                    pinned: next::<String>(words)? == "pinned",
                    time: Duration::from_millis(next(words)?),
                };
                let done = self.stage()?.flow(&crowd)?;
                format!("per_us {} stuck {}", done.per_us, u8::from(done.stuck))
            }
            "victim" => format!("pid {}", self.stage()?.victim(&next::<String>(words)?)?),
            "resume" => {
                self.stage()?.resume(next(words)?)?;
                String::new()
            }
            "size" => format!("size {}", self.stage()?.size()),
            "close" => {
                self.stage()?.close()?;
                self.stage = None;
                String::new()
            }
            other => return Err(format!("no such command: {other}")),
        };
        Ok(answer)
    }
}

fn main() -> Result<(), String> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let words = &mut arguments.iter().map(String::as_str);
    if words.next() != Some("commands") {
        return Err("this program is run by the driver of the benchmarks".into());
    }
    let mut cpu = || words.next().and_then(|word| word.parse().ok());
    let cpus = [
        cpu().ok_or("the first processor is missing")?,
        cpu().ok_or("the second processor is missing")?,
    ];
    let mut commands = Commands {
        core: Core::default(),
        control: Control::shared()?,
        cpus,
        stage: None,
    };
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        pin(cpus[0]);
        let answer = match commands.run(&line) {
            Ok(answer) => format!("ok {answer}\n"),
            Err(sentence) => format!("error {sentence}\n"),
        };
        let written = out.write_all(answer.as_bytes());
        written
            .and_then(|()| out.flush())
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}
