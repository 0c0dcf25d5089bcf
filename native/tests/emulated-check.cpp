// emulated-check: every kernel against its reference, run on the processor thread by thread, in both orders. Prints a
// line a comparison and at last how many held; ends with 1 where one did not.
#include "tests/kernel-checks.h"

int main() {
    using namespace longread::gpu;
    Checks checks;
    for (bool backwards : {false, true}) {
        emulated::backwards = backwards;
        check_rows(checks);
        check_rotation(checks);
        check_attention(checks, false);
        check_keys(checks);
        check_infllm(checks, false);
        check_likelihoods(checks);
        check_linear(checks, "");
        check_stream(checks, "", "");
        check_reader(checks, "", "", false);
    }
    std::printf("%d of %d\n", checks.held, checks.done);
    return checks.held == checks.done ? 0 : 1;
}
