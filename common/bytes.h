// Byte spans, as everything in Outband passes bytes: std::byte, never char, so that text and data do not mix by
// accident.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace oob {

using ByteView = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;
using Bytes = std::vector<std::byte>;

inline ByteView as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline void append(Bytes& to, ByteView from) { to.insert(to.end(), from.begin(), from.end()); }
inline void append(Bytes& to, std::string_view from) { append(to, as_bytes(from)); }

// A piece of console output on its way through oobd: written once, shared by the log and every viewer, never copied.
using Chunk = std::shared_ptr<const Bytes>;

}  // namespace oob
