// Enrolment's promises: the CA's folder, tokens, the conversation, and `oob-agent join` against the real thing.
#include "server/agents/enrolment.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "agents/identity.h"
#include "agents/join.h"
#include "common/crypto/token.h"
#include "common/limits.h"
#include "common/runtime/descriptor.h"
#include "common/runtime/worker.h"
#include "common/tls/secure_stream.h"
#include "server/agents/authority.h"
#include "tests/unit/common/runtime/pump.h"
#include "tunnel.pb.h"

namespace oob {
namespace {

namespace fs = std::filesystem;

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

class EnrolmentTest : public testing::Test {
 protected:
  EnrolmentTest() : folder_(testing::TempDir() + "enrol.XXXXXX") {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    clock_.set_wall(SystemClock().wall());
    authority_ = open_authority().value();
    database_ = Database::open(folder_ + "/db").value();
    agents_ = std::make_unique<AgentStore>(*database_);
    tokens_ = std::make_unique<TokenStore>(*database_);
    enrolment_ = std::make_unique<Enrolment>(*database_, *authority_, *agents_, *tokens_, clock_);
  }
  ~EnrolmentTest() override { fs::remove_all(folder_); }
  Result<std::unique_ptr<Authority>> open_authority() { return Authority::open(folder_ + "/ca", clock_); }

  Token token(const std::string& name) { return parse_token(enrolment_->create_token(name)->reveal()).value(); }
  Result<Bytes> enrol(const Token& token) { return enrol_as(token.name, token); }
  Result<Bytes> enrol_as(const std::string& name, const Token& token) {
    return enrolment_->enrol({name, token.secret, make_key_and_request(name)->request_der});
  }
  static Bytes request_wire(const std::string& name, const Token& token) {
    wire::JoinRequest request;
    request.set_name(name);
    request.set_secret(std::string(token.secret.reveal()));
    const auto der = make_key_and_request(name)->request_der;
    request.set_certificate_request(der.data(), der.size());
    return with_length(as_bytes(request.SerializeAsString()));
  }
  static wire::JoinReply reply_of(const Bytes& output) {
    LengthPrefixed in(limits::join_message_bytes_max);
    EXPECT_TRUE(in.receive(output));
    wire::JoinReply reply;
    EXPECT_TRUE(in.message() && reply.ParseFromArray(in.message()->data(), static_cast<int>(in.message()->size())));
    return reply;
  }

  std::string folder_;
  ManualClock clock_;
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<AgentStore> agents_;
  std::unique_ptr<TokenStore> tokens_;
  std::unique_ptr<Enrolment> enrolment_;
};

// --- the CA's folder ------------------------------------------------------------------------------------------------

TEST_F(EnrolmentTest, the_ca_is_made_once_and_kept_private) {
  const auto again = open_authority();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->fingerprint(), authority_->fingerprint());
  for (const auto& file : fs::directory_iterator(folder_ + "/ca")) {
    struct stat status {};
    ASSERT_EQ(stat(file.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u) << file.path();
  }
}

TEST_F(EnrolmentTest, a_ca_that_lost_a_file_is_not_replaced_by_a_new_one) {
  for (const char* file : {"/ca/ca.key", "/ca/ca.pem"}) {
    fs::rename(folder_ + file, folder_ + "/away");
    const auto refused = open_authority();
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("restore it"), std::string::npos);
    fs::rename(folder_ + "/away", folder_ + file);
  }
  EXPECT_TRUE(open_authority());
}

TEST_F(EnrolmentTest, a_start_that_was_cut_short_leaves_no_half_ca) {
  const std::string ca = folder_ + "/other";
  fs::create_directory(ca);
  fs::create_directory(ca + ".new");
  std::ofstream(ca + ".new/ca.key") << "half";
  EXPECT_TRUE(Authority::open(ca, clock_));
  EXPECT_FALSE(fs::exists(ca + ".new"));
}

TEST_F(EnrolmentTest, the_servers_certificate_is_renewed_when_it_nears_its_end_or_is_damaged) {
  const std::string before = slurp(folder_ + "/ca/server.pem");
  ASSERT_TRUE(open_authority());
  EXPECT_EQ(slurp(folder_ + "/ca/server.pem"), before);
  clock_.advance(limits::certificate_life * 2 / 3 + std::chrono::hours(1));
  ASSERT_TRUE(open_authority());
  const std::string renewed = slurp(folder_ + "/ca/server.pem");
  EXPECT_NE(renewed, before);
  fs::remove(folder_ + "/ca/server.key");
  ASSERT_TRUE(open_authority());
  EXPECT_NE(slurp(folder_ + "/ca/server.pem"), renewed);
}

// --- tokens ---------------------------------------------------------------------------------------------------------

TEST_F(EnrolmentTest, a_token_lets_its_agent_in_once) {
  const Token t = token("rack1");
  EXPECT_EQ(t.ca_fingerprint, authority_->fingerprint());
  const auto der = enrol(t);
  ASSERT_TRUE(der) << der.error().message;
  const auto facts = certificate_facts(*certificate_pem(*der)).value();
  const auto stored = agents_->find("rack1").value().value();
  EXPECT_EQ(stored.certificate_fingerprint, facts.fingerprint);
  EXPECT_EQ(stored.key_fingerprint, facts.key_fingerprint);
  EXPECT_EQ(stored.not_after_wall_ms, facts.not_after_wall_ms);
  EXPECT_EQ(stored.enrolled_wall_ms, wall_ms(clock_.wall()));
  const auto again = enrol(t);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("used already"), std::string::npos);
  EXPECT_EQ(enrolment_->refused(), 1u);
  EXPECT_EQ(agents_->find("rack1").value().value(), stored);
}

