"""Keeps LocalStack on this host alone, and ends it, with its folder, with the process that started it."""

import atexit
import os
import shutil
import signal
import threading
import time
from functools import partial

from localstack.runtime import hooks

END_MAX_SEC = 10


@hooks.on_runtime_create()
def listen_on_loopback() -> None:
    """By itself it listens on every interface, whatever GATEWAY_LISTEN says."""
    from twisted.internet import endpoints

    endpoints.TCP4ServerEndpoint = partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")


@hooks.on_runtime_create()
def end_with_starter() -> None:
    """Whoever started LocalStack holds its standard input open, and the end of it is the end."""

    def remove_folder() -> None:
        shutil.rmtree(os.environ["FILESYSTEM_ROOT"], ignore_errors=True)

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(END_MAX_SEC)
        remove_folder()
        os._exit(1)

    atexit.register(remove_folder)
    threading.Thread(target=wait, daemon=True).start()
