// oob-manual: the page oob(1). Reads docs/man/oob.1.in on standard input and writes it with the chapter COMMANDS from
// the tables of commands in place of the line @COMMANDS@. Runs while building only. The language is mdoc(7).
#include <iostream>
#include <string>

#include "cli/help.h"

namespace {

// As text that roff takes as it stands.
std::string plain(std::string_view text) {
  std::string out;
  bool bold = false;
  for (const char letter : text) {
    switch (letter) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '"':
        out += "\\(dq";
        break;
      case '`':
        out += (bold = !bold) ? "\\fB" : "\\fP";
        break;
      default:
        out += letter;
    }
  }
  return out.starts_with('.') ? "\\&" + out : out;
}

// Text of whole sentences, each on a line of its own, as mdoc(7) wants them.
std::string prose(std::string_view text) {
  std::string out = plain(text);
  for (std::size_t at = 0; (at = out.find(". ", at)) != std::string::npos; ++at) out[at + 1] = '\n';
  return out;
}

// An argument of a macro: nothing in it is taken for a macro or a delimiter.
std::string word(std::string_view text) { return "\"\\&" + plain(text) + "\""; }

std::string flags(const oob::Option& option) {
  std::string out;
  for (const std::string& name : oob::names_of(option)) {
    out += (out.empty() ? "Fl " : " , Fl ") + word(name.substr(1));
  }
  if (!option.takes.empty()) out += " Ar " + word(option.takes);
  return out;
}

void write(const oob::Command& command) {
  std::cout << ".Ss oob " << command.name << "\n";
  for (std::string piece : oob::usage_of(command)) {
    // One line whatever its width: man(1) breaks it between the pieces.
    const bool first = piece.starts_with("oob ");
    for (char& letter : piece) letter = letter == ' ' ? '\x1f' : letter;
    std::string shown = plain(piece);
    for (std::size_t at; (at = shown.find('\x1f')) != std::string::npos;) shown.replace(at, 1, "\\ ");
    std::cout << (first ? "\\fB" + shown + "\\fP" : shown) << "\n";
  }
  std::cout << ".Pp\n" << plain(command.text) << ".\n";
  if (!command.arguments.empty() || !command.options.empty()) std::cout << ".Bl -tag -width Ds\n";
  for (const auto& argument : command.arguments) {
    std::cout << ".It Ar " << word(argument.name) << "\n" << plain(argument.text) << "\n";
  }
  for (const auto& option : command.options) {
    std::cout << ".It " << flags(option) << "\n" << plain(oob::text_with_values(option)) << "\n";
  }
  if (!command.arguments.empty() || !command.options.empty()) std::cout << ".El\n";
  std::string paragraph;
  for (const char letter : std::string(command.more) + "\n\n") {
    if (letter != '\n') {
      paragraph += letter;
    } else if (!paragraph.empty()) {
      if (paragraph.back() == '\n') {
        paragraph.pop_back();
        std::cout << ".Pp\n" << prose(paragraph) << "\n";
        paragraph.clear();
      } else {
        paragraph += letter;
      }
    }
  }
  if (command.examples.empty()) return;
  std::cout << ".Bd -literal -offset indent\n";
  for (const auto example : command.examples) std::cout << plain(example) << "\n";
  std::cout << ".Ed\n";
}

}  // namespace

int main() {
  bool placed = false;
  for (std::string line; std::getline(std::cin, line);) {
    if (line != "@COMMANDS@") {
      std::cout << line << "\n";
      continue;
    }
    placed = true;
    const oob::Option server = oob::server_option();
    std::cout << "Every command takes\n.Bl -tag -width Ds\n.It " << flags(server) << "\n"
              << plain(server.text) << "\n.El\n";
    for (const oob::Command& command : oob::all_commands()) write(command);
  }
  std::cout.flush();
  if (!placed) std::cerr << "oob-manual: standard input has no line @COMMANDS@\n";
  return placed && std::cout.good() ? 0 : 1;
}