TEST_F(EnrolmentTest, a_wrong_or_expired_token_or_one_for_another_name_is_told_which) {
  const Token other = make_token("rack1", authority_->fingerprint());  // never stored
  EXPECT_NE(enrol(other).error().message.find("wrong token"), std::string::npos);
  const Token t = token("rack1");
  EXPECT_NE(enrol_as("rack2", t).error().message.find("wrong token"), std::string::npos);
  clock_.advance(limits::token_life);
  EXPECT_NE(enrol(t).error().message.find("expired"), std::string::npos);
  EXPECT_EQ(enrolment_->refused(), 3u);
  EXPECT_TRUE(agents_->list()->empty());
}

TEST_F(EnrolmentTest, a_lost_or_revoked_agent_comes_back_with_a_fresh_token_and_a_new_key) {
  ASSERT_TRUE(enrol(token("rack1")));
  const auto before = agents_->find("rack1").value().value();
  ASSERT_TRUE(agents_->revoke("rack1", wall_ms(clock_.wall())));
  const auto t = token("rack1");
  EXPECT_NE(agents_->find("rack1").value()->revoked_wall_ms, 0);  // a token alone changes nothing
  ASSERT_TRUE(enrol(t));
  const auto after = agents_->find("rack1").value().value();
  EXPECT_EQ(after.revoked_wall_ms, 0);
  EXPECT_NE(after.key_fingerprint, before.key_fingerprint);
}

TEST_F(EnrolmentTest, names_that_no_agent_may_have_get_no_token) {
  for (const char* name : {"", "local", "../x", "a b", "attach", "x\n"})
    EXPECT_EQ(enrolment_->create_token(name).error().code, ErrorCode::Usage) << name;
}

TEST_F(EnrolmentTest, the_database_holds_no_token) {
  const auto text = enrolment_->create_token("rack1").value();
  const Token t = parse_token(text.reveal()).value();
  std::string all;
  for (const auto& file : fs::directory_iterator(folder_))
    if (file.is_regular_file()) all += slurp(file.path());
  EXPECT_NE(all.find(token_hash(t.secret)), std::string::npos);
  EXPECT_EQ(all.find(t.secret.reveal()), std::string::npos);
  EXPECT_EQ(all.find(text.reveal()), std::string::npos);
}

TEST_F(EnrolmentTest, a_malformed_request_uses_up_no_token) {
  const Token t = token("rack1");
  for (const Bytes& bad : {Bytes(), Bytes(40, std::byte{0x30}), make_key_and_request("rack2")->request_der}) {
    EXPECT_EQ(enrolment_->enrol({"rack1", t.secret, bad}).error().code, ErrorCode::Usage);
  }
  EXPECT_TRUE(enrol(t));
}

TEST_F(EnrolmentTest, revoking_cancels_the_tokens_of_that_name_that_were_not_used) {
  ASSERT_TRUE(enrol(token("rack1")));
  const Token left = token("rack1"), others = token("rack2");
  ASSERT_TRUE(enrolment_->revoke("rack1"));
  EXPECT_NE(enrol(left).error().message.find("cancelled"), std::string::npos);
  ASSERT_TRUE(enrolment_->revoke("rack2")) << "it never enrolled, but its token goes";
  EXPECT_NE(enrol(others).error().message.find("cancelled"), std::string::npos);
  EXPECT_EQ(enrolment_->revoke("rack3").error().code, ErrorCode::NotFound);
}

// --- renewal --------------------------------------------------------------------------------------------------------

