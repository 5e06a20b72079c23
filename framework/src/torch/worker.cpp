// SPDX-License-Identifier: Apache-2.0
// The process that runs a model for the host. Not for people: the host starts it.
//
//   detent-torch FD_OF_CHANNEL FD_OF_MODEL FD_OF_RING|-1 BYTES_OF_MODEL THREADS MEMORY_LIMIT
//                sandbox|trust|about
//
// It closes the doors behind itself before it reads a byte of the model: see sandbox.hpp.
#include <ATen/Parallel.h>
#include <csignal>
#include <cstdlib>
#include <sys/prctl.h>
#include <torch/jit.h>
#include <torch/script.h>
#include <torch/version.h>

#include "sandbox/sandbox.hpp"
#include "torch/messages.hpp"
#include "torch/service.hpp"

namespace {

using namespace detent;

constexpr std::uint64_t kMessageLimit = std::uint64_t{1} << 36U;

// LibTorch opens files of /proc and /sys when it is first used; once the doors are closed it could
// not.
void warm_up() {
  const c10::InferenceMode no_gradients;
  const at::Tensor x = at::ones({16, 64});
  const at::Tensor w = at::ones({64, 64});
  at::linear(x, w, at::ones({64}));
  at::conv2d(at::ones({1, 3, 8, 8}), at::ones({4, 3, 3, 3}));
  at::softmax(at::bmm(at::ones({2, 8, 8}), at::ones({2, 8, 8})), -1);
  at::layer_norm(x, {64});
  at::gelu(x).sum().item<float>();
  const auto unit = torch::jit::compile("def f(x):\n    return torch.round(x) + 1\n");
  unit->get_function(c10::QualifiedName("f"))({x});
}

int serve(int argc, char** argv) {
  if (argc != 8) return 2;
  const int channel_fd = std::atoi(argv[1]);
  const int model_fd = std::atoi(argv[2]);
  const int ring_fd = std::atoi(argv[3]);
  const std::uint64_t model_bytes = std::strtoull(argv[4], nullptr, 10);
  const int threads = std::atoi(argv[5]);
  const std::uint64_t memory = std::strtoull(argv[6], nullptr, 10);
  const std::string mode = argv[7];  // "sandbox", "trust", or "about": no model, what is here

  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGINT, SIG_IGN);  // the terminal's; the host decides
  at::set_num_threads(threads > 0 ? threads : 1);
  at::set_num_interop_threads(1);
  torch::jit::setGraphExecutorOptimize(false);
  wire::Channel channel(channel_fd, kMessageLimit);
  if (auto ring = wire::Ring::open(ring_fd)) channel.send_through(std::move(*ring));
  warm_up();
  sandbox::limit_memory(memory);
  std::string why_not;
  // Who trusts a model gives it what any program has.
  const std::string isolation = mode == "trust" ? "process" : sandbox::enter(&why_not);
  if (mode == "about") {
    channel.send(
        {{"runtime", "LibTorch " TORCH_VERSION}, {"isolation", isolation}, {"why_not", why_not}});
    return 0;
  }
  if (isolation.empty()) {
    channel.send({{"no_sandbox", why_not}});
    return 0;
  }
  torch_worker::Service service(channel, isolation);
  try {
    service.open(model_fd, model_bytes);
  } catch (const wire::Channel::Closed&) {
    throw;
  } catch (const std::exception& e) {
    service.send_error(e);
    return 0;
  }
  service.serve();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return serve(argc, argv);
  } catch (const wire::Channel::Closed&) {
    return 0;  // the host is done
  } catch (...) {
    return 1;
  }
}
