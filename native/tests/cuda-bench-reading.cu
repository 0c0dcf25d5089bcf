#include "cuda/episodes.h"
#include "tests/cuda-bench.h"
#include "tests/episode-lists.h"
#include <algorithm>
#include <cmath>

namespace longread::gpu {
namespace {

// Heads that the default model's profile has: 26 in 12 layers, three query heads to a key head, the deepest at 5/6; and
// a bank of 40 questions of 10 tokens.
constexpr int recall_layers = 12, recall_heads = 26, questions = 40, question_rows = 10;

struct Recall {
    std::vector<int32_t> key_layer, key_head, head_slot, rows;
    std::vector<float> queries;
    LongreadRecall view{};

    explicit Recall(const LongreadShape& shape) {
        const int deepest = shape.layers * 5 / 6;
        for (int i = 0; i < recall_layers; ++i) {
            key_layer.push_back(deepest * (i + 1) / recall_layers);
            key_head.push_back(i % shape.key_heads);
        }
        for (int h = 0; h < recall_heads; ++h)
            head_slot.push_back(h % recall_layers);
        rows.assign(questions, question_rows);
        queries.assign(static_cast<size_t>(recall_heads) * questions * question_rows * shape.head_size, 0.01f);
        view = {LONGREAD_KEYS_Q8, recall_layers,    key_layer.data(), key_head.data(), recall_heads,
                questions,        head_slot.data(), queries.data(),   rows.data()};
    }
    int layers() const { return key_layer.back() + 1; }
};

// Files as repositories have them: half of them under 700 tokens, some of many thousand; of each nine tenths
// remembered, in units of 70 tokens.
struct Files : EpisodeLists {
    int all = 0;

