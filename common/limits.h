// Every limit of the product, named with its unit. A queue, buffer or message without a line here is a defect.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace oob::limits {
using namespace std::chrono_literals;

// --- bytes on their way ---
inline constexpr std::size_t read_buffer_bytes = 64 * 1024;  // one a shard; drivers read into it
inline constexpr std::size_t ring_bytes_max = 1024 * 1024;   // an agent's ring for one line, on tmpfs
inline constexpr auto line_rest_every = 2s;                  // a line silent for so long gives its ring's pages back
inline constexpr std::size_t spool_bytes_max = 4 * 1024 * 1024;    // what spills from a ring to disk, a line
inline constexpr std::size_t spools_earlier_max = 4;               // of rings that reboots took, each of that size
inline constexpr std::size_t viewer_queue_bytes = 256 * 1024;      // unsent output of one client connection
inline constexpr std::size_t log_pending_bytes_max = 1024 * 1024;  // unwritten output of one console
inline constexpr std::size_t log_pending_bytes_held = 16 * 1024 * 1024;  // of all logs; above it no line gets credit
// What had credit before that still fits: the first window of every stream of a full tunnel.
inline constexpr std::size_t log_pending_bytes_all = log_pending_bytes_held + 10'000 * 16 * 1024;
inline constexpr std::size_t log_gather_bytes = 64 * 1024;
inline constexpr auto log_gather_time = 100ms;
inline constexpr std::size_t log_marker_every_bytes = 256 * 1024;  // bounds how far back recovery reads
inline constexpr auto log_time_marker_in_line_every = 60s;         // else at the first line of each second
// Callers withhold credit at log_pending_bytes_max; a stream's window may be under way then. More is counted as a gap.
inline constexpr std::size_t log_waiting_bytes_max = 2 * 1024 * 1024;
inline constexpr std::size_t log_marker_bytes_max = 1024;  // one marker line; longer text is cut
// Of what people did, waiting for the disk beside the output; more is counted, and that is said.
inline constexpr std::size_t log_event_bytes_max = 32 * 1024, log_event_bytes_all = 16 * 1024 * 1024;
inline constexpr std::size_t log_read_events_max = 10'000;  // given to one reader at once; of one place no more
inline constexpr std::size_t log_spans_max = 1000;          // stretches between two settings of the clock
inline constexpr std::size_t log_reads_waiting_max = 4096;  // replays and pages of all logs, under way
inline constexpr std::size_t log_followers_max = 256;       // of one log, waiting for more
inline constexpr auto log_follow_wait_max = 8s;             // below client_time_out
inline constexpr auto log_follow_gather_time = 50ms;        // so that a talking line costs no answer a byte
inline constexpr std::size_t searches_waiting_max = 64;     // of all logs, under way
inline constexpr auto search_slice_time = 200ms;            // one answer's work; the next request goes on
inline constexpr std::size_t search_answer_bytes_max = 512 * 1024;
inline constexpr std::size_t search_line_bytes_max = 16 * 1024;  // longer lines are cut, visibly
inline constexpr std::size_t search_context_lines_max = 200;
inline constexpr std::size_t search_pattern_bytes_max = 1024;
inline constexpr std::size_t search_pattern_memory = 2 * 1024 * 1024;
inline constexpr std::size_t search_matches_max = 32;            // shown of one line
inline constexpr auto log_retry_every = 1s;                      // a disk that refused is asked again
inline constexpr std::size_t ring_record_bytes_max = 64 * 1024;  // longer appends are split
inline constexpr std::size_t ring_trim_bytes = 64 * 1024;        // unused pages are given back from here on
inline constexpr auto line_connect_time_max = 10s;               // look-up and connect of a tcp or unix line
inline constexpr auto line_ssh_login_time_max = 30s;             // key exchange, login and opening of an ssh line
inline constexpr unsigned ssh_questions_max = 16;                // rounds of keyboard-interactive
inline constexpr auto line_ssh_silence_max = 35s;                // not even an answer to a question: the device hangs
inline constexpr std::size_t login_steps_max = 32;               // of a login script
inline constexpr std::size_t login_text_bytes_max = 16 * 1024;   // of one, as it travels
inline constexpr std::size_t login_send_bytes_max = 1024;        // of one step
inline constexpr std::size_t login_pattern_bytes_max = 512;      // likewise
inline constexpr std::int64_t login_pattern_memory = 256 * 1024;
inline constexpr auto login_step_time = std::chrono::milliseconds(10s);  // for what is waited for, unless written
inline constexpr auto login_step_time_max = std::chrono::milliseconds(10min);
inline constexpr std::size_t login_window_bytes = 8 * 1024;  // of what a device said, in which a match is looked for
inline constexpr std::size_t login_transcript_bytes = 2 * 1024;  // kept for the message about a failed login
inline constexpr std::size_t login_notes_max = 8;                // of a driver, held until the login is through
inline constexpr auto login_refused_rest =
    10min;  // after a password may have been refused: fewer tries than lock accounts
