//! What the processes of a campaign wrote down, and whether it can have been.

use crate::op::{OK, TIMEOUT};
use std::collections::{HashMap, HashSet};

/// What was done; actor/campaign.cpp has the same.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(dead_code)] // Made by the other side.
pub enum Kind {
    Enqueue,
    Dequeue,
    Push,
    Pop,
    RingPush,
    RingPop,
    Add,
    Acquire,
    Release,
    Reclaim,
    Create,
    Destroy,
    Attach,
}

/// One operation.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub begin: u64,
    /// 0: its process died in it.
    pub end: u64,
    pub kind: Kind,
    pub status: i32,
    pub value: u64,
}

/// One process's life.
pub struct Life {
    pub records: Vec<Record>,
}

/// What was left at the end.
#[derive(Default)]
pub struct Rest {
    pub queue: Vec<u64>,
    pub spsc: Vec<u64>,
    pub ring: Vec<u64>,
    pub atomic: u64,
}

/// Everything that cannot have been.
pub fn violations(lives: &[Life], rest: &Rest) -> Vec<String> {
    let mut found = Vec::new();
    for life in lives {
        found.extend(life.records.iter().filter_map(odd_status));
    }
    let lines = [
        ("queue", Kind::Enqueue, Kind::Dequeue, &rest.queue),
        ("spsc_queue", Kind::Push, Kind::Pop, &rest.spsc),
        ("ring_buffer", Kind::RingPush, Kind::RingPop, &rest.ring),
    ];
    for (what, put, take, rest) in lines {
        if let Err(why) = check_line(lives, put, take, rest) {
            found.push(format!("{what}: {why}"));
        }
    }
    found.extend(check_sum(lives, rest.atomic).err());
    found.extend(check_objects(lives).err());
    found
}

/// Statuses that no operation has in a campaign.
fn odd_status(record: &Record) -> Option<String> {
    let waits = matches!(record.kind, Kind::Enqueue | Kind::Dequeue);
    let odd = match record.status {
        // Full, empty, exhausted; absent or destroyed meanwhile; a role that somebody holds.
        _ if record.end == 0 => false,
        0..=2 | 4 | -11 | -27 | -30 => false,
        TIMEOUT => !waits,
        // No lane left to hold a slot in, and no room for an array.
        -28 | -13 | -14 => false,
        _ => true,
    };
    odd.then(|| format!("{:?}: status {}", record.kind, record.status))
}

/// One element on its way.
#[derive(Clone, Copy)]
struct Item {
    put: (u64, u64),
    taken: (u64, u64),
}

/// First in, first out; each element once, and lost only by a death in the act of taking it.
fn check_line(lives: &[Life], put: Kind, take: Kind, rest: &[u64]) -> Result<(), String> {
    let records = || lives.iter().flat_map(|life| &life.records);
    let mut items: HashMap<u64, Item> = HashMap::new();
    let mut unsure = HashSet::new();
    for record in records().filter(|record| record.kind == put) {
        let never = (u64::MAX, u64::MAX);
        if record.end == 0 {
            unsure.insert(record.value);
            let put = (record.begin, u64::MAX);
            items.insert(record.value, Item { put, taken: never });
        } else if record.status == OK {
            let put = (record.begin, record.end);
            items.insert(record.value, Item { put, taken: never });
        }
    }
    let mut lost_at_most = 0;
    let taken = records().filter(|record| record.kind == take);
    let end = u64::MAX - rest.len() as u64 - 2;
    let left = rest.iter().zip(end..).map(|(&value, at)| (value, (at, at)));
    let mut taken_items = Vec::new();
    for record in taken {
        if record.end == 0 {
            lost_at_most += 1;
        } else if record.status == OK {
            taken_items.push((record.value, (record.begin, record.end)));
        }
    }
    for (value, when) in taken_items.into_iter().chain(left) {
        let Some(item) = items.get_mut(&value) else {
            return Err(format!("{value:#x} came out and was never put in"));
        };
        if item.taken.0 != u64::MAX {
            return Err(format!("{value:#x} came out twice"));
        }
        item.taken = when;
    }
    let missing: Vec<u64> = items
        .iter()
        .filter(|(value, item)| item.taken.0 == u64::MAX && !unsure.contains(value))
        .map(|(&value, _)| value)
        .collect();
    if missing.len() > lost_at_most {
        return Err(format!(
            "{} elements are missing, {:#x} for one; {lost_at_most} processes died taking one",
            missing.len(),
            missing[0]
        ));
    }
    check_order(
        items
            .into_values()
            .filter(|item| item.taken.0 != u64::MAX)
            .collect(),
    )
}

/// An element put in wholly before another does not come out wholly after it.
fn check_order(mut items: Vec<Item>) -> Result<(), String> {
    let mut by_end = items.clone();
    by_end.sort_unstable_by_key(|item| item.put.1);
    items.sort_unstable_by_key(|item| item.put.0);
    let mut before = by_end.iter().peekable();
    let mut latest = 0;
    for item in &items {
        while let Some(earlier) = before.next_if(|earlier| earlier.put.1 < item.put.0) {
            latest = latest.max(earlier.taken.0);
        }
        if item.taken.1 < latest {
            return Err(format!(
                "an element put in at {} came out before one put in earlier",
                item.put.0
            ));
        }
    }
    Ok(())
}

/// Each addition counts once; that of a dead process once at most.
fn check_sum(lives: &[Life], sum: u64) -> Result<(), String> {
    let additions = lives.iter().flat_map(|life| &life.records);
    let additions = additions.filter(|record| record.kind == Kind::Add);
    let (mut sure, mut unsure) = (0, 0);
    let mut seen = HashSet::new();
    for record in additions {
        if record.end == 0 {
            unsure += 1;
        } else {
            sure += 1;
            if !seen.insert(record.value) {
                return Err(format!("atomic: two additions found {}", record.value));
            }
        }
    }
    if (sure..=sure + unsure).contains(&sum) {
        return Ok(());
    }
    Err(format!(
        "atomic: {sum}; expected {sure} to {}",
        sure + unsure
    ))
}

/// Nobody has an object that another one has.
fn check_objects(lives: &[Life]) -> Result<(), String> {
    let mut holds: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
    for life in lives {
        let mut held: HashMap<u64, u64> = HashMap::new();
        for record in &life.records {
            match record.kind {
                Kind::Acquire if record.end != 0 && record.status == OK => {
                    held.insert(record.value, record.end);
                }
                Kind::Release => {
                    if let Some(since) = held.remove(&record.value) {
                        holds
                            .entry(record.value)
                            .or_default()
                            .push((since, record.begin));
                    }
                }
                _ => {}
            }
        }
        // What a process keeps that ends is its own until it is reclaimed: not before its death.
        let last = life
            .records
            .last()
            .map_or(0, |record| record.end.max(record.begin));
        for (object, since) in held {
            holds
                .entry(object)
                .or_default()
                .push((since, last.max(since)));
        }
    }
    for (object, mut times) in holds {
        times.sort_unstable();
        if let Some(pair) = times.windows(2).find(|pair| pair[1].0 < pair[0].1) {
            return Err(format!(
                "object_pool: two had object {object} at {}",
                pair[1].0
            ));
        }
    }
    Ok(())
}