    Files(int most, int vocabulary, unsigned seed) {
        std::mt19937 random(seed);
        std::normal_distribution<float> normal(0, 1.1f);
        for (;;) {
            const int length = std::min(12000, std::max(20, static_cast<int>(700 * std::exp(normal(random)))));
            if (all + length > most)
                break;
            all += length;
            begin();
            for (int t = 0; t < length; ++t) {
                add(static_cast<int32_t>(random() % static_cast<unsigned>(vocabulary)), t % 10 != 0);
                if (t % 70 == 69)
                    end_unit();
            }
            end_unit();
        }
        show();
    }
};

// Tokens a second of the products of the layers that are read, alone, at 8,192 rows as findings of such shapes are
// counted.
double floor_of(const BenchGpu& gpu, const LongreadShape& read_shape) {
    constexpr int rows = 8192, times = 20;
    double seconds = 0;
    expect(longread_cuda_floor(gpu.bus_id, gpu.cublas, &read_shape, rows, times, &seconds) == 0);
    return rows / seconds;
}

LongreadReader* random_reader(const BenchGpu& gpu, const LongreadShape& s) {
    const RandomWeights weights(s);
    LongreadReader* reader =
        longread_cuda_reader_new(gpu.bus_id, gpu.cublas, &s, weights.turns.data(), weights.embedding.data());
    expect(reader != nullptr);
    const LongreadLayer layer = weights.layer();
    for (int l = 0; l < s.layers; ++l)
        expect(longread_cuda_reader_layer(reader, l, &layer) == 0);
    return reader;
}

} // namespace

void bench_reading(const BenchGpu& gpu, const char* name, const LongreadShape& shape) {
    const Recall recall(shape);
    LongreadShape read_shape = shape;
    read_shape.layers = recall.layers();
    LongreadShape floor_shape = read_shape;
    floor_shape.eight = 0; // that of F16, also where reading is in 8 bit
    const double floor = floor_of(gpu, floor_shape);
    LongreadReader* reader = random_reader(gpu, read_shape);
    expect(longread_cuda_reader_recall(reader, &recall.view) == 0);
    std::vector<Files> files;
    std::vector<EpisodeBatch> layouts;
    for (unsigned i = 0; i < 4; ++i) {
        files.emplace_back(shape.rows, shape.vocabulary, i + 1);
        layouts.emplace_back(files.back().views.data(), files.back().views.size(),
                             EpisodeRule{shape.window, shape.sinks, LONGREAD_KEYS_Q8, shape.head_size, recall_layers});
    }
    LongreadRead read{};
    const auto begin = [&](size_t i) {
        const LongreadBatch batch = layouts[i % layouts.size()].view();
        expect(longread_cuda_reader_begin(reader, &batch) == 0);
    };
    // Once each for what is made with the first batches.
    for (size_t i = 0; i < layouts.size(); ++i) {
        begin(i);
        expect(longread_cuda_reader_finish(reader, &read) == 0);
    }
    const auto start = std::chrono::steady_clock::now();
    double tokens = 0, seconds = 0;
    size_t done = 0;
    begin(0);
    for (; seconds < 3; ++done) {
        begin(done + 1);
        expect(longread_cuda_reader_finish(reader, &read) == 0);
        tokens += files[done % files.size()].all;
        seconds = seconds_since(start);
    }
    expect(longread_cuda_reader_finish(reader, &read) == 0);
    longread_cuda_reader_free(reader);
    std::printf("{\"bench\":\"reading\",\"shape\":\"%s\",\"layers\":%d,\"rows\":%d,\"tokensPerSecond\":%.0f,"
                "\"floorTokensPerSecond\":%.0f,\"shareOfFloor\":%.3f}\n",
                name, recall.layers(), shape.rows, tokens / seconds, floor, tokens / seconds / floor);
    std::fflush(stdout);
}

void bench_likelihoods(const BenchGpu& gpu, const char* name, const LongreadShape& shape) {
    // What a question reads again: units with headers, and the question's tokens behind them.
    constexpr int texts = 32, length = 190, target = 12, times = 20;
    LongreadReader* reader = random_reader(gpu, shape);
    const std::vector<float> ones(static_cast<size_t>(shape.embedding), 1.0f);
    const LongreadOutput output{ones.data(), nullptr, nullptr};
    expect(longread_cuda_reader_output(reader, &output) == 0);
    std::vector<int32_t> tokens(texts * length), rows, wanted;
    for (size_t t = 0; t < tokens.size(); ++t)
        tokens[t] = static_cast<int32_t>(t * 7919 % static_cast<size_t>(shape.vocabulary));
    std::vector<EpisodeView> views(texts);
    for (int i = 0; i < texts; ++i) {
        views[static_cast<size_t>(i)].tokens = tokens.data() + i * length;
        views[static_cast<size_t>(i)].count = length;
        for (int t = 0; t < target; ++t) {
            rows.push_back(i * length + length - target + t);
            wanted.push_back(t);
        }
    }
    EpisodeRule rule;
    rule.window = shape.window;
    rule.sinks = shape.sinks;
    rule.head_size = shape.head_size;
    const EpisodeBatch layout(views.data(), views.size(), rule);
    const LongreadBatch batch = layout.view();
    std::vector<float> likelihoods(rows.size());
    std::vector<double> took;
    for (int i = 0; i < times + 2; ++i) { // two for what is made with the first
        const auto start = std::chrono::steady_clock::now();
        expect(longread_cuda_reader_likelihoods(reader, &batch, rows.data(), wanted.data(),
                                                static_cast<int32_t>(rows.size()), likelihoods.data()) == 0);
        if (i >= 2)
            took.push_back(1000 * seconds_since(start));
    }
    longread_cuda_reader_free(reader);
    std::sort(took.begin(), took.end());
    std::printf("{\"bench\":\"likelihoods\",\"shape\":\"%s\",\"texts\":%d,\"tokens\":%d,\"wanted\":%zu,"
                "\"milliseconds\":%.2f,\"slowest\":%.2f}\n",
                name, texts, texts * length, rows.size(), took[took.size() / 2], took.back());
    std::fflush(stdout);
}

} // namespace longread::gpu