inline constexpr auto line_keepalive_every = 10s;  // a silent tcp peer is probed, and is dead after three probes
inline constexpr std::size_t serial_unsent_bytes_max = 4096;  // given to the kernel's queue of a port, of the fastest
inline constexpr auto serial_look_every = 1s;                 // modem lines and error counters of a port
inline constexpr auto serial_note_every = 10s;                // errors in between are told as one sum
inline constexpr auto serial_pace = 10ms;                     // a full port is asked again
inline constexpr auto serial_break_patience = 500ms;          // for what is unsent, before a break is sent all the same
inline constexpr double telnet_answers_at_once = 200, telnet_answers_per_second = 5;  // to a peer's requests
inline constexpr std::size_t telnet_message_bytes_max = 1024;                         // of one subnegotiation
inline constexpr std::size_t telnet_unsent_bytes_max = 4096;  // answers that the peer has not taken
inline constexpr std::size_t telnet_write_bytes = 4096;       // typed bytes encoded at once
inline constexpr auto telnet_answer_time_max = 5s;            // for the settings of a port, RFC 2217
inline constexpr std::size_t hint_bytes = 512;                // of output, by which a wrong speed is judged
inline constexpr auto hint_silence = 10s;                     // no answer to what was typed: why, perhaps
inline constexpr auto line_settles_after = 1s;                // a line that ends before is not told as up each time
inline constexpr std::size_t netconsole_datagram_bytes_max = 2048;      // Linux sends 1000 at most
inline constexpr std::size_t netconsole_message_bytes_max = 16 * 1024;  // put together of fragments; Linux: 8 KB
inline constexpr auto netconsole_window = 100ms;                        // for what overtook, and for fragments
inline constexpr std::size_t netconsole_held_max = 64;                  // messages of one sender that wait for another
inline constexpr std::size_t netconsole_held_bytes_max = 128 * 1024;
inline constexpr double netconsole_marks_at_once = 20, netconsole_marks_per_second = 1;  // gaps and notes of a sender
inline constexpr auto netconsole_marks_gathered = 1s;
inline constexpr std::size_t listener_socket_bytes =
    8 * 1024 * 1024;                                    // the kernel's, of one that takes datagrams or frames
