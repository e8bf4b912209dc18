// Secrets' files, tokens and their text forms.
#include "common/crypto/secret.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <type_traits>

#include "common/crypto/digest.h"
#include "common/crypto/token.h"
#include "common/limits.h"

namespace oob {
namespace {

class SecretFile : public testing::Test {
 protected:
  SecretFile() : folder_(testing::TempDir() + "secret.XXXXXX") { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
  ~SecretFile() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& text, mode_t mode) {
    const std::string path = folder_ + "/s";
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  std::string folder_;
};

std::string refusal(const std::string& path) {
  const auto secret = read_secret_file(path);
  return secret ? "" : secret.error().message;
}

TEST_F(SecretFile, is_read_if_only_its_owner_may) {
  for (const mode_t mode : {0600, 0400}) {
    const auto secret = read_secret_file(write("hush\n", mode));
    ASSERT_TRUE(secret) << secret.error().message;
    EXPECT_EQ(secret->reveal(), "hush\n");
    std::filesystem::remove(folder_ + "/s");
  }
}

TEST_F(SecretFile, is_refused_if_others_may_read_it_with_the_command_that_helps) {
  for (const mode_t mode : {0644, 0640, 0620, 0601, 0700}) {
    const auto secret = read_secret_file(write("hush", mode));
    ASSERT_FALSE(secret);
    EXPECT_EQ(secret.error().code, ErrorCode::Denied);
    EXPECT_NE(secret.error().message.find("chmod 600 it"), std::string::npos);
    EXPECT_EQ(secret.error().message.find("hush"), std::string::npos);
  }
}

TEST_F(SecretFile, of_another_owner_is_refused) {
  const auto path = write("hush", 0600);
  if (chown(path.c_str(), 65534, 65534) != 0) GTEST_SKIP() << "needs root";
  EXPECT_NE(refusal(path).find("chown it"), std::string::npos);
}

TEST_F(SecretFile, that_is_missing_too_long_or_no_file_is_refused) {
  EXPECT_EQ(read_secret_file(folder_ + "/none").error().code, ErrorCode::NotFound);
  EXPECT_NE(refusal(write(std::string(limits::secret_file_bytes_max + 1, 'x'), 0600)).find("too long"),
            std::string::npos);
  EXPECT_TRUE(read_secret_file(write(std::string(limits::secret_file_bytes_max, 'x'), 0600)));
  EXPECT_NE(refusal(folder_).find("not a plain file"), std::string::npos);
  ASSERT_EQ(mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
  EXPECT_NE(refusal(folder_ + "/fifo").find("not a plain file"), std::string::npos);
}

TEST_F(SecretFile, with_a_password_may_end_in_one_newline_and_is_neither_empty_nor_long) {
  EXPECT_EQ(read_password_file(write("hush\n", 0600))->reveal(), "hush");
  EXPECT_EQ(read_password_file(write("hush\n\n", 0600))->reveal(), "hush\n");
  EXPECT_EQ(read_password_file(write(" hush", 0600))->reveal(), " hush");
  for (const auto& text : {std::string(), std::string("\n"), std::string(limits::line_secret_bytes_max + 1, 'x')}) {
    const auto none = read_password_file(write(text, 0600));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::Denied);
  }
}

TEST_F(SecretFile, is_written_private_whole_and_over_an_older_one) {
  const auto path = write("old", 0644);
  ASSERT_TRUE(write_private_file(path, "new"));
  EXPECT_EQ(read_secret_file(path)->reveal(), "new");
  EXPECT_FALSE(write_private_file(folder_ + "/none/s", "x"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);  // nothing left beside it
}

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

TEST(Secret, cannot_be_printed_compared_or_taken_for_a_string) {
  EXPECT_FALSE(Printable<Secret>);
  EXPECT_FALSE((std::is_convertible_v<Secret, std::string>));
  EXPECT_FALSE((std::is_convertible_v<Secret, std::string_view>));
  EXPECT_FALSE((std::equality_comparable<Secret>));
}

TEST(Token, is_one_line_and_comes_back_as_it_was) {
  const std::string fingerprint(64, 'a');
  const Token token = make_token("rack1", fingerprint);
  const Secret text = token_text(token);
  EXPECT_TRUE(text.reveal().starts_with("oob1."));
  EXPECT_LE(text.reveal().size(), limits::token_bytes_max);
  EXPECT_EQ(text.reveal().find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."),
            std::string::npos);
  const auto back = parse_token("  " + std::string(text.reveal()) + "\r\n");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->name, "rack1");
  EXPECT_EQ(back->ca_fingerprint, fingerprint);
  EXPECT_EQ(back->secret.reveal(), token.secret.reveal());
  EXPECT_EQ(token_hash(back->secret), hex(sha256(as_bytes(token.secret.reveal()))));
  EXPECT_NE(make_token("rack1", fingerprint).secret.reveal(), token.secret.reveal());
}

TEST(Token, of_the_longest_name_fits) {
  const Token token = make_token(std::string(limits::name_bytes_max, 'n'), std::string(64, '0'));
  EXPECT_TRUE(parse_token(token_text(token).reveal()));
}

TEST(Token, cut_lengthened_or_of_another_version_is_refused_without_being_repeated) {
  const std::string whole(token_text(make_token("rack1", std::string(64, 'a'))).reveal());
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(parse_token(whole.substr(0, size))) << size;
  for (const std::string& text :
       {whole + "A", whole + " x", "x" + whole, std::string("oob1.!!!!"), std::string("oob1.")}) {
    const auto refused = parse_token(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().message.find(whole.substr(5, 20)), std::string::npos);
  }
  const auto later = parse_token("oob1." + base64url(as_bytes(std::string("\2\5rack1", 7) + std::string(64, 'x'))));
  ASSERT_FALSE(later);
  EXPECT_NE(later.error().message.find("another version"), std::string::npos);
}

TEST(Token, with_a_name_that_is_none_is_refused) {
  for (const std::string name : {"", "../etc", "a b", "attach"}) {
    const std::string packed = std::string("\1") + static_cast<char>(name.size()) + name + std::string(64, 'x');
    EXPECT_FALSE(parse_token("oob1." + base64url(as_bytes(packed)))) << name;
  }
}

TEST(Digest, is_sha256) {
  EXPECT_EQ(hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, base64url_is_that_of_the_rfc_and_each_value_has_one_text) {
  EXPECT_EQ(base64url(as_bytes("foobar")), "Zm9vYmFy");  // RFC 4648 section 10
  EXPECT_EQ(base64url(as_bytes("fooba")), "Zm9vYmE");
  EXPECT_EQ(base64url(as_bytes("foob")), "Zm9vYg");
  EXPECT_EQ(as_text(*parse_base64url("Zm9vYg")), "foob");
  for (const char* text : {"Zm9vYh", "Zm9vY", "Zm9vYg==", "Zm9v\n"}) EXPECT_FALSE(parse_base64url(text)) << text;
}

TEST(Digest, bytes_are_the_same_only_if_all_are) {
  EXPECT_TRUE(same_bytes(as_bytes("abc"), as_bytes("abc")));
  EXPECT_FALSE(same_bytes(as_bytes("abc"), as_bytes("abd")));
  EXPECT_FALSE(same_bytes(as_bytes("abc"), as_bytes("ab")));
}

TEST(Digest, hexadecimal_is_read_strictly) {
  EXPECT_EQ(hex(*parse_hex("00ff")), "00ff");
  for (const char* text : {"0", "0g", "FF", "0x"}) EXPECT_FALSE(parse_hex(text)) << text;
}

}  // namespace
}  // namespace oob
