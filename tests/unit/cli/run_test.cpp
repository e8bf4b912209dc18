// `oob run`, with the test as the server: steps in order, matches across pieces, secrets never shown, and a true word
// about whatever was sent.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/run_many.h"
#include "common/limits.h"

namespace oob {
namespace {

using Status = RunResult::Status;
using Given = std::vector<std::pair<std::string, std::string>>;

struct Folder {
  Folder() {
    char name[] = "/tmp/oob-run-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name, const std::string& text, unsigned mode = 0600) const {
    std::ofstream(path + "/" + name) << text;
    ::chmod((path + "/" + name).c_str(), mode);
    return path + "/" + name;
  }
  std::string path;
};

struct Run : testing::Test {
  void begin(const Given& given, std::vector<std::string> consoles = {"web01"}, std::size_t jobs = 64) {
    auto steps = steps_from_options(given, {});
    ASSERT_TRUE(steps) << steps.error().message;
    begin_steps(std::move(*steps), std::move(consoles), jobs);
  }
  void begin_steps(std::vector<RunStep> steps, std::vector<std::string> consoles = {"web01"}, std::size_t jobs = 64) {
    run = std::make_unique<RunMany>(
        std::move(consoles), std::move(steps), false, jobs,
        RunSession::Outside{.send = [this](const json::object& m) { sent.push_back(m); },
                            .send_input = [this](Bytes b) { inputs.push_back(std::move(b)); }},
        clock);
    run->connected();
    event({{"type", "tick"}, {"ms", 1000}});
  }
  void event(const json::object& message) { run->message(as_bytes(json::serialize(message)), false); }
  void attached(int channel = 1) {
    event({{"type", "attached"}, {"channel", channel}, {"mode", "writer"}, {"seat", 7}});
  }
  void written(int sequence, int bytes, int channel = 1) {
    event({{"type", "input"}, {"channel", channel}, {"sequence", sequence}, {"written", bytes}});
  }
  void say(const std::string& text, int channel = 1) {
    Bytes frame{std::byte{2}, {}, {}, {}, std::byte(channel)};
    frame.resize(13);
    append(frame, text);
    run->message(frame, true);
  }
  std::string typed() const {
    std::string out;
    for (const Bytes& frame : inputs) out += as_text(ByteView(frame).subspan(29));
    return out;
  }
  void advance(Duration by) {
    clock.advance(by);
    run->tick();
  }
  const RunResult& result(std::size_t i = 0) { return run->sessions()[i]->result(); }

