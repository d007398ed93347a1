// gearmand for bench_queue; README.md has the command line. Foreground jobs through libgearman, as many at once as are
// fastest; nothing is stored.
#include <libgearman/gearman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "tests/bench/peers/measured_client.h"

namespace {

using namespace ns::bench;

constexpr const char* kHost = "127.0.0.1";
constexpr const char* kFunction = "nothing";
constexpr std::uint32_t kAtOnce = 1000;

void* answer(gearman_job_st* job, void*, std::size_t* size, gearman_return_t* status) {
  *status = gearman_job_workload_size(job) == kPeerParameters.size() ? GEARMAN_SUCCESS : GEARMAN_WORK_FAIL;
  *size = kPeerResult.size();
  char* result = static_cast<char*>(std::malloc(*size));  // libgearman frees it
  std::memcpy(result, kPeerResult.data(), *size);
  return result;
}

void work(in_port_t port) {
  gearman_worker_st* worker = gearman_worker_create(nullptr);
  if (gearman_worker_add_server(worker, kHost, port) != GEARMAN_SUCCESS ||
      gearman_worker_add_function(worker, kFunction, 0, answer, nullptr) != GEARMAN_SUCCESS) {
    throw std::runtime_error(gearman_worker_error(worker));
  }
  std::puts("peer ready");
  std::fflush(stdout);
  while (gearman_worker_work(worker) == GEARMAN_SUCCESS) {
  }
  throw std::runtime_error(gearman_worker_error(worker));
}

class ManyTasks {
 public:
  explicit ManyTasks(in_port_t port) : client_(gearman_client_create(nullptr)) {
    if (gearman_client_add_server(client_, kHost, port) != GEARMAN_SUCCESS) fail();
    gearman_client_add_options(client_, GEARMAN_CLIENT_FREE_TASKS);
    gearman_client_set_complete_fn(client_, completed);
    gearman_client_set_context(client_, this);
  }
  ~ManyTasks() { gearman_client_free(client_); }
  ManyTasks(const ManyTasks&) = delete;
  ManyTasks& operator=(const ManyTasks&) = delete;

  void run(std::uint32_t count) {
    seen_ = 0;
    for (std::uint32_t sent = 0; sent < count;) {
      const std::uint32_t some = std::min(count - sent, kAtOnce);
      for (std::uint32_t i = 0; i < some; ++i) {
        gearman_return_t status = GEARMAN_SUCCESS;
        gearman_client_add_task(client_, nullptr, this, kFunction, nullptr, kPeerParameters.data(),
                                kPeerParameters.size(), &status);
        if (status != GEARMAN_SUCCESS) fail();
      }
      if (gearman_client_run_tasks(client_) != GEARMAN_SUCCESS) fail();
      sent += some;
    }
    if (seen_ != count) throw std::runtime_error("results are missing");
  }

 private:
  static gearman_return_t completed(gearman_task_st* task) {
    auto* self = static_cast<ManyTasks*>(gearman_task_context(task));
    if (gearman_task_data_size(task) != kPeerResult.size()) return GEARMAN_WORK_FAIL;
    ++self->seen_;
    return GEARMAN_SUCCESS;
  }
  [[noreturn]] void fail() { throw std::runtime_error(gearman_client_error(client_)); }

  gearman_client_st* client_;
  std::uint32_t seen_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 3 && std::strcmp(argv[1], "worker") == 0) work(static_cast<in_port_t>(std::stoul(argv[2])));
    if (argc != 5) throw std::runtime_error("usage: gearmand_peer worker PORT | client PORT JOBS ROUND_TRIPS");
    ManyTasks client(static_cast<in_port_t>(std::stoul(argv[2])));
    measure_peer(std::string("gearmand ") + gearman_version(), static_cast<std::uint32_t>(std::stoul(argv[3])),
                 static_cast<std::uint32_t>(std::stoul(argv[4])), [&](std::uint32_t count) { client.run(count); });
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gearmand_peer: %s\n", error.what());
    return 1;
  }
}
