// See doctor.h.
#include "agents/bmc/doctor.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "common/text.h"

namespace oob {
namespace {

using Verdict = BmcFinding::Verdict;
using ipmi::Answer;
using ipmi::request_of;

// Commands that only the doctor needs, by section.
constexpr std::uint8_t kGetCipherSuites = 0x54;       // App, 22.15
constexpr std::uint8_t kGetUserAccess = 0x44;         // App, 22.27
constexpr std::uint8_t kSetUserPayloadAccess = 0x4c;  // App, 24.6
constexpr std::uint8_t kGetUserPayloadAccess = 0x4d;  // App, 24.7
constexpr std::uint8_t kSetSolParameter = 0x21;       // Transport, 26.2
constexpr std::uint8_t kGetChassisStatus = 0x01;      // Chassis, 28.2
constexpr unsigned kThisChannel = 0x0e, kSolPayload = 1;
// SOL parameters, table 26-5.
constexpr unsigned kSolInProgress = 0, kSolEnable = 1, kSolAuthentication = 2, kSolKeptRate = 5, kSolRate = 6,
                   kSolChannel = 7, kSolPort = 8;
constexpr unsigned kSolSteps[] = {kSolEnable, kSolAuthentication, kSolKeptRate, kSolRate, kSolChannel, kSolPort};

struct Rate {
  unsigned code;
  const char* text;
};
constexpr Rate kRates[] = {{6, "9600"}, {7, "19200"}, {8, "38400"}, {9, "57600"}, {10, "115200"}};

std::string rate_text(unsigned code) {
  for (const Rate& rate : kRates) {
    if (rate.code == code) return rate.text;
  }
  return code == 0 ? "that of the serial port" : "unknown (" + std::to_string(code) + ")";
}

unsigned at(const Answer& answer, std::size_t index) {
  return index < answer.data.size() ? std::to_integer<unsigned>(answer.data[index]) : 0;
}
bool bit(unsigned value, unsigned number) { return (value >> number & 1) != 0; }

std::string hex(unsigned value, int digits) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%0*x", digits, value);
  return text;
}

std::string privilege_text(unsigned level) {
  constexpr std::string_view kWords[] = {"none", "callback", "user", "operator", "administrator", "OEM"};
  return std::string(level < std::size(kWords) ? kWords[level] : "no access");
}

}  // namespace

Doctor::Doctor(Shard& shard, NewBmc bmc, Order order, Events events)
    : shard_(shard), new_bmc_(std::move(bmc)), order_(std::move(order)), events_(std::move(events)), patience_(shard) {}

void Doctor::start() {
  patience_.once(order_.patience, [this] { out_of_time(); });
  bmc_ = new_bmc_();
  look_for_answer();
}

// An answer of whatever code goes on with `then`; silence ends the examination.
void Doctor::ask(ipmi::Request request, Then then, Way way) {
  const auto done = [this, then = std::move(then), alive = std::weak_ptr(alive_)](Result<Answer> answer) {
    if (alive.expired()) return;
    if (!answer && !logged_in_) {
      const bool nowhere = answer.error().code == ErrorCode::NotFound;
      find("answer", Verdict::Fault, "none", answer.error().message,
           nowhere ? "see that the address is right, and that the agent's machine can look it up and has a way to it"
                   : "see that the address is right, that IPMI over LAN is switched on in the BMC, and that UDP port " +
                         order_.port + " is open from the agent to it");
    }
    if (!answer) return end(tl::unexpected(answer.error()));
    then(*answer);
  };
  way == Way::Session ? bmc_->command(std::move(request), done) : bmc_->ask_as_stranger(std::move(request), done);
}

void Doctor::find(std::string topic, Verdict verdict, std::string value, std::string meaning, std::string proposal,
                  std::string mend) {
  events_.found(
      {std::move(topic), verdict, std::move(value), std::move(meaning), std::move(proposal), std::move(mend)});
}

