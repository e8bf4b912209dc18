// Promises of a console over a BMC: whole conversations with a BMC of ours over a network that loses, doubles and
// reorders by a seed. OOB_SEED repeats one.
#include "agents/ipmi/sol_link.h"

#include <cstdlib>

#include "tests/unit/agents/ipmi/fake_bmc.h"

namespace oob::ipmi {
namespace {

struct Console : Wire, SolLinkEvents {
  explicit Console(unsigned seed = 1) : Wire(seed) {}

  void open(Busy busy = Busy::Wait, std::vector<OpenedSession> ours = {}, const Quirks& quirks = {}) {
    SolSettings settings;
    settings.login.user = "oob";
    settings.login.password = Secret("secret");
    settings.login.quirks = quirks;
    settings.address = "10.9.1.1:623";
    settings.busy = busy;
    settings.ours = std::move(ours);
    up.clear(), down.clear(), notes.clear(), facts.clear();
    link.emplace(std::move(settings), clock, *this, ++opened);
    link->open();
    run(*link, [&] { return !up.empty() || !down.empty(); });
  }
  bool until_down(Duration at_most) {
    return run(
        *link, [&] { return !down.empty(); }, at_most);
  }

  void link_send(ByteView datagram) override { to_bmc(datagram); }
  void link_session(const OpenedSession& opened_now) override { session = opened_now.id, mark = opened_now; }
  void link_sessions_closed() override { ++closed_earlier; }
  void link_up(std::string detail) override { up = std::move(detail); }
  void link_facts(std::vector<std::pair<std::string, std::string>> all) override { facts = std::move(all); }
  void link_output(ByteView bytes) override {
    EXPECT_TRUE(!up.empty() && down.empty());
    output += as_text(bytes);
  }
  void link_writable() override { ++writable; }
  void link_confirmed(std::size_t bytes) override { confirmed += bytes; }
  void link_note(std::string text) override { notes.push_back(std::move(text)); }
  void link_lost(std::string why) override { lost_output.push_back(std::move(why)); }
  void link_secret_refused() override { ++secret_refused; }
  void link_down(std::string reason) override {
    EXPECT_TRUE(down.empty());
    down = std::move(reason);
  }

