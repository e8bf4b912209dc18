// The only file that knows RE2.
#include "server/log/log_search.h"

#include <re2/re2.h>

#include "common/limits.h"
#include "common/text.h"

namespace oob {

LogSearch::LogSearch(LogSearchWanted wanted)
    : wanted_(std::move(wanted)),
      stop_at_(std::chrono::steady_clock::now() + limits::search_slice_time),
      next_(std::min(wanted_.from, wanted_.context_from)),
      line_offset_(next_),
      after_left_(std::min(wanted_.after_left, wanted_.after)) {}

LogSearch::~LogSearch() = default;

Result<std::unique_ptr<LogSearch>> LogSearch::start(LogSearchWanted wanted) {
  if (wanted.pattern.empty()) return fail(ErrorCode::Usage, "the pattern is empty");
  if (wanted.pattern.size() > limits::search_pattern_bytes_max) {
    return fail(ErrorCode::Usage, "the pattern is " + std::to_string(wanted.pattern.size()) + " bytes long, at most " +
                                      std::to_string(limits::search_pattern_bytes_max) + " are taken");
  }
  std::unique_ptr<LogSearch> search(new LogSearch(std::move(wanted)));
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_never_nl(true);
  options.set_case_sensitive(!search->wanted_.ignore_case);
  options.set_max_mem(limits::search_pattern_memory);
  search->pattern_ = std::make_unique<re2::RE2>(search->wanted_.pattern, options);
  if (search->pattern_->ok()) return search;
  if (search->pattern_->error_code() == re2::RE2::ErrorPatternTooLarge) {
    return fail(ErrorCode::Usage, "the pattern is too large: it repeats too much");
  }
  return fail(ErrorCode::Usage, "the pattern is not understood: " + escape_controls(search->pattern_->error()));
}

bool LogSearch::output(std::uint64_t log_offset, ByteView bytes) {
  if (full_) return false;
  if (log_offset < next_) bytes = bytes.subspan(std::min<std::uint64_t>(bytes.size(), next_ - log_offset));
  const bool to_here = bytes.size() > wanted_.to - std::min(next_, wanted_.to);
  if (to_here) bytes = bytes.first(wanted_.to - std::min(next_, wanted_.to));
  if (wanted_.events) return pass_over(bytes.size()) && !to_here;
  std::string_view text = as_text(bytes);
  while (!text.empty()) {
    if (line_.empty()) line_time_ = time_;
    const std::size_t newline = text.find('\n');
    const std::size_t room = limits::search_line_bytes_max - line_.size();
    const std::size_t part = std::min({newline, text.size(), room});
    const bool ends = part == newline;
    line_.append(text.substr(0, part));
    next_ += part + ends;
    text.remove_prefix(part + ends);
    if (!ends && line_.size() < limits::search_line_bytes_max) break;
    if (!end_line(!ends)) return false;
  }
  full_ = to_here;
  return !full_;
}

bool LogSearch::marker(const LogMarker& marker) {
  if (full_) return false;
  const std::uint64_t after = position_after(marker).log_offset;
  const bool moves = marker.gap_bytes.value_or(0) > 0;
  if (marker.kind == LogEvent::Kind::Time) time_ = marker.time;
  if (moves ? after <= next_ : marker.at.log_offset < next_) return true;
  if (marker.at.log_offset > wanted_.to) {
    full_ = true;
    return false;
  }
  const bool goes_on = !wanted_.events || marker.kind == LogEvent::Kind::Time || event(marker);
  if (!moves) return goes_on;
  if (!line_.empty() && !end_line(false)) return false;
  next_ = line_offset_ = after;
  events_here_ = 0;
  return goes_on;
}

// Where events are looked for, output only takes time.
bool LogSearch::pass_over(std::size_t bytes) {
  next_ += bytes;
  line_offset_ = next_;
  if (bytes > 0) events_here_ = 0;
  full_ = out_of_time();
  return !full_;
}

bool LogSearch::event(const LogMarker& marker) {
  const bool seen = next_ == wanted_.from && events_here_ < wanted_.skip_events;
  ++events_here_;
  if (seen || marker.time < wanted_.since || marker.time > wanted_.until) return true;
  return judge({.log_offset = next_,
                .next = next_,
                .time = marker.time,
                .text = std::string(event_name(marker.kind)) + (marker.text.empty() ? "" : " " + marker.text),
                .event = marker.kind});
}

bool LogSearch::end_line(bool cut) {
  LogLine line{.log_offset = line_offset_, .next = next_, .time = line_time_, .text = std::move(line_), .cut = cut};
  line_.clear();
  line_offset_ = next_;
  if (!cut && line.text.ends_with('\r')) line.text.pop_back();
  return judge(std::move(line));
}

bool LogSearch::out_of_time() { return std::chrono::steady_clock::now() >= stop_at_; }

// False: the slice is over, the line was its last.
bool LogSearch::judge(LogLine line) {
  const bool old = line.log_offset < wanted_.from;
  line.hit = !old && matches(line);
  const auto give = [this](LogLine&& one) {
    answer_bytes_ += one.text.size() + sizeof(LogLine);
    found_.lines.push_back(std::move(one));
  };
  if (line.hit) {
    ++found_.hits;
    if (!wanted_.count_only) {
      for (LogLine& one : before_) give(std::move(one));
      give(std::move(line));
    }
    before_.clear();
    after_left_ = wanted_.count_only ? 0 : wanted_.after;
  } else if (!old && after_left_ > 0) {
    --after_left_;
    give(std::move(line));
  } else if (wanted_.before > 0) {
    before_.push_back(std::move(line));
    if (before_.size() > wanted_.before) before_.pop_front();
  }
  if (found_.hits >= wanted_.hits_max && after_left_ == 0) found_.done = true;
  full_ = found_.done || answer_bytes_ >= limits::search_answer_bytes_max || (!old && out_of_time());
  return !full_;
}

bool LogSearch::matches(LogLine& line) const {
  const re2::StringPiece text(line.text.data(), line.text.size());
  re2::StringPiece match;
  std::size_t at = 0;
  if (wanted_.count_only) return pattern_->Match(text, 0, text.size(), re2::RE2::UNANCHORED, nullptr, 0);
  if (!pattern_->Match(text, 0, text.size(), re2::RE2::UNANCHORED, &match, 1)) return false;
  do {
    const std::size_t begin = std::size_t(match.data() - text.data());
    if (!match.empty()) line.matches.emplace_back(begin, begin + match.size());
    at = begin + std::max<std::size_t>(1, match.size());
  } while (at < text.size() && line.matches.size() < limits::search_matches_max &&
           pattern_->Match(text, at, text.size(), re2::RE2::UNANCHORED, &match, 1));
  return true;
}

LogFound LogSearch::finish(bool all_read) {
  const bool at_end = all_read || next_ >= wanted_.to;
  if (at_end && !found_.done && !line_.empty()) end_line(false);  // the last line may have no end yet
  found_.done |= at_end;
  found_.next = line_offset_;
  found_.context_next = before_.empty() ? line_offset_ : before_.front().log_offset;
  found_.after_next = after_left_;
  found_.skip_next = events_here_;
  return std::move(found_);
}

}  // namespace oob
