//! The bytes of version 1, and the plans that lead to them.

use super::*;
use std::mem::{align_of, offset_of};

#[test]
fn header_and_lane_have_the_offsets_of_version_1() {
    assert_eq!((size_of::<Header>(), align_of::<Header>()), (256, 8));
    assert_eq!(offset_of!(Header, elem_size), 0);
    assert_eq!(offset_of!(Header, elem_align), 8);
    assert_eq!(offset_of!(Header, capacity), 16);
    assert_eq!(offset_of!(Header, home_lanes), 24);
    assert_eq!(offset_of!(Header, lanes), 28);
    assert_eq!(offset_of!(Header, slot_bits), 32);
    assert_eq!(offset_of!(Header, reserved_bits), 36);
    assert_eq!(offset_of!(Header, lanes_offset), 40);
    assert_eq!(offset_of!(Header, words_offset), 48);
    assert_eq!(offset_of!(Header, slots_offset), 56);
    assert_eq!(offset_of!(Header, ends.tail), 64);
    assert_eq!(offset_of!(Header, ends.head), 128);
    assert_eq!(offset_of!(Header, ends.items), 192);
    assert_eq!(offset_of!(Header, ends.space), 196);
    assert_eq!((size_of::<Lane>(), align_of::<Lane>()), (64, 8));
    assert_eq!(offset_of!(Lane, owner), 0);
    assert_eq!(offset_of!(Lane, record.spare), 8);
    assert_eq!(offset_of!(Lane, record.intent), 16);
    assert_eq!(offset_of!(Lane, refused), 24);
    assert_eq!(offset_of!(Lane, patience), 32);
}

#[test]
fn a_new_queue_has_these_bytes() {
    let queue = Queue::new(9, 3);
    let bytes = |offset| {
        let cell = queue.region.at::<AtomicU64>(offset).unwrap();
        cell.load(SeqCst)
    };
    // elem_size, elem_align, capacity, home_lanes and lanes, slot_bits, offsets.
    let header = [8, 8, 9, 3 | 3 << 32, 4, 1024, 1216, 256];
    let untouched = 0xa5a5_a5a5_a5a5_a5a5;
    assert_eq!(queue.plan.size, 1344);
    for offset in (0..1344).step_by(8) {
        let expected = match offset {
            0..64 => header[offset as usize / 8],
            64..256 => 0,
            // Twelve slots, and what is left over before the lanes.
            256..1024 => untouched,
            // The lanes: the spares 9, 10, 11 in both words of their records.
            1032 | 1040 => 9,
            1096 | 1104 => 10,
            1160 | 1168 => 11,
            1024..1216 => 0,
            // Words 0..9.
            1216..1288 => (offset - 1216) / 8,
            _ => 0,
        };
        assert_eq!(bytes(offset), expected, "at {offset}");
    }
    queue.put(1, 77).unwrap();
    assert_eq!(bytes(1216), 10 | 1 << 5);
    // Lane 1 has got slot 0 for it, which the word named that it exchanged: {lap 0, empty, 0}.
    assert_eq!((bytes(1096), bytes(1104)), (0, 0));
    assert_eq!(bytes(64), 1);
    assert_eq!(bytes(256 + 10 * 8), 77);
    assert_eq!(queue.get(0), Ok(Some(77)));
    assert_eq!(bytes(1216), 9 | 1 << 6);
    assert_eq!((bytes(1032), bytes(1040)), (10, 10 | 1 << 5));
    assert_eq!(bytes(128), 1);
}

#[test]
fn a_record_says_what_its_lane_owns() {
    let queue = Queue::new(2, 2);
    let record = &queue.lane(0).record;
    let lap = 5 << (queue.plan.slot_bits + 1);
    assert_eq!(queue.record(0), Record::Idle(2));
    record.intend(lap | 1);
    assert_eq!(queue.record(0), Record::InOperation { s: 2, j: 1 });
    record.withdraw(2);
    assert_eq!(queue.record(0), Record::Idle(2));
    record.intend(lap | 1);
    record.settle(1);
    assert_eq!(queue.record(0), Record::Idle(1));
}

#[test]
fn small_elements_have_home_lanes_and_large_ones_share_few() {
    let plan = |elem_size, lanes_home| {
        let params = Params {
            elem_size,
            elem_align: 1,
            capacity: 10,
            lanes_home,
        };
        let plan = Plan::new(&params).unwrap();
        (plan.home_lanes, plan.lanes)
    };
    assert_eq!(plan(8, 64), (64, 128));
    assert_eq!(plan(8192, 64), (64, 128));
    assert_eq!(plan(8193, 64), (0, 64));
    assert_eq!(plan(65536, 64), (0, 16));
    assert_eq!(plan(1 << 20, 64), (0, 4));
    assert_eq!(plan(1 << 30, 64), (0, 4));
    assert_eq!(plan(1 << 30, 3), (0, 4));
    assert_eq!(plan(1 << 30, 1), (0, 4));
    assert_eq!(plan(8, 0), (0, 64));
}

#[test]
fn plans_that_cannot_be_are_refused() {
    let plan = |elem_size, elem_align, capacity| {
        Plan::new(&Params {
            elem_size,
            elem_align,
            capacity,
            lanes_home: 64,
        })
    };
    assert_eq!(plan(8, 8, 0), Err(PlanError::Capacity));
    assert_eq!(plan(8, 8, u64::MAX), Err(PlanError::Capacity));
    assert_eq!(plan(8, 8, (1 << 31) - 127), Err(PlanError::Capacity));
    let huge = plan(8, 8, (1 << 31) - 128).unwrap();
    assert_eq!(huge.slot_bits, 31);
    assert_eq!(plan(1 << 40, 8, 1 << 30), Err(PlanError::Overflow));
    assert_eq!(plan(u64::MAX, 1, 1), Err(PlanError::Overflow));
    assert_eq!(plan(0, 1, 1), Err(PlanError::Element));
    assert_eq!(plan(8, 3, 1), Err(PlanError::Element));
    assert_eq!(plan(8, 0, 1), Err(PlanError::Element));
    assert_eq!(plan(12, 8, 1), Err(PlanError::Element));
    let wide = plan(4096, 4096, 3).unwrap();
    assert_eq!((wide.align, wide.slots_offset), (4096, 4096));
    assert_eq!(plan(1, 1, 1).unwrap().size % 64, 0);
}

#[test]
fn a_region_too_short_or_misaligned_is_refused() {
    let queue = Queue::new(8, 2);
    let size = queue.plan.size;
    assert!(open(queue.region.part(0, size - 1).unwrap()).is_err());
    assert!(open(queue.region.part(8, size - 8).unwrap()).is_err());
    assert!(open(queue.region.part(0, 0).unwrap()).is_err());
    let params = Params {
        elem_size: 8,
        elem_align: 8,
        capacity: 8,
        lanes_home: 2,
    };
    assert_eq!(init(queue.region, &params), Err(Corrupt::Geometry));
}