  std::size_t confirmed = 0;
  std::optional<SolLink> link;
  unsigned opened = 0;
  std::uint32_t session = 0;
  OpenedSession mark;
  int closed_earlier = 0, writable = 0, secret_refused = 0;
  std::string up, down, output;
  std::vector<std::string> notes, lost_output;
  std::vector<std::pair<std::string, std::string>> facts;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(SolLink, comes_up_types_and_reads) {
  Console c;
  c.open();
  EXPECT_EQ(c.up, "10.9.1.1:623, suite 17, administrator");
  EXPECT_EQ(c.bmc.holder, c.session);
  c.bmc.to_say = "login: ";
  c.pass(*c.link, Duration(50));
  EXPECT_EQ(c.link->write(as_bytes("root\r")), 5u);
  ASSERT_TRUE(c.run(*c.link, [&] { return c.output == "login: " && c.bmc.typed == "root\r"; }));
  EXPECT_TRUE(c.link->send_break());
  EXPECT_TRUE(c.run(*c.link, [&] { return c.bmc.breaks == 1; }));
}

TEST(SolLink, a_megabyte_each_way_is_whole_at_two_percent_loss) {
  const char* given = std::getenv("OOB_SEED");
  const unsigned first = given != nullptr ? unsigned(std::atoi(given)) : 1;
  for (unsigned seed = first; seed < first + 3; ++seed) {
    Console c(seed);
    c.open();
    ASSERT_FALSE(c.up.empty()) << c.down;
    c.loss = c.doubling = c.reordering = 0.02;
    std::string said, typed;
    std::minstd_rand random(seed);
    while (said.size() < 1'000'000) said += char(random() & 255), typed += char(random() & 255);
    c.bmc.to_say = said;
    std::size_t sent = 0;
    const auto pump = [&] {
      sent += c.link->write(as_bytes(typed).subspan(sent));
      return sent == typed.size() && c.bmc.typed.size() >= typed.size() && c.output.size() >= said.size();
    };
    ASSERT_TRUE(c.run(*c.link, pump, std::chrono::hours(3)))
        << c.down << " " << c.output.size() << " " << c.bmc.typed.size();
    EXPECT_GT(c.lost, 100);
    EXPECT_TRUE(c.output == said) << "seed " << seed;
    EXPECT_TRUE(c.bmc.typed == typed) << "seed " << seed;
    EXPECT_TRUE(c.lost_output.empty() && c.notes.empty() && c.down.empty());
  }
}

TEST(SolLink, what_the_bmc_throws_away_is_said) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    Console c(seed);
    c.open();
    c.bmc.to_say = "BEGIN";
    ASSERT_TRUE(c.run(*c.link, [&] { return c.output == "BEGIN"; }));
    c.bmc.send_tries = 1;
    c.loss = 0.05;
    std::string said;
    while (said.size() < 100'000) said += std::to_string(said.size()) + " ";
    said.resize(100'000);  // whole packets of the BMC
    c.bmc.to_say = said;
    c.run(*c.link, [&] { return c.bmc.to_say.empty() && !c.bmc.next_deadline(); });
    c.loss = 0;
    c.bmc.to_say = "END";
    ASSERT_TRUE(c.run(*c.link, [&] { return c.output.ends_with("END"); }));
    EXPECT_GT(c.bmc.thrown_away, 5);
    std::size_t packets = 0;
    for (const auto& why : c.lost_output) packets += std::size_t(std::atoi(why.c_str()));
    EXPECT_GT(packets, 0u);
    EXPECT_EQ(packets * 200, said.size() + 8 - c.output.size());
  }
}

TEST(SolLink, a_payload_held_by_another_is_waited_for_and_named) {
  Console c;
  c.bmc.holder = c.bmc.add_session(7);
  c.open();
  EXPECT_EQ(c.down, "10.9.1.1:623: serial over LAN is in use by user 7 from 10.9.0.7; waiting until it is free");
  c.pass(*c.link, Duration(100));
  EXPECT_EQ(c.bmc.sessions.size(), 1u);
  c.open(Busy::Ask);
  EXPECT_TRUE(has(c.down, "user 7 from 10.9.0.7; to take it")) << c.down;
  EXPECT_TRUE(has(c.down, "sol deactivate")) << c.down;
  c.bmc.holder = 0;
  c.open();
  EXPECT_FALSE(c.up.empty());
}

TEST(SolLink, steals_only_when_told_and_says_from_whom) {
  Console c;
  c.bmc.holder = c.bmc.add_session(7);
  c.open(Busy::Steal);
  ASSERT_FALSE(c.up.empty()) << c.down;
  EXPECT_EQ(c.bmc.holder, c.session);
  ASSERT_EQ(c.notes.size(), 1u);
  EXPECT_EQ(c.notes[0], "serial over LAN was taken from user 7 from 10.9.0.7");
}

TEST(SolLink, notices_within_30_seconds_that_it_was_stolen_in_silence) {
  for (const bool tells : {true, false}) {
    Console c;
    c.bmc.tells_instance = tells;
    c.open();
    c.pass(*c.link, Duration(20'000));
    ASSERT_TRUE(c.down.empty()) << c.down;
    const std::uint32_t mine = c.bmc.holder;
    c.bmc.holder = tells ? c.bmc.add_session(7) : 0;
    ASSERT_TRUE(c.until_down(Duration(30'000)));
    EXPECT_TRUE(has(c.down, tells ? "user 7 from 10.9.0.7 took" : "another session ended")) << c.down;
    c.pass(*c.link, Duration(100));
    EXPECT_EQ(c.bmc.sessions.count(mine), 0u) << "the session was left open";
    EXPECT_EQ(c.bmc.holder != 0, tells) << "the thief lost it";
  }
}

TEST(SolLink, notices_within_30_seconds_that_the_bmc_is_gone_or_has_forgotten) {
  for (const bool forgets : {false, true}) {
    Console c;
    c.open();
    c.pass(*c.link, Duration(20'000));
    if (forgets) c.bmc.forget_everything();
    c.bmc.dead = !forgets;
    ASSERT_TRUE(c.until_down(Duration(30'000)));
    EXPECT_TRUE(has(c.down, "does not answer any more")) << c.down;
    c.bmc.dead = false;
    c.open();
    EXPECT_FALSE(c.up.empty()) << c.down;
  }
}

TEST(SolLink, a_bmc_that_is_away_for_eight_seconds_keeps_the_console) {
  Console c;
  c.open();
  for (int i = 0; i < 10; ++i) {
    c.bmc.dead = true;
    c.pass(*c.link, Duration(8000));
    c.bmc.dead = false;
    c.pass(*c.link, Duration(7000 + i * 500));
  }
  EXPECT_TRUE(c.down.empty()) << c.down;
}

TEST(SolLink, the_session_of_an_earlier_start_is_closed_but_never_a_strangers) {
  Console c;
  c.open();
  const OpenedSession ghost_then = c.mark;
  const std::uint32_t ghost = c.session, stranger = c.bmc.add_session(9);
  c.link.reset();  // killed: nothing was said
  c.open(Busy::Wait, {ghost_then, {stranger, ghost_then.told}, {0x7777, ghost_then.told}});
  ASSERT_FALSE(c.up.empty()) << c.down;
  EXPECT_EQ(c.bmc.sessions.count(ghost), 0u);
  EXPECT_EQ(c.bmc.sessions.count(stranger), 1u);
  EXPECT_EQ(c.closed_earlier, 1);
}

TEST(SolLink, a_number_that_the_bmc_gave_anew_after_a_reset_is_neither_closed_nor_robbed) {
  Console c;
  c.open();
  const OpenedSession then = c.mark;
  c.link.reset();
  c.bmc.sessions[then.id].port = 78;  // of the same user and machine: another line of ours, or a person's ipmitool
  c.open(Busy::Wait, {then});
  EXPECT_TRUE(has(c.down, "in use by user 2 from 10.9.0.7")) << c.down;
  EXPECT_EQ(c.bmc.holder, then.id);
  EXPECT_EQ(c.bmc.sessions.count(then.id), 1u);
}

TEST(SolLink, of_a_bmc_that_tells_nothing_of_sessions_none_is_closed_and_the_console_is_back_all_the_same) {
  Console c;
  c.bmc.tells_sessions = false;
  c.open();
  const OpenedSession then = c.mark;
  EXPECT_EQ(then.told, "");
  c.link.reset();
  const std::uint32_t neighbour = c.bmc.add_session(2);
  c.open(Busy::Wait, {then, {neighbour, ""}});
  ASSERT_FALSE(c.up.empty()) << c.down;
  EXPECT_EQ(c.bmc.holder, c.session);
  EXPECT_EQ(c.bmc.sessions.count(then.id), 1u);
  EXPECT_EQ(c.bmc.sessions.count(neighbour), 1u);
}

TEST(SolLink, closing_deactivates_and_closes) {
  Console c;
  c.open();
  c.link->close();
  c.pass(*c.link, Duration(100));
  EXPECT_EQ(c.bmc.holder, 0u);
  EXPECT_TRUE(c.bmc.sessions.empty());
  EXPECT_TRUE(c.down.empty());
}

TEST(SolLink, a_refused_activation_is_said_with_what_to_do) {
  Console c;
  c.bmc.activation_code = 0x81;
  c.open();
  EXPECT_TRUE(has(c.down, "switched off; enable it")) << c.down;
  EXPECT_TRUE(c.bmc.sessions.size() <= 1);
}

TEST(SolLink, an_activation_whose_answer_was_lost_does_not_make_us_wait_for_ourselves) {
  for (unsigned seed = 1; seed <= 100; ++seed) {
    Console c(seed);
    c.loss = 0.2;
    c.open();
    if (!has(c.down, "fell silent")) ASSERT_FALSE(c.up.empty()) << "seed " << seed << ": " << c.down;
  }
}

TEST(SolLink, a_bmc_that_knows_nothing_of_its_payload_is_not_believed) {
  Console c;
  c.bmc.tells_status = c.bmc.tells_instance = false;
  c.open();
  c.pass(*c.link, Duration(60'000));
  EXPECT_TRUE(c.down.empty()) << c.down;
  EXPECT_GT(c.bmc.count(kApp, kGetDeviceId), 3) << "nothing keeps the session alive";
}

TEST(SolLink, packets_are_as_small_as_the_bmc_wants_them) {
  Console c;
  Quirks small;
  small.sol_payload_size = true;
  c.open(Busy::Wait, {}, small);
  c.pass(*c.link, Duration(50));
  EXPECT_EQ(c.link->write(Bytes(500)), 60u);
}

}  // namespace
}  // namespace oob::ipmi
