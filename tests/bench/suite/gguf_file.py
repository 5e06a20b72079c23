# SPDX-License-Identifier: Apache-2.0
"""gguf_file.py SAFETENSORS CONFIG GGUF: the same tensors, f32, as a file that llama-quantize takes.

Runs in the peers' environment.
"""
import json
import sys

import gguf
import numpy

PARTS = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def renamed(name):
    name = name.removesuffix(".weight")
    if name in WHOLE:
        return WHOLE[name] + ".weight"
    _, _, number, part = name.split(".", 3)
    return f"blk.{number}.{PARTS[part]}.weight"


def add_metadata(writer, config):
    writer.add_context_length(2048)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"<{i}>".encode() for i in range(config["vocab_size"])])
    writer.add_token_scores([0.0] * config["vocab_size"])
    writer.add_token_types([1] * config["vocab_size"])


def main():
    source, config_path, target = sys.argv[1:]
    with open(config_path, encoding="utf-8") as file:
        config = json.load(file)
    with open(source, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    data = numpy.memmap(source, dtype=numpy.uint8, mode="r", offset=8 + length)
    writer = gguf.GGUFWriter(target, "llama")
    add_metadata(writer, config)
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        writer.add_tensor(renamed(name), data[begin:end].view(numpy.float32).reshape(entry["shape"]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
