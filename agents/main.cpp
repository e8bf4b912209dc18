// oob-agent: arguments, signals, start and end. `oob-agent run --foreground --config FILE` serves lines,
// `oob-agent join` enrols this machine at a server. It does not daemonize: systemd or a shell keeps it.
#include <getopt.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "agents/agent.h"
#include "agents/join.h"
#include "common/log.h"
#include "common/runtime/daemon.h"
#include "common/runtime/signals.h"
#include "common/toml/diagnostics.h"
#include "proto/tunnel/messages.h"

namespace {

constexpr const char* kUsage =
    "usage: oob-agent run [--foreground] [--config FILE]   serve lines; FILE defaults to /etc/oob/agent.toml\n"
    "       oob-agent join --server HOST:PORT --state DIR [--token-file FILE]\n"
    "                                                      enrol here; the token of `oob agent enroll NAME` is read\n"
    "                                                      from FILE or standard input\n"
    "       oob-agent --version | --help\n";

int run(const std::string& config_path) {
  oob::Diagnostics diagnostics;
  oob::AgentConfig config = oob::load_agent_config(config_path, diagnostics);
  std::fputs(diagnostics.text().c_str(), stderr);
  if (diagnostics.failed()) return oob::kDaemonUsageStatus;
  oob::parse_quietly();
  oob::Daemon daemon("oob-agent", config.log_level);
  oob::Service& service = daemon.service;
  oob::Shard& shard = daemon.shard;
  oob::Agent agent(shard, std::move(config));
  agent.on_status = [&service](const std::string& status) { service.status(status); };
  if (const auto started = agent.start(); !started) {
    return daemon.refuse(started.error());
  }
  const oob::Signals signals(shard, {SIGTERM, SIGINT}, [&](int signal) {
    service.stopping();
    oob::log_info("agent", "stopping", {{"signal", signal}});
    agent.stop();
    shard.post([&shard] { shard.stop(); });  // behind the ends of the drivers, which were posted
  });
  const oob::Watchdog watchdog(shard, service, [](const auto& done) { done(); });  // the shard is all there is
  oob::log_info("agent", "ready", {{"version", OOB_VERSION}});
  service.ready("not connected yet");
  shard.run();
  return 0;
}

}  // namespace

static int run_program(int argc, char** argv) {
  std::string config_path = "/etc/oob/agent.toml";
  oob::JoinRequestFile join;
  const option options[] = {{"config", required_argument, nullptr, 'c'},
                            {"foreground", no_argument, nullptr, 'f'},
                            {"server", required_argument, nullptr, 's'},
                            {"state", required_argument, nullptr, 'd'},
                            {"token-file", required_argument, nullptr, 't'},
                            {"version", no_argument, nullptr, 'V'},
                            {"help", no_argument, nullptr, 'h'},
                            {nullptr, 0, nullptr, 0}};
  for (int letter = 0; (letter = ::getopt_long(argc, argv, "c:fVh", options, nullptr)) != -1;) {
    switch (letter) {
      case 'c':
        config_path = optarg;
        break;
      case 'f':
        break;  // the only way it runs
      case 's':
        join.server = optarg;
        break;
      case 'd':
        join.state = optarg;
        break;
      case 't':
        join.token_file = optarg;
        break;
      case 'V':
        return std::puts("oob-agent " OOB_VERSION), 0;
      case 'h':
        return std::fputs(kUsage, stdout), 0;
      default:
        return std::fputs(kUsage, stderr), oob::kDaemonUsageStatus;
    }
  }
  const std::string verb = optind < argc ? argv[optind] : "";
  if (verb == "run" && optind + 1 == argc) return run(config_path);
  if (verb == "join" && optind + 1 == argc && !join.server.empty() && !join.state.empty()) return oob::join_main(join);
  std::fputs(kUsage, stderr);
  return oob::kDaemonUsageStatus;
}

int main(int argc, char** argv) {
  return oob::daemon_main("oob-agent", [&] { return run_program(argc, argv); });
}