TEST_F(EnrolmentTest, a_renewed_certificate_is_the_next_one_until_it_is_used) {
  ASSERT_TRUE(enrol(token("rack1")));
  const auto before = agents_->find("rack1").value().value();
  clock_.advance(limits::certificate_life * 2 / 3);
  const auto der =
      enrolment_->renew("rack1", before.certificate_fingerprint, make_key_and_request("rack1")->request_der);
  ASSERT_TRUE(der) << der.error().message;
  const auto facts = certificate_facts(*certificate_pem(*der)).value();
  auto record = agents_->find("rack1").value().value();
  EXPECT_EQ(record.certificate_fingerprint, before.certificate_fingerprint);
  EXPECT_EQ(record.next_certificate_fingerprint, facts.fingerprint);
  EXPECT_GT(facts.not_after_wall_ms, before.not_after_wall_ms);
  // Lost on its way: asking again replaces it, and the lost one is worth nothing.
  const auto again =
      enrolment_->renew("rack1", before.certificate_fingerprint, make_key_and_request("rack1")->request_der);
  ASSERT_TRUE(again);
  ASSERT_TRUE(agents_->use_next("rack1", facts.fingerprint));
  EXPECT_EQ(agents_->find("rack1").value()->certificate_fingerprint, before.certificate_fingerprint);
  const auto second = certificate_facts(*certificate_pem(*again)).value();
  ASSERT_TRUE(agents_->use_next("rack1", second.fingerprint));
  record = agents_->find("rack1").value().value();
  EXPECT_EQ(record.certificate_fingerprint, second.fingerprint);
  EXPECT_EQ(record.issued_wall_ms, wall_ms(clock_.wall()));
  EXPECT_EQ(record.enrolled_wall_ms, before.enrolled_wall_ms);
  EXPECT_EQ(enrolment_->renew("rack1", before.certificate_fingerprint, make_key_and_request("rack1")->request_der)
                .error()
                .code,
            ErrorCode::Denied)
      << "the old certificate renews nothing any more";
}

TEST_F(EnrolmentTest, who_was_revoked_or_asks_with_a_bad_request_or_the_same_key_is_not_renewed) {
  const Token t = token("rack1");
  const auto made = make_key_and_request("rack1").value();
  ASSERT_TRUE(enrolment_->enrol({"rack1", t.secret, made.request_der}));
  const std::string key = agents_->find("rack1").value()->certificate_fingerprint;
  EXPECT_EQ(enrolment_->renew("rack1", key, made.request_der).error().code, ErrorCode::Usage);
  EXPECT_EQ(enrolment_->renew("rack1", key, Bytes(9)).error().code, ErrorCode::Usage);
  EXPECT_EQ(enrolment_->renew("rack1", key, make_key_and_request("rack2")->request_der).error().code, ErrorCode::Usage);
  ASSERT_TRUE(enrolment_->revoke("rack1"));
  const auto refused = enrolment_->renew("rack1", key, make_key_and_request("rack1")->request_der);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Denied);
  EXPECT_EQ(agents_->find("rack1").value()->next_certificate_fingerprint, "");
}

TEST_F(EnrolmentTest, a_running_server_renews_its_own_certificate_at_two_thirds_of_its_life) {
  const std::string before = slurp(folder_ + "/ca/server.pem");
  clock_.advance(limits::certificate_life * 2 / 3 - std::chrono::hours(1));
  EXPECT_EQ(authority_->renew_server(clock_.wall()).value(), nullptr);
  EXPECT_EQ(slurp(folder_ + "/ca/server.pem"), before);
  clock_.advance(std::chrono::hours(2));
  EXPECT_NE(authority_->renew_server(clock_.wall()).value(), nullptr);
  const std::string renewed = slurp(folder_ + "/ca/server.pem");
  EXPECT_NE(renewed, before);
  EXPECT_EQ(authority_->renew_server(clock_.wall()).value(), nullptr);
  ASSERT_TRUE(open_authority());
  EXPECT_EQ(slurp(folder_ + "/ca/server.pem"), renewed) << "and a restart finds it good";
}

TEST(Renewal, is_due_at_two_thirds_of_the_shorter_of_both_lives) {
  using std::chrono::hours;
  const auto at = [](int days) { return std::int64_t(days) * 24 * 3600 * 1000; };
  EXPECT_EQ(renewal_due(at(100), at(190), hours(24 * 90)), WallTime(Duration(at(160))));
  EXPECT_EQ(renewal_due(at(100), at(190), hours(24 * 900)), WallTime(Duration(at(160))));
  EXPECT_EQ(renewal_due(at(100), at(1900), hours(24 * 90)), WallTime(Duration(at(160)))) << "made when lives were long";
}

