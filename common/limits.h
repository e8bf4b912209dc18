// Every limit of the product, named with its unit. A queue, buffer or message without a line here is a defect.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace oob::limits {
using namespace std::chrono_literals;

// --- bytes on their way ---
inline constexpr std::size_t read_buffer_bytes = 64 * 1024;        // one a shard; drivers read into it
inline constexpr std::size_t ring_bytes_max = 1024 * 1024;         // an agent's ring for one line, on tmpfs
inline constexpr std::size_t spool_bytes_max = 4 * 1024 * 1024;    // what spills from a ring to disk, a line
inline constexpr std::size_t viewer_queue_bytes = 256 * 1024;      // unsent output of one client connection
inline constexpr std::size_t log_pending_bytes_max = 1024 * 1024;  // unwritten output of one console
inline constexpr std::size_t log_pending_bytes_all = 64 * 1024 * 1024;
inline constexpr std::size_t log_gather_bytes = 64 * 1024;
inline constexpr auto log_gather_time = 100ms;
inline constexpr std::size_t log_marker_every_bytes = 256 * 1024;  // bounds how far back recovery reads
inline constexpr auto log_time_marker_every = 60s;

// --- the tunnel ---
inline constexpr std::size_t tunnel_message_bytes_max = 1024 * 1024;   // assignment of thousands of lines
inline constexpr std::size_t tunnel_frame_bytes = 8 * 1024;            // scheduler quantum = largest DATA frame sent
inline constexpr std::size_t tunnel_send_buffer_bytes = 16 * 1024;     // framed, not yet taken by TLS or the socket
inline constexpr std::size_t tunnel_stream_window_bytes = 16 * 1024;   // at first; grows
inline constexpr std::size_t tunnel_stream_window_bytes_max = 1024 * 1024;
inline constexpr std::size_t tunnel_window_budget_bytes = 64 * 1024 * 1024;
inline constexpr std::uint32_t tunnel_streams_max = 10'000;
inline constexpr auto tunnel_ping_every = 10s;
inline constexpr auto tunnel_silence_max = 25s;       // no byte for so long: the link is dead
inline constexpr auto tunnel_login_time_max = 10s;    // TLS and hello
inline constexpr std::size_t tunnel_logins_max = 64;  // unauthenticated connections at once
inline constexpr auto tunnel_tick_every = 500ms;      // the agent tells its clock, for input deadlines
inline constexpr auto reconnect_delay_min = 250ms;
inline constexpr auto reconnect_delay_max = 30s;

// --- input ---
inline constexpr auto input_age_max = 2000ms;
inline constexpr std::size_t input_batch_bytes_max = 16 * 1024;
inline constexpr std::size_t input_pending_bytes_max = 64 * 1024;  // of one line, not yet taken by the device

// --- fronts ---
inline constexpr std::size_t http_body_bytes_max = 8 * 1024 * 1024;
inline constexpr std::size_t http_header_bytes_max = 16 * 1024;
inline constexpr std::size_t stream_message_bytes_max = 256 * 1024;
inline constexpr std::size_t clients_max = 4096;
inline constexpr std::size_t stream_channels_max = 4096;  // attached consoles of one client connection
inline constexpr std::size_t replay_bytes_max = 1024 * 1024;
inline constexpr auto writer_seat_kept = 30s;

// --- enrolment ---
inline constexpr auto token_life = std::chrono::hours(1);
inline constexpr auto certificate_life = std::chrono::hours(24 * 365 * 5);
inline constexpr auto certificate_warn_before = std::chrono::hours(24 * 60);
inline constexpr std::size_t join_message_bytes_max = 16 * 1024;

// --- names and files ---
inline constexpr std::size_t name_bytes_max = 64;
inline constexpr std::size_t names_max = 65'536;
inline constexpr std::size_t config_file_bytes_max = 8 * 1024 * 1024;
inline constexpr std::size_t config_files_max = 4096;

}  // namespace oob::limits
