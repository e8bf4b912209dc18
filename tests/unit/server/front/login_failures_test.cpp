// Failed logins by address: so many, then a wait; never more memory than the limit.
#include "server/front/login_failures.h"

#include <gtest/gtest.h>

#include "common/limits.h"

namespace oob {
namespace {

TEST(LoginFailures, a_few_are_answered_many_are_told_to_wait_and_time_forgives) {
  LoginFailures failures;
  SteadyTime now{std::chrono::hours(1)};
  for (std::size_t i = 0; i < limits::login_failures_max; ++i) EXPECT_FALSE(failures.failed("a", now)) << i;
  EXPECT_TRUE(failures.failed("a", now));
  EXPECT_FALSE(failures.failed("b", now)) << "another address";
  now += 2 * limits::login_failure_forgotten_every;
  EXPECT_FALSE(failures.failed("a", now));
  for (int i = 0; i < 1000; ++i) failures.failed("a", now);
  now += limits::login_failures_max * limits::login_failure_forgotten_every * 2;
  EXPECT_FALSE(failures.failed("a", now)) << "however often it failed, it is forgotten in time";
}

TEST(LoginFailures, remembers_no_more_addresses_than_it_may) {
  LoginFailures failures;
  SteadyTime now{std::chrono::hours(1)};
  for (std::size_t i = 0; i < limits::login_addresses_max + 100; ++i) failures.failed(std::to_string(i), now);
  EXPECT_EQ(failures.size(), limits::login_addresses_max);
}

TEST(LoginFailures, one_customers_addresses_count_as_one) {
  EXPECT_EQ(address_of_peer("10.0.0.1:4711"), "10.0.0.1");
  EXPECT_EQ(address_of_peer("[2001:db8::1]:4711"), "2001:db8::1");
  EXPECT_EQ(address_group("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(address_group("2001:db8::1"), address_group("2001:db8::ffff:1"));
  EXPECT_NE(address_group("2001:db8:0:1::1"), address_group("2001:db8:0:2::1"));
}

}  // namespace
}  // namespace oob