// --- the conversation -----------------------------------------------------------------------------------------------

TEST_F(EnrolmentTest, a_request_in_single_bytes_is_answered_whenever_the_answer_comes) {
  const Bytes wire = request_wire("rack1", token("rack1"));
  std::function<void()> finish;
  int answered = 0;
  JoinConversation conversation(
      "10.0.0.1:4711",
      [&](JoinOrder order, std::function<void(Result<Bytes>)> done) {
        finish = [this, done = std::move(done), order = std::move(order)] { done(enrolment_->enrol(order)); };
      },
      [&] { ++answered; });
  for (const std::byte b : wire) {
    EXPECT_FALSE(finish);
    ASSERT_TRUE(conversation.receive(ByteView(&b, 1)));
  }
  ASSERT_TRUE(finish);
  EXPECT_FALSE(conversation.finished());
  finish();
  EXPECT_EQ(answered, 1);
  EXPECT_TRUE(conversation.finished());
  EXPECT_EQ(conversation.agent(), "rack1");
  EXPECT_EQ(reply_of(conversation.output()).error(), "");
}

TEST_F(EnrolmentTest, an_answer_after_the_connection_is_gone_harms_nobody) {
  std::function<void(Result<Bytes>)> late;
  auto conversation = std::make_unique<JoinConversation>(
      "10.0.0.1:4711", [&](JoinOrder, std::function<void(Result<Bytes>)> done) { late = std::move(done); },
      [] { FAIL(); });
  ASSERT_TRUE(conversation->receive(request_wire("rack1", token("rack1"))));
  conversation.reset();
  late(Bytes{});
}

TEST_F(EnrolmentTest, what_is_no_request_reaches_nobody) {
  std::vector<Bytes> bad{with_length(as_bytes("\xff\xff\xff\xff")), Bytes(4, std::byte{0xFF})};
  bad.push_back(with_length(Bytes(limits::join_message_bytes_max + 1)));
  bad.push_back(request_wire("rack1", token("rack1")));
  bad.back().push_back(std::byte{0});  // something behind it
  for (const Bytes& wire : bad) {
    JoinConversation conversation(
        "10.0.0.1:4711", [](JoinOrder, std::function<void(Result<Bytes>)>) { FAIL(); }, [] {});
    EXPECT_FALSE(conversation.receive(wire));
    EXPECT_TRUE(conversation.output().empty());
  }
}

// --- oob-agent join -------------------------------------------------------------------------------------------------

// The server's side over loopback TCP, as oobd has it; joins run on a thread of their own.
class JoinTest : public EnrolmentTest {
 protected:
  struct Connection {
    std::unique_ptr<SecureStream> stream;
    std::unique_ptr<JoinConversation> conversation;
    std::string reason;
  };
  JoinTest() : state_(folder_ + "/agent"), worker_(shard_), listener_(shard_) {
    EXPECT_TRUE(listener_.listen("127.0.0.1:0", 0, [this](int fd, const std::string& peer) { accepted(fd, peer); }));
  }

  void accepted(int fd, const std::string& peer) {
    auto& c = *connections_.emplace_back(std::make_unique<Connection>());
    c.stream = std::make_unique<SecureStream>(shard_, fd, authority_->tls()->engine());
    c.conversation = std::make_unique<JoinConversation>(
        peer,
        [this](JoinOrder order, std::function<void(Result<Bytes>)> done) {
          auto outcome = std::make_shared<Result<Bytes>>();
          auto held = std::make_shared<JoinOrder>(std::move(order));
          worker_.run([=, this] { *outcome = enrolment_->enrol(*held); }, [=] { done(*outcome); });
        },
        [&c] { c.stream->flush(); });
    c.stream->start({[] {},
                     [this, &c](ByteView bytes) {
                       if (!mute_ && !c.conversation->receive(bytes)) c.stream->close("no request");
                     },
                     [&c](const std::string& reason) { c.reason = reason; },
                     [&c](MutableBytes into) {
                       Bytes& out = c.conversation->output();
                       const std::size_t n = std::min(out.size(), into.size());
                       std::copy_n(out.begin(), n, into.begin());
                       out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n));
                       if (n == 0 && c.conversation->finished()) c.stream->close("answered");
                       return n;
                     }});
  }

  Result<std::string> join(const Secret& token) { return join_at(listener_.address(), token); }
  Result<std::string> join_at(const std::string& address, const Secret& token) {
    Result<std::string> result;
    std::atomic<bool> over = false;
    std::thread agent([&] {
      result = join_server(address, state_, token);
      over = true;
      shard_.post([] {});
    });
    EXPECT_TRUE(pump_until(shard_, [&] { return over.load(); }));
    agent.join();
    return result;
  }
  std::size_t files() const {
    if (!fs::exists(state_)) return 0;
    const auto all = static_cast<std::size_t>(std::distance(fs::directory_iterator(state_), {}));
    return all - fs::exists(state_ + "/lock");
  }

  std::string state_;
  bool mute_ = false;
  Shard shard_;
  Worker worker_;
  Listener listener_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

