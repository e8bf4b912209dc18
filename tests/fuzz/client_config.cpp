// A person's config.toml, a server's URL and a fingerprint, under any text: no crash, and what login writes into a file
// is what is read from it again.
// links: oob_cli
#include "cli/client_config.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace oob;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto url = parse_server_url(text);
  if (url && parse_server_url(url->text())->text() != url->text()) __builtin_trap();
  (void)parse_fingerprint(text);
  Diagnostics to;
  read_client_config(text, "config.toml", to);
  if (to.failed()) return 0;
  const auto changed = with_server(text, "srv", ClientServer{"https://a:1", ""}, "srv");
  if (!changed) return 0;
  Diagnostics after;
  if (read_client_config(*changed, "", after).servers.at("srv").url != "https://a:1") __builtin_trap();
  return 0;
}
