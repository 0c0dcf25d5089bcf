#include "tests/kernel-checks.h"
#include <algorithm>
#include <functional>
#include <stdexcept>

namespace longread::gpu {

void Checks::compare(const std::string& what, const std::vector<float>& is, const std::vector<float>& should,
                     double absolute, double relative) {
    double worst = 0;
    for (size_t i = 0; i < should.size() && i < is.size(); ++i) {
        if (is[i] == should[i])
            continue;
        const double share = std::fabs(static_cast<double>(is[i]) - should[i]) /
                             (absolute + relative * std::fabs(static_cast<double>(should[i])));
        if (!(share <= worst))
            worst = std::isfinite(share) ? share : INFINITY;
    }
    const bool holds = is.size() == should.size() && !should.empty() && worst <= 1;
    std::printf("%s %s: at worst %.3f of what is allowed, of %zu numbers\n", holds ? "ok" : "FAILED", what.c_str(),
                worst, should.size());
    ++done;
    held += holds;
}

void Checks::expect(const std::string& what, bool holds) {
    std::printf("%s %s\n", holds ? "ok" : "FAILED", what.c_str());
    ++done;
    held += holds;
}

std::vector<float> Random::halves(size_t count, float size) {
    std::normal_distribution<float> normal(0, size);
    std::vector<float> values(count);
    for (float& x : values)
        x = from_half(to_half(normal(engine_)));
    return values;
}

Buffer<__half> halves_there(const std::vector<float>& values) {
    std::vector<uint16_t> halves;
    for (float x : values)
        halves.push_back(to_half(x));
    Buffer<__half> buffer;
    buffer.upload(reinterpret_cast<const __half*>(halves.data()), halves.size());
    return buffer;
}

std::vector<float> halves_here(const Buffer<__half>& from, size_t count) {
    std::vector<uint16_t> halves(count);
    from.download(reinterpret_cast<__half*>(halves.data()), count);
    std::vector<float> values;
    for (uint16_t x : halves)
        values.push_back(from_half(x));
    return values;
}

bool has_eight() {
#ifdef LONGREAD_EMULATED
    return true;
#else
    int device = 0, major = 0;
    return cudaGetDevice(&device) == cudaSuccess &&
           cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess && major == 9;
#endif
}

TestHeads::TestHeads(int heads_, int key_heads_, int head_size_, bool neox_, bool extras_, int positions,
                     Random& random)
    : heads(heads_), key_heads(key_heads_), head_size(head_size_), neox(neox_), extras(extras_) {
    for (int p = 0; p < positions; ++p)
        for (int pair = 0; pair < head_size / 2; ++pair) {
            const float angle = static_cast<float>(p) * std::pow(10000.0f, -2.0f * pair / head_size);
            turns.push_back(std::cos(angle));
            turns.push_back(std::sin(angle));
        }
    turns_there = there(turns);
    if (!extras)
        return;
    const size_t size = static_cast<size_t>(head_size);
    bias = random.halves(static_cast<size_t>(heads + 2 * key_heads) * size, 0.5f);
    query_norm = random.halves(size, 1.0f);
    key_norm = random.halves(size, 1.0f);
    bias_there = there(bias);
    query_norm_there = there(query_norm);
    key_norm_there = there(key_norm);
}

reference::Heads TestHeads::here() const {
    const auto data = [&](const std::vector<float>& values) { return extras ? values.data() : nullptr; };
    return {heads, key_heads, head_size, neox, 1e-5f, data(bias), data(query_norm), data(key_norm), turns.data()};
}

void check_all(Checks& checks, const CheckOptions& o) {
    const struct {
        const char* name;
        std::function<void()> check;
    } parts[] = {
        {"rows", [&] { check_rows(checks); }},
        {"rotation", [&] { check_rotation(checks); }},
        {"attention", [&] { check_attention(checks, o.large); }},
        {"keys", [&] { check_keys(checks); }},
        {"infllm", [&] { check_infllm(checks, o.large); }},
        {"likelihoods", [&] { check_likelihoods(checks); }},
        {"linear", [&] { check_linear(checks, o.cublas); }},
        {"stream", [&] { check_stream(checks, o.bus_id, o.cublas); }},
        {"reader", [&] { check_reader(checks, o.bus_id, o.cublas, o.large); }},
    };
    for (const std::string& name : o.only)
        if (std::none_of(std::begin(parts), std::end(parts), [&](const auto& part) { return part.name == name; }))
            throw std::runtime_error("there is no part " + name);
    for (const auto& part : parts)
        if (o.only.empty() || std::find(o.only.begin(), o.only.end(), part.name) != o.only.end())
            part.check();
}

} // namespace longread::gpu
