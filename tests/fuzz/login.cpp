// links: oob_lines
// Login scripts from bytes, and a device that says the rest of the bytes: one text for one script; what is typed does
// not depend on how the device's bytes are cut (unless a pattern looks at the end of what has come so far); no secret
// in a message; bounded memory.
#include <cstdint>
#include <cstdlib>

#include "agents/lines/login_dialogue.h"

namespace {

constexpr const char* kSecret = "S3cret~Canary";

struct Run {
  explicit Run(const oob::LoginScript& script)
      : dialogue(script, {{"password-file", oob::Secret(kSecret)}}, clock.now()) {}
  void say(std::string_view bytes) {
    dialogue.received(oob::as_bytes(bytes), clock.now());
    typed += oob::as_text(dialogue.unsent());
    dialogue.sent(dialogue.unsent().size());
  }
  oob::ManualClock clock;
  oob::LoginDialogue dialogue;
  std::string typed;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto cut = all.find('\xff');
  const std::string_view text = all.substr(0, cut);
  const std::string_view said = cut == std::string_view::npos ? "" : all.substr(cut + 1);
  const auto script = oob::parse_login(text);
  if (!script) return 0;
  if (oob::login_text(*script) != text) std::abort();
  Run whole(*script), pieces(*script);
  whole.say(said);
  pieces.say("");  // what is typed first
  for (const char& c : said) pieces.say(std::string_view(&c, 1));
  const bool looks_at_ends =
      text.find_first_of("$") != std::string_view::npos || text.find("\\x5c") != std::string_view::npos;
  if (!looks_at_ends) {
    if (whole.typed != pieces.typed || whole.dialogue.state() != pieces.dialogue.state()) std::abort();
  }
  for (Run* run : {&whole, &pieces}) {
    for (int turn = 0; run->dialogue.next_deadline() && turn < 1000; ++turn) {
      run->clock.advance(std::chrono::ceil<oob::Duration>(*run->dialogue.next_deadline() - run->clock.now()));
      run->dialogue.tick(run->clock.now());
      run->dialogue.sent(run->dialogue.unsent().size());
    }
    if (run->dialogue.state() == oob::LoginDialogue::State::Going) std::abort();
    const std::string shown = run->dialogue.failure() + run->dialogue.standing();
    if (text.find("S3c") == std::string_view::npos && shown.find(kSecret) != std::string::npos) std::abort();
  }
  return 0;
}