void Doctor::end(Result<> result) {
  patience_.cancel();
  alive_ = std::make_shared<int>();  // what the BMC still answers is nobody's, and nothing more is asked of it
  shard_.post([over = events_.over, result = std::move(result), alive = std::weak_ptr(alive_),
               bmc = std::shared_ptr<Bmc>(std::move(bmc_))] {
    if (!alive.expired()) over(result);
  });
}

void Doctor::out_of_time() {
  if (!changing_.empty()) {
    find("change", Verdict::Fault, "not known: " + changing_,
         "the BMC had not answered when the time was over, and may have made this change or not", "examine it again");
  }
  end(fail(ErrorCode::Unavailable, "the BMC is too slow: the examination was not through after " +
                                       std::to_string(order_.patience / std::chrono::seconds(1)) +
                                       " s; what it found until then is told"));
}

// --- as a stranger ---------------------------------------------------------------------------------------------------

void Doctor::look_for_answer() {
  ask(
      request_of(ipmi::kApp, ipmi::kGetAuthCapabilities, {0x80 | kThisChannel, 4}),
      [this](const Answer& answer) { answered(answer); }, Way::Stranger);
}

void Doctor::answered(const Answer& capabilities) {
  if (capabilities.code != 0 || capabilities.data.size() < 4) {
    find("answer", Verdict::Note, "yes, but not what it speaks",
         ipmi::completion_words(ipmi::kApp, ipmi::kGetAuthCapabilities, capabilities.code));
    return look_for_suites(0);
  }
  const bool v2 = bit(at(capabilities, 1), 7) && bit(at(capabilities, 3), 1);
  const unsigned status = at(capabilities, 2);
  if (v2) {
    find("answer", Verdict::Fine, "yes, IPMI 2.0");
  } else {
    find("answer", Verdict::Fault, "yes, IPMI 1.5 only",
         "it has neither encryption nor serial over LAN; power works with suite = \"lan-md5\"",
         "update its firmware, or reach its console another way");
  }
  if (bit(status, 0) || bit(status, 1)) {
    find("anonymous", Verdict::Fault, bit(status, 0) ? "may log in" : "users without a name exist",
         "whoever reaches the BMC may try to log in without a name", "give user 1 a name or disable it in the BMC");
  }
  if (bit(status, 5))
    find("key", Verdict::Note, "K_g is set", "the login needs it", "name it: kg-file = \"secrets/..\"");
  v2 ? look_for_suites(0) : log_in();
}

void Doctor::look_for_suites(unsigned index) {
  ask(
      request_of(ipmi::kApp, kGetCipherSuites, {kThisChannel, 0, 0x80 | index}),
      [this, index](const Answer& answer) {
        if (answer.code != 0 || answer.data.empty()) return judge_suites();
        suites_.insert(suites_.end(), answer.data.begin() + 1, answer.data.end());
        answer.data.size() == 17 && index < 0x3f ? look_for_suites(index + 1) : judge_suites();
      },
      Way::Stranger);
}