inline constexpr auto listener_kept = 2s;               // after its last line went, for one that follows
inline constexpr std::size_t callhome_logins_max = 64;  // calls at once that have not shown a token, of a listener
inline constexpr std::size_t callhome_logins_of_address_max = 8;
inline constexpr auto callhome_login_time_max = 10s;  // TLS and token; and the second call of a pair
inline constexpr std::size_t callhome_token_bytes_min = 16, callhome_token_bytes_max = 256;
inline constexpr std::size_t callhome_unsent_bytes_max = 4096;                       // of one line's input
inline constexpr double callhome_calls_at_once = 10, callhome_calls_per_second = 1;  // taken for one line
inline constexpr std::size_t unknown_senders_max = 64;               // senders that no line names, of one agent
inline constexpr std::size_t unknown_sender_messages_max = 1024;     // kept of one
inline constexpr std::size_t unknown_sender_bytes_max = 64 * 1024;   // likewise
inline constexpr std::size_t unknown_sender_said_bytes_max = 200;    // the end of its text, shown to people
inline constexpr std::size_t unknown_senders_said_bytes_max = 4096;  // of all of them in one message of an agent
inline constexpr auto ether_hello_every = 10s;                       // an etherconsole's node that says nothing else
inline constexpr auto ether_silence_max = 35s;                       // nothing heard for so long: the line is down
inline constexpr auto ether_again_after = 100ms;                     // input that is not confirmed is sent again
inline constexpr int ether_tries_max = 20;                           // then it is told to be lost
inline constexpr std::size_t node_ring_bytes = 256 * 1024;           // of an etherconsole's node
inline constexpr double node_frames_at_once = 200, node_frames_per_second = 2000;  // that it sends
inline constexpr double node_inputs_at_once = 100, node_inputs_per_second = 100;   // that it obeys
inline constexpr auto node_pace = 5ms;                                             // what waits is tried again
inline constexpr std::size_t line_facts_max = 32;                                  // of one line
inline constexpr std::size_t line_fact_bytes_max = 256;                            // of one, key and value each
inline constexpr auto line_facts_every = 1s;                                       // changes in between are told once
inline constexpr auto program_hangup_time = 5s;                                    // from SIGHUP to SIGKILL
inline constexpr auto test_line_tick = 10ms;  // a numbering test line gathers so long

// --- BMCs: IPMI and serial over LAN ---
inline constexpr auto ipmi_repeat_after = 500ms;      // an unanswered request, at first; then later and later
inline constexpr auto ipmi_answer_time_max = 4000ms;  // for one answer; then the BMC is dead to us
inline constexpr auto ipmi_suite_time_max = 2000ms;   // for the answer to a cipher suite; then the next is tried
inline constexpr std::size_t ipmi_commands_waiting_max = 64;   // of one session
inline constexpr int ipmi_datagrams_a_turn = 16;               // of one BMC, before others get theirs
inline constexpr std::size_t datagram_addresses_max = 4;       // of one name, that are tried at once
inline constexpr std::size_t ipmi_user_bytes_max = 16;         // IPMI 2.0 section 22.28
inline constexpr std::size_t ipmi_password_bytes_max = 20;     // section 22.30
inline constexpr std::size_t ipmi_password_bytes_max_15 = 16;  // likewise, in IPMI 1.5
inline constexpr auto sol_answer_time_max = 12000ms;           // of a BMC whose console is open: resets of its network
inline constexpr auto sol_watch_every = 8000ms;                // it is asked whether serial over LAN is still ours
inline constexpr auto sol_repeat_after = 300ms;                // unacknowledged input, at first
inline constexpr auto sol_refused_rest = 200ms;                // refused input is offered again after so long
inline constexpr std::size_t sol_sessions_kept = 4;            // left open by earlier starts, to be closed
inline constexpr std::size_t bmc_requests_max = 1024;          // under way at one agent
inline constexpr std::size_t bmc_requests_of_server_max = 2048;  // under way at all; more wait
inline constexpr std::size_t bmc_jobs_max = 256;                 // remembered, with what came of them
inline constexpr std::size_t bmc_findings_max = 64;              // of one request
inline constexpr auto bmc_job_kept = std::chrono::minutes(10);   // after it is over
inline constexpr auto power_status_time_max = 5s;                // a dead BMC costs no more
inline constexpr auto power_patience = 30s;                      // from asking until it is so, unless said otherwise
inline constexpr auto power_patience_soft = 120s;                // an operating system shuts down
inline constexpr auto power_patience_max = 600s;
inline constexpr auto power_answer_time_max = 15s;  // for one answer of a BMC, however long the act may take
inline constexpr auto bmc_doctor_time_max = 60s;    // then the agent ends it, before oobd gives the agent up
inline constexpr auto bmc_answer_slack = 3s;        // beyond the agent's own time, for the way

