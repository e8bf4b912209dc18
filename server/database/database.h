// SQLite, thin: connections, prepared statements, transactions, migrations. Synchronous: used on a Worker's thread, by
// one thread at a time. The only file that includes sqlite3.h is database.cpp. Every error is Unavailable (disk, lock,
// a newer schema) and says which file.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace oob {

// One statement: bind() in order of the question marks, then step() per row. Reset by its destructor, never cached.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  Result<bool> step();  // true: a row is there; false: done
  std::string text(int column) const;
  std::int64_t integer(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* connection, sqlite3_stmt* statement, std::string path);
  sqlite3* connection_;
  sqlite3_stmt* statement_;
  std::string path_;
  int bound_ = 0;
};

struct Migration {
  int number;
  std::string_view sql;
};
std::span<const Migration> schema_migrations();  // schema/NNN_*.sql, in order, embedded at build

class Database {
 public:
  // Opens or makes the file (mode 0600) and brings its schema up to date. A schema newer than the last migration is
  // refused and left untouched: that state belongs to a newer oobd.
  static Result<std::unique_ptr<Database>> open(const std::string& path,
                                                std::span<const Migration> migrations = schema_migrations());
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Result<Statement> prepare(std::string_view sql);
  Result<> run(std::string_view sql);  // one or more statements without parameters
  // All or nothing: rolled back if `work` returns an error.
  Result<> transaction(const std::function<Result<>()>& work);
  std::int64_t changes() const;  // rows touched by the last statement

 private:
  Database(sqlite3* connection, std::string path);
  Result<> migrate(std::span<const Migration> migrations);

  sqlite3* connection_;
  std::string path_;
};

}  // namespace oob
