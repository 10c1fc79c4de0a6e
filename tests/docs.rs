//! `docs/architecture.md` says what the code does: every figure in its tables is
//! compared, so that neither side changes alone.

mod support;

use shmds::segment::layout::{
    self, Accounts, BIRTH, COMMITTED, Change, Extent, Geometry, Header, Journal, LAYOUT_VERSION,
    LINE, MAGIC, MOST_CHANGES, Member,
};
use shmds::segment::{Intent, Options, WAITERS};
use shmds::structures::Attachment;
use shmds::structures::atomic::{self, Atomic, Word};
use shmds::structures::pool::{self, Word as ObjectWord};
use shmds::structures::queue::{
    Header as QueueHeader, Lane, LaneRecord, Plan, PlanError, QueueEnds, RingParams,
};
use shmds::structures::ring::{Header as RingHeader, RingEnds, RingReader, RingWriter};
use shmds::structures::spsc::{self, SpscEnd};
use shmds::table::{Fields, Found, Kind, Place, State, Table};
use std::collections::BTreeMap;
use std::mem::offset_of;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;
use support::{
    Name, enqueue, obtain_array, obtain_atomic, obtain_pool, obtain_queue, obtain_ring,
    obtain_spsc, sized,
};

const ATTACHMENTS: u64 = 256;
const MIB_10: u64 = 10 << 20;

/// The rows under a heading, without the row of titles; `nth` counts its tables.
fn rows(heading: &str, nth: usize) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let text = std::fs::read_to_string(path).expect("read docs/architecture.md");
    let lines = text.lines().skip_while(|line| *line != heading).skip(1);
    let section: Vec<_> = lines.take_while(|line| !line.starts_with('#')).collect();
    let table = section
        .split(|line| !line.starts_with('|'))
        .filter(|table| !table.is_empty())
        .nth(nth)
        .unwrap_or_else(|| panic!("no table {nth} under {heading:?}"));
    let cells = |line: &&str| -> Vec<String> {
        let inner = line.trim_matches('|');
        inner
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    assert!(table[1].starts_with("|---"), "titles under {heading:?}");
    table[2..].iter().map(cells).collect()
}

/// A figure, written with or without commas.
fn number(cell: &str) -> u64 {
    let digits = cell.replace(',', "");
    digits
        .parse()
        .unwrap_or_else(|_| panic!("{cell:?} is no number"))
}

