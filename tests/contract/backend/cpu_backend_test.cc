// The CPU backend, on the calling thread and on a pool.

#include "cpu/cpu_backend.h"

#include "contract/backend/backend_contract.h"
#include "ports/parallel.h"
#include "posix/thread_pool.h"

namespace attune::testing {
namespace {

// A backend borrows its workers; they live as long as the process.
const BackendUnderTest kSerial{"cpu_serial", [] {
                                 static SerialParallel serial;
                                 return MakeCpuBackend(serial);
                               }};
const BackendUnderTest kThreads{"cpu_threads", [] {
                                  static ThreadPool pool(3);
                                  return MakeCpuBackend(pool);
                                }};

INSTANTIATE_TEST_SUITE_P(Cpu, BackendContract, ::testing::Values(kSerial, kThreads), BackendName);
INSTANTIATE_TEST_SUITE_P(Cpu, BackendOps,
                         ::testing::Combine(::testing::Values(kSerial, kThreads),
                                            ::testing::ValuesIn(AllOpCases())),
                         BackendOpName);

}  // namespace
}  // namespace attune::testing