// --- the tunnel ---
inline constexpr std::size_t tunnel_message_bytes_max = 4 * 1024 * 1024;  // assignment of thousands of lines
inline constexpr std::size_t tunnel_frame_bytes = 8 * 1024;               // scheduler quantum = largest DATA frame sent
inline constexpr std::size_t tunnel_send_buffer_bytes = 16 * 1024;        // framed, not yet taken by TLS or the socket
inline constexpr std::size_t tunnel_stream_window_bytes = 16 * 1024;      // at first; grows
inline constexpr std::size_t tunnel_stream_window_bytes_max = 256 * 1024;
inline constexpr std::size_t tunnel_window_budget_bytes = 32 * 1024 * 1024;
inline constexpr std::uint32_t tunnel_streams_max = 10'000;
inline constexpr auto tunnel_ping_every = 10s;
inline constexpr auto tunnel_silence_max = 25s;       // no byte for so long: the link is dead
inline constexpr auto tunnel_login_time_max = 10s;    // TLS and hello
inline constexpr std::size_t tunnel_logins_max = 64;  // unauthenticated connections at once
inline constexpr auto tunnel_tick_every = 500ms;      // the agent tells its clock, for input deadlines
inline constexpr auto tunnel_status_every = 5s;       // an agent tells how it goes so often at most
// What one agent tells of its lines (up, down, notes, ..), in the logs' bytes: ten thousand lines that come up at once
// fit; beyond it they are counted, and that is said of each line so often at most.
inline constexpr double agent_events_bytes_at_once = 8e6, agent_events_bytes_per_second = 20e3;
inline constexpr std::size_t agent_event_bytes_besides_text = 100;
inline constexpr auto agent_events_left_out_said_every = 10s;
inline constexpr auto tunnel_next_server_after = 2s;  // with several addresses: the next is tried; longer each round
inline constexpr std::size_t agent_servers_max = 8;   // addresses in agent.toml
inline constexpr auto tunnel_goodbye_time_max = 1s;   // for the last bytes of a connection that is being closed
inline constexpr auto reconnect_delay_min = 250ms;
inline constexpr auto reconnect_delay_max = 30s;

// --- input ---
inline constexpr auto input_age_max = 2000ms;
inline constexpr auto input_answer_time =
    2ms;  // an agent waits so long for an echo to tell with it that keys were written
inline constexpr std::size_t input_batch_bytes_max = 16 * 1024;
inline constexpr std::size_t input_pending_bytes_max = 64 * 1024;  // of one line, not yet taken by the device

