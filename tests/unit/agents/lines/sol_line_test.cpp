// Promises of the line kind `sol` that need a socket or a file: the conversation itself is tested in tests/unit/agents/
// ipmi, with whose BMC these talk over loopback.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/unit/agents/ipmi/udp_bmc.h"
#include "tests/unit/agents/lines/recorder.h"

namespace oob {
namespace {

LineConfig line_to(const ipmi::UdpBmc& udp, const std::string& password = "secret") {
  LineConfig out{"web01", "sol", {{"address", "127.0.0.1"}, {"port", udp.port}, {"user", "oob"}}, {}};
  out.secrets["password-file"] = Secret(password);
  return out;
}

bool until(Bench& bench, ipmi::UdpBmc& udp, const std::function<bool()>& happened) {
  return bench.until([&] {
    udp.serve();
    return happened();
  });
}

struct Folder {
  Folder() {
    std::string name = "/tmp/oob-sol-test.XXXXXX";
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    ::unlink(file().c_str());
    ::rmdir(path.c_str());
  }
  std::string file() const { return path + "/bmc-sessions"; }
  void write(const std::string& text) const { std::ofstream(file()) << text; }
  std::string read() const {
    std::ifstream in(file());
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string path;
};

TEST(SolLine, comes_up_types_breaks_and_says_what_it_knows) {
  ipmi::UdpBmc udp;
  Bench bench(line_to(udp));
  ASSERT_TRUE(until(bench, udp, [&] { return bench.events.up.has_value(); })) << bench.events.down.value_or("silence");
  EXPECT_EQ(*bench.events.up, "127.0.0.1:" + udp.port + ", suite 17, administrator");
  EXPECT_EQ(bench.events.fact("suite"), "17");
  EXPECT_FALSE(bench.line->can_wait());
  udp.bmc.to_say = "login: ";
  std::size_t sent = 0;
  ASSERT_TRUE(until(bench, udp, [&] {
    if (sent < 4) sent += bench.line->write(as_bytes("root").subspan(sent));
    return udp.bmc.typed == "root" && bench.events.output == "login: " && bench.events.confirmed == 4;
  }));
  EXPECT_EQ(bench.line->send_break(Duration(0)).value_or(Duration(0)), Duration(300));
  EXPECT_TRUE(until(bench, udp, [&] { return udp.bmc.breaks == 1; }));
}

TEST(SolLine, closes_its_session_when_it_goes) {
  ipmi::UdpBmc udp;
  Bench bench(line_to(udp));
  ASSERT_TRUE(until(bench, udp, [&] { return bench.events.up.has_value(); }));
  bench.line.reset();
  EXPECT_TRUE(until(bench, udp, [&] { return udp.bmc.sessions.empty() && udp.bmc.holder == 0; }));
}

TEST(SolLine, remembers_its_session_and_closes_what_an_earlier_start_left) {
  ipmi::UdpBmc udp;
  const Folder folder;
  const std::uint32_t ghost = udp.bmc.add_session(2);
  udp.bmc.holder = ghost;
  folder.write("127.0.0.1:" + udp.port + "\n" + "00001001 020a0900074d00\nnonsense\n\n");
  ASSERT_EQ(ghost, 0x1001u);
  LineConfig config = line_to(udp);
  config.state_folder = folder.path;
  Bench bench(config);
  ASSERT_TRUE(until(bench, udp, [&] { return bench.events.up || bench.events.down; }));
  ASSERT_TRUE(bench.events.up) << *bench.events.down;
  EXPECT_EQ(udp.bmc.sessions.count(ghost), 0u);
  EXPECT_EQ(folder.read(), "127.0.0.1:" + udp.port + "\n00001002 020a0900074d00\n");
  struct stat status {};
  ASSERT_EQ(::stat(folder.file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST(SolLine, what_is_remembered_of_another_bmc_is_left_alone) {
  ipmi::UdpBmc udp;
  const Folder folder;
  const std::uint32_t other = udp.bmc.add_session(2);
  folder.write("10.9.1.1:623\n00001001\n");
  LineConfig config = line_to(udp);
  config.state_folder = folder.path;
  Bench bench(config);
  ASSERT_TRUE(until(bench, udp, [&] { return bench.events.up.has_value(); }));
  EXPECT_EQ(udp.bmc.sessions.count(other), 1u);
}

TEST(SolLine, a_password_that_no_bmc_takes_is_said_without_asking_it) {
  ipmi::UdpBmc udp;
  Bench bench(line_to(udp, "a password of 21 byte"));
  ASSERT_TRUE(until(bench, udp, [&] { return bench.events.down.has_value(); }));
  EXPECT_EQ(*bench.events.down, "a BMC's password has at most 20 letters");
  EXPECT_EQ(udp.datagrams, 0);
}

}  // namespace
}  // namespace oob
