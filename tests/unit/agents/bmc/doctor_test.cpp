// Promises of the doctor: each thing that keeps serial over LAN from working is found, with the change that mends it,
// and nothing is changed that nobody asked for.
#include "agents/bmc/doctor.h"

#include "tests/unit/agents/bmc/scripted_bmc.h"

namespace oob {
namespace {

using Verdict = BmcFinding::Verdict;

class DoctorTest : public testing::Test {
 protected:
  DoctorTest() {
    bmc.answer = [this](const ipmi::Request& request) -> std::optional<ipmi::Answer> {
      const auto key = std::pair<unsigned, unsigned>(request.netfn, request.command);
      if (key == std::pair(0x0cu, 0x22u)) return sol(std::to_integer<unsigned>(request.data.at(1)));
      const auto known = answers.find(key);
      return known == answers.end() ? refusal_of(0xc1) : known->second;
    };
  }
  ipmi::Answer sol(unsigned parameter) {
    const auto value = parameters.find(parameter);
    return value == parameters.end() ? refusal_of(0x80) : answer_of({0x11, value->second & 0xff, value->second >> 8});
  }
  std::map<std::string, BmcFinding> examine(Doctor::Order order = {}) {
    std::map<std::string, BmcFinding> found;
    std::optional<Result<>> over;
    Doctor doctor(shard, bmc.maker(), std::move(order),
                  {[&](const BmcFinding& finding) { found.insert_or_assign(finding.topic, finding); },
                   [&](const Result<>& result) { over = result; }});
    doctor.start();
    EXPECT_TRUE(pump_until(shard, [&] { return over.has_value(); }));
    sound = over && *over;
    why = over && !*over ? over->error().message : "";
    return found;
  }
  bool changed() const { return bmc.times(0x06, 0x4c) + bmc.times(0x0c, 0x21) > 0; }

