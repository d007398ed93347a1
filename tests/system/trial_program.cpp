// A trial for the tests: speaks NNI's file protocol and behaves as badly as it is told to.
//
//   trial_program [--trial N] [--once FILE] VERB [ARGUMENT]
//
// --trial N: only the trial with that number behaves as told, the others report. --once FILE: only as long as nobody
// has made FILE, which is then made. Built without sanitizers: what runs in a trial is not ours, and must be able to
// die.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace {

using Json = nlohmann::json;

std::string folder() { return std::getenv("NNI_SYS_DIR"); }

Json read_trial() {
  std::ifstream file(folder() + "/parameter.cfg");
  return Json::parse(file);
}

void report(const Json& trial, const char* type, int sequence, double value) {
  const Json body = {{"parameter_id", trial.at("parameter_id")},
                     {"trial_job_id", std::getenv("NNI_TRIAL_JOB_ID")},
                     {"type", type},
                     {"sequence", sequence},
                     {"value", Json(value).dump()}};
  const std::string text = body.dump() + "\n";
  char head[16];
  std::snprintf(head, sizeof head, "ME%06zu", text.size());
  std::ofstream(folder() + "/.nni/metrics", std::ios::app | std::ios::binary) << head << text << std::flush;
}

// The metric is the parameter x, so that the test can work it out by itself.
double value_of(const Json& trial) { return trial.at("parameters").value("x", 0.0); }

// Returns once whoever holds the file's lock has let go of it.
void wait_at_gate(const char* file) {
  const int gate = open(file, O_RDONLY | O_CLOEXEC);
  if (gate < 0 || flock(gate, LOCK_SH) != 0) {
    std::cerr << "gate " << file << ": " << std::strerror(errno) << "\n";
    std::exit(4);
  }
  close(gate);
}

[[noreturn]] void hang() {
  for (;;) pause();
}

// 1: the parent, 2: its parent, …
pid_t ancestor(int generations) {
  pid_t process = getpid();
  for (; generations > 0; --generations) {
    std::ifstream file("/proc/" + std::to_string(process) + "/status");
    for (std::string line; std::getline(file, line);) {
      if (line.compare(0, 5, "PPid:") == 0) process = std::atoi(line.c_str() + 5);
    }
  }
  return process;
}

[[noreturn]] void allocate_without_end() {
  constexpr std::size_t kStep = 8u << 20;
  std::vector<char*> kept;
  for (;;) {
    char* bytes = static_cast<char*>(std::malloc(kStep));
    if (bytes == nullptr) hang();  // the limit held; whoever set it has to end this
    std::memset(bytes, 1, kStep);
    kept.push_back(bytes);
  }
}

void behave(const Json& trial, const std::string& verb, const char* argument) {
  if (verb == "hold") {
    report(trial, "PERIODICAL", 0, value_of(trial));  // "I am running", for the test that watches
    wait_at_gate(argument);
  } else if (verb == "linger") {
    report(trial, "PERIODICAL", 0, value_of(trial));
    usleep(static_cast<useconds_t>(std::atoi(argument)) * 1000);
  } else if (verb == "segfault") {
    std::cerr << "about to read where nothing is" << std::endl;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
  } else if (verb == "kill-ancestor") {
    kill(ancestor(std::atoi(argument)), SIGKILL);
    hang();
  } else if (verb == "allocate") {
    allocate_without_end();
  } else if (verb == "hang") {
    signal(SIGTERM, SIG_IGN);  // the worst kind: it does not go when asked
    hang();
  } else if (verb == "fail") {
    std::cerr << "no luck today" << std::endl;
    std::exit(3);
  } else if (verb != "report") {
    std::cerr << "unknown verb " << verb << "\n";
    std::exit(5);
  }
}

}  // namespace

int main(int count, char** words) {
  int next = 1;
  bool behaves_badly = true;
  for (; next + 1 < count && std::strncmp(words[next], "--", 2) == 0; next += 2) {
    const std::string option = words[next];
    if (option == "--trial") {
      behaves_badly = behaves_badly && std::strcmp(words[next + 1], std::getenv("NNI_TRIAL_SEQ_ID")) == 0;
    } else if (option == "--once" && behaves_badly) {
      const int made = open(words[next + 1], O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      behaves_badly = made >= 0;
      if (made >= 0) close(made);
    }
  }
  const Json trial = read_trial();
  if (behaves_badly && next < count) behave(trial, words[next], next + 1 < count ? words[next + 1] : nullptr);
  report(trial, "FINAL", 0, value_of(trial));
}
