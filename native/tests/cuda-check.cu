// cuda-check [LIBCUBLASLT [small]]: every kernel against its reference on the first GPU; small: without what takes the
// references minutes, which is enough for compute-sanitizer. Prints a line a comparison and at last how many held; ends
// with 1 where one did not, and with 3 where there is no GPU.
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
    const char* cublas = count > 1 ? arguments[1] : "libcublasLt.so.13";
    const bool large = count < 3 || std::string(arguments[2]) != "small";
    Checks checks;
    try {
        check_rows(checks);
        check_rotation(checks);
        check_attention(checks, large);
        check_keys(checks);
        check_infllm(checks, large);
        check_likelihoods(checks);
        check_linear(checks, cublas);
        check_stream(checks, bus_id, cublas);
        check_reader(checks, bus_id, cublas, large);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        checks.expect("all checks were made", false);
    }
    std::printf("%d of %d\n", checks.held, checks.done);
    return checks.held == checks.done ? 0 : 1;
}
