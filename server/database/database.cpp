// The only file that knows sqlite3.h.
#include "server/database/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/text.h"

namespace oob {
namespace {

constexpr int kBusyWait_ms = 5000;  // another process reads the file (a backup, an admin's sqlite3)

tl::unexpected<Error> failed(sqlite3* connection, const std::string& path) {
  return fail(ErrorCode::Unavailable, "the database " + escape_controls(path) + ": " +
                                          (connection ? sqlite3_errmsg(connection) : "out of memory"));
}

}  // namespace

Statement::Statement(sqlite3* connection, sqlite3_stmt* statement, std::string path)
    : connection_(connection), statement_(statement), path_(std::move(path)) {}

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_),
      statement_(std::exchange(other.statement_, nullptr)),
      path_(std::move(other.path_)),
      bound_(other.bound_) {}

Statement::~Statement() { sqlite3_finalize(statement_); }

// A failing bind (out of memory, our wrong count) leaves NULL, which every column of the schema refuses in step().
Statement& Statement::bind(std::string_view text) {
  const char* bytes = text.data() ? text.data() : "";
  sqlite3_bind_text64(statement_, ++bound_, bytes, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  sqlite3_bind_int64(statement_, ++bound_, number);
  return *this;
}

Result<bool> Statement::step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return failed(connection_, path_);
  }
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return bytes ? std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))) : "";
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

Database::Database(sqlite3* connection, std::string path) : connection_(connection), path_(std::move(path)) {}

Database::~Database() { sqlite3_close_v2(connection_); }

Result<std::unique_ptr<Database>> Database::open(const std::string& path, std::span<const Migration> migrations) {
  // SQLite gives its -wal and -shm files the mode of the main file, so that one is made first.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return fail(ErrorCode::Unavailable,
                "the database " + escape_controls(path) + " cannot be opened: " + std::strerror(errno));
  }
  ::close(fd);
  sqlite3* connection = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &connection,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  std::unique_ptr<Database> database(new Database(connection, path));
  if (opened != SQLITE_OK) return failed(connection, path);
  sqlite3_busy_timeout(connection, kBusyWait_ms);
  if (const auto done = database->migrate(migrations); !done) return tl::unexpected(done.error());
  return database;
}

Result<> Database::migrate(std::span<const Migration> migrations) {
  int version = 0;
  {
    auto query = prepare("PRAGMA user_version");
    if (!query) return tl::unexpected(query.error());
    if (const auto row = query->step(); !row) return tl::unexpected(row.error());
    version = static_cast<int>(query->integer(0));
  }
  const int newest = migrations.empty() ? 0 : migrations.back().number;
  if (version > newest) {
    return fail(ErrorCode::Unavailable, "the database " + escape_controls(path_) +
                                            " was made by a newer oobd (its schema is " + std::to_string(version) +
                                            ", this oobd knows " + std::to_string(newest) +
                                            "); run that version, or restore a backup from before the upgrade");
  }
  // After the version check: this writes to the file.
  if (const auto done = run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON"); !done) {
    return done;
  }
  for (const auto& migration : migrations) {
    if (migration.number <= version) continue;
    const auto done = transaction([&]() -> Result<> {
      if (const auto applied = run(migration.sql); !applied) return applied;
      return run("PRAGMA user_version=" + std::to_string(migration.number));
    });
    if (!done) return done;
  }
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(connection_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr) != SQLITE_OK) {
    return failed(connection_, path_);
  }
  return Statement(connection_, statement, path_);
}

Result<> Database::run(std::string_view sql) {
  if (sqlite3_exec(connection_, std::string(sql).c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return failed(connection_, path_);
  }
  return {};
}

Result<> Database::transaction(const std::function<Result<>()>& work) {
  if (const auto begun = run("BEGIN IMMEDIATE"); !begun) return begun;
  auto done = work();
  if (done) done = run("COMMIT");
  if (!done) static_cast<void>(run("ROLLBACK"));  // fails harmlessly where SQLite already rolled back
  return done;
}

std::int64_t Database::changes() const { return sqlite3_changes64(connection_); }

}  // namespace oob
