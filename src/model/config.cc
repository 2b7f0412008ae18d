#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

namespace facet {

namespace {

// A published variant; what a file of that depth and width must say. Source: gemma4-model 1.1.
struct VariantRow {
    std::string_view name;
    int32_t layers, width, ffn_width;
    int32_t experts, experts_used, expert_width;
    int32_t query_heads, kv_heads_sliding, kv_heads_global;
    int32_t window, sliding_per_global;
    int32_t context_length, vocabulary;
    int32_t head_size_sliding = 256, head_size_global = 512;
    float rope_base_sliding = 1e4f, rope_base_global = 1e6f;
    float logit_softcap = 30.0f;
};

constexpr VariantRow kVariants[] = {
    {"26B-A4B", 30, 2816, 2112, 128, 8, 704, 16, 8, 2, 1024, 5, 262144, 262144},
    {"31B", 60, 5376, 21504, 0, 0, 0, 32, 16, 4, 1024, 5, 262144, 262144},
};

// Shapes that are no published variant: for measurements and tests.
constexpr VariantRow kOtherShapes[] = {
    {"26B-A4B-6L", 6, 2816, 2112, 128, 8, 704, 16, 8, 2, 1024, 5, 262144, 262144},
    {"tiny", 6, 256, 192, 8, 4, 64, 4, 2, 1, 32, 2, 4096, 1024, 64, 128},
};

// Reads keys of one file; messages name the file and the key.
class KeyReader {
  public:
    explicit KeyReader(const GgufFile& file) : file_(file) {}

    Error wrong(std::string_view key, std::string_view detail) const {
        return invalid_input(fmt::format("{}: key {}: {}", file_.path(), key, detail));
    }

    Result<int32_t> integer(std::string_view key, int64_t minimum, int64_t maximum,
                            std::optional<int32_t> fallback = std::nullopt) const {
        const std::optional<int64_t> value = FACET_TRY(file_.integer(key));
        if (!value) {
            if (fallback) return *fallback;
            return wrong(key, "missing");
        }
        return checked(key, *value, minimum, maximum);
    }

    // One value a layer: an array of that length, or a scalar that holds for all.
    Result<std::vector<int32_t>> integers(std::string_view key, int32_t layers, int64_t minimum,
                                          int64_t maximum) const {
        const GgufValue* value = file_.find(key);
        if (value == nullptr) return wrong(key, "missing");
        if (value->type != GgufType::kArray) {
            const int32_t scalar = FACET_TRY(integer(key, minimum, maximum));
            return std::vector<int32_t>(static_cast<size_t>(layers), scalar);
        }
        const std::vector<int64_t>* array = FACET_TRY(file_.integer_array(key));
        if (array->size() != static_cast<size_t>(layers)) {
            return wrong(key, fmt::format("expected {} values, one a layer, found {}", layers,
                                          array->size()));
        }
        std::vector<int32_t> result;
        for (const int64_t element : *array) {
            result.push_back(FACET_TRY(checked(key, element, minimum, maximum)));
        }
        return result;
    }

    Result<float> number(std::string_view key, double minimum, double maximum,
                         std::optional<float> fallback = std::nullopt) const {
        const std::optional<double> value = FACET_TRY(file_.number(key));
        if (!value) {
            if (fallback) return *fallback;
            return wrong(key, "missing");
        }
        if (!(*value >= minimum && *value <= maximum)) {
            return wrong(key, fmt::format("expected {} to {}, found {}", minimum, maximum, *value));
        }
        return static_cast<float>(*value);
    }

  private:
    Result<int32_t> checked(std::string_view key, int64_t value, int64_t minimum,
                            int64_t maximum) const {
        if (value < minimum || value > maximum) {
            return wrong(key, fmt::format("expected {} to {}, found {}", minimum, maximum, value));
        }
        return static_cast<int32_t>(value);
    }