  Shard shard;
  ScriptedBmc bmc{shard};
  bool sound = false;
  std::string why;
  std::map<std::pair<unsigned, unsigned>, ipmi::Answer> answers{
      {{0x06, 0x38}, answer_of({1, 0x80, 0x04, 0x02, 0, 0, 0, 0})},
      {{0x06, 0x54}, answer_of({1, 0xc0, 3, 0x01, 0x41, 0x81, 0xc0, 17, 0x03, 0x44, 0x81})},
      {{0x06, 0x01}, answer_of({0x20, 1, 0x02, 0x35, 0x02, 0xbf, 0x7c, 0x2a, 0x00, 0x01, 0x00})},
      {{0x00, 0x01}, answer_of({1, 0, 0})},
      {{0x06, 0x3d}, answer_of({7, 5, 2, 2, 4, 0x11})},
      {{0x06, 0x44}, answer_of({15, 2, 1, 0x34})},
      {{0x06, 0x4d}, answer_of({0x02, 0, 0, 0})},
      {{0x06, 0x4a}, answer_of({1, 0, 0})}};
  std::map<unsigned, unsigned> parameters{{1, 1}, {2, 0x82}, {5, 10}, {6, 10}, {7, 1}, {8, 623}};
};

TEST_F(DoctorTest, a_sound_bmc_has_no_faults_and_is_not_changed) {
  const auto found = examine();
  EXPECT_TRUE(sound);
  for (const auto& [topic, finding] : found) {
    EXPECT_EQ(finding.verdict, Verdict::Fine) << topic << ": " << finding.value << finding.meaning;
  }
  EXPECT_EQ(found.at("answer").value, "yes, IPMI 2.0");
  EXPECT_EQ(found.at("suites").value, "3, 17");
  EXPECT_EQ(found.at("device").value, "firmware 2.35, maker 10876, product 0x0001, IPMI 2.0");
  EXPECT_EQ(found.at("user").value, "number 2 on channel 1, at most administrator, now administrator");
  EXPECT_EQ(found.at("sol-rate").value, "115200");
  EXPECT_EQ(found.at("sol-held").value, "by nobody");
  EXPECT_FALSE(changed());
}

TEST_F(DoctorTest, each_fault_is_found_with_what_mends_it) {
  answers[{0x06, 0x4d}] = answer_of({0, 0, 0, 0});
  answers[{0x06, 0x54}] = answer_of({1, 0xc0, 0, 0, 0x40, 0x80, 0xc0, 3, 0x01, 0x41, 0x81});
  answers[{0x06, 0x38}] = answer_of({1, 0x80, 0x21, 0x02, 0, 0, 0, 0});
  parameters = {{1, 0}, {2, 0x85}, {5, 6}, {6, 10}, {7, 2}, {8, 6230}};
  const auto found = examine();
  EXPECT_EQ(found.at("sol").verdict, Verdict::Fault);
  EXPECT_EQ(found.at("sol").mend, "sol-enable");
  EXPECT_EQ(found.at("sol-right").mend, "sol-right");
  EXPECT_EQ(found.at("sol-privilege").verdict, Verdict::Fault);
  EXPECT_EQ(found.at("suites").verdict, Verdict::Fault);
  EXPECT_EQ(found.at("anonymous").verdict, Verdict::Fault);
  EXPECT_EQ(found.at("key").verdict, Verdict::Note);
  EXPECT_EQ(found.at("sol-rate").value, "115200 now, 9600 kept");
  EXPECT_EQ(found.at("sol-port").value, "6230");
  EXPECT_EQ(found.at("sol-channel").value, "2");
  EXPECT_FALSE(changed());
}

TEST_F(DoctorTest, a_bmc_that_does_not_answer_or_refuses_the_login_is_where_it_ends) {
  bmc.login = fail(ErrorCode::Denied, "wrong password");
  auto found = examine();
  EXPECT_FALSE(sound);
  EXPECT_EQ(found.at("login").meaning, "wrong password");
  EXPECT_FALSE(found.contains("device"));
  bmc.answer = [](const ipmi::Request&) { return std::nullopt; };
  found = examine();
  EXPECT_EQ(found.at("answer").verdict, Verdict::Fault);
  EXPECT_NE(found.at("answer").proposal.find("UDP port 623"), std::string::npos);
  EXPECT_FALSE(found.contains("login"));
}

TEST_F(DoctorTest, one_that_knows_nothing_is_examined_to_the_end) {
  answers.clear(), parameters.clear();
  const auto found = examine();
  EXPECT_TRUE(sound);
  EXPECT_EQ(found.at("sol").value, "not told");
  EXPECT_TRUE(found.contains("sol-held"));
}

TEST_F(DoctorTest, who_holds_the_serial_line_is_named_with_the_address) {
  answers[{0x06, 0x4a}] = answer_of({1, 1, 0});
  answers[{0x06, 0x4b}] = answer_of({0x44, 0x33, 0x22, 0x11, 0, 0, 0, 0});
  int asked = 0;
  const auto usual = bmc.answer;
  bmc.answer = [&, usual](const ipmi::Request& request) -> std::optional<ipmi::Answer> {
    if (request.netfn == 6 && request.command == 0x3d && request.data.size() == 5) {
      ++asked;
      EXPECT_EQ(request.data, request_bytes({0xff, 0x44, 0x33, 0x22, 0x11}));
      return answer_of({9, 5, 3, 3, 4, 0x11, 10, 9, 0, 3});
    }
    return usual(request);
  };
  EXPECT_EQ(examine().at("sol-held").value, "by user number 3 from 10.9.0.3");
  EXPECT_EQ(asked, 1);
}

TEST_F(DoctorTest, changes_are_made_as_told_before_it_looks) {
  std::vector<Bytes> written;
  const auto usual = bmc.answer;
  bmc.answer = [&, usual](const ipmi::Request& request) -> std::optional<ipmi::Answer> {
    if ((request.netfn == 0x0c && request.command == 0x21) || (request.netfn == 6 && request.command == 0x4c)) {
      written.push_back(request.data);
      return answer_of({});
    }
    return usual(request);
  };
  examine({.mends = {"sol-enable", "sol-right", "rate=115200", "nonsense"}});
  const std::vector<Bytes> wanted{request_bytes({0x0e, 0, 1}),  request_bytes({0x0e, 1, 1}),
                                  request_bytes({0x0e, 0, 0}),  request_bytes({1, 2, 2, 0, 0, 0}),
                                  request_bytes({0x0e, 0, 1}),  request_bytes({0x0e, 5, 10}),
                                  request_bytes({0x0e, 0, 0}),  request_bytes({0x0e, 0, 1}),
                                  request_bytes({0x0e, 6, 10}), request_bytes({0x0e, 0, 0})};
  EXPECT_EQ(written, wanted);
}

TEST_F(DoctorTest, no_users_right_is_changed_unless_the_bmc_says_which_one_we_are) {
  answers.erase({0x06, 0x3d});
  const auto found = examine({.mends = {"sol-right"}});
  EXPECT_FALSE(changed());
  EXPECT_EQ(found.at("change").verdict, Verdict::Fault);
}

TEST_F(DoctorTest, of_a_name_that_nobody_knows_nothing_is_proposed_about_ports) {
  bmc.answer = [](const ipmi::Request&) { return std::nullopt; };
  EXPECT_NE(examine().at("answer").proposal.find("UDP port"), std::string::npos);
  bmc.silence = ErrorCode::NotFound;
  const std::string proposal = examine().at("answer").proposal;
  EXPECT_EQ(proposal.find("UDP"), std::string::npos) << proposal;
  EXPECT_NE(proposal.find("look it up"), std::string::npos) << proposal;
}

TEST_F(DoctorTest, a_slow_bmc_is_left_in_time_with_what_was_found_and_no_change_is_begun_any_more) {
  const Duration patience(200);
  bmc.holds = [](const ipmi::Request& request) { return request.netfn == ipmi::kChassis; };
  auto found = examine({.patience = patience});
  EXPECT_FALSE(sound);
  EXPECT_TRUE(why.starts_with("the BMC is too slow: ")) << why;
  EXPECT_EQ(found.at("login").verdict, Verdict::Fine);
  EXPECT_FALSE(found.contains("power"));

  bmc.holds = [](const ipmi::Request& request) {  // the first change's own step
    return request.netfn == ipmi::kTransport && request.command == 0x21 && request.data.at(1) == std::byte{1};
  };
  found = examine({.mends = {"sol-enable", "sol-right"}, .patience = patience});
  EXPECT_EQ(found.at("change").verdict, Verdict::Fault);
  EXPECT_EQ(found.at("change").value, "not known: serial over LAN is switched on");
  EXPECT_EQ(bmc.times(ipmi::kApp, 0x4c), 0u);
}

}  // namespace
}  // namespace oob
