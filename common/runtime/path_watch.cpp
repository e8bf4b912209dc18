// See path_watch.h.
#include "common/runtime/path_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>

namespace oob {
namespace {
constexpr std::uint32_t kEvents = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
}

PathWatch::PathWatch(Shard& shard, std::string path, std::function<void()> changed)
    : path_(std::move(path)), changed_(std::move(changed)) {
  const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return;
  inotify_ = std::make_unique<Descriptor>(shard, fd);
  watch();
  inotify_->start_reading([this] { drain(); });
}

// The nearest folder that exists. What came into being between looking and watching is looked for once more.
void PathWatch::watch() {
  for (int tries = 0; tries < 8; ++tries) {
    std::string folder = path_;
    int watched = -1;
    do {
      const auto slash = folder.rfind('/');
      if (slash == std::string::npos) return;
      const std::string child = folder;
      folder.resize(slash);
      watched = inotify_add_watch(inotify_->fd(), folder.empty() ? "/" : folder.c_str(), kEvents);
      if (watched >= 0 && child != path_ && ::access(child.c_str(), F_OK) == 0) {
        watched = -2;  // deeper down by now
      }
    } while (watched == -1 && !folder.empty());
    if (watched == -2) continue;
    if (watched_ >= 0 && watched_ != watched) inotify_rm_watch(inotify_->fd(), watched_);
    watched_ = watched;
    return;
  }
}

void PathWatch::drain() {
  std::array<std::byte, 4096> events;
  bool any = false;
  while (inotify_->read(events).value_or(0) > 0) any = true;
  if (!any) return;
  watch();
  const auto changed = changed_;
  changed();
}

}  // namespace oob
