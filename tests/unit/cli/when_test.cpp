// Times as people write them, in a zone with daylight saving time.
#include "cli/when.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace oob {
namespace {

class WhenTest : public testing::Test {
 protected:
  WhenTest() {
    ::setenv("TZ", "Europe/Berlin", 1);
    ::tzset();
    parse_utc("2026-11-21T13:00:00.000Z", now);  // 14:00 there
  }
  ~WhenTest() override {
    ::unsetenv("TZ");
    ::tzset();
  }
  std::string when(const std::string& text, bool late = false) const {
    const auto got = parse_when(text, now, late);
    return got ? format_utc(got->time) : "?";
  }
  WallTime now;
};

TEST_F(WhenTest, every_form_is_understood_in_local_time) {
  EXPECT_EQ(when("02:00"), "2026-11-21T01:00:00.000Z");
  EXPECT_EQ(when("13:59:30"), "2026-11-21T12:59:30.000Z");
  EXPECT_EQ(when("14:02:11"), "2026-11-20T13:02:11.000Z");  // still to come today: yesterday's
  EXPECT_EQ(when("2026-11-20"), "2026-11-19T23:00:00.000Z");
  EXPECT_EQ(when("2026-07-01 14:02"), "2026-07-01T12:02:00.000Z");
  EXPECT_EQ(when("2026-07-01T14:02:03"), "2026-07-01T12:02:03.000Z");
  EXPECT_EQ(when("2026-07-01T14:02:03.250Z"), "2026-07-01T14:02:03.000Z");
  EXPECT_EQ(when("2026-07-01 14:02:03+02:00"), "2026-07-01T12:02:03.000Z");
  EXPECT_EQ(when("yesterday"), "2026-11-19T23:00:00.000Z");
  EXPECT_EQ(when("today"), "2026-11-20T23:00:00.000Z");
  EXPECT_EQ(when("10m"), "2026-11-21T12:50:00.000Z");
  EXPECT_EQ(when("2h ago"), "2026-11-21T11:00:00.000Z");
  EXPECT_EQ(when("3d"), "2026-11-18T13:00:00.000Z");
}

TEST_F(WhenTest, what_is_no_time_is_refused) {
  for (const char* wrong : {"", "x", "25:00", "2026-02-30", "2026-13-01", "1", "5y", "-5m", "12:60", "2026-11-21 ",
                            "99999999999d", "2026-11-21 14:02 x", "14:02:11:00"}) {
    EXPECT_EQ(when(wrong), "?") << wrong;
  }
}

TEST_F(WhenTest, a_time_that_was_twice_or_never_is_decided_and_said) {
  EXPECT_EQ(when("2026-10-25 02:30"), "2026-10-25T00:30:00.000Z");
  EXPECT_EQ(when("2026-10-25 02:30", true), "2026-10-25T01:30:00.000Z");
  EXPECT_NE(parse_when("2026-10-25 02:30", now)->note.find("twice"), std::string::npos);
  EXPECT_NE(parse_when("2026-03-29 02:30", now)->note.find("no such time"), std::string::npos);
  EXPECT_EQ(parse_when("2026-03-29 03:30", now)->note, "");
}

}  // namespace
}  // namespace oob
