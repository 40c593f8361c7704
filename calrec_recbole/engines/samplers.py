"""Which engine draws the samples, by ``InferenceSettings.generation_engine``."""

from collections.abc import Callable

from calrec_recbole.backbone import Backbone
from calrec_recbole.engines.servers.openai_sampler import OpenAISampler, reach
from calrec_recbole.engines.servers.server_settings import ServerSettings
from calrec_recbole.engines.vllm import VllmSampler, check_vllm
from calrec_recbole.engines.xla.lazy_graph import XLA
from calrec_recbole.engines.xla.static_sampling import StaticSampler
from calrec_recbole.errors import ConfigError, must_be_one_of
from calrec_recbole.inference import NATIVE
from calrec_recbole.recommender import Draw

__all__ = ["OF_FINISHED_WEIGHTS", "check_sampler", "sampler_of"]

VLLM, OPENAI = "vllm", "openai"
OF_FINISHED_WEIGHTS = (VLLM, OPENAI)  # they hold a copy, of before this process trains
SAMPLERS: dict[str, Callable[[Backbone, ServerSettings], Draw | None]] = {
    NATIVE: lambda *_: None,  # ``generation.sample``, which a recommender takes by itself
    VLLM: lambda backbone, _: VllmSampler(backbone),
    OPENAI: OpenAISampler,
    XLA: lambda backbone, _: StaticSampler(backbone),  # asked for by ``device``, not by ``generation_engine``
}
CHOICES = (NATIVE, *OF_FINISHED_WEIGHTS)


def check_sampler(name: str, servers: ServerSettings) -> None:
    """Raises ``ConfigError``: ``generation_engine=name`` is unknown, or its package or server is not there."""
    must_be_one_of("generation_engine", name, CHOICES)
    if servers.urls and name != OPENAI:
        raise ConfigError(f"engine_url={','.join(servers.urls)} needs generation_engine=openai, not {name}")
    if name == VLLM:
        check_vllm()
    if name == OPENAI:
        reach(servers)


def sampler_of(name: str, backbone: Backbone, servers: ServerSettings) -> Draw | None:
    """What draws samples of ``backbone`` by the engine ``name``; None is ``generation.sample``."""
    return SAMPLERS[name](backbone, servers)
