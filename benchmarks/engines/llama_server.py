"""llama.cpp's server by `xllamacpp`, as `engines_check.sh` starts it: python llama_server.py GGUF PORT."""

import signal
import sys

import xllamacpp

settings = xllamacpp.CommonParams()
settings.model.path, settings.port = sys.argv[1], int(sys.argv[2])
settings.n_parallel, settings.kv_unified, settings.n_ctx = 8, True, 8192
settings.n_gpu_layers, settings.fit_params, settings.verbosity = 0, False, 1
server = xllamacpp.Server(settings)
print(server.listening_address, flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
