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

// The nearest folder that exists, and its child that we wait for. What came into being between looking and watching is
// looked for once more.
void PathWatch::watch() {
  for (int tries = 0; tries < 8; ++tries) {
    std::string folder = path_, child;
    int watched = -1;
    while (watched < 0) {
      const auto slash = folder.rfind('/');
      if (slash == std::string::npos) return;
      child = folder;
      folder.resize(slash);
      watched = inotify_add_watch(inotify_->fd(), folder.empty() ? "/" : folder.c_str(), kEvents);
    }
    if (watched_ >= 0 && watched_ != watched) inotify_rm_watch(inotify_->fd(), watched_);
    watched_ = watched;
    awaited_ = child.substr(child.rfind('/') + 1);
    if (child == path_ || ::access(child.c_str(), F_OK) != 0) return;
  }
}

void PathWatch::drain() {
  alignas(inotify_event) std::array<std::byte, 4096> events;
  bool ours = false;
  while (const std::size_t size = inotify_->read(events).value_or(0)) {
    for (std::size_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events.data() + at);
      at += sizeof *event + event->len;
      // Without a name it is about the folder itself, or events were lost.
      ours = ours || event->len == 0 || awaited_ == event->name;
    }
  }
  if (!ours) return;
  watch();
  const auto changed = changed_;
  changed();
}

}  // namespace oob
