// Promises of a job on BMCs: each node's outcome is told once, as certainly as it is known, to who asked and on its
// consoles; and no two acts on one node at a time.
#include "server/bmc/bmc_jobs.h"

#include "common/limits.h"
#include "tests/unit/common/runtime/pump.h"

namespace oob {
namespace {

class BmcJobsTest : public testing::Test {
 protected:
  NodeEntry node(const std::string& name) {
    return {name, {name}, {}, BmcEntry{"rack1", {name, "sol", {{"address", "10.9.1.1"}}, {}}}};
  }
  std::string begin(const std::vector<const NodeEntry*>& nodes, const std::string& act,
                    Duration patience = std::chrono::seconds(10)) {
    const auto job = jobs.start(nodes, {act, patience, {}}, alice);
    EXPECT_TRUE(job);
    return job.value_or("");
  }
  BmcJobView view(const std::string& job, std::size_t seen = 0, Duration wait = std::chrono::seconds(8)) {
    std::optional<Result<BmcJobView>> got;
    jobs.view(job, alice, seen, wait, [&](Result<BmcJobView> view) { got = std::move(view); });
    EXPECT_TRUE(pump_until(shard, [&] { return got.has_value(); }));
    return got && *got ? **got : BmcJobView{};
  }
  static wire::BmcOutcome outcome(wire::BmcOutcome::Kind kind, const std::string& power) {
    wire::BmcOutcome out;
    out.set_kind(kind), out.set_power(power);
    return out;
  }

  Shard shard;
  Identity alice{"alice", 1000, {"oob"}, "local"}, bob{"bob", 1001, {"oob"}, "local"};
  struct Asked {
    std::string agent, node, act, password;
    BmcAnswers answers;
  };
  std::vector<Asked> asked;
  std::vector<std::string> announced;
  Result<> agent_there = {};
  BmcJobs jobs{
      shard,
      {[](const LineConfig&, auto done) {
         done(BmcJobs::Secrets{{"password-file", Secret(std::string("hush"))}});
       },
       [this](const std::string& agent, wire::BmcRequest& request, BmcAnswers answers) -> Result<> {
         if (!agent_there) return agent_there;
         asked.push_back(
             {agent, request.node(), request.act(), request.secrets().at("password-file"), std::move(answers)});
         return {};
       },
       [this](const std::string& console, const std::string& text) { announced.push_back(console + ": " + text); }}};
  NodeEntry a = node("a"), b = node("b");
};

TEST_F(BmcJobsTest, rows_come_as_they_end_and_the_consoles_are_told) {
  const std::string job = begin({&a, &b}, "off");
  ASSERT_TRUE(pump_until(shard, [&] { return asked.size() == 2; }));
  EXPECT_EQ(asked[0].agent + " " + asked[0].node + " " + asked[0].act + " " + asked[0].password, "rack1 a off hush");
  asked[1].answers.over(outcome(wire::BmcOutcome::DONE, "off"));
  const BmcJobView first = view(job);
  ASSERT_EQ(first.rows.size(), 1u);
  EXPECT_EQ(first.rows[0].node + " " + first.rows[0].result + " " + first.rows[0].power, "b done off");
  asked[0].answers.over(outcome(wire::BmcOutcome::UNKNOWN, ""));
  const BmcJobView second = view(job, 1);
  ASSERT_EQ(second.rows.size(), 1u);
  EXPECT_EQ(second.rows[0].result + " " + second.rows[0].power, "unknown unknown");
  EXPECT_EQ(second.ended, second.nodes);
  EXPECT_EQ(announced, (std::vector<std::string>{"a: alice asked for power off", "b: alice asked for power off",
                                                 "b: power off by alice: done; the power is off",
                                                 "a: power off by alice: nobody knows whether it was done"}));
}

TEST_F(BmcJobsTest, an_agent_that_is_lost_leaves_an_act_unknown_and_a_question_failed) {
  const std::string act = begin({&a}, "cycle"), question = begin({&b}, "status");
  ASSERT_TRUE(pump_until(shard, [&] { return asked.size() == 2; }));
  for (auto& one : asked) one.answers.over(fail(ErrorCode::Unavailable, "the agent was lost"));
  EXPECT_EQ(view(act).rows.at(0).result, "unknown");
  EXPECT_EQ(view(question).rows.at(0).result, "failed");
  EXPECT_EQ(view(question).rows.at(0).power, "unknown");
  EXPECT_EQ(announced.size(), 2u) << "a question is nobody's concern";
  agent_there = fail(ErrorCode::Unavailable, "agent rack1 is not connected");
  EXPECT_EQ(view(begin({&a}, "cycle")).rows.at(0).result, "failed") << "nothing was asked of it";
}

TEST_F(BmcJobsTest, an_agent_that_does_not_answer_is_not_waited_for_without_end) {
  const std::string job = begin({&a}, "off", Duration(1) - Duration(limits::bmc_answer_slack));
  EXPECT_EQ(view(job).rows.at(0).result, "unknown");
  asked.at(0).answers.over(outcome(wire::BmcOutcome::DONE, "off"));
  EXPECT_EQ(view(job).rows.at(0).result, "unknown") << "what comes too late changes nothing";
}

TEST_F(BmcJobsTest, a_node_has_one_act_at_a_time_and_any_number_of_questions) {
  begin({&a}, "off");
  const std::string second = begin({&a}, "on"), question = begin({&a}, "status");
  ASSERT_TRUE(pump_until(shard, [&] { return asked.size() == 2; }));
  EXPECT_EQ(view(second).rows.at(0).result, "failed");
  EXPECT_NE(view(second).rows.at(0).text.find("alice: off"), std::string::npos);
  asked[0].answers.over(outcome(wire::BmcOutcome::DONE, "off"));
  begin({&a}, "on");
  EXPECT_TRUE(pump_until(shard, [&] { return asked.size() == 3; }));
}

TEST_F(BmcJobsTest, a_job_is_shown_to_who_asked_for_it_only) {
  const std::string job = begin({&a}, "status");
  std::optional<Result<BmcJobView>> got;
  jobs.view(job, bob, 0, Duration(0), [&](Result<BmcJobView> view) { got = std::move(view); });
  ASSERT_TRUE(got);
  EXPECT_FALSE(*got);
}

TEST_F(BmcJobsTest, who_waits_is_answered_when_the_patience_is_over) {
  const std::string job = begin({&a}, "status");
  EXPECT_EQ(view(job, 0, Duration(20)).rows.size(), 0u);
}

}  // namespace
}  // namespace oob