// --- fronts ---
inline constexpr std::size_t http_request_bytes_max = 64 * 1024;     // body of a request; no call has more to say
inline constexpr std::size_t http_body_bytes_max = 8 * 1024 * 1024;  // of an answer
inline constexpr std::size_t http_header_bytes_max = 16 * 1024;
inline constexpr auto http_idle_max = 30s;         // without a whole request, or with an answer that is not taken
inline constexpr auto http_goodbye_time_max = 5s;  // for what is queued and the closing frames of a WebSocket
inline constexpr auto http_linger_time_max = 1s;   // a refused request's rest is read so long, that the answer arrives
inline constexpr auto stream_ping_every = 3s;      // over a network, both ways
inline constexpr auto stream_silence_max = 10s;    // nothing heard for so long: the connection is dead
inline constexpr auto client_reuse_max = 10s;      // an idle connection is used again; the server closes after 30 s
inline constexpr std::size_t front_listens_max = 16;              // addresses of [api] listen
inline constexpr auto front_login_time_max = 10s;                 // TLS and the first request with a good token
inline constexpr std::size_t front_logins_max = 256;              // connections at once that have shown none yet
inline constexpr std::size_t front_logins_of_address_max = 32;    // likewise, of one address (IPv6: of one /64)
inline constexpr std::size_t clients_of_address_max = 1024;       // connections of one address in all
inline constexpr std::size_t login_failures_max = 20;             // of one address in a row; one more every
inline constexpr auto login_failure_forgotten_every = 3s;         // so often; beyond, it is told to wait
inline constexpr std::size_t login_addresses_max = 4096;          // whose failures are remembered
inline constexpr std::size_t http_write_bytes_kept = 64 * 1024;   // gathered for one write; larger buffers are freed
inline constexpr std::size_t user_record_bytes_max = 256 * 1024;  // of the user database, one entry
inline constexpr int user_groups_max = 4096;
inline constexpr std::size_t strangers_max = 64;  // connections of users who may nothing, all together
inline constexpr auto stream_tick_every = 500ms;  // the server tells its clock, for input deadlines
inline constexpr std::size_t replay_lines_max = 1'000'000;
inline constexpr auto break_max = 5000ms;
inline constexpr auto seat_kept = 30s;                                     // for a writer that lost its connection
inline constexpr std::size_t message_bytes_max = 500;                      // that one person says to the others
inline constexpr std::size_t tool_bytes_max = 16;                          // "run", as others see it
inline constexpr std::size_t stream_input_waiting_bytes_max = 256 * 1024;  // of one channel, its fate not known yet
inline constexpr std::size_t stream_input_waiting_max = 4096;              // likewise, batches
inline constexpr std::size_t log_lines_back_bytes_max = 64 * 1024 * 1024;  // looked through for the last N lines
inline constexpr std::size_t log_request_bytes_max = 1024 * 1024;          // console bytes in one answer
inline constexpr std::size_t stream_message_bytes_max = 256 * 1024;
inline constexpr double stream_attaches_at_once = 5000, stream_attaches_per_second = 200;  // of one connection
inline constexpr double stream_acts_at_once = 100, stream_acts_per_second = 20;            // messages, replays, ..
inline constexpr std::size_t clients_max = 4096;
inline constexpr std::size_t stream_channels_max = 4096;  // attached consoles of one client connection
inline constexpr std::size_t replay_bytes_max = 1024 * 1024;
inline constexpr auto client_reconnect_delay_max = 5s;
inline constexpr std::size_t ether_watch_line_bytes_max = 4096;  // `oob ether watch`: a longer one is shown in parts
inline constexpr auto ether_watch_line_waits = 1s;               // then one without an end is shown
inline constexpr auto ether_watch_tick = 250ms;
inline constexpr auto ether_watch_agents_every = 2s, ether_watch_consoles_every = 30s;  // asked for what is new
inline constexpr auto completion_time_max = 1s;   // what a shell's Tab waits for the server
inline constexpr auto client_time_out = 10s;      // a request of `oob`
inline constexpr auto client_silence_max = 15s;   // the server tells its clock every half second; then it is gone
inline constexpr auto client_leave_wait = 1s;     // for the fate of the last keys, when leaving
inline constexpr auto client_escape_wait = 1s;    // a lone ^E is passed on after it
inline constexpr auto client_pipe_quiet = 500ms;  // silence after piped input, then `oob attach` leaves
inline constexpr std::size_t client_pipe_batch_bytes = 1024;   // piped input under way at once
inline constexpr std::size_t tty_batch_bytes_min = 32;         // of a device's input under way; more if that is quick
inline constexpr auto tty_look_every = 50ms;                   // whether a program has opened it
inline constexpr std::size_t run_capture_bytes = 1024 * 1024;  // `oob run`: of one console since the last match
inline constexpr std::size_t run_window_bytes = 64 * 1024;     // the last of it, in which a match is looked for
inline constexpr std::size_t run_jobs_max = 1024;              // consoles at once
inline constexpr std::size_t host_bytes_max = 253;             // of a host's name (RFC 1035 2.3.4, as text)
inline constexpr std::size_t url_bytes_max = 512;              // of a server, as a person writes it
inline constexpr std::size_t accepts_a_turn = 64;  // connections one listener takes before others get their turn
inline constexpr auto accept_rest = 100ms;         // out of descriptors: accept again after so long

