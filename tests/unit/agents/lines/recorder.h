// Records what a line reports, for the tests of this folder. Reports after line_down are counted as mistakes.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "agents/lines/line.h"
#include "tests/unit/common/runtime/pump.h"

namespace oob {

struct Recorder : LineEvents {
  void line_up(std::string detail, int process) override {
    EXPECT_FALSE(down || up);
    up = std::move(detail), pid = process;
  }
  void line_output(ByteView bytes) override {
    EXPECT_TRUE(up && !down);
    output += as_text(bytes);
    if (on_output) on_output();
  }
  void line_writable() override {
    EXPECT_FALSE(down);
    ++writable;
  }
  void line_confirmed(std::size_t bytes) override {
    EXPECT_FALSE(down);
    confirmed += bytes;
  }
  void line_down(std::string reason) override {
    EXPECT_FALSE(down) << "down twice";
    down = std::move(reason);
    if (on_down) on_down();
  }

  void line_note(std::string text) override { told(notes, std::move(text)); }
  void line_lost(std::string why) override { told(lost, std::move(why)); }
  void line_facts(LineFacts all) override {
    EXPECT_TRUE(up && !down);
    facts = std::move(all);
  }
  void line_rest(Duration at_least) override {
    EXPECT_FALSE(down);
    rest = at_least;
  }
  void told(std::vector<std::string>& list, std::string text) {
    EXPECT_TRUE(up && !down);
    list.push_back(std::move(text));
  }
  std::string fact(const std::string& key) const {
    for (const auto& [name, value] : facts) {
      if (name == key) return value;
    }
    return "(none)";
  }

  std::optional<std::string> up, down;
  std::vector<std::string> notes, lost;
  LineFacts facts;
  Duration rest{0};
  std::string output;
  std::size_t confirmed = 0;
  int pid = 0, writable = 0;
  std::function<void()> on_output, on_down;
};

// A line on a shard of its own, started.
struct Bench {
  explicit Bench(LineConfig c) : config(std::move(c)) {
    const LineKind* kind = find_line_kind(config.kind);
    std::string key;
    const auto good = kind->check(config, key);
    EXPECT_TRUE(good) << key << ": " << good.error().message;
    line = kind->make(shard, config, events);
    line->start();
    EXPECT_FALSE(events.up || events.down) << "a report from inside start()";
  }
  bool until(const std::function<bool()>& happened) { return pump_until(shard, happened); }
  bool until_up() {
    return until([&] { return events.up || events.down; }) && events.up;
  }
  bool until_down() {
    return until([&] { return events.down.has_value(); });
  }

  Shard shard;
  LineConfig config;
  Recorder events;
  std::unique_ptr<Line> line;
};

}  // namespace oob
