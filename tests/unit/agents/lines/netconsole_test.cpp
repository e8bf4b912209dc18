// Promises of netconsole lines, with real sockets on loopback: who is whose, and what strangers said is not lost.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/lines/netconsole_decoder.h"
#include "agents/lines/netconsole_listener.h"
#include "common/limits.h"
#include "tests/unit/agents/lines/recorder.h"

namespace oob {
namespace {

// A machine with an address of its own.
struct Machine {
  explicit Machine(const char* own) : fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in from = place(own, 0);
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from), 0);
  }
  ~Machine() { close(fd); }
  static sockaddr_in place(const char* address, unsigned port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(static_cast<std::uint16_t>(port));
    inet_pton(AF_INET, address, &out.sin_addr);
    return out;
  }
  void says(const std::string& text, unsigned port) const {
    const sockaddr_in to = place("127.0.0.1", port);
    EXPECT_EQ(sendto(fd, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to),
              ssize_t(text.size()));
  }
  int fd;
};

unsigned free_port() {
  const Machine probe("127.0.0.1");
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  getsockname(probe.fd, reinterpret_cast<sockaddr*>(&bound), &length);
  return ntohs(bound.sin_port);
}

struct Lines {
  std::unique_ptr<Line> line(Recorder& events, const std::string& name, const std::string& source) {
    const LineConfig config{
        name, "netconsole", {{"listen", "127.0.0.1:" + std::to_string(port)}, {"source", source}}, {}};
    std::string key;
    const LineKind* kind = find_line_kind("netconsole");
    EXPECT_TRUE(kind->check(config, key)) << key;
    auto out = kind->make(shard, config, events);
    out->start();
    EXPECT_FALSE(events.up || events.down) << "a report from inside start()";
    EXPECT_TRUE(pump_until(shard, [&] { return events.up || events.down; }));
    return out;
  }
  bool until(const std::function<bool()>& happened) { return pump_until(shard, happened); }

  Shard shard;
  const unsigned port = free_port();
};

TEST(NetconsoleLine, each_line_hears_its_own_sender) {
  Lines lines;
  Recorder a, b;
  const auto line_a = lines.line(a, "a", "127.0.0.2"), line_b = lines.line(b, "b", "127.0.0.3");
  ASSERT_TRUE(a.up && b.up);
  EXPECT_EQ(*a.up, "from 127.0.0.2 to 127.0.0.1:" + std::to_string(lines.port));
  const Machine two("127.0.0.2"), three("127.0.0.3");
  two.says("I am two\n", lines.port);
  three.says("6,1,1000000,-;I am three\n", lines.port);
  EXPECT_TRUE(lines.until([&] { return a.output == "I am two\r\n" && b.output == "[    1.000000] I am three\r\n"; }))
      << a.output << b.output;
  EXPECT_TRUE(lines.until([&] { return a.fact("datagrams-basic") == "1" && b.fact("datagrams-extended") == "1"; }));
}

TEST(NetconsoleLine, what_a_sender_said_before_a_line_named_it_comes_first) {
  Lines lines;
  Recorder a, late;
  const auto strangers = lines.shard.shared<Strangers>(kStrangersName);
  const auto line = lines.line(a, "a", "127.0.0.2");
  const Machine stranger("127.0.0.9");
  stranger.says("said early\n", lines.port);
  ASSERT_TRUE(lines.until([&] { return !strangers->all().empty(); }));
  EXPECT_EQ(strangers->all().begin()->first,
            (Strangers::Name{"netconsole 127.0.0.1:" + std::to_string(lines.port), "127.0.0.9"}));
  const auto line_late = lines.line(late, "late", "127.0.0.9");
  EXPECT_TRUE(lines.until([&] { return late.output == "said early\r\n"; })) << late.output;
  ASSERT_EQ(late.notes.size(), 1u);
  EXPECT_TRUE(late.notes[0].starts_with("said from ") && late.notes[0].ends_with("before a line named this sender"));
  EXPECT_TRUE(strangers->all().empty());
  stranger.says("said later\n", lines.port);
  EXPECT_TRUE(lines.until([&] { return late.output == "said early\r\nsaid later\r\n"; }));
  EXPECT_EQ(a.output, "");
}

