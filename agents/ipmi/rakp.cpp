// See rakp.h.
#include "agents/ipmi/rakp.h"

#include <algorithm>
#include <cassert>

#include "common/crypto/digest.h"

namespace oob::ipmi {
namespace {

constexpr std::size_t kBlockBytes = 16, kKeyConstantBytes = 20, kRandomBytes = 16;
constexpr std::byte kNextHeader{0x07};  // always, section 13.6

const Suite kSuites[] = {
    {Protection::Suite17, 3, 4, 1, Hash::Sha256, 16},
    {Protection::Suite3, 1, 1, 1, Hash::Sha1, 12},
    {Protection::Suite8, 2, 2, 1, Hash::Md5, 16},
};

std::byte byte(std::size_t value) { return static_cast<std::byte>(value); }

Bytes le32(std::uint32_t value) {
  Bytes out;
  put32(out, value);
  return out;
}

Error broken(const char* what) {
  return {ErrorCode::Unavailable, std::string("the BMC's answer makes no sense: ") + what};
}

}  // namespace

const Suite& suite_of(Protection protection) {
  const auto* at =
      std::find_if(std::begin(kSuites), std::end(kSuites), [&](const Suite& s) { return s.protection == protection; });
  assert(at != std::end(kSuites));
  return *at;
}

// --- keys of a session ---

Keys::Keys(const Suite& suite, ByteView session_integrity_key) : suite_(suite), cipher_{} {
  const Bytes ones(kKeyConstantBytes, byte(1)), twos(kKeyConstantBytes, byte(2));
  integrity_ = hmac(suite.hash, session_integrity_key, {ones});
  Bytes second = hmac(suite.hash, session_integrity_key, {twos});
  std::copy_n(second.begin(), cipher_.size(), cipher_.begin());
  wipe(MutableBytes(second));
}

Keys::~Keys() {
  wipe(MutableBytes(integrity_));
  wipe(cipher_);
}

// The vector, then the payload and 1, 2, 3 .. n, n to whole blocks (section 13.29); then pad to four bytes, code
// (13.6).
Bytes Keys::seal(PayloadType type, std::uint32_t session, std::uint32_t sequence, ByteView payload) const {
  Bytes body(kBlockBytes);
  fill_random(body);
  append(body, payload);
  const std::size_t pad = (kBlockBytes - (payload.size() + 1) % kBlockBytes) % kBlockBytes;
  for (std::size_t i = 1; i <= pad; ++i) body.push_back(byte(i));
  body.push_back(byte(pad));
  const MutableBytes all(body);
  const bool done = aes128_cbc_encrypt(cipher_, all.first(kBlockBytes), all.subspan(kBlockBytes));
  assert(done);
  (void)done;
  Bytes out = packet20(type, true, session, sequence, body);
  constexpr std::size_t rmcp = 4;
  const std::size_t fill = (4 - (out.size() - rmcp + 2) % 4) % 4;
  out.insert(out.end(), fill, byte(0xff));
  out.push_back(byte(fill));
  out.push_back(kNextHeader);
  const Bytes code = hmac(suite_.hash, integrity_, {ByteView(out).subspan(rmcp)});
  append(out, ByteView(code).first(suite_.code_bytes));
  return out;
}

std::optional<Bytes> Keys::open(const Packet& packet) const {
  if (!packet.v20 || !packet.authenticated) return std::nullopt;
  const std::size_t header = static_cast<std::size_t>(packet.payload.data() - packet.covered.data());
  if (packet.covered.size() < header + packet.payload.size() + suite_.code_bytes) return std::nullopt;
  const ByteView covered = packet.covered.first(packet.covered.size() - suite_.code_bytes);
  const Bytes code = hmac(suite_.hash, integrity_, {covered});
  if (!same_bytes(ByteView(code).first(suite_.code_bytes), packet.covered.last(suite_.code_bytes))) return std::nullopt;
  if (!packet.encrypted) return Bytes(packet.payload.begin(), packet.payload.end());
  if (packet.payload.size() < 2 * kBlockBytes) return std::nullopt;
  Bytes body(packet.payload.begin() + kBlockBytes, packet.payload.end());
  if (!aes128_cbc_decrypt(cipher_, packet.payload.first(kBlockBytes), body)) return std::nullopt;
  // Only the length of the padding counts: some BMCs fill it with what they like, and the code has vouched for it.
  const std::size_t pad = byte_at(body, body.size() - 1);
  if (pad + 1 > body.size()) return std::nullopt;
  body.resize(body.size() - pad - 1);
  return body;
}

// --- the login ---

Rakp::Rakp(const Suite& suite, const Login& login, std::uint8_t role, std::uint32_t console_id,
           const std::array<std::byte, 16>& random)
    : suite_(suite), login_(login), role_(role), console_id_(console_id), console_random_(random) {}

Rakp::~Rakp() { wipe(MutableBytes(session_key_)); }

Bytes Rakp::open_request(std::uint8_t tag, std::uint8_t privilege) const {
  Bytes out{byte(tag), byte(privilege), byte(0), byte(0)};
  put32(out, console_id_);
  const std::uint8_t algorithms[] = {suite_.authentication, suite_.integrity, suite_.confidentiality};
  for (std::size_t kind = 0; kind < 3; ++kind)
    for (const std::size_t b : {kind, std::size_t(0), std::size_t(0), std::size_t(8), std::size_t(algorithms[kind]),
                                std::size_t(0), std::size_t(0), std::size_t(0)})
      out.push_back(byte(b));
  return out;
}

// Each answer begins with its tag and a status; what refuses is often cut short after them.
Result<> Rakp::take_status(ByteView payload, std::size_t least) {
  status_ = 0;
  if (payload.size() < 2) return tl::unexpected(broken("too short"));
  status_ = static_cast<std::uint8_t>(byte_at(payload, 1));
  if (status_ != 0) return tl::unexpected(rakp_error(status_));
  if (payload.size() < least) return tl::unexpected(broken("too short"));
  return {};
}

Result<> Rakp::open_response(ByteView payload) {
  if (auto good = take_status(payload, 36); !good) return good;
  if (get32(payload, 4) != console_id_) return tl::unexpected(broken("it names another session"));
  if (byte_at(payload, 16) != suite_.authentication || byte_at(payload, 24) != suite_.integrity ||
      byte_at(payload, 32) != suite_.confidentiality)
    return fail(ErrorCode::Denied, "the BMC answered with another cipher suite than it was asked for");
  bmc_id_ = get32(payload, 8);
  if (bmc_id_ == 0) return tl::unexpected(broken("a session without a number"));
  return {};
}

Bytes Rakp::message1(std::uint8_t tag) const {
  Bytes out{byte(tag), byte(0), byte(0), byte(0)};
  put32(out, bmc_id_);
  append(out, console_random_);
  for (const std::size_t b : {std::size_t(role_), std::size_t(0), std::size_t(0), login_.user.size()})
    out.push_back(byte(b));
  append(out, login_.user);
  return out;
}

Result<> Rakp::message2(ByteView payload) {
  constexpr std::size_t fixed = 40;
  if (auto good = take_status(payload, fixed); !good) return good;
  if (get32(payload, 4) != console_id_) return tl::unexpected(broken("it names another session"));
  std::copy_n(payload.begin() + 8, kRandomBytes, bmc_random_.begin());
  std::copy_n(payload.begin() + 24, guid_.size(), guid_.begin());
  const std::array name{byte(role_), byte(login_.user.size())};
  const Bytes expected =
      hmac(suite_.hash, as_bytes(login_.password.reveal()),
           {le32(console_id_), le32(bmc_id_), console_random_, bmc_random_, guid_, name, as_bytes(login_.user)});
  if (!same_bytes(expected, payload.subspan(fixed)))
    return fail(ErrorCode::Denied, "the password is wrong: the BMC knows the user by another one");
  return {};
}

Bytes Rakp::message3(std::uint8_t tag, std::uint8_t status) const {
  Bytes out{byte(tag), byte(status), byte(0), byte(0)};
  put32(out, bmc_id_);
  if (status != 0) return out;
  const std::array name{byte(role_), byte(login_.user.size())};
  append(out, hmac(suite_.hash, as_bytes(login_.password.reveal()),
                   {bmc_random_, le32(console_id_), name, as_bytes(login_.user)}));
  return out;
}

void Rakp::derive() {
  const Secret& key = login_.kg.empty() ? login_.password : login_.kg;
  const std::array name{byte(role_), byte(login_.user.size())};
  session_key_ = hmac(suite_.hash, as_bytes(key.reveal()), {console_random_, bmc_random_, name, as_bytes(login_.user)});
}

Result<> Rakp::message4(ByteView payload) {
  constexpr std::size_t fixed = 8;
  if (auto good = take_status(payload, fixed); !good) return good;
  if (get32(payload, 4) != console_id_) return tl::unexpected(broken("it names another session"));
  derive();
  const Bytes expected = hmac(suite_.hash, session_key_, {console_random_, le32(bmc_id_), guid_});
  if (!same_bytes(ByteView(expected).first(suite_.code_bytes), payload.subspan(fixed)))
    return fail(ErrorCode::Denied, login_.kg.empty()
                                       ? "the BMC has a key K_g of its own; name the file that holds it as kg-file"
                                       : "the BMC's key K_g is not the one of kg-file");
  return {};
}

std::unique_ptr<Keys> Rakp::keys() const { return std::make_unique<Keys>(suite_, session_key_); }

Error rakp_error(std::uint8_t status) {
  const auto error = [&](ErrorCode code, const char* what) {
    constexpr char hex[] = "0123456789abcdef";
    return Error{code, std::string(what) + " (RAKP status 0x" + hex[status >> 4] + hex[status & 15] + ")"};
  };
  switch (status) {
    case 0x01:
      return error(ErrorCode::Conflict,
                   "the BMC has no session free; close one of them, or wait a minute until it forgets a dead one");
    case 0x02:
    case 0x08:
      return error(ErrorCode::Unavailable, "the BMC forgot the login while it was under way");
    case 0x04:
    case 0x05:
    case 0x06:
    case 0x07:
    case 0x10:
    case 0x11:
      return error(ErrorCode::Denied,
                   "the BMC does not accept this cipher suite; enable it there, or name another as suite");
    case 0x09:
    case 0x0a:
      return error(ErrorCode::Denied,
                   "the BMC does not grant the user this privilege; raise it there, or lower privilege");
    case 0x0b:
      return error(ErrorCode::Conflict, "the BMC has no session of this privilege free");
    case 0x0c:
    case 0x0d:
      return error(
          ErrorCode::Denied,
          "the BMC knows no such user, or has not enabled it for this channel; look at user and its access there");
    case 0x0e:
      return error(ErrorCode::Unavailable, "the BMC takes its own identity for wrong; reset the BMC");
    case 0x0f:
      return error(ErrorCode::Denied, "the BMC says that the password is wrong");
    default:
      return error(ErrorCode::Unavailable, "the BMC refused the login");
  }
}

}  // namespace oob::ipmi
