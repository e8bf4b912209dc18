// Line kind `sol`: a machine's serial console through its BMC, by IPMI 2.0 serial over LAN, encrypted. The conversation
// is agents/ipmi/sol_link.h; here are its keys, its socket, and the file that remembers a session over kill -9.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <fstream>
#include <random>

#include "agents/ipmi/sol_link.h"
#include "agents/lines/kinds.h"
#include "agents/lines/settings.h"
#include "common/crypto/digest.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/nearest.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr LineKey kKeys[] = {
    {"address", LineKey::Type::Text, true, "the BMC's address or host name, without a port"},
    {"port", LineKey::Type::Integer, false, "its UDP port; default 623", 1, 65535},
    {"user", LineKey::Type::Text, false, "the BMC's user; default: the one without a name"},
    {"password-file", LineKey::Type::SecretFile, true, "file that holds the user's password"},
    {"kg-file", LineKey::Type::SecretFile, false, "file that holds the BMC's key K_g, if it has one"},
    {"suite", LineKey::Type::Text, false, "cipher suites, in the order tried; default \"17,3\""},
    {"privilege", LineKey::Type::Text, false, "user, operator or administrator; default: the most that is granted"},
    {"busy", LineKey::Type::Text, false, "if another session has it: wait (default), ask or steal"},
    {"instance", LineKey::Type::Integer, false, "number of the BMC's serial line; default 1", 1, 15},
    {"quirks", LineKey::Type::TextList, false, "what this BMC does otherwise than the standard, by name"},
};
constexpr std::string_view kUnshared[] = {"address", "port", "instance"};
constexpr Duration kBreakTime{300};  // nominal, IPMI 2.0 table 15-2: the BMC makes the break

Result<ipmi::Busy> parse_busy(const std::string& text) {
  if (text == "wait") return ipmi::Busy::Wait;
  if (text == "ask") return ipmi::Busy::Ask;
  if (text == "steal") return ipmi::Busy::Steal;
  return fail(ErrorCode::Usage, "no way " + in_quotes(text) + "; there are wait, ask, steal" +
                                    did_you_mean(nearest_of(text, {"wait", "ask", "steal"})));
}

std::string address_of(const LineConfig& config) {
  return ipmi::bmc_address(text_setting(config, "address", ""), text_setting(config, "port", ipmi::kIpmiPort));
}

// All but the secrets; `key` is the one that an error is about.
Result<ipmi::SolSettings> settings_of(const LineConfig& config, std::string& key) {
  ipmi::SolSettings out;
  key = "address";
  if (const auto good = ipmi::check_bmc_host(text_setting(config, key, "")); !good) return tl::unexpected(good.error());
  out.address = address_of(config);
  if (const auto good = parse_host_port(out.address); !good) return tl::unexpected(good.error());
  key = "suite";
  const auto protections = ipmi::parse_protections(text_setting(config, key, "17,3"));
  if (!protections) return tl::unexpected(protections.error());
  if (std::any_of(protections->begin(), protections->end(), ipmi::is_lan15))
    return fail(ErrorCode::Usage, "IPMI 1.5 carries no serial over LAN, and does not encrypt; use 17 or 3");
  out.login.protections = *protections;
  key = "privilege";
  if (const std::string text = text_setting(config, key, ""); !text.empty()) {
    const auto privilege = ipmi::parse_privilege(text);
    if (!privilege) return tl::unexpected(privilege.error());
    out.login.privilege = *privilege;
    out.login.or_less = false;
  }
  key = "busy";
  const auto busy = parse_busy(text_setting(config, key, "wait"));
  if (!busy) return tl::unexpected(busy.error());
  out.busy = *busy;
  key = "quirks";
  const auto quirks = ipmi::parse_quirks(config.argv);
  if (!quirks) return tl::unexpected(quirks.error());
  out.login.quirks = *quirks;
  key = "user";
  out.login.user = text_setting(config, key, "");
  if (const auto good = ipmi::check_login(out.login); !good) return tl::unexpected(good.error());
  key = "instance";
  out.instance = static_cast<std::uint8_t>(integer_setting(config, key_of(kKeys, key), 1));
  return out;
}

Result<> check(const LineConfig& config, std::string& key) {
  const auto settings = settings_of(config, key);
  if (!settings) return tl::unexpected(settings.error());
  return {};
}

