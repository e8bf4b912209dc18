// Promises of the login's arithmetic: it is the standard's. The vectors were computed apart from this code, by Python's
// hmac and openssl enc, from IPMI 2.0 sections 13.21 to 13.32.
#include "agents/ipmi/rakp.h"

#include <gtest/gtest.h>

#include "common/crypto/digest.h"

namespace oob::ipmi {
namespace {

struct Vector {
  Protection protection;
  const char *kg, *rakp2, *rakp3, *sik, *rakp4, *packet;
};
const Vector kVectors[] = {
    {Protection::Suite17, "", "d8661cd269cabd9dddc3ddd443eaa46f0a0befc693ec4906229ca0f0e598e652",
     "50d5c943826e4dcd18af62387f707b1691fdb4f7e6c8b7c64c7b4eb6cdf95a27",
     "bd52420ea71dd16f05037dc324a0ee0662571e1bb57794e75680b064e6f01cf1", "c998d41677a656b5be6bc0f31e781e17",
     "0600ff0706c045332211070000002000101112131415161718191a1b1c1d1e1fa769af04a0b3315d8a41cd4f0201dc66ffff0207c17206831"
     "d67c94d576c6620066f1de3"},
    {Protection::Suite3, "", "13182df76eb7f24f9f614ae0cec2d5804f83d46c", "315118afb21d20ebf9a5b101b791bdbde9c4e63c",
     "d9266496cd4ae442bce47a864249ad7f2e4f15f6", "d9aee433686e59ebe7812bb2",
     "0600ff0706c045332211070000002000101112131415161718191a1b1c1d1e1fea13635d3a61fb28fe4050ebb1d8b06dffff02078e3809742"
     "50bba2494d5b1ca"},
    {Protection::Suite8, "", "9aa2cc33c9bc4cbc35967e56334197df", "366cace38f6f865b02a84e8c75eb00a2",
     "0bf8ea91c0f96485e36e3c24b4c80e79", "83448ff835f30b3c76a7ca1aeb7282c1",
     "0600ff0706c045332211070000002000101112131415161718191a1b1c1d1e1f9ac14361846609a5a8684985447a4d1dffff0207d7d748298"
     "f5dfadca0b36d9e7fbe0290"},
    {Protection::Suite3, "0123456789abcdefghij", "13182df76eb7f24f9f614ae0cec2d5804f83d46c",
     "315118afb21d20ebf9a5b101b791bdbde9c4e63c", "4caba70e33a874764310b7b1589abfc0865f749b", "e20b9afbdfafc760b3503127",
     "0600ff0706c045332211070000002000101112131415161718191a1b1c1d1e1f7b00a945991d3e447793474a3b4c86e8ffff020712aa52692"
     "853fb8b00e9894d"},
};
constexpr std::uint32_t kConsoleId = 0x11223345, kBmcId = 0x02004000;

std::array<std::byte, 16> counted_from(unsigned first) {
  std::array<std::byte, 16> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::byte(first + i);
  return out;
}
Bytes head(std::uint32_t console_id) {
  Bytes out{std::byte(1), {}, {}, {}};
  put32(out, console_id);
  return out;
}

struct Attempt {
  explicit Attempt(const Vector& v) {
    login.user = "oob";
    login.password = Secret("secret");
    login.kg = Secret(v.kg);
    const Suite& suite = suite_of(v.protection);
    rakp.emplace(suite, login, 0x14, kConsoleId, counted_from(0));
    open = head(kConsoleId);
    put32(open, kBmcId);
    append(open, ByteView(rakp->open_request(1, 4)).subspan(8));
    second = head(kConsoleId);
    append(second, counted_from(0x80)), append(second, counted_from(0x40)), append(second, *parse_hex(v.rakp2));
    fourth = head(kConsoleId);
    append(fourth, *parse_hex(v.rakp4));
  }
  Login login;
  std::optional<Rakp> rakp;
  Bytes open, second, fourth;
};

TEST(Rakp, proves_and_derives_what_the_standard_says) {
  for (const Vector& v : kVectors) {
    Attempt a(v);
    ASSERT_TRUE(a.rakp->open_response(a.open));
    EXPECT_EQ(a.rakp->bmc_id(), kBmcId);
    ASSERT_TRUE(a.rakp->message2(a.second));
    EXPECT_EQ(hex(ByteView(a.rakp->message3(1, 0)).subspan(8)), v.rakp3);
    ASSERT_TRUE(a.rakp->message4(a.fourth));
    const auto keys = a.rakp->keys();
    const Bytes packet = *parse_hex(v.packet);
    const auto plain = keys->open(*parse_packet(packet));
    ASSERT_TRUE(plain);
    EXPECT_EQ(as_text(*plain), "hello");
    EXPECT_TRUE(Keys(suite_of(v.protection), *parse_hex(v.sik)).open(*parse_packet(packet)));
  }
}

TEST(Rakp, notices_each_changed_bit_of_each_proof) {
  for (const Vector& v : kVectors) {
    for (std::size_t i = 8; i < Attempt(v).second.size(); ++i) {
      Attempt a(v);
      ASSERT_TRUE(a.rakp->open_response(a.open));
      a.second[i] ^= std::byte(1);
      EXPECT_FALSE(a.rakp->message2(a.second)) << i;
    }
    for (std::size_t i = 8; i < Attempt(v).fourth.size(); ++i) {
      Attempt a(v);
      ASSERT_TRUE(a.rakp->open_response(a.open) && a.rakp->message2(a.second));
      a.fourth[i] ^= std::byte(1);
      EXPECT_FALSE(a.rakp->message4(a.fourth)) << i;
    }
  }
}

TEST(Rakp, an_answer_with_another_cipher_suite_is_refused) {
  for (const std::size_t at : {16u, 24u, 32u}) {
    Attempt a(kVectors[0]);
    a.open[at] = {};
    const auto good = a.rakp->open_response(a.open);
    ASSERT_FALSE(good);
    EXPECT_NE(good.error().message.find("another cipher suite"), std::string::npos);
  }
}

TEST(Rakp, an_answer_cut_short_anywhere_is_refused) {
  for (std::size_t n = 0; n < 36; ++n) {
    Attempt a(kVectors[0]);
    EXPECT_FALSE(a.rakp->open_response(ByteView(a.open).first(n))) << n;
    ASSERT_TRUE(a.rakp->open_response(a.open));
    EXPECT_FALSE(a.rakp->message2(ByteView(a.second).first(n))) << n;
    ASSERT_TRUE(a.rakp->message2(a.second));
    if (n < a.fourth.size()) {
      EXPECT_FALSE(a.rakp->message4(ByteView(a.fourth).first(n))) << n;
    }
  }
}

TEST(Keys, what_is_sealed_opens_whatever_its_length) {
  const Keys keys(suite_of(Protection::Suite17), as_bytes("some session key"));
  for (std::size_t n = 0; n < 300; ++n) {
    const Bytes text(n, std::byte(n & 255));
    const Bytes packet = keys.seal(PayloadType::Sol, 5, 6, text);
    const auto parsed = parse_packet(packet);
    ASSERT_TRUE(parsed) << n;
    EXPECT_EQ(parsed->type, PayloadType::Sol);
    EXPECT_TRUE(parsed->encrypted && parsed->authenticated);
    EXPECT_EQ(parsed->session, 5u);
    EXPECT_EQ(parsed->sequence, 6u);
    const auto plain = keys.open(*parsed);
    ASSERT_TRUE(plain) << n;
    EXPECT_EQ(*plain, text);
  }
}

TEST(Keys, a_packet_without_a_code_is_not_opened) {
  const Keys keys(suite_of(Protection::Suite3), as_bytes("some session key"));
  EXPECT_FALSE(keys.open(*parse_packet(packet20(PayloadType::Message, false, 5, 6, as_bytes("hello")))));
}

TEST(Login, mistakes_are_answered_with_the_nearest_word) {
  const auto message = [](const auto& result) { return result ? "" : result.error().message; };
  EXPECT_EQ(parse_protections("17, 3,8")->size(), 3u);
  EXPECT_NE(message(parse_protections("0")).find("does not encrypt"), std::string::npos);
  EXPECT_NE(message(parse_protections("17,")).find("no cipher suite"), std::string::npos);
  EXPECT_NE(message(parse_privilege("operater")).find("\"operator\"?"), std::string::npos);
  EXPECT_NE(message(parse_quirks({"authcaps"})).find("\"authcap\"?"), std::string::npos);
  EXPECT_TRUE(parse_quirks({"authcap", "solpayloadsize"})->sol_payload_size);
}

TEST(Login, a_key_of_the_bmc_may_be_written_in_hexadecimal_digits) {
  EXPECT_EQ(kg_from_file(Secret("a key")).reveal(), "a key");
  EXPECT_EQ(kg_from_file(Secret("0x" + std::string(36, '6') + "1162")).reveal(),
            "ffffffffffffffffff\x11"
            "b");
  EXPECT_EQ(kg_from_file(Secret("0x" + std::string(40, 'z'))).reveal().size(), 42u);
}

TEST(Login, an_address_of_ipv6_gets_its_brackets) {
  EXPECT_EQ(bmc_address("10.9.1.1", "623"), "10.9.1.1:623");
  EXPECT_EQ(bmc_address("2001:db8::1", "623"), "[2001:db8::1]:623");
  EXPECT_EQ(bmc_address("[2001:db8::1]", "624"), "[2001:db8::1]:624");
}

}  // namespace
}  // namespace oob::ipmi