TEST_F(JoinTest, leaves_an_identity_that_the_server_knows_and_that_logs_in) {
  const auto name = join(*enrolment_->create_token("rack1"));
  ASSERT_TRUE(name) << name.error().message;
  EXPECT_EQ(*name, "rack1");
  EXPECT_EQ(files(), 3u);
  const auto identity = load_identity(state_);
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ(identity->name, "rack1");
  EXPECT_EQ(identity->ca_pem, authority_->certificate_pem());
  EXPECT_EQ(certificate_facts(identity->certificate_pem)->fingerprint,
            agents_->find("rack1").value()->certificate_fingerprint);
  EXPECT_TRUE(TlsContext::agent(identity->certificate_pem, identity->key_pem, identity->ca_pem));
}

TEST_F(JoinTest, a_used_token_is_said_so_and_the_older_identity_stays) {
  const Secret token = *enrolment_->create_token("rack1");
  ASSERT_TRUE(join(token));
  const auto before = slurp(state_ + "/agent.key");
  const auto again = join(token);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::Denied);
  EXPECT_NE(again.error().message.find("used already"), std::string::npos);
  EXPECT_EQ(files(), 3u);
  EXPECT_EQ(slurp(state_ + "/agent.key"), before);
}

TEST_F(JoinTest, a_token_of_another_server_is_refused_before_its_secret_is_sent) {
  const auto other = Authority::open(folder_ + "/other", clock_).value();
  const auto refused = join(token_text(make_token("rack1", other->fingerprint())));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Denied);
  EXPECT_NE(refused.error().message.find("this server is not the one the token was made by"), std::string::npos);
  EXPECT_EQ(enrolment_->refused(), 0u);
  EXPECT_EQ(files(), 0u);
  ASSERT_TRUE(pump_until(shard_, [&] { return !connections_.empty() && !connections_[0]->reason.empty(); }));
  EXPECT_EQ(connections_[0]->reason, "peer refused our certificate: to it, it is of another CA");
}

TEST_F(JoinTest, nobody_listening_and_no_address_are_said_so_and_leave_the_token_good) {
  const Secret token = *enrolment_->create_token("rack1");
  const std::string address = listener_.address();
  EXPECT_EQ(join_at("nonsense", token).error().code, ErrorCode::Usage);
  listener_.close();
  const auto refused = join_at(address, token);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
  EXPECT_NE(refused.error().message.find("refused"), std::string::npos) << refused.error().message;
  EXPECT_EQ(files(), 0u);
  ASSERT_TRUE(listener_.listen(address, 0, [this](int fd, const std::string& peer) { accepted(fd, peer); }));
  EXPECT_TRUE(join(token));
}

TEST_F(JoinTest, a_folder_that_cannot_be_written_uses_up_no_token) {
  const Secret token = *enrolment_->create_token("rack1");
  std::ofstream(state_) << "a file is in the way";
  EXPECT_FALSE(join(token));
  EXPECT_TRUE(connections_.empty());
  fs::remove(state_);
  EXPECT_TRUE(join(token));
}

TEST_F(JoinTest, a_server_that_hangs_up_or_never_answers_is_said_so) {
  mute_ = true;
  const Secret token = *enrolment_->create_token("rack1");
  Result<std::string> result;
  std::atomic<bool> over = false;
  std::thread agent([&] {
    result = join_server(listener_.address(), state_, token);
    over = true;
    shard_.post([] {});
  });
  EXPECT_TRUE(pump_until(shard_, [&] { return !connections_.empty() && !connections_[0]->stream->alpn().empty(); }));
  connections_[0]->stream.reset();
  EXPECT_TRUE(pump_until(shard_, [&] { return over.load(); }));
  agent.join();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::Unavailable);
  EXPECT_EQ(files(), 0u);
}

TEST_F(JoinTest, a_machine_that_has_not_joined_is_told_how) {
  const auto identity = load_identity(folder_);
  ASSERT_FALSE(identity);
  EXPECT_EQ(identity.error().code, ErrorCode::NotFound);
  EXPECT_NE(identity.error().message.find("oob agent enroll"), std::string::npos);
}

}  // namespace
}  // namespace oob
