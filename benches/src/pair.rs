//! The peers, and a push and a pop by one thread.

use crate::element::{CAPACITY, Element, broken};
use crossbeam_queue::ArrayQueue;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

/// One end of a queue, or both.
pub trait Port<const WORDS: usize> {
    /// Appends, or says that there is no room.
    fn push(&mut self, element: Element<WORDS>) -> bool;
    /// Takes the oldest element.
    fn pop(&mut self) -> Option<Element<WORDS>>;
}

impl<const WORDS: usize> Port<WORDS> for &ArrayQueue<Element<WORDS>> {
    #[inline(always)]
    fn push(&mut self, element: Element<WORDS>) -> bool {
        ArrayQueue::push(self, element).is_ok()
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<Element<WORDS>> {
        ArrayQueue::pop(self)
    }
}

/// The ends of an rtrb ring: both, or the one that a participant uses.
pub struct Rtrb<const WORDS: usize> {
    /// Where elements go in.
    pub producer: Option<rtrb::Producer<Element<WORDS>>>,
    /// Where they come out.
    pub consumer: Option<rtrb::Consumer<Element<WORDS>>>,
}

impl<const WORDS: usize> Default for Rtrb<WORDS> {
    fn default() -> Self {
        let (producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
        Self {
            producer: Some(producer),
            consumer: Some(consumer),
        }
    }
}

impl<const WORDS: usize> Port<WORDS> for Rtrb<WORDS> {
    #[inline(always)]
    fn push(&mut self, element: Element<WORDS>) -> bool {
        let producer = self.producer.as_mut();
        producer.is_some_and(|producer| producer.push(element).is_ok())
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<Element<WORDS>> {
        self.consumer.as_mut()?.pop().ok()
    }
}

/// `count` times a push and a pop, each checked. In line: by itself crossbeam's queue takes nearly
/// twice as long.
#[inline(always)]
pub fn pairs<const WORDS: usize>(port: &mut impl Port<WORDS>, count: u64) {
    let mut element = Element::default();
    for i in 0..count {
        element.set(i);
        if !port.push(element) {
            broken("a push into an empty queue was refused");
        }
        match port.pop() {
            Some(got) if got.value() == i && got.whole() => {}
            _ => broken("another element came out"),
        }
    }
}

/// `count` times a compare-and-swap that succeeds, on a line that nobody else uses.
#[inline(always)]
pub fn bare_cas(count: u64) {
    #[repr(align(64))]
    struct Line(AtomicU64);
    static LINE: Line = Line(AtomicU64::new(0));
    let mut value = LINE.0.load(SeqCst);
    for _ in 0..count {
        let next = value.wrapping_add(1);
        if LINE
            .0
            .compare_exchange(value, next, SeqCst, SeqCst)
            .is_err()
        {
            broken("a compare-and-swap failed");
        }
        value = next;
    }
}
