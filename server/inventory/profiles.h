// Profiles: what is the same for all devices of a make: the port numbers of a console server, how its command line
// leads to a console. Data: etc/profiles.d/*.toml, which is inside the program, and [profile.NAME] of the inventory,
// which goes before it. A profile gives a console the keys that are not written there; nothing else knows of profiles.
//   [profile.NAME]
//   line = "ssh"              what its consoles are reached by, unless written
//   ports = 48                the highest port; ports count from 1
//   [profile.NAME.ssh]        for consoles of that kind: keys of the kind, and
//   base = 3000               the TCP port is base + increment * port
//   increment = 1
//   tcp-port = 2200           for an address that is written without a port
// In texts {port} is the number of the port, in `user` {user} the user that is written.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agents/lines/line.h"
#include "common/toml/table.h"

namespace oob {

class Profiles {
 public:
  // `own` are the entries of [profile] in the inventory, which they point into.
  Profiles(const std::vector<const toml_file::Entry*>& own, std::span<const LineKind> kinds, Diagnostics& to);

  // A console's table, with what its key `profile` stands for; nothing if that has an error.
  std::optional<toml_file::Value> with_profile(const toml_file::Value& console);

  // The consoles of [console-server.NAME], as if each were written. With an error: fewer, or none.
  struct Served {
    std::string name;
    Position at;
    toml_file::Value table;
  };
  std::vector<Served> consoles_of(const toml_file::Entry& server);

  std::vector<std::string> names();  // sorted

 private:
  const toml_file::Value* find(const std::string& name);
  const toml_file::Value* require(TableReader& table);
  std::optional<toml_file::Value> merge(const toml_file::Value& console, const toml_file::Value& profile,
                                        std::optional<std::int64_t> port);
  void read_built_in();

  std::span<const LineKind> kinds_;
  Diagnostics& to_;
  std::map<std::string, const toml_file::Value*, std::less<>> known_;
  std::vector<toml_file::Value> built_in_;  // complete before anything points into it
  bool read_ = false;
};

// The files of etc/profiles.d, by name, as they were when the program was built.
struct BuiltInProfile {
  const char* file;
  const char* text;
};
std::span<const BuiltInProfile> built_in_profiles();

}  // namespace oob
