// How a command describes itself to the command line: its arguments, flags and help, and what running it does. Only
// command_line.cpp knows the parsing library behind it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/settings.h"

namespace ns::client {

class Command {
 public:
  virtual ~Command() = default;

  // The targets are written when the command line is parsed; they live as long as `action`, which owns them.
  virtual void argument(const std::string& name, std::string& target, const std::string& help) = 0;  // required
  virtual void optional_argument(const std::string& name, std::string& target, const std::string& help) = 0;
  virtual void option(const std::string& flag, std::string& target, const std::string& help) = 0;
  virtual void choice(const std::string& flag, std::string& target, const std::vector<std::string>& words,
                      const std::string& help) = 0;
  virtual void number(const std::string& flag, std::uint32_t& target, std::uint32_t low, std::uint32_t high,
                      const std::string& help) = 0;
  virtual void flag(const std::string& flag, bool& target, const std::string& help) = 0;
  virtual void footer(const std::string& text) = 0;
  // A command of this command: ns-client NAME WHAT. Without one of them, this one runs.
  virtual Command& add(const std::string& name, const std::string& what_it_does) = 0;
  virtual void hide() = 0;                                           // not in the help
  virtual void run(std::function<int(const Settings&)> action) = 0;  // returns the exit status

  // ID, the task that a command is about; find_task() makes sense of it.
  void task_argument(std::string& target) {
    argument("ID", target, "The task: its id, the first or last four or more characters of it, or last");
  }
};

class CommandLine {
 public:
  virtual ~CommandLine() = default;
  virtual Command& add(const std::string& name, const std::string& what_it_does) = 0;
};

}  // namespace ns::client
