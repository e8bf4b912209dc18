// Promises of exec lines, with real programs.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/unit/agents/lines/recorder.h"

namespace oob {
namespace {

LineConfig program(std::vector<std::string> argv, std::map<std::string, std::string> settings = {}) {
  return {"web01", "exec", std::move(settings), std::move(argv)};
}
LineConfig shell(const std::string& script, std::map<std::string, std::string> settings = {}) {
  return program({"/bin/sh", "-c", script}, std::move(settings));
}
bool exists(int pid) { return kill(pid, 0) == 0; }

TEST(ExecLine, what_is_typed_reaches_the_program_and_its_answer_comes_back) {
  Bench bench(program({"/bin/cat"}));
  ASSERT_TRUE(bench.until_up()) << *bench.events.down;
  EXPECT_TRUE(bench.events.up->starts_with("/bin/cat as ")) << *bench.events.up;
  EXPECT_EQ(bench.line->write(as_bytes("hello\r")), 6u);
  EXPECT_TRUE(bench.until([&] { return bench.events.output == "hello\r\nhello\r\n"; })) << bench.events.output;
  EXPECT_EQ(bench.line->write(as_bytes("\x04")), 1u);
  ASSERT_TRUE(bench.until_down());
  EXPECT_EQ(*bench.events.down, "program ended: exit status 0");
}

TEST(ExecLine, all_that_a_program_printed_is_reported_before_its_end) {
  Bench bench(program({"/usr/bin/seq", "100000"}));
  ASSERT_TRUE(bench.until_down());
  std::string expected;
  for (int i = 1; i <= 100000; ++i) expected += std::to_string(i) + "\r\n";
  EXPECT_TRUE(bench.events.output == expected) << bench.events.output.size() << " of " << expected.size() << " bytes";
  EXPECT_EQ(*bench.events.down, "program ended: exit status 0");
}

TEST(ExecLine, output_of_a_program_that_ended_while_nobody_read_is_kept) {
  Bench bench(shell("seq 1000; exit 3"));
  bench.line->set_reading(false);
  ASSERT_TRUE(bench.until([&] { return bench.events.pid != 0; }));
  siginfo_t ended{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(bench.events.pid), &ended, WEXITED | WNOWAIT), 0);
  pump_ready(bench.shard);
  EXPECT_EQ(bench.events.output, "");
  EXPECT_FALSE(bench.events.down);
  bench.line->set_reading(true);
  ASSERT_TRUE(bench.until_down());
  EXPECT_TRUE(bench.events.output.ends_with("\r\n1000\r\n"));
  EXPECT_EQ(*bench.events.down, "program ended: exit status 3");
}

TEST(ExecLine, the_end_is_told_at_once_even_if_jobs_live_on) {
  for (int i = 0; i < 20; ++i) {  // whether the kernel takes the terminal from the job depends on who is faster
    Bench bench(shell("(trap '' HUP; exec sleep 600) & seq 500; echo $!; exit 0"));
    ASSERT_TRUE(bench.until_down());
    EXPECT_EQ(*bench.events.down, "program ended: exit status 0");
    const auto job = bench.events.output.find("\n500\r\n");
    ASSERT_NE(job, std::string::npos);
    kill(std::stoi(bench.events.output.substr(job + 6)), SIGKILL);
  }
}

TEST(ExecLine, a_job_that_floods_on_does_not_hold_the_end_up) {
  Bench bench(shell("trap '' HUP; yes & echo; exit 0"));
  ASSERT_TRUE(bench.until_down());
  EXPECT_EQ(*bench.events.down, "program ended: exit status 0");
}

TEST(ExecLine, a_signal_that_killed_it_is_named) {
  Bench bench(shell("kill -9 $$"));
  ASSERT_TRUE(bench.until_down());
  EXPECT_EQ(*bench.events.down, "program ended: killed by signal 9 (Killed)");
}

TEST(ExecLine, a_program_that_cannot_run_is_told_in_words) {
  Bench missing(program({"/nonexistent/program"}));
  ASSERT_TRUE(missing.until_down());
  EXPECT_EQ(*missing.events.down, "cannot run /nonexistent/program: No such file or directory");
  EXPECT_FALSE(missing.events.up);
  Bench folder(program({"/tmp"}));
  ASSERT_TRUE(folder.until_down());
  EXPECT_EQ(*folder.events.down, "cannot run /tmp: Permission denied");
  Bench user(program({"/bin/cat"}, {{"user", "nosuchuser"}}));
  ASSERT_TRUE(user.until_down());
  EXPECT_EQ(*user.events.down, "there is no user \"nosuchuser\" on this machine");
}

TEST(ExecLine, it_runs_as_its_user_with_a_clean_environment_and_no_descriptor_of_ours) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to change the user";
  setenv("OOB_SECRET", "x", 1);
  const int leaked = ::open("/dev/null", O_RDONLY);  // not close-on-exec, as a careless library may have it
  const std::string script = "id -un; id -Gn; env | sort; stty size; tty; ls -1 /proc/self/fd; pwd; echo hi > /dev/tty";
  Bench bench(shell(script, {{"user", "nobody"}, {"rows", "50"}, {"columns", "132"}, {"term", "xterm"}}));
  ASSERT_TRUE(bench.until_down());
  const std::string& output = bench.events.output;
  EXPECT_TRUE(output.starts_with("nobody\r\nnogroup\r\n")) << output;
  EXPECT_NE(output.find("\r\n50 132\r\n"), std::string::npos) << output;
  EXPECT_NE(output.find("\r\nTERM=xterm\r\n"), std::string::npos) << output;
  EXPECT_NE(output.find("/dev/pts/"), std::string::npos) << output;
  EXPECT_EQ(output.find("OOB_SECRET"), std::string::npos) << output;
  EXPECT_NE(output.find("\r\n0\r\n1\r\n2\r\n3\r\n/\r\nhi\r\n"), std::string::npos) << output;  // 3 is what ls opened
  ::close(leaked);
  unsetenv("OOB_SECRET");
}

