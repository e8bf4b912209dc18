// See bmc_exchange.h.
#include "server/agents/bmc_exchange.h"

#include "common/crypto/secret.h"
#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

constexpr std::size_t kMessageBytesMax = 64 * 1024;

}  // namespace

BmcExchange::BmcExchange(Mux& mux, wire::BmcRequest& request, BmcAnswers answers, std::function<void()> gone)
    : mux_(mux), answers_(std::move(answers)), gone_(std::move(gone)), queue_(kMessageBytesMax) {
  (void)queue_.push(request);
  for (auto& [key, value] : *request.mutable_secrets()) wipe(value);
  stream_ = mux_.open("/v1/bmc", StreamClass::Control, kMessageBytesMax, *this);
}

BmcExchange::~BmcExchange() {
  if (stream_ > 0) mux_.close(stream_);
  if (answers_.over) answers_.over(fail(ErrorCode::Unavailable, "the agent was lost while it was asked"));
}

Result<> BmcExchange::stream_message(ByteView bytes) {
  wire::BmcAnswer answer;
  if (!answer.ParseFromArray(bytes.data(), int(bytes.size()))) return fail(ErrorCode::Usage, "malformed BmcAnswer");
  if (answer.has_found() && answers_.over) {
    if (++found_ > limits::bmc_findings_max) return fail(ErrorCode::Usage, "more findings than a BMC has");
    answers_.found(answer.found());
  } else if (answer.has_outcome() && answers_.over) {
    mux_.close(std::exchange(stream_, 0));
    std::exchange(answers_.over, nullptr)(answer.outcome());
    gone_();
  }
  return {};
}

void BmcExchange::stream_closed(const std::string& reason) {
  stream_ = 0;
  const std::string why = reason.starts_with("refused")
                              ? "it has too many such requests already, or is too old for them"
                          : reason.empty() ? "it ended the conversation"
                                           : escape_controls(reason);
  if (answers_.over) std::exchange(answers_.over, nullptr)(fail(ErrorCode::Unavailable, "the agent: " + why));
  gone_();
}

}  // namespace oob
