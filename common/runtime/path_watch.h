// PathWatch: says when a path that is not there may have appeared, or may have become accessible: a device that is
// plugged in. By inotify(7) on the nearest folder above it that exists, so that it also works below folders that come
// with the device. What else happens in that folder is not told. Where the kernel cannot watch, nothing is ever told.
// On the shard.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "common/runtime/descriptor.h"

namespace oob {

class PathWatch {
 public:
  // `changed` is called from the event loop, as often as it happens, until this is destroyed, which it may do.
  PathWatch(Shard& shard, std::string path, std::function<void()> changed);

 private:
  void watch();
  void drain();

  const std::string path_;
  const std::function<void()> changed_;
  std::unique_ptr<Descriptor> inotify_;
  int watched_ = -1;
  std::string awaited_;  // the name in the watched folder that leads to the path
};

}  // namespace oob
