// The help of a command, written from its table: what `oob help COMMAND` and `oob COMMAND --help` print.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/command.h"

namespace oob {

// "-n,--lines" as its names: {"-n", "--lines"}.
std::vector<std::string> names_of(const Option& option);
// The pieces of a usage line, in order: "oob log", "[-n LINES]", "NAME". None of them is ever broken.
std::vector<std::string> usage_of(const Command& command);
// The text of an option with the values it takes, if they are few or bounded: "how many (1 to 100000)".
std::string text_with_values(const Option& option);
// The command by its full name, or null.
const Command* find_command(std::string_view name);
// "agent" -> "enroll", "ls", ..; none for a verb that is a command itself.
std::vector<std::string> second_words(std::string_view verb);

// Terms and what they mean, in two columns; on a narrow screen the meaning stands below its term.
std::string terms_of(const std::vector<std::pair<std::string, std::string>>& rows, std::size_t columns);
// Lines of at most `columns` cells (20 at least), broken between words only; a word longer than that is left whole.
std::string help_of(const Command& command, std::size_t columns);
std::string help_of_group(std::string_view verb, std::size_t columns);  // of a verb with second words

}  // namespace oob
