// Names and dice of the faults.
#include "tests/simulators/faults.h"

namespace rude {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Fault::count_)> kNames = {"repeat",
                                                                                          "cut",
                                                                                          "oversize",
                                                                                          "noise",
                                                                                          "wrong-sequence",
                                                                                          "wrong-session",
                                                                                          "wrong-hmac",
                                                                                          "wrong-rakp2",
                                                                                          "wrong-rakp4",
                                                                                          "full",
                                                                                          "no-suite-list",
                                                                                          "no-payload-support",
                                                                                          "odd-payload-size",
                                                                                          "zero-privilege",
                                                                                          "strict-window",
                                                                                          "deaf-close",
                                                                                          "leak",
                                                                                          "ghost",
                                                                                          "silent-deactivate",
                                                                                          "nack",
                                                                                          "partial",
                                                                                          "no-ack",
                                                                                          "no-sol",
                                                                                          "repeat-sol",
                                                                                          "overrun",
                                                                                          "unavailable",
                                                                                          "unanswered"};

}  // namespace

bool Faults::set(std::string_view name, double rate, std::uint64_t times) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return states_[i] = {rate, times}, true;
  }
  return false;
}

bool Faults::strikes(Fault fault) {
  auto& state = states_[static_cast<std::size_t>(fault)];
  if (state.rate <= 0) return false;
  if (state.rate < 1 && std::uniform_real_distribution<double>()(dice_) >= state.rate) return false;
  if (state.times > 0 && --state.times == 0) state.rate = 0;
  return true;
}

std::string Faults::names() {
  std::string out;
  for (const auto name : kNames) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

}  // namespace rude
