// Text of others never makes a terminal do, or a reader believe, what it does not say.
#include "common/text.h"

#include <gtest/gtest.h>

namespace oob {
namespace {

TEST(Text, controls_of_every_width_are_escaped_and_letters_are_not) {
  EXPECT_EQ(escape_controls("a\x1b[31mb\x7f\n"), "a\\x1b[31mb\\x7f\\x0a");
  EXPECT_EQ(escape_controls("\xc2\x9b"
                            "31m"),
            "\\xc2\\x9b31m")
      << "CSI as C1 in UTF-8";
  EXPECT_EQ(escape_controls("\x9b"), "\\x9b") << "no UTF-8";
  EXPECT_EQ(escape_controls("caf\xc3\xa9 \xe2\x82\xac \xe4\xb8\xad \xd8\xa7"),
            "caf\xc3\xa9 \xe2\x82\xac \xe4\xb8\xad \xd8\xa7");
}

TEST(Text, what_turns_the_direction_of_text_is_escaped) {
  EXPECT_EQ(escape_controls("a\u202eb"), "a\\xe2\\x80\\xaeb");
  for (const std::string one : {"\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069"}) {
    EXPECT_EQ(wide_control(one), one.size()) << escape_controls(one);
    EXPECT_EQ(escape_controls(one).substr(0, 2), "\\x");
  }
  for (const std::string one : {"\u061b", "\u200d", "\u2010", "\u2029", "\u202f", "\u2065", "\u206a", "\u00a0"}) {
    EXPECT_EQ(wide_control(one), 0u) << one;
  }
}

}  // namespace
}  // namespace oob
