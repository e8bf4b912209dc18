// What a test tells a simulated BMC to be, and what it answers. The list of orders is rude_bmc's --help.
#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "tests/simulators/bmc.h"

namespace rude {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    char escape[8];
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) {
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string object_of(const std::map<std::string, std::uint64_t>& counts) {
  std::string out;
  for (const auto& [name, count] : counts) out += (out.empty() ? "" : ",") + quoted(name) + ":" + std::to_string(count);
  return "{" + out + "}";
}

// "\r", "\n" and "\\" in an order's text.
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
    } else {
      const char c = text[++i];
      out += c == 'n' ? '\n' : c == 'r' ? '\r' : c;
    }
  }
  return out;
}

std::uint8_t privilege_named(const std::string& name) {
  if (name == "callback") return kCallback;
  if (name == "user") return kUser;
  if (name == "operator") return kOperator;
  return name == "admin" ? std::uint8_t{kAdministrator} : std::uint8_t{0xF};
}

std::string rest_of(std::istringstream& words) {
  std::string text;
  std::getline(words >> std::ws, text);
  return text;
}

}  // namespace

// SOL goes to a session of somebody else at this address.
std::string Bmc::hold(const std::string& address, bool tell) {
  Peer peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(40000);
  if (inet_pton(AF_INET, address.c_str(), &peer.sin_addr) != 1) return "error: no address: " + address;
  Session* session = open(true, peer, now_);
  if (!session) return "error: no session left";
  session->stage = Session::Stage::Active;
  session->stand_in = true;
  session->user = 2;
  session->privilege = session->limit = kAdministrator;
  if (sol_.active()) lose_sol(tell);
  sol_session_ = session->id;
  sol_.activate();
  return "ok";
}

std::string Bmc::order(const std::string& order, Time now) {
  now_ = now;
  std::istringstream words(order);
  std::string verb, word;
  words >> verb;
  const auto seconds = [&](double otherwise) {
    double value = otherwise;
    words >> value;
    return std::chrono::duration_cast<Time::duration>(std::chrono::duration<double>(value));
  };
  if (verb == "state") return state();
  if (verb == "fault") {
    double rate = 1;
    std::uint64_t times = 0;
    words >> word >> rate >> times;
    return faults_.set(word, rate, times) ? "ok" : "error: no fault " + word + "; there are " + Faults::names();
  }
  if (verb == "suites") {
    words >> word;
    suites_.clear();
    std::istringstream list(word);
    for (std::string number; std::getline(list, number, ',');)
      suites_.push_back(static_cast<std::uint8_t>(std::stoi(number)));
    return "ok";
  }
  if (verb == "user") {
    unsigned id = 0;
    std::string name, password, limit, right;
    words >> id >> name >> password >> limit >> right;
    if (id == 0 || id > kUsersMax || limit.empty()) return "error: usage: user ID NAME PASSWORD PRIVILEGE [no-sol]";
    users_[id] = {name == "-" ? "" : name, password == "-" ? "" : password, privilege_named(limit), true,
                  right != "no-sol"};
    return "ok";
  }
  if (verb == "kg") {
    const auto text = rest_of(words);
    kg_ = text.empty() ? Bytes() : padded(text, 20);
    return "ok";
  }
  if (verb == "hold" || verb == "steal" || verb == "steal-silently") {
    words >> word;
    return hold(word.empty() ? "192.0.2.66" : word, verb == "steal");
  }
  if (verb == "release") {
    std::erase_if(sessions_, [&](const auto& one) {
      if (one.second.stand_in && sol_session_ == one.first) lose_sol(false);
      return one.second.stand_in;
    });
    return "ok";
  }
  if (verb == "deactivate" || verb == "deactivate-silently") {
    lose_sol(verb == "deactivate");
    return "ok";
  }
  if (verb == "silent") {
    silent_until_ = now + seconds(1e6);
    return "ok";
  }
  if (verb == "reset") {
    forget_all();
    silent_until_ = now + seconds(0);
    return "ok";
  }
  if (verb == "slow") {
    delay_ = seconds(0);
    return "ok";
  }
  if (verb == "code") {
    unsigned netfn = 0, command = 0, code = 0;
    if (words >> std::hex >> netfn >> command >> code) {
      forced_ = {static_cast<std::uint8_t>(netfn), static_cast<std::uint8_t>(command), static_cast<std::uint8_t>(code)};
    } else {
      forced_.reset();
    }
    return "ok";
  }
  if (verb == "sessions") return words >> sessions_max_ ? "ok" : "error: usage: sessions COUNT";
  if (verb == "timeout") {
    session_timeout_ = seconds(60);
    return "ok";
  }
  if (verb == "sol-size") return words >> sol_.output_max ? "ok" : "error: usage: sol-size BYTES";
  if (verb == "power") {
    words >> word;
    set_power(word == "on", now);
    return "ok";
  }
  if (verb == "host") {
    const auto wrong = host_.become(rest_of(words), now);
    return wrong.empty() ? "ok" : "error: " + wrong;
  }
  if (verb == "say") {
    sol_.output(bytes_of(unescaped(rest_of(words))), now);
    return "ok";
  }
  if (verb == "break") {
    sol_.send_break();
    sol_.tick(now);
    return "ok";
  }
  return "error: no order " + verb + "; see rude_bmc --help";
}

bool Bmc::console_open() const {
  const auto holder = sessions_.find(sol_session_);
  return sol_.active() && holder != sessions_.end() && !holder->second.stand_in;
}

std::string Bmc::state() const {
  std::ostringstream out;
  out << "{\"power\":" << (on_ ? "\"on\"" : "\"off\"") << ",\"sessions\":[";
  const char* comma = "";
  for (const auto& [id, session] : sessions_) {
    out << comma << "{\"id\":" << id << ",\"active\":" << (session.stage == Session::Stage::Active ? "true" : "false")
        << ",\"user\":" << quoted(users_[session.user].name) << ",\"peer\":" << quoted(text_of(session.peer))
        << ",\"suite\":" << (session.v2 ? static_cast<int>(session.suite.number) : -1)
        << ",\"privilege\":" << static_cast<int>(session.privilege)
        << ",\"stand_in\":" << (session.stand_in ? "true" : "false") << "}";
    comma = ",";
  }
  out << "],\"sol\":{\"active\":" << (sol_.active() ? "true" : "false") << ",\"session\":" << sol_session_
      << ",\"ours\":" << (console_open() ? "true" : "false") << ",\"encrypted\":" << (sol_encrypted_ ? "true" : "false")
      << ",\"lost_bytes\":" << sol_.lost_bytes << ",\"repeats_in\":" << sol_.repeats_in
      << ",\"retries_out\":" << sol_.retries_out << ",\"packets_in\":" << sol_.packets_in
      << ",\"packets_out\":" << sol_.packets_out << "},\"host\":{\"input_bytes\":" << host_.input_bytes
      << ",\"input_tail\":" << quoted(host_.input_tail) << ",\"lines\":" << host_.lines
      << ",\"breaks\":" << host_.breaks << "},\"identified\":" << identified_ << ",\"dropped\":" << object_of(dropped_)
      << ",\"commands\":" << object_of(commands_) << "}";
  return out.str();
}

}  // namespace rude
