// What /dev/kmsg gives (Documentation/ABI/testing/dev-kmsg of Linux), as a serial console would show it.
#pragma once
#include <string>
#include <string_view>

namespace oob {

// One record: `level,number,microseconds,flag[,..];text`, then its properties, which are left out. "" if it is none.
std::string kernel_log_text(std::string_view record);

}  // namespace oob
