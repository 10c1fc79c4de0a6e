//! Layout types leave nothing to chance: every byte of one is a field or stated to be reserved, no field
//! straddles two cache lines, and what different processors write is on different lines.
//!
//! `tests/docs.rs` compares the offsets with `docs/architecture.md`.

#![allow(
    clippy::single_range_in_vec_init,
    reason = "lists of gaps, some with one"
)]

use memoffset::{offset_of, span_of};
use shmds::segment::layout::{Accounts, Change, Extent, Header, Journal, LINE, Member};
use shmds::structures::atomic::Word;
use shmds::structures::pool::{Header as PoolHeader, Recent};
use shmds::structures::queue::{Header as QueueHeader, Lane, QueueEnds};
use shmds::structures::ring::{
    Header as RingHeader, RingEnds, RingReader, RingSide, RingView, RingWriter,
};
use shmds::structures::spsc::{Header as SpscHeader, SpscEnd, SpscSide, SpscView};
use std::ops::Range;

const LINE_BYTES: usize = LINE as usize;

struct Layout {
    name: &'static str,
    size: usize,
    align: usize,
    fields: Vec<(&'static str, Range<usize>)>,
}

/// Fields of a type, by the bytes that they cover.
macro_rules! layout {
    ($type:ty: $($field:ident)*) => {
        Layout {
            name: stringify!($type),
            size: size_of::<$type>(),
            align: align_of::<$type>(),
            fields: vec![$({
                let span = span_of!($type, $field);
                assert_eq!(span.start, offset_of!($type, $field));
                (stringify!($field), span)
            }),*],
        }
    };
}

impl Layout {
    fn span(&self, name: &str) -> Range<usize> {
        let found = self.fields.iter().find(|(field, _)| *field == name);
        let found = found.unwrap_or_else(|| panic!("{} has no {name}", self.name));
        found.1.clone()
    }

    /// The fields follow each other, and what lies between them is `reserved`.
    fn assert_filled(&self, size: usize, reserved: &[Range<usize>]) {
        assert_eq!(self.size, size, "size of {}", self.name);
        let mut next = 0;
        let mut gaps = Vec::new();
        for (field, span) in &self.fields {
            assert!(span.start >= next, "{}.{field} overlaps", self.name);
            if span.start > next {
                gaps.push(next..span.start);
            }
            next = span.end;
        }
        if next < size {
            gaps.push(next..size);
        }
        assert_eq!(gaps, reserved, "bytes of {} in no field", self.name);
    }

    /// What is read and written lies on one line, or fills whole ones.
    fn assert_unbroken(&self) {
        let used = |(field, _): &&(&str, _)| !field.starts_with("reserved");
        for (field, Range { start, end }) in self.fields.iter().filter(used) {
            let crosses = start / LINE_BYTES != (end - 1) / LINE_BYTES;
            let whole = start % LINE_BYTES == 0 && end % LINE_BYTES == 0;
            assert!(
                !crosses || whole,
                "{}.{field} straddles lines: {start}..{end}",
                self.name
            );
        }
    }

