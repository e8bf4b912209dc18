// The exit statuses of `oob`: part of its contract with scripts (docs/COMMANDS.md).
#pragma once
#include "common/result.h"

namespace oob {

enum class Exit : int {
  Done = 0,
  SomeFailed = 1,
  Usage = 2,
  NotAllowed = 3,
  NoSuchName = 4,
  NoServer = 5,
  Unknown = 6,  // what was asked for may have happened or not
};

inline Exit exit_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::Usage:
      return Exit::Usage;
    case ErrorCode::Denied:
      return Exit::NotAllowed;
    case ErrorCode::NotFound:
      return Exit::NoSuchName;
    case ErrorCode::Unavailable:
      return Exit::NoServer;
    case ErrorCode::Conflict:
    case ErrorCode::Internal:
      break;
  }
  return Exit::SomeFailed;
}

}  // namespace oob