// --- enrolment ---
inline constexpr auto token_life = std::chrono::hours(1);
inline constexpr auto certificate_life = std::chrono::hours(24 * 90);  // agents' and oobd's; renewed at two thirds
inline constexpr int certificate_days_max = 3650;                      // [agents] certificate-days
inline constexpr auto certificate_look_every = 60s;                    // for certificates that are due
inline constexpr auto certificate_ask_again = std::chrono::hours(1);   // an agent that did not renew when asked
inline constexpr std::size_t join_message_bytes_max = 16 * 1024;
inline constexpr auto join_time_max = 10s;                                         // `oob-agent join`, all of it
inline constexpr auto authority_life = std::chrono::hours(24 * 365 * 20);          // the server's own CA
inline constexpr auto certificate_backdate = std::chrono::hours(24);               // for peers whose clock is behind
inline constexpr std::size_t token_bytes_max = 256;                                // as text
inline constexpr auto front_certificate_life = std::chrono::hours(24 * 365 * 20);  // clients pin it
inline constexpr auto certificate_warn_before = std::chrono::hours(24 * 30);       // the admin's own, of the front

// --- access tokens ---
inline constexpr auto access_token_life = std::chrono::hours(24 * 30);  // if nothing else was asked for
inline constexpr auto access_token_life_max = std::chrono::hours(24 * 366);
inline constexpr std::size_t access_tokens_max = 4096;  // kept, also those that ended lately
inline constexpr std::size_t access_tokens_of_user_max = 256;
inline constexpr std::size_t access_tokens_page_bytes = 1024 * 1024;    // of a list of them, one answer
inline constexpr auto access_token_kept = std::chrono::hours(24 * 30);  // after its end, so that it can be looked up
inline constexpr auto access_token_look_every = 500ms;       // for those that end; their sessions end with them
inline constexpr auto access_token_use_written_every = 60s;  // its last use is on disk at most so late
inline constexpr auto account_look_every = 60s;              // groups of those who use tokens are looked up again
inline constexpr std::size_t access_scope_bytes_max = 4096;  // of `--on`, with that of all it was made with
inline constexpr std::size_t access_token_depth_max = 8;     // made with one that was made with one ..
inline constexpr std::size_t secret_file_bytes_max = 64 * 1024;
inline constexpr std::size_t line_secret_bytes_max = 4 * 1024;  // a password or key of a line, as its file holds it
inline constexpr std::size_t line_secrets_asked_max = 20'000;   // by one agent, not answered yet
inline constexpr auto line_secret_wait_max = 10s;               // a line waits so long for one, then tries again
inline constexpr std::size_t certificate_chain_bytes_max = 16 * 1024;  // a peer's, before it is verified

// --- memory ---
inline constexpr auto memory_rest_every = 10s;                     // freed memory is given back so often at most,
inline constexpr std::size_t memory_rest_bytes = 4 * 1024 * 1024;  // once the process has grown by so much

// --- names and files ---
inline constexpr std::size_t name_bytes_max = 64;
inline constexpr std::size_t names_max = 65'536;
inline constexpr std::size_t config_file_bytes_max = 8 * 1024 * 1024;
inline constexpr std::size_t config_files_max = 4096;
inline constexpr std::size_t names_expression_bytes_max = 1024 * 1024;
inline constexpr std::size_t names_steps_max =
    2'000'000;  // of one expression: a name, or its match with a glob's letter
inline constexpr double names_steps_of_user_at_once = 10e6, names_steps_of_user_per_second = 1e6;  // on all connections
inline constexpr std::size_t names_users_max = 4096;  // whose steps are remembered
inline constexpr std::size_t label_bytes_max = 256;
inline constexpr std::size_t groups_deep_max = 32;  // groups in groups
inline constexpr std::size_t revisions_shown = 20;  // of the inventory's history, unless asked otherwise
inline constexpr std::size_t revisions_shown_max = 1000;
inline constexpr std::size_t diagnostics_max = 100;     // kept of one check; the rest is counted
inline constexpr std::size_t config_key_dots_max = 16;  // a.b.c
inline constexpr std::size_t config_depth_max = 64;     // tables and lists in each other

}  // namespace oob::limits