  ManualClock clock;
  std::unique_ptr<RunMany> run;
  std::vector<json::object> sent;
  std::vector<Bytes> inputs;
};

TEST_F(Run, sends_waits_and_captures_what_came_between) {
  begin({{"--send", ""}, {"--expect", "# $"}, {"--send", "uname"}, {"--expect", "# $"}});
  EXPECT_EQ(sent[0].at("tool"), "run");
  EXPECT_EQ(sent[0].at("force"), false);
  attached();
  EXPECT_EQ(typed(), "\r");
  written(1, 1);
  say("\r\nroot@web01:~# ");
  EXPECT_EQ(typed(), "\runame\r");
  written(2, 6);
  say("uname\r\nLinux\r\nroot@web01:~# ");
  ASSERT_TRUE(run->over());
  EXPECT_EQ(result().status, Status::Done);
  EXPECT_EQ(result().output, "Linux\n") << "without the echo before it and the prompt after it";
  EXPECT_EQ(sent.back().at("type"), "detach") << "the seat is free at once";
}

TEST_F(Run, a_match_may_come_in_any_pieces_and_between_colours) {
  begin({{"--expect", "login: $"}});
  attached();
  for (const char c : std::string("\x1b[1;32mweb01\x1b[0m lo\x1b]0;title\x07gin: ")) {
    EXPECT_FALSE(run->over());
    say(std::string(1, c));
  }
  EXPECT_TRUE(run->over());
}

TEST_F(Run, what_came_before_a_send_is_no_answer_to_it) {
  begin({{"--expect", "a"}, {"--send", "x"}, {"--expect", "b"}});
  attached();
  say("ab");
  written(1, 2);
  EXPECT_FALSE(run->over());
  say("b");
  EXPECT_TRUE(run->over());
}

TEST_F(Run, an_expect_that_is_not_met_in_time_fails_with_the_last_line) {
  begin({{"--send", "x"}, {"--expect", "never"}});
  attached();
  written(1, 2);
  say("Password: \x1b[31m");
  advance(Duration(29'999));
  EXPECT_FALSE(run->over());
  advance(Duration(1));
  EXPECT_EQ(result().status, Status::Failed);
  EXPECT_EQ(result().why, "step 2 of 2 (sent \"x\"): no \"never\" within 30 s; the last line is \"Password:\"");
}

TEST_F(Run, somebody_who_writes_is_left_alone) {
  begin({{"--send", "x"}});
  event({{"type", "attached"}, {"channel", 1}, {"mode", "reader"}, {"seat", 0}, {"writer", "bob"}});
  EXPECT_EQ(result().status, Status::Failed);
  EXPECT_EQ(result().why, "step 1 of 1: bob is writing; --force takes over");
  EXPECT_TRUE(inputs.empty());
}

TEST_F(Run, input_of_unknown_fate_is_never_called_failed_or_done) {
  begin({{"--send", "reboot"}});
  attached();
  run->disconnected("closed");
  EXPECT_EQ(result().status, Status::Unknown);
  EXPECT_NE(result().why.find("\"reboot\" may have arrived or not"), std::string::npos);

  inputs.clear();
  begin({{"--send", std::string(2000, 'x')}});
  attached();
  written(1, 1024);
  event({{"type", "input"}, {"channel", 1}, {"sequence", 2}, {"written", 3}, {"refused", "late"}});
  EXPECT_EQ(result().status, Status::Unknown) << "a part of it arrived";
  EXPECT_NE(result().why.find("only the first 1027 bytes arrived"), std::string::npos);

  begin({{"--send", "x"}});
  attached();
  event({{"type", "input"}, {"channel", 1}, {"sequence", 1}, {"written", 0}, {"refused", "late"}});
  EXPECT_EQ(result().status, Status::Failed) << "nothing arrived";
}

TEST_F(Run, a_takeover_ends_it_and_is_said) {
  begin({{"--expect", "x"}});
  attached();
  event({{"type", "reader"}, {"channel", 1}, {"user", "bob"}, {"text", "bob took over"}});
  EXPECT_EQ(result().status, Status::Failed);
  EXPECT_NE(result().why.find("bob took over"), std::string::npos);
}

TEST_F(Run, a_stop_says_what_was_sent) {
  begin({{"--send", "x"}, {"--expect", "never"}}, {"a", "b"}, 1);
  attached();
  written(1, 2);
  run->stop();
  EXPECT_TRUE(run->over());
  EXPECT_EQ(result(0).why, "step 2 of 2 (sent \"x\"): while waiting for \"never\"");
  EXPECT_EQ(result(1).why, "not begun");
}

TEST_F(Run, so_many_at_once_and_equal_answers_are_folded) {
  begin({{"--expect", "(?s)x.*y$"}}, {"web01", "web02", "web03", "web04"}, 2);
  EXPECT_EQ(sent.size(), 2u);
  for (const int channel : {1, 2, 3, 4}) {
    attached(channel);
    say(channel == 3 ? "odd\nx\ny" : "even\nx\ny", channel);
  }
  ASSERT_TRUE(run->over());
  const auto groups = folded(*run);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].first, "web[01-02,04]");
  EXPECT_EQ(groups[0].second->output, "even\n");
}

TEST_F(Run, a_secret_is_typed_and_never_shown) {
  const Folder folder;
  begin({{"--send-secret-file", folder.file("pw", "hunter2\n")}, {"--expect", "ok"}});
  attached();
  EXPECT_EQ(typed(), "hunter2\r");
  written(1, 8);
  say("echo of hunter2\nok");
  EXPECT_EQ(result().output, "echo of ********\n");
  EXPECT_EQ(run->sessions()[0]->doing().find("hunter2"), std::string::npos);
  begin({{"--send-secret-file", folder.file("pw", "hunter2\n")}, {"--expect", "ok"}});
  attached();
  written(1, 8);
  say("hunter2");
  advance(Duration(30'000));
  EXPECT_EQ(result().why.find("hunter2"), std::string::npos) << result().why;
}

TEST_F(Run, a_secret_file_that_others_may_read_is_refused) {
  const Folder folder;
  const auto steps = steps_from_options({{"--send-secret-file", folder.file("pw", "x", 0644)}}, {});
  ASSERT_FALSE(steps);
  EXPECT_EQ(steps.error().code, ErrorCode::Denied);
}

TEST_F(Run, steps_come_from_a_file_with_places_for_mistakes) {
  const Folder folder;
  folder.file("pw", "secret");
  const auto steps = steps_from_file(folder.file("good.toml",
                                                 "[[step]]\nsend = \"root\"\nexpect = \"word:\"\n"
                                                 "timeout = \"5s\"\n[[step]]\nsend-secret-file = \"pw\"\n"),
                                     {.newline = "lf"});
  ASSERT_TRUE(steps) << steps.error().message;
  ASSERT_EQ(steps->size(), 3u);
  EXPECT_EQ((*steps)[0].keys.reveal(), "root\n");
  EXPECT_EQ((*steps)[1].timeout, Duration(5000));
  EXPECT_EQ((*steps)[2].keys.reveal(), "secret\n");
  for (const auto& [text, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"[[step]]\nsned = \"x\"\n", ":2:1: error: "},
           {"[[step]]\nexpect = \"[\"\n", ":2:10: error: "},
           {"[[step]]\nsend = \"x\"\nsend-file = \"y\"\n", "a step sends one thing"},
           {"[[step]]\n", "a step has to send or expect something"},
           {"", "no [[step]]"}}) {
    const auto wrong = steps_from_file(folder.file("bad.toml", text), {});
    ASSERT_FALSE(wrong) << text;
    EXPECT_NE(wrong.error().message.find(wanted), std::string::npos) << wrong.error().message;
  }
}

TEST_F(Run, a_pattern_that_is_none_or_matches_anything_is_refused) {
  for (const char* regex : {"[", "x*", "", "^"}) EXPECT_FALSE(Pattern::parse(regex)) << regex;
  EXPECT_NE(Pattern::parse("\\d*").error().message.find("\"\\d*\""), std::string::npos) << "as it was typed";
}

TEST_F(Run, a_flood_is_bounded_and_a_match_in_its_end_is_found) {
  begin({{"--send", "x"}, {"--expect", "END"}});
  attached();
  written(1, 2);
  for (int i = 0; i < 40; ++i) say(std::string(100'000, 'x') + "\n");
  EXPECT_LE(run->sessions()[0]->result().output.size(), limits::run_capture_bytes);
  say("END");
  EXPECT_EQ(result().status, Status::Done);
  EXPECT_TRUE(result().output_cut);
}

TEST_F(Run, newlines_in_what_is_sent_are_the_ones_chosen) {
  for (const auto& [newline, typed] : std::map<std::string, std::string>{
           {"cr", "a\rb\r"}, {"lf", "a\nb\n"}, {"crlf", "a\r\nb\r\n"}, {"none", "a\nb"}}) {
    EXPECT_EQ((*steps_from_options({{"--send", "a\nb"}}, {.newline = newline}))[0].keys.reveal(), typed);
  }
}

}  // namespace
}  // namespace oob
