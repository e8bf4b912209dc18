// See when.h. A local time is turned into UTC with and without daylight saving time; what comes back unchanged exists.
#include "cli/when.h"

#include <charconv>
#include <ctime>
#include <optional>

#include "common/nearest.h"

namespace oob {
namespace {

class Scan {
 public:
  explicit Scan(std::string_view text) : text_(text) {}
  // Exactly so many digits.
  std::optional<int> digits(std::size_t count) {
    int value = 0;
    if (text_.size() < count) return {};
    const auto [end, wrong] = std::from_chars(text_.data(), text_.data() + count, value);
    if (wrong != std::errc() || end != text_.data() + count || text_[0] == '-') return {};
    text_.remove_prefix(count);
    return value;
  }
  bool skip(std::string_view one_of) {
    if (text_.empty() || one_of.find(text_[0]) == std::string_view::npos) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool at_end() const { return text_.empty(); }
  std::string_view rest() const { return text_; }

 private:
  std::string_view text_;
};

WallTime wall(std::time_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

std::tm local(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm out{};
  ::localtime_r(&seconds, &out);
  return out;
}

std::string shown(std::time_t seconds) {
  const std::tm tm = local(wall(seconds));
  char text[64];
  std::string out(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S%z", &tm));
  if (out.size() > 5) out.insert(out.size() - 2, ":");
  return out;
}

bool same_clock(const std::tm& a, const std::tm& b) {
  return a.tm_year == b.tm_year && a.tm_mon == b.tm_mon && a.tm_mday == b.tm_mday && a.tm_hour == b.tm_hour &&
         a.tm_min == b.tm_min && a.tm_sec == b.tm_sec;
}

// What a clock on the wall showed, as a time.
When at_clock(const std::tm& clock, bool late) {
  std::optional<std::time_t> found[2];
  for (const int saving : {1, 0}) {  // with daylight saving time comes first when clocks are set back
    std::tm tm = clock;
    tm.tm_isdst = saving;
    const std::time_t seconds = std::mktime(&tm);
    if (same_clock(local(wall(seconds)), clock)) found[1 - saving] = seconds;
  }
  if (found[0] && found[1] && *found[0] != *found[1]) {
    const std::time_t meant = late ? std::max(*found[0], *found[1]) : std::min(*found[0], *found[1]);
    return {wall(meant), "that time was twice, as clocks were set back; " + shown(meant) + " is meant"};
  }
  if (found[0] || found[1]) return {wall(found[0] ? *found[0] : *found[1]), ""};
  std::tm tm = clock;
  tm.tm_isdst = -1;
  const std::time_t meant = std::mktime(&tm);
  return {wall(meant), "there was no such time, as clocks were set forward; " + shown(meant) + " is meant"};
}

struct Clock24 {
  int hour = 0, minute = 0, second = 0;
};

std::optional<Clock24> take_clock(Scan& scan) {
  Clock24 out;
  const auto hour = scan.digits(2);
  if (!hour || !scan.skip(":")) return {};
  const auto minute = scan.digits(2);
  if (!minute) return {};
  out.hour = *hour, out.minute = *minute;
  if (scan.skip(":")) {
    const auto second = scan.digits(2);
    if (!second) return {};
    out.second = *second;
    if (scan.skip(".") && !scan.digits(3)) return {};
  }
  if (out.hour > 23 || out.minute > 59 || out.second > 59) return {};
  return out;
}

// Minutes east of UTC.
std::optional<int> take_zone(Scan& scan) {
  if (scan.skip("Zz")) return 0;
  const int sign = scan.rest().starts_with('-') ? -1 : 1;
  if (!scan.skip("+-")) return {};
  const auto hours = scan.digits(2);
  scan.skip(":");
  const auto minutes = hours ? scan.digits(2) : std::nullopt;
  if (!minutes || *hours > 14 || *minutes > 59) return {};
  return sign * (*hours * 60 + *minutes);
}

std::optional<When> parse_date(std::string_view text, bool late) {
  Scan scan(text);
  const auto year = scan.digits(4);
  const auto month = year && scan.skip("-") ? scan.digits(2) : std::nullopt;
  const auto day = month && scan.skip("-") ? scan.digits(2) : std::nullopt;
  if (!day || *month < 1 || *month > 12 || *day < 1 || *day > 31 || *year < 1970) return {};
  std::tm tm{};
  tm.tm_year = *year - 1900, tm.tm_mon = *month - 1, tm.tm_mday = *day;
  std::tm calendar = tm;  // 30 February does not come back as it was
  if (::timegm(&calendar) < 0 || calendar.tm_mday != *day) return {};
  if (scan.at_end()) return at_clock(tm, late);
  const auto clock = scan.skip(" T") ? take_clock(scan) : std::nullopt;
  if (!clock) return {};
  tm.tm_hour = clock->hour, tm.tm_min = clock->minute, tm.tm_sec = clock->second;
  if (scan.at_end()) return at_clock(tm, late);
  scan.skip(" ");
  const auto zone = take_zone(scan);
  if (!zone || !scan.at_end()) return {};
  return When{wall(::timegm(&tm) - *zone * 60), ""};
}

std::optional<WallTime> parse_ago(std::string_view text, WallTime now) {
  if (text.ends_with(" ago")) text.remove_suffix(4);
  std::int64_t number = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, std::size_t(text.data() + text.size() - end));
  const std::int64_t seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86400 : 0;
  if (wrong != std::errc() || number < 0 || seconds == 0 || number > (std::int64_t(1) << 32) / seconds) return {};
  return now - std::chrono::seconds(number * seconds);
}

}  // namespace

Result<When> parse_when(std::string_view text, WallTime now, bool late) {
  if (text == "now") return When{now, ""};
  if (text == "today" || text == "yesterday") {
    std::tm tm = local(now);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    if (text == "yesterday") --tm.tm_mday;
    std::tm normal = tm;
    ::timegm(&normal);
    return at_clock(normal, late);
  }
  if (const auto ago = parse_ago(text, now)) return When{*ago, ""};
  if (const auto date = parse_date(text, late)) return *date;
  Scan scan(text);
  if (const auto clock = take_clock(scan); clock && scan.at_end()) {
    std::tm tm = local(now);
    tm.tm_hour = clock->hour, tm.tm_min = clock->minute, tm.tm_sec = clock->second;
    const When today = at_clock(tm, late);
    if (today.time <= now) return today;
    --tm.tm_mday;
    ::timegm(&tm);
    return at_clock(tm, late);
  }
  return fail(ErrorCode::Usage, in_quotes(text) +
                                    " is no time; write 02:00, 14:02:11, 2026-11-21, \"2026-11-21 14:02\", "
                                    "yesterday, 10m, 2h or 3d");
}

}  // namespace oob
