// The server's state folder: <state>/{log,db,ca,run}, made with mode 0700, held by one oobd at a time through flock(2)
// on <state>/lock. At start-up, before anything else is opened.
#pragma once
#include <memory>
#include <string>

#include "common/result.h"

namespace oob {

class StateFolder {
 public:
  // Makes what is missing and takes the lock. Errors: Conflict (another oobd runs, with its pid), Unavailable.
  static Result<std::unique_ptr<StateFolder>> open(const std::string& path);
  ~StateFolder();  // lets the lock go
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string log() const { return path_ + "/log"; }
  std::string database() const { return path_ + "/db/oobd.sqlite"; }
  std::string authority() const { return path_ + "/ca"; }
  std::string run() const { return path_ + "/run"; }

 private:
  StateFolder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::string path_;
  int lock_;
};

}  // namespace oob