fn plain(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// First and second column of a table.
fn pairs(heading: &str, nth: usize) -> BTreeMap<String, String> {
    let rows = rows(heading, nth);
    rows.into_iter()
        .map(|row| (row[0].clone(), plain(&row[1]).to_owned()))
        .collect()
}

/// Compares a table of offset, bytes and field with the fields of a type. Its rows
/// have to follow each other without a gap, from the first byte to `end`.
fn check_fields(heading: &str, fields: &[(&str, usize, usize)], end: usize) {
    let mut next = 0;
    let mut named = Vec::new();
    for row in rows(heading, 0) {
        let (offset, bytes) = (number(&row[0]) as usize, number(&row[1]) as usize);
        assert_eq!(offset, next, "{heading}: offset of {:?}", row[2]);
        next = offset + bytes;
        if row[2] != "reserved" {
            named.push((plain(&row[2]).to_owned(), offset, bytes));
        }
    }
    assert_eq!(next, end, "{heading}: bytes in all");
    let fields: Vec<_> = fields
        .iter()
        .map(|&(name, offset, bytes)| (name.to_owned(), offset, bytes))
        .collect();
    assert_eq!(named, fields, "{heading}");
}

/// Name, offset and size of fields of a type.
macro_rules! fields {
    ($type:ty: $($field:ident)*) => {{
        fn size<T, F>(_: impl Fn(&T) -> &F) -> usize {
            size_of::<F>()
        }
        [$((
            stringify!($field),
            offset_of!($type, $field),
            size(|value: &$type| &value.$field),
        )),*]
    }};
}

#[test]
fn the_layout_types_are_as_documented() {
    let header = fields!(Header: magic birth layout_version fingerprint size file_size
        members_offset max_attachments extents_offset table_offset max_name_size max_entries
        options table_lock accounts journal);
    check_fields("### Header", &header, size_of::<Header>());
    let journal = fields!(Journal: count changes);
    check_fields("### Journal", &journal, size_of::<Journal>());
    assert_eq!(Journal::CLEAR, u64::MAX);
    assert_eq!((size_of::<Change>(), MOST_CHANGES), (16, 31));
    let extent = fields!(Extent: owner start end payload total);
    check_fields("### Extent", &extent, size_of::<Extent>());
    let accounts = fields!(Accounts: payload_used low_top high_top events);
    check_fields("### Accounts", &accounts, size_of::<Accounts>());
    let member = fields!(Member: generation pid start_time);
    check_fields("### Member", &member, size_of::<Member>());
    let word = fields!(Word: value waiters);
    check_fields("### Array and atomic", &word, size_of::<Word>());
    let lane = fields!(Lane: owner record refused patience);
    check_fields("### Queue lane", &lane, size_of::<Lane>());
    let record = fields!(LaneRecord: spare intent);
    check_fields("### Lane record", &record, size_of::<LaneRecord>());
    let queue = fields!(QueueHeader: elem_size elem_align capacity home_lanes lanes slot_bits
        lanes_offset words_offset slots_offset);
    let mut ends = fields!(QueueEnds: tail head items space);
    for (_, offset, _) in &mut ends {
        *offset += offset_of!(QueueHeader, ends);
    }
    let queue = [&queue[..], &ends].concat();
    check_fields("### Queue header", &queue, size_of::<QueueHeader>());
    let spsc = fields!(spsc::Header: elem_size elem_align capacity slots_offset tail head producer
        consumer);
    check_fields("### SPSC queue header", &spsc, size_of::<spsc::Header>());
    let end = fields!(SpscEnd: position waiters);
    check_fields("### SPSC queue end", &end, size_of::<SpscEnd>());
    let pool = fields!(pool::Header: elem_size elem_align capacity marks_offset summary_offset
        words_offset links_offset objects_offset refused);
    check_fields("### Pool header", &pool, size_of::<pool::Header>());
    let mut ring = fields!(RingHeader: elem_size elem_align capacity slots_offset flags).to_vec();
    let within = |part: usize, words: &[(&'static str, usize, usize)]| {
        let words = words.iter();
        words
            .map(|&(name, offset, bytes)| {
                (name, offset_of!(RingHeader, ends) + part + offset, bytes)
            })
            .collect::<Vec<_>>()
    };
    ring.extend(within(0, &fields!(RingEnds: items space producer consumer)));
    let writer = fields!(RingWriter: claim tail);
    let reader = fields!(RingReader: head lost);
    ring.extend(within(offset_of!(RingEnds, writer), &writer));
    ring.extend(within(offset_of!(RingEnds, reader), &reader));
    ring.sort_by_key(|&(_, offset, _)| offset);
    check_fields("### Ring buffer header", &ring, size_of::<RingHeader>());
}

#[test]
fn the_constants_are_as_documented() {
    let documented = pairs("## Segment layout, version 1", 0);
    let hex = |word: u64| {
        word.to_le_bytes()
            .map(|byte| format!("{byte:02x}"))
            .join(" ")
    };
    let formats = [
        size_of::<Word>(),
        size_of::<QueueHeader>(),
        size_of::<Lane>(),
        shmds::structures::queue::FORMAT,
        size_of::<spsc::Header>(),
        size_of::<pool::Header>(),
        size_of::<shmds::structures::ring::Header>(),
    ];
    let page = Geometry::new(1, 1, 2, 1, false).expect("a small one");
    let found = [
        ("layout version", LAYOUT_VERSION.to_string()),
        (
            "fingerprint of this build",
            format!("{:016x}", layout::fingerprint(&formats)),
        ),
        ("bytes of `magic`", hex(MAGIC)),
        ("bytes of `birth`", hex(BIRTH)),
        (
            "bytes of a line, the least alignment of a structure",
            LINE.to_string(),
        ),
        (
            "bytes of a page, the alignment of the table",
            "4,096".to_owned(),
        ),
    ];
    assert_eq!(page.table_offset, 4096);
    let found = found.map(|(what, value)| (what.to_owned(), value));
    assert_eq!(documented, BTreeMap::from(found));
}

#[test]
fn a_real_segment_begins_as_documented() {
    let name = Name::new("docs");
    let at = Attachment::new(&name.0, Intent::Create, &sized(MIB_10)).expect("create");
    let geometry = at.segment().geometry();
    let mut file = vec![0; geometry.table_offset as usize];
    let opened = std::fs::File::open(name.path()).expect("open the file");
    opened.read_exact_at(&mut file, 0).expect("read the file");
    let word = |offset: usize| {
        let bytes = file[offset..offset + 8].try_into();
        u64::from_le_bytes(bytes.expect("eight bytes"))
    };
    let constants = pairs("## Segment layout, version 1", 0);
    for row in rows("### Header", 0) {
        let expected = match plain(&row[2]) {
            "magic" => MAGIC,
            "birth" => BIRTH,
            "layout_version" => number(&constants["layout version"]),
            "fingerprint" => {
                let digits = &constants["fingerprint of this build"];
                u64::from_str_radix(digits, 16).expect("hexadecimal")
            }
            "size" => MIB_10,
            "file_size" => opened.metadata().expect("look at the file").len(),
            "members_offset" => geometry.members_offset,
            "max_attachments" => ATTACHMENTS,
            "extents_offset" => geometry.extents_offset,
            "table_offset" => geometry.table_offset,
            "max_name_size" => 32,
            "max_entries" => 64,
            "options" => {
                let bit = format!("bit {}:", COMMITTED.trailing_zeros());
                assert!(row[3].starts_with(&bit), "{row:?}");
                0
            }
            _ => 0,
        };
        if row[2] != "`accounts`" {
            assert_eq!(word(number(&row[0]) as usize), expected, "{row:?}");
        }
    }
    let parts: Vec<_> = rows("### Parts", 0);
    assert_eq!(number(&parts[0][1]), 0);
    assert_eq!(number(&parts[0][2]), geometry.members_offset);
    assert_eq!(parts[4][1], "end of the table");
    let each = |row: usize| number(parts[row][2].split(' ').next().expect("a number"));
    assert_eq!(
        geometry.extents_offset,
        geometry.members_offset + each(1) * ATTACHMENTS
    );
    for entries in [64, 512, 4096] {
        let plan = Geometry::new(1, ATTACHMENTS, 32, entries, false).expect("a segment");
        let extents_end = plan.extents_offset + each(2) * entries;
        assert_eq!(plan.table_offset, extents_end.next_multiple_of(4096));
    }
    assert_eq!(
        parts[3][2],
        "`max_entries` x (`max_name_size` rounded up to 8, + 40) + 8"
    );
    let table = layout::table_size(13, 5);
    assert_eq!(table, 5 * (16 + 40) + 8);
    let low_top = 192 + offset_of!(Accounts, low_top);
    assert_eq!(word(low_top), geometry.table_size());
    let high_top = 192 + offset_of!(Accounts, high_top);
    assert_eq!(word(high_top), geometry.high_start());
}

/// A table of bits: name of the field, first and last bit.
fn bits(heading: &str) -> BTreeMap<String, (u32, u32)> {
    let mut next = 0;
    let mut fields = BTreeMap::new();
    let mut ranges: Vec<_> = rows(heading, 0)
        .into_iter()
        .map(|row| {
            let (first, last) = row[0].split_once('-').unwrap_or((&row[0], &row[0]));
            (number(first) as u32, number(last) as u32, row[1].clone())
        })
        .collect();
    ranges.sort();
    for (first, last, field) in ranges {
        assert_eq!(first, next, "{heading}: {field}");
        next = last + 1;
        fields.insert(field, (first, last));
    }
    assert_eq!(next, 64, "{heading}: bits in all");
    fields
}

fn extract(word: u64, (first, last): (u32, u32)) -> u64 {
    word >> first & (u64::MAX >> (63 - (last - first)))
}

#[test]
fn a_table_entry_lies_as_documented() {
    const NAME: usize = 16;
    let documented = rows("### Table entry", 0);
    let mut memory = [0_u64; (NAME + 40 + 8) / 8];
    let base = NonNull::from(&mut memory).cast();
    // SAFETY: a table of that geometry, aligned, and alive as long as it is used.
    let place = unsafe { Place::at(base, NAME as u64, 1) }.expect("a private table");
    let fields = Fields {
        offset: 1000,
        size: 200,
        elem_size: 30,
        num_elem: 4,
    };
    place.add(b"abcdefgh", fields).expect("add");
    // SAFETY: as above.
    let word = |offset: u64| unsafe { base.cast::<u64>().add(offset as usize / 8).read_volatile() };
    assert_eq!((word(0), word(8)), (u64::from_le_bytes(*b"abcdefgh"), 0));
    let meta_bits = bits("### Entry meta");
    let mut next = 0;
    for row in &documented {
        assert_eq!((number(&row[0]), number(&row[1])), (next, 8), "{row:?}");
        next += 8;
        let found = word(NAME as u64 + number(&row[0]));
        match plain(&row[2]) {
            "offset" => assert_eq!(found, 1000),
            "size" => assert_eq!(found, 200),
            "elem_size" => assert_eq!(found, 30),
            "num_elem" => assert_eq!(found, 4),
            "meta" => {
                assert_eq!(extract(found, meta_bits["active"]), 1);
                assert_eq!(extract(found, meta_bits["generation"]), 1);
            }
            other => panic!("{other}: no such field"),
        }
    }
    assert_eq!(next, 40);
    let total = 1000 + 200 - layout::table_size(NAME as u64, 1);
    assert_eq!(word(NAME as u64 + 40), total);
}

#[test]
fn the_bits_of_an_entry_are_as_documented() {
    let meaning: BTreeMap<_, _> = rows("### Entry meta", 0)
        .into_iter()
        .map(|row| (row[1].clone(), row[2].clone()))
        .collect();
    let kinds = [
        ("raw", Kind::Raw),
        ("array", Kind::Array),
        ("atomic", Kind::Atomic),
        ("queue", Kind::Queue),
        ("spsc", Kind::SpscQueue),
        ("pool", Kind::ObjectPool),
        ("ring", Kind::RingBuffer),
    ];
    let states = [
        ("unused", State::Unused),
        ("init", State::Init),
        ("ready", State::Ready),
        ("freed", State::Freed),
        ("destroyed", State::Destroyed),
    ];
    // "3 freed (a remark), 4 next": the number before each name.
    let values = |field: &str| -> BTreeMap<String, u64> {
        let words: Vec<_> = meaning[field].split([' ', ',']).collect();
        let value = |pair: &[&str]| Some((pair[1].to_owned(), pair[0].parse().ok()?));
        words.windows(2).filter_map(value).collect()
    };
    let named = |kinds: &[(&str, u64)]| -> BTreeMap<String, u64> {
        kinds.iter().map(|&(n, v)| (n.to_owned(), v)).collect()
    };
    assert_eq!(
        values("kind"),
        named(&kinds.map(|(name, kind)| (name, kind as u64)))
    );
    assert_eq!(
        values("state"),
        named(&states.map(|(name, state)| (name, state as u64)))
    );

    let name = Name::new("docs-meta");
    let at = Attachment::new(&name.0, Intent::Create, &sized(4096)).expect("create");
    let create = Intent::Create;
    obtain_array(&at, "array", create, 8, 1).expect("array");
    obtain_atomic(&at, "atomic", create, 0).expect("atomic");
    obtain_queue(&at, "queue", create, 8, 4).expect("queue");
    obtain_pool(&at, "pool", create, 8, 4).expect("pool");
    obtain_ring(&at, "ring", create, 8, 4).expect("ring buffer");
    obtain_spsc(&at, "spsc", create, 8, 4).expect("SPSC queue");
    let place = Place::Segment(at.segment());
    place.add(b"raw", Fields::default()).expect("raw");
    let fields = bits("### Entry meta");
    for (name, kind) in kinds {
        let meta = find(&at, name).meta;
        assert_eq!(extract(meta.0, fields["active"]), 1);
        assert_eq!(extract(meta.0, fields["kind"]), kind as u64);
        assert_eq!(extract(meta.0, fields["state"]), State::Ready as u64);
        let generation = u64::from(meta.generation());
        assert_eq!(extract(meta.0, fields["generation"]), generation);
    }
}

#[test]
fn the_bits_of_an_owner_word_are_as_documented() {
    let name = Name::new("docs-owner");
    let first = Attachment::new(&name.0, Intent::Create, &sized(64)).expect("create");
    let second = Attachment::new(&name.0, Intent::Open, &Options::default()).expect("open");
    let fields = bits("### Owner word");
    for (slot, at) in [(0, first), (1, second)] {
        let me = at.segment().me().expect("our owner word");
        assert_eq!(me.slot(), Some(slot));
        assert_eq!(extract(me.0, fields["slot"]), slot + 1);
        assert_eq!(extract(me.0, fields["generation"]), 1);
    }
    assert_eq!(extract(WAITERS, fields["waiters"]), 1);
    assert_eq!(WAITERS.count_ones(), 1);
}

fn find(at: &Attachment, name: &str) -> Found {
    let table = Table::of(at.segment()).expect("a table");
    let key = table.key(name.as_bytes());
    table.find(&key).expect("it is there")
}

#[test]
fn a_queue_starts_and_changes_as_documented() {
    const CAPACITY: u64 = 100;
    let name = Name::new("docs-queue");
    let at = Attachment::new(&name.0, Intent::Create, &sized(4096)).expect("create");
    let queue = obtain_queue(&at, "queue", Intent::Create, 8, CAPACITY).expect("queue");
    let extent = find(&at, "queue");
    let base = at.segment().heap().base();
    let word = |offset: u64| {
        assert!(offset < extent.size);
        // SAFETY: inside the extent, which stays mapped; nobody else uses the queue.
        unsafe {
            let address = base.add((extent.offset + offset) as usize);
            address.cast::<u64>().read_volatile()
        }
    };
    let plan = plan(8, CAPACITY, ATTACHMENTS);
    let place = |index: u64| plan.words_offset + 8 * index;
    for index in 0..CAPACITY {
        assert_eq!(word(place(index)), index, "the word for index {index}");
    }
    let record = |lane: u64| (word(lane + 8), word(lane + 16));
    for lane in 0..u64::from(plan.lanes) {
        let spare = CAPACITY + lane;
        assert_eq!(record(plan.lanes_offset + 64 * lane), (spare, spare));
    }
    // One element: the spare of one of our lanes is in the word, and the word's slot is that lane's spare.
    assert!(enqueue(queue, 77));
    let slot = extract(word(place(0)), (0, plan.slot_bits - 1));
    let lane = plan.lanes_offset + 64 * (slot - CAPACITY);
    let me = at.segment().me().expect("our owner word");
    assert_eq!(word(lane), me.0);
    // That word was {slot 0, empty, lap 0}.
    assert_eq!(record(lane), (0, 0));
    assert_eq!(
        word(place(0)) >> plan.slot_bits,
        0b10,
        "not awaited, full, in lap 0"
    );
    assert_eq!(word(plan.slots_offset + 8 * slot), 77);
    assert_eq!(word(64), 1, "the tail hint");
}

#[test]
fn a_pool_starts_and_changes_as_documented() {
    const CAPACITY: u64 = 5000;
    let name = Name::new("docs-pool");
    let at = Attachment::new(&name.0, Intent::Create, &sized(1 << 16)).expect("create");
    let pool = obtain_pool(&at, "pool", Intent::Create, 8, CAPACITY).expect("pool");
    let extent = find(&at, "pool");
    let base = at.segment().heap().base();
    let word = |offset: u64| {
        assert!(offset < extent.size);
        // SAFETY: inside the extent, which stays mapped; nobody else uses the pool.
        unsafe {
            let address = base.add((extent.offset + offset) as usize);
            address.cast::<u64>().read_volatile()
        }
    };
    let plan = pool::Plan::new(8, 8, CAPACITY).expect("a pool");
    let bits_at = |offset: u64, count: u64| -> Vec<u64> {
        let bit = |index: u64| word(offset + index / 64 * 8) >> (index % 64) & 1;
        (0..count).map(bit).collect()
    };
    let starts: Vec<_> = rows("### Marks, summary, links and objects", 0)
        .iter()
        .map(|row| (row[0].clone(), row[2].clone()))
        .collect();
    let expected = [
        ("marks", "1"),
        ("summary", "1"),
        ("links", "all ones"),
        ("objects", "0"),
    ];
    let expected = expected.map(|(part, start)| (part.to_owned(), start.to_owned()));
    assert_eq!(starts, expected);
    let marks = CAPACITY.div_ceil(64);
    assert!(
        bits_at(plan.marks_offset, CAPACITY)
            .iter()
            .all(|&bit| bit == 1)
    );
    assert!(
        bits_at(plan.summary_offset, marks)
            .iter()
            .all(|&bit| bit == 1)
    );
    let all_zero = |from, count| (0..count).all(|index| word(from + 8 * index) == 0);
    assert!(all_zero(plan.words_offset, CAPACITY) && all_zero(plan.objects_offset, CAPACITY));
    let links = (0..CAPACITY / 2).map(|index| word(plan.links_offset + 8 * index));
    assert!({ links }.all(|link| link == u64::MAX));

    let fields = bits("### Object word");
    let me = at.segment().me().expect("our owner word");
    let truth = |index: u32| word(plan.words_offset + 8 * u64::from(index));
    let [first, second] = [(); 2].map(|()| pool.acquire().expect("acquire").expect("a free one"));
    assert_eq!(extract(truth(first), fields["live"]), 1);
    assert_eq!(
        Some(extract(truth(first), fields["slot"])),
        me.slot().map(|slot| slot + 1)
    );
    assert_eq!(
        extract(truth(first), fields["lease"]),
        u64::from(me.generation())
    );
    assert_eq!(extract(truth(first), fields["generation"]), 0);
    let width = fields["lease"].1 - fields["lease"].0 + 1;
    let late = segment_owner(me.slot().expect("a slot"), u32::MAX);
    assert_eq!(
        extract(ObjectWord::claim(late), fields["lease"]),
        (1 << width) - 1
    );
    pool.disown(second).expect("disown");
    assert_eq!(extract(truth(second), fields["slot"]), 0);
    pool.release(second).expect("release");
    pool.release(first).expect("release");
    assert_eq!(truth(first), 1 << fields["generation"].0);
    let link = |index: u32| {
        let pair = word(plan.links_offset + u64::from(index / 2) * 8);
        (pair >> (index % 2 * 32)) as u32
    };
    assert_eq!(link(first), second);
    assert!(pool.release(first).is_err());
    assert_eq!(word(offset_of!(pool::Header, refused) as u64), 1);
}

/// The owner word of an attachment.
fn segment_owner(slot: u64, generation: u32) -> shmds::segment::Owner {
    shmds::segment::Owner((slot + 1) | u64::from(generation) << 32)
}

fn plan(elem_size: u64, capacity: u64, attachments: u64) -> Plan {
    Plan::new(&RingParams {
        elem_size,
        elem_align: 1,
        capacity,
        lanes_home: attachments as u32,
    })
    .expect("a queue")
}

#[test]
fn an_atomic_has_the_documented_sizes() {
    let name = Name::new("docs-atomic");
    let at = Attachment::new(&name.0, Intent::Create, &sized(4096)).expect("create");
    let accepted = (0..=64).filter(|&elem_size| {
        let params = atomic::Params {
            elem_size,
            initial: 0,
        };
        let name = elem_size.to_string();
        let atomic = at.obtain::<Atomic>(name.as_bytes(), Intent::Create, &params);
        atomic.is_ok()
    });
    let text = &rows("### Array and atomic", 0)[0][3];
    let words = text.split([' ', ',']);
    let documented: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
    assert_eq!(accepted.collect::<Vec<_>>(), documented);
}

#[test]
fn the_lanes_are_as_documented() {
    for row in rows("## Queue", 0) {
        let elem_size = number(&row[0]);
        let plan = plan(elem_size, 16, ATTACHMENTS);
        let found = (u64::from(plan.home_lanes), u64::from(plan.lanes));
        assert_eq!((number(&row[1]), number(&row[2])), found, "{row:?}");
        // The rule in the text.
        let rule = if (ATTACHMENTS + 64) * elem_size <= 1 << 20 {
            (ATTACHMENTS, ATTACHMENTS + 64)
        } else {
            (0, ATTACHMENTS.min(4.max((1 << 20) / elem_size)))
        };
        assert_eq!(found, rule);
    }
}

#[test]
fn the_overhead_of_a_segment_is_as_documented() {
    let rows = rows("### Per segment", 0);
    assert_eq!(rows.len(), 12);
    let documented = |row: usize, column: usize| number(&rows[row][column]);
    for column in 1..=4 {
        let (name_size, entries) = (documented(0, column), documented(1, column));
        let geometry = |committed| {
            Geometry::new(MIB_10, ATTACHMENTS, name_size, entries, committed).expect("a segment")
        };
        let plan = geometry(false);
        let extents = entries * 40;
        let reserve = 20 * MIB_10 + entries * ((1 << 20) + 64 * (ATTACHMENTS + 64) + 3 * 4096);
        let low = plan.table_size().next_multiple_of(4096) + entries * 4096 + 2 * MIB_10;
        assert_eq!(plan.high_start(), low, "the formula of the low part");
        assert_eq!(geometry(true).high_start(), plan.heap_end());
        let whole = (plan.table_offset + low + MIB_10 + reserve).next_multiple_of(4096);
        assert_eq!(whole, plan.file_size, "the formula of the reserve");
        let found = [
            ("header", plan.members_offset),
            ("members", plan.extents_offset - plan.members_offset),
            ("extents", extents),
            (
                "padding before the table",
                plan.table_offset - plan.extents_offset - extents,
            ),
            ("table", plan.table_size()),
            ("committed", plan.committed_size()),
            (
                "committed, in pages of 4,096",
                plan.committed_size().div_ceil(4096),
            ),
            (
                "committed with `SHMDS_SEGMENT_COMMIT`",
                geometry(true).committed_size(),
            ),
            ("reserve", reserve),
            ("file", plan.file_size),
        ];
        for (row, (what, value)) in found.into_iter().enumerate() {
            assert_eq!(rows[row + 2][0], what);
            assert_eq!(
                documented(row + 2, column),
                value,
                "{what}, column {column}"
            );
        }
        // The file system agrees: it may commit more (huge pages), never less.
        let name = Name::new("docs-size");
        let options = Options {
            max_name_size: Some(name_size),
            max_entries: Some(entries),
            ..sized(MIB_10)
        };
        let _at = Attachment::new(&name.0, Intent::Create, &options).expect("create");
        let file = std::fs::metadata(name.path()).expect("look at the file");
        assert_eq!(file.len(), plan.file_size);
        assert!(file.blocks() * 512 >= plan.committed_size());
        assert!(
            file.blocks() * 512 < MIB_10,
            "the payload has no memory yet"
        );
    }
}

#[test]
fn the_overhead_of_a_structure_is_as_documented() {
    for (table, attachments) in [(0, ATTACHMENTS), (1, 16)] {
        let name = Name::new("docs-structures");
        let options = Options {
            max_attachments: attachments,
            ..sized(MIB_10)
        };
        let at = Attachment::new(&name.0, Intent::Create, &options).expect("create");
        for (number_of_row, row) in rows("### Per structure", table).iter().enumerate() {
            let [elem_size, num_elem, extent, payload, overhead] =
                [1, 2, 3, 4, 5].map(|column| number(&row[column]));
            let what = format!("{} {number_of_row}", row[0]);
            let create = Intent::Create;
            match &*row[0] {
                "array" => drop(obtain_array(&at, &what, create, elem_size, num_elem)),
                "atomic" => drop(obtain_atomic(&at, &what, create, 0)),
                "queue" => drop(obtain_queue(&at, &what, create, elem_size, num_elem)),
                "pool" => drop(obtain_pool(&at, &what, create, elem_size, num_elem)),
                "SPSC queue" => drop(obtain_spsc(&at, &what, create, elem_size, num_elem)),
                "ring buffer" => drop(obtain_ring(&at, &what, create, elem_size, num_elem)),
                other => panic!("{other}: no such structure"),
            }
            let found = find(&at, &what);
            assert_eq!(found.size, extent, "{row:?}");
            assert_eq!((found.elem_size, found.num_elem), (elem_size, num_elem));
            assert_eq!(found.offset % LINE, 0);
            assert_eq!(
                (elem_size * num_elem, extent - payload),
                (payload, overhead)
            );
            if row[0] == "pool" {
                // The formula in the text.
                let (words, marks) = (8 * num_elem, num_elem.div_ceil(64));
                let parts = [128, words, 8 * marks, 8 * marks.div_ceil(64), 4 * num_elem];
                let rounded = parts.map(|part| part.next_multiple_of(64));
                let end = rounded.iter().sum::<u64>() + payload;
                assert_eq!(end.next_multiple_of(64), extent);
            }
            if ["ring buffer", "SPSC queue"].contains(&&*row[0]) {
                let end = 384 + num_elem * elem_size;
                assert_eq!(end.next_multiple_of(64), extent, "the formula in the text");
            }
            if row[0] == "queue" {
                let plan = plan(elem_size, num_elem, attachments);
                // The formulas in the text.
                assert_eq!(plan.slots_offset, 256);
                let lanes = 256 + (num_elem + u64::from(plan.lanes)) * elem_size;
                assert_eq!(plan.lanes_offset, lanes.next_multiple_of(1024));
                let words = plan.lanes_offset + 64 * u64::from(plan.lanes);
                assert_eq!(plan.words_offset, words);
                let end = words + 8 * plan.capacity;
                assert_eq!(end.next_multiple_of(64), extent);
            }
        }
    }
}

/// The value of a constant that the crate keeps to itself, as its source has it.
fn private_constant(file: &str, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let source = std::fs::read_to_string(path).expect("read a source file");
    let value = source.lines().find_map(|line| {
        let rest = line.trim_start_matches("pub ").strip_prefix("const ")?;
        let rest = rest.strip_prefix(name)?.strip_prefix(':')?;
        Some(rest.split_once(" = ")?.1.trim_end_matches(';').to_owned())
    });
    value.unwrap_or_else(|| panic!("{file} has no constant {name}"))
}

#[test]
fn the_limits_are_as_documented() {
    let name = Name::new("docs-limits");
    let at = Attachment::new(&name.0, Intent::Create, &sized(64)).expect("create");
    let geometry = *at.segment().geometry();
    drop(at);
    let accepts = |max_name_size: u64| {
        let options = Options {
            max_name_size: Some(max_name_size),
            ..sized(64)
        };
        let name = Name::new("docs-limits");
        Attachment::new(&name.0, Intent::Create, &options).is_ok()
    };
    let of_names = |len: u64| {
        let result = Attachment::new(&"n".repeat(len as usize), Intent::Open, &Options::default());
        matches!(result, Err(shmds::error::Error::NotFound { .. }))
    };
    let largest_file = |bytes: u64| {
        let fits = |size| Geometry::new(size, 1, 2, 1, false).is_some();
        // So large, the parts are seven times the payload and little more.
        let limit = private_constant("src/segment/layout.rs", "MAX_FILE_SIZE");
        bytes == 1 << 46 && limit == "1 << 46" && fits(bytes / 7 - (1 << 21)) && !fits(bytes / 7)
    };
    let slots = |most: u64| {
        let with = |capacity| {
            Plan::new(&RingParams {
                elem_size: 1,
                elem_align: 1,
                capacity,
                lanes_home: ATTACHMENTS as u32,
            })
        };
        let lanes = ATTACHMENTS + 64;
        with(most - lanes).is_ok() && with(most - lanes + 1) == Err(PlanError::Capacity)
    };
    let name_field = "bytes of a structure's name with its NUL";
    let objects = |most: u64| {
        let with = |capacity| pool::Plan::new(1, 1, capacity);
        with(most).is_ok() && with(most + 1) == Err(pool::PlanError::Capacity)
    };
    let checks: [(String, &dyn Fn(u64) -> bool); 13] = [
        ("attachments, unless asked for otherwise".into(), &|n| {
            n == geometry.max_attachments && n == Options::default().max_attachments
        }),
        ("attachments, most".into(), &|n| {
            n == layout::MAX_ATTACHMENTS
        }),
        (format!("{name_field}, unless asked for otherwise"), &|n| {
            n == geometry.max_name_size
        }),
        (format!("{name_field}, least"), &|n| {
            accepts(n) && !accepts(n - 1)
        }),
        (format!("{name_field}, most"), &|n| {
            n == layout::MAX_NAME_SIZE
        }),
        ("table entries, unless asked for otherwise".into(), &|n| {
            n == geometry.max_entries
        }),
        ("table entries, most".into(), &|n| n == layout::MAX_ENTRIES),
        (
            "bytes of a segment's name without the slash, most".into(),
            &|n| of_names(n) && !of_names(n + 1),
        ),
        ("bytes of a segment's file, most".into(), &largest_file),
        (
            "capacity and lanes of a queue together, most".into(),
            &slots,
        ),
        (
            "further lanes of one queue that a process keeps, most".into(),
            &|n| private_constant("src/structures/queue/lanes.rs", "MOST_KEPT") == n.to_string(),
        ),
        ("objects of a pool, most".into(), &objects),
        (
            "`open_timeout_ms`, unless asked for otherwise".into(),
            &|n| Options::default().open_timeout == Duration::from_millis(n),
        ),
    ];
    let rows = rows("## Payload, address space and memory", 0);
    assert_eq!(rows.len(), checks.len());
    for (row, (what, holds)) in rows.iter().zip(checks) {
        assert_eq!(row[0], what);
        assert!(holds(number(&row[1])), "{row:?}");
    }
    assert_eq!(Options::default().mode, 0o600);
}

#[test]
fn the_lock_bytes_are_as_documented() {
    for row in rows("### Lock bytes", 0) {
        let file = match plain(&row[1]) {
            "ENTRY_BYTE" => "src/segment/users.rs",
            _ => "src/segment/lease.rs",
        };
        let value = private_constant(file, plain(&row[1]));
        let value = value
            .replace("(1 << 40)", "2^40")
            .replace("1 << 40", "2^40")
            .replace("1 << 41", "2^41");
        assert_eq!(row[0], value, "{row:?}");
    }
}
