// Access tokens as text: what is one is read back, what is none is refused without being repeated.
#include "common/crypto/access_token.h"

#include <gtest/gtest.h>

namespace oob {
namespace {

TEST(AccessToken, is_read_back_as_it_was_made) {
  const AccessToken made = make_access_token();
  const Secret text = access_token_text(made);
  EXPECT_EQ(text.reveal().size(), 56u);
  EXPECT_TRUE(text.reveal().starts_with("oob_" + made.id + "_"));
  const auto parsed = parse_access_token(" " + std::string(text.reveal()) + "\r\n");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->id, made.id);
  EXPECT_EQ(access_token_hash(parsed->secret), access_token_hash(made.secret));
  EXPECT_NE(access_token_hash(make_access_token().secret), access_token_hash(made.secret));
}

TEST(AccessToken, what_is_none_is_refused_in_words_that_do_not_repeat_it) {
  const std::string good(access_token_text(make_access_token()).reveal());
  for (const std::string& bad :
       {std::string(), std::string("  "), std::string("secret"), std::string("oob_"), good + "x", good.substr(0, 55),
        "oob1." + good.substr(5), good.substr(0, 12) + "-" + good.substr(13),
        std::string("oob_ABCDEF12") + good.substr(12), good.substr(0, 20) + "!" + good.substr(21),
        std::string(5000, 'a')}) {
    const auto parsed = parse_access_token(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, ErrorCode::Usage);
    if (bad.size() > 5) EXPECT_EQ(parsed.error().message.find(bad), std::string::npos);
  }
}

}  // namespace
}  // namespace oob
