// links: oob_inventory
// A profile and a console server by it, from bytes: never a crash; an inventory, or an error with a place.
#include <cstdint>
#include <cstdlib>

#include "agents/lines/login_script.h"
#include "server/inventory/loader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto cut = all.find('\xff');
  const std::string profile(all.substr(0, cut)), server(cut == std::string_view::npos ? "" : all.substr(cut + 1));
  const std::string text = "[profile.p]\n" + profile + "\n[console-server.s]\nprofile = \"p\"\n" + server +
                           "\n[console.c]\nprofile = \"opengear\"\n" + server;
  oob::Diagnostics said;
  const std::vector<oob::InventoryFile> files{{"a.toml", text}};
  const auto inventory = oob::load_inventory(files, "", oob::line_kinds(), said);
  if ((inventory == nullptr) != said.failed()) std::abort();
  for (const char c : said.text()) {
    if (c != '\n' && static_cast<unsigned char>(c) < 0x20) std::abort();
  }
  if (!inventory) return 0;
  for (const auto& [name, console] : inventory->consoles) {
    if (!oob::check_name(name)) std::abort();
    const auto login = console.line.settings.find("login");
    if (login != console.line.settings.end() && !oob::parse_login(login->second)) std::abort();
  }
  return 0;
}
