"""Which engine draws the samples, by ``InferenceSettings.generation_engine``."""

from collections.abc import Callable

from calrec_recbole.backbone import Backbone
from calrec_recbole.engines.vllm import VllmSampler, check_vllm
from calrec_recbole.engines.xla.lazy_graph import XLA
from calrec_recbole.engines.xla.static_sampling import StaticSampler
from calrec_recbole.errors import must_be_one_of
from calrec_recbole.inference import NATIVE
from calrec_recbole.recommender import Draw

__all__ = ["VLLM", "check_sampler", "sampler_of"]

VLLM = "vllm"
SAMPLERS: dict[str, Callable[[Backbone], Draw | None]] = {
    NATIVE: lambda backbone: None,  # ``generation.sample``, which a recommender takes by itself
    VLLM: VllmSampler,
    XLA: StaticSampler,  # asked for by ``device``, not by ``generation_engine``
}
CHOICES = (NATIVE, VLLM)


def check_sampler(name: str) -> None:
    """Raises ``ConfigError`` where ``generation_engine=name`` is unknown, or its package or device is missing."""
    must_be_one_of("generation_engine", name, CHOICES)
    if name == VLLM:
        check_vllm()


def sampler_of(name: str, backbone: Backbone) -> Draw | None:
    """What draws samples of ``backbone`` by the engine ``name``; None is ``generation.sample``."""
    return SAMPLERS[name](backbone)
