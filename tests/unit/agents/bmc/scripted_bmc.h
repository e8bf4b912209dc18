// A BMC that tests play: it answers each command by a function of the test, which may also say nothing.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <vector>

#include "agents/bmc/bmc.h"
#include "common/limits.h"
#include "tests/unit/common/runtime/pump.h"

namespace oob {

struct ScriptedBmc {
  explicit ScriptedBmc(Shard& on) : shard(on) {}

  Result<> login = {};
  // Empty: silence, told as an Error at once.
  std::function<std::optional<ipmi::Answer>(const ipmi::Request&)> answer;
  // True: its answer does not come for now.
  std::function<bool(const ipmi::Request&)> holds = [](const ipmi::Request&) { return false; };
  ErrorCode silence = ErrorCode::Unavailable;
  std::vector<ipmi::Request> heard;
  int sessions = 0;
  Shard& shard;

  std::size_t times(std::uint8_t netfn, std::uint8_t command) const {
    std::size_t out = 0;
    for (const auto& request : heard) out += request.netfn == netfn && request.command == command;
    return out;
  }

  NewBmc maker() {
    class Conversation final : public Bmc {
     public:
      explicit Conversation(ScriptedBmc& script) : script_(script) { ++script.sessions; }
      void open(std::function<void(Result<>)> done) override {
        script_.shard.post([done = std::move(done), result = script_.login] { done(result); });
      }
      void command(ipmi::Request request, Answered done) override {
        script_.heard.push_back(request);
        if (script_.holds(request)) return;
        const auto answer = script_.answer(request);
        script_.shard.post([done = std::move(done), answer, silence = script_.silence] {
          answer ? done(*answer) : done(fail(silence, "the BMC fell silent"));
        });
      }
      void ask_as_stranger(ipmi::Request request, Answered done) override {
        command(std::move(request), std::move(done));
      }
      bool answered() const override { return !script_.heard.empty(); }
      std::string session_words() const override { return "administrator, suite 17"; }

     private:
      ScriptedBmc& script_;
    };
    return [this] { return std::make_unique<Conversation>(*this); };
  }
};

inline ipmi::Answer answer_of(std::initializer_list<unsigned> bytes) {
  ipmi::Answer out;
  for (const unsigned byte : bytes) out.data.push_back(static_cast<std::byte>(byte));
  return out;
}
inline Bytes request_bytes(std::initializer_list<unsigned> bytes) { return answer_of(bytes).data; }
inline ipmi::Answer refusal_of(unsigned code) {
  ipmi::Answer out;
  out.code = static_cast<std::uint8_t>(code);
  return out;
}

}  // namespace oob