    const GgufFile& file_;
};

Status check_architecture(const GgufFile& file) {
    const auto architecture = FACET_TRY(file.string("general.architecture"));
    if (!architecture) {
        return invalid_input(fmt::format("{}: key general.architecture: missing", file.path()));
    }
    if (*architecture == "clip") {
        return unsupported(fmt::format(
            "{}: this is a vision tower (architecture clip), expected a gemma4 text model",
            file.path()));
    }
    if (*architecture != "gemma4") {
        return unsupported(fmt::format("{}: the architecture is {}, Facet runs gemma4 only",
                                       file.path(), *architecture));
    }
    return {};
}

// E2B and E4B carry a table of embeddings for every layer and share KV between layers; not
// supported yet.
Status refuse_small_models(const KeyReader& keys, const GgufFile& file) {
    const int32_t per_layer =
        FACET_TRY(keys.integer("gemma4.embedding_length_per_layer_input", 0, kWidthMax, 0));
    const int32_t shared =
        FACET_TRY(keys.integer("gemma4.attention.shared_kv_layers", 0, kLayerCountMax, 0));
    if (per_layer == 0 && shared == 0) return {};
    return unsupported(
        fmt::format("{}: this is a Gemma 4 E2B or E4B (per-layer embeddings of width {}, {} layers "
                    "that share KV), which "
                    "Facet does not run yet",
                    file.path(), per_layer, shared));
}

Status read_attention(const KeyReader& keys, const GgufFile& file, ModelConfig& config) {
    const int32_t layers = config.layer_count();
    const auto query_heads =
        FACET_TRY(keys.integers("gemma4.attention.head_count", layers, 1, kHeadCountMax));
    const auto kv_heads =
        FACET_TRY(keys.integers("gemma4.attention.head_count_kv", layers, 1, kHeadCountMax));
    const auto pattern =
        FACET_TRY(keys.integers("gemma4.attention.sliding_window_pattern", layers, 0, 1));
    const int32_t window =
        FACET_TRY(keys.integer("gemma4.attention.sliding_window", 1, kContextLengthMax));
    const float base_global = FACET_TRY(keys.number("gemma4.rope.freq_base", 1, 1e12, 1e6f));
    const float base_sliding = FACET_TRY(keys.number("gemma4.rope.freq_base_swa", 1, 1e12, 1e4f));
    const int32_t size_global =
        FACET_TRY(keys.integer("gemma4.attention.key_length", 2, kHeadSizeMax));
    const int32_t size_sliding =
        FACET_TRY(keys.integer("gemma4.attention.key_length_swa", 2, kHeadSizeMax));
    // Both lengths and the rotated width are told separately but can not differ in this
    // architecture.
    const struct {
        std::string_view key;
        int32_t expected;
    } same[] = {{"gemma4.attention.value_length", size_global},
                {"gemma4.attention.value_length_swa", size_sliding},
                {"gemma4.rope.dimension_count", size_global},
                {"gemma4.rope.dimension_count_swa", size_sliding}};
    for (const auto& [key, expected] : same) {
        const int32_t found = FACET_TRY(keys.integer(key, 1, kHeadSizeMax, expected));
        if (found != expected) {
            return keys.wrong(key,
                              fmt::format("expected the key length {}, found {}", expected, found));
        }
    }
    for (int32_t i = 0; i < layers; ++i) {
        const auto at = static_cast<size_t>(i);
        LayerConfig& layer = config.layers[at];
        layer.sliding = pattern[at] != 0;
        layer.window = layer.sliding ? window : 0;
        layer.head_size = layer.sliding ? size_sliding : size_global;
        layer.rope_base = layer.sliding ? base_sliding : base_global;
        layer.query_heads = query_heads[at];
        layer.kv_heads = kv_heads[at];
        layer.value_is_key = file.find_tensor(fmt::format("blk.{}.attn_v.weight", i)) == nullptr;
        if (layer.query_heads % layer.kv_heads != 0) {
            return keys.wrong(
                "gemma4.attention.head_count_kv",
                fmt::format("layer {}: {} query heads can not share {} key heads evenly", i,
                            layer.query_heads, layer.kv_heads));
        }
        if (layer.head_size % 2 != 0) {
            return keys.wrong("gemma4.attention.key_length",
                              fmt::format("expected an even size, found {}", layer.head_size));
        }
        if (layer.sliding && layer.value_is_key) {
            return invalid_input(fmt::format(
                "{}: tensor blk.{}.attn_v.weight: missing, only global layers can do without",
                file.path(), i));
        }
    }
    return {};
}

Status read_feed_forward(const KeyReader& keys, ModelConfig& config) {
    const auto widths = FACET_TRY(
        keys.integers("gemma4.feed_forward_length", config.layer_count(), 1, kFfnWidthMax));
    const int32_t experts = FACET_TRY(keys.integer("gemma4.expert_count", 0, kExpertCountMax, 0));
    int32_t used = 0;
    int32_t expert_width = 0;
    if (experts > 0) {
        used = FACET_TRY(keys.integer("gemma4.expert_used_count", 1, experts));
        expert_width =
            FACET_TRY(keys.integer("gemma4.expert_feed_forward_length", 1, kFfnWidthMax));
    }
    for (size_t i = 0; i < config.layers.size(); ++i) {
        LayerConfig& layer = config.layers[i];
        layer.ffn_width = widths[i];
        layer.experts = experts;
        layer.experts_used = used;
        layer.expert_width = expert_width;
    }
    return {};
}

// The first thing in which `config` differs from the row, in words; nothing if it is that variant.
std::optional<std::string> difference(const ModelConfig& config, const VariantRow& row) {
    const auto differs = [](std::string_view what, auto expected, auto found) {
        return fmt::format("{}: expected {}, found {}", what, expected, found);
    };
    if (config.vocabulary != row.vocabulary)
        return differs("vocabulary", row.vocabulary, config.vocabulary);
    if (config.context_length != row.context_length) {
        return differs("context length", row.context_length, config.context_length);
    }
    if (config.logit_softcap != row.logit_softcap) {
        return differs("final logit soft-cap", row.logit_softcap, config.logit_softcap);
    }
    for (int32_t i = 0; i < config.layer_count(); ++i) {
        const LayerConfig& layer = config.layers[static_cast<size_t>(i)];
        const bool sliding = (i + 1) % (row.sliding_per_global + 1) != 0;
        const struct {
            const char* what;
            double expected, found;
        } facts[] = {
            {"sliding (1) or global (0)", sliding ? 1.0 : 0.0, layer.sliding ? 1.0 : 0.0},
            {"window", sliding ? row.window : 0.0, double(layer.window)},
            {"head size", double(sliding ? row.head_size_sliding : row.head_size_global),
             double(layer.head_size)},
            {"query heads", double(row.query_heads), double(layer.query_heads)},
            {"key heads", double(sliding ? row.kv_heads_sliding : row.kv_heads_global),
             double(layer.kv_heads)},
            {"rope base", double(sliding ? row.rope_base_sliding : row.rope_base_global),
             double(layer.rope_base)},
            {"feed-forward width", double(row.ffn_width), double(layer.ffn_width)},
            {"experts", double(row.experts), double(layer.experts)},
            {"experts used", double(row.experts_used), double(layer.experts_used)},
            {"expert width", double(row.expert_width), double(layer.expert_width)},
            {"value projection absent", sliding ? 0.0 : 1.0, layer.value_is_key ? 1.0 : 0.0},
        };
        for (const auto& [what, expected, found] : facts) {
            if (expected != found)
                return fmt::format("layer {}, {}", i, differs(what, expected, found));
        }
    }
    return std::nullopt;
}

// A file with the depth and width of a published variant must be that variant in everything.
Status name_variant(const GgufFile& file, ModelConfig& config) {
    config.variant = "custom";
    for (const VariantRow& row : kVariants) {
        if (config.layer_count() != row.layers || config.width != row.width) continue;
        if (const auto found = difference(config, row)) {
            return invalid_input(
                fmt::format("{}: {} layers of width {} make this a Gemma 4 {}, but {}", file.path(),
                            row.layers, row.width, row.name, *found));
        }
        config.variant = row.name;
    }
    return {};
}

}  // namespace

Result<ModelConfig> ModelConfig::from_gguf(const GgufFile& file) {
    FACET_TRY(check_architecture(file));
    const KeyReader keys(file);
    FACET_TRY(refuse_small_models(keys, file));

    ModelConfig config;
    config.name = FACET_TRY(file.string("general.name")).value_or("");
    const int32_t layers = FACET_TRY(keys.integer("gemma4.block_count", 1, kLayerCountMax));
    config.layers.resize(static_cast<size_t>(layers));
    config.width = FACET_TRY(keys.integer("gemma4.embedding_length", 1, kWidthMax));
    config.context_length = FACET_TRY(keys.integer("gemma4.context_length", 1, kContextLengthMax));
    config.norm_epsilon =
        FACET_TRY(keys.number("gemma4.attention.layer_norm_rms_epsilon", 1e-12, 1e-2, 1e-6f));
    config.logit_softcap = FACET_TRY(keys.number("gemma4.final_logit_softcapping", 0, 1e6, 30.0f));

    const TensorView* embedding = file.find_tensor("token_embd.weight");
    if (embedding == nullptr) {
        return invalid_input(fmt::format("{}: tensor token_embd.weight: missing", file.path()));
    }
    if (embedding->shape.size() != 2 ||
        embedding->shape[0] != static_cast<uint64_t>(config.width) || embedding->shape[1] == 0 ||
        embedding->shape[1] > static_cast<uint64_t>(kVocabularyMax)) {
        return invalid_input(
            fmt::format("{}: tensor token_embd.weight: expected [{}, vocabulary], found [{}]",
                        file.path(), config.width, fmt::join(embedding->shape, ", ")));
    }
    config.vocabulary = static_cast<int32_t>(embedding->shape[1]);

    FACET_TRY(read_attention(keys, file, config));
    FACET_TRY(read_feed_forward(keys, config));
    FACET_TRY(name_variant(file, config));
    return config;
}

namespace {

ModelConfig config_of(const VariantRow& row) {
    ModelConfig config;
    config.name = fmt::format("synthetic {}", row.name);
    config.variant = row.name;
    config.width = row.width;
    config.vocabulary = row.vocabulary;
    config.context_length = row.context_length;
    config.norm_epsilon = 1e-6f;
    config.logit_softcap = row.logit_softcap;
    for (int32_t i = 0; i < row.layers; ++i) {
        LayerConfig layer;
        layer.sliding = (i + 1) % (row.sliding_per_global + 1) != 0;
        layer.window = layer.sliding ? row.window : 0;
        layer.head_size = layer.sliding ? row.head_size_sliding : row.head_size_global;
        layer.query_heads = row.query_heads;
        layer.kv_heads = layer.sliding ? row.kv_heads_sliding : row.kv_heads_global;
        layer.value_is_key = !layer.sliding;
        layer.rope_base = layer.sliding ? row.rope_base_sliding : row.rope_base_global;
        layer.ffn_width = row.ffn_width;
        layer.experts = row.experts;
        layer.experts_used = row.experts_used;
        layer.expert_width = row.expert_width;
        config.layers.push_back(layer);
    }
    return config;
}

bool same_letters(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return (x | 32) == (y | 32); });
}

}  // namespace

Result<ModelConfig> ModelConfig::of_variant(std::string_view name) {
    for (const VariantRow& row : kVariants) {
        if (same_letters(name, row.name)) return config_of(row);
    }
    for (const VariantRow& row : kOtherShapes) {
        if (same_letters(name, row.name)) return config_of(row);
    }
    return invalid_input(fmt::format("variant {}: expected 26b-a4b, 26b-a4b-6l or 31b", name));
}

LayerSizes largest_sizes(const ModelConfig& config) {
    LayerSizes sizes;
    for (const LayerConfig& layer : config.layers) {
        sizes.query_width = std::max(sizes.query_width, layer.query_width());
        sizes.kv_width = std::max(sizes.kv_width, layer.kv_width());
        sizes.head_size = std::max(sizes.head_size, layer.head_size);
        sizes.ffn_width = std::max(sizes.ffn_width, layer.ffn_width);
        sizes.experts = std::max(sizes.experts, layer.experts);
        sizes.experts_used = std::max(sizes.experts_used, layer.experts_used);
        sizes.expert_width = std::max(sizes.expert_width, layer.expert_width);
    }
    return sizes;
}

}  // namespace facet
