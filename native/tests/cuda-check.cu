// cuda-check [LIBCUBLASLT [small] [PART …]]: every kernel against its reference on the first GPU, or those of the parts
// named (kernel-checks.h); small: without what takes the references minutes, which is enough for compute-sanitizer.
// Prints a line a comparison and at last how many held; ends with 1 where one did not, and with 3 where there is no
// GPU.
#include "tests/kernel-checks.h"
#include <string>

int main(int count, char** arguments) {
    using namespace longread::gpu;
    int devices = 0;
    char bus_id[64] = "";
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0 ||
        cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, 0) != cudaSuccess) {
        std::fprintf(stderr, "there is no GPU: %s\n", cudaGetErrorString(cudaGetLastError()));
        return 3;
    }
    CheckOptions options;
    options.bus_id = bus_id;
    options.cublas = count > 1 ? arguments[1] : "libcublasLt.so.13";
    options.large = count < 3 || std::string(arguments[2]) != "small";
    if (count > 2)
        options.only.assign(arguments + (options.large ? 2 : 3), arguments + count);
    Checks checks;
    try {
        check_all(checks, options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        checks.expect("all checks were made", false);
    }
    std::printf("%d of %d\n", checks.held, checks.done);
    return checks.held == checks.done ? 0 : 1;
}
