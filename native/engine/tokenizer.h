// Text to tokens and back, and the model's chat template, by libllama with only the vocabulary loaded.
#pragma once
#include "engine/error.h"
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

struct llama_model;
struct llama_vocab;

namespace longread {

class Tokenizer {
  public:
    // Throws Error("bad-model") when the file's vocabulary cannot be read.
    explicit Tokenizer(const std::string& path);
    ~Tokenizer();
    Tokenizer(const Tokenizer&) = delete;
    Tokenizer& operator=(const Tokenizer&) = delete;

    // No begin or end token is added, and no space before the text where the model's own tokenizer would add one (Llama
    // 2, Mistral): texts are joined from parts. With `parse_special`, texts such as <|im_start|> become their control
    // tokens; without it they are read as ordinary text, which is what repository text always is.
    std::vector<int32_t> tokenize(const std::string& text, bool parse_special) const;
    // Bytes of one token; may be a part of a UTF-8 character.
    std::string piece(int32_t token) const;
    std::string detokenize(const std::vector<int32_t>& tokens) const;
    // Whether the file has a chat template that libllama knows; a base model has none.
    bool chats() const;
    // The messages (role, content) in the model's own template, ending where the assistant speaks. Models that can
    // think before they answer or not (Qwen3) are told not to, as their own template would.
    // Throws Error("bad-model") where the file has no template that libllama knows.
    std::string chat(const std::vector<std::pair<std::string, std::string>>& messages) const;
    bool ends_generation(int32_t token) const;
    // The token that every text starts with, or -1.
    int32_t begin() const;
    int size() const;

  private:
    std::vector<int32_t> plain(const std::string& text, bool parse_special) const;

    llama_model* model_ = nullptr;
    const llama_vocab* vocab_ = nullptr;
    std::string path_;
    std::vector<int32_t> line_end_; // with the space before it; empty where none is added
};

} // namespace longread
