// Joining: a key and a request are made and the key is put on the disk first, so that a token is not used up for a
// folder that cannot be written; then one message each way; then the files take their names, the certificate last.
#include "agents/join.h"

#include <google/protobuf/stubs/logging.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "agents/identity.h"
#include "agents/state_lock.h"
#include "common/crypto/certificate.h"
#include "common/crypto/token.h"
#include "common/limits.h"
#include "common/nearest.h"
#include "common/runtime/descriptor.h"
#include "common/text.h"
#include "common/tls/length_prefix.h"
#include "common/tls/secure_stream.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

namespace fs = std::filesystem;

constexpr int kUsageStatus = 2, kDeniedStatus = 3, kUnavailableStatus = 5;

// --- the conversation with the server -------------------------------------------------------------------------------

struct Joined {
  std::string certificate_pem, ca_pem;
};

// One exchange on a shard of its own; run() returns when it is over.
class Exchange {
 public:
  Exchange(const std::string& server, const Token& token, ByteView request_der)
      : server_(server), token_(token), connector_(shard_), deadline_(shard_) {
    wire::JoinRequest request;
    request.set_name(token.name);
    request.set_secret(std::string(token.secret.reveal()));
    request.set_certificate_request(request_der.data(), request_der.size());
    request.set_version(OOB_VERSION);
    std::string text = request.SerializeAsString();
    output_ = with_length(as_bytes(text));
    wipe(text);
    wipe(*request.mutable_secret());
  }
  ~Exchange() { wipe(MutableBytes(output_)); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Result<Joined> run() {
    auto context = TlsContext::join(token_.ca_fingerprint);
    if (!context) return tl::unexpected(context.error());
    context_ = std::move(*context);
    deadline_.once(limits::join_time_max, [this] { failed(ErrorCode::Unavailable, "no answer within 10 s"); });
    connector_.connect(server_, limits::join_time_max, [this](Result<int> fd) { connected(std::move(fd)); });
    shard_.run();
    return result_;
  }

 private:
  void over(Result<Joined> result) {
    if (shard_.io().stopped()) return;
    result_ = std::move(result);
    shard_.stop();
  }
  void failed(ErrorCode code, const std::string& why) { over(fail(code, escape_controls(server_) + ": " + why)); }

  void connected(Result<int> fd) {
    if (!fd) return over(tl::unexpected(fd.error()));  // which names the address
    TlsEngine engine = context_->engine();
    stream_ = std::make_unique<SecureStream>(shard_, *fd, std::move(engine));
    stream_->start({[this] { handshake_done_ = true; }, [this](ByteView bytes) { received(bytes); },
                    [this](const std::string& reason) { closed(reason); },
                    [this](MutableBytes into) { return fill(into); }});
  }

  void closed(const std::string& reason) {
    if (!handshake_done_) return failed(ErrorCode::Denied, reason);
    failed(ErrorCode::Unavailable, reason + " before it answered; its log may say why");
  }

  std::size_t fill(MutableBytes into) {
    const std::size_t n = std::min(into.size(), output_.size() - sent_);
    std::memcpy(into.data(), output_.data() + sent_, n);
    sent_ += n;
    return n;
  }

  void received(ByteView bytes) {
    const auto taken = input_.receive(bytes);
    const auto message = input_.message();
    if (!taken || message) answered(taken ? *message : ByteView());
  }

  void answered(ByteView message) {
    wire::JoinReply reply;
    const google::protobuf::LogSilencer quiet;  // what is wrong with it, we say ourselves
    if (message.empty() || !reply.ParseFromArray(message.data(), static_cast<int>(message.size())))
      return failed(ErrorCode::Unavailable, "its answer makes no sense; is it an oobd of another version?");
    if (!reply.error().empty()) return failed(ErrorCode::Denied, escape_controls(reply.error()));
    auto pem = certificate_pem(as_bytes(reply.certificate()));
    if (!pem) return failed(ErrorCode::Unavailable, "its answer makes no sense: " + pem.error().message);
    over(Joined{std::move(*pem), context_->ca_pem_seen(*stream_->engine())});
  }

  Shard shard_;
  const std::string server_;
  const Token& token_;
  std::shared_ptr<TlsContext> context_;
  Connector connector_;
  Timer deadline_;
  std::unique_ptr<SecureStream> stream_;
  LengthPrefixed input_{limits::join_message_bytes_max};
  Bytes output_;
  std::size_t sent_ = 0;
  bool handshake_done_ = false;
  Result<Joined> result_ = fail(ErrorCode::Internal, "nothing happened");
};

// --- the state folder -----------------------------------------------------------------------------------------------

constexpr std::array<const char*, 3> kFiles{"agent.key", "ca.pem", "agent.pem"};  // in the order they take their names

std::string staged(const std::string& state, const char* file) { return state + "/" + file + ".new"; }

Result<> make_state_folder(const std::string& state) {
  std::error_code error;
  if (fs::create_directories(state, error)) fs::permissions(state, fs::perms::owner_all, error);
  if (error) return fail(ErrorCode::Unavailable, "cannot make the folder " + in_quotes(state) + ": " + error.message());
  return {};
}

void unstage(const std::string& state) {
  for (const char* file : kFiles) ::unlink(staged(state, file).c_str());
}

Result<> take_names(const std::string& state) {
  for (const char* file : kFiles) {
    const std::string name = state + "/" + file;
    if (::rename(staged(state, file).c_str(), name.c_str()) != 0)
      return fail(ErrorCode::Unavailable, "cannot write " + in_quotes(name) + ": " + std::strerror(errno));
  }
  return {};
}

Result<> join_and_stage(const std::string& server, const std::string& state, const Token& token) {
  const auto made = make_key_and_request(token.name);
  if (!made) return tl::unexpected(made.error());
  if (const auto key = write_private_file(staged(state, "agent.key"), made->key_pem.reveal()); !key) return key;
  Exchange exchange(server, token, made->request_der);
  const auto joined = exchange.run();
  if (!joined) return tl::unexpected(joined.error());
  const auto facts = certificate_facts(joined->certificate_pem);
  const auto usable = TlsContext::agent(joined->certificate_pem, made->key_pem, joined->ca_pem);
  if (!facts || !usable || facts->name != token.name)
    return fail(ErrorCode::Unavailable, escape_controls(server) + ": it answered with a certificate that is not ours");
  if (const auto ca = write_private_file(staged(state, "ca.pem"), joined->ca_pem); !ca) return ca;
  if (const auto pem = write_private_file(staged(state, "agent.pem"), joined->certificate_pem); !pem) return pem;
  if (const auto taken = take_names(state); !taken) return taken;
  drop_renewed(state);
  return {};
}

// --- the token ------------------------------------------------------------------------------------------------------

termios shown{};  // the terminal as it was; for a signal's sake at namespace scope

// A terminal that does not show what is typed, until this goes or a signal ends the program.
class SilentTerminal {
 public:
  SilentTerminal() {
    if (::tcgetattr(STDIN_FILENO, &shown) != 0) return;
    is_terminal_ = true;
    struct sigaction restore {};
    restore.sa_flags = SA_RESETHAND;
    restore.sa_handler = [](int signal) {  // both calls are safe here, signal-safety(7)
      ::tcsetattr(STDIN_FILENO, TCSANOW, &shown);
      ::raise(signal);
    };
    for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &restore, &actions_[i]);
    termios silent = shown;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    std::fputs("Token: ", stderr);
  }
  ~SilentTerminal() {
    if (!is_terminal_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &actions_[i], nullptr);
    std::fputs("\n", stderr);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;

 private:
  static constexpr std::array<int, 4> kSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  bool is_terminal_ = false;
  std::array<struct sigaction, kSignals.size()> actions_{};
};

// The first line; without stdio, which would keep a copy.
Secret read_token_line() {
  const SilentTerminal terminal;
  std::string line;
  line.reserve(limits::token_bytes_max + 1);
  char c = 0;
  while (line.size() <= limits::token_bytes_max && ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') line += c;
  return line;
}

int exit_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::Usage:
      return kUsageStatus;
    case ErrorCode::Denied:
      return kDeniedStatus;
    case ErrorCode::Unavailable:
      return kUnavailableStatus;
    default:
      return 1;
  }
}

}  // namespace

