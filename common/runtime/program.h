// A program with a terminal: started in a clean child, watched by pidfd, hung up when its object goes. Lives on one
// shard. Ending programs outlive their Program; the shard waits for them (limits::program_hangup_time) when it is
// destroyed itself.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/runtime/descriptor.h"

namespace oob {

struct ProgramSpec {
  struct Identity {
    unsigned uid = 0, gid = 0;
    std::vector<unsigned> groups;
  };
  std::vector<std::string> argv;         // argv[0] is an absolute path
  std::vector<std::string> environment;  // "NAME=value"; nothing else is inherited
  std::string folder = "/";              // where it starts; "/" if that cannot be entered
  std::optional<Identity> run_as;        // none: as ourselves
  int terminal = -1;                     // becomes its controlling terminal and descriptors 0 to 2; stays the caller's
};

struct Child;  // program.cpp

class Program {
 public:
  explicit Program(Shard& shard);
  ~Program();  // SIGHUP to its process group, SIGKILL later; neither callback runs afterwards
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Call once. Fails where no child could be made. Otherwise `started` is called with the process id or what kept the
  // program from running, and after a success `ended`: "exit status 1", "killed by signal 9 (Killed)". Both are called
  // on the shard, never from inside start(), and may destroy the Program.
  Result<> start(const ProgramSpec& spec, std::function<void(Result<int>)> started,
                 std::function<void(std::string)> ended);

 private:
  friend struct Child;
  void read_report();
  void child_ended(const std::string& how);

  Shard& shard_;
  Child* child_ = nullptr;              // owned by the shard's reaper; null before the start and after the end
  std::unique_ptr<Descriptor> report_;  // the child's: what failed before exec, or end of file
  std::string path_;
  int pid_ = 0;
  std::function<void(Result<int>)> started_;
  std::function<void(std::string)> ended_;
  std::shared_ptr<void> alive_ = std::make_shared<int>();
};

}  // namespace oob
