#include "compute/reference_backend.h"

#include "contract/backend/backend_contract.h"

namespace attune::testing {
namespace {

const BackendUnderTest kReference{"reference", MakeReferenceBackend, true};

INSTANTIATE_TEST_SUITE_P(Reference, BackendContract, ::testing::Values(kReference), BackendName);
INSTANTIATE_TEST_SUITE_P(Reference, BackendOps,
                         ::testing::Combine(::testing::Values(kReference),
                                            ::testing::ValuesIn(AllOpCases())),
                         BackendOpName);

}  // namespace
}  // namespace attune::testing