    /// No two of these share a line.
    fn assert_apart(&self, names: &[&str]) {
        let lines: Vec<_> = names
            .iter()
            .map(|name| self.span(name).start / LINE_BYTES)
            .collect();
        let mut different = lines.clone();
        different.dedup();
        assert_eq!(lines, different, "{names:?} of {} share lines", self.name);
    }
}

#[test]
fn a_segments_parts_are_filled_and_their_fields_unbroken() {
    let header = layout!(Header: magic birth layout_version fingerprint size file_size members_offset
        max_attachments extents_offset table_offset max_name_size max_entries options table_lock
        accounts journal);
    header.assert_filled(768, &[104..128, 136..192]);
    header.assert_unbroken();
    header.assert_apart(&["magic", "options", "table_lock", "accounts", "journal"]);
    assert_eq!(header.align, LINE_BYTES);

    let journal = layout!(Journal: count changes);
    journal.assert_filled(8 * LINE_BYTES, &[8..16]);
    let change = layout!(Change: word value);
    change.assert_filled(16, &[]);
    let extent = layout!(Extent: owner start end payload total);
    extent.assert_filled(40, &[]);
    let accounts = layout!(Accounts: payload_used low_top high_top events);
    accounts.assert_filled(LINE_BYTES, &[28..64]);
    // Four to a line, none on two.
    let member = layout!(Member: generation pid start_time);
    member.assert_filled(16, &[]);
    assert_eq!(LINE_BYTES % member.size, 0);
}

#[test]
fn an_atomic_has_a_line_to_itself() {
    let word = layout!(Word: value waiters reserved);
    word.assert_filled(LINE_BYTES, &[]);
    assert_eq!(word.align, LINE_BYTES);
}

#[test]
fn a_queues_ends_are_on_lines_of_their_own() {
    let ends = layout!(QueueEnds: tail reserved_tail head reserved_head items space reserved_wait);
    ends.assert_filled(3 * LINE_BYTES, &[]);
    ends.assert_apart(&["tail", "head", "items"]);
    let header = layout!(QueueHeader: elem_size elem_align capacity home_lanes lanes slot_bits
        reserved_bits lanes_offset words_offset slots_offset ends);
    header.assert_filled(4 * LINE_BYTES, &[]);
    header.assert_unbroken();
    header.assert_apart(&["elem_size", "ends"]);
}

#[test]
fn no_two_lanes_share_a_line() {
    let lane = layout!(Lane: owner record refused patience reserved);
    lane.assert_filled(LINE_BYTES, &[]);
    lane.assert_unbroken();
}

#[test]
fn an_spsc_queues_ends_are_in_pairs_of_lines_of_their_own() {
    const PAIR: usize = 2 * LINE_BYTES;
    let end = layout!(SpscEnd: position reserved waiters reserved_waiters);
    end.assert_filled(PAIR, &[]);
    end.assert_apart(&["position", "waiters"]);
    let header = layout!(SpscHeader: elem_size elem_align capacity slots_offset reserved tail head
        producer consumer reserved_roles);
    header.assert_filled(6 * LINE_BYTES, &[]);
    header.assert_apart(&["elem_size", "tail", "head", "producer"]);
    assert_eq!(header.span("head").start - header.span("tail").start, PAIR);
}

#[test]
fn what_a_producer_knows_shares_no_line_with_what_a_consumer_knows() {
    let side = layout!(SpscSide: own at slots stop look_limit front epoch patience reserved);
    side.assert_filled(2 * LINE_BYTES, &[]);
    let view =
        layout!(SpscView: slots index_mask last_index lap elem_size reserved producer consumer);
    view.assert_filled(6 * LINE_BYTES, &[]);
    view.assert_unbroken();
    view.assert_apart(&["slots", "producer", "consumer"]);
}

#[test]
fn a_ring_buffers_sides_are_in_pairs_of_lines_of_their_own() {
    const PAIR: usize = 2 * LINE_BYTES;
    let writer = layout!(RingWriter: claim tail reserved);
    writer.assert_filled(LINE_BYTES, &[]);
    let reader = layout!(RingReader: head lost reserved);
    reader.assert_filled(LINE_BYTES, &[]);
    let ends = layout!(RingEnds: items space reserved_waits writer producer consumer reserved_roles
        reader);
    ends.assert_filled(4 * LINE_BYTES, &[]);
    ends.assert_unbroken();
    ends.assert_apart(&["items", "writer", "producer", "reader"]);
    let header = layout!(RingHeader: elem_size elem_align capacity slots_offset flags reserved ends
        reserved_line);
    header.assert_filled(6 * LINE_BYTES, &[]);
    header.assert_unbroken();
    header.assert_apart(&["elem_size", "ends"]);
    // The slots follow the header.
    let [writer, reader] = ["writer", "reader"].map(|part| ends.span(part).start);
    let behind_ends = header.size - header.span("ends").start;
    assert_eq!((reader - writer, behind_ends - reader), (PAIR, PAIR));
}

#[test]
fn what_a_process_knows_of_either_side_of_a_ring_buffer_shares_no_line() {
    let side = layout!(RingSide: ends base limit epoch reserved);
    side.assert_filled(2 * LINE_BYTES, &[]);
    let view = layout!(RingView: slots capacity elem_size reserved producer consumer);
    view.assert_filled(6 * LINE_BYTES, &[]);
    view.assert_unbroken();
    view.assert_apart(&["slots", "producer", "consumer"]);
}

#[test]
fn an_object_pools_header_keeps_what_changes_apart_from_what_does_not() {
    let header = layout!(PoolHeader: elem_size elem_align capacity marks_offset summary_offset
        words_offset links_offset objects_offset refused reserved);
    header.assert_filled(2 * LINE_BYTES, &[]);
    header.assert_unbroken();
    header.assert_apart(&["elem_size", "refused"]);
}

#[test]
fn no_two_threads_memories_of_a_pool_share_a_line() {
    let recent = layout!(Recent: top live found_at reserved);
    recent.assert_filled(LINE_BYTES, &[]);
}
