// links: oob_inventory
// Inventory and oobd.toml from bytes: never a crash; an inventory without an error has only names the grammar allows.
#include <cstdint>
#include <cstdlib>

#include "server/config/server_config.h"
#include "server/inventory/loader.h"
#include "server/inventory/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  oob::Diagnostics config_said;
  oob::read_server_config(text, "oobd.toml", config_said);
  oob::Diagnostics said;
  const std::vector<oob::InventoryFile> files{{"a.toml", text}};
  const auto inventory = oob::load_inventory(files, "", oob::line_kinds(), said);
  if ((inventory == nullptr) != said.failed()) std::abort();
  for (const char c : said.text()) {
    if (c != '\n' && static_cast<unsigned char>(c) < 0x20) std::abort();
  }
  if (!inventory) return 0;
  for (const auto& [name, console] : inventory->consoles) {
    if (!oob::check_name(name) || !inventory->find_agent(console.agent)) std::abort();
  }
  if (!oob::plan_change(*inventory, *inventory).empty()) std::abort();
  static_cast<void>(oob::to_text(oob::plan_change(*oob::empty_inventory(), *inventory)));
  return 0;
}
