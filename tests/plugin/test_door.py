"""RecBole's config goes no further than the door: settings travel as dataclasses."""

import ast
from pathlib import Path

import calrec_recbole.baselines
import calrec_recbole.plugin

ROOTS = [Path(package.__file__).parent for package in (calrec_recbole.plugin, calrec_recbole.baselines)]

DOOR = {  # who is handed the whole config: RecBole's own contracts, and the classmethods that make dataclasses of it
    *("runner._run_jointly", "runner.build_model"),
    *("prepared.Prepared.__init__", "prepared.prepare", "dataset.read_dataset", "events.loader_of_events"),
    *("core_settings.CALRecSettings.from_config", "tie_aware_trainer.RowColumns.from_config"),
    *("features.text_settings",),
    *("model.CALRec.check_settings", "lir.LIR.check_settings"),
    *("tie_aware_trainer.TieHonest.__init__", "trainer.PretrainedTrainer.__init__"),
    *("model.CALRec.__init__", "sampled_texts.SampledTexts.__init__", "sampled_texts.SampledTextsRanker.__init__"),
    *("bert4rec.BERT4RecFull.__init__", "fdsa_text.FDSAText.__init__", "lir.LIR.__init__", "model.S3RecText.__init__"),
    *("model.UniSRec.__init__", "model.Recformer.__init__", "sasrec_sampled.SASRecSampled.__init__"),
    "model.TIGER.__init__",
    *("transition_graph.TransitionGraph.__init__", "transition_graph.TransitionGraph.check_settings"),
    *("recent_pop.RecentPop.__init__", "given_scores.GivenScores.__init__", "given_scores.GivenScores.check_settings"),
    "given_scores.evaluated_before",  # names the run that would be made
    "longformer.RecformerNetwork.__init__",  # transformers' config
}


def handed_the_config() -> set[str]:
    found = set()
    for file in (file for root in ROOTS for file in root.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        owners = {
            id(one): f"{node.name}." for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for one in node.body
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and "config" in {argument.arg for argument in node.args.args}:
                found.add(f"{file.stem}.{owners.get(id(node), '')}{node.name}")
    return found


def test_only_the_door_is_handed_the_config():
    assert handed_the_config() == DOOR


def test_nothing_of_ours_asks_a_trainers_config():
    """RecBole's trainers keep it as ``self.config``; what ours need they take in their constructor."""
    sources = {file.name: file.read_text(encoding="utf-8") for root in ROOTS for file in root.rglob("*.py")}
    assert [name for name, source in sources.items() if "self.config[" in source] == []
