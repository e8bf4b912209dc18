// Line kind `test`: no equipment at all. Echoes what is typed, and prints numbered lines if told to, so that loss,
// repetition and delay can be seen anywhere behind it. Lines count from 1 at each start; switched off by flow control,
// it waits and leaves nothing out.
#include <algorithm>
#include <cstdio>

#include "agents/lines/kinds.h"
#include "agents/lines/settings.h"
#include "common/limits.h"

namespace oob {
namespace {

constexpr LineKey kKeys[] = {
    {"rate", LineKey::Type::Integer, false, "numbered lines it prints in a second; default 0: it only echoes", 0,
     1'000'000},
    {"flood", LineKey::Type::Boolean, false, "true prints numbered lines as fast as they are taken"},
    {"length", LineKey::Type::Integer, false, "bytes of a numbered line with CR and LF; default 80", 16, 4096},
    {"lines", LineKey::Type::Integer, false, "numbered lines after which it falls silent; default: never", 1,
     999'999'999'999},
    {"banner", LineKey::Type::Text, false, "text that it prints each time it opens; default: none"},
    {"secret-file", LineKey::Type::SecretFile, false, "a secret it wants before it opens; it prints how long it is"},
};
constexpr std::size_t kDigits = 12;
constexpr int kBuffersATick = 16;  // bounds one turn; what is due beyond it comes with the next

Result<> check(const LineConfig& config, std::string& key) {
  const bool flood = boolean_setting(config, "flood"), rate = config.settings.contains("rate");
  key = "flood";
  if (flood && rate) return fail(ErrorCode::Usage, "flood and rate exclude each other; keep one of them");
  key = "lines";
  if (!flood && !rate && config.settings.contains("lines")) {
    return fail(ErrorCode::Usage, "lines are numbered only with rate or flood; add one of them");
  }
  return {};
}

std::string greeting(const LineConfig& config) {
  std::string text = text_setting(config, "banner", "");
  if (!text.empty()) text += "\r\n";
  const auto secret = config.secrets.find("secret-file");
  if (secret == config.secrets.end()) return text;
  return text + "a secret of " + std::to_string(secret->second.reveal().size()) + " bytes\r\n";
}

// "NAME 000000000001 xxx..\r\n", at least `length` bytes; the number is advanced in place.
class NumberedLine {
 public:
  NumberedLine(const std::string& name, std::size_t length) : digits_(name.size() + 1) {
    append(line_, name + " " + std::string(kDigits, '0') + " ");
    if (line_.size() + 2 < length) line_.resize(length - 2, std::byte{'.'});
    append(line_, "\r\n");
  }
  std::size_t size() const { return line_.size(); }
  ByteView next() {
    for (std::size_t i = digits_ + kDigits; i-- > digits_;) {
      if (line_[i] != std::byte{'9'}) {
        line_[i] = static_cast<std::byte>(static_cast<char>(line_[i]) + 1);
        break;
      }
      line_[i] = std::byte{'0'};
    }
    return line_;
  }

 private:
  Bytes line_;
  std::size_t digits_;
};

class TestLine final : public Line {
 public:
  TestLine(Shard& shard, const LineConfig& config, LineEvents& events)
      : shard_(shard),
        events_(events),
        timer_(shard),
        line_(config.name, static_cast<std::size_t>(integer_setting(config, key_of(kKeys, "length"), 80))),
        rate_(static_cast<std::uint64_t>(integer_setting(config, key_of(kKeys, "rate"), 0))),
        flood_(boolean_setting(config, "flood")),
        banner_(greeting(config)),
        left_(static_cast<std::uint64_t>(integer_setting(config, key_of(kKeys, "lines"), INT64_MAX))) {}

  void start() override {
    later([this] {
      up_ = true;
      if (reading_) resume();
      const auto alive = std::weak_ptr(alive_);
      events_.line_up("test", 0);
      if (!alive.expired() && !banner_.empty()) events_.line_output(as_bytes(banner_));
    });
  }
  std::size_t write(ByteView bytes) override;
  void set_reading(bool on) override;

 private:
  void later(std::function<void()> call);
  void resume();
  void tick();
  void emit(std::uint64_t lines);
  void echo();

  Shard& shard_;
  LineEvents& events_;
  Timer timer_;
  NumberedLine line_;
  std::uint64_t rate_;  // lines a second
  bool flood_;
  std::string banner_;
  std::uint64_t left_, printed_ = 0;  // printed_ counts since since_
  SteadyTime since_;
  Bytes typed_;                              // not yet echoed
  bool echo_due_ = false, refused_ = false;  // refused_: write() took less than it was given
  bool up_ = false, reading_ = true;
  std::shared_ptr<void> alive_ = std::make_shared<int>();
};

void TestLine::later(std::function<void()> call) {
  shard_.post([alive = std::weak_ptr(alive_), call = std::move(call)] {
    if (!alive.expired()) call();
  });
}

std::size_t TestLine::write(ByteView bytes) {
  if (!up_) return 0;
  const std::size_t n = std::min(bytes.size(), limits::input_pending_bytes_max - typed_.size());
  append(typed_, bytes.first(n));
  refused_ = refused_ || n < bytes.size();
  if (!echo_due_ && reading_ && n > 0) {
    echo_due_ = true;
    later([this] { echo(); });
  }
  return n;
}

void TestLine::echo() {
  echo_due_ = false;
  if (!reading_ || typed_.empty()) return;
  const Bytes typed = std::exchange(typed_, {});
  const std::weak_ptr<void> alive = alive_;
  events_.line_output(typed);
  if (!alive.expired() && std::exchange(refused_, false)) events_.line_writable();
}

void TestLine::set_reading(bool on) {
  if (std::exchange(reading_, on) == on || !up_) return;
  on ? resume() : timer_.cancel();
}

// Time that passed while nobody read is not made up for.
void TestLine::resume() {
  since_ = shard_.clock().now();
  printed_ = 0;
  later([this] { echo(); });
  if (left_ == 0) return;
  if (flood_) return timer_.once(Duration(0), [this] { tick(); });
  if (rate_ == 0) return;
  const Duration period(1000 / rate_);
  timer_.every(std::max<Duration>(period, limits::test_line_tick), [this] { tick(); });
}

void TestLine::tick() {
  const std::weak_ptr<void> alive = alive_;
  const auto passed = std::chrono::duration_cast<Duration>(shard_.clock().now() - since_);
  for (int i = 0; i < kBuffersATick; ++i) {
    const std::uint64_t due = flood_ ? left_ : rate_ * static_cast<std::uint64_t>(passed.count()) / 1000 - printed_;
    if (due == 0 || left_ == 0) break;
    emit(due);
    if (alive.expired() || !reading_) return;
    if (flood_) return timer_.once(Duration(0), [this] { tick(); });  // others have their turn after each buffer
  }
  if (left_ == 0) timer_.cancel();
}

// Fills the read buffer once at most.
void TestLine::emit(std::uint64_t lines) {
  const MutableBytes buffer = shard_.read_buffer();
  std::size_t used = 0;
  for (; lines > 0 && left_ > 0 && used + line_.size() <= buffer.size(); --lines, --left_, ++printed_) {
    const ByteView line = line_.next();
    std::copy(line.begin(), line.end(), buffer.begin() + static_cast<std::ptrdiff_t>(used));
    used += line.size();
  }
  if (used > 0) events_.line_output(buffer.first(used));
}

std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  return std::make_unique<TestLine>(shard, config, events);
}

}  // namespace

extern const LineKind kTestKind{"test", "no equipment: echoes, and prints numbered lines", kKeys, check, make};

}  // namespace oob
