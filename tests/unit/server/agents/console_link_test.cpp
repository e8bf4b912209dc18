// ConsoleLink: what an agent tells of its lines, and how much of it a log takes.
#include "server/agents/console_link.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "common/pace.h"
#include "server/agents/agent_link.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

struct Directory final : AgentLinkEvents {
  void certificate_asked(AgentLink&, Bytes) override {}
  void agent_arrived(AgentLink&) override {}
  void secret_wanted(AgentLink&, const std::string&, const std::string&, std::function<void(Result<Secret>)>) override {
  }
  void clock_told(AgentLink&) override {}
  Console* console_of(AgentLink&, const std::string&) override { return nullptr; }
  bool takes_event(AgentLink&, std::size_t bytes) override { return pace.take(SteadyTime(Duration(1)), double(bytes)); }
  void console_freed(const std::string&) override {}
  void agent_left(AgentLink&, const std::string&) override {}
  Pace pace{10'000, 0};
};

Bytes event_message(std::uint64_t number, const std::string& text) {
  wire::FromLine message;
  message.mutable_event()->set_kind(wire::LineEvent::NOTE);
  message.mutable_event()->set_sequence(number);
  message.mutable_event()->set_text(text);
  const std::string bytes = message.SerializeAsString();
  return {as_bytes(bytes).begin(), as_bytes(bytes).end()};
}

TEST(ConsoleLinks, an_agent_that_floods_with_events_is_cut_short_and_one_line_says_how_many_were_left_out) {
  const std::string folder = std::filesystem::temp_directory_path() / ("oob-links-" + std::to_string(::getpid()));
  Shard shard;
  auto logs = std::make_unique<LogFolder>(shard, folder);
  auto console = std::make_unique<Console>(shard, "web01", std::move(*ConsoleLog::open(*logs, "web01")));
  Directory directory;
  AgentLink agent(shard, {"rack1", "", "unix"}, directory);
  auto link = std::make_unique<ConsoleLink>(agent, *console, 1);
  StreamOwner& stream = *link;
  for (std::uint64_t number = 1; number <= 10'000; ++number) {
    ASSERT_TRUE(stream.stream_message(event_message(number, "a hundred bytes" + std::string(85, '.'))));
  }
  wire::FromLine opened;
  opened.mutable_opened()->set_incarnation(7);
  const std::string bytes = opened.SerializeAsString();
  EXPECT_TRUE(stream.stream_message(as_bytes(bytes)));
  EXPECT_FALSE(stream.stream_message(as_bytes(bytes))) << "each would write a marker";
  link->disconnect("over");
  std::optional<ConsoleLog::Read> read;
  console->log().read(0, 1 << 20, [&](Result<ConsoleLog::Read> got) { read = std::move(*got); });
  while (!read) shard.io().run_one();
  std::vector<std::string> texts;
  for (const LogPiece& piece : read->pieces) {
    if (piece.event && piece.event->kind == LogEvent::Kind::Note) texts.push_back(piece.event->text);
  }
  ASSERT_EQ(texts.size(), 52u) << "50 events, what was left out, and the end";
  EXPECT_EQ(texts[50], "9950 events of this line left out: agent rack1 told too many");
  link.reset();
  console.reset();
  logs.reset();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace oob
