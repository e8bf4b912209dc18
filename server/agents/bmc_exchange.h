// BmcExchange: oobd's end of /v1/bmc: one request to an agent about one BMC, findings as they come, and the outcome. On
// the shard; belongs to an AgentLink.
#pragma once
#include <functional>

#include "proto/tunnel/messages.h"
#include "proto/tunnel/mux.h"
#include "tunnel.pb.h"

namespace oob {

struct BmcAnswers {
  std::function<void(const wire::BmcFound& found)> found;
  // Once. An Error: the request did not reach the agent, or nobody knows what came of it (Unavailable).
  std::function<void(Result<wire::BmcOutcome> outcome)> over;
};

class BmcExchange final : public StreamOwner {
 public:
  // `gone` is called when the exchange is over, and destroys it. The secrets in `request` are wiped.
  BmcExchange(Mux& mux, wire::BmcRequest& request, BmcAnswers answers, std::function<void()> gone);
  ~BmcExchange() override;  // one that is not over ends with an Error

 private:
  Result<> stream_message(ByteView message) override;
  std::size_t stream_fill(MutableBytes into) override { return queue_.fill(into); }
  void stream_closed(const std::string& reason) override;

  Mux& mux_;
  BmcAnswers answers_;
  std::function<void()> gone_;
  MessageQueue queue_;
  StreamId stream_ = 0;
  std::size_t found_ = 0;
};

}  // namespace oob
