//! The two sides of a queue, as threads or as forked processes.

use crate::arena::shared_mapping;
use crate::element::{Backoff, Element, broken, pin};
use crate::pair::Port;
use crate::process::{Child, fork};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

/// How often a participant says how far it is, and looks whether the time is up.
const LOOK_EVERY: u64 = 64;
/// Elements are numbered from 1; the part above says who made them.
const MAKER_SHIFT: u32 = 48;
/// Participants, the last of which are victims.
const MOST: usize = 16;
const FIRST_VICTIM: usize = 12;

/// What one participant did. `received` is kept up to date while it works.
#[repr(align(64))]
#[derive(Default)]
struct Participant {
    received: AtomicU64,
    received_sum: AtomicU64,
    sent_sum: AtomicU64,
    begin_ns: AtomicU64,
    end_ns: AtomicU64,
}

#[repr(align(64))]
#[derive(Default)]
struct Line<T>(T);

/// How the participants of a round are started, stopped and counted; all zero at first.
#[derive(Default)]
pub struct Control {
    ready: Line<AtomicU32>,
    go: Line<AtomicBool>,
    stop: Line<AtomicBool>,
    producing: Line<AtomicU32>,
    participants: [Participant; MOST],
}

/// Who takes part.
pub struct Crowd {
    /// How many put elements in.
    pub producers: usize,
    /// How many take them out.
    pub consumers: usize,
    /// Forked processes, or threads.
    pub processes: bool,
    /// See [`Backoff`].
    pub yields: bool,
    /// Each on one processor, or free on both.
    pub pinned: bool,
    /// How long they produce.
    pub time: Duration,
}

/// What came of it.
pub struct Transfer {
    /// Elements that came out, per microsecond.
    pub per_us: f64,
    /// They did not end when the time was up.
    pub stuck: bool,
}

/// Adds to a word that nobody else writes.
fn add(to: &AtomicU64, value: u64) {
    to.store(to.load(Relaxed).wrapping_add(value), Relaxed);
}

fn now_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

