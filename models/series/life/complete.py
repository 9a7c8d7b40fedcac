"""The part of an artefact for complete histories, beside that for last steps."""

from models.adaptation import ProgressCallback
from models.sentences import sentence
from models.series.life.data import LifeData
from models.series.life.document import CompleteHistories
from models.series.life.fitting import FittedLife
from models.series.life.model import LifeModel
from models.series.life.rows import LifeRows
from models.series.life.variant import LifeVariant
from models.tabular.boosting import raw_scores
from models.tabular.tree_graph import build_tree_graph, require_same_scores

_CHECKED_ROWS = 200


def build_complete(
    data: LifeData, rows: LifeRows, fitted: FittedLife, progress: ProgressCallback
) -> CompleteHistories | None:
    """Return the model of complete histories, None if they tell no more."""
    model, last_steps, start = fitted.model, fitted.last_steps, rows.start
    if last_steps is None or start is None or model.network is None:
        return None
    progress(
        sentence(
            "A call whose {time} begins with the machine, at {new:g}, is also judged by the "
            "machine's age and first readings. For other calls, intervals are {factor:.2f} times "
            "as wide.",
            time=repr(data.histories.time_name),
            new=start.new,
            factor=last_steps.widening,
        )
    )
    graph = build_tree_graph(model.booster, "models.series")
    return CompleteHistories(
        start=start,
        fills=tuple(float(value) for value in model.fills),
        base=graph.base,
        trees=graph.model,
        network=model.network,
        other_widening=last_steps.widening,
    )


def require_same_trees(loaded: LifeVariant, rows: LifeRows, fitted: FittedLife) -> None:
    """Raise VariantBroken unless the artefact's trees give the scores of the fitted ones."""
    complete = loaded.document.complete
    pairs = [(of_last_steps(fitted), loaded.session, loaded.document.base)]
    if complete is not None:
        pairs.append((fitted.model, loaded.predictor.complete_session, complete.base))
    for model, session, base in pairs:
        features = model.features(rows)[:_CHECKED_ROWS]
        require_same_scores(session, raw_scores(model.booster, features), features, base)


def of_last_steps(fitted: FittedLife) -> LifeModel:
    """Return the model of calls whose history is not complete."""
    return fitted.model if fitted.last_steps is None else fitted.last_steps.model
