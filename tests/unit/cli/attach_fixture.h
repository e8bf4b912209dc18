// An AttachConversation with the test as its world: what it sends, shows and says is recorded, messages are the
// server's.
#pragma once
#include <gtest/gtest.h>

#include <map>

#include "cli/attach_conversation.h"
#include "common/limits.h"

namespace oob {

struct RecordedOutside : AttachOutside {
  void connect(const std::string& first) override {
    ++connects;
    sent.push_back(json::parse(first).as_object());
  }
  void disconnect() override { ++disconnects; }
  void send(Bytes message, bool binary) override {
    if (binary) {
      inputs.push_back(std::move(message));
    } else {
      sent.push_back(json::parse(json::string_view(as_text(message).data(), message.size())).as_object());
    }
  }
  void output(ByteView bytes) override { screen += as_text(bytes); }
  void say(Said kind, const std::string& text) override { (kind == Said::Hint ? hints : notices).push_back(text); }
  void echo(const std::string& text) override { echoed += text; }
  void hold_output(bool on) override { held = on; }
  void request(const std::string& method, const std::string& path, const std::string& names, Answer done) override {
    requests.push_back(method + " " + path + (names.empty() ? "" : "?names=" + names));
    answers.push_back(std::move(done));
  }
  bool start_program(const std::string&) override { return program; }
  void finished(Exit status, const std::string& message) override {
    EXPECT_FALSE(exit) << "finished once";
    exit = status;
    last_words = message;
  }
  // Answers the oldest open request.
  void answer(Result<json::value> value) {
    ASSERT_FALSE(answers.empty());
    const auto done = std::move(answers.front());
    answers.pop_front();
    done(std::move(value));
  }
  std::string last_notice() const { return notices.empty() ? "" : notices.back(); }

  int connects = 0, disconnects = 0;
  std::vector<json::object> sent;
  std::vector<Bytes> inputs;
  std::string screen, echoed, last_words;
  std::vector<std::string> hints, notices, requests;
  std::deque<Answer> answers;
  bool held = false, program = false;
  std::optional<Exit> exit;
};

struct Input {  // a binary frame, taken apart
  std::uint32_t channel = 0;
  std::uint64_t seat = 0, sequence = 0;
  std::int64_t deadline = 0;
  std::string keys;
};

inline Input input_of(const Bytes& frame) {
  EXPECT_GE(frame.size(), 29u);
  EXPECT_EQ(frame[0], std::byte{1});
  const auto number = [&](std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = at; i < at + size; ++i) value = value << 8 | std::to_integer<std::uint64_t>(frame[i]);
    return value;
  };
  return {static_cast<std::uint32_t>(number(1, 4)), number(5, 8), number(13, 8),
          static_cast<std::int64_t>(number(21, 8)), std::string(as_text(ByteView(frame).subspan(29)))};
}

class Attach : public ::testing::Test {
 protected:
  static constexpr std::int64_t kServerMs = 5'000'000;

  void begin(AttachChoices choices = {}) {
    if (choices.console.empty()) choices.console = "web01";
    conversation.emplace(std::move(choices), outside, clock);
    conversation->start();
    ASSERT_TRUE(outside.requests.empty());
    ASSERT_EQ(outside.connects, 1);
  }
  void open() {
    conversation->connected();
    event({{"type", "welcome"}, {"user", "alice"}});
    event({{"type", "tick"}, {"ms", kServerMs}});
  }
  void event(const json::object& message) { conversation->message(as_bytes(json::serialize(message)), false); }
  void attached(std::uint64_t seat, std::uint64_t end, json::object more = {}, std::uint32_t channel = 1) {
    json::object message{{"type", "attached"}, {"channel", channel},
                         {"console", "web01"}, {"mode", seat != 0 ? "writer" : "reader"},
                         {"seat", seat},       {"writer", seat != 0 ? "alice" : "bob"},
                         {"line", "up"},       {"kind", "exec"},
                         {"agent", "rack1"},   {"offset", end}};
    for (const auto& field : more) message[field.key()] = field.value();
    event(message);
  }
  void output(std::uint64_t offset, const std::string& text, std::uint32_t channel = 1) {
    Bytes frame{std::byte{2}};
    for (int i = 3; i >= 0; --i) frame.push_back(std::byte(channel >> (8 * i) & 0xFF));
    for (int i = 7; i >= 0; --i) frame.push_back(std::byte(offset >> (8 * i) & 0xFF));
    append(frame, text);
    conversation->message(frame, true);
  }
  void type(const std::string& keys) { conversation->keys(as_bytes(keys)); }
  void written(std::uint64_t sequence, std::uint32_t channel = 1) {
    event({{"type", "input"}, {"channel", channel}, {"sequence", sequence}, {"written", 1}});
  }
  // Writer on channel 1, seat 7, at the end of an empty log.
  void attach_as_writer(AttachChoices choices = {}) {
    begin(std::move(choices));
    open();
    attached(7, 0);
  }
  void break_connection() { conversation->disconnected({ErrorCode::Unavailable, "closed"}); }
  void advance(Duration by) {
    clock.advance(by);
    conversation->tick();
  }
  std::string typed() const {  // all that was sent as input
    std::string out;
    for (const Bytes& frame : outside.inputs) out += input_of(frame).keys;
    return out;
  }

  ManualClock clock;
  RecordedOutside outside;
  std::optional<AttachConversation> conversation;
};

}  // namespace oob
