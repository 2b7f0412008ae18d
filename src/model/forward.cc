// How a token runs through Gemma 4. Numbers in brackets are the steps of the specification (docs:
// gemma4-model 2).
//
//   x = sqrt(D) * embedding of the token                                     [4]
//   for each layer:
//       attention_block:  n = norm(x)                                        [6]
//                         q, k = Wq n, Wk n;  v = Wv n, or k itself on global layers   [7, 8]
//                         q, k = rope(norm(q)), rope(norm(k));  v = norm(v)  [9]
//                         o = softmax(q k + mask) v, window or everything     [10, 12, 13]
//                         x = x + norm(Wo o)                                 [11]
//       ffn_block:        dense branch    norm(Wdown(gelu(Wgate u) * Wup u))  [16]
//                         router          8 of 128 experts and their weights  [17, 18]
//                         expert branch   norm(sum of weighted experts)       [19, 20]
//                         x = scale * (x + norm(dense + experts))            [21, 22]
//   logits = 30 tanh(E norm(x) / 30)                                         [23]
//
// Each block as plain code is in reference_device.cc; what differs between layers is in
// config.layers.
#include "model/forward.h"

#include "base/check.h"

namespace facet {

void forward(const ModelConfig& config, Device& device, const Batch& batch) {
    for (const BatchSequence& sequence : batch.sequences) {
        FACET_CHECK(sequence.first_position == sequence.cache->length());
        FACET_CHECK(sequence.first_position + sequence.row_count <= sequence.cache->context());
        FACET_CHECK(sequence.cache->has_pages_for(sequence.row_count));
    }
    device.embed(batch);
    for (int32_t layer = 0; layer < config.layer_count(); ++layer) {
        device.attention_block(layer, batch);
        device.ffn_block(layer, batch);
    }
    if (!batch.wanted.empty()) device.logits(batch);
    for (const BatchSequence& sequence : batch.sequences)
        sequence.cache->advance(sequence.row_count);
}

}  // namespace facet
