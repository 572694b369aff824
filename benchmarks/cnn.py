"""Time the ways to run MobileNet on a CPU inside TensorFlow, and how far their vectors lie from Keras's own.

    python benchmarks/cnn.py --weights FILE.weights.h5 --threads 2
    python benchmarks/cnn.py --small          # random weights, few pictures, for CI

Each route runs in a process of its own, because TensorFlow takes its threads and its oneDNN switch once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

ROUTES = ("embedder", "embedder-plain-kernels", "function", "tflite")
ON_REQUEST = ("xla",)  # minutes to compile, and then the slowest


def one_route(route: str, weights: str | None, threads: int, pictures: int) -> None:
    """Print the route's pictures a second, and its smallest cosine similarity to Keras's plain forward pass."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0" if route == "embedder-plain-kernels" else "1"
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    batch = 32
    pixels = np.random.default_rng(0).integers(0, 256, (batch, 224, 224, 3)).astype(np.uint8)
    tf.keras.utils.set_random_seed(0)
    network = tf.keras.applications.MobileNet(
        include_top=False, pooling="avg", input_shape=(224, 224, 3), weights=weights
    )
    expected = network(pixels.astype(np.float32) / 127.5 - 1.0, training=False).numpy()
    run = route_of(route, network, batch, threads)
    vectors = run(pixels)
    best = float("inf")
    for _ in range(max(1, pictures // batch)):
        start = time.perf_counter()
        run(pixels)
        best = min(best, time.perf_counter() - start)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(expected, axis=1)
    worst = 1.0 - ((vectors * expected).sum(axis=1) / lengths).min()
    print(f"| {route} | {batch / best:.1f} | {worst:.1e} |", flush=True)


def route_of(route, network, batch, threads):
    """Return a function from uint8 pictures (batch, 224, 224, 3) to their vectors."""
    import numpy as np
    import tensorflow as tf

    if route.startswith("embedder"):
        from tempfile import TemporaryDirectory

        from dedup_core.encoders.network import Embedder

        with TemporaryDirectory() as folder:
            network.save_weights(f"{folder}/same.weights.h5")
            return Embedder(f"{folder}/same.weights.h5", batch_size=batch, threads=threads).embed
    traced = tf.function(
        lambda pixels: network(tf.cast(pixels, tf.float32) / 127.5 - 1.0, training=False),
        input_signature=[tf.TensorSpec((batch, 224, 224, 3), tf.uint8)],
        jit_compile=route == "xla",
    )
    if route != "tflite":
        return lambda pixels: traced(tf.constant(pixels)).numpy()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(traced.get_concrete_function())
    flat = tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()
    interpreter = tf.lite.Interpreter(model_content=flat, num_threads=threads)
    interpreter.allocate_tensors()

    def run(pixels):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
        interpreter.invoke()
        return np.copy(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="MobileNet's weights without its top; random ones if not given")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=320)
    parser.add_argument("--small", action="store_true", help="32 pictures a route")
    parser.add_argument("--route", choices=ROUTES + ON_REQUEST, help="time this one alone, in this process")
    options = parser.parse_args()
    pictures = 32 if options.small else options.pictures
    if options.route:
        one_route(options.route, options.weights, options.threads, pictures)
        return
    print(f"{options.threads} thread(s)\n| route | pictures/s | 1 - cosine, worst |\n|---|---|---|", flush=True)
    for route in ROUTES:
        command = [sys.executable, __file__, "--route", route, "--threads", str(options.threads)]
        command += ["--pictures", str(pictures)] + (["--weights", options.weights] if options.weights else [])
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
