// links: oob_common
// NAMES expressions from anyone: bounded, and what is selected exists; what folds unfolds to the same names.
#include "common/names.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

class Rack final : public oob::NameUniverse {
 public:
  const std::vector<std::string>& all() const override { return all_; }
  const std::vector<std::string>* members(std::string_view group) const override {
    return group == "g" ? &group_ : nullptr;
  }
  std::vector<std::string> groups() const override { return {"g"}; }
  std::vector<std::string> labelled(std::string_view label, std::string_view value) const override {
    return label == "l" && value == "v" ? all_ : std::vector<std::string>{};
  }
  std::vector<std::string> labels() const override { return {"l=v"}; }

 private:
  std::vector<std::string> all_{"0", "00", "01", "1", "10", "a", "a0", "a00", "a01", "a1", "a10", "a2", "b1.c", "b2.c"};
  std::vector<std::string> group_{"a1", "b1.c", "x"};
};

void require(bool promise) {
  if (!promise) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Rack rack;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(oob::expand_ranges(text));
  auto names = oob::select_names(text, rack);
  if (!names) return 0;
  for (const auto& name : *names) require(std::ranges::binary_search(rack.all(), name));
  auto back = oob::select_names(oob::fold_names(*names), rack);
  require(back.has_value());
  std::ranges::sort(*names);
  std::ranges::sort(*back);
  require(*names == *back);
  return 0;
}
