// emulated-check [PART …]: every kernel against its reference, or those of the parts named (kernel-checks.h), run on
// the processor thread by thread, in both orders. Prints a line a comparison and at last how many held; ends with 1
// where one did not.
#include "tests/kernel-checks.h"

int main(int count, char** arguments) {
    using namespace longread::gpu;
    Checks checks;
    CheckOptions options;
    options.only.assign(arguments + 1, arguments + count);
    for (bool backwards : {false, true}) {
        emulated::backwards = backwards;
        check_all(checks, options);
    }
    std::printf("%d of %d\n", checks.held, checks.done);
    return checks.held == checks.done ? 0 : 1;
}
