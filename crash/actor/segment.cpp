// Operations on the segment and its table.
#include <cstdio>
#include <cstring>

#include "actor.hpp"

namespace crash {
namespace {

/// Names of structures, by number.
struct Name {
  char text[16];
  explicit Name(uint64_t number) {
    std::snprintf(text, sizeof text, "name %u", static_cast<unsigned>(number));
  }
};

void forget(Attachment& at) {
  at = Attachment{};
}

void fill(shmds_array* array, uint64_t value) {
  auto* words = static_cast<uint64_t*>(shmds_array_data(array));
  for (size_t index = 0; index < shmds_array_count(array); ++index)
    words[index] = value;
}

bool holds(shmds_array* array, uint64_t value) {
  const auto* words = static_cast<const uint64_t*>(shmds_array_data(array));
  for (size_t index = 0; index < shmds_array_count(array); ++index) {
    if (words[index] != value) return false;
  }
  return true;
}

/// `a` the name, `b` the number of words, or the value of each.
void on_array(Actor& actor, const Op& op, Outcome& outcome) {
  shmds_segment* segment = actor.at->segment;
  const Name name(op.a);
  shmds_array* array = nullptr;
  switch (op.code) {
    case Code::array_create:
      outcome.status = watched(
          actor, [&] { return shmds_array_create(segment, name.text, 8, 0, op.b, &array); });
      return;
    case Code::array_open_or_create:
      outcome.status = watched(actor, [&] {
        return shmds_array_open_or_create(segment, name.text, 8, 0, op.b, &array);
      });
      break;
    case Code::array_open:
      outcome.status =
          watched(actor, [&] { return shmds_array_open(segment, name.text, 8, 0, 0, &array); });
      break;
    case Code::array_check:
      outcome.status = watched(actor, [&] {
        const shmds_status status = shmds_array_open(segment, name.text, 8, 0, 0, &array);
        return status == SHMDS_OK && !holds(array, op.b) ? torn : status;
      });
      break;
    default:
      outcome.status = shmds_array_open(segment, name.text, 8, 0, 0, &array);
      break;
  }
  if (outcome.status != SHMDS_OK) return;
  outcome.count = static_cast<uint32_t>(shmds_array_count(array));
  if (op.code == Code::array_fill) fill(array, op.b);
}

}  // namespace

void on_segment(Actor& actor, const Op& op, Outcome& outcome) {
  Attachment& at = *actor.at;
  Channel* channel = actor.channel;
  shmds_segment_options options{};
  options.struct_size = sizeof options;
  options.size = op.a;
  if (op.a != 0) {
    options.max_entries = 8;
    options.max_name_size = 16;
  }
  options.max_attachments = static_cast<uint32_t>(op.b);
  options.open_timeout_ms = channel->open_timeout_ms;
  switch (op.code) {
    case Code::segment_create:
      if (at.segment) return;
      outcome.status = watched(
          actor, [&] { return shmds_segment_create(channel->name, &options, &at.segment); });
      return;
    case Code::segment_open_or_create:
      if (at.segment) return;
      outcome.status = watched(actor, [&] {
        return shmds_segment_open_or_create(channel->name, &options, &at.segment);
      });
      return;
    case Code::segment_open_read_only:
      if (at.segment) return;
      options.flags = SHMDS_SEGMENT_READ_ONLY;
      outcome.status =
          watched(actor, [&] { return shmds_segment_open(channel->name, &options, &at.segment); });
      return;
    case Code::segment_open:
      if (at.segment) return;
      outcome.status =
          watched(actor, [&] { return shmds_segment_open(channel->name, &options, &at.segment); });
      return;
    case Code::segment_close:
      if (!at.segment) return;
      outcome.status = watched(actor, [&] { return shmds_segment_close(at.segment); });
      return forget(at);
    case Code::ref_count:
      outcome.status = shmds_segment_ref_count(at.segment, &outcome.count);
      return;
    case Code::info: {
      shmds_segment_info info{};
      info.struct_size = sizeof info;
      outcome.status = shmds_segment_get_info(at.segment, &info);
      outcome.values[0] = info.payload_used;
      outcome.values[1] = info.entries_used;
      return;
    }
    case Code::find: {
      shmds_entry_info entry{};
      entry.struct_size = sizeof entry;
      const Name name(op.a);
      outcome.status =
          watched(actor, [&] { return shmds_segment_find(at.segment, name.text, &entry); });
      return;
    }
    case Code::erase: {
      const Name name(op.a);
      outcome.status = watched(actor, [&] { return shmds_segment_erase(at.segment, name.text); });
      return;
    }
    case Code::destroy: {
      const Name name(op.a);
      outcome.status = watched(actor, [&] { return shmds_segment_destroy(at.segment, name.text); });
      return;
    }
    case Code::clear: {
      void* table = shmds_segment_base(at.segment);
      outcome.status = watched(actor, [&] { return shmds_table_clear(table, 16, 8); });
      return;
    }
    case Code::add_raw: {
      void* table = shmds_segment_base(at.segment);
      const Name name(op.a);
      // Behind everything, as programs do that allocate by themselves.
      const uint64_t offset = 8 * 56 + 8 + shmds_table_total_allocated(table, 16, 8);
      outcome.status = watched(actor, [&] {
        return shmds_table_add(table, 16, 8, name.text, std::strlen(name.text), offset, op.b, 8,
                               op.b / 8);
      });
      return;
    }
    default:
      return on_array(actor, op, outcome);
  }
}

}  // namespace crash
