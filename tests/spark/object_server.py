"""A server that speaks S3's language, in a process of its own: libraries hold Python's lock while they wait for it."""

import contextlib
import logging
import multiprocessing
import time

from moto.server import ThreadedMotoServer


@contextlib.contextmanager
def object_server():
    """Yield what to set in the environment of whoever asks a fresh server."""
    context = multiprocessing.get_context("spawn")
    answers, told = context.Pipe(duplex=False)
    server = context.Process(target=_serve, args=(told,), daemon=True)
    server.start()
    try:
        yield {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": answers.recv(),
        }  # fmt: skip
    finally:
        server.kill()
        server.join()


def _serve(told):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    told.send(f"http://{host}:{port}")
    while True:
        time.sleep(3600)