// Records of table 22-18: 0xc0 and a number, or 0xc1, a number and three bytes of a maker; then algorithms below 0xc0.
void Doctor::judge_suites() {
  std::set<unsigned> numbers;
  std::string text;
  for (std::size_t i = 0; i + 1 < suites_.size(); ++i) {
    if (suites_[i] == std::byte{0xc0}) numbers.insert(std::to_integer<unsigned>(suites_[i + 1]));
  }
  for (const unsigned number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  if (numbers.empty()) {
    find("suites", Verdict::Note, "not told", "the BMC does not say which cipher suites it has; 17 and 3 are tried");
  } else if (numbers.contains(0)) {
    find("suites", Verdict::Fault, text, "suite 0 lets whoever knows a user's name in without the password",
         "disable it: `ipmitool lan set 1 cipher_privs Xaaaaaaaaaaaaaa`, or in the BMC's own pages");
  } else if (!numbers.contains(17) && !numbers.contains(3)) {
    find("suites", Verdict::Fault, text, "neither 17 nor 3 is there, and no other that encrypts is used unless named",
         "enable 17 in the BMC");
  } else if (!numbers.contains(17)) {
    find("suites", Verdict::Note, text, "17 (SHA-256) is not there; 3 (SHA-1) is used", "update its firmware");
  } else {
    find("suites", Verdict::Fine, text);
  }
  log_in();
}

// --- logged in -------------------------------------------------------------------------------------------------------

void Doctor::log_in() {
  bmc_ = new_bmc_();
  bmc_->open([this, alive = std::weak_ptr(alive_)](const Result<>& result) {
    if (!alive.expired()) logged_in(result);
  });
}

void Doctor::logged_in(const Result<>& result) {
  if (!result) {
    find("login", Verdict::Fault, "refused", result.error().message);
    return end(tl::unexpected(result.error()));
  }
  logged_in_ = true;
  find("login", Verdict::Fine, bmc_->session_words());
  mend_next();
}

void Doctor::look_at_device() {
  ask(request_of(ipmi::kApp, ipmi::kGetDeviceId), [this](const Answer& answer) {
    if (answer.code != 0 || answer.data.size() < 11) {
      find("device", Verdict::Note, "not told", ipmi::completion_words(ipmi::kApp, ipmi::kGetDeviceId, answer.code));
    } else {
      const unsigned maker = at(answer, 6) | at(answer, 7) << 8 | (at(answer, 8) & 0x0f) << 16;
      find("device", Verdict::Fine,
           "firmware " + std::to_string(at(answer, 2) & 0x7f) + "." + hex(at(answer, 3), 2).substr(2) + ", maker " +
               std::to_string(maker) + ", product " + hex(at(answer, 9) | at(answer, 10) << 8, 4) + ", IPMI " +
               std::to_string(at(answer, 4) & 0x0f) + "." + std::to_string(at(answer, 4) >> 4));
    }
    look_at_power();
  });
}

void Doctor::look_at_power() {
  ask(request_of(ipmi::kChassis, kGetChassisStatus), [this](const Answer& answer) {
    if (answer.code != 0 || answer.data.empty()) {
      find("power", Verdict::Note, "unknown", ipmi::completion_words(ipmi::kChassis, kGetChassisStatus, answer.code));
    } else {
      find("power", Verdict::Fine, bit(at(answer, 0), 0) ? "on" : "off");
    }
    order_.brief ? end({}) : look_at_user();
  });
}

// Our own session knows which user and channel we are.
void Doctor::look_at_user() {
  ask(request_of(ipmi::kApp, ipmi::kGetSessionInfo, {0}), [this](const Answer& answer) {
    if (answer.code != 0 || answer.data.size() < 6) {
      find("user", Verdict::Note, "not told", ipmi::completion_words(ipmi::kApp, ipmi::kGetSessionInfo, answer.code));
      return look_at_sol(0);
    }
    user_ = at(answer, 3) & 0x3f, privilege_ = at(answer, 4) & 0x0f, channel_ = at(answer, 5) & 0x0f;
    const unsigned possible = at(answer, 1), active = at(answer, 2);
    const bool full = possible != 0 && active >= possible;
    find("sessions", full ? Verdict::Note : Verdict::Fine,
         std::to_string(active) + " of " + std::to_string(possible) + " in use",
         full ? "another login will be refused until one of them ends" : "");
    ask(request_of(ipmi::kApp, kGetUserAccess, {channel_, user_}), [this](const Answer& access) {
      const std::string who = "number " + std::to_string(user_) + " on channel " + std::to_string(channel_);
      if (access.code != 0 || access.data.size() < 4) {
        find("user", Verdict::Note, who, ipmi::completion_words(ipmi::kApp, kGetUserAccess, access.code));
      } else {
        const unsigned limit = at(access, 3) & 0x0f;
        find("user", Verdict::Fine, who + ", at most " + privilege_text(limit) + ", now " + privilege_text(privilege_));
      }
      look_at_payload_right();
    });
  });
}

void Doctor::look_at_payload_right() {
  ask(request_of(ipmi::kApp, kGetUserPayloadAccess, {channel_, user_}), [this](const Answer& answer) {
    if (answer.code != 0 || answer.data.empty()) {
      find("sol-right", Verdict::Note, "not told",
           ipmi::completion_words(ipmi::kApp, kGetUserPayloadAccess, answer.code));
    } else if (bit(at(answer, 0), kSolPayload)) {
      find("sol-right", Verdict::Fine, "yes");
    } else {
      find("sol-right", Verdict::Fault, "no", "this user may not open serial over LAN on this channel",
           "allow it: `ipmitool sol payload enable " + std::to_string(channel_) + " " + std::to_string(user_) + "`",
           "sol-right");
    }
    look_at_sol(0);
  });
}

void Doctor::look_at_sol(std::size_t step) {
  if (step == std::size(kSolSteps)) return look_for_holder();
  const unsigned parameter = kSolSteps[step];
  ask(request_of(ipmi::kTransport, ipmi::kGetSolParameter, {channel_, parameter, 0, 0}),
      [this, step, parameter](const Answer& answer) {
        judge_sol(parameter, answer);
        look_at_sol(step + 1);
      });
}

void Doctor::judge_sol(unsigned parameter, const Answer& answer) {
  if (answer.code != 0 || answer.data.size() < 2) {
    if (parameter == kSolEnable) {
      find("sol", Verdict::Note, "not told",
           ipmi::completion_words(ipmi::kTransport, ipmi::kGetSolParameter, answer.code));
    }
    return;  // the others may be absent
  }
  const unsigned value = at(answer, 1);
  switch (parameter) {
    case kSolEnable:
      if (bit(value, 0)) return find("sol", Verdict::Fine, "enabled");
      return find("sol", Verdict::Fault, "disabled", "serial over LAN is switched off in the BMC", "switch it on",
                  "sol-enable");
    case kSolAuthentication:
      if ((value & 0x0f) <= privilege_ || privilege_ == 0)
        return find("sol-privilege", Verdict::Fine, privilege_text(value & 0x0f));
      return find("sol-privilege", Verdict::Fault, privilege_text(value & 0x0f),
                  "serial over LAN asks for more than this session's " + privilege_text(privilege_),
                  "give the user that privilege, or name it in `privilege`");
    case kSolKeptRate:
      rate_ = value & 0x0f;
      return;
    case kSolRate:
      if ((value & 0x0f) == rate_) return find("sol-rate", Verdict::Fine, rate_text(rate_));
      return find("sol-rate", Verdict::Note, rate_text(value & 0x0f) + " now, " + rate_text(rate_) + " kept",
                  "the BMC returns to the second one when it restarts; the machine's serial port has one of them only",
                  "set both: `oob bmc doctor --rate " + rate_text(value & 0x0f) + " NODE`");
    case kSolChannel:
      if ((value & 0x0f) == channel_ || (value & 0x0f) == kThisChannel || channel_ == kThisChannel) return;
      return find("sol-channel", Verdict::Note, std::to_string(value & 0x0f),
                  "serial over LAN is meant for another channel than this session's " + std::to_string(channel_));
    case kSolPort: {
      const unsigned port = value | at(answer, 2) << 8;
      if (std::to_string(port) == order_.port || port == 0) return;
      return find("sol-port", Verdict::Note, std::to_string(port),
                  "serial over LAN is at another port than " + order_.port + ", where the BMC is reached");
    }
    default:
      return;
  }
}

// --- who holds it ----------------------------------------------------------------------------------------------------

void Doctor::look_for_holder() {
  ask(request_of(ipmi::kApp, ipmi::kGetPayloadStatus, {kSolPayload}), [this](const Answer& answer) {
    if (answer.code != 0 || answer.data.size() < 2) {
      find("sol-held", Verdict::Note, "not told",
           ipmi::completion_words(ipmi::kApp, ipmi::kGetPayloadStatus, answer.code));
      return end({});
    }
    look_at_instance(answer);
  });
}

void Doctor::look_at_instance(const Answer& status) {
  if (!bit(at(status, 1), 0)) {
    find("sol-held", Verdict::Fine, "by nobody");
    return end({});
  }
  ask(request_of(ipmi::kApp, ipmi::kGetPayloadInstance, {kSolPayload, 1}), [this](const Answer& instance) {
    if (instance.code == 0 && instance.data.size() >= 4) return look_at_session(instance);
    find("sol-held", Verdict::Note, "by somebody", "the BMC does not say by whom");
    end({});
  });
}

void Doctor::look_at_session(const Answer& instance) {
  ask(request_of(ipmi::kApp, ipmi::kGetSessionInfo,
                 {0xff, at(instance, 0), at(instance, 1), at(instance, 2), at(instance, 3)}),
      [this](const Answer& session) {
        if (session.code != 0 || session.data.size() < 10) {
          find("sol-held", Verdict::Note, "by somebody", "the BMC does not say from where");
        } else {
          std::string address;
          for (std::size_t i = 6; i < 10; ++i) address += (i > 6 ? "." : "") + std::to_string(at(session, i));
          find("sol-held", Verdict::Note,
               "by user number " + std::to_string(at(session, 3) & 0x3f) + " from " + address,
               "one session may have it at a time; this may be the console's own line",
               "if it is somebody else's: end it there, or set busy = \"steal\" on the line");
        }
        end({});
      });
}

// --- changes ---------------------------------------------------------------------------------------------------------

void Doctor::mend_next() {
  if (order_.mends.empty()) return look_at_device();
  const std::string word = order_.mends.front();
  order_.mends.erase(order_.mends.begin());
  if (word == "sol-enable") return write_sol(kSolEnable, 1, "serial over LAN is switched on");
  if (word == "sol-right") {
    return ask(request_of(ipmi::kApp, ipmi::kGetSessionInfo, {0}), [this](const Answer& session) {
      if (session.code != 0 || session.data.size() < 6) {
        find("change", Verdict::Fault, "not made: the right to serial over LAN",
             "the BMC does not say which user this is: " +
                 ipmi::completion_words(ipmi::kApp, ipmi::kGetSessionInfo, session.code));
        return mend_next();
      }
      const unsigned user = at(session, 3) & 0x3f, channel = at(session, 5) & 0x0f;
      changing_ = "user number " + std::to_string(user) + " may open serial over LAN";
      ask(request_of(ipmi::kApp, kSetUserPayloadAccess, {channel, user, 1U << kSolPayload, 0, 0, 0}),
          [this](const Answer& answer) { written(answer); });
    });
  }
  for (const Rate& rate : kRates) {
    if (word != std::string("rate=") + rate.text) continue;
    // What is kept first, then what is in force.
    order_.mends.insert(order_.mends.begin(), std::string("rate-now=") + rate.text);
    return write_sol(kSolKeptRate, rate.code, std::string("the speed kept is ") + rate.text);
  }
  for (const Rate& rate : kRates) {
    if (word == std::string("rate-now=") + rate.text)
      return write_sol(kSolRate, rate.code, std::string("the speed is ") + rate.text);
  }
  find("change", Verdict::Fault, escape_controls(word), "this agent knows no such change");
  mend_next();
}

// Set In Progress and back: a BMC may take a parameter only so, or know nothing of it (26.3).
void Doctor::write_sol(unsigned parameter, unsigned value, const std::string& what) {
  const auto set = [](unsigned number, unsigned to) {
    return request_of(ipmi::kTransport, kSetSolParameter, {kThisChannel, number, to});
  };
  changing_ = what;
  ask(set(kSolInProgress, 1), [this, set, parameter, value](const Answer&) {
    ask(set(parameter, value), [this, set](const Answer& answer) {
      ask(set(kSolInProgress, 0), [this, answer](const Answer&) { written(answer); });
    });
  });
}

void Doctor::written(const Answer& answer) {
  const std::string what = std::exchange(changing_, "");
  if (answer.code == 0) {
    find("change", Verdict::Fine, what);
  } else {
    find("change", Verdict::Fault, "not made: " + what,
         ipmi::completion_words(ipmi::kTransport, kSetSolParameter, answer.code));
  }
  mend_next();
}

}  // namespace oob