TEST(ExecLine, signals_we_block_or_ignore_are_as_usual_for_the_program) {
  signal(SIGPIPE, SIG_IGN);
  Bench bench(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"));
  ASSERT_TRUE(bench.until_down());
  EXPECT_EQ(bench.events.output, "SigBlk:\t0000000000000000\r\nSigIgn:\t0000000000000000\r\n");
  signal(SIGPIPE, SIG_DFL);
}

TEST(ExecLine, destroying_the_line_hangs_the_program_up) {
  Bench bench(shell("trap 'echo hung up > $0; exit' HUP; echo ready; while :; do sleep 600 & wait; done"));
  ASSERT_TRUE(bench.until([&] { return bench.events.output == "ready\r\n"; }));
  const int pid = bench.events.pid;
  bench.line.reset();
  EXPECT_TRUE(bench.until([&] { return !exists(pid); }));  // reaped as well, or it would still exist as a zombie
  EXPECT_FALSE(bench.events.down) << "a destroyed line reports nothing";
}

TEST(ExecLine, a_program_that_ignores_the_hang_up_is_killed_also_when_the_shard_goes_first) {
  int pid = 0;
  {
    Bench bench(shell("trap '' HUP; echo ready; while :; do sleep 1; done"));
    ASSERT_TRUE(bench.until([&] { return bench.events.output == "ready\r\n"; }));
    pid = bench.events.pid;
    bench.line.reset();
    pump_ready(bench.shard);
    EXPECT_TRUE(exists(pid));
  }
  EXPECT_FALSE(exists(pid));
}

TEST(ExecLine, a_full_terminal_takes_part_and_says_when_it_takes_more) {
  Bench bench(shell("stty raw -echo; echo go; sleep 0.3; exec cat > /dev/null"));
  ASSERT_TRUE(bench.until([&] { return bench.events.output.find("go") != std::string::npos; }));
  const std::string much(1 << 20, 'x');
  std::size_t taken = bench.line->write(as_bytes(much));
  EXPECT_LT(taken, much.size());
  while (taken < much.size()) {
    const int before = bench.events.writable;
    ASSERT_TRUE(bench.until([&] { return bench.events.writable > before; }));
    taken += bench.line->write(as_bytes(much).subspan(taken));
  }
}

TEST(ExecLine, a_line_may_be_destroyed_by_what_it_reports) {
  Bench at_down(program({"/bin/true"}));
  at_down.events.on_down = [&] { at_down.line.reset(); };
  EXPECT_TRUE(at_down.until_down());
  Bench at_output(program({"/usr/bin/seq", "100000"}));
  at_output.events.on_output = [&] { at_output.line.reset(); };
  EXPECT_TRUE(at_output.until([&] { return !at_output.line; }));
}

}  // namespace
}  // namespace oob
