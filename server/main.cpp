// oobd: arguments, signals, start and end. `oobd --foreground --config FILE` runs the server, `oobd check DIR` checks
// an inventory without one. It does not daemonize: systemd or a shell keeps it.
#include <getopt.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "common/log.h"
#include "common/runtime/daemon.h"
#include "common/runtime/signals.h"
#include "common/text.h"
#include "common/toml/diagnostics.h"
#include "proto/tunnel/messages.h"
#include "server/config/server_config.h"
#include "server/front/front_certificate.h"
#include "server/front/router.h"
#include "server/inventory/loader.h"
#include "server/server.h"

namespace {

constexpr const char* kUsage =
    "usage: oobd [--foreground] [--config FILE]   run the server; FILE defaults to /etc/oob/oobd.toml\n"
    "       oobd check DIR                        check an inventory folder; exit status 2 if it has errors\n"
    "       oobd fingerprint [--config FILE]      of the certificate clients see, to compare when they log in\n"
    "       oobd --list-routes | --version | --help\n"
    "signals: HUP reads inventory and certificate again, USR1 retries lines that are down, USR2 reopens the logs\n";

int check(const std::string& folder) {
  oob::Diagnostics diagnostics;
  const auto files = oob::read_inventory_folder(folder, diagnostics);
  std::vector<oob::SecretPlace> secrets;
  const auto inventory =
      files ? oob::load_inventory(*files, folder, oob::line_kinds(), diagnostics, &secrets) : nullptr;
  oob::check_secret_files(secrets, folder, diagnostics);
  std::fputs(diagnostics.text().c_str(), stderr);
  if (!inventory || diagnostics.failed()) return oob::kDaemonUsageStatus;
  if (files->empty())
    std::fprintf(stderr, "%s: warning: no *.toml file is here\n", oob::escape_controls(folder).c_str());
  std::printf("%s: %s, %s on %s\n", oob::escape_controls(folder).c_str(),
              oob::count_of(inventory->nodes.size(), "node", "nodes").c_str(),
              oob::count_of(inventory->consoles.size(), "console", "consoles").c_str(),
              oob::count_of(inventory->agents.size(), "agent", "agents").c_str());
  return 0;
}

int fingerprint(const std::string& config_path) {
  oob::Diagnostics diagnostics;
  const oob::ServerConfig config = oob::load_server_config(config_path, diagnostics);
  std::fputs(diagnostics.text().c_str(), stderr);
  if (diagnostics.failed()) return oob::kDaemonUsageStatus;
  const auto found = oob::front_fingerprint({config.state + "/tls", {}, config.api_certificate, config.api_key});
  if (!found) return std::fprintf(stderr, "oobd: %s\n", found.error().message.c_str()), 1;
  return std::printf("sha256:%s\n", found->c_str()), 0;
}

int run(const std::string& config_path) {
  oob::Diagnostics diagnostics;
  const oob::ServerConfig config = oob::load_server_config(config_path, diagnostics);
  std::fputs(diagnostics.text().c_str(), stderr);
  if (diagnostics.failed()) return oob::kDaemonUsageStatus;
  oob::parse_quietly();
  oob::Daemon daemon("oobd", config.log_level);
  oob::Service& service = daemon.service;
  oob::Shard& shard = daemon.shard;
  oob::Server server(shard, config);
  if (const auto started = server.start(); !started) {
    return daemon.refuse(started.error());
  }
  const oob::Signals signals(shard, {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}, [&](int signal) {
    switch (signal) {
      case SIGHUP:
        service.reloading();
        return server.reload([&] { service.ready(server.status()); });
      case SIGUSR1:
        return server.retry_lines();
      case SIGUSR2:
        return server.reopen_logs();
      default:
        break;
    }
    service.stopping();
    oob::log_info("server", "stopping", {{"signal", signal}});
    server.stop([&shard] { shard.stop(); });
  });
  const oob::Watchdog watchdog(shard, service, [&](auto done) { server.come_round(std::move(done)); });
  oob::log_info("server", "ready", {{"version", OOB_VERSION}, {"socket", config.socket}});
  service.ready(server.status());
  shard.run();
  oob::log_info("server", "stopped");
  return 0;
}

}  // namespace

static int run_program(int argc, char** argv) {
  std::string config_path = "/etc/oob/oobd.toml";
  const option options[] = {{"config", required_argument, nullptr, 'c'}, {"foreground", no_argument, nullptr, 'f'},
                            {"list-routes", no_argument, nullptr, 'l'},  {"version", no_argument, nullptr, 'V'},
                            {"help", no_argument, nullptr, 'h'},         {nullptr, 0, nullptr, 0}};
  for (int letter = 0; (letter = ::getopt_long(argc, argv, "c:fVh", options, nullptr)) != -1;) {
    switch (letter) {
      case 'c':
        config_path = optarg;
        break;
      case 'f':
        break;  // the only way it runs
      case 'l':
        return std::fputs(oob::route_list().c_str(), stdout), 0;
      case 'V':
        return std::puts("oobd " OOB_VERSION), 0;
      case 'h':
        return std::fputs(kUsage, stdout), 0;
      default:
        return std::fputs(kUsage, stderr), oob::kDaemonUsageStatus;
    }
  }
  if (optind == argc) return run(config_path);
  if (std::string(argv[optind]) == "check" && optind + 2 == argc) return check(argv[optind + 1]);
  if (std::string(argv[optind]) == "fingerprint" && optind + 1 == argc) return fingerprint(config_path);
  std::fputs(kUsage, stderr);
  return oob::kDaemonUsageStatus;
}

int main(int argc, char** argv) {
  return oob::daemon_main("oobd", [&] { return run_program(argc, argv); });
}
