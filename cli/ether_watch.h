// EtherWatch: who speaks on the agents' Ethernets, as one running view: consoles of kind etherconsole, line by line,
// and senders that no line names, with the lines of an inventory that would make consoles of them. Sans-IO: it is told
// of the stream's messages (schema/stream.md; it only looks on), of two listings of the API, and of time.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/json/json.h"
#include "common/result.h"

namespace oob {

class EtherWatch {
 public:
  struct Choices {
    std::string agent;  // only what this one hears; empty: all
    std::string mac;    // only addresses that begin so, in lower case; empty: all
    bool json = false;
  };
  struct Outside {
    std::function<void(const json::object&)> send;   // on the stream
    std::function<void(const std::string&)> print;   // whole lines of the view
    std::function<void(const std::string&)> remark;  // what is not part of it, without a newline
  };
  EtherWatch(Choices choices, Outside outside, const Clock& clock);

  void connected();
  void leave();         // detaches from all: others on them see that it was meant
  void disconnected();  // what comes after the next connected() goes on where this one ended
  void message(ByteView message, bool binary);
  // GET /v1/consoles. New ones are attached, those that are gone forgotten.
  void consoles(const json::value& answer);
  // GET /v1/agents. NotFound: the agent that was chosen is not there. True: somebody is no longer unknown, so there may
  // be a new console.
  Result<bool> agents(const json::value& answer);
  // Every limits::ether_watch_tick or so: lines that have no end are shown all the same.
  void tick();
  std::size_t watched() const { return consoles_.size(); }

 private:
  struct Watched {
    std::string name, agent, mac;
    std::uint32_t channel = 0;  // 0: not attached
    bool fresh = false;         // came while we watched: what it said meanwhile is shown, too
    bool over = false;          // refused, or ended by somebody: not attached again
    std::optional<std::uint64_t> next, log;
    std::string line;   // has no end yet
    bool part = false;  // its beginning was shown
    SteadyTime grew{};
  };
  struct Stranger {
    std::string said, called;
    bool here = true;
  };

  void attach(Watched& console);
  void event(const std::string& type, const json::object& event);
  void output(Watched& console, std::uint64_t at, ByteView bytes);
  void end_line(Watched& console);
  void say(const Watched& console, std::string_view text, const std::string& event = "");
  void look_at(const std::string& agent, const json::object& row);
  bool is_wanted(const std::string& agent, const std::string& mac) const;

  const Choices choices_;
  const Outside outside_;
  const Clock& clock_;
  bool connected_ = false, began_ = false;
  std::uint32_t last_channel_ = 0;
  std::map<std::string, Watched> consoles_;
  std::map<std::uint32_t, std::string> channels_;
  std::map<std::string, Stranger> strangers_;  // by agent, listener and address
};

// "52:54:0", in either case, as the beginning of an address. Usage: it cannot be one.
Result<std::string> mac_prefix(std::string_view text);

}  // namespace oob