TEST(NetconsoleLine, two_consoles_cannot_have_one_sender_and_the_second_is_told_of_the_first) {
  Lines lines;
  Recorder a, b, again;
  const auto line_a = lines.line(a, "a", "127.0.0.2"), line_b = lines.line(b, "b", "127.0.0.2");
  ASSERT_TRUE(b.down);
  EXPECT_NE(b.down->find("already the line of console \"a\""), std::string::npos) << *b.down;
  const auto changed = lines.line(again, "a", "127.0.0.2");  // as when its configuration changes
  EXPECT_TRUE(again.up);
  Machine("127.0.0.2").says("x\n", lines.port);
  EXPECT_TRUE(lines.until([&] { return again.output == "x\r\n"; }));
}

TEST(NetconsoleLine, a_place_that_cannot_be_listened_on_is_named) {
  Lines lines;
  const Machine holder("127.0.0.1");
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  getsockname(holder.fd, reinterpret_cast<sockaddr*>(&bound), &length);
  const std::string listen = "127.0.0.1:" + std::to_string(ntohs(bound.sin_port));
  Bench taken({"a", "netconsole", {{"listen", listen}, {"source", "127.0.0.2"}}, {}});
  ASSERT_TRUE(taken.until_down());
  EXPECT_EQ(*taken.events.down, "cannot listen on " + listen + ": Address already in use");
  Bench absent({"a", "netconsole", {{"listen", "nosuch0:6666"}, {"source", "10.0.0.1"}, {"insecure", "true"}}, {}});
  ASSERT_TRUE(absent.until_down());
  EXPECT_EQ(*absent.events.down, "cannot listen on nosuch0:6666: No such device");
}

TEST(NetconsoleLine, an_interface_is_listened_on_in_both_families) {
  Shard shard;
  const unsigned port = free_port();
  Bench bench({"a", "netconsole", {{"listen", "lo:" + std::to_string(port)}, {"source", "127.0.0.5"}}, {}});
  ASSERT_TRUE(bench.until_up()) << *bench.events.down;
  Machine("127.0.0.5").says("by IPv4\n", port);
  EXPECT_TRUE(bench.until([&] { return bench.events.output == "by IPv4\r\n"; }));
  EXPECT_EQ(bench.line->write(as_bytes("x")), 0u);
  EXPECT_NE(bench.line->takes_no_input(), nullptr);
}

TEST(Strangers, are_known_by_the_end_of_what_they_said) {
  Shard shard;
  Strangers strangers(shard);
  strangers.heard({"l", "s"}, as_bytes("6,1,1,-;Debian\n x=y\n"),
                  as_bytes(NetconsoleDecoder::said("6,1,1,-;Debian\n x=y\n")));
  strangers.heard({"l", "s"}, as_bytes("login: "), as_bytes(NetconsoleDecoder::said("login: ")));
  EXPECT_EQ(strangers.all().at({"l", "s"}).said, "Debian\nlogin: ");
  EXPECT_EQ(as_text(strangers.all().at({"l", "s"}).kept.front()), "6,1,1,-;Debian\n x=y\n");
}

TEST(Strangers, are_few_and_so_is_what_is_kept_of_them) {
  Shard shard;
  Strangers strangers(shard);
  const Bytes message(1000);
  for (int i = 0; i < 500; ++i) strangers.heard({"l", "loud"}, message, message);
  const auto& loud = strangers.all().at({"l", "loud"});
  EXPECT_LE(loud.kept_bytes, limits::unknown_sender_bytes_max);
  EXPECT_EQ(loud.said.size(), limits::unknown_sender_said_bytes_max);
  EXPECT_EQ(loud.messages, 500u);
  EXPECT_EQ(loud.dropped + loud.kept.size(), 500u);
  for (std::size_t i = 0; i < 3 * limits::unknown_sender_messages_max; ++i) strangers.heard({"l", "short"}, {}, {});
  EXPECT_EQ(strangers.all().at({"l", "short"}).kept.size(), limits::unknown_sender_messages_max);
  for (std::size_t i = 0; i < 2 * limits::unknown_senders_max; ++i)
    strangers.heard({"l", std::to_string(i)}, message, {});
  EXPECT_EQ(strangers.all().size(), limits::unknown_senders_max);
  EXPECT_TRUE(strangers.adopt({"l", std::to_string(2 * limits::unknown_senders_max - 1)}));
  EXPECT_FALSE(strangers.adopt({"l", "nobody"}));
}

}  // namespace
}  // namespace oob
