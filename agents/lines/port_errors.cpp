// See port_errors.h.
#include "agents/lines/port_errors.h"

#include <utility>

#include "common/limits.h"
#include "common/text.h"

namespace oob {
namespace {

void add_to(SerialCounters& to, const SerialCounters& more) {
  to.framing += more.framing;
  to.parity += more.parity;
  to.breaks += more.breaks;
  to.overrun += more.overrun;
  to.buffer_overrun += more.buffer_overrun;
}

void list(std::string& to, std::size_t n, std::string_view one, std::string_view many) {
  if (n > 0) to += (to.empty() ? "" : ", ") + count_of(n, one, many);
}

}  // namespace

SerialCounters counted_since(const SerialCounters& before, const SerialCounters& now) {
  return {.framing = now.framing - before.framing,
          .parity = now.parity - before.parity,
          .breaks = now.breaks - before.breaks,
          .overrun = now.overrun - before.overrun,
          .buffer_overrun = now.buffer_overrun - before.buffer_overrun};
}

void PortErrors::add(const SerialCounters& more) {
  add_to(untold_, more);
  add_to(total_, more);
}

void PortErrors::tell(LineEvents& to, SteadyTime now, bool last) {
  if (untold_ == SerialCounters() || (now < tell_from_ && !last)) return;
  tell_from_ = now + limits::serial_note_every;
  const SerialCounters said = std::exchange(untold_, {});
  std::string note;
  if (said.breaks > 0) note = said.breaks == 1 ? "break received" : std::to_string(said.breaks) + " breaks received";
  list(note, said.framing, "framing error", "framing errors");
  list(note, said.parity, "parity error", "parity errors");
  if (!note.empty()) to.line_note(note);
  if (const std::size_t lost = std::size_t(said.overrun) + said.buffer_overrun; lost > 0) {
    to.line_lost("the port's buffer overran: at least " + count_of(lost, "byte", "bytes"));
  }
}

void PortErrors::put_facts(LineFacts& into) const {
  const auto put = [&](const char* key, std::uint32_t n) { into.emplace_back(key, std::to_string(n)); };
  put("framing-errors", total_.framing), put("parity-errors", total_.parity), put("overruns", total_.overrun);
  put("buffer-overruns", total_.buffer_overrun), put("breaks-received", total_.breaks);
}

}  // namespace oob
