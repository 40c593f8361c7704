# The package on CPU or CUDA, with the versions of constraints.txt:
#   docker build --tag calrec .
#   docker build --tag calrec --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .
#   docker run --rm --gpus all --volume "$PWD:/work" calrec calrec demo
ARG PYTHON=3.11
FROM python:${PYTHON}-slim

ARG TORCH=torch==2.13.0
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/calrec
# hadolint ignore=DL3013
RUN pip install --index-url "${TORCH_INDEX}" --extra-index-url https://pypi.org/simple "${TORCH}"
COPY constraints.txt ./
# --no-deps: constraints.txt is the complete list, but for what a CUDA build of torch brings with it
RUN pip install --no-deps --requirement constraints.txt
COPY . .
RUN pip install --no-deps --no-build-isolation . && useradd --create-home --uid 1000 researcher

USER 1000
WORKDIR /work
CMD ["calrec", "--help"]
