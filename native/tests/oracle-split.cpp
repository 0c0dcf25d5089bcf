// How many layers a GPU of any size would get, without one.
#include "addon/task.h"
#include "addon/values.h"
#include "engine/layer-split.h"
#include "tests/oracle.h"

namespace longread {

Napi::Value fitting_layers(const Napi::CallbackInfo& call) {
    return checked(call.Env(), [&] {
        const Napi::Object request = call[0].As<Napi::Object>();
        const std::string path = text(field(request, "path"), "path");
        const std::string weights = text(field(request, "weights"), "weights");
        const WeightFormat format = weights == "file" ? WeightFormat::file : WeightFormat::fast;
        GgufFile file(path);
        const int fit =
            layers_that_fit(Hyper::read(file, path), file, format, static_cast<size_t>(number(request, "free")),
                            static_cast<int>(number(request, "batch")));
        return Napi::Number::New(call.Env(), fit);
    });
}

} // namespace longread
