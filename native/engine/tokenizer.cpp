#include "engine/tokenizer.h"
#include <algorithm>
#include <cstring>
#include <llama.h>

namespace longread {

Tokenizer::Tokenizer(const std::string& path) : path_(path) {
    llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    ggml_backend_dev_t none = nullptr;
    params.devices = &none; // a GPU that is there would be started
    params.n_gpu_layers = 0;
    model_ = llama_model_load_from_file(path.c_str(), params);
    if (!model_)
        throw Error("bad-model", path + " cannot be used as a model: its vocabulary cannot be read.");
    vocab_ = llama_model_get_vocab(model_);
    if (detokenize(plain("a", false)) == " a")
        line_end_ = plain("\n", false);
}

Tokenizer::~Tokenizer() { llama_model_free(model_); }

// The space goes before a line end instead of before the text, and is taken away with it.
std::vector<int32_t> Tokenizer::tokenize(const std::string& text, bool parse_special) const {
    if (line_end_.empty() || text.empty())
        return plain(text, parse_special);
    std::vector<int32_t> tokens = plain("\n" + text, parse_special);
    if (tokens.size() < line_end_.size() || !std::equal(line_end_.begin(), line_end_.end(), tokens.begin()))
        return plain(text, parse_special); // the line end has become one token with what follows
    tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(line_end_.size()));
    return tokens;
}

std::vector<int32_t> Tokenizer::plain(const std::string& text, bool parse_special) const {
    std::vector<int32_t> tokens(text.size() / 2 + 16);
    for (int attempt = 0; attempt < 2; ++attempt) {
        const int count = llama_tokenize(vocab_, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                                         static_cast<int32_t>(tokens.size()), false, parse_special);
        if (count >= 0) {
            tokens.resize(static_cast<size_t>(count));
            return tokens;
        }
        tokens.resize(static_cast<size_t>(-static_cast<int64_t>(count)));
    }
    throw Error("internal", "A text of " + std::to_string(text.size()) + " bytes could not be tokenised.");
}

std::string Tokenizer::piece(int32_t token) const {
    if (token < 0 || token >= size())
        throw Error("internal", "Token " + std::to_string(token) + " is not in the model's vocabulary.");
    std::string text(64, '\0');
    int count = llama_token_to_piece(vocab_, token, text.data(), static_cast<int32_t>(text.size()), 0, false);
    if (count < 0) {
        text.resize(static_cast<size_t>(-count));
        count = llama_token_to_piece(vocab_, token, text.data(), static_cast<int32_t>(text.size()), 0, false);
    }
    text.resize(static_cast<size_t>(std::max(count, 0)));
    return text;
}

std::string Tokenizer::detokenize(const std::vector<int32_t>& tokens) const {
    std::string text;
    for (int32_t token : tokens)
        text += piece(token);
    return text;
}

bool Tokenizer::chats() const {
    const char* chat_template = llama_model_chat_template(model_, nullptr);
    const llama_chat_message message = {"user", ""};
    return chat_template && llama_chat_apply_template(chat_template, &message, 1, true, nullptr, 0) >= 0;
}

std::string Tokenizer::chat(const std::vector<std::pair<std::string, std::string>>& messages) const {
    std::vector<llama_chat_message> list;
    size_t bytes = 1024;
    for (const auto& [role, content] : messages) {
        list.push_back({role.c_str(), content.c_str()});
        bytes += content.size() + 64;
    }
    const char* chat_template = llama_model_chat_template(model_, nullptr);
    if (!chat_template)
        throw Error("bad-model", path_ + " has no chat template; use an instruct model.");
    std::string text(bytes, '\0');
    int count = llama_chat_apply_template(chat_template, list.data(), list.size(), true, text.data(),
                                          static_cast<int32_t>(text.size()));
    if (count > static_cast<int>(text.size())) {
        text.resize(static_cast<size_t>(count));
        count = llama_chat_apply_template(chat_template, list.data(), list.size(), true, text.data(),
                                          static_cast<int32_t>(text.size()));
    }
    if (count < 0)
        throw Error("bad-model", path_ + " has a chat template that is not known.");
    text.resize(static_cast<size_t>(count));
    if (std::strstr(chat_template, "enable_thinking") && std::strstr(chat_template, "<think>\\n\\n</think>\\n\\n"))
        text += "<think>\n\n</think>\n\n";
    return text;
}

bool Tokenizer::ends_generation(int32_t token) const { return llama_vocab_is_eog(vocab_, token); }

int32_t Tokenizer::begin() const { return llama_vocab_get_add_bos(vocab_) ? llama_vocab_bos(vocab_) : -1; }

int Tokenizer::size() const { return llama_vocab_n_tokens(vocab_); }

} // namespace longread
