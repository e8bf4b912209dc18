// BmcStream: the agent's end of /v1/bmc: one request of oobd's to one BMC, and what came of it. Checks the agent's own
// policy; keeps the secrets while the request runs. Ends what it does when oobd ends the stream. On the agent's shard.
#pragma once
#include <functional>
#include <memory>

#include "agents/bmc/doctor.h"
#include "agents/bmc/power.h"
#include "agents/policy.h"
#include "proto/tunnel/messages.h"
#include "proto/tunnel/mux.h"

namespace oob::wire {
class BmcAnswer;
class BmcRequest;
}  // namespace oob::wire

namespace oob {

class BmcStream final : public StreamOwner {
 public:
  BmcStream(Shard& shard, Mux& mux, StreamId id, const Policy& policy, std::function<void()> closed);
  ~BmcStream() override;

 private:
  Result<> stream_message(ByteView message) override;
  std::size_t stream_fill(MutableBytes into) override { return answers_.fill(into); }
  void stream_closed(const std::string& reason) override;

  Result<NewBmc> bmc_of(wire::BmcRequest& request, std::string& port) const;
  void begin(wire::BmcRequest& request);
  void say(const wire::BmcAnswer& answer);
  void found(const BmcFinding& finding);
  void over(PowerOutcome::Kind kind, const std::string& power, const std::string& text);

  Shard& shard_;
  Mux& mux_;
  StreamId id_;
  const Policy& policy_;
  std::function<void()> closed_;
  MessageQueue answers_;
  std::unique_ptr<PowerRun> power_;
  std::unique_ptr<Doctor> doctor_;
  bool asked_ = false;
  std::string power_seen_;  // by the doctor
};

}  // namespace oob
