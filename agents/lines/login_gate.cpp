// See login_gate.h.
#include "agents/lines/login_gate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agents/lines/login_dialogue.h"
#include "agents/lines/settings.h"

namespace oob {
namespace {

class LoginGate final : public Line, private LineEvents {
 public:
  LoginGate(Shard& shard, const LineConfig& config, LineEvents& events, LoginScript script, MakeLine make)
      : shard_(shard),
        events_(events),
        script_(std::move(script)),
        secrets_(config.secrets),
        deadline_(shard),
        driver_(make(shard, config, *this)) {}

  void start() override { driver_->start(); }
  std::size_t write(ByteView bytes) override { return through_ && driver_ ? driver_->write(bytes) : 0; }
  void set_reading(bool on) override {
    if (driver_) driver_->set_reading(on);
  }
  bool can_wait() const override { return !driver_ || driver_->can_wait(); }
  Result<Duration> send_break(Duration duration) override {
    return driver_ ? driver_->send_break(duration) : fail(ErrorCode::Conflict, "the line is down");
  }

 private:
  void line_up(std::string detail, int pid) override;
  void line_output(ByteView bytes) override;
  void line_writable() override;
  void line_down(std::string reason) override;
  void line_note(std::string text) override;
  void line_lost(std::string why) override;
  void line_facts(LineFacts facts) override;
  void line_rest(Duration at_least) override { events_.line_rest(at_least); }

  void go_on();
  void pass();
  void give_up(std::string reason);

  Shard& shard_;
  LineEvents& events_;
  LoginScript script_;
  std::map<std::string, Secret> secrets_;
  Timer deadline_;
  std::optional<LoginDialogue> dialogue_;  // while it goes on
  bool through_ = false;
  std::string detail_;  // what the driver reported meanwhile
  int pid_ = 0;
  std::vector<std::string> notes_;
  LineFacts facts_;
  std::shared_ptr<void> alive_ = std::make_shared<int>();
  std::unique_ptr<Line> driver_;  // null once it is given up; the first to go
};

void LoginGate::line_up(std::string detail, int pid) {
  if (!driver_) return;
  detail_ = std::move(detail);
  pid_ = pid;
  dialogue_.emplace(std::move(script_), std::move(secrets_), shard_.clock().now());
  go_on();
}

void LoginGate::line_output(ByteView bytes) {
  if (!driver_) return;
  if (through_) return events_.line_output(bytes);
  if (!dialogue_) return;
  dialogue_->received(bytes, shard_.clock().now());
  go_on();
}

void LoginGate::line_writable() {
  if (!driver_) return;
  through_ ? events_.line_writable() : go_on();
}

void LoginGate::go_on() {
  if (!dialogue_) return;
  while (!dialogue_->unsent().empty() && dialogue_->state() != LoginDialogue::State::Failed) {
    const std::size_t taken = driver_->write(dialogue_->unsent());
    if (taken == 0) break;  // line_writable() follows
    dialogue_->sent(taken);
  }
  if (dialogue_->state() == LoginDialogue::State::Failed) return give_up(dialogue_->failure());
  // What the user types comes behind what the script typed.
  if (dialogue_->state() == LoginDialogue::State::Done) return dialogue_->unsent().empty() ? pass() : void();
  const auto left = std::chrono::ceil<Duration>(*dialogue_->next_deadline() - shard_.clock().now());
  deadline_.once(std::max(left, Duration(0)), [this] {
    dialogue_->tick(shard_.clock().now());
    go_on();
  });
}

void LoginGate::pass() {
  deadline_.cancel();
  through_ = true;
  const Bytes rest = dialogue_->take_rest();
  const std::size_t before = dialogue_->bytes_heard() - std::min(dialogue_->bytes_heard(), rest.size());
  dialogue_.reset();
  const std::weak_ptr<void> alive = alive_;
  events_.line_up(detail_, pid_);
  if (alive.expired()) return;
  notes_.push_back("logged in by its login script; the " + std::to_string(before) +
                   " bytes that the device said until then are no output of the console");
  for (const auto& note : std::exchange(notes_, {})) events_.line_note(note);
  if (!facts_.empty()) events_.line_facts(std::move(facts_));
  if (!rest.empty() && !alive.expired()) events_.line_output(rest);
}

// The driver may be calling us: it goes when it has returned.
void LoginGate::give_up(std::string reason) {
  deadline_.cancel();
  const bool unproven = dialogue_ && dialogue_->secret_unproven();
  dialogue_.reset();
  if (driver_) shard_.post([driver = std::shared_ptr<Line>(std::move(driver_))] {});
  driver_ = nullptr;
  if (unproven) events_.line_rest(limits::login_refused_rest);
  events_.line_down(reason + (unproven ? std::string(kRestWords) : ""));
}

void LoginGate::line_down(std::string reason) {
  if (!driver_) return;
  if (dialogue_) return give_up(reason + " at " + dialogue_->standing());
  give_up(reason);
}

void LoginGate::line_note(std::string text) {
  if (!driver_) return;
  if (through_) return events_.line_note(std::move(text));
  if (notes_.size() < limits::login_notes_max) notes_.push_back(std::move(text));
}

void LoginGate::line_lost(std::string why) {
  if (!driver_) return;
  through_ ? events_.line_lost(std::move(why)) : line_note(std::move(why));
}

void LoginGate::line_facts(LineFacts facts) {
  if (!driver_) return;
  if (through_) return events_.line_facts(std::move(facts));
  facts_ = std::move(facts);
}

// A script that only a broken server sends: down at once, in words.
class Refused final : public Line {
 public:
  Refused(Shard& shard, LineEvents& events, std::string why) : later_(shard), events_(events), why_(std::move(why)) {}
  void start() override {
    later_.once(Duration(0), [this] { events_.line_down(why_); });
  }
  std::size_t write(ByteView) override { return 0; }
  void set_reading(bool) override {}

 private:
  Timer later_;
  LineEvents& events_;
  std::string why_;
};

}  // namespace

std::unique_ptr<Line> behind_login(Shard& shard, const LineConfig& config, LineEvents& events, MakeLine make) {
  const std::string text = text_setting(config, std::string(kLoginKey.name), "");
  if (text.empty()) return make(shard, config, events);
  auto script = parse_login(text);
  if (!script) return std::make_unique<Refused>(shard, events, "the server sent a bad line: " + script.error().message);
  return std::make_unique<LoginGate>(shard, config, events, *std::move(script), make);
}

}  // namespace oob