// The sessions that a start of ours has opened and no later one has closed yet: the BMC's address, then for each
// a line with its number and what the BMC told of it. Without fsync(2): it has to outlive us, not the machine (after a
// reboot the BMC has long forgotten us).
class SessionsOnDisk {
 public:
  SessionsOnDisk(const std::string& folder, std::string address)
      : path_(folder.empty() ? "" : folder + "/bmc-sessions"), address_(std::move(address)) {
    if (path_.empty()) return;
    std::ifstream file(path_);
    std::string line;
    if (!std::getline(file, line) || line != address_) return;
    while (sessions_.size() < limits::sol_sessions_kept && std::getline(file, line)) {
      ipmi::OpenedSession one;
      const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), one.id, 16);
      const std::size_t number = static_cast<std::size_t>(stop - line.data());
      if (error != std::errc() || (number < line.size() && line[number] != ' ')) continue;
      if (number < line.size()) one.told = line.substr(number + 1);
      sessions_.push_back(std::move(one));
    }
  }

  const std::vector<ipmi::OpenedSession>& all() const { return sessions_; }

  void add(const ipmi::OpenedSession& session) {
    std::erase_if(sessions_, [&](const auto& one) { return one.id == session.id; });
    if (sessions_.size() >= limits::sol_sessions_kept) sessions_.erase(sessions_.begin());
    sessions_.push_back(session);
    write();
  }
  void keep_only_last() {
    if (sessions_.size() > 1) sessions_.erase(sessions_.begin(), sessions_.end() - 1);
    write();
  }

 private:
  void write() const {
    if (path_.empty()) return;
    std::string text = address_ + "\n";
    for (const auto& [id, told] : sessions_) {
      Bytes bytes;
      for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::byte>(id >> shift));
      text += hex(bytes) + (told.empty() ? "" : " " + told) + "\n";
    }
    const std::string fresh = path_ + ".new";
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (fd >= 0) ::close(fd);
    if (written && ::rename(fresh.c_str(), path_.c_str()) == 0) return;
    log_limited(LogLevel::Warning, "line", path_,
                "cannot remember the BMC's session; after a crash it may be busy for a minute", {{"file", path_}});
  }

  std::string path_, address_;
  std::vector<ipmi::OpenedSession> sessions_;
};

class SolLine final : public Line, private ipmi::SolLinkEvents {
 public:
  SolLine(Shard& shard, LineEvents& events, ipmi::SolSettings settings, const std::string& state_folder)
      : events_(events),
        address_(settings.address),
        good_(ipmi::check_login(settings.login)),
        sessions_(state_folder, settings.address),
        link_(with(std::move(settings), sessions_.all()), shard.clock(), *this, std::random_device{}()),
        udp_(shard, link_) {}
  ~SolLine() override { link_.close(); }

  void start() override {
    udp_.open(address_, [this](const Result<>& opened) {
      if (!opened || !good_) return events_.line_down((opened ? good_ : opened).error().message);
      link_.open();
      udp_.rearm();
    });
  }
  std::size_t write(ByteView bytes) override {
    const std::size_t taken = link_.write(bytes);
    udp_.rearm();
    return taken;
  }
  void withdraw() override {
    link_.withdraw();
    udp_.rearm();
  }
  void set_reading(bool) override {}
  // A BMC does not hold the host up: what is not read it throws away, at last.
  bool can_wait() const override { return false; }
  Result<Duration> send_break(Duration) override {
    if (!link_.send_break()) return fail(ErrorCode::Conflict, "serial over LAN is not up");
    udp_.rearm();
    return kBreakTime;
  }

 private:
  static ipmi::SolSettings with(ipmi::SolSettings settings, const std::vector<ipmi::OpenedSession>& ours) {
    settings.ours = ours;
    settings.address = escape_controls(settings.address);
    return settings;
  }

  void link_send(ByteView datagram) override { udp_.send(datagram); }
  void link_session(const ipmi::OpenedSession& session) override { sessions_.add(session); }
  void link_sessions_closed() override { sessions_.keep_only_last(); }
  void link_up(std::string detail) override { events_.line_up(std::move(detail), 0); }
  void link_facts(std::vector<std::pair<std::string, std::string>> facts) override {
    events_.line_facts(std::move(facts));
  }
  void link_output(ByteView bytes) override { events_.line_output(bytes); }
  void link_writable() override { events_.line_writable(); }
  void link_confirmed(std::size_t bytes) override { events_.line_confirmed(bytes); }
  void link_note(std::string text) override { events_.line_note(std::move(text)); }
  void link_lost(std::string why) override { events_.line_lost(std::move(why)); }
  void link_secret_refused() override {
    events_.line_rest(limits::login_refused_rest);
    rests_ = true;
  }
  void link_down(std::string reason) override { events_.line_down(reason + (rests_ ? std::string(kRestWords) : "")); }

  LineEvents& events_;
  std::string address_;
  Result<> good_;  // the secrets too, which the server did not look into
  SessionsOnDisk sessions_;
  ipmi::SolLink link_;
  ipmi::Udp udp_;
  bool rests_ = false;
};

std::unique_ptr<Line> make(Shard& shard, const LineConfig& config, LineEvents& events) {
  std::string key;
  auto settings = settings_of(config, key).value_or(ipmi::SolSettings());
  const auto secret = [&](const char* name) {
    const auto at = config.secrets.find(name);
    return at == config.secrets.end() ? Secret() : at->second;
  };
  settings.login.password = secret("password-file");
  settings.login.kg = ipmi::kg_from_file(secret("kg-file"));
  return std::make_unique<SolLine>(shard, events, std::move(settings), config.state_folder);
}

}  // namespace

extern const LineKind kSolKind{
    .name = "sol",
    .doc = "a machine's serial console through its BMC (IPMI 2.0 serial over LAN)",
    .keys = kKeys,
    .check = check,
    .make = make,
    .speaks_on = true,
    .unshared = kUnshared,
    .confirms = true,
};

}  // namespace oob
