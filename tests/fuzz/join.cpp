// What a stranger can send on the agents' port after TLS: the request to join, cut anywhere. The token is taken for
// good, so that the certificate request is reached too. An answer is one whole JoinReply.
// links: oob_links oob_crypto
#include "common/crypto/certificate.h"
#include "common/limits.h"
#include "server/agents/enrolment.h"
#include "tunnel.pb.h"

namespace {

const oob::KeyAndCertificate& authority() {
  static const oob::KeyAndCertificate made = oob::make_authority(oob::SystemClock().wall()).value();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace oob;
  if (size < 2) return 0;
  const auto enrol = [](const JoinOrder& order, const std::function<void(Result<Bytes>)>& done) {
    const auto pem = sign_request(authority(), order.certificate_request, order.name, SystemClock().wall());
    done(pem ? certificate_der(*pem) : Result<Bytes>(tl::unexpected(pem.error())));
  };
  JoinConversation conversation("fuzz:1", enrol, [] { __builtin_trap(); });
  const ByteView message(reinterpret_cast<const std::byte*>(data + 2), size - 2);
  // the first byte says whether the length is right, the second where the message is cut
  const Bytes wire = data[0] % 2 == 0 ? with_length(message) : Bytes(message.begin(), message.end());
  const std::size_t cut = wire.size() * data[1] / 255;
  if (!conversation.receive(ByteView(wire).first(cut)) || !conversation.receive(ByteView(wire).subspan(cut))) return 0;
  if (!conversation.finished()) return 0;
  LengthPrefixed answer(limits::join_message_bytes_max);
  wire::JoinReply reply;
  if (!answer.receive(conversation.output()) || !answer.message()) __builtin_trap();
  const ByteView body = *answer.message();
  if (!reply.ParseFromArray(body.data(), static_cast<int>(body.size()))) __builtin_trap();
  if (reply.error().empty() == reply.certificate().empty()) __builtin_trap();
  return 0;
}
