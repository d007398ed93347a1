#include "tests/conformance/isolated.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>

namespace ns::conformance {
namespace {

void write_fully(int descriptor, const void* bytes, std::size_t count) {
  const char* from = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = ::write(descriptor, from, count);
    if (written <= 0) ::_exit(1);
    from += written;
    count -= static_cast<std::size_t>(written);
  }
}

bool read_fully(int descriptor, void* bytes, std::size_t count) {
  char* to = static_cast<char*>(bytes);
  while (count > 0) {
    const ssize_t got = ::read(descriptor, to, count);
    if (got <= 0) return false;
    to += got;
    count -= static_cast<std::size_t>(got);
  }
  return true;
}

[[noreturn]] void work_in_child(int descriptor, std::size_t first, std::size_t count, int seconds_each,
                                const std::function<std::string(std::size_t)>& work) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (std::size_t item = first; item < count; ++item) {
    ::alarm(static_cast<unsigned>(seconds_each));
    const std::string said = work(item);
    const std::uint64_t length = said.size();
    write_fully(descriptor, &length, sizeof length);
    write_fully(descriptor, said.data(), said.size());
  }
  ::_exit(0);
}

std::string reason_of(int status, int seconds_each) {
  if (!WIFSIGNALED(status)) return "it ended the process with status " + std::to_string(WEXITSTATUS(status));
  if (WTERMSIG(status) == SIGALRM) return "it took longer than " + std::to_string(seconds_each) + " seconds";
  return std::string("it crashed: ") + ::strsignal(WTERMSIG(status));
}

// Adds what one child said of its items, from the first that nothing is known of; true when it lived to the last.
bool add_answers(std::vector<std::string>& answers, std::size_t count, int seconds_each,
                 const std::function<std::string(std::size_t)>& work,
                 const std::function<std::string(const std::string&)>& died) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe to a child");
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("no child can be started");
  if (child == 0) work_in_child(ends[1], answers.size(), count, seconds_each, work);
  ::close(ends[1]);
  std::uint64_t length = 0;
  while (answers.size() < count && read_fully(ends[0], &length, sizeof length)) {
    std::string said(length, '\0');
    if (!read_fully(ends[0], said.data(), length)) break;
    answers.push_back(std::move(said));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (answers.size() == count) return true;
  answers.push_back(died(reason_of(status, seconds_each)));
  return false;
}

}  // namespace

std::vector<std::string> run_isolated(std::size_t count, int seconds_each,
                                      const std::function<std::string(std::size_t)>& work,
                                      const std::function<std::string(const std::string&)>& died) {
  std::vector<std::string> answers;
  while (answers.size() < count && !add_answers(answers, count, seconds_each, work, died)) {
  }
  return answers;
}

}  // namespace ns::conformance