impl Control {
    /// One that lives as long as the program, shared with its children.
    pub fn shared() -> Result<&'static Self, String> {
        let at = shared_mapping(size_of::<Self>()).ok_or("no shared memory")?;
        // SAFETY: a new mapping of this size, zeroed and aligned to a page; it is never unmapped.
        Ok(unsafe { &*at.cast::<Self>() })
    }

    /// Forgets all rounds.
    pub fn reset(&self) {
        for each in &self.participants {
            each.received_sum.store(0, Relaxed);
            each.sent_sum.store(0, Relaxed);
        }
    }

    /// Forgets who took part in the round before; what went in and out is kept.
    fn begin_round(&self, producers: usize) {
        for each in &self.participants {
            let all = [&each.received, &each.begin_ns, &each.end_ns];
            all.iter().for_each(|word| word.store(0, Relaxed));
        }
        self.ready.0.store(0, Relaxed);
        self.go.0.store(false, Relaxed);
        self.stop.0.store(false, Relaxed);
        self.producing.0.store(producers as u32, Relaxed);
    }

    fn start(&self, me: &Participant) {
        self.ready.0.fetch_add(1, SeqCst);
        while !self.go.0.load(Acquire) {
            // SAFETY: has no preconditions.
            unsafe { libc::sched_yield() };
        }
        me.begin_ns.store(now_ns(), Relaxed);
    }

    fn time_is_up(&self) -> bool {
        self.stop.0.load(Relaxed)
    }

    /// Puts elements in until the time is up.
    pub fn produce<const W: usize>(&self, port: &mut impl Port<W>, index: usize, yields: bool) {
        let me = &self.participants[index];
        let maker = (index as u64 + 1) << MAKER_SHIFT;
        let mut element = Element::default();
        let mut backoff = Backoff::new(yields);
        let mut number = 0_u64;
        self.start(me);
        'all: loop {
            element.set(maker | (number + 1));
            while !port.push(element) {
                if self.time_is_up() {
                    break 'all;
                }
                backoff.wait();
            }
            backoff.reset();
            number += 1;
            if number % LOOK_EVERY == 0 && self.time_is_up() {
                break;
            }
        }
        let sum = (number * (number + 1) / 2).wrapping_add(number.wrapping_mul(maker));
        add(&me.sent_sum, sum);
        me.end_ns.store(now_ns(), Relaxed);
        self.producing.0.fetch_sub(1, Release);
    }

    /// Takes elements out until nobody makes more and there are none left.
    pub fn consume<const W: usize>(&self, port: &mut impl Port<W>, index: usize, yields: bool) {
        let me = &self.participants[index];
        let mut backoff = Backoff::new(yields);
        let (mut count, mut sum) = (0_u64, 0_u64);
        self.start(me);
        loop {
            let got = match port.pop() {
                Some(got) => got,
                None if self.producing.0.load(Acquire) != 0 => {
                    backoff.wait();
                    continue;
                }
                None => match port.pop() {
                    Some(got) => got,
                    None => break,
                },
            };
            if !got.whole() {
                broken("a torn element");
            }
            sum = sum.wrapping_add(got.value());
            count += 1;
            if count % LOOK_EVERY == 0 {
                me.received.store(count, Relaxed);
            }
            backoff.reset();
        }
        me.received.store(count, Relaxed);
        add(&me.received_sum, sum);
        me.end_ns.store(now_ns(), Relaxed);
    }

    /// Forks a process that does everything once, stops itself, and does one operation when it is
    /// let go on. Whoever steps it through that finds it at the instruction that publishes.
    pub fn victim<const W: usize>(
        &self,
        mut port: impl Port<W>,
        number: usize,
        operation: &str,
        cpu: usize,
    ) -> Result<Child, String> {
        let index = FIRST_VICTIM + number;
        let me = self.participants.get(index).ok_or("too many victims")?;
        let maker = (index as u64 + 1) << MAKER_SHIFT;
        let mut child = fork(|| {
            pin(cpu);
            let mut element = Element::default();
            let mut push = |port: &mut _, number| {
                element.set(maker | number);
                if Port::push(port, element) {
                    add(&me.sent_sum, element.value());
                }
            };
            let pop = |port: &mut _| {
                if let Some(got) = Port::<W>::pop(port) {
                    add(&me.received_sum, got.value());
                }
            };
            push(&mut port, 1);
            pop(&mut port);
            if operation == "pop" {
                push(&mut port, 2);
            }
            // SAFETY: stops this process until it is let go on.
            unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
            if operation == "pop" {
                pop(&mut port);
            } else {
                push(&mut port, 3);
            }
        })?;
        child.wait_for_stop()?;
        Ok(child)
    }

    /// Whether what came out is what went in, with what is still in the queue.
    pub fn check<const W: usize>(&self, port: &mut impl Port<W>) -> Result<(), String> {
        let sum = |word: fn(&Participant) -> &AtomicU64| {
            let all = self
                .participants
                .iter()
                .map(|each| word(each).load(Relaxed));
            all.fold(0, u64::wrapping_add)
        };
        let sent = sum(|each| &each.sent_sum);
        let mut received = sum(|each| &each.received_sum);
        while let Some(got) = port.pop() {
            received = received.wrapping_add(got.value());
        }
        if sent != received {
            return Err("what came out is not what went in".into());
        }
        Ok(())
    }

    fn received(&self) -> u64 {
        let all = self.participants[..FIRST_VICTIM].iter();
        all.map(|each| each.received.load(Relaxed)).sum()
    }

    /// From the first start to the last end.
    fn duration(&self) -> u64 {
        let begins = self
            .participants
            .iter()
            .map(|each| each.begin_ns.load(Relaxed));
        let ends = self
            .participants
            .iter()
            .map(|each| each.end_ns.load(Relaxed));
        let begin = begins.filter(|&ns| ns != 0).min().unwrap_or(0);
        ends.max().unwrap_or(0) - begin
    }

    /// Waits for all to be ready, lets them go, and says when the time is up. What has come out
    /// until then, and how long that took.
    fn conduct(&self, crowd: &Crowd) -> (u64, u64) {
        while (self.ready.0.load(SeqCst) as usize) < crowd.producers + crowd.consumers {
            std::thread::sleep(Duration::from_micros(50));
        }
        let begin = now_ns();
        self.go.0.store(true, Release);
        std::thread::sleep(crowd.time);
        let so_far = (self.received(), now_ns() - begin);
        self.stop.0.store(true, Relaxed);
        so_far
    }

    /// One round. `ports` makes the port of each participant.
    pub fn flow<const W: usize, P: Port<W> + Send>(
        &self,
        crowd: &Crowd,
        cpus: [usize; 2],
        mut ports: impl FnMut(usize) -> Result<P, String>,
    ) -> Result<Transfer, String> {
        let all = crowd.producers + crowd.consumers;
        if all > FIRST_VICTIM {
            return Err("too many participants".into());
        }
        self.begin_round(crowd.producers);
        let ports = (0..all).map(&mut ports).collect::<Result<Vec<_>, _>>()?;
        let work = |index: usize, mut port: P| {
            let produces = index < crowd.producers;
            // Each processor has as many producers as consumers.
            let place = if produces {
                index
            } else {
                index - crowd.producers + 1
            };
            if crowd.pinned {
                pin(cpus[place % 2]);
            }
            if produces {
                self.produce(&mut port, index, crowd.yields);
            } else {
                self.consume(&mut port, index, crowd.yields);
            }
        };
        let ports = ports.into_iter().enumerate();
        if !crowd.processes {
            std::thread::scope(|scope| {
                for (index, port) in ports {
                    scope.spawn(move || work(index, port));
                }
                self.conduct(crowd);
            });
        } else {
            let children = ports.map(|(index, port)| fork(|| work(index, port)));
            let mut children = children.collect::<Result<Vec<_>, _>>()?;
            let (elements, ns) = self.conduct(crowd);
            let latest = Instant::now() + Duration::from_secs(2);
            let mut running = true;
            while running && Instant::now() < latest {
                running = false;
                for child in &mut children {
                    running = child.running()? || running;
                }
                std::thread::sleep(Duration::from_micros(100));
            }
            if running {
                return Ok(Transfer::of(elements, ns, true));
            }
        }
        Ok(Transfer::of(self.received(), self.duration(), false))
    }
}

impl Transfer {
    fn of(elements: u64, ns: u64, stuck: bool) -> Self {
        Self {
            per_us: elements as f64 * 1000.0 / ns as f64,
            stuck,
        }
    }
}