Result<std::string> join_server(const std::string& server, const std::string& state, const Secret& token) {
  const auto parsed = parse_token(token.reveal());
  if (!parsed) return tl::unexpected(parsed.error());
  if (const auto address = parse_host_port(server); !address) return tl::unexpected(address.error());
  if (const auto made = make_state_folder(state); !made) return tl::unexpected(made.error());
  const auto lock = lock_agent_state(state);
  if (!lock) return tl::unexpected(lock.error());
  const std::unique_ptr<const int, void (*)(const int*)> unlock(&*lock, [](const int* fd) { ::close(*fd); });
  if (const auto present = load_identity(state); present && present->name != parsed->name) {
    return fail(ErrorCode::Conflict, in_quotes(state) + " holds the identity of agent " + present->name + "; join as " +
                                         parsed->name + " with a state folder of its own");
  }
  const auto joined = join_and_stage(server, state, *parsed);
  unstage(state);
  if (!joined) return tl::unexpected(joined.error());
  return parsed->name;
}

int join_main(const JoinRequestFile& arguments) {
  const auto token =
      arguments.token_file.empty() ? Result<Secret>(read_token_line()) : read_secret_file(arguments.token_file);
  const auto joined = token ? join_server(arguments.server, arguments.state, *token) : tl::unexpected(token.error());
  if (!joined) {
    std::fprintf(stderr, "oob-agent: cannot join: %s\n", joined.error().message.c_str());
    return exit_status(joined.error().code);
  }
  std::printf("joined as agent %s; its key and certificate are in %s\n", joined->c_str(),
              escape_controls(arguments.state).c_str());
  return 0;
}

}  // namespace oob
